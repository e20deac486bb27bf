//! Losses at `w* + Pθ` for many θ at once, at a quarter of the cost of forward passes (design 3.6).
//!
//! `X(W_1 + Σθ_jV_1^j)ᵀ = XW_1ᵀ + Σθ_j X(V_1^j)ᵀ`: the products with X are formed once per block of samples, so that each
//! draw costs 2(d+1)n₁ + 2p₂ flops per sample. Blocks of samples outside, draws inside, groups of draws in parallel.

use std::ops::Range;

use ndarray::linalg::general_mat_mul;
use ndarray::parallel::prelude::*;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2, Axis, CowArray, s};
use rayon::prelude::ParallelSliceMut;

use crate::parallel::blocks;
use crate::primal::add_bias_and_activate;
use crate::{Mlp, Real, Samples, Targets};

/// Draws whose state one task holds.
const DRAWS_PER_GROUP: usize = 16;

/// What becomes of the losses of one draw, sample by sample in order.
pub trait LossSink: Send {
    /// `losses`: ℓ_i(w* + Pθ) in nats for the samples from `first` on.
    fn take(&mut self, first: usize, losses: &[f64]);
}

/// A point and directions, over samples.
pub struct Draws<'a, R> {
    /// the network
    pub mlp: &'a Mlp,
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
        assert_eq!((theta.nrows(), theta.ncols()), (sinks.len(), self.basis.nrows()), "draws and directions");
        let at_once = self.draws_at_once();
        for (theta, sinks) in theta.axis_chunks_iter(Axis(0), at_once).zip(sinks.chunks_mut(at_once)) {
            let theta = theta.mapv(R::narrow);
            let upper = self.upper_layers(theta.view());
            for range in blocks(0..self.samples.len()) {
                let batch = self.samples.block::<R>(range.clone());
                let first = FirstLayer::new(self, batch.x.view());
                let groups = sinks.par_chunks_mut(DRAWS_PER_GROUP).zip(
                    theta
                        .axis_chunks_iter(Axis(0), DRAWS_PER_GROUP)
                        .into_par_iter()
                        .zip(upper.axis_chunks_iter(Axis(0), DRAWS_PER_GROUP).into_par_iter()),
                );
                groups.for_each(|(sinks, (theta, upper))| {
                    self.group(&first, &batch.targets, range.start, theta, upper, sinks);
                });
                after_block(sinks, range);
            }
        }
    }

    /// As many as the perturbed weights of the upper layers allow, in whole groups.
    fn draws_at_once(&self) -> usize {
        let per_draw = self.upper_range().len() * size_of::<R>();
        (self.weights_bytes / per_draw.max(1) / DRAWS_PER_GROUP).max(1) * DRAWS_PER_GROUP
    }

    /// Parameters after those of layer 1.
    fn upper_range(&self) -> Range<usize> {
        self.mlp.offsets(1).1.end..self.mlp.n_params()
    }

    /// `w* + Pθ_t` of all layers but the first, (T, p − p of layer 1).
    fn upper_layers(&self, theta: ArrayView2<R>) -> Array2<R> {
        let upper = self.upper_range();
        let base = self.w.slice(s![upper.clone()]);
        let basis = self.basis.slice(s![.., upper.clone()]);
        let mut perturbed = Array2::zeros((theta.nrows(), upper.len()));
        perturbed
            .axis_chunks_iter_mut(Axis(0), DRAWS_PER_GROUP)
            .into_par_iter()
            .zip(theta.axis_chunks_iter(Axis(0), DRAWS_PER_GROUP).into_par_iter())
            .for_each(|(mut out, theta)| {
                out.assign(&base);
                general_mat_mul(R::one(), &theta, &basis, R::one(), &mut out);
            });
        perturbed
    }

    /// The losses of a block of samples for a group of draws.
    fn group<S: LossSink>(
        &self,
        first: &FirstLayer<R>,
        targets: &Targets,
        begin: usize,
        theta: ArrayView2<R>,
        upper: ArrayView2<R>,
        sinks: &mut [S],
    ) {
        let mut hidden = Array2::zeros((FirstLayer::<R>::DRAWS_AT_ONCE, first.base.len()));
        let per_pass = FirstLayer::<R>::DRAWS_AT_ONCE;
        for (pass, sinks) in sinks.chunks_mut(per_pass).enumerate() {
            let draws = pass * per_pass..pass * per_pass + sinks.len();
            let mut hidden = hidden.slice_mut(s![..draws.len(), ..]);
            first.at(theta.slice(s![draws.clone(), ..]), hidden.view_mut());
            for ((sink, hidden), draw) in sinks.iter_mut().zip(hidden.outer_iter_mut()).zip(draws) {
                let h =
                    hidden.into_shape_with_order((targets.len(), self.mlp.layers()[1])).expect("B·n₁ values");
                let outputs = self.upper_pass(h, &upper.row(draw));
                let losses = self.mlp.loss.values(outputs.view(), targets);
                sink.take(begin, &losses.into_iter().map(R::wide).collect::<Vec<_>>());
            }
        }
    }

    /// From z_1 (B, n_1) to f (B, C), with the parameters `upper` after layer 1. Uses up z_1.
    fn upper_pass(&self, mut z: ArrayViewMut2<R>, upper: &ArrayView1<R>) -> Array2<R> {
        let offset = self.upper_range().start;
        let no_bias = Array1::zeros(z.ncols()); // FirstLayer has added it
        add_bias_and_activate(self.mlp, 1, no_bias.view(), z.view_mut());
        let mut h = CowArray::from(z.view());
        for l in 2..=self.mlp.depth() {
            let (weights, bias) = self.mlp.offsets(l);
            let shape = (self.mlp.layers()[l], self.mlp.layers()[l - 1]);
            let weights = upper.slice(s![weights.start - offset..weights.end - offset]);
            let weights = weights.into_shape_with_order(shape).expect("length of the range");
            let bias = upper.slice(s![bias.start - offset..bias.end - offset]);
            let mut z = Array2::zeros((h.nrows(), shape.0));
            general_mat_mul(R::one(), &h, &weights.t(), R::zero(), &mut z);
            add_bias_and_activate(self.mlp, l, bias, z.view_mut());
            h = CowArray::from(z);
        }
        h.into_owned()
    }
}

