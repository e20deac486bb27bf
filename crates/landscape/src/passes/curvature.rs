//! Per-sample loss, slope and curvature in a subspace, without forming any Hessian (`docs/method.md`, 1.4).
//!
//! `h_ij = ż_L^iᵀ (∇²_fℓ) ż_L^j + Σ_{l≥2} (u_l^i·ḣ_{l−1}^j + u_l^j·ḣ_{l−1}^i) + Σ_{l<L} (φ''∘ε_l)·(ż_l^i∘ż_l^j)` with
//! `u_l^i = V_l^iᵀ δ_l`: about 2p₁ + 6p₂ flops per sample and direction.

use std::ops::Range;

use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, Array3, ArrayView2, Axis, Zip, s};
use rayon::prelude::*;

use crate::numeric::real::Real;
use crate::numeric::scratch::Pool;
use crate::numeric::sums::blocks;
use crate::passes::hvp::{Directions, HessianSum, Tangents};
use crate::passes::primal::Primal;

/// Per-sample derivatives at w* in the subspace of d directions.
#[derive(Clone, Debug)]
pub struct SampleDerivatives {
    /// `c_i = ℓ_i(w*)`, (N,), loss
    pub loss: Array1<f64>,
    /// `g_i = Pᵀ∇ℓ_i(w*)`, (N, d), loss per parameter unit
    pub slope: Array2<f64>,
    /// `h_i = Pᵀ∇²ℓ_i(w*)P`, (N, d, d), loss per squared parameter unit
    pub curvature: Array3<f64>,
}

/// Blocks whose derivatives are held at once: enough for many threads, little memory.
const BLOCKS_AT_ONCE: usize = 32;

/// Loss, slope and curvature of every sample in the rows of `basis` (d, p), in order: `take` is handed some at a time.
///
/// # Errors
/// The first error of `take`, which ends it.
pub fn sample_derivatives<R: Real, E>(
    sum: &HessianSum<R>,
    basis: ArrayView2<R>,
    take: &mut impl FnMut(&SampleDerivatives) -> Result<(), E>,
) -> Result<(), E> {
    let d = basis.nrows();
    let directions = Directions::from_rows(sum.network, basis);
    let pool = Pool::default();
    let derive = |range: &Range<usize>| {
        sum.with_primal(range, |primal| {
            let block = Block { sum, primal, v: &directions, d };
            let losses = sum.network.loss.values(primal.outputs.view(), &primal.targets);
            pool.with(|tangents: &mut Tangents<R>| {
                tangents.compute(sum.network, &sum.w, primal, &directions);
                SampleDerivatives {
                    loss: losses.into(),
                    slope: block.slopes(tangents),
                    curvature: block.curvatures(tangents),
                }
            })
        })
    };
    for ranges in blocks(0..sum.samples.len()).chunks(BLOCKS_AT_ONCE) {
        let derived = ranges.par_iter().map(derive).collect::<Vec<_>>();
        derived.iter().try_for_each(&mut *take)?;
    }
    Ok(())
}

/// One block of samples and the directions.
struct Block<'a, 'b, R> {
    sum: &'a HessianSum<'b, R>,
    primal: &'a Primal<R>,
    v: &'a Directions<R>,
    d: usize,
}

impl<R: Real> Block<'_, '_, R> {
    /// `g_ij = δ_L · ż_L^j`, (B, d)
    fn slopes(&self, tangents: &Tangents<R>) -> Array2<f64> {
        let delta = &self.primal.adjoint[self.sum.network.depth() - 1];
        let mut slopes = Array2::zeros((self.primal.n_rows(), self.d));
        for (i, mut row) in slopes.outer_iter_mut().enumerate() {
            row.assign(&sample(&tangents.outputs, i, self.d).dot(&delta.row(i)).mapv(R::wide));
        }
        slopes
    }

    /// `h_i` for every row, (B, d, d). Uses up the tangents of the outputs.
    fn curvatures(&self, tangents: &mut Tangents<R>) -> Array3<f64> {
        let (network, d, rows) = (self.sum.network, self.d, self.primal.n_rows());
        let outputs = tangents.outputs.clone();
        let in_place = tangents.outputs.view_mut().into_shape_with_order((rows, d, network.n_outputs()));
        network.loss.apply_hessian(self.primal.hessian_factor.view(), in_place.expect("C order"));
        let pulled = (2..=network.depth()).map(|l| self.pulled_back(l)).collect::<Vec<_>>();

        let mut curvatures = Array3::zeros((rows, d, d));
        let mut h = Array2::<R>::zeros((d, d));
        for (i, mut curvature) in curvatures.outer_iter_mut().enumerate() {
            // Half of the symmetric sum; the other half is its transpose.
            let half = R::narrow(0.5);
            general_mat_mul(
                half,
                &sample(&outputs, i, d),
                &sample(&tangents.outputs, i, d).t(),
                R::zero(),
                &mut h,
            );
            for (u, post) in pulled.iter().zip(&tangents.post) {
                general_mat_mul(R::one(), &sample(u, i, d), &sample(post, i, d).t(), R::one(), &mut h);
            }
            for (bend, pre) in self.primal.bend.iter().zip(&tangents.pre) {
                let z = sample(pre, i, d);
                general_mat_mul(half, &(&z * &bend.row(i)), &z.t(), R::one(), &mut h);
            }
            Zip::from(&mut curvature).and(&h).and(&h.t()).for_each(|c, &a, &b| *c = a.wide() + b.wide());
        }
        curvatures
    }

    /// `u_l^j = V_l^jᵀ δ_l` for all directions side by side, (B, d·n_{l−1})
    fn pulled_back(&self, l: usize) -> Array2<R> {
        let (n, below) = (self.sum.network.widths()[l], self.sum.network.widths()[l - 1]);
        let mut u = Array2::zeros((self.primal.n_rows(), self.d * below));
        for j in 0..self.d {
            let v = self.v.weights[l - 1].slice(s![j * n..(j + 1) * n, ..]);
            let mut u_j = u.slice_mut(s![.., j * below..(j + 1) * below]);
            general_mat_mul(R::one(), &self.primal.adjoint[l - 1], &v, R::zero(), &mut u_j);
        }
        u
    }
}

/// Row i of (B, d·n) as (d, n).
fn sample<R>(t: &Array2<R>, i: usize, d: usize) -> ArrayView2<'_, R> {
    let row = t.index_axis(Axis(0), i);
    let n = row.len() / d;
    row.into_shape_with_order((d, n)).expect("C order")
}
