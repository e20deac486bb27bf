//! Hessian and Gauss-Newton products, many directions at once, by the R-operator (Pearlmutter 1994).
//!
//! For directions V^j the tangents are `ż_l = V_l h_{l−1} + c_l + W_l ḣ_{l−1}`, `ḣ_l = φ'∘ż_l`, `ḣ_0 = 0`; backwards
//! `δ̇_L = ∇²_fℓ ż_L`, `δ̇_l = φ'∘(W_{l+1}ᵀ δ̇_{l+1} + V_{l+1}ᵀ δ_{l+1}) + φ''∘ε_l∘ż_l`; and the product is
//! `Σ_i δ̇_l h_{l−1}ᵀ + δ_l ḣ_{l−1}ᵀ`. That is 4p₁ + 12p₂ flops per sample and direction; h, φ' and δ are shared.

use std::ops::Range;
use std::panic::resume_unwind;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut2, Axis, CowArray, Dim, Ix1, s};
use rayon::prelude::*;

use crate::network::activation::Activation;
use crate::network::architecture::Network;
use crate::network::layers::Kind;
use crate::numeric::orders::{Task, order, tell};
use crate::numeric::parts::{Flat, Parts};
use crate::numeric::real::Real;
use crate::numeric::samples::Samples;
use crate::numeric::scratch::{Pool, shaped};
use crate::numeric::sums::{blocks_of, sum};
use crate::passes::affine::{self, add_bias, bias_sum};
use crate::passes::gradient::part_cuts;
use crate::passes::pool;
use crate::passes::primal::Primal;

/// Directions that go through one pass together; more would leave the cache.
const DIRECTIONS_AT_ONCE: usize = 2;

/// A product that is too large for its number type.
#[derive(Debug, thiserror::Error)]
#[error("a Hessian-vector product is too large for its number type")]
pub struct NotFinite;

/// Which second derivative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecondOrder {
    /// `∇²ℓ`
    Hessian,
    /// `Jᵀ ∇²_fℓ J`: the Hessian without the curvature of the network itself
    GaussNewton,
}

/// d directions in parameter space, by layer: index l − 1 of a vector belongs to layer l, and is empty for a pool. Arranged as
/// [`Network`] says.
#[derive(Clone, Debug)]
pub struct Directions<R> {
    /// `[V_l^1; …; V_l^d]`, (d·filters, below)
    pub weights: Vec<Array2<R>>,
    /// `[c_l^1, …, c_l^d]`, (d·filters,)
    pub biases: Vec<Array1<R>>,
}

impl<R: Real> Directions<R> {
    /// From the rows of `v` (d, p).
    #[inline(never)]
    pub fn from_rows(network: &Network, v: ArrayView2<R>) -> Self {
        let (d, v) = (v.nrows(), network.arranged_rows(v));
        let mut directions = Self::zeros(network, d);
        for l in 1..=network.depth() {
            let (weights, bias) = network.offsets(l);
            let (filters, below) = network.weight_shape(l);
            for (j, row) in v.slice(s![.., weights]).outer_iter().enumerate() {
                let block = row.into_shape_with_order((filters, below)).expect("contiguous rows");
                directions.weights[l - 1].slice_mut(s![j * filters..(j + 1) * filters, ..]).assign(&block);
            }
            let of_layer = directions.biases[l - 1].view_mut();
            let mut biases = of_layer.into_shape_with_order((d, bias.len())).expect("d biases");
            biases.assign(&v.slice(s![.., bias]));
        }
        directions
    }

    /// d
    pub fn count(&self, network: &Network) -> usize {
        let l = network.depth();
        self.weights[l - 1].nrows() / network.n_outputs()
    }

    /// Zero in d directions.
    pub fn zeros(network: &Network, d: usize) -> Self {
        let layers = 1..=network.depth();
        let shape = |l| network.weight_shape(l);
        Self {
            weights: layers.clone().map(|l| Array2::zeros((d * shape(l).0, shape(l).1))).collect(),
            biases: layers.map(|l| Array1::zeros(d * network.bias_len(l))).collect(),
        }
    }