/// Pre-activations of layer 1 of one block of samples, at w* and along each direction.
struct FirstLayer<R> {
    /// `XW_1ᵀ + b_1`, (B·n_1,)
    base: Array1<R>,
    /// `X(V_1^j)ᵀ + c_1^j`, (d, B·n_1)
    tangents: Array2<R>,
}

impl<R: Real> FirstLayer<R> {
    /// Draws whose pre-activations are formed by one product: more would leave the cache.
    const DRAWS_AT_ONCE: usize = 8;

    /// 2(d+1)p₁ flops per sample.
    fn new(draws: &Draws<R>, x: ArrayView2<R>) -> Self {
        let (rows, n) = (x.nrows(), draws.mlp.layers()[1]);
        let layer_product = |w: &ArrayView1<R>, out: ArrayViewMut1<R>| {
            let layer = draws.mlp.layer(w, 1);
            let mut z = out.into_shape_with_order((rows, n)).expect("B·n₁ values");
            z.assign(&layer.bias);
            general_mat_mul(R::one(), &x, &layer.weights.t(), R::one(), &mut z);
        };
        let mut base = Array1::zeros(rows * n);
        layer_product(&draws.w, base.view_mut());
        let mut tangents = Array2::zeros((draws.basis.nrows(), rows * n));
        let directions = draws.basis.outer_iter().into_par_iter();
        directions.zip(tangents.outer_iter_mut().into_par_iter()).for_each(|(v, out)| layer_product(&v, out));
        Self { base, tangents }
    }

    /// `z_1` at every θ, rows of `theta` (g, d): (g, B·n_1).
    fn at(&self, theta: ArrayView2<R>, mut z: ArrayViewMut2<R>) {
        z.assign(&self.base);
        general_mat_mul(R::one(), &theta, &self.tangents, R::one(), &mut z);
    }
}
