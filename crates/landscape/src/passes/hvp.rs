//! Hessian and Gauss-Newton products, many directions at once, by the R-operator (Pearlmutter 1994).
//!
//! For directions V^j the tangents are `ż_l = V_l h_{l−1} + c_l + W_l ḣ_{l−1}`, `ḣ_l = φ'∘ż_l`, `ḣ_0 = 0`; backwards
//! `δ̇_L = ∇²_fℓ ż_L`, `δ̇_l = φ'∘(W_{l+1}ᵀ δ̇_{l+1} + V_{l+1}ᵀ δ_{l+1}) + φ''∘ε_l∘ż_l`; and the product is
//! `Σ_i δ̇_l h_{l−1}ᵀ + δ_l ḣ_{l−1}ᵀ`. That is 4p₁ + 12p₂ flops per sample and direction; h, φ' and δ are shared.

use std::ops::Range;

use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut2, Axis, Dim, s};
use rayon::prelude::*;

use crate::network::activation::Activation;
use crate::network::layers::Network;
use crate::numeric::real::Real;
use crate::numeric::samples::Samples;
use crate::numeric::scratch::{Pool, shaped};
use crate::numeric::sums::{BLOCK_ROWS, blocks, sum};
use crate::passes::primal::Primal;

/// Directions that go through one pass together; more would leave the cache.
const DIRECTIONS_AT_ONCE: usize = 2;

/// Which second derivative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecondOrder {
    /// `∇²ℓ`
    Hessian,
    /// `Jᵀ ∇²_fℓ J`: the Hessian without the curvature of the network itself
    GaussNewton,
}

/// d directions in parameter space, by layer: index l − 1 of a vector belongs to layer l.
#[derive(Clone, Debug)]
pub struct Directions<R> {
    /// `[V_l^1; …; V_l^d]`, (d·n_l, n_{l−1})
    pub weights: Vec<Array2<R>>,
    /// `[c_l^1, …, c_l^d]`, (d·n_l,)
    pub biases: Vec<Array1<R>>,
}

impl<R: Real> Directions<R> {
    /// From the rows of `v` (d, p).
    pub fn from_rows(network: &Network, v: ArrayView2<R>) -> Self {
        let d = v.nrows();
        let mut directions = Self::zeros(network, d);
        for l in 1..=network.depth() {
            let (weights, bias) = network.offsets(l);
            let flat = v.slice(s![.., weights]);
            for (j, row) in flat.outer_iter().enumerate() {
                let block = row
                    .into_shape_with_order((network.widths()[l], network.widths()[l - 1]))
                    .expect("contiguous rows");
                let n = network.widths()[l];
                directions.weights[l - 1].slice_mut(s![j * n..(j + 1) * n, ..]).assign(&block);
            }
            let flat = v.slice(s![.., bias]);
            let n = network.widths()[l];
            let mut biases =
                directions.biases[l - 1].view_mut().into_shape_with_order((d, n)).expect("d·n_l values");
            biases.assign(&flat);
        }
        directions
    }

    /// d
    pub fn count(&self, network: &Network) -> usize {
        self.biases[0].len() / network.widths()[1]
    }

    /// Zero in d directions.
    pub fn zeros(network: &Network, d: usize) -> Self {
        let n = network.widths();
        Self {
            weights: (1..n.len()).map(|l| Array2::zeros((d * n[l], n[l - 1]))).collect(),
            biases: (1..n.len()).map(|l| Array1::zeros(d * n[l])).collect(),
        }
    }

    /// Adds them to the rows of `out` (d, p).
    fn add_to_rows(&self, network: &Network, out: &mut ArrayViewMut2<R>) {
        let d = out.nrows();
        for l in 1..=network.depth() {
            let (weights, bias) = network.offsets(l);
            let flat =
                self.weights[l - 1].view().into_shape_with_order((d, weights.len())).expect("d·n_l rows");
            out.slice_mut(s![.., weights]).zip_mut_with(&flat, |a, &b| *a += b);
            let flat =
                self.biases[l - 1].view().into_shape_with_order((d, bias.len())).expect("d·n_l values");
            out.slice_mut(s![.., bias]).zip_mut_with(&flat, |a, &b| *a += b);
        }
    }

    fn add(&mut self, other: &Self) {
        self.weights.iter_mut().zip(&other.weights).for_each(|(a, b)| *a += b);
        self.biases.iter_mut().zip(&other.biases).for_each(|(a, b)| *a += b);
    }
}

/// Tangents of one block for d directions, side by side in each row. Their buffers serve one block after the other.
#[derive(Debug, Default)]
pub struct Tangents<R> {
    /// ż_l for l = 1..L−1, (B, d·n_l); empty for piecewise linear activations, which need ḣ only
    pub pre: Vec<Array2<R>>,
    /// ḣ_l for l = 1..L−1, (B, d·n_l)
    pub post: Vec<Array2<R>>,
    /// ż_L, (B, d·C)
    pub outputs: Array2<R>,
}

