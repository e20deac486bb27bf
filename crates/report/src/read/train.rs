//! What `train` reports: the network, its history and its polish.

use ndarray::{Array2, Ix2};
use pipeline::Result;
use records::train::{Facts, Polished};
use store::artifact::Inputs;

/// The network at w*.
pub struct Model {
    pub facts: Facts,
    /// (epochs + 1, 5): epoch, train loss, train accuracy, test loss, test accuracy
    pub history: Array2<f64>,
    /// of the polish, if there was one (steps + 1, 3): products, loss, gradient norm
    pub polish_path: Option<Array2<f64>>,
}

impl Model {
    /// Reads facts and arrays of the stage.
    pub fn read(inputs: &Inputs) -> Result<Self> {
        let facts: Facts = inputs.facts()?;
        let path = |_: &Polished| inputs.read::<f64, Ix2>("train", "polish_path.npy");
        Ok(Self {
            history: inputs.read::<f64, Ix2>("train", "loss_history.npy")?,
            polish_path: facts.polish.as_ref().map(path).transpose()?,
            facts,
        })
    }
}
