//! Losses at `w* + Pθ` for many θ at once, at a quarter of the cost of forward passes (design 3.6).
//!
//! `X(W_1 + Σθ_jV_1^j)ᵀ = XW_1ᵀ + Σθ_j X(V_1^j)ᵀ`: the products with X are formed once per block of samples, so that each
//! draw costs 2(d+1)n₁ + 2p₂ flops per sample. Blocks of samples outside, draws inside, groups of draws in parallel.

use std::ops::Range;

use ndarray::linalg::general_mat_mul;
use ndarray::parallel::prelude::*;
use ndarray::{Array2, Array3, ArrayView1, ArrayView2, Axis, Dim, s};
use rayon::prelude::ParallelSliceMut;

use crate::activation::activate;
use crate::parallel::blocks_of;
use crate::primal::add_bias_and_activate;
use crate::scratch::{Pool, shaped};
use crate::simd::vectorised;
use crate::{Mlp, Real, Samples, Targets};

/// Draws whose state one task holds.
const DRAWS_PER_GROUP: usize = 16;
/// Most samples of a block: activations of a draw and the packed weights share the second-level cache.
const MOST_ROWS: usize = 256;
/// Bytes of layer 1 along all directions that stay in the last-level cache while all draws pass.
const FIRST_LAYER_BYTES: usize = 16 << 20;

/// Draws for which each part of layer 1 is loaded once.
const DRAWS_PER_PASS: usize = 4;
/// Columns of their sums, which stay in the first-level cache meanwhile. `cargo bench -p landscape -- draws` is within a few
/// per cent for 16 and 128; with 32 the compiler falls back to scalars, at half the speed for 256 directions.
const COLUMNS: usize = 64;

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
        let (mut first, pool) = (FirstLayer::default(), Pool::default());
        for (theta, sinks) in theta.axis_chunks_iter(Axis(0), at_once).zip(sinks.chunks_mut(at_once)) {
            let theta = theta.mapv(R::narrow);
            let upper = self.upper_layers(theta.view());
            for range in blocks_of(0..self.samples.len(), MOST_ROWS) {
                let batch = self.samples.block::<R>(range.clone());
                first.fill(self, batch.x.view());
                for part in blocks_of(0..range.len(), self.rows_of_a_pass()) {
                    let targets = batch.targets.select(part.clone());
                    let groups = sinks.par_chunks_mut(DRAWS_PER_GROUP).zip(
                        theta
                            .axis_chunks_iter(Axis(0), DRAWS_PER_GROUP)
                            .into_par_iter()
                            .zip(upper.axis_chunks_iter(Axis(0), DRAWS_PER_GROUP).into_par_iter()),
                    );
                    groups.for_each(|(sinks, (theta, upper))| {
                        let group = Group { draws: self, first: &first, theta, upper };
                        pool.with(|buffers| {
                            group.pass(&targets, part.clone(), range.start, sinks, buffers);
                        });
                    });
                }
                after_block(sinks, range);
            }
        }
    }

    /// As many as the perturbed weights of the upper layers allow, in whole groups.
    fn draws_at_once(&self) -> usize {
        let per_draw = self.upper_range().len() * size_of::<R>();
        (self.weights_bytes / per_draw.max(1) / DRAWS_PER_GROUP).max(1) * DRAWS_PER_GROUP
    }

    /// Samples of a block that all draws pass before the next.
    fn rows_of_a_pass(&self) -> usize {
        let per_row = (self.basis.nrows() + 1) * self.mlp.layers()[1] * size_of::<R>();
        (FIRST_LAYER_BYTES / per_row).clamp(32, MOST_ROWS)
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
}

/// Pre-activations of layer 1 of one block of samples, at w* and along each direction.
#[derive(Default)]
struct FirstLayer<R> {
    /// `[XW_1ᵀ + b_1 | X(V_1^1)ᵀ + c_1^1 | …]` of each sample, (B, d + 1, n_1)
    parts: Array3<R>,
    /// of one direction, (B, n_1)
    products: Pool<Array2<R>>,
}

impl<R: Real> FirstLayer<R> {
    /// 2(d+1)p₁ flops per sample, whatever the number of draws.
    fn fill(&mut self, draws: &Draws<R>, x: ArrayView2<R>) {
        let (rows, n) = (x.nrows(), draws.mlp.layers()[1]);
        let parts = shaped(&mut self.parts, Dim((rows, draws.basis.nrows() + 1, n)));
        parts.axis_iter_mut(Axis(1)).into_par_iter().enumerate().for_each(|(j, mut z)| {
            let v = if j == 0 { draws.w } else { draws.basis.row(j - 1) };
            let layer = draws.mlp.layer(&v, 1);
            self.products.with(|product| {
                // Rows of z lie far apart: the product is made in the cache, and z is written once.
                let product = shaped(product, Dim((rows, n)));
                general_mat_mul(R::one(), &x, &layer.weights.t(), R::zero(), product);
                for (mut z, product) in z.outer_iter_mut().zip(product.outer_iter()) {
                    z.assign(&product);
                    z += &layer.bias;
                }
            });
        });
    }

