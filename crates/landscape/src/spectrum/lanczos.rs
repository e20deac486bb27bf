//! Ritz pairs by thick-restart Lanczos with full reorthogonalisation (Wu & Simon 2000).
//!
//! The identity kept throughout is `A Vᵀ = Vᵀ T + β v eₘᵀ` for orthonormal rows V (m, p), the next direction v and
//! the projected matrix T = V A Vᵀ; hence a Ritz pair `u = yᵀV` has residual `‖Au − μu‖ = β |y_m|`.

use ndarray::{Array2, Axis, s};

use crate::numeric::gaussian::gaussian_row;
use crate::numeric::real::Real;
use crate::numeric::vectors::{combine_in_place, norm, orthogonalise, symmetric_eigen};
use crate::spectrum::operator::SymmetricOperator;
use crate::spectrum::ritz::{EigenRequest, RitzPairs};

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
