//! What passes do with the weights of a layer: `z = W G(h) + b` over blocks of samples, and its two transposes.
//!
//! G gathers what each filter is over: the whole input for a linear layer, the squares under each position for a
//! convolution. G is linear and has no parameters, so every product of every pass is one of three:
//! [`forward`] `Z ← βZ + G(H) Wᵀ`, [`backward`] `E ← βE + Gᵀ(Δ W)`, [`outer`] `U ← βU + Δᵀ G(H)`. A linear layer leaves them
//! to BLAS; a convolution never unfolds G(H) and goes through [`Correlation`], image by image.
//!
//! Channels lie last (see [`Network`]). d matrices stacked give d results side by side in each row.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut2, Axis};

use crate::network::activation::activate;
use crate::network::architecture::Network;
use crate::network::layers::{Image, Kind};
use crate::numeric::correlation::Correlation;
use crate::numeric::real::Real;
use crate::numeric::simd::vectorised;

/// `Z ← βZ + G(H) Wᵀ`: `h` (B, n_{l−1}), `w` d matrices of layer `l` (d·filters, below), `z` (B, d·n_l); β is 0 or 1.
#[inline(never)]
pub fn forward<R: Real>(
    network: &Network,
    l: usize,
    beta: R,
    h: &ArrayView2<R>,
    w: &ArrayView2<R>,
    z: &mut ArrayViewMut2<R>,
) {
    let Some(conv) = Conv::of(network, l) else {
        return general_mat_mul(R::one(), h, &w.t(), beta, z);
    };
    let directions = w.axis_chunks_iter(Axis(0), conv.filters);
    let packed = directions.map(|w| pack(network, l, &w)).collect::<Vec<_>>();
    let mut border = conv.border();
    for (h, mut z) in h.outer_iter().zip(z.outer_iter_mut()) {
        let image = border.around(values(&h));
        let z = z.as_slice_mut().expect("contiguous rows").chunks_exact_mut(network.widths()[l]);
        for (filters, z) in packed.iter().zip(z) {
            conv.forward.correlate(image, filters, z, beta != R::zero());
        }
    }
}

/// Weights of layer `l` (filters, below) as [`forward_packed`] reads them: for weights that many blocks of samples meet.
#[inline(never)]
pub fn pack<R: Real>(network: &Network, l: usize, w: &ArrayView2<R>) -> Vec<R> {
    let product = || Correlation::product(1, w.ncols(), w.nrows());
    let of = Conv::of(network, l).map_or_else(product, |conv| conv.forward);
    of.pack(|o, a, j| w[[o, a * of.row() + j]])
}

/// `G(H) Wᵀ` for weights of [`pack`]: `h` (B·n_{l−1},), `z` (B·n_l,), both in C order.
#[inline(never)]
pub fn forward_packed<R: Real>(network: &Network, l: usize, h: &[R], packed: &[R], z: &mut [R]) {
    let (filters, below) = network.weight_shape(l);
    let Some(conv) = Conv::of(network, l) else {
        return Correlation::product(h.len() / below, below, filters).correlate(h, packed, z, false);
    };
    let mut border = conv.border();
    let images = h.chunks_exact(network.widths()[l - 1]).zip(z.chunks_exact_mut(network.widths()[l]));
    for (h, z) in images {
        conv.forward.correlate(border.around(h), packed, z, false);
    }
}

