//! Per-sample loss, slope and curvature in a subspace, without forming any Hessian (`docs/method.md`, 1.4).
//!
//! `h_ij = ż_L^iᵀ (∇²_fℓ) ż_L^j + Σ_{l≥2} (u_l^i·ḣ_{l−1}^j + u_l^j·ḣ_{l−1}^i) + Σ_{l<L} (φ''∘ε_l)·(ż_l^i∘ż_l^j)` with
//! `u_l^i = V_l^iᵀ δ_l`: about 2p₁ + 6p₂ flops per sample and direction.

use std::ops::Range;

use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, Array3, ArrayView1, ArrayView2, Axis, Dim, Zip, s};
use rayon::prelude::*;
use team::Team;

use crate::numeric::orders::{Task, order, tell};
use crate::numeric::real::Real;
use crate::numeric::scratch::{Pool, shaped};
use crate::passes::affine;
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

impl SampleDerivatives {
    /// The same for coordinates `θ_a / s_a` with `deviations` s, in their first directions alone.
    #[must_use]
    pub fn in_units_of(&self, deviations: &[f64]) -> Self {
        let (d, units) = (deviations.len(), ArrayView1::from(deviations));
        let square = &units.insert_axis(Axis(1)) * &units;
        Self {
            loss: self.loss.clone(),
            slope: self.slope.slice(s![.., ..d]).to_owned() * units,
            curvature: self.curvature.slice(s![.., ..d, ..d]).to_owned() * square,
        }
    }
}

impl SampleDerivatives {
    /// To the first process.
    fn send(&self, team: &dyn Team) {
        team.send_values(0, self.loss.as_slice().expect("one axis"));
        team.send_values(0, self.slope.as_slice().expect("C order"));
        team.send_values(0, self.curvature.as_slice().expect("C order"));
    }

    /// Those of n samples in d directions that another sends.
    fn receive(team: &dyn Team, from: usize, (n, d): (usize, usize)) -> Self {
        let (loss, slope) = (Array1::zeros(n), Array2::zeros((n, d)));
        let mut found = Self { loss, slope, curvature: Array3::zeros((n, d, d)) };
        team.receive_values(from, found.loss.as_slice_mut().expect("one axis"));
        team.receive_values(from, found.slope.as_slice_mut().expect("C order"));
        team.receive_values(from, found.curvature.as_slice_mut().expect("C order"));
        found
    }
}

/// Blocks whose derivatives are held at once: enough for many threads, little memory.
const BLOCKS_AT_ONCE: usize = 32;

/// Loss, slope and curvature of every sample in the rows of `basis` (d, p): `take` is handed some at a time, with the number of
/// the first. They come in order; of several processes, those of each part do.
///
/// # Errors
/// The first error of `take`, which ends it.
pub fn sample_derivatives<R: Real, E>(
    sum: &HessianSum<R>,
    basis: ArrayView2<R>,
    take: &mut impl FnMut(usize, &SampleDerivatives) -> Result<(), E>,
) -> Result<(), E> {
    order::<R>(sum.samples.team(), Task::Derivatives, &[basis.nrows()]);
    tell(sum.samples.team(), &basis);
    derivatives_of_parts(sum, basis, take)
}

