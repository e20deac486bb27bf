//! Parameters of `stream`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::section::{Precision, Section, Unfit, at_least, positive};

/// Parameters of `stream`: training while samples arrive.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Stream {
    /// Runs, each with an order of the samples, first weights and draws of its own; 0: the stage does nothing.
    pub seeds: usize,
    /// Of the first run; each has the next.
    pub seed: u64,
    /// Type of the products.
    pub precision: Precision,
    /// Samples that are there at the start.
    pub first: usize,
    /// Samples that arrive together: the step s.
    pub batch: usize,
    /// Passes over all samples that are there, at the start.
    pub first_epochs: usize,
    /// Passes over all samples that are there, after each arrival.
    pub epochs: usize,
    /// Directions: the top eigenvectors of the Hessian of the samples that are there.
    pub dim: usize,
    /// They are solved for again when the samples have grown by this factor.
    pub basis_growth: f64,
    /// Residual over the largest eigenvalue of that solve.
    pub residual_tolerance: f64,
    /// Standard deviation of each coordinate of θ, parameter units.
    pub sigma: f64,
    /// Draws of θ.
    pub draws: usize,
    /// Draws of θ, others, for the truth at a stop.
    pub truth_draws: usize,
    /// Δ below which the run may stop, nats².
    pub tolerance: f64,
    /// Of the upper limit, one-sided.
    pub confidence: f64,
    /// Newest samples, each judged before it was trained on, of the rule `limit-fresh`.
    pub window: usize,
}

impl Section for Stream {
    const STAGE: &'static str = "stream";

    fn check(&self) -> Result<(), Unfit> {
        at_least("first", self.first, 2)?;
        at_least("batch", self.batch, 1)?;
        at_least("epochs", self.epochs, 1)?;
        at_least("dim", self.dim, 1)?;
        at_least("draws", self.draws, 2)?;
        at_least("truth_draws", self.truth_draws, 1)?;
        at_least("window", self.window, 2)?;
        positive("sigma", self.sigma)?;
        positive("tolerance", self.tolerance)?;
        positive("residual_tolerance", self.residual_tolerance)?;
        Unfit::unless(self.basis_growth >= 1.0 && self.basis_growth.is_finite(), "basis_growth", || {
            format!("{}; at least 1 is needed: 1 solves at every arrival", self.basis_growth)
        })?;
        Unfit::unless(self.confidence > 0.5 && self.confidence < 1.0, "confidence", || {
            format!("{}; a number between 0.5 and 1 is needed, usually 0.95", self.confidence)
        })
    }
}
