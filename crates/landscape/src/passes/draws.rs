//! Losses at `w* + Pθ` for many θ at once, at a quarter of the cost of forward passes (`docs/method.md`, 1.6).
//!
//! `X(W_1 + Σθ_jV_1^j)ᵀ = XW_1ᵀ + Σθ_j X(V_1^j)ᵀ`: the products with X are formed once per block of samples, so that each
//! draw costs 2(d+1)n₁ + 2p₂ flops per sample. Blocks of samples outside, draws inside, groups of draws in parallel. Layer 1 is
//! here the first layer with weights: pools before it are the same for all draws.

use std::ops::Range;

use ndarray::linalg::general_mat_mul;
use ndarray::parallel::prelude::*;
use ndarray::{Array2, ArrayView1, ArrayView2, Axis, Dim, s};
use rayon::prelude::ParallelSliceMut;
use team::Team;

use crate::network::activation::{Activation, activate};
use crate::network::architecture::Network;
use crate::network::layers::Kind;
use crate::numeric::orders::{Task, order, tell};
use crate::numeric::parts::cuts;
use crate::numeric::real::Real;
use crate::numeric::samples::{Samples, Targets};
use crate::numeric::scratch::{Pool, shaped};
use crate::numeric::simd::vectorised;
use crate::numeric::sums::blocks_of;
use crate::passes::affine::{self, add_bias, add_bias_and_activate};
use crate::passes::pool;
use crate::passes::primal;

/// Draws whose state one task holds, at least and at most: few draws are more tasks, many share the packing of layer 1.
const DRAWS_PER_GROUP: (usize, usize) = (16, 64);
/// Most samples of a block: as many share the packing of a draw's weights.
const MOST_ROWS: usize = 256;
/// Bytes of layer 1 along all directions for a block of samples.
const FIRST_LAYER_BYTES: usize = 128 << 20;
/// Bytes of layer 1 of a group of draws, where that is a convolution: a draw's layers for a block stay in the cache.
const CONV_BYTES: usize = 16 << 20;

/// What becomes of the losses of one draw, sample by sample in order.
pub trait LossSink: Send {
    /// `losses`: ℓ_i(w* + Pθ) for the samples from `first` on.
    fn take(&mut self, first: usize, losses: &[f64]);
}

/// A sink that goes from one process to the next, in the order of the samples: what it needs of those before is a few numbers.
pub(crate) trait Relayed: LossSink + Clone + Sync {
    /// How many numbers it is after `rows` samples.
    fn len_after(&self, rows: usize) -> usize;
    /// These numbers.
    fn numbers(&self) -> Vec<f64>;
    /// Goes on from these numbers after `rows` samples.
    fn go_on(&mut self, rows: usize, numbers: &[f64]);
}

/// The losses of one draw at the samples of this process.
#[derive(Clone, Default)]
struct Kept(Vec<f64>);

impl LossSink for Kept {
    fn take(&mut self, _first: usize, losses: &[f64]) {
        self.0.extend_from_slice(losses);
    }
}

/// Bytes of losses that a process keeps until the sinks come.
const KEPT_BYTES: usize = 512 << 20;
/// Losses that a sink takes at once: what they are added to stays in the cache.
pub(crate) const TAKEN_AT_ONCE: usize = 4096;

/// A point and directions, over samples.
pub struct Draws<'a, R> {
    /// the network
    pub network: &'a Network,
    /// w*, (p,)
    pub w: ArrayView1<'a, R>,
    /// P, rows (d, p)
    pub basis: ArrayView2<'a, R>,
    /// the samples in their order
    pub samples: &'a Samples,
    /// memory for perturbed weights; decides how many draws go through the samples together
    pub weights_bytes: usize,
}

