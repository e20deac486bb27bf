//! What `stream` reports: runs in which the samples arrive, and where each rule stopped.

use anyhow::{Context, Result};
use ndarray::{Array2, Ix2};
use serde::Deserialize;
use store::artifact::Inputs;

/// Runs of data that arrive.
pub struct Stream {
    pub stops: Stops,
    columns: Vec<String>,
    trajectory: Array2<f64>,
    /// (seeds, rules), samples; NaN where a rule did not stop
    pub sizes: Array2<f64>,
    /// (seeds, rules), nats²
    pub truths: Array2<f64>,
}

/// `stops.json`
#[derive(Deserialize)]
pub struct Stops {
    pub seeds: usize,
    /// nats²
    pub tolerance: f64,
    pub confidence: f64,
    pub batch: usize,
    pub rules: Vec<Rule>,
}

/// How often one rule stopped, and how often too early.
#[derive(Deserialize)]
pub struct Rule {
    #[serde(rename = "rule")]
    pub name: String,
    pub stopped: usize,
    pub false_stops: usize,
    pub false_stop_rate: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,
    /// samples
    pub median_k: Option<f64>,
    /// Δ at the stop, nats²
    pub median_truth: Option<f64>,
}

impl Stream {
    /// The runs, if there were any.
    pub fn read(inputs: &Inputs) -> Result<Option<Self>> {
        let read = || {
            Ok(Self {
                stops: inputs.read_json("stream", "stops.json")?,
                columns: inputs.fact("stream", "trajectory_columns")?,
                trajectory: inputs.read::<f64, Ix2>("stream", "trajectory.npy")?,
                sizes: inputs.read::<f64, Ix2>("stream", "stop_sizes.npy")?,
                truths: inputs.read::<f64, Ix2>("stream", "stop_truths.npy")?,
            })
        };
        inputs.has("stream", "stops.json").then(read).transpose()
    }

    /// (samples, value) of a column of the first run.
    pub fn trajectory(&self, column: &str) -> Result<Vec<(f64, f64)>> {
        let at = self.columns.iter().position(|c| c == column);
        let at =
            at.with_context(|| format!("stream: trajectory_columns in manifest.json has no {column:?}"))?;
        Ok(self.trajectory.outer_iter().map(|row| (row[0], row[at])).collect())
    }
}
