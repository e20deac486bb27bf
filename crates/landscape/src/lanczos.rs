//! Ritz pairs by thick-restart Lanczos with full reorthogonalisation (Wu & Simon 2000).
//!
//! The identity kept throughout is `A Vᵀ = Vᵀ T + β v eₘᵀ` for orthonormal rows V (m, p), the next direction v and
//! the projected matrix T = V A Vᵀ; hence a Ritz pair `u = yᵀV` has residual `‖Au − μu‖ = β |y_m|`.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};

use crate::Real;
use crate::operator::SymmetricOperator;
use crate::subspace::gaussian_row;
use crate::vectors::{
    add_combination, combine, combine_in_place, norm, orthogonalise, project, symmetric_eigen,
};

/// Which end of the spectrum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// largest algebraic
    LargestAlgebraic,
    /// largest in magnitude, whatever the sign
    LargestMagnitude,
    /// smallest algebraic
    SmallestAlgebraic,
}

impl Which {
    /// Positions of `values`, the wanted ones first.
    pub(crate) fn order(self, values: &Array1<f64>) -> Vec<usize> {
        let mut order = (0..values.len()).collect::<Vec<_>>();
        let key = |i: usize| match self {
            Self::LargestAlgebraic => values[i],
            Self::LargestMagnitude => values[i].abs(),
            Self::SmallestAlgebraic => -values[i],
        };
        order.sort_by(|&a, &b| key(b).total_cmp(&key(a)));
        order
    }
}

/// What is asked of an eigensolver.
#[derive(Clone, Copy, Debug)]
pub struct EigenRequest {
    /// d, pairs
    pub dim: usize,
    /// which end of the spectrum
    pub which: Which,
    /// residual over the largest |μ| at which a pair counts as converged
    pub residual_tolerance: f64,
    /// directions kept before a restart
    pub max_subspace: usize,
    /// matrix-vector products after which the solve gives up
    pub max_products: usize,
    /// of the first direction
    pub seed: u64,
}

/// Ritz pairs, the wanted first, with what they cost. Nothing here is promised to have converged: ask.
#[derive(Clone, Debug)]
pub struct RitzPairs<R> {
    /// signed Rayleigh quotients `u·Au`, (d,)
    pub values: Array1<f64>,
    /// orthonormal rows, (d, p)
    pub vectors: Array2<R>,
    /// `‖Au − μu‖`, confirmed by products made for it, (d,)
    pub residuals: Array1<f64>,
    /// products of the iteration
    pub n_products: usize,
    /// products that confirmed the residuals
    pub n_check_products: usize,
}

impl<R: Real> RitzPairs<R> {
    /// Rayleigh quotients and true residuals of the orthonormal rows `vectors`, in their order.
    pub fn in_order(a: &impl SymmetricOperator<R>, vectors: Array2<R>, n_products: usize) -> Self {
        let products = a.apply(vectors.view());
        let n = vectors.nrows();
        let values =
            (0..n).map(|i| project(vectors.slice(s![i..=i, ..]), products.row(i))[0]).collect::<Array1<_>>();
        let residuals = (0..n).map(|i| {
            let mut r = products.row(i).to_owned();
            r.scaled_add(-R::narrow(values[i]), &vectors.row(i));
            norm(r.view())
        });
        let residuals = residuals.collect();
        Self { values, vectors, residuals, n_products, n_check_products: n }
    }

    /// The same, the wanted first.
    pub fn measure(
        a: &impl SymmetricOperator<R>,
        vectors: Array2<R>,
        which: Which,
        n_products: usize,
    ) -> Self {
        let pairs = Self::in_order(a, vectors, n_products);
        let order = which.order(&pairs.values);
        Self {
            values: pairs.values.select(Axis(0), &order),
            vectors: pairs.vectors.select(Axis(0), &order),
            residuals: pairs.residuals.select(Axis(0), &order),
            ..pairs
        }
    }

    /// Adds to the residuals, in squares, the mean deviation of the `A u_i` from `μ_i u_i + y_i r`, where `r` is the
    /// `residual` of the iteration. One product with `Σ ±u_i / √d` measures it: over random signs its square has this mean.
    fn confirm(
        &mut self,
        a: &impl SymmetricOperator<R>,
        residual: ArrayView1<R>,
        y: &Array1<f64>,
        seed: u64,
    ) {
        let d = self.values.len();
        // A stream beyond those of the directions of this seed.
        let signs = gaussian_row(seed, usize::MAX, d).mapv(|z| z.signum() / (d as f64).sqrt());
        let u = combine(signs.view().insert_axis(Axis(1)), self.vectors.view());
        let mut deviation = a.apply(u.view());
        let mu = (&signs * &self.values).insert_axis(Axis(1));
        add_combination(&mut deviation, (-mu).view(), self.vectors.view());
        deviation.row_mut(0).scaled_add(R::narrow(-signs.dot(y)), &residual);
        let deviation = norm(deviation.row(0));
        self.residuals.mapv_inplace(|r| r.hypot(deviation));
        self.n_check_products += 1;
    }

