//! What `fetch-data` reports.

use anyhow::Result;
use store::artifact::Inputs;

/// The samples.
pub struct Data {
    pub n_samples: usize,
    pub n_test: usize,
    pub n_features: usize,
    /// 0 for regression
    pub n_classes: usize,
    pub source: String,
    pub attribution: String,
}

impl Data {
    /// Reads the facts of the stage.
    pub fn read(inputs: &Inputs) -> Result<Self> {
        Ok(Self {
            n_samples: inputs.fact("fetch-data", "n_samples")?,
            n_test: inputs.fact("fetch-data", "n_test")?,
            n_features: inputs.fact("fetch-data", "n_features")?,
            n_classes: inputs.fact("fetch-data", "n_classes")?,
            source: inputs.fact("fetch-data", "source")?,
            attribution: inputs.fact("fetch-data", "attribution")?,
        })
    }
}
