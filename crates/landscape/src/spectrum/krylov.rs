//! The Krylov factorisation that Lanczos grows, in the whole space or orthogonal to some rows.

use ndarray::{Array1, Array2, ArrayView2, Axis, s};

use crate::numeric::gaussian::gaussian_row;
use crate::numeric::real::Real;
use crate::numeric::vectors::{combine_in_place, largest_magnitude, norm, orthogonalise, symmetric_eigen};
use crate::spectrum::operator::SymmetricOperator;
use crate::spectrum::ritz::{EigenRequest, RitzPairs, Which, rounding};

/// `A Vᵀ = Vᵀ T + r eₘᵀ` with orthonormal rows V, T = V A Vᵀ and r orthogonal to V; for A read P A P if rows are left out,
/// with P the projector on their complement.
pub(crate) struct Factorisation<'a, R> {
    /// orthonormal rows to which V is orthogonal, (l, p)
    left_out: ArrayView2<'a, R>,
    /// V, and the direction that is multiplied next, (m_max + 1, p); the first m + 1 rows are in use
    basis: Array2<R>,
    /// T, (m_max, m_max); m rows and columns are in use
    pub(crate) projected: Array2<f64>,
    /// products that V knows
    pub(crate) m: usize,
    /// r, (1, p)
    residual: Array2<R>,
    /// β = ‖r‖
    pub(crate) beta: f64,
    /// largest |Ritz value| so far
    pub(crate) norm: f64,
    seed: u64,
    /// stream of the next random direction
    next_random: usize,
}

/// Eigenpairs of T.
pub(crate) struct Projected {
    /// ascending, (m,)
    pub(crate) values: Array1<f64>,
    /// a column each, (m, m)
    pub(crate) y: Array2<f64>,
    /// positions of the values, the wanted first
    pub(crate) order: Vec<usize>,
}

impl Projected {
    /// Largest |value| of the first `n`.
    pub(crate) fn largest(&self, n: usize) -> f64 {
        largest_magnitude(self.order[..n].iter().map(|&i| &self.values[i]))
    }
}

impl<'a, R: Real> Factorisation<'a, R> {
    /// No products yet, and a random direction to begin with.
    pub(crate) fn new(left_out: ArrayView2<'a, R>, m_max: usize, seed: u64, first_random: usize) -> Self {
        let p = left_out.ncols();
        let mut krylov = Self {
            left_out,
            basis: Array2::zeros((m_max + 1, p)),
            projected: Array2::zeros((m_max, m_max)),
            m: 0,
            residual: Array2::zeros((1, 0)),
            beta: 0.0,
            norm: 0.0,
            seed,
            next_random: first_random,
        };
        krylov.append_random();
        krylov
    }

    /// One product more: what of it lies in V goes to T, the rest is r.
    pub(crate) fn expand(&mut self, a: &impl SymmetricOperator<R>) {
        let m = self.m;
        self.residual = a.apply(self.basis.slice(s![m..=m, ..]));
        orthogonalise(self.residual.row_mut(0), self.left_out);
        let h = orthogonalise(self.residual.row_mut(0), self.basis.slice(s![..=m, ..]));
        // V is orthogonal to those rows but for rounding, which what is taken off along V brings back.
        orthogonalise(self.residual.row_mut(0), self.left_out);
        for i in 0..=m {
            (self.projected[[i, m]], self.projected[[m, i]]) = (h[i], h[i]);
        }
        self.beta = norm(self.residual.row(0));
        self.m += 1;
    }

    /// Eigenpairs of T.
    pub(crate) fn eigen(&mut self, which: Which) -> Projected {
        let (values, y) = symmetric_eigen(&self.projected.slice(s![..self.m, ..self.m]).to_owned());
        self.norm = self.norm.max(largest_magnitude(&values));
        let order = which.order(&values);
        Projected { values, y, order }
    }

