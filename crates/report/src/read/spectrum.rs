//! What `spectrum` reports; each part is there where it was computed.

use ndarray::{Array1, Array2, Ix1, Ix2};
use pipeline::Result;
use records::spectrum::{DensityFact, Facts, Outliers};
use store::artifact::Inputs;

/// The spectrum as a whole, and the gradient's share of its top.
pub struct Spectrum {
    pub facts: Facts,
    pub density: Option<Density>,
    pub smallest: Option<Array1<f64>>,
    pub outliers: Option<Outliers>,
    /// (d,)
    pub gradient_share: Array1<f64>,
    /// (batches, d)
    pub batch_share: Array2<f64>,
}

/// Density of the eigenvalues by stochastic Lanczos quadrature.
pub struct Density {
    /// (points,), loss per squared parameter unit
    pub grid: Array1<f64>,
    /// (points,)
    pub values: Array1<f64>,
}

impl Spectrum {
    /// Reads what is there.
    pub fn read(inputs: &Inputs) -> Result<Self> {
        let facts: Facts = inputs.facts()?;
        let read = |file: &str| inputs.read::<f64, Ix1>("spectrum", file);
        let density = |_: &DensityFact| -> Result<_> {
            Ok(Density { grid: read("grid.npy")?, values: read("density.npy")? })
        };
        let smallest = inputs.has("spectrum", "smallest.npy").then(|| read("smallest.npy"));
        Ok(Self {
            density: facts.density.as_ref().map(density).transpose()?,
            smallest: smallest.transpose()?,
            outliers: inputs.document_if_any()?,
            gradient_share: read("gradient_share.npy")?,
            batch_share: inputs.read::<f64, Ix2>("spectrum", "batch_gradient_share.npy")?,
            facts,
        })
    }
}
