//! What `bound` reports: theory beside Monte Carlo, K, pilots, and the sweep over σ.

use anyhow::Result;
use ndarray::{Array1, Ix1};
use records::BasisName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::artifact::Inputs;

use crate::read::eigen::Basis;

/// One Δ_k curve with all that is known of it.
pub struct Setting {
    pub name: String,
    pub basis: Basis,
    pub dim: usize,
    pub sigma: f64,
    pub draws: usize,
    /// (n,), nats²
    pub delta: Array1<f64>,
    pub standard_error: Array1<f64>,
    pub order_average: Array1<f64>,
    /// V, nats²
    pub variance: f64,
    pub variance_standard_error: f64,
    pub exponent: Option<Exponent>,
    pub theories: Vec<TheoryCurve>,
}

/// Fitted x of Δ_k ~ k^x with its interval.
#[derive(Clone, Debug, Deserialize)]
pub struct Exponent {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

/// One theory curve beside Monte Carlo.
pub struct TheoryCurve {
    pub name: String,
    pub sizes: Vec<usize>,
    pub values: Array1<f64>,
    pub comparison: Comparison,
}

/// Where a theory lies beside Monte Carlo; ratios are theory over Monte Carlo.
#[derive(Clone, Debug, Deserialize)]
pub struct Comparison {
    pub name: String,
    pub n_compared: usize,
    pub fraction_above: f64,
    pub smallest_ratio: f64,
    pub geometric_mean_ratio: f64,
    pub within_three_standard_errors: f64,
}

/// K of one method at one tolerance.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct SufficientRow {
    /// of `montecarlo.settings`
    pub setting: String,
    /// `order-average`: closed form of the average over all orders; `monte-carlo`: the one measured order; or a theory
    pub method: String,
    /// nats²
    pub tolerance: f64,
    /// the same as √Δ over the mean perturbed loss, if it was given so
    pub relative: Option<f64>,
    /// `reached`, `extrapolated` (beyond the samples at hand) or `not reached`
    pub status: String,
    /// samples; null where not reached
    pub k: Option<usize>,
    /// lower end of the interval, samples
    pub low: Option<usize>,
    /// upper end of the interval, samples
    pub high: Option<usize>,
}

/// `theory.json`
#[derive(Deserialize)]
pub struct TheoryDocument {
    pub confidence: f64,
    pub settings: Vec<SettingTheory>,
}

/// One setting of `theory.json`.
#[derive(Deserialize)]
pub struct SettingTheory {
    name: String,
    basis: BasisName,
    dim: usize,
    sigma: f64,
    draws: usize,
    variance: f64,
    variance_standard_error: f64,
    exponent: Option<Exponent>,
    theories: Vec<Comparison>,
}

#[derive(Deserialize)]
struct SufficientDocument {
    rows: Vec<SufficientRow>,
}

/// `pilot.json`
#[derive(Deserialize)]
pub struct PilotDocument {
    pub confidence: f64,
    pub pilots: Vec<Pilot>,
}

/// What the first n samples say of V and K.
#[derive(Deserialize)]
pub struct Pilot {
    pub setting: String,
    pub n_samples: usize,
    /// `all-samples`, or the experiment that trained on the first n alone
    pub minimiser: String,
    /// V, nats², with the ends of its interval
    pub variance: f64,
    pub low: f64,
    pub high: f64,
    /// V of all samples
    pub full_variance: f64,
    /// whether that is in the interval
    pub holds: bool,
    pub sizes: Vec<PredictedSize>,
}

/// K that a pilot predicts at one tolerance.
#[derive(Deserialize)]
pub struct PredictedSize {
    pub tolerance: f64,
    pub k: usize,
    pub low: usize,
    pub high: usize,
    pub full_k: usize,
}

/// `sweep.json`
#[derive(Deserialize)]
pub struct Sweep {
    pub n_samples: usize,
    pub dim: usize,
    pub draws: usize,
    pub sigmas: Vec<AtSigma>,
    pub theories: Vec<Holds>,
}

/// Methods and theories at one σ.
#[derive(Deserialize)]
pub struct AtSigma {
    pub sigma: f64,
    pub variance: f64,
    pub methods: Vec<Method>,
    pub theories: Vec<TheoryAtSigma>,
}

/// One way to draw θ.
#[derive(Deserialize)]
pub struct Method {
    #[serde(rename = "method")]
    pub name: String,
    pub efficiency: f64,
    pub draws_for_k: f64,
}

/// V of a theory over V by Monte Carlo.
#[derive(Deserialize)]
pub struct TheoryAtSigma {
    pub ratio: f64,
    pub fraction_above: f64,
}

/// The σ at which a theory is near Monte Carlo, and above it.
#[derive(Deserialize)]
pub struct Holds {
    pub name: String,
    /// ranges of σ where it is within 10 %
    pub within: Vec<[f64; 2]>,
    /// ranges where it is above on average
    pub above: Vec<[f64; 2]>,
    /// each σ where it is above at every prefix size
    pub above_everywhere: Vec<f64>,
}

impl Setting {
    /// Curves of one setting: those of Monte Carlo and those of the theories.
    pub fn read(inputs: &Inputs, s: SettingTheory) -> Result<Self> {
        let folder = |file: &str| format!("{}/{file}", s.name);
        let montecarlo = |file: &str| inputs.read::<f64, Ix1>("montecarlo", &folder(file));
        Ok(Self {
            delta: montecarlo("delta.npy")?,
            standard_error: montecarlo("standard_error.npy")?,
            order_average: inputs.read("bound", &folder("order_average.npy"))?,
            theories: s
                .theories
                .iter()
                .map(|c| TheoryCurve::read(inputs, &s.name, c))
                .collect::<Result<_>>()?,
            name: s.name,
            basis: Basis::of(s.basis, &inputs.params("eigen")?),
            dim: s.dim,
            sigma: s.sigma,
            draws: s.draws,
            variance: s.variance,
            variance_standard_error: s.variance_standard_error,
            exponent: s.exponent,
        })
    }
}

impl TheoryCurve {
    fn read(inputs: &Inputs, setting: &str, comparison: &Comparison) -> Result<Self> {
        let name = &comparison.name;
        let own = format!("{setting}/{name}_prefix_sizes.npy");
        let sizes = if inputs.has("bound", &own) {
            inputs.read_sizes("bound", &own)?
        } else {
            inputs.read_sizes("montecarlo", "prefix_sizes.npy")?
        };
        let values = inputs.read("bound", &format!("{setting}/{}.npy", name.replace('-', "_")))?;
        Ok(Self { name: name.clone(), sizes, values, comparison: comparison.clone() })
    }
}

/// `sufficient.json`
pub fn read_sufficient(inputs: &Inputs) -> Result<Vec<SufficientRow>> {
    Ok(inputs.read_json::<SufficientDocument>("bound", "sufficient.json")?.rows)
}

/// The sweep, if there was one.
pub fn read_sweep(inputs: &Inputs) -> Result<Option<Sweep>> {
    Ok(inputs.has("bound", "sweep.json").then(|| inputs.read_json("bound", "sweep.json")).transpose()?)
}