    /// Whether `β |y_m|` of each of the first `n` wanted pairs is at most `limit`.
    pub(crate) fn converged(&self, found: &Projected, n: usize, limit: f64) -> bool {
        self.m >= n && found.order[..n].iter().all(|&i| self.beta * found.y[[self.m - 1, i]].abs() <= limit)
    }

    /// Whether nothing but rounding is left outside of V: it is invariant under A.
    pub(crate) fn invariant(&self, found: &Projected) -> bool {
        self.beta <= R::epsilon().wide() * found.largest(self.m) * self.m as f64
    }

    /// Thick restart: V becomes the first `keep` Ritz vectors, T their values; r stays.
    pub(crate) fn restart(&mut self, found: &Projected, keep: usize) {
        let kept = &found.order[..keep];
        combine_in_place(found.y.select(Axis(1), kept).view(), self.basis.slice_mut(s![..self.m, ..]));
        self.projected.fill(0.0);
        for (i, &column) in kept.iter().enumerate() {
            self.projected[[i, i]] = found.values[column];
        }
        self.m = keep;
    }

    /// `r/β` is multiplied next.
    pub(crate) fn append_residual(&mut self) {
        let beta = R::narrow(self.beta);
        self.basis.row_mut(self.m).zip_mut_with(&self.residual.row(0), |v, &r| *v = r / beta);
    }

    /// A random direction orthogonal to V is multiplied next.
    pub(crate) fn append_random(&mut self) {
        let random = gaussian_row(self.seed, self.next_random, self.basis.ncols()).mapv(R::narrow);
        self.next_random += 1;
        let (done, mut rest) = self.basis.view_mut().split_at(Axis(0), self.m);
        let mut row = rest.row_mut(0);
        row.assign(&random);
        orthogonalise(row.view_mut(), self.left_out);
        orthogonalise(row.view_mut(), done.view());
        let length = R::narrow(norm(row.view()));
        row.mapv_inplace(|x| x / length);
    }

    /// The first `n` wanted values, and their Ritz vectors as rows.
    pub(crate) fn into_wanted(mut self, found: &Projected, n: usize) -> (Array1<f64>, Array2<R>) {
        let wanted = &found.order[..n];
        combine_in_place(found.y.select(Axis(1), wanted).view(), self.basis.slice_mut(s![..self.m, ..]));
        (found.values.select(Axis(0), wanted), first_rows(self.basis, n))
    }

    /// The wanted pairs in the place of V, with the residuals that one product more confirms.
    pub(crate) fn finish(
        mut self,
        a: &impl SymmetricOperator<R>,
        found: &Projected,
        request: &EigenRequest,
        n_products: usize,
    ) -> RitzPairs<R> {
        let n = request.dim.min(self.m);
        let coefficients = found.y.row(self.m - 1).select(Axis(0), &found.order[..n]);
        let (beta, norm) = (self.beta, self.norm);
        let residual = std::mem::take(&mut self.residual);
        let (values, vectors) = self.into_wanted(found, n);
        let residuals = coefficients.mapv(|y| beta * y.abs());
        let mut pairs = RitzPairs {
            values,
            vectors,
            residuals,
            n_products,
            n_check_products: 0,
            norm,
            rounding: rounding::<R>(norm),
            miss_probability: 1.0,
        };
        pairs.confirm(a, residual.row(0), &coefficients, request.seed);
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
    use crate::spectrum::operator::{Dense, with_eigenvalues};
    use crate::spectrum::subspace::orthonormality_error;

    #[test]
    fn the_identity_lasts_through_restarts_and_invariant_subspaces() {
        // Four different values: the Krylov space of any vector ends after four products.
        let a = with_eigenvalues(&[3.0, -1.0, 0.0, 0.5].repeat(3), 3);
        let nothing = Array2::zeros((0, 12));
        let mut krylov = Factorisation::<f64>::new(nothing.view(), 6, 1, 0);
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
