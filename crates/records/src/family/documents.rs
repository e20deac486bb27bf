//! The JSON documents of `family`; `docs/artifacts.md` describes them.

use landscape::change::forecast::{AtSize, Fault, Forecast, LittleGain};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::artifact::Document;

use super::params::{Member, Target};
use crate::bound::Status;
use crate::network::Architecture;
use crate::train::{Activation, Loss, Polished, Stopped};
use crate::units::{LossValue, Samples, SquaredLoss};

/// `members.json`
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Members {
    /// in the order of the family
    pub members: Vec<MemberResult>,
}

impl Document for Members {
    const STAGE: &'static str = "family";
    const FILE: &'static str = "members.json";
    const MEANING: &'static str = "what each member found";
}

/// What one member found.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct MemberResult {
    /// which
    #[serde(flatten)]
    pub member: Member,
    /// N
    pub n_samples: Samples,
    /// 0: regression
    pub n_classes: usize,
    /// eigenvalues of `eigen` above their largest gap, and the ratio across it; null without a gap
    pub outliers: Option<(usize, f64)>,
    /// at w*
    pub train_loss: LossValue,
    /// fraction; null for regression
    pub train_accuracy: Option<f64>,
    /// null without a test split
    pub test_loss: Option<LossValue>,
    /// fraction
    pub test_accuracy: Option<f64>,
    /// loss per parameter unit
    pub gradient_norm: f64,
    /// as `train` recorded it; null without a stop
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stopped>,
    /// as `train` recorded it; null without a polish
    pub polish: Option<Polished>,
    /// mean squared cosine of the angles to the largest member of the same replica and variant; null for that one
    pub overlap: Option<f64>,
    /// the setting of `montecarlo` that these numbers are of: its first
    pub setting: String,
    /// d
    pub dim: usize,
    /// σ, parameter units
    pub sigma: f64,
    /// T
    pub draws: usize,
    /// s
    pub step: Samples,
    /// layers, and the shape of the samples
    pub network: Architecture,
    /// of each sample
    pub loss: Loss,
    /// after every layer but the last
    pub activation: Activation,
    /// p
    pub n_params: usize,
    /// where the samples come from
    pub source: String,
    /// coverage of every interval
    pub confidence: f64,
    /// V of the member's own samples
    pub variance: SquaredLoss,
    /// of V over samples and draws
    pub variance_standard_error: SquaredLoss,
    /// V of each theory that has one, by name
    pub theory_variances: Vec<(String, SquaredLoss)>,
    /// Δ_k by the closed form over the member's own samples, which it was trained on
    pub delta_seen: SquaredLoss,
    /// Δ_k over the samples that come next, which it was not; null where none are left
    pub delta_fresh: Option<SquaredLoss>,
    /// K by the closed form, per tolerance
    pub sufficient: Vec<MemberSize>,
    /// what may make the numbers wrong, a sentence each, from all its stages
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// K by the closed form at one tolerance.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct MemberSize {
    /// loss²
    pub tolerance: SquaredLoss,
    /// null where not reached
    pub k: Option<Samples>,
    /// whether the member's samples suffice
    pub status: Status,
}

/// `curves.json`
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Curves {
    /// one per variant
    pub curves: Vec<Ladder>,
}

impl Document for Curves {
    const STAGE: &'static str = "family";
    const FILE: &'static str = "curves.json";
    const MEANING: &'static str = "means over replicas, per variant and size";
}

/// Mean over replicas, with the standard deviation over them (null for one replica).
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Spread {
    /// of the replicas
    pub mean: f64,
    /// over them
    pub deviation: Option<f64>,
}

/// One variant over its prefix sizes.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Ladder {
    /// its name; null without variants
    pub variant: Option<String>,
    /// the setting of `montecarlo` that these numbers are of
    pub setting: String,
    /// s
    pub step: Samples,
    /// a doubling that takes less than this fraction off the test loss is flat
    pub flat_gain: f64,
    /// ascending
    pub rungs: Vec<Rung>,
    /// null with fewer than three prefix sizes or without a test split
    pub fit: Option<Fit>,
    /// V of each theory at the largest rung, mean over replicas
    pub theory_variances: Vec<(String, SquaredLoss)>,
}