impl<R: Real> Tangents<R> {
    /// The forward tangent pass.
    pub fn compute(&mut self, network: &Network, w: &ArrayView1<R>, primal: &Primal<R>, v: &Directions<R>) {
        let (rows, d) = (primal.n_rows(), v.count(network));
        let smooth = !network.activation.is_piecewise_linear();
        self.post.resize_with(network.depth() - 1, || Array2::zeros((0, 0)));
        self.pre.resize_with(if smooth { network.depth() - 1 } else { 0 }, || Array2::zeros((0, 0)));
        for l in 1..=network.depth() {
            let n = network.widths()[l];
            let (below, here) = self.post.split_at_mut(l - 1);
            let z = shaped(here.first_mut().unwrap_or(&mut self.outputs), Dim((rows, d * n)));
            general_mat_mul(R::one(), &primal.input_of(l), &v.weights[l - 1].t(), R::zero(), z);
            if let Some(below) = below.last() {
                let below = side_by_side_to_rows(below, d);
                let mut z = z.view_mut().into_shape_with_order((rows * d, n)).expect("C order");
                general_mat_mul(R::one(), &below, &network.layer(w, l).weights.t(), R::one(), &mut z);
            }
            *z += &v.biases[l - 1];
            if l < network.depth() {
                if smooth {
                    shaped(&mut self.pre[l - 1], z.raw_dim()).assign(z);
                }
                primal.apply_slope(network, l, z);
            }
        }
    }
}

/// (B, d·n) as (B·d, n), without moving anything.
fn side_by_side_to_rows<R>(t: &Array2<R>, d: usize) -> ArrayView2<'_, R> {
    let (rows, width) = t.dim();
    t.view().into_shape_with_order((rows * d, width / d)).expect("C order")
}

/// Multiplies tangents `t` (B, d·n) of d directions by `bend` (B, n) and adds that to `out` (B, d·n).
fn add_bend<R: Real>(out: &mut Array2<R>, bend: &Array2<R>, t: &Array2<R>) {
    let n = bend.ncols();
    for ((mut out, bend), t) in out.rows_mut().into_iter().zip(bend.rows()).zip(t.rows()) {
        for (mut out, t) in out.exact_chunks_mut(n).into_iter().zip(t.exact_chunks(n)) {
            ndarray::Zip::from(&mut out).and(bend).and(t).for_each(|o, &b, &t| *o += b * t);
        }
    }
}

/// What the product of one block writes to on its way.
#[derive(Debug, Default)]
struct Buffers<R> {
    tangents: Tangents<R>,
    /// δ̇_l for l = 1..L−1, (B, d·n_l)
    adjoint: Vec<Array2<R>>,
}

/// Adds `Σ_i ∇²ℓ_i(w) V` over the rows of a block, for d directions, to `product`.
fn add_block_product<R: Real>(
    sum: &HessianSum<R>,
    primal: &Primal<R>,
    v: &Directions<R>,
    kind: SecondOrder,
    buffers: &mut Buffers<R>,
    product: &mut Directions<R>,
) {
    let (network, w) = (sum.network, &sum.w);
    let (rows, d) = (primal.n_rows(), v.count(network));
    let full = kind == SecondOrder::Hessian;
    let Buffers { tangents, adjoint } = buffers;
    tangents.compute(network, w, primal, v);
    adjoint.resize_with(network.depth() - 1, || Array2::zeros((0, 0)));
    let outputs = tangents.outputs.view_mut().into_shape_with_order((rows, d, network.n_outputs()));
    network.loss.apply_hessian(primal.hessian_factor.view(), outputs.expect("C order"));
    for l in (1..=network.depth()).rev() {
        let (lower, upper) = adjoint.split_at_mut(l - 1);
        let dot_delta = upper.first().unwrap_or(&tangents.outputs); // δ̇_l
        let (h, delta) = (primal.input_of(l), &primal.adjoint[l - 1]);
        general_mat_mul(R::one(), &dot_delta.t(), &h, R::one(), &mut product.weights[l - 1]);
        product.biases[l - 1] += &dot_delta.sum_axis(Axis(0));
        let Some(next) = lower.last_mut() else { break };
        let (n, below) = (network.widths()[l], network.widths()[l - 1]);
        let next = shaped(next, Dim((rows, d * below))); // δ̇_{l−1}
        {
            let mut next = next.view_mut().into_shape_with_order((rows * d, below)).expect("C order");
            let weights = network.layer(w, l).weights;
            general_mat_mul(R::one(), &side_by_side_to_rows(dot_delta, d), &weights, R::zero(), &mut next);
        }
        if full {
            for j in 0..d {
                let of_j = s![.., j * below..(j + 1) * below];
                let rows_of_j = s![j * n..(j + 1) * n, ..];
                let (post, v) = (tangents.post[l - 2].slice(of_j), v.weights[l - 1].slice(rows_of_j));
                let mut product = product.weights[l - 1].slice_mut(rows_of_j);
                general_mat_mul(R::one(), &delta.t(), &post, R::one(), &mut product);
                general_mat_mul(R::one(), delta, &v, R::one(), &mut next.slice_mut(of_j));
            }
        }
        primal.apply_slope(network, l - 1, next);
        if full && let Some(bend) = primal.bend.get(l - 2) {
            add_bend(next, bend, &tangents.pre[l - 2]);
        }
    }
}