/// `E ← βE + Gᵀ(Δ W)`: `delta` (B, n_l), `w` of layer `l` (filters, below), `e` (B, n_{l−1}); β is 0 or 1.
#[inline(never)]
pub fn backward<R: Real>(
    network: &Network,
    l: usize,
    beta: R,
    delta: &ArrayView2<R>,
    w: &ArrayView2<R>,
    e: &mut ArrayViewMut2<R>,
) {
    let Some(conv) = Conv::of(network, l) else {
        return general_mat_mul(R::one(), delta, w, beta, e);
    };
    // The filters turned by half a turn, over Δ with its positions as far apart as those of h that they are over.
    let (k, c, filters) = (conv.kernel, conv.below.channels, conv.filters);
    let turned = conv.backward.pack(|i, a, j| {
        let (b, o) = (j / filters, j % filters);
        w[[o, (k - 1 - a) * conv.forward.row() + (k - 1 - b) * c + i]]
    });
    let mut border = Border::new(conv.above, k - 1, conv.forward.stride, conv.backward);
    border.cut = conv.padding;
    for (delta, mut e) in delta.outer_iter().zip(e.outer_iter_mut()) {
        let image = border.around(values(&delta));
        conv.backward.correlate(
            image,
            &turned,
            e.as_slice_mut().expect("contiguous rows"),
            beta != R::zero(),
        );
    }
}

/// `U ← βU + Δᵀ G(H)`: `delta` (B, d·n_l), `h` (B, n_{l−1}), `u` d matrices of layer `l` (d·filters, below); β is 0 or 1.
#[inline(never)]
pub fn outer<R: Real>(
    network: &Network,
    l: usize,
    beta: R,
    delta: &ArrayView2<R>,
    h: &ArrayView2<R>,
    u: &mut ArrayViewMut2<R>,
) {
    let Some(conv) = Conv::of(network, l) else {
        return general_mat_mul(R::one(), &delta.t(), h, beta, u);
    };
    let n = network.widths()[l];
    let mut sums = vec![vec![R::zero(); conv.forward.packed_len::<R>()]; u.nrows() / conv.filters];
    let mut border = Border::new(conv.below, conv.padding, 1, conv.forward);
    let mut padded = vec![R::zero(); n + conv.forward.slack::<R>()];
    for (delta, h) in delta.outer_iter().zip(h.outer_iter()) {
        let image = border.around(values(&h));
        for (delta, sums) in values(&delta).chunks_exact(n).zip(&mut sums) {
            padded[..n].copy_from_slice(delta);
            conv.forward.correlate_weights(image, &padded, sums);
        }
    }
    for (sums, mut u) in sums.iter_mut().zip(u.axis_chunks_iter_mut(Axis(0), conv.filters)) {
        conv.forward.each(sums, |&mut sum, (o, a, j)| {
            let u = &mut u[[o, a * conv.forward.row() + j]];
            *u = if beta == R::zero() { sum } else { *u + sum };
        });
    }
}

/// Adds `bias` of layer `l` in d directions (d·filters,) to `z` (B, d·n_l), at every position.
#[inline(never)]
pub fn add_bias<R: Real>(network: &Network, l: usize, bias: ArrayView1<R>, mut z: ArrayViewMut2<R>) {
    if bias.is_empty() {
        return;
    }
    if network.image(l).positions() == 1 {
        z += &bias;
        return;
    }
    let (bias, filters, n) = (values(&bias), network.weight_shape(l).0, network.widths()[l]);
    for mut row in z.rows_mut() {
        let row = row.as_slice_mut().expect("C order");
        for (of_direction, bias) in row.chunks_exact_mut(n).zip(bias.chunks_exact(filters)) {
            for position in of_direction.chunks_exact_mut(filters) {
                position.iter_mut().zip(bias).for_each(|(z, &b)| *z += b);
            }
        }
    }
}

/// `Σ δ` over the rows and positions of `delta` (B, d·n_l), (d·filters,): the derivative in the bias of layer `l`, or (0,)
/// without one.
#[inline(never)]
pub fn bias_sum<R: Real>(network: &Network, l: usize, delta: &Array2<R>) -> Array1<R> {
    if !network.layer(l).bias {
        return Array1::zeros(0);
    }
    let sum = delta.sum_axis(Axis(0));
    let (positions, filters) = (network.image(l).positions(), network.weight_shape(l).0);
    if positions == 1 {
        return sum;
    }
    let directions = sum.len() / positions / filters;
    let by_position = sum.into_shape_with_order((directions, positions, filters)).expect("d·n_l values");
    by_position.sum_axis(Axis(1)).into_shape_with_order(directions * filters).expect("C order")
}