impl<R: Real> Draws<'_, R> {
    /// Feeds the losses at `w* + Pθ_t` of every draw, rows of `theta` (T, d), to `sinks[t]`.
    ///
    /// `after_block` sees the sinks of the draws in hand whenever they have had another block of samples.
    pub fn evaluate<S: LossSink>(
        &self,
        theta: ArrayView2<f64>,
        sinks: &mut [S],
        after_block: &mut impl FnMut(&mut [S], Range<usize>),
    ) {
        self.evaluate_rows(0..self.samples.len(), theta, sinks, after_block);
    }

    /// The same for some samples, which begin with a block.
    fn evaluate_rows<S: LossSink>(
        &self,
        rows: Range<usize>,
        theta: ArrayView2<f64>,
        sinks: &mut [S],
        after_block: &mut impl FnMut(&mut [S], Range<usize>),
    ) {
        assert_eq!((theta.nrows(), theta.ncols()), (sinks.len(), self.basis.nrows()), "draws and directions");
        let network = self.network;
        let arranged = (network.arranged(self.w), network.arranged_rows(self.basis));
        let arranged = Draws { w: arranged.0.view(), basis: arranged.1.view(), ..*self };
        arranged.evaluate_arranged(rows, theta, sinks, after_block);
    }

    /// The same with parameters in the order of the passes.
    fn evaluate_arranged<S: LossSink>(
        &self,
        rows: Range<usize>,
        theta: ArrayView2<f64>,
        sinks: &mut [S],
        after_block: &mut impl FnMut(&mut [S], Range<usize>),
    ) {
        let (group, at_once) = (self.draws_per_group(), self.draws_at_once());
        let (mut first, pool) = (FirstLayer::default(), Pool::default());
        for (theta, sinks) in theta.axis_chunks_iter(Axis(0), at_once).zip(sinks.chunks_mut(at_once)) {
            let theta = with_a_one_before(theta);
            let upper = self.upper_layers(theta.view());
            for range in blocks_of(rows.clone(), self.rows_of_a_block()) {
                let batch = self.samples.block::<R>(range.clone());
                let x = self.network.arranged_inputs(batch.x);
                first.fill(self, primal::hidden(self.network, &self.w, x, self.first() - 1).view());
                let groups = sinks.par_chunks_mut(group).zip(
                    theta
                        .axis_chunks_iter(Axis(0), group)
                        .into_par_iter()
                        .zip(upper.axis_chunks_iter(Axis(0), group).into_par_iter()),
                );
                groups.for_each(|(sinks, (theta, upper))| {
                    let group = Group { draws: self, first: &first, theta, upper };
                    pool.with(|buffers| group.pass(&batch.targets, range.start, sinks, buffers));
                });
                after_block(sinks, range);
            }
        }
    }

    /// Orders a task with these draws: point, directions and `theta` (T, d) follow, `numbers` are two at most.
    pub(crate) fn order(&self, task: Task, theta: ArrayView2<f64>, numbers: &[usize]) {
        let team = self.samples.team();
        let sizes = [theta.nrows(), theta.ncols(), self.samples.len(), self.weights_bytes];
        order::<R>(team, task, &[&sizes, numbers].concat());
        tell(team, &self.w);
        tell(team, &self.basis);
        tell(team, &theta);
    }

    /// What each process does where several share the samples: it computes the losses of its part, then takes over the sinks from
    /// the process before, and hands them on. So every draw meets the samples in their order, and only the few numbers of a sink
    /// travel. `after_block` sees the sinks as in [`Self::evaluate`], but only at the samples of this process. At the end the
    /// first has the sinks of all samples.
    pub(crate) fn relay<S: Relayed>(
        &self,
        theta: ArrayView2<f64>,
        sinks: &mut [S],
        after_block: &mut impl FnMut(&mut [S], Range<usize>),
    ) {
        let (team, cuts) = (self.samples.team(), self.cuts());
        let (rank, last) = (team.rank(), team.size() - 1);
        let own = cuts[rank]..cuts[rank + 1];
        let at_once = self.relayed_at_once(&cuts);
        for (theta, sinks) in theta.axis_chunks_iter(Axis(0), at_once).zip(sinks.chunks_mut(at_once)) {
            let mut kept = vec![Kept(Vec::with_capacity(own.len())); sinks.len()];
            self.evaluate_rows(own.clone(), theta, &mut kept, &mut |_, _| ());
            if rank > 0 {
                receive(team, rank - 1, own.start, sinks);
            }
            if rank < last {
                // Ahead of what this process does with each sample: the others wait for it.
                let mut ahead = sinks.to_vec();
                ahead.par_iter_mut().zip(&kept).for_each(|(sink, kept)| {
                    let parts = kept.0.chunks(TAKEN_AT_ONCE).enumerate();
                    parts.for_each(|(i, losses)| sink.take(own.start + i * TAKEN_AT_ONCE, losses));
                });
                send(team, rank + 1, &ahead);
            }
            for begin in own.clone().step_by(TAKEN_AT_ONCE) {
                let range = begin..(begin + TAKEN_AT_ONCE).min(own.end);
                let of_kept = range.start - own.start..range.end - own.start;
                let both = sinks.par_iter_mut().zip(&kept);
                both.for_each(|(sink, kept)| sink.take(begin, &kept.0[of_kept.clone()]));
                after_block(sinks, range);
            }
        }
        if rank == last {
            send(team, 0, sinks);
        } else if rank == 0 {
            receive(team, last, self.samples.len(), sinks);
        }
    }

    /// Draws of which each process keeps the losses at its samples together: whole groups, the same on each.
    fn relayed_at_once(&self, cuts: &[usize]) -> usize {
        let most = cuts.windows(2).map(|part| part[1] - part[0]).max().unwrap_or(0);
        let group = self.draws_per_group();
        (KEPT_BYTES / (size_of::<f64>() * most.max(1)) / group).max(1) * group
    }

    /// Where the parts of the processes begin, and the end, (P + 1,) samples.
    pub(crate) fn cuts(&self) -> Vec<usize> {
        cuts(self.samples.len(), self.rows_of_a_block(), self.samples.team().size())
    }

    /// As many as there are directions: the more of these, the more draws must share the packing of their products with X.
    fn draws_per_group(&self) -> usize {
        self.basis.nrows().clamp(DRAWS_PER_GROUP.0, DRAWS_PER_GROUP.1)
    }

    /// As many as the perturbed weights of the upper layers allow, in whole groups.
    fn draws_at_once(&self) -> usize {
        let (group, per_draw) = (self.draws_per_group(), self.upper_range().len() * size_of::<R>());
        (self.weights_bytes / per_draw.max(1) / group).max(1) * group
    }

    /// Samples that all draws pass before the next.
    fn rows_of_a_block(&self) -> usize {
        let per_draw = self.network.widths()[self.first()] * size_of::<R>();
        let rows = FIRST_LAYER_BYTES / ((self.basis.nrows() + 1) * per_draw);
        match self.network.layer(self.first()).kind {
            Kind::Conv { .. } => {
                rows.min(CONV_BYTES / (self.draws_per_group() * per_draw)).clamp(4, MOST_ROWS)
            }
            _ => rows.clamp(32, MOST_ROWS),
        }
    }

    /// The first layer with weights.
    fn first(&self) -> usize {
        self.network.first_affine()
    }

    /// Parameters after those of layer 1.
    fn upper_range(&self) -> Range<usize> {
        self.network.offsets(self.first()).1.end..self.network.n_params()
    }

    /// `w* + Pθ_t` of all layers but the first, (T, p − p of layer 1); `theta` with a one before, (T, d + 1).
    fn upper_layers(&self, theta: ArrayView2<R>) -> Array2<R> {
        let upper = self.upper_range();
        let base = self.w.slice(s![upper.clone()]);
        let basis = self.basis.slice(s![.., upper.clone()]);
        let mut perturbed = Array2::zeros((theta.nrows(), upper.len()));
        perturbed
            .axis_chunks_iter_mut(Axis(0), self.draws_per_group())
            .into_par_iter()
            .zip(theta.axis_chunks_iter(Axis(0), self.draws_per_group()).into_par_iter())
            .for_each(|(mut out, theta)| {
                out.assign(&base);
                general_mat_mul(R::one(), &theta.slice(s![.., 1..]), &basis, R::one(), &mut out);
            });
        perturbed
    }
}

