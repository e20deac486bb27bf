//! What `stream` reports: runs in which the samples arrive, and where each rule stopped.

use ndarray::{Array2, Axis, Ix2, Ix3};
use pipeline::{Error, Result};
use records::stream::{Facts, Stops};
use store::artifact::Inputs;

/// Runs of data that arrive.
pub struct Stream {
    pub stops: Stops,
    columns: Vec<String>,
    /// of the first run, (arrivals, columns)
    trajectory: Array2<f64>,
    /// (seeds, rules), samples; NaN where a rule did not stop
    pub sizes: Array2<f64>,
    /// (seeds, rules), loss²
    pub truths: Array2<f64>,
}

impl Stream {
    /// The runs, if there were any.
    pub fn read(inputs: &Inputs) -> Result<Option<Self>> {
        let Some(columns) = inputs.facts::<Facts>()?.trajectory_columns else { return Ok(None) };
        Ok(Some(Self {
            stops: inputs.document()?,
            columns,
            trajectory: inputs.read::<f64, Ix3>("stream", "trajectories.npy")?.index_axis_move(Axis(0), 0),
            sizes: inputs.read::<f64, Ix2>("stream", "stop_sizes.npy")?,
            truths: inputs.read::<f64, Ix2>("stream", "stop_truths.npy")?,
        }))
    }

    /// (samples, value) of a column of the first run.
    pub fn trajectory(&self, column: &str) -> Result<Vec<(f64, f64)>> {
        let at = self.columns.iter().position(|c| c == column);
        let at = at.ok_or_else(|| {
            Error::fault("stream: trajectory_columns in manifest.json", format!("no {column:?}"))
        })?;
        Ok(self.trajectory.outer_iter().map(|row| (row[0], row[at])).collect())
    }
}
