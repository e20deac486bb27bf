//! Ritz pairs by thick-restart Lanczos with full reorthogonalisation (Wu & Simon 2000).
//!
//! The identity kept throughout is `A Vᵀ = Vᵀ T + r eₘᵀ` for orthonormal rows V (m, p), the projected matrix T = V A Vᵀ
//! and r orthogonal to V, of length β; hence a Ritz pair `u = yᵀV` has residual `‖Au − μu‖ = β |y_m|`. The factorisation
//! grows by one product, or restarts; [`lanczos`] decides which.

use ndarray::{Array1, Array2, Axis, s};

use crate::numeric::gaussian::gaussian_row;
use crate::numeric::real::Real;
use crate::numeric::vectors::{combine_in_place, norm, orthogonalise, symmetric_eigen};
use crate::spectrum::operator::SymmetricOperator;
use crate::spectrum::ritz::{EigenRequest, RitzPairs, Which};

/// The d Ritz pairs that `request` asks for; `step` is told of every product made.
///
/// One product, two passes of Gram-Schmidt (8 m p flops) and one small eigenproblem per step; convergence is tested at
/// every step from the d-th, so no product is made in vain, and one product more confirms the residuals. A repeated
/// eigenvalue is found once.
///
/// # Panics
/// If more pairs are asked for than the matrix has rows.
pub fn lanczos<R: Real>(
    a: &impl SymmetricOperator<R>,
    request: &EigenRequest,
    step: &mut impl FnMut(usize),
) -> RitzPairs<R> {
    let (p, d) = (a.size(), request.dim);
    assert!(d <= p, "{d} pairs of a matrix with {p} rows");
    let m_max = request.max_subspace.max(d + 2).min(p);
    let mut krylov = Factorisation::new(p, m_max, request.seed);
    let mut n_products = 0;
    loop {
        krylov.expand(a);
        n_products += 1;
        step(1);
        let found = krylov.eigen(request.which);
        let spent = n_products >= request.max_products || krylov.m == p;
        if spent || krylov.converged(&found, d, request.residual_tolerance) {
            return krylov.finish(a, &found, request, n_products);
        }
        // Nothing is left outside of V: it is invariant under A, and with fewer than d pairs a new direction goes on.
        let invariant = krylov.beta <= R::epsilon().wide() * found.largest(krylov.m) * krylov.m as f64;
        if krylov.m == m_max {
            krylov.restart(&found, d + (m_max - d) / 2);
        }
        if invariant { krylov.append_random() } else { krylov.append_residual() }
    }
}

/// `A Vᵀ = Vᵀ T + r eₘᵀ` with orthonormal rows V, T = V A Vᵀ and r orthogonal to V.
struct Factorisation<R> {
    /// V, and the direction that is multiplied next, (m_max + 1, p); the first m + 1 rows are in use
    basis: Array2<R>,
    /// T, (m_max, m_max); m rows and columns are in use
    projected: Array2<f64>,
    /// products that V knows
    m: usize,
    /// r, (1, p)
    residual: Array2<R>,
    /// β = ‖r‖
    beta: f64,
    seed: u64,
    /// random directions so far
    n_random: usize,
}

/// Eigenpairs of T.
struct Projected {
    values: Array1<f64>,
    /// a column each, (m, m)
    y: Array2<f64>,
    /// positions of the values, the wanted first
    order: Vec<usize>,
}

impl Projected {
    /// Largest |value| of the first `n`.
    fn largest(&self, n: usize) -> f64 {
        self.order[..n].iter().map(|&i| self.values[i].abs()).fold(0.0, f64::max)
    }
}

impl<R: Real> Factorisation<R> {
    /// No products yet, and a random direction to begin with.
    fn new(p: usize, m_max: usize, seed: u64) -> Self {
        let mut krylov = Self {
            basis: Array2::zeros((m_max + 1, p)),
            projected: Array2::zeros((m_max, m_max)),
            m: 0,
            residual: Array2::zeros((1, 0)),
            beta: 0.0,
            seed,
            n_random: 0,
        };
        krylov.append_random();
        krylov
    }

    /// One product more: what of it lies in V goes to T, the rest is r.
    fn expand(&mut self, a: &impl SymmetricOperator<R>) {
        let m = self.m;
        self.residual = a.apply(self.basis.slice(s![m..=m, ..]));
        let h = orthogonalise(self.residual.row_mut(0), self.basis.slice(s![..=m, ..]));
        for i in 0..=m {
            (self.projected[[i, m]], self.projected[[m, i]]) = (h[i], h[i]);
        }
        self.beta = norm(self.residual.row(0));
        self.m += 1;
    }

    fn eigen(&self, which: Which) -> Projected {
        let (values, y) = symmetric_eigen(&self.projected.slice(s![..self.m, ..self.m]).to_owned());
        let order = which.order(&values);
        Projected { values, y, order }
    }