/// What each process does for [`sample_derivatives`]: the first takes those of all, in turns, so that all are at work.
pub(crate) fn derivatives_of_parts<R: Real, E>(
    sum: &HessianSum<R>,
    basis: ArrayView2<R>,
    take: &mut impl FnMut(usize, &SampleDerivatives) -> Result<(), E>,
) -> Result<(), E> {
    let (d, team) = (basis.nrows(), sum.samples.team());
    let directions = Directions::from_rows(sum.network, basis);
    let pool = Pool::default();
    let derive = |range: &Range<usize>| {
        sum.with_primal(range, |primal| {
            let block = Block { sum, primal, v: &directions, d };
            let losses = sum.network.loss.values(primal.outputs.view(), &primal.targets);
            pool.with(|tangents: &mut Tangents<R>| {
                tangents.compute(sum.network, &sum.w(), primal, &directions);
                SampleDerivatives {
                    loss: losses.into(),
                    slope: block.slopes(tangents),
                    curvature: block.curvatures(tangents),
                }
            })
        })
    };
    let parts = (0..team.size()).map(|rank| sum.blocks(sum.part(rank))).collect::<Vec<_>>();
    let turns = parts.iter().map(|blocks| blocks.len().div_ceil(BLOCKS_AT_ONCE)).max().unwrap_or(0);
    let in_turn = |rank: usize, turn: usize| parts[rank].chunks(BLOCKS_AT_ONCE).nth(turn).unwrap_or(&[]);
    for turn in 0..turns {
        let own = in_turn(team.rank(), turn);
        let derived = own.par_iter().map(derive).collect::<Vec<_>>();
        if !team.leads() {
            for derived in &derived {
                derived.send(team);
            }
            continue;
        }
        own.iter().zip(&derived).try_for_each(|(block, derived)| take(block.start, derived))?;
        for from in 1..team.size() {
            for block in in_turn(from, turn) {
                take(block.start, &SampleDerivatives::receive(team, from, (block.len(), d)))?;
            }
        }
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
    #[inline(never)]
    fn slopes(&self, tangents: &Tangents<R>) -> Array2<f64> {
        let delta = &self.primal.adjoint[self.sum.network.depth() - 1];
        let mut slopes = Array2::zeros((self.primal.n_rows(), self.d));
        for (i, mut row) in slopes.outer_iter_mut().enumerate() {
            row.assign(&sample(&tangents.outputs, i, self.d).dot(&delta.row(i)).mapv(R::wide));
        }
        slopes
    }

    /// `h_i` for every row, (B, d, d). Uses up the tangents of the outputs.
    #[inline(never)]
    fn curvatures(&self, tangents: &mut Tangents<R>) -> Array3<f64> {
        let (network, d, rows) = (self.sum.network, self.d, self.primal.n_rows());
        let outputs = tangents.outputs.clone();
        let in_place = tangents.outputs.view_mut().into_shape_with_order((rows, d, network.n_outputs()));
        network.loss.apply_hessian(self.primal.hessian_factor.view(), in_place.expect("C order"));

        // Half of each symmetric sum; the other half is its transpose.
        let half = R::narrow(0.5);
        let mut halves = Array3::<R>::zeros((rows, d, d));
        for (i, mut h) in halves.outer_iter_mut().enumerate() {
            let z = sample(&outputs, i, d);
            general_mat_mul(half, &z, &sample(&tangents.outputs, i, d).t(), R::zero(), &mut h);
        }
        let above_first = network.first_affine() + 1..=network.depth();
        let mut u = Array2::zeros((0, 0));
        for l in above_first.filter(|&l| network.layer(l).is_affine()) {
            let u = shaped(&mut u, Dim((rows, d * network.widths()[l - 1])));
            self.pull_back(l, u);
            for (i, mut h) in halves.outer_iter_mut().enumerate() {
                let post = sample(&tangents.post[l - 2], i, d);
                general_mat_mul(R::one(), &sample(u, i, d), &post.t(), R::one(), &mut h);
            }
        }
        for (bend, pre) in self.primal.bend.iter().zip(&tangents.pre).filter(|(_, pre)| !pre.is_empty()) {
            for (i, mut h) in halves.outer_iter_mut().enumerate() {
                let z = sample(pre, i, d);
                general_mat_mul(half, &(&z * &bend.row(i)), &z.t(), R::one(), &mut h);
            }
        }
        let mut curvatures = Array3::zeros((rows, d, d));
        for (mut curvature, h) in curvatures.outer_iter_mut().zip(halves.outer_iter()) {
            Zip::from(&mut curvature).and(&h).and(&h.t()).for_each(|c, &a, &b| *c = a.wide() + b.wide());
        }
        curvatures
    }

    /// `u_l^j = Gᵀ(V_l^jᵀ δ_l)` for all directions side by side into `u` (B, d·n_{l−1}).
    fn pull_back(&self, l: usize, u: &mut Array2<R>) {
        let network = self.sum.network;
        let (filters, below) = (network.weight_shape(l).0, network.widths()[l - 1]);
        for j in 0..self.d {
            let v = self.v.weights[l - 1].slice(s![j * filters..(j + 1) * filters, ..]);
            let mut u_j = u.slice_mut(s![.., j * below..(j + 1) * below]);
            affine::backward(network, l, R::zero(), &self.primal.adjoint[l - 1].view(), &v, &mut u_j);
        }
    }
}

/// Row i of (B, d·n) as (d, n).
fn sample<R>(t: &Array2<R>, i: usize, d: usize) -> ArrayView2<'_, R> {
    let row = t.index_axis(Axis(0), i);
    let n = row.len() / d;
    row.into_shape_with_order((d, n)).expect("C order")
}
