//! The JSON documents of `bound`; `docs/artifacts.md` describes them.

pub use landscape::change::decay::Exponent;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::artifact::Document;

use crate::eigen::BasisName;
use crate::montecarlo::Sampling;
use crate::units::{LossValue, Samples, SquaredLoss};

/// V with its error and interval.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Uncertain {
    /// V = mean_t S²(θ_t)
    pub variance: SquaredLoss,
    /// of V over samples and draws
    pub variance_standard_error: SquaredLoss,
    /// the part of the draws
    pub draws_standard_error: SquaredLoss,
    /// the part of the samples
    pub samples_standard_error: SquaredLoss,
    /// lower end of the interval of V
    pub low: SquaredLoss,
    /// upper end
    pub high: SquaredLoss,
}

/// `theory.json`
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct TheoryDocument {
    /// coverage of every interval
    pub confidence: f64,
    /// one per setting of `montecarlo`
    pub settings: Vec<SettingTheory>,
}

impl Document for TheoryDocument {
    const STAGE: &'static str = "bound";
    const FILE: &'static str = "theory.json";
    const MEANING: &'static str = "V, exponent and ratio of each theory, per setting";
}

/// What is known of one setting.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct SettingTheory {
    /// its folder
    pub name: String,
    /// whose directions
    pub basis: BasisName,
    /// d
    pub dim: usize,
    /// σ, parameter units; 1 where `deviations` are there
    pub sigma: f64,
    /// (d,), standard deviations of θ in parameter units, where each direction has its own (`sigma: posterior`)
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deviations: Vec<f64>,
    /// T
    pub draws: usize,
    /// how they were taken
    pub sampling: Sampling,
    /// whether the second-order model helped to estimate V
    pub control_variate: bool,
    /// V
    #[serde(flatten)]
    pub v: Uncertain,
    /// mean of L_N(θ_t) over the draws
    pub mean_loss: LossValue,
    /// of Δ_k ~ k^value; null where too few prefixes
    pub exponent: Option<Exponent>,
    /// with `sigma: posterior` alone
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<Gap>,
    /// empty for settings on other bases, and where no measured Δ_k is above 0
    pub theories: Vec<Theory>,
}

/// What the posterior of one network says of the gap between its test and its training loss (docs/method.md, section 7).
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Gap {
    /// Σ_i Var_θ ℓ_i over N: by the functional variance of WAIC (Watanabe 2010) over the draws
    pub by_draws: LossValue,
    /// tr(H⁻¹ C) over N in the d directions, C the covariance of the samples' slopes: by Takeuchi's criterion (1976)
    pub by_trace: LossValue,
}

/// One theory beside Monte Carlo.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Theory {
    /// `diagonal`, `quadratic`, `second-order` or `eigenvalue`
    pub name: String,
    /// V of its order average; null for `eigenvalue`, which has no closed form
    pub order_average_variance: Option<SquaredLoss>,
    /// over the prefix sizes where both are known
    #[serde(flatten)]
    pub comparison: Comparison,
}

/// A theory over Monte Carlo, over the prefix sizes where both are known.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Comparison {
    /// prefix sizes compared: those where Monte Carlo is above 0
    pub n_compared: usize,
    /// fraction of them where the theory is at or above Monte Carlo
    pub fraction_above: f64,
    /// smallest theory / Monte Carlo
    pub smallest_ratio: f64,
    /// geometric mean of theory / Monte Carlo; 0 if the theory is 0 somewhere
    pub geometric_mean_ratio: f64,
    /// fraction of them where the two differ by at most three standard errors of Monte Carlo
    pub within_three_standard_errors: f64,
}

/// `sufficient.json`
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Sufficient {
    /// N
    pub n_samples: Samples,
    /// s
    pub step: Samples,
    /// one per setting, tolerance and method
    pub rows: Vec<SufficientRow>,
}

impl Document for Sufficient {
    const STAGE: &'static str = "bound";
    const FILE: &'static str = "sufficient.json";
    const MEANING: &'static str = "K per setting, tolerance and method";
}

/// Whether there are enough samples.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// K is among the samples at hand.
    Reached,
    /// K is beyond them, by the closed form.
    Extrapolated,
    /// Δ_k has not settled below the tolerance.
    #[serde(rename = "not reached")]
    NotReached,
}

