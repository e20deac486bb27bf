//! Ritz pairs by thick-restart Lanczos with full reorthogonalisation (Wu & Simon 2000).
//!
//! The identity kept throughout is `A Vᵀ = Vᵀ T + r eₘᵀ` for orthonormal rows V (m, p), the projected matrix T = V A Vᵀ
//! and r orthogonal to V, of length β; hence a Ritz pair `u = yᵀV` has residual `‖Au − μu‖ = β |y_m|`. The factorisation
//! grows by one product, or restarts; [`lanczos`] decides which.

use ndarray::Array2;

use crate::numeric::real::Real;
use crate::spectrum::krylov::Factorisation;
use crate::spectrum::missing::find_missing;
use crate::spectrum::operator::SymmetricOperator;
use crate::spectrum::ritz::{EigenRequest, RitzPairs, limit, rounding};

/// The d Ritz pairs that `request` asks for; `done` is told of every product made.
///
/// One product, two passes of Gram-Schmidt (8 m p flops) and one small eigenproblem per step; convergence is tested at
/// every step from the d-th, so no product is made in vain, and one product more confirms the residuals. One start finds
/// a repeated eigenvalue once; the other copies are looked for in the complement of what has converged.
///
/// # Panics
/// If more pairs are asked for than the matrix has rows.
pub fn lanczos<R: Real>(
    a: &impl SymmetricOperator<R>,
    request: &EigenRequest,
    done: &mut impl FnMut(usize),
) -> RitzPairs<R> {
    let (p, d) = (a.size(), request.dim);
    assert!(d <= p, "{d} pairs of a matrix with {p} rows");
    let m_max = request.max_subspace.max(d + 2).min(p);
    let nothing = Array2::zeros((0, p));
    let mut krylov = Factorisation::new(nothing.view(), m_max, request.seed, 0);
    let mut n_products = 0;
    loop {
        krylov.expand(a);
        n_products += 1;
        done(1);
        let found = krylov.eigen(request.which);
        let largest = found.largest(d.min(krylov.m));
        let limit = limit::<R>(request.residual_tolerance, largest, krylov.norm, rounding::<R>(krylov.norm));
        let converged = krylov.converged(&found, d, limit);
        let complete = krylov.m == p;
        if converged || complete || n_products >= request.max_products {
            let mut pairs = krylov.finish(a, &found, request, n_products);
            if complete {
                pairs.miss_probability = 0.0;
            } else if converged && request.miss_probability < 1.0 {
                find_missing(a, request, &mut pairs, done);
            }
            return pairs;
        }
        // With an invariant V and fewer than d pairs a new direction goes on.
        let invariant = krylov.invariant(&found);
        if krylov.m == m_max {
            krylov.restart(&found, d + (m_max - d) / 2);
        }
        if invariant { krylov.append_random() } else { krylov.append_residual() }
    }
}
