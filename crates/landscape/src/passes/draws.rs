//! Losses at `w* + Pθ` for many θ at once, at a quarter of the cost of forward passes (`docs/method.md`, 1.6).
//!
//! `X(W_1 + Σθ_jV_1^j)ᵀ = XW_1ᵀ + Σθ_j X(V_1^j)ᵀ`: the products with X are formed once per block of samples, so that each
//! draw costs 2(d+1)n₁ + 2p₂ flops per sample. Blocks of samples outside, draws inside, groups of draws in parallel. Layer 1 is
//! here the first layer with weights: pools before it are the same for all draws.

use std::ops::Range;

use ndarray::linalg::general_mat_mul;
use ndarray::parallel::prelude::*;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut2, Axis, Dim, s};
use rayon::prelude::ParallelSliceMut;
use team::Team;

use crate::network::activation::{Activation, activate};
use crate::network::architecture::Network;
use crate::network::layers::Kind;
use crate::numeric::correlation::Correlation;
use crate::numeric::orders::{Task, order, tell};
use crate::numeric::parts::cuts;
use crate::numeric::real::Real;
use crate::numeric::samples::{Samples, Targets};
use crate::numeric::scratch::{Aligned, Pool, shaped};
use crate::numeric::sums::blocks_of;
use crate::passes::affine::{self, add_bias, add_bias_and_activate};
use crate::passes::pool;
use crate::passes::primal;

