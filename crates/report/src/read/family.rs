//! What `family` reports: the members, and the ladders of sizes that they make.

use anyhow::Result;
use serde::Deserialize;
use store::artifact::Inputs;

use crate::read::train::Polish;

/// All that a family found.
pub struct Family {
    pub ladders: Vec<Ladder>,
    pub members: Vec<Member>,
}

#[derive(Deserialize)]
struct CurvesDocument {
    curves: Vec<Ladder>,
}

#[derive(Deserialize)]
struct MembersDocument {
    members: Vec<Member>,
}

/// One network of the family.
#[derive(Deserialize)]
pub struct Member {
    pub name: String,
    pub n_samples: usize,
    pub n_classes: usize,
    /// number of outliers, and the ratio of the gap below them
    pub outliers: Option<(usize, f64)>,
    pub dim: usize,
    pub sigma: f64,
    pub draws: usize,
    pub layers: Vec<usize>,
    pub activation: String,
    pub n_params: usize,
    pub source: String,
    pub confidence: f64,
    pub train_loss: f64,
    pub train_accuracy: Option<f64>,
    pub test_loss: Option<f64>,
    pub test_accuracy: Option<f64>,
    pub gradient_norm: f64,
    pub polish: Option<Polish>,
    /// V, nats²
    pub variance: f64,
    /// V by each theory, nats²
    pub theory_variances: Vec<(String, f64)>,
    pub overlap: Option<f64>,
}

/// Mean over replicas, with the standard deviation where there are several.
#[derive(Clone, Copy, Deserialize)]
pub struct Spread {
    pub mean: f64,
    pub deviation: Option<f64>,
}

/// The networks trained on k samples.
#[derive(Deserialize)]
pub struct Rung {
    pub k: usize,
    pub replicas: usize,
    pub train_loss: Spread,
    pub test_loss: Option<Spread>,
    pub test_accuracy: Option<Spread>,
    pub gradient_norm: Spread,
    pub variance: Spread,
    /// Δ_k over its own samples, nats²
    pub delta_seen: Spread,
    /// Δ_k over the samples that come next, nats²
    pub delta_fresh: Option<Spread>,
    /// mean squared cosine with the directions of the largest network
    pub overlap: Option<Spread>,
    pub eigenvalues: Vec<Spread>,
    pub cosines: Vec<f64>,
    /// K at each tolerance
    pub sufficient: Vec<(f64, Spread)>,
}

/// Whether the learning curve becomes flat, by its power law.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Flattening {
    At,
    Everywhere,
    Never,
}

/// The power law of the test loss: floor + scale · k^−exponent.
#[derive(Deserialize)]
pub struct Fit {
    pub floor: f64,
    pub scale: f64,
    pub exponent: f64,
    pub exponent_deviation: Option<f64>,
    pub relative_residual: f64,
    pub flattening: Flattening,
    pub flat_k: Option<f64>,
    pub delta_at_flat: Option<f64>,
}

/// The sizes of one variant.
#[derive(Deserialize)]
pub struct Ladder {
    pub variant: Option<String>,
    pub setting: String,
    pub step: usize,
    /// a doubling that takes less than this fraction off the test loss is flat
    pub flat_gain: f64,
    pub rungs: Vec<Rung>,
    pub fit: Option<Fit>,
    pub theory_variances: Vec<(String, f64)>,
}

impl Family {
    /// Reads both documents of the stage.
    pub fn read(inputs: &Inputs) -> Result<Self> {
        let CurvesDocument { curves } = inputs.read_json("family", "curves.json")?;
        let MembersDocument { members } = inputs.read_json("family", "members.json")?;
        Ok(Self { ladders: curves, members })
    }
}

impl Ladder {
    /// The largest size.
    pub fn last(&self) -> &Rung {
        &self.rungs[self.rungs.len() - 1]
    }

    /// Samples from which the learning curve is flat; none where it is so at every size measured, or never.
    pub fn flat_from(&self) -> Option<f64> {
        self.fit.as_ref()?.flat_k.filter(|&k| k > self.rungs[0].k as f64)
    }

    /// `text` with the variant before it.
    pub fn label(&self, text: &str) -> String {
        self.variant.as_ref().map_or(text.to_owned(), |v| format!("{v}: {text}"))
    }

    /// V (1/k − 1/(k+s)), V at the largest size, nats²
    pub fn law(&self, k: usize) -> f64 {
        let (k, s) = (k as f64, self.step as f64);
        self.last().variance.mean * s / (k * (k + s))
    }

    /// (k, value) of the sizes that have one.
    pub fn line(&self, of: impl Fn(&Rung) -> Option<f64>) -> Vec<(f64, f64)> {
        self.rungs.iter().filter_map(|r| Some((r.k as f64, of(r)?))).collect()
    }
}

/// Whether there is a spread over replicas.
pub fn replicated(ladders: &[Ladder]) -> bool {
    ladders.iter().flat_map(|l| &l.rungs).any(|r| r.replicas > 1)
}
