//! What `spectrum` reports; each part is there where it was computed.

use anyhow::Result;
use ndarray::{Array1, Array2, Ix1, Ix2};
use serde::Deserialize;
use store::artifact::Inputs;

/// The spectrum as a whole, and the gradient's share of its top.
pub struct Spectrum {
    /// samples behind its Hessian
    pub n_samples: usize,
    pub n_params: usize,
    pub density: Option<Density>,
    pub trace: Option<Trace>,
    pub smallest: Option<Array1<f64>>,
    pub outliers: Option<Outliers>,
    /// (d,)
    pub gradient_share: Array1<f64>,
    /// (batches, d)
    pub batch_share: Array2<f64>,
    pub batch_size: usize,
}

/// Density of the eigenvalues by stochastic Lanczos quadrature.
pub struct Density {
    pub fact: DensityFact,
    pub grid: Array1<f64>,
    pub values: Array1<f64>,
}

/// How the density was estimated.
#[derive(Deserialize)]
pub struct DensityFact {
    pub probes: usize,
    pub steps: usize,
    pub kernel_deviation: f64,
    pub fraction_below_minus_kernel: f64,
}

/// The trace by Hutch++.
#[derive(Deserialize)]
pub struct Trace {
    pub value: f64,
    pub standard_error: f64,
    pub n_products: usize,
}

/// Eigenvalues above the largest gap.
#[derive(Deserialize)]
pub struct Outliers {
    pub dim: usize,
    pub by_prefix: Vec<Count>,
    pub by_class: Vec<Count>,
}

/// Outliers of one Hessian.
#[derive(Deserialize)]
pub struct Count {
    pub n_samples: usize,
    pub n_classes: usize,
    pub outliers: Option<usize>,
    pub gap_ratio: Option<f64>,
    pub largest: f64,
    /// mean squared cosine with the directions of all samples
    pub overlap: Option<f64>,
}

impl Spectrum {
    /// Reads what is there.
    pub fn read(inputs: &Inputs) -> Result<Self> {
        let computed = |key: &str| inputs.manifest("spectrum").facts.contains_key(key);
        let has = |file: &str| inputs.has("spectrum", file);
        let density = computed("density").then(|| -> Result<_> {
            Ok(Density {
                fact: inputs.fact("spectrum", "density")?,
                grid: inputs.read::<f64, Ix1>("spectrum", "grid.npy")?,
                values: inputs.read::<f64, Ix1>("spectrum", "density.npy")?,
            })
        });
        let smallest = has("smallest.npy").then(|| inputs.read::<f64, Ix1>("spectrum", "smallest.npy"));
        let outliers = has("outliers.json").then(|| inputs.read_json("spectrum", "outliers.json"));
        Ok(Self {
            n_samples: inputs.fact("spectrum", "n_samples")?,
            n_params: inputs.fact("spectrum", "n_params")?,
            density: density.transpose()?,
            trace: computed("trace").then(|| inputs.fact("spectrum", "trace")).transpose()?,
            smallest: smallest.transpose()?,
            outliers: outliers.transpose()?,
            gradient_share: inputs.read::<f64, Ix1>("spectrum", "gradient_share.npy")?,
            batch_share: inputs.read::<f64, Ix2>("spectrum", "batch_gradient_share.npy")?,
            batch_size: inputs.fact("spectrum", "gradient_batch_size")?,
        })
    }
}