/// Sends sinks to the process after this.
fn send<S: Relayed>(team: &dyn Team, to: usize, sinks: &[S]) {
    team.send_values(to, &sinks.iter().flat_map(Relayed::numbers).collect::<Vec<_>>());
}

/// Receives them after `rows` samples.
fn receive<S: Relayed>(team: &dyn Team, from: usize, rows: usize, sinks: &mut [S]) {
    let length = sinks.first().map_or(0, |sink| sink.len_after(rows));
    let mut numbers = vec![0.0; length * sinks.len()];
    team.receive_values(from, &mut numbers);
    sinks.iter_mut().zip(numbers.chunks(length.max(1))).for_each(|(sink, numbers)| sink.go_on(rows, numbers));
}

/// `[1 θ]` of every draw, (T, d + 1).
fn with_a_one_before<R: Real>(theta: ArrayView2<f64>) -> Array2<R> {
    let mut out = Array2::ones((theta.nrows(), theta.ncols() + 1));
    out.slice_mut(s![.., 1..]).assign(&theta.mapv(R::narrow));
    out
}

/// Pre-activations of layer 1 of one block of samples, at w* and along each direction.
#[derive(Default)]
struct FirstLayer<R> {
    /// `XW_1ᵀ + b_1, X(V_1^1)ᵀ + c_1^1, …`, (d + 1, B·n_1)
    parts: Array2<R>,
}

