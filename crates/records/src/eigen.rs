//! What `eigen` is told and what it records.

use std::path::PathBuf;

pub use landscape::spectrum::ritz::Which;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ranges::positive;
use crate::section::{Precision, Section, Unfit};
use crate::units::Samples;

/// The eigensolver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Solver {
    /// thick-restart Lanczos with full reorthogonalisation
    Lanczos,
    /// deflated power iteration, the method of the paper
    Power,
}

/// Parameters of `eigen`.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Eigen {
    /// Dimension d of the subspace: how many eigenpairs.
    #[schemars(range(min = 1))]
    pub dim: usize,
    /// Which end of the spectrum.
    pub which: Which,
    /// The eigensolver.
    pub solver: Solver,
    /// Residual ‖Hu − μu‖ over |μ_1| at which a pair counts as converged.
    #[schemars(transform = positive)]
    pub residual_tolerance: f64,
    /// Directions that Lanczos keeps before it restarts; null: max(4 dim, 20).
    pub max_subspace: Option<usize>,
    /// Hessian-vector products after which the solve gives up.
    pub max_products: usize,
    /// Seed of the first direction and of the random bases.
    pub seed: u64,
    /// Type of the products.
    pub precision: Precision,
    /// A basis to use instead of solving: `.npy` (d, p) with orthonormal rows.
    pub basis: Option<PathBuf>,
    /// Rows of the random and of the filter-normalised basis; 0: none.
    pub random_dim: usize,
    /// Step s between the two Hessians of the `eigenvalue` theory; that of `montecarlo`.
    #[schemars(range(min = 1))]
    pub step: Samples,
    /// How many prefix sizes get their own eigenvalues, in geometric steps from `prefix_smallest` to N; 0: none.
    pub prefix_count: usize,
    /// The smallest of those prefix sizes, in samples.
    #[schemars(range(min = 1))]
    pub prefix_smallest: Samples,
    /// Residual over |μ_1| for the eigenvalues of prefixes.
    #[schemars(transform = positive)]
    pub prefix_residual_tolerance: f64,
    /// Memory in MiB within which activations at w* are kept between products.
    pub primal_cache_mib: usize,
}

impl Section for Eigen {
    const STAGE: &'static str = "eigen";

    fn check(&self) -> Result<(), Unfit> {
        if let Some(m) = self.max_subspace {
            Unfit::unless(m > self.dim + 1, "max_subspace", || {
                format!("{m}; more than dim + 1 = {} is needed, 4 x dim is a usual choice", self.dim + 1)
            })?;
        }
        Unfit::unless(
            self.solver == Solver::Lanczos || self.which == Which::LargestMagnitude,
            "solver",
            || {
                "power iteration finds the largest magnitude; set `which: largest-magnitude`, or `solver: lanczos`".into()
            },
        )?;
        Unfit::unless(self.max_products >= self.dim, "max_products", || {
            format!(
                "{}; Lanczos yields at most one Ritz pair per product, so at least dim = {} is needed",
                self.max_products, self.dim
            )
        })
    }

    fn files(&self) -> Vec<PathBuf> {
        self.basis.iter().cloned().collect()
    }
}

/// Whose directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BasisName {
    /// `basis.npy`: the eigenvectors, or the user's basis
    Hessian,
    /// `basis_random.npy`: orthonormal, uniformly random
    Random,
    /// `basis_filter.npy`: filter-normalised (Li et al. 2018), not orthonormal
    Filter,
    /// of the program that computed the `losses` of a setting
    Given,
}

impl BasisName {
    /// The artifact of `eigen` that has it.
    ///
    /// # Panics
    /// For directions of another program, which `eigen` does not know.
    pub fn file(self) -> &'static str {
        match self {
            Self::Hessian => "basis.npy",
            Self::Random => "basis_random.npy",
            Self::Filter => "basis_filter.npy",
            Self::Given => unreachable!("the directions of given losses are not known"),
        }
    }
}

/// Facts of `eigen`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Facts {
    /// d
    pub dim: usize,
    /// s between the two Hessians of a pair
    pub step: Samples,
    /// Hessian-vector products of the solve and of the search for copies
    pub n_products: usize,
    /// and of the check of residuals
    pub n_check_products: usize,
    /// most that the probability is of a pair being missing among the wanted ones; null: none was looked for, or nothing is known
    #[serde(default)]
    pub miss_probability: Option<f64>,
    /// largest residual over |μ_1|
    pub largest_relative_residual: f64,
    /// `lanczos`, `power`, or the file of the basis
    pub basis_origin: String,
    /// rows of each
    pub bases: Bases,
    /// products for prefixes, of all samples each
    pub n_prefix_products: f64,
}

impl store::manifest::Facts for Facts {
    const STAGE: &'static str = "eigen";
}

/// Rows of each basis.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Bases {
    /// filter-normalised
    pub filter: usize,
    /// d
    pub hessian: usize,
    /// orthonormal, random
    pub random: usize,
}