    /// Adds them to the rows of `out` (d, p).
    fn add_to_rows(&self, network: &Network, out: &mut ArrayViewMut2<R>) {
        if network.is_arranged() {
            return self.add_arranged(network, out);
        }
        let mut rows = Array2::zeros(out.dim());
        self.add_arranged(network, &mut rows.view_mut());
        *out += &network.restored_rows(rows);
    }

    /// The same in the order of the passes.
    fn add_arranged(&self, network: &Network, out: &mut ArrayViewMut2<R>) {
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

impl<R: Real> Flat for Directions<R> {
    type Number = R;

    fn numbers(&self) -> impl Iterator<Item = &[R]> {
        let weights = self.weights.iter().map(|w| w.as_slice().expect("C order"));
        weights.chain(self.biases.iter().map(|b| b.as_slice().expect("one axis")))
    }

    fn numbers_mut(&mut self) -> impl Iterator<Item = &mut [R]> {
        let weights = self.weights.iter_mut().map(|w| w.as_slice_mut().expect("C order"));
        weights.chain(self.biases.iter_mut().map(|b| b.as_slice_mut().expect("one axis")))
    }
}

/// Tangents of one block for d directions, side by side in each row. Their buffers serve one block after the other.
#[derive(Debug, Default)]
pub struct Tangents<R> {
    /// ż_l for l = 1..L−1, (B, d·n_l); (0, 0) for piecewise linear activations, which need ḣ only
    pub pre: Vec<Array2<R>>,
    /// ḣ_l for l = 1..L−1, (B, d·n_l)
    pub post: Vec<Array2<R>>,
    /// ż_L, (B, d·C)
    pub outputs: Array2<R>,
}

impl<R: Real> Tangents<R> {
    /// The forward tangent pass at arranged `w`.
    #[inline(never)]
    pub(crate) fn compute(
        &mut self,
        network: &Network,
        w: &ArrayView1<R>,
        primal: &Primal<R>,
        v: &Directions<R>,
    ) {
        let (rows, d) = (primal.n_rows(), v.count(network));
        let first = network.first_affine();
        self.post.resize_with(network.depth() - 1, || Array2::zeros((0, 0)));
        self.pre.resize_with(network.depth() - 1, || Array2::zeros((0, 0)));
        for l in 1..=network.depth() {
            let n = network.widths()[l];
            let (below, here) = self.post.split_at_mut(l - 1);
            let z = shaped(here.first_mut().unwrap_or(&mut self.outputs), Dim((rows, d * n)));
            if l < first {
                z.fill(R::zero()); // pools of the inputs, which do not move
                continue;
            }
            // ḣ_{l−1} (B·d, n_{l−1})
            let below = below.last().map(|below| side_by_side_to_rows(below, d));
            if network.layer(l).is_affine() {
                let (h, mut z) = (primal.input_of(l), z.view_mut());
                affine::forward(network, l, R::zero(), &h, &v.weights[l - 1].view(), &mut z);
                if let Some(below) = below.filter(|_| l > first) {
                    let mut z = z.into_shape_with_order((rows * d, n)).expect("C order");
                    affine::forward(network, l, R::one(), &below, &network.weights(w, l).weights, &mut z);
                }
            } else {
                let mut z = z.view_mut().into_shape_with_order((rows * d, n)).expect("C order");
                pool::tangents(network, l, &primal.places[l - 1], &below.expect("l > first"), &mut z);
            }
            add_bias(network, l, v.biases[l - 1].view(), z.view_mut());
            if l < network.depth() {
                if !network.layer(l).activation.is_piecewise_linear() {
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
#[inline(never)]
fn add_block_product<R: Real>(
    sum: &HessianSum<R>,
    primal: &Primal<R>,
    v: &Directions<R>,
    kind: SecondOrder,
    buffers: &mut Buffers<R>,
    product: &mut Directions<R>,
) {
    let (network, w) = (sum.network, &sum.w.view());
    let (rows, d) = (primal.n_rows(), v.count(network));
    let full = kind == SecondOrder::Hessian;
    let Buffers { tangents, adjoint } = buffers;
    tangents.compute(network, w, primal, v);
    adjoint.resize_with(network.depth() - 1, || Array2::zeros((0, 0)));
    let outputs = tangents.outputs.view_mut().into_shape_with_order((rows, d, network.n_outputs()));
    network.loss.apply_hessian(primal.hessian_factor.view(), outputs.expect("C order"));
    let first = network.first_affine();
    for l in (first..=network.depth()).rev() {
        let (lower, upper) = adjoint.split_at_mut(l - 1);
        let dot_delta = upper.first().unwrap_or(&tangents.outputs); // δ̇_l
        let (h, delta) = (primal.input_of(l), primal.adjoint[l - 1].view());
        let is_affine = network.layer(l).is_affine();
        if is_affine {
            let product = &mut product.weights[l - 1].view_mut();
            affine::outer(network, l, R::one(), &dot_delta.view(), &h, product);
        }
        product.biases[l - 1] += &bias_sum(network, l, dot_delta);
        if l == first {
            break;
        }
        let below = network.widths()[l - 1];
        let next = shaped(lower.last_mut().expect("a layer below"), Dim((rows, d * below))); // δ̇_{l−1}
        {
            let mut next = next.view_mut().into_shape_with_order((rows * d, below)).expect("C order");
            let dot_delta = side_by_side_to_rows(dot_delta, d);
            if is_affine {
                let weights = network.weights(w, l).weights;
                affine::backward(network, l, R::zero(), &dot_delta, &weights, &mut next);
            } else {
                pool::backward(network, l, &primal.places[l - 1], &dot_delta, &mut next);
            }
        }
        if full && is_affine {
            let filters = network.weight_shape(l).0;
            for j in 0..d {
                let of_j = s![.., j * below..(j + 1) * below];
                let rows_of_j = s![j * filters..(j + 1) * filters, ..];
                let (post, v) = (tangents.post[l - 2].slice(of_j), v.weights[l - 1].slice(rows_of_j));
                let mut product = product.weights[l - 1].slice_mut(rows_of_j);
                affine::outer(network, l, R::one(), &delta, &post, &mut product);
                affine::backward(network, l, R::one(), &delta, &v, &mut next.slice_mut(of_j));
            }
        }
        primal.apply_slope(network, l - 1, next);
        let bend = &primal.bend[l - 2];
        if full && !bend.is_empty() {
            add_bend(next, bend, &tangents.pre[l - 2]);
        }
    }
}

/// All samples, linearised at one w: sums of second derivatives over any range of them.
pub struct HessianSum<'a, R> {
    /// the network
    pub network: &'a Network,
    /// where (p,), arranged
    w: CowArray<'a, R, Ix1>,
    /// the samples in their order
    pub samples: &'a Samples,
    /// first sample of the part of each process, and the end, (P + 1,)
    cuts: Vec<usize>,
    /// the primal of every full block of this process, if it fits
    cache: Vec<Primal<R>>,
}

impl<'a, R: Real> HessianSum<'a, R> {
    /// w (p,), arranged.
    pub(crate) fn w(&self) -> ArrayView1<'_, R> {
        self.w.view()
    }

    /// Linearises at `w` (p,); keeps the primal passes if they fit into `cache_bytes`, else recomputes them at each product.
    pub fn new(network: &'a Network, w: ArrayView1<'a, R>, samples: &'a Samples, cache_bytes: usize) -> Self {
        order::<R>(samples.team(), Task::Linearise, &[cache_bytes]);
        tell(samples.team(), &w);
        Self::of_part(network, network.arranged(w), samples, cache_bytes)
    }

    /// What each process does for [`Self::new`], at arranged `w`.
    #[inline(never)]
    pub(crate) fn of_part(
        network: &'a Network,
        w: CowArray<'a, R, Ix1>,
        samples: &'a Samples,
        cache_bytes: usize,
    ) -> Self {
        let mut sum = Self { network, w, samples, cuts: part_cuts(network, samples), cache: vec![] };
        if sum.primal_bytes() <= cache_bytes {
            sum.cache = sum.blocks(sum.own()).into_par_iter().map(|range| sum.primal(range)).collect();
        }
        sum
    }

    /// The samples of this process: all, where it is alone.
    pub(crate) fn own(&self) -> Range<usize> {
        self.part(self.samples.team().rank())
    }

    /// The samples of a process.
    pub(crate) fn part(&self, rank: usize) -> Range<usize> {
        self.cuts[rank]..self.cuts[rank + 1]
    }

    /// `range` in blocks, at the same places whatever it is.
    pub(crate) fn blocks(&self, range: Range<usize>) -> Vec<Range<usize>> {
        blocks_of(range, self.network.block_rows())
    }

    /// Bytes of the primal passes of all samples of this process.
    pub fn primal_bytes(&self) -> usize {
        let network = self.network;
        let hidden = (1..network.depth()).map(|l| {
            let layer = network.layer(l);
            let arrays = match layer.activation {
                Activation::Relu | Activation::Identity => 2,
                _ => 4,
            };
            let places = if matches!(layer.kind, Kind::MaxPool { .. }) { size_of::<u32>() } else { 0 };
            network.widths()[l] * (arrays * size_of::<R>() + places)
        });
        let ends = (network.widths()[0] + 3 * network.n_outputs()) * size_of::<R>();
        self.own().len() * (ends + hidden.sum::<usize>())
    }

    /// The primal of one block as [`Self::blocks`] cuts them.
    pub(crate) fn with_primal<T>(&self, range: &Range<usize>, f: impl FnOnce(&Primal<R>) -> T) -> T {
        let place = range.start.checked_sub(self.own().start).map(|rows| rows / self.network.block_rows());
        match place.and_then(|place| self.cache.get(place)) {
            Some(primal) if self.is_whole(range) => f(primal),
            _ => f(&self.primal(range.clone())),
        }
    }

    /// Whether a block is one of those of all samples.
    fn is_whole(&self, block: &Range<usize>) -> bool {
        let rows = self.network.block_rows();
        block.start.is_multiple_of(rows) && block.end == (block.start + rows).min(self.samples.len())
    }

    fn primal(&self, range: Range<usize>) -> Primal<R> {
        Primal::new(self.network, &self.w.view(), self.samples.block(range))
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
    ///
    /// # Unwinds
    /// With [`NotFinite`], and not as a panic, if the sum overflows: no solver can go on from there, and none has to know of it.
    pub fn add_product(
        &self,
        range: Range<usize>,
        v: ArrayView2<R>,
        kind: SecondOrder,
        result: &mut ArrayViewMut2<R>,
    ) {
        let team = self.samples.team();
        if team.is_alone() {
            self.add_product_alone(range, v, kind, result);
        } else {
            order::<R>(team, Task::Product, &[range.start, range.end, v.nrows(), kind as usize]);
            tell(team, &v);
            self.add_product_of_parts(range, v, kind, &mut Some(result));
        }
        if !result.iter().all(|x| x.is_finite()) {
            resume_unwind(Box::new(NotFinite));
        }
    }

    #[inline(never)]
    fn add_product_alone(
        &self,
        range: Range<usize>,
        v: ArrayView2<R>,
        kind: SecondOrder,
        result: &mut ArrayViewMut2<R>,
    ) {
        let blocks = self.blocks(range);
        let product = Product::new(self, &blocks, kind);
        // Threads take directions first, as one core's cache holds those of one pass, and share the samples of the last.
        let chunks = v.axis_chunks_iter(Axis(0), DIRECTIONS_AT_ONCE).into_par_iter();
        let results = result.axis_chunks_iter_mut(Axis(0), DIRECTIONS_AT_ONCE).into_par_iter();
        chunks.zip(results).for_each(|(v, mut result)| {
            let directions = Directions::from_rows(self.network, v);
            let term = |block: &Range<usize>| product.of_block(block, &directions);
            if let Some(total) = sum(&blocks, &term, &|a, b| a.add(&b)) {
                total.add_to_rows(self.network, &mut result);
            }
        });
    }

    /// What each process does for [`Self::add_product`]; only the first has a result.
    #[inline(never)]
    pub(crate) fn add_product_of_parts(
        &self,
        range: Range<usize>,
        v: ArrayView2<R>,
        kind: SecondOrder,
        result: &mut Option<&mut ArrayViewMut2<R>>,
    ) {
        let blocks = self.blocks(range);
        let parts = Parts::new(self.samples.team(), &blocks, &self.cuts);
        let product = Product::new(self, &blocks[parts.own()], kind);
        let add = |a: &mut Directions<R>, b: Directions<R>| a.add(&b);
        // As many chunks as threads: their partial sums are in memory together, until this thread has joined them.
        let at_once = DIRECTIONS_AT_ONCE * rayon::current_num_threads();
        for begin in (0..v.nrows()).step_by(at_once) {
            let chunks = v.slice(s![begin..(begin + at_once).min(v.nrows()), ..]);
            let chunks = chunks.axis_chunks_iter(Axis(0), DIRECTIONS_AT_ONCE).into_par_iter();
            let partial = chunks.map(|v| {
                let directions = Directions::from_rows(self.network, v);
                parts.partial_sums(&|block| product.of_block(block, &directions), &add)
            });
            let mut rows = begin..begin;
            for partial in partial.collect::<Vec<_>>() {
                rows = rows.end..(rows.end + DIRECTIONS_AT_ONCE).min(v.nrows());
                let total = parts.join(partial, &add, || Directions::zeros(self.network, rows.len()));
                if let (Some(total), Some(result)) = (total, result.as_mut()) {
                    total.add_to_rows(self.network, &mut result.slice_mut(s![rows.clone(), ..]));
                }
            }
        }
    }
}

/// A product with some blocks, on its way.
struct Product<'a, 'b, R> {
    sum: &'a HessianSum<'b, R>,
    kind: SecondOrder,
    /// blocks that a range cuts, at its ends, with their primals, which serve all directions
    cut: Vec<(Range<usize>, Primal<R>)>,
    pool: Pool<Buffers<R>>,
}

impl<'a, 'b, R: Real> Product<'a, 'b, R> {
    fn new(sum: &'a HessianSum<'b, R>, blocks: &[Range<usize>], kind: SecondOrder) -> Self {
        let cut = blocks.iter().filter(|block| !sum.is_whole(block));
        let cut = cut.map(|block| (block.clone(), sum.primal(block.clone()))).collect();
        Self { sum, kind, cut, pool: Pool::default() }
    }

    /// `Σ_i ∇²ℓ_i(w) V` over a block.
    fn of_block(&self, block: &Range<usize>, directions: &Directions<R>) -> Directions<R> {
        let mut product = Directions::zeros(self.sum.network, directions.count(self.sum.network));
        self.pool.with(|buffers| {
            let mut add = |primal: &Primal<R>| {
                add_block_product(self.sum, primal, directions, self.kind, buffers, &mut product);
            };
            match self.cut.iter().find(|(of, _)| of == block) {
                Some((_, primal)) => add(primal),
                None => self.sum.with_primal(block, add),
            }
        });
        product
    }
}