    /// Largest residual over the largest |μ|.
    pub fn largest_relative_residual(&self) -> f64 {
        let scale = self.values.iter().fold(0.0_f64, |s, v| s.max(v.abs()));
        self.residuals.iter().fold(0.0_f64, |worst, r| worst.max(r / scale))
    }

    /// How many pairs meet the tolerance.
    pub fn n_converged(&self, residual_tolerance: f64) -> usize {
        let scale = self.values.iter().fold(0.0_f64, |s, v| s.max(v.abs()));
        self.residuals.iter().filter(|&&r| r <= residual_tolerance * scale).count()
    }
}

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
    let p = a.size();
    assert!(request.dim <= p, "{} pairs of a matrix with {p} rows", request.dim);
    let m_max = request.max_subspace.max(request.dim + 2).min(p);
    let mut v = Array2::<R>::zeros((m_max + 1, p));
    let mut t = Array2::<f64>::zeros((m_max, m_max));
    let mut fresh = FreshDirections { seed: request.seed, used: 0 };
    fresh.fill(&mut v, 0);
    let (mut m, mut n_products) = (0, 0);
    loop {
        let mut w = a.apply(v.slice(s![m..=m, ..]));
        n_products += 1;
        step(1);
        let h = orthogonalise(w.row_mut(0), v.slice(s![..=m, ..]));
        for i in 0..=m {
            (t[[i, m]], t[[m, i]]) = (h[i], h[i]);
        }
        let beta = norm(w.row(0));
        m += 1;
        let (values, y) = symmetric_eigen(&t.slice(s![..m, ..m]).to_owned());
        let order = request.which.order(&values);
        let scale = values.iter().fold(0.0_f64, |s, x| s.max(x.abs()));
        let negligible = beta <= R::epsilon().wide() * scale * m as f64;
        let wanted_converged = m >= request.dim && {
            let top = request.which.order(&values)[..request.dim]
                .iter()
                .map(|&i| values[i].abs())
                .fold(0.0, f64::max);
            order[..request.dim]
                .iter()
                .all(|&i| beta * y[[m - 1, i]].abs() <= request.residual_tolerance * top)
        };
        // An invariant subspace ends the iteration only once it holds d pairs; else go on in a new direction.
        if (wanted_converged && (!negligible || m >= request.dim))
            || n_products >= request.max_products
            || m == p
        {
            let wanted = &order[..request.dim.min(m)];
            combine_in_place(y.select(Axis(1), wanted).view(), v.slice_mut(s![..m, ..]));
            let coefficients = y.row(m - 1).select(Axis(0), wanted);
            let mut pairs = RitzPairs {
                values: values.select(Axis(0), wanted),
                vectors: first_rows(v, wanted.len()),
                residuals: coefficients.mapv(|y| beta * y.abs()),
                n_products,
                n_check_products: 0,
            };
            pairs.confirm(a, w.row(0), &coefficients, request.seed);
            return pairs;
        }
        let next = if negligible { None } else { Some(w.row(0).mapv(|x| x / R::narrow(beta))) };
        if m == m_max {
            let keep = request.dim + (m_max - request.dim) / 2;
            let kept = y.select(Axis(1), &order[..keep]);
            combine_in_place(kept.view(), v.slice_mut(s![..m, ..]));
            t.fill(0.0);
            for (i, &column) in order[..keep].iter().enumerate() {
                t[[i, i]] = values[column];
            }
            m = keep;
        }
        match next {
            Some(next) => v.row_mut(m).assign(&next),
            None => fresh.fill(&mut v, m),
        }
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

/// Random unit vectors, each orthogonal to the rows before it.
struct FreshDirections {
    seed: u64,
    used: usize,
}

impl FreshDirections {
    fn fill<R: Real>(&mut self, v: &mut Array2<R>, m: usize) {
        let random = gaussian_row(self.seed, self.used, v.ncols()).mapv(R::narrow);
        self.used += 1;
        let (done, mut rest) = v.view_mut().split_at(Axis(0), m);
        let mut row = rest.row_mut(0);
        row.assign(&random);
        orthogonalise(row.view_mut(), done.view());
        let length = R::narrow(norm(row.view()));
        row.mapv_inplace(|x| x / length);
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