    /// Whether `β |y_m|` of each of the d wanted pairs is within the tolerance of their largest |value|.
    fn converged(&self, found: &Projected, d: usize, residual_tolerance: f64) -> bool {
        self.m >= d && {
            let limit = residual_tolerance * found.largest(d);
            found.order[..d].iter().all(|&i| self.beta * found.y[[self.m - 1, i]].abs() <= limit)
        }
    }

    /// Thick restart: V becomes the first `keep` Ritz vectors, T their values; r stays.
    fn restart(&mut self, found: &Projected, keep: usize) {
        let kept = &found.order[..keep];
        combine_in_place(found.y.select(Axis(1), kept).view(), self.basis.slice_mut(s![..self.m, ..]));
        self.projected.fill(0.0);
        for (i, &column) in kept.iter().enumerate() {
            self.projected[[i, i]] = found.values[column];
        }
        self.m = keep;
    }

    /// `r/β` is multiplied next.
    fn append_residual(&mut self) {
        let beta = R::narrow(self.beta);
        self.basis.row_mut(self.m).zip_mut_with(&self.residual.row(0), |v, &r| *v = r / beta);
    }

    /// A random direction orthogonal to V is multiplied next.
    fn append_random(&mut self) {
        let random = gaussian_row(self.seed, self.n_random, self.basis.ncols()).mapv(R::narrow);
        self.n_random += 1;
        let (done, mut rest) = self.basis.view_mut().split_at(Axis(0), self.m);
        let mut row = rest.row_mut(0);
        row.assign(&random);
        orthogonalise(row.view_mut(), done.view());
        let length = R::narrow(norm(row.view()));
        row.mapv_inplace(|x| x / length);
    }

    /// The wanted pairs in the place of V, with the residuals that one product more confirms.
    fn finish(
        mut self,
        a: &impl SymmetricOperator<R>,
        found: &Projected,
        request: &EigenRequest,
        n_products: usize,
    ) -> RitzPairs<R> {
        let wanted = &found.order[..request.dim.min(self.m)];
        combine_in_place(found.y.select(Axis(1), wanted).view(), self.basis.slice_mut(s![..self.m, ..]));
        let coefficients = found.y.row(self.m - 1).select(Axis(0), wanted);
        let mut pairs = RitzPairs {
            values: found.values.select(Axis(0), wanted),
            vectors: first_rows(self.basis, wanted.len()),
            residuals: coefficients.mapv(|y| self.beta * y.abs()),
            n_products,
            n_check_products: 0,
        };
        pairs.confirm(a, self.residual.row(0), &coefficients, request.seed);
        pairs
    }
}

/// The first `n` rows, without a copy of them.
fn first_rows<R>(rows: Array2<R>, n: usize) -> Array2<R> {
    let width = rows.ncols();
    let (mut data, _) = rows.into_raw_vec_and_offset();
    data.truncate(n * width);
    data.shrink_to_fit();
    Array2::from_shape_vec((n, width), data).expect("C order")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spectrum::operator::Dense;
    use crate::spectrum::subspace::{orthonormality_error, random_basis};

    #[test]
    fn the_identity_lasts_through_restarts_and_invariant_subspaces() {
        // Four different values: the Krylov space of any vector ends after four products.
        let values = Array1::from_iter((0..12).map(|i| [3.0, -1.0, 0.0, 0.5][i % 4]));
        let q = random_basis::<f64>(3, 12, 12);
        let a = q.t().dot(&(&values.insert_axis(Axis(1)) * &q));
        let mut krylov = Factorisation::<f64>::new(12, 6, 1);
        let (mut restarts, mut anew) = (0, 0);
        for _ in 0..20 {
            krylov.expand(&Dense(a.clone()));
            let (m, v) = (krylov.m, krylov.basis.slice(s![..krylov.m, ..]));
            let mut error = v.dot(&a) - krylov.projected.slice(s![..m, ..m]).dot(&v);
            let mut last = error.row_mut(m - 1);
            last -= &krylov.residual.row(0);
            // Rounding of 12 terms of size 3, and of as many restarts.
            assert!(error.iter().all(|e| e.abs() <= 1e-13), "{m} rows: {error}");
            assert!(orthonormality_error(v) <= 1e-13);
            assert!(v.dot(&krylov.residual.row(0)).iter().all(|e| e.abs() <= 1e-13));
            let found = krylov.eigen(Which::LargestAlgebraic);
            if m == 6 {
                krylov.restart(&found, 4);
                restarts += 1;
            }
            if krylov.beta <= 1e-12 {
                krylov.append_random();
                anew += 1;
            } else {
                krylov.append_residual();
            }
        }
        assert!(restarts >= 3 && anew >= 1, "{restarts} {anew}");
    }
}
