//! What `eigen` reports: the basis and its eigenvalues.

use ndarray::{Array1, Array2, Ix1, Ix2};
use pipeline::Result;
use records::eigen::Facts;
use records::{BasisName, Eigen, Which};
use store::artifact::Inputs;

/// What the directions of a basis are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// of the Hessian, from this end of its spectrum on
    Eigenvectors(Which),
    /// the user's: `eigen.basis`, or those of given losses
    Given,
    Random,
    Filter,
}

impl Basis {
    /// The basis `name` of the results `inputs`.
    pub fn read(inputs: &Inputs, name: BasisName) -> Result<Self> {
        Ok(match name {
            BasisName::Given => Self::Given,
            BasisName::Hessian => Self::of_hessian(&inputs.params("eigen")?),
            BasisName::Random => Self::Random,
            BasisName::Filter => Self::Filter,
        })
    }

    /// Eigenvectors, or what the user brought in their place.
    fn of_hessian(eigen: &Eigen) -> Self {
        if eigen.basis.is_some() { Self::Given } else { Self::Eigenvectors(eigen.which) }
    }

    /// Whether the paper's figures 1 and 6 to 8 are of such directions: its power iteration finds the largest magnitude.
    pub fn is_of_the_paper(self) -> bool {
        matches!(self, Self::Eigenvectors(Which::LargestAlgebraic | Which::LargestMagnitude))
    }
}

/// Eigenpairs of H(w*), and the eigenvalues at prefixes.
pub struct Eigenpairs {
    /// what the values belong to
    pub basis: Basis,
    /// the end of the spectrum that the prefixes begin with
    pub which: Which,
    /// (d,)
    pub eigenvalues: Array1<f64>,
    /// (d,)
    pub residuals: Array1<f64>,
    pub n_products: usize,
    /// (n,)
    pub prefix_sizes: Vec<usize>,
    /// (n, d)
    pub prefix_eigenvalues: Array2<f64>,
}

impl Eigenpairs {
    /// Reads facts and arrays of the stage.
    pub fn read(inputs: &Inputs) -> Result<Self> {
        let params: Eigen = inputs.params("eigen")?;
        Ok(Self {
            basis: Basis::of_hessian(&params),
            which: params.which,
            eigenvalues: inputs.read::<f64, Ix1>("eigen", "eigenvalues.npy")?,
            residuals: inputs.read::<f64, Ix1>("eigen", "residuals.npy")?,
            n_products: inputs.facts::<Facts>()?.n_products,
            prefix_sizes: inputs.read_sizes("eigen", "prefix_sizes.npy")?,
            prefix_eigenvalues: inputs.read::<f64, Ix2>("eigen", "prefix_eigenvalues.npy")?,
        })
    }
}
