//! Parameters of `spectrum`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::section::{Precision, Section, Unfit, at_least, positive};

/// Parameters of `spectrum`.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Spectrum {
    /// The Hessian is that of the first so many samples; null: all.
    pub n_samples: Option<usize>,
    /// Type of the products.
    pub precision: Precision,
    /// Seed of every random direction and batch.
    pub seed: u64,
    /// Probes of the density; 0: no density.
    pub probes: usize,
    /// Lanczos steps of each.
    pub steps: usize,
    /// Standard deviation of the kernel that smooths the density, over the range of the spectrum.
    pub kernel_width: f64,
    /// Points at which the density is written.
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
    pub residual_tolerance: f64,
    /// Products of each solve, after which its residuals are told as they are.
    pub max_products: usize,
    /// Prefix sizes at which outliers are counted, in geometric steps to all samples; 0: none.
    pub prefix_count: usize,
    /// The smallest of them, samples.
    pub prefix_smallest: usize,
    /// Outliers are also counted over the samples of the first so many classes.
    pub class_counts: Vec<usize>,
    /// Mini-batches whose gradient is split into the top subspace and the rest; 0: the full gradient only.
    pub gradient_batches: usize,
    /// Samples of each.
    pub gradient_batch_size: usize,
}

impl Section for Spectrum {
    const STAGE: &'static str = "spectrum";

    fn check(&self) -> Result<(), Unfit> {
        if let Some(n) = self.n_samples {
            at_least("n_samples", n, 1)?;
        }
        at_least("steps", self.steps, 1)?;
        positive("kernel_width", self.kernel_width)?;
        at_least("grid_points", self.grid_points, 2)?;
        Unfit::unless(self.trace_probes != 1, "trace_probes", || {
            "1; at least 2 are needed for a standard error, or 0 for no trace".into()
        })?;
        Unfit::unless(self.largest != 1, "largest", || {
            "1; at least 2 are needed to see a gap, or 0 for none".into()
        })?;
        positive("residual_tolerance", self.residual_tolerance)?;
        at_least("max_products", self.max_products, self.largest.max(self.smallest).max(1))?;
        at_least("prefix_smallest", self.prefix_smallest, 1)?;
        for &count in &self.class_counts {
            at_least("class_counts", count, 1)?;
        }
        at_least("gradient_batch_size", self.gradient_batch_size, 1)
    }
}
