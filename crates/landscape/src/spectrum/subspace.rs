//! Bases of a subspace of parameter space, as rows (d, p).

use ndarray::{Array2, ArrayView1, ArrayView2, Axis};

use crate::network::architecture::Network;
use crate::numeric::gaussian::rounded_gaussian_rows;
use crate::numeric::real::Real;
use crate::numeric::vectors::{gram, largest_magnitude, orthonormalise};

/// Orthonormal rows (d, p) that span a uniformly random subspace; the first rows of a larger basis are a smaller one.
pub fn random_basis<R: Real>(seed: u64, dim: usize, n_params: usize) -> Array2<R> {
    let mut rows = rounded_gaussian_rows(seed, dim, n_params);
    let independent = orthonormalise(rows.view_mut(), 0, 0.0);
    assert_eq!(independent, dim, "{dim} directions in {n_params} dimensions");
    rows
}

/// Random directions (d, p) whose every filter (row of a W, output channel of a convolution) has the norm of that filter of `w`, and no bias
/// (Li, Xu, Taylor, Studer & Goldstein 2018, section 4). Neither normalised nor orthogonal.
pub fn filter_normalised_basis<R: Real>(
    network: &Network,
    w: ArrayView1<R>,
    seed: u64,
    dim: usize,
) -> Array2<R> {
    let mut rows = rounded_gaussian_rows(seed, dim, network.n_params());
    for l in network.affine_layers() {
        let (weights, bias) = network.offsets(l);
        let below = network.weight_shape(l).1;
        for mut row in rows.outer_iter_mut() {
            row.slice_mut(ndarray::s![bias.clone()]).fill(R::zero());
            let filters = w.slice(ndarray::s![weights.clone()]);
            let mut directions = row.slice_mut(ndarray::s![weights.clone()]);
            let filters = filters.axis_chunks_iter(Axis(0), below);
            for (mut direction, filter) in directions.axis_chunks_iter_mut(Axis(0), below).zip(filters) {
                let ratio = (filter.dot(&filter) / direction.dot(&direction)).sqrt();
                direction.mapv_inplace(|v| v * ratio);
            }
        }
    }
    rows
}

/// Largest entry of `|B Bᵀ − I|`: 0 for orthonormal rows, NaN where an entry is NaN.
pub fn orthonormality_error<R: Real>(basis: ArrayView2<R>) -> f64 {
    let error = gram(basis, basis) - Array2::<f64>::eye(basis.nrows());
    largest_magnitude(&error)
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // exact where the arithmetic is
mod tests {
    use ndarray::Array1;

    use super::*;
    use crate::network::activation::Activation;
    use crate::network::loss::Loss;

    #[test]
    fn a_random_basis_is_orthonormal_and_nested() {
        let basis = random_basis::<f64>(1, 6, 1001);
        assert!(orthonormality_error(basis.view()) <= 100.0 * f64::EPSILON);
        assert_eq!(random_basis::<f64>(1, 2, 1001), basis.slice(ndarray::s![..2, ..]));
    }

    #[test]
    fn a_basis_with_a_nan_is_not_orthonormal() {
        for place in [[0, 0], [3, 2], [5, 1000]] {
            let mut basis = random_basis::<f64>(1, 6, 1001);
            basis[place] = f64::NAN;
            assert!(orthonormality_error(basis.view()).is_nan(), "{place:?}");
        }
    }

    #[test]
    fn filters_take_the_norms_of_the_network() {
        let network = Network::new(&[7, 3, 2], Activation::Relu, Loss::SoftmaxCrossEntropy);
        let w = Array1::from_iter((0..network.n_params()).map(|i| (i as f64).sin()));
        let basis = filter_normalised_basis(&network, w.view(), 5, 4);
        let norm = |v: ArrayView1<f64>| v.dot(&v).sqrt();
        for direction in basis.outer_iter() {
            let (found, given) = (network.weights(&direction, 2), network.weights(&w.view(), 2));
            for (found, filter) in found.weights.outer_iter().zip(given.weights.outer_iter()) {
                assert!((norm(found) / norm(filter) - 1.0).abs() <= 1e-14); // a dozen roundings
            }
            assert_eq!(found.bias.sum(), 0.0);
        }
    }
}
