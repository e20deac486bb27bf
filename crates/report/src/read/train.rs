//! What `train` reports: the network, its history and its polish.

use anyhow::Result;
use ndarray::{Array2, Ix2};
use serde::Deserialize;
use store::artifact::Inputs;

/// The network at w*.
pub struct Model {
    pub layers: Vec<usize>,
    pub activation: String,
    pub n_params: usize,
    /// nats
    pub train_loss: f64,
    pub train_accuracy: Option<f64>,
    /// nats
    pub test_loss: Option<f64>,
    pub test_accuracy: Option<f64>,
    /// nats per parameter unit
    pub gradient_norm: f64,
    pub origin: String,
    /// (epochs + 1, 5): epoch, train loss, train accuracy, test loss, test accuracy
    pub history: Array2<f64>,
    /// how the polish ended, and its path (steps + 1, 3): products, loss, gradient norm
    pub polish: Option<(Polish, Array2<f64>)>,
}

/// How a polish ended.
#[derive(Clone, Copy, Deserialize)]
pub enum End {
    #[serde(rename = "reached")]
    Reached,
    #[serde(rename = "products spent")]
    Spent,
    #[serde(rename = "stalled")]
    Stalled,
}

/// Facts of a polish.
#[derive(Deserialize)]
pub struct Polish {
    pub status: End,
    pub n_steps: usize,
    pub n_products: usize,
    pub n_escapes: usize,
    pub negative_curvature_steps: usize,
    /// how far w* moved, parameter units
    pub distance: f64,
    /// nats
    pub loss_before: f64,
    pub loss_after: f64,
    /// nats per parameter unit
    pub gradient_norm_before: f64,
    pub gradient_norm_after: f64,
    /// nats per squared parameter unit
    pub smallest_eigenvalue_before: f64,
    pub smallest_eigenvalue_after: f64,
}

impl Model {
    /// Reads facts and arrays of the stage.
    pub fn read(inputs: &Inputs) -> Result<Self> {
        let polish = inputs.manifest("train").facts.contains_key("polish").then(|| -> Result<_> {
            Ok((inputs.fact("train", "polish")?, inputs.read::<f64, Ix2>("train", "polish_path.npy")?))
        });
        Ok(Self {
            layers: inputs.fact("train", "layers")?,
            activation: inputs.fact("train", "activation")?,
            n_params: inputs.fact("train", "n_params")?,
            train_loss: inputs.fact("train", "train_loss")?,
            train_accuracy: inputs.fact("train", "train_accuracy")?,
            test_loss: inputs.fact("train", "test_loss")?,
            test_accuracy: inputs.fact("train", "test_accuracy")?,
            gradient_norm: inputs.fact("train", "gradient_norm")?,
            origin: inputs.fact("train", "origin")?,
            history: inputs.read::<f64, Ix2>("train", "loss_history.npy")?,
            polish: polish.transpose()?,
        })
    }
}