    /// `h_1 = φ(z_1)` of the samples `range` of the block at every θ, rows of `theta` (g, d), into `h` (g, B, n_1).
    fn at(&self, mlp: &Mlp, range: Range<usize>, theta: ArrayView2<R>, h: &mut Array3<R>) {
        let (_, rows, n) = h.dim();
        let d = theta.ncols();
        let parts = self.parts.slice(s![range, .., ..]);
        let (h, theta) = (h.as_slice_mut().expect("C order"), theta.to_slice().expect("C order"));
        vectorised(
            #[inline(always)]
            || {
                for (i, parts) in parts.outer_iter().enumerate() {
                    let parts = parts.to_slice().expect("C order");
                    let of_draws = h.chunks_mut(DRAWS_PER_PASS * rows * n);
                    for (theta, h) in theta.chunks(DRAWS_PER_PASS * d).zip(of_draws) {
                        if theta.len() == DRAWS_PER_PASS * d {
                            add_directions::<R, DRAWS_PER_PASS>(parts, theta, &mut h[i * n..], n, rows * n);
                        } else {
                            for (theta, h) in theta.chunks_exact(d).zip(h.chunks_exact_mut(rows * n)) {
                                add_directions::<R, 1>(parts, theta, &mut h[i * n..], n, rows * n);
                            }
                        }
                        if mlp.depth() > 1 {
                            for h in h.chunks_exact_mut(rows * n) {
                                activate(mlp.activation, &mut h[i * n..(i + 1) * n]);
                            }
                        }
                    }
                }
            },
        );
    }
}

/// `z_q = parts_0 + Σ_j θ_qj parts_j` for Q draws q: `parts` (d + 1, n), `theta` (Q, d), z_q the n values from `q·stride` on.
///
/// Some columns at a time, so that the sums stay in the first-level cache and each part is loaded once for Q draws.
#[inline(always)]
#[allow(clippy::inline_always)] // or it would not be compiled for the vector unit
fn add_directions<R: Real, const Q: usize>(parts: &[R], theta: &[R], z: &mut [R], n: usize, stride: usize) {
    let d = theta.len() / Q;
    let (base, tangents) = parts.split_at(n);
    let mut begin = 0;
    while begin + COLUMNS <= n {
        let mut sums = [[R::zero(); COLUMNS]; Q];
        for sums in &mut sums {
            sums.copy_from_slice(&base[begin..begin + COLUMNS]);
        }
        let mut of_draw: [&[R]; Q] = [&[]; Q];
        for (q, theta) in theta.chunks_exact(d).enumerate() {
            of_draw[q] = &theta[..d];
        }
        for (j, part) in tangents.chunks_exact(n).enumerate() {
            let part = &part[begin..begin + COLUMNS];
            for q in 0..Q {
                let theta = of_draw[q][j];
                for i in 0..COLUMNS {
                    sums[q][i] = part[i].mul_add(theta, sums[q][i]);
                }
            }
        }
        for q in 0..Q {
            z[q * stride + begin..][..COLUMNS].copy_from_slice(&sums[q]);
        }
        begin += COLUMNS;
    }
    for q in 0..Q {
        for i in begin..n {
            let mut sum = parts[i];
            for j in 0..d {
                sum = parts[(j + 1) * n + i].mul_add(theta[q * d + j], sum);
            }
            z[q * stride + i] = sum;
        }
    }
}

/// Draws that go through a block of samples together.
struct Group<'a, 'b, R> {
    draws: &'a Draws<'b, R>,
    first: &'a FirstLayer<R>,
    /// (g, d)
    theta: ArrayView2<'a, R>,
    /// parameters after layer 1, (g, …)
    upper: ArrayView2<'a, R>,
}

/// What a group writes to.
#[derive(Default)]
struct Buffers<R> {
    /// h_1, (g, B, n_1)
    first: Array3<R>,
    /// z_l, then h_l, of one draw for l = 2..L, (B, n_l)
    layers: Vec<Array2<R>>,
}

impl<R: Real> Group<'_, '_, R> {
    /// The losses of the samples `part` of the block that begins with sample `begin` of all.
    fn pass<S: LossSink>(
        &self,
        targets: &Targets,
        part: Range<usize>,
        begin: usize,
        sinks: &mut [S],
        buffers: &mut Buffers<R>,
    ) {
        let mlp = self.draws.mlp;
        let rows = part.len();
        let Buffers { first, layers } = buffers;
        layers.resize_with(mlp.depth() - 1, || Array2::zeros((0, 0)));
        let first = shaped(first, Dim((self.theta.nrows(), rows, mlp.layers()[1])));
        self.first.at(mlp, part.clone(), self.theta, first);
        for (t, sink) in sinks.iter_mut().enumerate() {
            let first = first.index_axis(Axis(0), t);
            for l in 2..=mlp.depth() {
                let (below, z) = layers.split_at_mut(l - 2);
                let h = below.last().map_or(first, |h| h.view());
                let z = shaped(&mut z[0], Dim((rows, mlp.layers()[l])));
                let (weights, bias) = self.layer(l, t);
                general_mat_mul(R::one(), &h, &weights.t(), R::zero(), z);
                add_bias_and_activate(mlp, l, bias, z.view_mut());
            }
            let outputs = layers.last().map_or(first, |f| f.view());
            sink.take(begin + part.start, &mlp.loss.values(outputs, targets));
        }
    }

    /// `W_l` (out, in) and `b_l` of draw t, for l ≥ 2.
    fn layer(&self, l: usize, t: usize) -> (ArrayView2<'_, R>, ArrayView1<'_, R>) {
        let mlp = self.draws.mlp;
        let offset = self.draws.upper_range().start;
        let (weights, bias) = mlp.offsets(l);
        let part = |range: Range<usize>| self.upper.slice(s![t, range.start - offset..range.end - offset]);
        let shape = (mlp.layers()[l], mlp.layers()[l - 1]);
        (part(weights).into_shape_with_order(shape).expect("length of the range"), part(bias))
    }
}