/// `φ_l(z + b)` in place, for `z` (B, n_l).
#[inline(never)]
pub fn add_bias_and_activate<R: Real>(
    network: &Network,
    l: usize,
    bias: ArrayView1<R>,
    mut z: ArrayViewMut2<R>,
) {
    let (bias, activation) = (values(&bias), network.layer(l).activation);
    vectorised(
        #[inline(always)]
        || {
            for mut row in z.rows_mut() {
                let row = row.as_slice_mut().expect("C order");
                if !bias.is_empty() {
                    for position in row.chunks_exact_mut(bias.len()) {
                        for (z, &b) in position.iter_mut().zip(bias) {
                            *z += b;
                        }
                    }
                }
                activate(activation, row);
            }
        },
    );
}

fn values<'a, R>(row: &ArrayView1<'a, R>) -> &'a [R] {
    row.to_slice().expect("contiguous rows")
}

/// A convolution, and the correlations that it is.
struct Conv {
    below: Image,
    above: Image,
    kernel: usize,
    padding: usize,
    filters: usize,
    /// over h with its border
    forward: Correlation,
    /// over δ with its border
    backward: Correlation,
}

impl Conv {
    /// What images of h get around them.
    fn border<R: Real>(&self) -> Border<R> {
        Border::new(self.below, self.padding, 1, self.forward)
    }

    /// `None` for a linear layer.
    fn of(network: &Network, l: usize) -> Option<Self> {
        let (filters, kernel, padding, stride) = match network.layer(l).kind {
            Kind::Conv { filters, kernel, padding, stride } => (filters, kernel, padding, stride),
            Kind::Linear { .. } => return None,
            Kind::MaxPool { .. } | Kind::AveragePool { .. } => panic!("layer {l} has no weights"),
        };
        let (below, above) = (network.image(l - 1), network.image(l));
        let forward = Correlation {
            height: below.height + 2 * padding,
            width: below.width + 2 * padding,
            channels: below.channels,
            kernel,
            stride,
            filters,
        };
        let backward = Correlation {
            height: below.height + kernel - 1,
            width: below.width + kernel - 1,
            channels: filters,
            kernel,
            stride: 1,
            filters: below.channels,
        };
        Some(Self { below, above, kernel, padding, filters, forward, backward })
    }
}

/// An image with zeros around it and between its positions; the zeros are written once.
struct Border<R> {
    of: Image,
    /// zeros above and on the left
    before: usize,
    /// from one position to the next
    step: usize,
    /// rows and columns that are cut off after that
    cut: usize,
    within: Correlation,
    values: Vec<R>,
}

impl<R: Real> Border<R> {
    fn new(of: Image, before: usize, step: usize, within: Correlation) -> Self {
        let values = vec![R::zero(); within.height * within.width * within.channels];
        Self { of, before, step, cut: 0, within, values }
    }

    /// The image `h` (H·W·C).
    fn around(&mut self, h: &[R]) -> &[R] {
        let (channels, within) = (self.of.channels, self.within);
        let place = |at: usize, limit: usize| {
            (at * self.step + self.before).checked_sub(self.cut).filter(|&place| place < limit)
        };
        for (y, row) in h.chunks_exact(self.of.width * channels).enumerate() {
            let Some(y) = place(y, within.height) else { continue };
            if self.step == 1 && self.before >= self.cut {
                let before = self.before - self.cut;
                let width = self.of.width.min(within.width.saturating_sub(before));
                let begin = (y * within.width + before) * channels;
                self.values[begin..begin + width * channels].copy_from_slice(&row[..width * channels]);
                continue;
            }
            for (x, pixel) in row.chunks_exact(channels).enumerate() {
                if let Some(x) = place(x, within.width) {
                    let begin = (y * within.width + x) * channels;
                    self.values[begin..begin + channels].copy_from_slice(pixel);
                }
            }
        }
        &self.values
    }
}
