//! What `answer` is told and what it writes.

pub use landscape::change::interval::Components;
pub use landscape::change::precision::{End, Plan, Round};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::artifact::Document;

use crate::bound::{SufficientRow, Uncertain};
use crate::eigen::BasisName;
use crate::montecarlo::Sampling;
use crate::ranges::{fraction, positive};
use crate::section::{Precision, Section, Unfit};
use crate::units::{LossValue, Samples, SquaredLoss};

/// Parameters of `answer`: V and K as precise as asked for, from as few losses as that takes.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Half the width of the interval of V, as a fraction of V; K is then known to half of it. null: the stage does nothing.
    #[schemars(transform = fraction)]
    pub half_width: Option<f64>,
    /// Whether the experiment is asked for nothing else: `make <experiment>` ends here, without curves and page.
    pub alone: bool,
    /// Whose directions: hessian, random or filter.
    pub basis: BasisName,
    /// The first so many of them, d; null: all.
    #[schemars(range(min = 1))]
    pub dim: Option<usize>,
    /// Standard deviation σ of each coordinate of θ, in parameter units.
    #[schemars(transform = positive)]
    pub sigma: f64,
    /// Step s in samples: Δ_k compares k with k + s.
    #[schemars(range(min = 1))]
    pub step: Samples,
    /// Tolerances for Δ_k, in the squared unit of the loss: nats² for softmax-cross-entropy.
    #[schemars(length(min = 1), transform = positive)]
    pub tolerances: Vec<SquaredLoss>,
    /// Tolerances for √Δ_k as a fraction of the mean perturbed loss.
    #[schemars(transform = positive)]
    pub relative_tolerances: Vec<f64>,
    /// Coverage of every interval.
    #[schemars(transform = fraction)]
    pub confidence: f64,
    /// How draws are taken; null: sobol, or plain where there are more directions than that has.
    pub sampling: Option<Sampling>,
    /// Samples of the first batch, which says how many samples and draws are needed.
    #[schemars(range(min = 10))]
    pub first_samples: Samples,
    /// Draws of the first batch.
    #[schemars(range(min = 32))]
    pub first_draws: usize,
    /// Losses of samples at draws that may be evaluated in all.
    #[schemars(range(min = 1))]
    pub max_losses: f64,
    /// Of the draws, and of which samples are taken.
    pub seed: u64,
    /// Type of the products.
    pub precision: Precision,
    /// Memory in MiB for the perturbed weights of all layers but the first.
    #[schemars(range(min = 1))]
    pub weights_mib: usize,
}

impl Answer {
    /// How draws in `dim` directions are taken.
    pub fn sampling_of(&self, dim: usize) -> Sampling {
        let fits = dim <= Sampling::SOBOL_LIMITS.0;
        self.sampling.unwrap_or(if fits { Sampling::Sobol } else { Sampling::Plain })
    }
}

impl Section for Answer {
    const STAGE: &'static str = "answer";

    fn check(&self) -> Result<(), Unfit> {
        Unfit::unless(self.basis != BasisName::Given, "basis", || {
            "given; hessian, random or filter is needed: losses of another program have no network to ask"
                .into()
        })?;
        let least = 4 * self.first_samples * self.first_draws;
        Unfit::unless(self.max_losses >= least as f64, "max_losses", || {
            format!(
                "{}; at least {least} is needed, four times first_samples times first_draws",
                self.max_losses
            )
        })?;
        Unfit::unless(self.half_width.is_some() || !self.alone, "alone", || {
            "true, but half_width is null: the experiment would answer nothing; set half_width, such as 0.05"
                .into()
        })
    }
}

/// `answer.json`: V and K, and what it took to know them so well.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Found {
    /// N, the samples there are
    pub n_samples: Samples,
    /// whose directions
    pub basis: BasisName,
    /// d
    pub dim: usize,
    /// σ, parameter units
    pub sigma: f64,
    /// s
    pub step: Samples,
    /// coverage of every interval
    pub confidence: f64,
    /// half the width of the interval of V that was asked for, as a fraction of V
    pub asked: f64,
    /// the one that was reached
    pub half_width: f64,
    /// `precise`; or `all-samples`, `losses` or `draws`, of which there were not enough
    pub end: End,
    /// losses of samples at draws, in all rounds
    pub losses: usize,
    /// V
    #[serde(flatten)]
    pub v: Uncertain,
    /// L̄, the mean perturbed loss
    pub mean_loss: LossValue,
    /// how the draws were taken
    pub sampling: Sampling,
    /// s: draws have the standard deviation sσ, and weights that make up for it
    pub scale: f64,
    /// by the first batch: Var V̂ = draws/T + samples/n + interaction/(Tn) if each draw met each sample
    pub components: Components,
    /// the first batch, which is used for the plan alone, and each look at the interval after it
    pub rounds: Vec<Round>,
    /// K per tolerance
    pub rows: Vec<SufficientRow>,
}

impl Document for Found {
    const STAGE: &'static str = "answer";
    const FILE: &'static str = "answer.json";
    const MEANING: &'static str = "V and K as precise as asked for";
}
