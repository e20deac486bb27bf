//! The JSON documents of this stage; `docs/artifacts.md` describes them.

use landscape::change::decay;
use landscape::change::interval::Estimate;
use landscape::change::sufficient::SufficientSize;
use records::{BasisName, Sampling};
use serde::Serialize;

use crate::compare::Comparison;

/// V with its error and interval.
#[derive(Serialize)]
pub struct Uncertain {
    /// V = mean_t S²(θ_t), nats²
    pub variance: f64,
    /// of V over samples and draws, nats²
    pub variance_standard_error: f64,
    /// the part of the draws
    pub draws_standard_error: f64,
    /// the part of the samples
    pub samples_standard_error: f64,
    /// lower end of the interval of V
    pub low: f64,
    /// upper end
    pub high: f64,
}

impl Uncertain {
    /// The interval of this coverage.
    pub fn new(v: &Estimate, confidence: f64) -> Self {
        let (low, high) = v.interval(confidence);
        Self {
            variance: v.value,
            variance_standard_error: v.error(),
            draws_standard_error: v.draws_error,
            samples_standard_error: v.samples_error,
            low,
            high,
        }
    }
}

/// Ends of an interval, samples.
#[derive(Serialize)]
pub struct Interval {
    /// lower end
    pub low: usize,
    /// upper end
    pub high: usize,
}

/// K at full size as a pilot predicts it.
#[derive(Serialize)]
pub struct PredictedSize {
    /// nats²
    pub tolerance: f64,
    /// samples
    pub k: usize,
    /// of that
    #[serde(flatten)]
    pub interval: Interval,
    /// what all samples give
    pub full_k: usize,
}

/// A tolerance for Δ_k.
#[derive(Clone, Copy)]
pub struct Tolerance {
    /// nats²
    pub nats2: f64,
    /// of √Δ as a fraction of the mean perturbed loss, if it was given so
    pub relative: Option<f64>,
}

/// `theory.json`
#[derive(Serialize)]
pub struct TheoryDocument {
    /// coverage of every interval
    pub confidence: f64,
    /// one per setting of `montecarlo`
    pub settings: Vec<SettingTheory>,
}

/// What is known of one setting.
#[derive(Serialize)]
pub struct SettingTheory {
    /// its folder
    pub name: String,
    /// whose directions
    pub basis: BasisName,
    /// d
    pub dim: usize,
    /// σ, parameter units
    pub sigma: f64,
    /// T
    pub draws: usize,
    /// how they were taken
    pub sampling: Sampling,
    /// whether the second-order model helped to estimate V
    pub control_variate: bool,
    /// V
    #[serde(flatten)]
    pub variance: Uncertain,
    /// mean of L_N(θ_t) over the draws, nats
    pub mean_loss: f64,
    /// of Δ_k ~ k^value; null where too few prefixes
    pub exponent: Option<Exponent>,
    /// empty for settings on other bases, and where no measured Δ_k is above 0
    pub theories: Vec<Theory>,
}

/// Exponent with its interval.
#[derive(Serialize)]
pub struct Exponent {
    value: f64,
    low: f64,
    high: f64,
    n_bins: usize,
}

impl From<decay::Exponent> for Exponent {
    fn from(e: decay::Exponent) -> Self {
        Self { value: e.value, low: e.low, high: e.high, n_bins: e.n_bins }
    }
}

/// One theory beside Monte Carlo.
#[derive(Serialize)]
pub struct Theory {
    /// `diagonal`, `quadratic`, `second-order` or `eigenvalue`
    pub name: &'static str,
    /// V of its order average, nats²; null for `eigenvalue`, which has no closed form
    pub order_average_variance: Option<f64>,
    /// over the prefix sizes where both are known
    #[serde(flatten)]
    pub comparison: Comparison,
}

/// `sufficient.json`
#[derive(Serialize)]
pub struct Sufficient {
    /// N
    pub n_samples: usize,
    /// s
    pub step: usize,
    /// one per setting, tolerance and method
    pub rows: Vec<Row>,
}

/// K of one method at one tolerance.
#[derive(Serialize)]
pub struct Row {
    /// folder of the setting
    pub setting: String,
    /// `monte-carlo`, `order-average`, a theory, or a theory with `-average`
    pub method: String,
    /// nats²
    pub tolerance: f64,
    /// the same as √Δ over the mean perturbed loss, if it was given so
    pub relative: Option<f64>,
    /// `reached`, `extrapolated` or `not reached`
    pub status: &'static str,
    /// samples; null if not reached
    pub k: Option<usize>,
    /// lower end of the interval of the closed form, samples
    pub low: Option<usize>,
    /// upper end
    pub high: Option<usize>,
}

impl Row {
    /// A row without interval.
    pub fn new(setting: &str, method: &str, tolerance: Tolerance, size: SufficientSize) -> Self {
        let (status, k) = match size {
            SufficientSize::Reached(k) => ("reached", Some(k)),
            SufficientSize::Extrapolated(k) => ("extrapolated", Some(k)),
            SufficientSize::NotReached => ("not reached", None),
        };
        Self {
            setting: setting.to_owned(),
            method: method.to_owned(),
            tolerance: tolerance.nats2,
            relative: tolerance.relative,
            status,
            k,
            low: None,
            high: None,
        }
    }

    /// A row of a closed form.
    pub fn with_interval(
        setting: &str,
        method: &str,
        tolerance: Tolerance,
        (size, (low, high)): (SufficientSize, (usize, usize)),
    ) -> Self {
        Self { low: Some(low), high: Some(high), ..Self::new(setting, method, tolerance, size) }
    }
}
