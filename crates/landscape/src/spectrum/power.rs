//! Deflated power iteration, the method of the paper: the baseline that Lanczos is compared with.

use ndarray::{Array2, s};

use crate::numeric::gaussian::rounded_gaussian_rows;
use crate::numeric::real::Real;
use crate::numeric::vectors::{norm, orthogonalise, project};
use crate::spectrum::operator::SymmetricOperator;
use crate::spectrum::ritz::{EigenRequest, RitzPairs, Which};

/// The d pairs largest in magnitude, one after the other, each iterated as `v ← Av / ‖Av‖` in the complement of those
/// found, until its residual is within the tolerance; the Rayleigh quotient keeps the sign. Fewer than d where the products
/// are spent before. Each start is random in the complement of those found, so copies of repeated eigenvalues are found.
///
/// `request.which` is not asked: power iteration finds the largest magnitude. Linear convergence with the ratio of
/// neighbouring eigenvalues, so close ones take very many products.
pub fn power_iteration<R: Real>(
    a: &impl SymmetricOperator<R>,
    request: &EigenRequest,
    done: &mut impl FnMut(usize),
) -> RitzPairs<R> {
    let start: Array2<R> = rounded_gaussian_rows(request.seed, request.dim, a.size());
    let mut found = Array2::<R>::zeros((request.dim, a.size()));
    let (mut n_products, mut scale, mut reached) = (0, 0.0_f64, 0);
    for i in 0..request.dim {
        reached = i + 1;
        let mut v = start.slice(s![i..=i, ..]).to_owned();
        loop {
            orthogonalise(v.row_mut(0), found.slice(s![..i, ..]));
            let length = R::narrow(norm(v.row(0)));
            v.mapv_inplace(|x| x / length);
            found.row_mut(i).assign(&v.row(0));
            let w = a.apply(v.view());
            n_products += 1;
            done(1);
            let mu = project(v.view(), w.row(0))[0];
            scale = scale.max(mu.abs());
            let mut residual = w.row(0).to_owned();
            residual.scaled_add(-R::narrow(mu), &v.row(0));
            if norm(residual.view()) <= request.residual_tolerance * scale
                || n_products >= request.max_products
            {
                break;
            }
            v = w;
        }
        if n_products >= request.max_products {
            break;
        }
    }
    // Rows that were not reached are 0, and would pass for pairs without residual.
    RitzPairs::measure(a, found.slice_move(s![..reached, ..]), Which::LargestMagnitude, n_products)
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2};

    use super::*;
    use crate::spectrum::operator::Dense;

    fn solve(values: &[f64], max_products: usize) -> RitzPairs<f64> {
        let request = EigenRequest {
            dim: 4,
            which: Which::LargestMagnitude,
            residual_tolerance: 1e-6,
            miss_probability: 1.0,
            max_subspace: 20,
            max_products,
            seed: 1,
        };
        let a = Array2::from_diag(&Array1::from(values.to_vec()));
        power_iteration(&Dense(a), &request, &mut |_| ())
    }

    #[test]
    fn directions_that_were_not_reached_are_no_pairs() {
        for max_products in 1..200 {
            let found = solve(&[5.0, 1e-9, 1e-9, 1e-9, 1e-9], max_products);
            let distinct = found.vectors.outer_iter().all(|v| (v.dot(&v) - 1.0).abs() <= 1e-12);
            assert!(distinct, "{max_products}: {:?}", found.vectors);
            if found.n_products >= max_products {
                assert!(found.values.len() <= max_products, "{max_products}: {found:?}");
            }
        }
        assert_eq!(solve(&[5.0, 4.0, 3.0, 2.0, 1.0], 1).n_converged(1e-6), 0);
    }

    // spectra #144: the other solver's answer to repeated eigenvalues.
    #[test]
    fn copies_are_found() {
        let found = solve(&[3.0, 3.0, 3.0, 1.0, 0.5, -3.0e-3], 10_000);
        let off = &found.values - &Array1::from(vec![3.0, 3.0, 3.0, 1.0]);
        assert!(off.iter().all(|e| e.abs() <= 1e-5), "{}", found.values); // residuals of 3e-6
    }
}