/// Draws whose state one task holds, at least and at most: few draws are more tasks, many share the reading of layer 1.
const DRAWS_PER_GROUP: (usize, usize) = (16, 64);
/// Most samples of a block: as many share a draw's weights while these are near.
const MOST_ROWS: usize = 512;
/// Samples whose layer 1 one task computes.
const FIRST_ROWS: usize = 256;
/// Samples that pass all layers before the next: what lies between two layers stays in the cache.
const STRIP: usize = 64;
/// Bytes of layer 1 along all directions for a block of samples; there are two copies.
const FIRST_LAYER_BYTES: usize = 64 << 20;
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
    /// memory for perturbed weights, packed; decides how many draws go through the samples together
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
        let (group, upper) = (self.draws_per_group(), UpperLayers::of(self));
        let per_draw = upper.parts.ncols() * size_of::<R>();
        let at_once = (self.weights_bytes / per_draw.max(1) / group).max(1) * group;
        let (mut first, mut perturbed, pool) = (FirstLayer::default(), Aligned::default(), Pool::default());
        for (theta, sinks) in theta.axis_chunks_iter(Axis(0), at_once).zip(sinks.chunks_mut(at_once)) {
            let theta = with_a_one_before(theta);
            upper.fill(theta.view(), group, &mut perturbed);
            let perturbed = ArrayView2::from_shape((theta.nrows(), upper.parts.ncols()), perturbed.values());
            let perturbed = perturbed.expect("all draws");
            for range in blocks_of(rows.clone(), self.rows_of_a_block()) {
                let batch = self.samples.block::<R>(range.clone());
                let x = self.network.arranged_inputs(batch.x);
                first.fill(self, primal::hidden(self.network, &self.w, x, self.first() - 1).view());
                let groups = sinks.par_chunks_mut(group).zip(
                    theta
                        .axis_chunks_iter(Axis(0), group)
                        .into_par_iter()
                        .zip(perturbed.axis_chunks_iter(Axis(0), group).into_par_iter()),
                );
                groups.for_each(|(sinks, (theta, perturbed))| {
                    let group = Group { draws: self, first: &first, theta, upper: &upper, perturbed };
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

/// The layers after layer 1 at w* and along each direction, packed once for all blocks and draws.
struct UpperLayers<R> {
    /// `w*, v_1, …` of these layers, one after another: weights as [`affine::pack`] has them, then the bias; (d + 1, …)
    parts: Array2<R>,
    /// where the weights and the bias of each are; of a pool both are empty
    layers: Vec<(Range<usize>, Range<usize>)>,
}

impl<R: Real> UpperLayers<R> {
    #[inline(never)]
    fn of(draws: &Draws<R>) -> Self {
        let (network, upper) = (draws.network, draws.first() + 1..=draws.network.depth());
        let packed = |l: usize, v: &ArrayView1<R>| {
            let weights = network.weights(v, l).weights;
            if weights.is_empty() { vec![] } else { affine::pack(network, l, &weights) }
        };
        let mut end = 0;
        let mut next = |length: usize| {
            let begin = end;
            end += length.next_multiple_of(Aligned::<R>::PER_LINE);
            begin..begin + length
        };
        let of_layer = |l: usize| (next(packed(l, &draws.w).len()), next(network.offsets(l).1.len()));
        let layers = upper.clone().map(of_layer).collect::<Vec<_>>();
        let mut parts = Array2::zeros((draws.basis.nrows() + 1, end));
        parts.outer_iter_mut().into_par_iter().enumerate().for_each(|(j, mut part)| {
            let v = if j == 0 { draws.w } else { draws.basis.row(j - 1) };
            for (l, (weights, bias)) in upper.clone().zip(&layers) {
                part.slice_mut(s![weights.clone()]).assign(&Array1::from(packed(l, &v)));
                part.slice_mut(s![bias.clone()]).assign(&network.weights(&v, l).bias);
            }
        });
        Self { parts, layers }
    }

    /// `w* + Pθ_t` of these layers, (T, …), in groups of `group`; `theta` with a one before, (T, d + 1).
    #[inline(never)]
    fn fill(&self, theta: ArrayView2<R>, group: usize, perturbed: &mut Aligned<R>) {
        let shape = (theta.nrows(), self.parts.ncols());
        let perturbed = perturbed.of_len(shape.0 * shape.1);
        let mut perturbed = ArrayViewMut2::from_shape(shape, perturbed).expect("all draws");
        let groups = perturbed.axis_chunks_iter_mut(Axis(0), group).into_par_iter();
        groups.zip(theta.axis_chunks_iter(Axis(0), group).into_par_iter()).for_each(|(mut out, theta)| {
            general_mat_mul(R::one(), &theta, &self.parts, R::zero(), &mut out);
        });
    }
}

/// Pre-activations of layer 1 of one block of samples, at w* and along each direction.
#[derive(Default)]
struct FirstLayer<R> {
    /// `XW_1ᵀ + b_1, X(V_1^1)ᵀ + c_1^1, …`, (d + 1, B·n_1)
    parts: Array2<R>,
    /// the same as the products with draws read it
    packed: Aligned<R>,
}

impl<R: Real> FirstLayer<R> {
    /// 2(d+1)p₁ flops per sample, whatever the number of draws. `x`: what comes to layer 1, (B, n_0).
    #[inline(never)]
    fn fill(&mut self, draws: &Draws<R>, x: ArrayView2<R>) {
        let (network, l) = (draws.network, draws.first());
        let n = network.widths()[l];
        let parts = shaped(&mut self.parts, Dim((draws.basis.nrows() + 1, x.nrows() * n)));
        parts.outer_iter_mut().into_par_iter().enumerate().for_each(|(j, mut z)| {
            let v = if j == 0 { draws.w } else { draws.basis.row(j - 1) };
            let layer = network.weights(&v, l);
            // Some of the samples at a time, or a thread would wait for the last direction.
            let z = z.as_slice_mut().expect("C order").par_chunks_mut(FIRST_ROWS * n);
            z.zip(x.axis_chunks_iter(Axis(0), FIRST_ROWS).into_par_iter()).for_each(|(z, x)| {
                let mut z = ArrayViewMut2::from_shape((x.nrows(), n), z).expect("b·n_1 values");
                affine::forward(network, l, R::zero(), &x, &layer.weights, &mut z);
                add_bias(network, l, layer.bias, z);
            });
        });
        let of = Correlation::product(1, parts.nrows(), parts.ncols());
        let packed = self.packed.of_len(of.packed_len::<R>());
        of.pack_transposed(parts.as_slice().expect("C order"), packed);
    }

    /// `h_1 = φ_1([1 θ] parts)` of some draws, (g, B·n_1), from their [1 θ], (g, d + 1).
    #[inline(never)]
    fn at(&self, theta: &ArrayView2<R>, activation: Activation, h: &mut [R]) {
        let theta = theta.to_slice().expect("C order");
        let (inner, columns) = self.parts.dim();
        let of = Correlation::product(theta.len() / inner, inner, columns);
        of.correlate_and_finish(
            theta,
            self.packed.values(),
            h,
            #[inline(always)]
            |z| activate(activation, z),
        );
    }
}

/// Draws that go through a block of samples together.
struct Group<'a, 'b, R> {
    draws: &'a Draws<'b, R>,
    first: &'a FirstLayer<R>,
    /// `[1 θ]` of each, (g, d + 1)
    theta: ArrayView2<'a, R>,
    upper: &'a UpperLayers<R>,
    /// these layers of each, (g, …)
    perturbed: ArrayView2<'a, R>,
}

/// What a group writes to.
#[derive(Default)]
struct Buffers<R> {
    /// h_1 of every draw, (g, B·n_1)
    first: Aligned<R>,
    /// h_l of one draw at some samples for l = 2..L, (b, n_l)
    layers: Vec<Aligned<R>>,
    /// the outputs of one draw, (B, C)
    outputs: Vec<R>,
}

impl<R: Real> Group<'_, '_, R> {
    /// The losses of a block of samples that begins with sample `begin` of all.
    fn pass<S: LossSink>(&self, targets: &Targets, begin: usize, sinks: &mut [S], buffers: &mut Buffers<R>) {
        let (network, l_first) = (self.draws.network, self.draws.first());
        let Buffers { first, layers, outputs } = buffers;
        layers.resize_with(network.depth() - l_first, Aligned::default);
        let first = first.of_len(sinks.len() * self.first.parts.ncols());
        self.first.at(&self.theta, network.layer(l_first).activation, first);
        let of_draws = first.chunks_exact(self.first.parts.ncols());
        for (t, (sink, h)) in sinks.iter_mut().zip(of_draws).enumerate() {
            outputs.clear();
            for h in h.chunks(STRIP * network.widths()[l_first]) {
                outputs.extend_from_slice(self.upper_layers(t, h, layers));
            }
            let shape = (targets.len(), network.n_outputs());
            let outputs = ArrayView2::from_shape(shape, outputs).expect("B·C values");
            sink.take(begin, &network.loss.values(outputs, targets));
        }
    }

    /// The outputs of draw `t` at some samples, (b·C,), from their h_1, (b·n_1,).
    #[inline(never)]
    fn upper_layers<'a>(&self, t: usize, mut h: &'a [R], layers: &'a mut [Aligned<R>]) -> &'a [R] {
        let (network, l_first) = (self.draws.network, self.draws.first());
        let rows = h.len() / network.widths()[l_first];
        let shape = |l: usize| (rows, network.widths()[l]);
        for (l, (buffer, (weights, bias))) in (l_first + 1..).zip(layers.iter_mut().zip(&self.upper.layers)) {
            let z = buffer.of_len(rows * network.widths()[l]);
            if network.layer(l).is_affine() {
                let packed = self.perturbed.slice(s![t, weights.clone()]);
                affine::forward_packed(network, l, h, packed.as_slice().expect("C order"), z);
            } else {
                let h = ArrayView2::from_shape(shape(l - 1), h).expect("b·n values");
                let mut z = ArrayViewMut2::from_shape(shape(l), &mut *z).expect("b·n values");
                pool::forward(network, l, &h, &mut z, None);
            }
            let of_layer = ArrayViewMut2::from_shape(shape(l), &mut *z).expect("b·n values");
            add_bias_and_activate(network, l, self.perturbed.slice(s![t, bias.clone()]), of_layer);
            h = z;
        }
        h
    }
}
