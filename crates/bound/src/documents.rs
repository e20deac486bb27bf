//! The two JSON documents of this stage; `docs/artifacts.md` describes them.

use landscape::decay;
use landscape::sufficient::SufficientSize;
use pipeline::params::BasisName;
use serde::Serialize;

use crate::compare::Comparison;

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
    /// V = mean_t S²(θ_t), nats²
    pub variance: f64,
    /// of V over the draws, nats²
    pub variance_standard_error: f64,
    /// of Δ_k ~ k^value; null where too few prefixes
    pub exponent: Option<Exponent>,
    /// empty for settings on other bases
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
    /// `monte-carlo`, `order-average` or a theory
    pub method: String,
    /// nats²
    pub tolerance: f64,
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
    pub fn new(setting: &str, method: &str, tolerance: f64, size: SufficientSize) -> Self {
        let (status, k) = match size {
            SufficientSize::Reached(k) => ("reached", Some(k)),
            SufficientSize::Extrapolated(k) => ("extrapolated", Some(k)),
            SufficientSize::NotReached => ("not reached", None),
        };
        Self {
            setting: setting.to_owned(),
            method: method.to_owned(),
            tolerance,
            status,
            k,
            low: None,
            high: None,
        }
    }
}
