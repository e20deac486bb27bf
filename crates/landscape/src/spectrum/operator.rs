//! All that an eigensolver knows of a matrix.

use ndarray::{Array2, ArrayView2};

use crate::numeric::real::Real;
use crate::passes::hvp::{HessianSum, SecondOrder};

/// A symmetric matrix that can be multiplied with vectors.
pub trait SymmetricOperator<R> {
    /// Rows and columns.
    fn size(&self) -> usize;

    /// The products with every row of `v` (b, size), as rows.
    fn apply(&self, v: ArrayView2<R>) -> Array2<R>;
}

/// `H_k(w)`, or its Gauss-Newton part: the mean over the first k samples (Definition 2).
pub struct PrefixHessian<'a, 'b, R> {
    /// all samples, linearised
    pub sum: &'a HessianSum<'b, R>,
    /// prefix size, samples
    pub k: usize,
    /// which second derivative
    pub kind: SecondOrder,
}

impl<R: Real> SymmetricOperator<R> for PrefixHessian<'_, '_, R> {
    fn size(&self) -> usize {
        self.sum.network.n_params()
    }

    fn apply(&self, v: ArrayView2<R>) -> Array2<R> {
        self.sum.product(0..self.k, v, self.kind) / R::narrow(self.k as f64)
    }
}

/// A symmetric matrix that is held in full: for tests and for small problems.
pub struct Dense<R>(pub Array2<R>);

impl<R: Real> SymmetricOperator<R> for Dense<R> {
    fn size(&self) -> usize {
        self.0.nrows()
    }

    fn apply(&self, v: ArrayView2<R>) -> Array2<R> {
        v.dot(&self.0)
    }
}

/// A matrix with these eigenvalues, in random directions.
#[cfg(test)]
pub(crate) fn with_eigenvalues(values: &[f64], seed: u64) -> Array2<f64> {
    let q = crate::spectrum::subspace::random_basis::<f64>(seed, values.len(), values.len());
    let column = ndarray::Array1::from(values.to_vec()).insert_axis(ndarray::Axis(1));
    q.t().dot(&(&column * &q))
}