/// All samples, linearised at one w: sums of second derivatives over any range of them.
pub struct HessianSum<'a, R> {
    /// the network
    pub network: &'a Network,
    /// where (p,)
    pub w: ArrayView1<'a, R>,
    /// the samples in their order
    pub samples: &'a Samples,
    /// the primal of every full block, if it fits
    cache: Vec<Primal<R>>,
}

impl<'a, R: Real> HessianSum<'a, R> {
    /// Linearises at `w`; keeps the primal passes if they fit into `cache_bytes`, else recomputes them at each product.
    pub fn new(network: &'a Network, w: ArrayView1<'a, R>, samples: &'a Samples, cache_bytes: usize) -> Self {
        let mut sum = Self { network, w, samples, cache: vec![] };
        if sum.primal_bytes() <= cache_bytes {
            sum.cache = blocks(0..samples.len()).into_par_iter().map(|range| sum.primal(range)).collect();
        }
        sum
    }

    /// Bytes of the primal passes of all samples.
    pub fn primal_bytes(&self) -> usize {
        let n = self.network.widths();
        let hidden: usize = n[1..self.network.depth()].iter().sum();
        let per_hidden = match self.network.activation {
            Activation::Relu => 2,
            activation if activation.is_piecewise_linear() => 3,
            _ => 4,
        };
        self.samples.len() * (n[0] + per_hidden * hidden + 3 * self.network.n_outputs()) * size_of::<R>()
    }

    /// The primal of one block as [`blocks`] cuts them.
    pub(crate) fn with_primal<T>(&self, range: &Range<usize>, f: impl FnOnce(&Primal<R>) -> T) -> T {
        match self.cache.get(range.start / BLOCK_ROWS) {
            Some(primal) if self.is_whole(range) => f(primal),
            _ => f(&self.primal(range.clone())),
        }
    }

    /// Whether a block is one of those of all samples.
    fn is_whole(&self, block: &Range<usize>) -> bool {
        block.start.is_multiple_of(BLOCK_ROWS)
            && block.end == (block.start + BLOCK_ROWS).min(self.samples.len())
    }

    fn primal(&self, range: Range<usize>) -> Primal<R> {
        Primal::new(self.network, &self.w, self.samples.block(range))
    }

    /// `Σ_{i ∈ range} ∇²ℓ_i(w) v_j` for every row v_j of `v` (d, p). Returns (d, p): loss per parameter unit.
    ///
    /// Blocks are summed in a fixed tree, so neither threads nor the cache change a byte.
    pub fn product(&self, range: Range<usize>, v: ArrayView2<R>, kind: SecondOrder) -> Array2<R> {
        let mut result = Array2::zeros(v.dim());
        self.add_product(range, v, kind, &mut result.view_mut());
        result
    }

    /// Adds the same to `result` (d, p).
    pub fn add_product(
        &self,
        range: Range<usize>,
        v: ArrayView2<R>,
        kind: SecondOrder,
        result: &mut ArrayViewMut2<R>,
    ) {
        let pool = Pool::<Buffers<R>>::default();
        // A range may begin and end inside of a block: those two primals are made for all directions.
        let blocks = blocks(range);
        let cut = blocks.iter().filter(|block| !self.is_whole(block));
        let cut = cut.map(|block| (block, self.primal(block.clone()))).collect::<Vec<_>>();
        // Threads take directions first, as one core's cache holds those of one pass, and share the samples of the last.
        let chunks = v.axis_chunks_iter(Axis(0), DIRECTIONS_AT_ONCE).into_par_iter();
        let results = result.axis_chunks_iter_mut(Axis(0), DIRECTIONS_AT_ONCE).into_par_iter();
        chunks.zip(results).for_each(|(v, mut result)| {
            let directions = Directions::from_rows(self.network, v);
            let term = |block: &Range<usize>| {
                let mut product = Directions::zeros(self.network, v.nrows());
                pool.with(|buffers| {
                    let mut add = |primal: &Primal<R>| {
                        add_block_product(self, primal, &directions, kind, buffers, &mut product);
                    };
                    match cut.iter().find(|(of, _)| *of == block) {
                        Some((_, primal)) => add(primal),
                        None => self.with_primal(block, add),
                    }
                });
                product
            };
            if let Some(total) = sum(&blocks, &term, &|a, b| a.add(&b)) {
                total.add_to_rows(self.network, &mut result);
            }
        });
    }
}