/// All replicas of one variant at one prefix size.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Rung {
    /// prefix size
    pub k: Samples,
    /// how many
    pub replicas: usize,
    /// loss
    pub train_loss: Spread,
    /// loss
    pub test_loss: Option<Spread>,
    /// fraction
    pub test_accuracy: Option<Spread>,
    /// loss per parameter unit
    pub gradient_norm: Spread,
    /// V, loss²
    pub variance: Spread,
    /// Δ_k over the samples that were trained on, loss²
    pub delta_seen: Spread,
    /// Δ_k over the samples that come next, loss²
    pub delta_fresh: Option<Spread>,
    /// mean squared cosine with the directions of the largest network
    pub overlap: Option<Spread>,
    /// by rank
    pub eigenvalues: Vec<Spread>,
    /// mean cosine by rank; empty at the largest
    pub cosines: Vec<f64>,
    /// K by the closed form at each tolerance, as this many samples predict it
    pub sufficient: Vec<(SquaredLoss, Spread)>,
}

/// Whether the learning curve becomes flat, by its power law. Where the test loss is forecast, `tolerance_of_gain` of `forecast.json`
/// says it, and the page with it: the two laws may differ.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Flattening {
    /// at `flat_k`
    At,
    /// at every size
    Everywhere,
    /// at none
    Never,
}

/// The power law of the test loss: floor + scale · k^−exponent.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Fit {
    /// loss of infinitely many samples
    pub floor: LossValue,
    /// of the part that falls
    pub scale: f64,
    /// of the fall
    pub exponent: f64,
    /// over the fits of single replicas
    pub exponent_deviation: Option<f64>,
    /// root mean square of the residuals over the loss
    pub relative_residual: f64,
    /// where a doubling takes less than `flat_gain` off the test loss
    pub flattening: Flattening,
    /// samples from which it does
    pub flat_k: Option<f64>,
    /// V (1/k − 1/(k+s)) there, V of the largest rung
    pub delta_at_flat: Option<SquaredLoss>,
}

/// `forecast.json`
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Forecasts {
    /// coverage of every band
    pub confidence: f64,
    /// nothing is forecast beyond so many times the largest size
    pub limit: f64,
    /// draws of each bootstrap
    pub draws: usize,
    /// what the bands contain, and how they were checked
    pub method: String,
    /// one per variant
    pub forecasts: Vec<LadderForecast>,
}

impl Document for Forecasts {
    const STAGE: &'static str = "family";
    const FILE: &'static str = "forecast.json";
    const MEANING: &'static str =
        "what more data buy: test loss and error beyond the largest size, per variant";
}

/// What more data buy one variant.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct LadderForecast {
    /// its name; null without variants
    pub variant: Option<String>,
    /// M, samples that each member is tested on; null without a test split
    pub n_test: Option<Samples>,
    /// whether all replicas are tested on the same samples; else each has its own, of which two replicas share a
    /// fraction M/(N + M)
    pub same_test_samples: bool,
    /// of `family.target`
    pub target: Option<Target>,
    /// test loss; null with fewer than three sizes, without a test split, or where nothing says how noisy it is
    pub loss: Option<Forecast>,
    /// test error, 1 − accuracy; null also for regression, and where a size makes no error
    pub error: Option<Forecast>,
    /// K of the largest size beside the curve, one per tolerance of `bound.tolerances`
    #[serde(default)]
    pub beside: Vec<KBeside>,
    /// the tolerance whose K is where twice the samples buy little; null without a forecast of the test loss
    #[serde(default)]
    pub tolerance_of_gain: Option<ToleranceOfGain>,
    /// what may make the forecast wrong, a sentence each
    pub warnings: Vec<String>,
}

/// K at one tolerance, and the forecast at so many samples.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct KBeside {
    /// loss²
    pub tolerance: SquaredLoss,
    /// K of the networks of the largest size, by the closed form
    pub k: Spread,
    /// test loss at the mean K, rounded; null as `LadderForecast::loss`
    pub loss: Option<AtSize>,
    /// test error there; null as `LadderForecast::error`
    pub error: Option<AtSize>,
}

/// `V (1/n − 1/(n+s))`, V of the largest size, at the n from which on twice the samples take less than `family.flat_gain` off the
/// test loss.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct ToleranceOfGain {
    /// n, by the forecast
    pub gain: LittleGain,
    /// loss²; null where no n is known
    pub tolerance: Option<SquaredLoss>,
    /// at the upper end of n; null where there is none
    pub low: Option<SquaredLoss>,
    /// at the lower end of n
    pub high: Option<SquaredLoss>,
}

impl LadderForecast {
    /// Where a curve has not the shape of a forecast, with its name.
    pub fn faults(&self) -> impl Iterator<Item = (&'static str, Fault)> {
        let both = [("test loss", &self.loss), ("test error", &self.error)];
        both.into_iter()
            .flat_map(|(what, f)| f.iter().flat_map(move |f| f.faults.iter().map(move |x| (what, *x))))
    }

    /// A sentence with the name of the variant, where there is one.
    pub fn label(&self, text: &str) -> String {
        self.variant.as_ref().map_or(text.to_owned(), |v| format!("{v}: {text}"))
    }
}
