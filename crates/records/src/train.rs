//! Parameters of `train`.

use std::path::PathBuf;

pub use landscape::network::activation::Activation;
pub use landscape::network::initialisation::Initialisation;
pub use landscape::network::loss::Loss;
pub use landscape::training::optimizer::Optimizer;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::section::{Precision, Section, Unfit, at_least, positive};

/// From where training stopped to a minimiser of the loss over all samples, in f64.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Polish {
    /// ‖∇L_N‖ to reach, nats per parameter unit.
    pub gradient_norm: f64,
    /// A most negative eigenvalue above −this counts as rounding, nats per squared parameter unit.
    pub curvature: f64,
    /// Hessian-vector products of the Newton steps after which it gives up.
    pub max_products: usize,
    /// Products of each search for the most negative eigenvalue.
    pub eigen_products: usize,
    /// Memory in MiB within which activations are kept between the products of one step.
    pub primal_cache_mib: usize,
}

/// Parameters of `train`.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Train {
    /// Widths of the hidden layers; input and output follow from the data. Empty: softmax regression.
    pub hidden: Vec<usize>,
    /// After every layer but the last.
    pub activation: Activation,
    /// The per-sample loss.
    pub loss: Loss,
    /// Type of the products.
    pub precision: Precision,
    /// How the weights step.
    pub optimizer: Optimizer,
    /// Samples per step.
    pub batch_size: usize,
    /// Passes over the samples.
    pub epochs: usize,
    /// Epochs after which the weights are kept in `checkpoints.npy`.
    pub checkpoint_epochs: Vec<usize>,
    /// How the weights begin.
    pub initialisation: Initialisation,
    /// Seed of weights and of the order of the batches.
    pub seed: u64,
    /// Weights trained elsewhere, instead of training: a `.safetensors` or `.npz` with W1, b1, W2, … or the names of a
    /// PyTorch `state_dict`; a flat `.npy` (p,); or a directory with W1.npy, b1.npy, …
    pub weights: Option<PathBuf>,
    /// To a minimiser after training; null: w* is where training stopped.
    pub polish: Option<Polish>,
}

impl Section for Train {
    const STAGE: &'static str = "train";

    fn check(&self) -> Result<(), Unfit> {
        for &width in &self.hidden {
            at_least("hidden", width, 1)?;
        }
        at_least("batch_size", self.batch_size, 1)?;
        let fraction = |key: &str, x: f64| {
            Unfit::unless((0.0..1.0).contains(&x), key, || format!("{x}; a number in [0, 1) is needed"))
        };
        match self.optimizer {
            Optimizer::Adam { learning_rate, beta1, beta2, epsilon } => {
                positive("optimizer.learning_rate", learning_rate)?;
                fraction("optimizer.beta1", beta1)?;
                fraction("optimizer.beta2", beta2)?;
                positive("optimizer.epsilon", epsilon)?;
            }
            Optimizer::Sgd { learning_rate, momentum } => {
                positive("optimizer.learning_rate", learning_rate)?;
                fraction("optimizer.momentum", momentum)?;
            }
        }
        if let Some(polish) = &self.polish {
            positive("polish.gradient_norm", polish.gradient_norm)?;
            positive("polish.curvature", polish.curvature)?;
            at_least("polish.max_products", polish.max_products, 1)?;
            at_least("polish.eigen_products", polish.eigen_products, 1)?;
        }
        for &epoch in &self.checkpoint_epochs {
            Unfit::unless((1..=self.epochs).contains(&epoch), "checkpoint_epochs", || {
                format!("{epoch}; epochs count from 1 to {}", self.epochs)
            })?;
        }
        Ok(())
    }

    fn files(&self) -> Vec<PathBuf> {
        self.weights.iter().cloned().collect()
    }
}
