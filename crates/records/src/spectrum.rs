//! What `spectrum` is told and what it writes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::artifact::Document;

use crate::ranges::positive;
use crate::section::{Precision, Section, Unfit, at_least};
use crate::units::Samples;

/// Parameters of `spectrum`.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Spectrum {
    /// The Hessian is that of the first so many samples; null: all.
    #[schemars(range(min = 1))]
    pub n_samples: Option<Samples>,
    /// Type of the products.
    pub precision: Precision,
    /// Seed of every random direction and batch.
    pub seed: u64,
    /// Probes of the density; 0: no density.
    pub probes: usize,
    /// Lanczos steps of each.
    #[schemars(range(min = 1))]
    pub steps: usize,
    /// Standard deviation of the kernel that smooths the density, over the range of the spectrum.
    #[schemars(transform = positive)]
    pub kernel_width: f64,
    /// Points at which the density is written.
    #[schemars(range(min = 2))]
    pub grid_points: usize,
    /// Directions of the sketch of Hutch++, in which the trace is exact.
    pub trace_sketch: usize,
    /// Probes for the rest of the trace; 0: no trace.
    pub trace_probes: usize,
    /// Eigenvalues at the upper end, among which the outliers are counted; 0: none.
    pub largest: usize,
    /// Eigenvalues at the lower end; 0: none.
    pub smallest: usize,
    /// Residual over the largest eigenvalue at which a pair counts as converged.
    #[schemars(transform = positive)]
    pub residual_tolerance: f64,
    /// Products of each solve, after which its residuals are told as they are.
    #[schemars(range(min = 1))]
    pub max_products: usize,
    /// Prefix sizes at which outliers are counted, in geometric steps to all samples; 0: none.
    pub prefix_count: usize,
    /// The smallest of them, samples.
    #[schemars(range(min = 1))]
    pub prefix_smallest: Samples,
    /// Outliers are also counted over the samples of the first so many classes.
    #[schemars(inner(range(min = 1)))]
    pub class_counts: Vec<usize>,
    /// Mini-batches whose gradient is split into the top subspace and the rest; 0: the full gradient only.
    pub gradient_batches: usize,
    /// Samples of each.
    #[schemars(range(min = 1))]
    pub gradient_batch_size: Samples,
}

impl Section for Spectrum {
    const STAGE: &'static str = "spectrum";

    fn check(&self) -> Result<(), Unfit> {
        Unfit::unless(self.trace_probes != 1, "trace_probes", || {
            "1; at least 2 are needed for a standard error, or 0 for no trace".into()
        })?;
        Unfit::unless(self.largest != 1, "largest", || {
            "1; at least 2 are needed to see a gap, or 0 for none".into()
        })?;
        at_least("max_products", self.max_products, self.largest.max(self.smallest))
    }
}

/// Facts of `spectrum`; each part is there where it was computed.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Facts {
    /// samples behind its Hessian
    pub n_samples: Samples,
    /// p
    pub n_params: usize,
    /// of the eigenvalues
    #[serde(skip_serializing_if = "Option::is_none")]
    pub density: Option<DensityFact>,
    /// of the Hessian
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceFact>,
    /// samples of a mini-batch
    pub gradient_batch_size: Samples,
}

impl store::manifest::Facts for Facts {
    const STAGE: &'static str = "spectrum";
}

/// How the density was estimated: stochastic Lanczos quadrature. Eigenvalues in loss per squared parameter unit.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct DensityFact {
    /// random directions
    pub probes: usize,
    /// Lanczos steps of each
    pub steps: usize,
    /// standard deviation of the smoothing kernel
    pub kernel_deviation: f64,
    /// of the eigenvalues
    pub mean: f64,
    /// over the probes; null for one
    pub mean_standard_error: Option<f64>,
    /// fraction of the eigenvalues below −`kernel_deviation`
    pub fraction_below_minus_kernel: f64,
    /// over the probes; null for one
    pub fraction_standard_error: Option<f64>,
}

/// The trace by Hutch++.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct TraceFact {
    /// loss per squared parameter unit
    pub value: f64,
    /// over the probes
    pub standard_error: f64,
    /// Hessian-vector products
    pub n_products: usize,
}

/// `outliers.json`: eigenvalues above the largest gap.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Outliers {
    /// d, of `overlap`
    pub dim: usize,
    /// over the first k samples, ascending; last over all
    pub by_prefix: Vec<OutlierCount>,
    /// over the samples of the first classes
    pub by_class: Vec<OutlierCount>,
}

impl Document for Outliers {
    const STAGE: &'static str = "spectrum";
    const FILE: &'static str = "outliers.json";
    const MEANING: &'static str = "outliers against k and against the number of classes";
}

/// Outliers of one Hessian.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct OutlierCount {
    /// samples behind the Hessian
    pub n_samples: Samples,
    /// classes among them
    pub n_classes: usize,
    /// eigenvalues above the largest gap; null without one
    pub outliers: Option<usize>,
    /// across that gap, at least
    pub gap_ratio: Option<f64>,
    /// eigenvalue, loss per squared parameter unit
    pub largest: f64,
    /// of the solve, over the largest eigenvalue
    pub largest_relative_residual: f64,
    /// of the solve and of its check
    pub n_products: usize,
    /// mean squared cosine between the top d directions here and those over all samples; null by class
    pub overlap: Option<f64>,
}
