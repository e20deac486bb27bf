//! Deflated power iteration, the method of the paper: the baseline that Lanczos is compared with.

use ndarray::{Array2, s};

use crate::numeric::gaussian::rounded_gaussian_rows;
use crate::numeric::real::Real;
use crate::numeric::vectors::{norm, orthogonalise, project};
use crate::spectrum::operator::SymmetricOperator;
use crate::spectrum::ritz::{EigenRequest, RitzPairs, Which};

/// The d pairs largest in magnitude, one after the other, each iterated as `v ← Av / ‖Av‖` in the complement of those
/// found, until its residual is within the tolerance; the Rayleigh quotient keeps the sign.
///
/// `request.which` is not asked: power iteration finds the largest magnitude. Linear convergence with the ratio of
/// neighbouring eigenvalues, so close ones take very many products.
pub fn power_iteration<R: Real>(
    a: &impl SymmetricOperator<R>,
    request: &EigenRequest,
    step: &mut impl FnMut(usize),
) -> RitzPairs<R> {
    let start: Array2<R> = rounded_gaussian_rows(request.seed, request.dim, a.size());
    let mut found = Array2::<R>::zeros((request.dim, a.size()));
    let (mut n_products, mut scale) = (0, 0.0_f64);
    for i in 0..request.dim {
        let mut v = start.slice(s![i..=i, ..]).to_owned();
        loop {
            orthogonalise(v.row_mut(0), found.slice(s![..i, ..]));
            let length = R::narrow(norm(v.row(0)));
            v.mapv_inplace(|x| x / length);
            found.row_mut(i).assign(&v.row(0));
            let w = a.apply(v.view());
            n_products += 1;
            step(1);
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
    RitzPairs::measure(a, found, Which::LargestMagnitude, n_products)
}
