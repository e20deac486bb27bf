//! Pools: linear maps without parameters, given the place of each maximum at w.
//!
//! A pool of size s takes squares of s × s without overlap; what is left at the lower and the right border is dropped. The
//! largest value of a square is its first one in the order of rows. Channels lie last.

use ndarray::{Array2, ArrayView2, ArrayViewMut2};

use crate::network::architecture::Network;
use crate::network::layers::{Image, Kind};
use crate::numeric::real::Real;

/// Where each value of layer `l` comes from, (B, n_l): places in h_{l−1} of a maximum; nothing for a mean, which needs none.
pub type Places = Array2<u32>;

/// `z_l` (B, n_l) of `h` (B, n_{l−1}), and where the maxima are.
pub fn forward<R: Real>(network: &Network, l: usize, h: &ArrayView2<R>) -> (Array2<R>, Places) {
    let mut z = Array2::zeros((h.nrows(), network.widths()[l]));
    let (size, is_max) = size(network, l);
    if !is_max {
        average(network, l, h, &mut z.view_mut());
        return (z, Array2::zeros((0, 0)));
    }
    let (below, above) = (network.image(l - 1), network.image(l));
    let mut places = Array2::zeros(z.dim());
    for ((h, mut z), mut places) in h.outer_iter().zip(z.outer_iter_mut()).zip(places.outer_iter_mut()) {
        for at in 0..above.len() {
            let mut square = square(below, above, at, size);
            let mut largest = square.next().expect("a square has places");
            for place in square {
                if h[place] > h[largest] || h[place].is_nan() {
                    largest = place;
                }
            }
            z[at] = h[largest];
            places[at] = u32::try_from(largest).expect("an image has fewer than 2^32 values");
        }
    }
    (z, places)
}

/// Tangents `z` (B·d, n_l) of tangents `t` (B·d, n_{l−1}), d for each sample.
pub fn tangents<R: Real>(
    network: &Network,
    l: usize,
    places: &Places,
    t: &ArrayView2<R>,
    z: &mut ArrayViewMut2<R>,
) {
    if !size(network, l).1 {
        return average(network, l, t, z);
    }
    let d = t.nrows() / places.nrows();
    for (row, (t, mut z)) in t.outer_iter().zip(z.outer_iter_mut()).enumerate() {
        for (z, &place) in z.iter_mut().zip(places.row(row / d)) {
            *z = t[place as usize];
        }
    }
}

/// The transpose: `e` (B·d, n_{l−1}) of `delta` (B·d, n_l), d for each sample.
pub fn backward<R: Real>(
    network: &Network,
    l: usize,
    places: &Places,
    delta: &ArrayView2<R>,
    e: &mut ArrayViewMut2<R>,
) {
    e.fill(R::zero());
    let (size, is_max) = size(network, l);
    let (below, above) = (network.image(l - 1), network.image(l));
    let share = R::one() / R::narrow((size * size) as f64);
    let d = if is_max { delta.nrows() / places.nrows() } else { 1 };
    for (row, (delta, mut e)) in delta.outer_iter().zip(e.outer_iter_mut()).enumerate() {
        for (at, &delta) in delta.iter().enumerate() {
            if is_max {
                e[places[[row / d, at]] as usize] += delta;
            } else {
                square(below, above, at, size).for_each(|place| e[place] += delta * share);
            }
        }
    }
}

fn average<R: Real>(network: &Network, l: usize, h: &ArrayView2<R>, z: &mut ArrayViewMut2<R>) {
    let (below, above, size) = (network.image(l - 1), network.image(l), size(network, l).0);
    let share = R::one() / R::narrow((size * size) as f64);
    for (h, mut z) in h.outer_iter().zip(z.outer_iter_mut()) {
        for (at, z) in z.iter_mut().enumerate() {
            *z = square(below, above, at, size).map(|place| h[place]).sum::<R>() * share;
        }
    }
}

/// Side of the squares, and whether it takes their maximum.
fn size(network: &Network, l: usize) -> (usize, bool) {
    match network.layer(l).kind {
        Kind::MaxPool { size } => (size, true),
        Kind::AveragePool { size } => (size, false),
        kind => unreachable!("{kind:?} is no pool"),
    }
}

/// Places below of value `at` above, row by row.
fn square(below: Image, above: Image, at: usize, size: usize) -> impl Iterator<Item = usize> {
    let (position, channel) = (at / above.channels, at % above.channels);
    let (y, x) = (position / above.width * size, position % above.width * size);
    (0..size * size).map(move |i| ((y + i / size) * below.width + x + i % size) * below.channels + channel)
}