/// K of one method at one tolerance.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct SufficientRow {
    /// of `montecarlo.settings`
    pub setting: String,
    /// `order-average`: closed form of the average over all orders; `monte-carlo`: the one measured order; a theory, or a
    /// theory with `-average`
    pub method: String,
    /// loss²
    pub tolerance: SquaredLoss,
    /// the same as √Δ over the mean perturbed loss, if it was given so
    pub relative: Option<f64>,
    /// `reached`, `extrapolated` (beyond the samples at hand) or `not reached`
    pub status: Status,
    /// samples; null where not reached, or 2⁵² and more
    pub k: Option<Samples>,
    /// lower end of the interval of the closed form, samples
    pub low: Option<Samples>,
    /// upper end, samples; null where it is 2⁵² or more
    pub high: Option<Samples>,
}

/// `pilot.json`
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Pilots {
    /// coverage of every interval
    pub confidence: f64,
    /// one per setting, pilot size and origin
    pub pilots: Vec<Pilot>,
}

impl Document for Pilots {
    const STAGE: &'static str = "bound";
    const FILE: &'static str = "pilot.json";
    const MEANING: &'static str = "V and K that the first n samples predict";
}

/// What one pilot predicts, beside what all samples give.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Pilot {
    /// folder of the setting
    pub setting: String,
    /// n
    pub n_samples: Samples,
    /// `all-samples`: w* and basis of all samples; or the experiment whose first n samples alone gave them
    pub minimiser: String,
    /// V as the pilot sees it
    #[serde(flatten)]
    pub v: Uncertain,
    /// V of all samples
    pub full_variance: SquaredLoss,
    /// whether that lies in the pilot's interval
    pub holds: bool,
    /// K per tolerance in loss²
    pub sizes: Vec<PredictedSize>,
}

/// K at full size as a pilot predicts it; none where a number of it is 2⁵² or more.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct PredictedSize {
    /// loss²
    pub tolerance: SquaredLoss,
    /// K
    pub k: Samples,
    /// of K
    #[serde(flatten)]
    pub interval: SizeInterval,
    /// what all samples give
    pub full_k: Samples,
}

/// Ends of an interval of K.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct SizeInterval {
    /// lower end
    pub low: Samples,
    /// upper end
    pub high: Samples,
}

/// `sweep.json`: over σ, which sampling method knows V soonest, and where each theory holds.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct SweepFindings {
    /// the first so many samples took part
    pub n_samples: Samples,
    /// d
    pub dim: usize,
    /// T per σ and method
    pub draws: usize,
    /// coverage of every interval
    pub confidence: f64,
    /// one per σ at which the loss changes
    pub sigmas: Vec<AtSigma>,
    /// where each theory holds
    pub theories: Vec<Holds>,
}

impl Document for SweepFindings {
    const STAGE: &'static str = "bound";
    const FILE: &'static str = "sweep.json";
    const MEANING: &'static str = "sampling methods and theories over sigma";
}

/// What was found at one σ.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct AtSigma {
    /// parameter units
    pub sigma: f64,
    /// V by the method that knows it best
    pub variance: SquaredLoss,
    /// its standard error over the draws over V
    pub relative_error: f64,
    /// that method
    pub reference: String,
    /// every method, with and without control variate
    pub methods: Vec<MethodAtSigma>,
    /// every theory
    pub theories: Vec<TheoryAtSigma>,
}

/// A sampling method at one σ.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct MethodAtSigma {
    /// `plain`, `antithetic` or `sobol`, with `+control` where the control variate is used
    pub method: String,
    /// V
    pub variance: SquaredLoss,
    /// standard error over the draws over V
    pub relative_error: f64,
    /// independent groups that error comes from
    pub groups: usize,
    /// variance of V of plain draws over that of this method at equal work: draws that one draw of this method replaces
    pub efficiency: f64,
    /// draws until K is within 5 % at the confidence of the document
    pub draws_for_k: f64,
}

/// A theory at one σ.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct TheoryAtSigma {
    /// of the theory
    pub name: String,
    /// its V over the measured V; for `eigenvalue` the geometric mean of its ratio to the measured Δ_k
    pub ratio: f64,
    /// of the curves of the one stored order
    #[serde(flatten)]
    pub comparison: Comparison,
}

/// Where a theory holds.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Holds {
    /// of the theory
    pub name: String,
    /// ranges of σ within 10 % of Monte Carlo, by interpolation of log ratio over log σ
    pub within: Vec<[f64; 2]>,
    /// ranges of σ where its V is at or above the measured one
    pub above: Vec<[f64; 2]>,
    /// σ of the grid where its curve is at or above Monte Carlo at every prefix size compared
    pub above_everywhere: Vec<f64>,
}
