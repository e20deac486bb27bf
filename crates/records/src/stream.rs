//! What `stream` is told and what it writes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::artifact::Document;

use crate::ranges::{fraction, positive};
use crate::section::{Precision, Section};
use crate::units::{LossValue, Samples, SquaredLoss};

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
    #[schemars(range(min = 2))]
    pub first: Samples,
    /// Samples that arrive together: the step s.
    #[schemars(range(min = 1))]
    pub batch: Samples,
    /// Passes over all samples that are there, at the start.
    pub first_epochs: usize,
    /// Passes over all samples that are there, after each arrival.
    #[schemars(range(min = 1))]
    pub epochs: usize,
    /// Directions: the top eigenvectors of the Hessian of the samples that are there.
    #[schemars(range(min = 1))]
    pub dim: usize,
    /// They are solved for again when the samples have grown by this factor.
    #[schemars(range(min = 1))]
    pub basis_growth: f64,
    /// Residual over the largest eigenvalue of that solve.
    #[schemars(transform = positive)]
    pub residual_tolerance: f64,
    /// Standard deviation of each coordinate of θ, parameter units.
    #[schemars(transform = positive)]
    pub sigma: f64,
    /// Draws of θ.
    #[schemars(range(min = 2))]
    pub draws: usize,
    /// Draws of θ, others, for the truth at a stop: one alone says nothing of their mean.
    #[schemars(range(min = 2))]
    pub truth_draws: usize,
    /// Δ below which the run may stop, loss².
    #[schemars(transform = positive)]
    pub tolerance: SquaredLoss,
    /// Of the upper limits, one-sided; of `betting`, that it does not stop falsely.
    #[schemars(extend("exclusiveMinimum" = 0.5, "exclusiveMaximum" = 1))]
    pub confidence: f64,
    /// Newest samples, each judged before it was trained on, of the rule `limit-fresh`.
    #[schemars(range(min = 2))]
    pub window: Samples,
    /// Looks that the rule `limit-spending` looks at, and what `betting` expects.
    pub plausible: Plausible,
    /// The rule `agreement`.
    pub agreement: Agreement,
    /// The rule `predicted-gain`.
    pub gain: Gain,
}

/// Where the looks before make a stop plausible.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Plausible {
    /// Fraction of the tolerance that the mean of Δ at the arrivals before has to be below.
    #[schemars(transform = fraction)]
    pub fraction: f64,
    /// Arrivals of that mean.
    #[schemars(range(min = 1))]
    pub arrivals: usize,
}

/// Stops where successive networks give the same classes (Bloodgood & Vijay-Shanker 2009).
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Agreement {
    /// Mean of Cohen's kappa from which on it stops.
    #[schemars(transform = fraction)]
    pub kappa: f64,
    /// Arrivals of that mean.
    #[schemars(range(min = 1))]
    pub arrivals: usize,
}

/// Stops where the learning curve so far promises little.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Gain {
    /// Fraction of its loss that twice the samples must take off.
    #[schemars(transform = fraction)]
    pub fraction: f64,
    /// Arrivals before it looks, so that there is a curve.
    #[schemars(range(min = 3))]
    pub arrivals: usize,
}

impl Stream {
    /// Samples of the arrivals that a run of `n` samples looks at.
    pub fn n_arriving(&self, n: Samples) -> Samples {
        n.saturating_sub(self.first) / self.batch * self.batch
    }

    /// Why `limit-fresh` cannot stop a run of `n` samples: its window is never full.
    pub fn never_full(&self, n: Samples) -> Option<String> {
        let arriving = self.n_arriving(n);
        (self.window > arriving).then(|| {
            format!(
                "stream.window: {} samples, but only {arriving} arrive after the first {}, so the rule limit-fresh never stops; lower it",
                self.window, self.first
            )
        })
    }
}

impl Section for Stream {
    const STAGE: &'static str = "stream";
}

/// Facts of `stream`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Facts {
    /// runs
    pub seeds: usize,
    /// of `trajectories.npy`, if there was a run
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trajectory_columns: Option<Vec<String>>,
}

impl store::manifest::Facts for Facts {
    const STAGE: &'static str = "stream";
}

/// `stops.json`: where each rule stopped.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Stops {
    /// runs
    pub seeds: usize,
    /// Δ below which a run may stop
    pub tolerance: SquaredLoss,
    /// of the upper limit, one-sided
    pub confidence: f64,
    /// samples of an arrival
    pub batch: Samples,
    /// in the order of the columns of `stop_sizes.npy`
    pub rules: Vec<RuleStops>,
}

impl Document for Stops {
    const STAGE: &'static str = "stream";
    const FILE: &'static str = "stops.json";
    const MEANING: &'static str = "false stops of each rule";
}

/// What a rule did over all runs. A false stop: the rule stopped where Δ is not below the tolerance.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct RuleStops {
    /// its name
    pub rule: String,
    /// runs that it stopped
    pub stopped: usize,
    /// of them
    pub false_stops: usize,
    /// fraction of the stops; null without a stop, as all that follows
    pub false_stop_rate: Option<f64>,
    /// lower end of its 95 % interval
    pub low: Option<f64>,
    /// upper end
    pub high: Option<f64>,
    /// samples at the stop
    pub median_k: Option<f64>,
    /// Δ at the stop
    pub median_truth: Option<SquaredLoss>,
    /// the same
    pub largest_truth: Option<SquaredLoss>,
    /// test loss at the stop less that of the same run once all samples have come; null without a test split
    pub loss_lost: Option<Lost>,
}

/// What stopping costs, over the runs that a rule stopped.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Lost {
    /// mean over the runs
    pub mean: LossValue,
    /// of that mean; null for one run
    pub standard_error: Option<LossValue>,
}