impl<R: Real> FirstLayer<R> {
    /// 2(d+1)p₁ flops per sample, whatever the number of draws. `x`: what comes to layer 1, (B, n_0).
    fn fill(&mut self, draws: &Draws<R>, x: ArrayView2<R>) {
        let (network, l) = (draws.network, draws.first());
        let shape = (x.nrows(), network.widths()[l]);
        let parts = shaped(&mut self.parts, Dim((draws.basis.nrows() + 1, shape.0 * shape.1)));
        parts.outer_iter_mut().into_par_iter().enumerate().for_each(|(j, z)| {
            let mut z = z.into_shape_with_order(shape).expect("B·n_1 values");
            let v = if j == 0 { draws.w } else { draws.basis.row(j - 1) };
            let layer = network.weights(&v, l);
            affine::forward(network, l, R::zero(), &x, &layer.weights, &mut z);
            add_bias(network, l, layer.bias, z);
        });
    }
}

/// Draws that go through a block of samples together.
struct Group<'a, 'b, R> {
    draws: &'a Draws<'b, R>,
    first: &'a FirstLayer<R>,
    /// `[1 θ]` of each, (g, d + 1)
    theta: ArrayView2<'a, R>,
    /// parameters after layer 1, (g, …)
    upper: ArrayView2<'a, R>,
}

/// What a group writes to.
#[derive(Default)]
struct Buffers<R> {
    /// z_1, then h_1, of every draw, (g, B·n_1)
    first: Array2<R>,
    /// z_l, then h_l, of one draw for l = 2..L, (B, n_l)
    layers: Vec<Array2<R>>,
}

impl<R: Real> Group<'_, '_, R> {
    /// The losses of a block of samples that begins with sample `begin` of all.
    fn pass<S: LossSink>(&self, targets: &Targets, begin: usize, sinks: &mut [S], buffers: &mut Buffers<R>) {
        let (network, l_first) = (self.draws.network, self.draws.first());
        let rows = targets.len();
        let Buffers { first, layers } = buffers;
        layers.resize_with(network.depth() - l_first, || Array2::zeros((0, 0)));
        let first = shaped(first, Dim((sinks.len(), self.first.parts.ncols())));
        general_mat_mul(R::one(), &self.theta, &self.first.parts, R::zero(), first);
        for (t, sink) in sinks.iter_mut().enumerate() {
            let mut first = first.row_mut(t);
            let activation = network.layer(l_first).activation;
            if activation != Activation::Identity {
                let z = first.as_slice_mut().expect("C order");
                vectorised(
                    #[inline(always)]
                    || activate(activation, z),
                );
            }
            let first = first.into_shape_with_order((rows, network.widths()[l_first])).expect("B·n_1 values");
            for l in l_first + 1..=network.depth() {
                let (below, z) = layers.split_at_mut(l - l_first - 1);
                let h = below.last().map_or(first.view(), |h| h.view());
                let z = shaped(&mut z[0], Dim((rows, network.widths()[l])));
                let (weights, bias) = self.layer(l, t);
                if network.layer(l).is_affine() {
                    affine::forward(network, l, R::zero(), &h, &weights, &mut z.view_mut());
                } else {
                    pool::forward(network, l, &h, &mut z.view_mut(), None);
                }
                add_bias_and_activate(network, l, bias, z.view_mut());
            }
            let outputs = layers.last().map_or(first.view(), |f| f.view());
            sink.take(begin, &network.loss.values(outputs, targets));
        }
    }

    /// `W_l` (filters, below) and `b_l` of draw t, for layers after the first.
    fn layer(&self, l: usize, t: usize) -> (ArrayView2<'_, R>, ArrayView1<'_, R>) {
        let network = self.draws.network;
        let offset = self.draws.upper_range().start;
        let (weights, bias) = network.offsets(l);
        let part = |range: Range<usize>| self.upper.slice(s![t, range.start - offset..range.end - offset]);
        let shape = network.weight_shape(l);
        (part(weights).into_shape_with_order(shape).expect("length of the range"), part(bias))
    }
}
