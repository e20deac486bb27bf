//! Pools: linear maps without parameters, given the place of each maximum at w.
//!
//! A pool of size s takes squares of s × s without overlap; what is left at the lower and the right border is dropped. The
//! largest value of a square is its first one in the order of rows. Channels lie last, so that a place of a square is a row of
//! channels.

use ndarray::{Array2, ArrayView2, ArrayViewMut2};

use crate::network::architecture::Network;
use crate::network::layers::Kind;
use crate::numeric::real::Real;

/// Where each value of layer `l` comes from, (B, n_l): places in h_{l−1} of a maximum; nothing for a mean, which needs none.
pub type Places = Array2<u32>;

/// `z_l` of `h` (B, n_{l−1}) into `z` (B, n_l), and into `places` where the maxima are, if that is asked.
#[inline(never)]
pub fn forward<R: Real>(
    network: &Network,
    l: usize,
    h: &ArrayView2<R>,
    z: &mut ArrayViewMut2<R>,
    places: Option<&mut Places>,
) {
    let pool = Pool::of(network, l);
    if !pool.is_max {
        return average(&pool, h, z);
    }
    let mut places = places.map(|places| {
        *places = Array2::zeros(z.dim());
        places.view_mut()
    });
    for (i, (h, mut z)) in h.outer_iter().zip(z.outer_iter_mut()).enumerate() {
        let (h, z) = (h.to_slice().expect("contiguous rows"), z.as_slice_mut().expect("contiguous rows"));
        let mut places = places.as_mut().map(|places| places.row_mut(i));
        pool.each(|is_first, above, below| {
            for channel in 0..pool.channels {
                let (above, below) = (above + channel, below + channel);
                if is_first || h[below] > z[above] || h[below].is_nan() {
                    z[above] = h[below];
                    if let Some(places) = &mut places {
                        places[above] = u32::try_from(below).expect("an image has fewer than 2^32 values");
                    }
                }
            }
        });
    }
}

/// Tangents `z` (B·d, n_l) of tangents `t` (B·d, n_{l−1}), d for each sample.
#[inline(never)]
pub fn tangents<R: Real>(
    network: &Network,
    l: usize,
    places: &Places,
    t: &ArrayView2<R>,
    z: &mut ArrayViewMut2<R>,
) {
    let pool = Pool::of(network, l);
    if !pool.is_max {
        return average(&pool, t, z);
    }
    let d = t.nrows() / places.nrows();
    for (row, (t, mut z)) in t.outer_iter().zip(z.outer_iter_mut()).enumerate() {
        for (z, &place) in z.iter_mut().zip(places.row(row / d)) {
            *z = t[place as usize];
        }
    }
}

/// The transpose: `e` (B·d, n_{l−1}) of `delta` (B·d, n_l), d for each sample.
#[inline(never)]
pub fn backward<R: Real>(
    network: &Network,
    l: usize,
    places: &Places,
    delta: &ArrayView2<R>,
    e: &mut ArrayViewMut2<R>,
) {
    e.fill(R::zero());
    let pool = Pool::of(network, l);
    let d = if pool.is_max { delta.nrows() / places.nrows() } else { 1 };
    for (row, (delta, mut e)) in delta.outer_iter().zip(e.outer_iter_mut()).enumerate() {
        if pool.is_max {
            for (&delta, &place) in delta.iter().zip(places.row(row / d)) {
                e[place as usize] = delta; // squares do not overlap
            }
            continue;
        }
        let (delta, e) =
            (delta.to_slice().expect("contiguous rows"), e.as_slice_mut().expect("contiguous rows"));
        pool.each(|_, above, below| {
            let (delta, e) = (&delta[above..above + pool.channels], &mut e[below..below + pool.channels]);
            e.iter_mut().zip(delta).for_each(|(e, &delta)| *e = delta * pool.share());
        });
    }
}

fn average<R: Real>(pool: &Pool, h: &ArrayView2<R>, z: &mut ArrayViewMut2<R>) {
    for (h, mut z) in h.outer_iter().zip(z.outer_iter_mut()) {
        let (h, z) = (h.to_slice().expect("contiguous rows"), z.as_slice_mut().expect("contiguous rows"));
        z.fill(R::zero());
        pool.each(|_, above, below| {
            let (h, z) = (&h[below..below + pool.channels], &mut z[above..above + pool.channels]);
            z.iter_mut().zip(h).for_each(|(z, &h)| *z += h);
        });
        for z in z {
            *z *= pool.share();
        }
    }
}

struct Pool {
    is_max: bool,
    /// side of a square
    size: usize,
    channels: usize,
    /// width of the image below
    width: usize,
    /// rows and columns of squares
    squares: (usize, usize),
}

impl Pool {
    fn of(network: &Network, l: usize) -> Self {
        let (size, is_max) = match network.layer(l).kind {
            Kind::MaxPool { size } => (size, true),
            Kind::AveragePool { size } => (size, false),
            kind => unreachable!("{kind:?} is no pool"),
        };
        let (below, above) = (network.image(l - 1), network.image(l));
        let squares = (above.height, above.width);
        Self { is_max, size, channels: above.channels, width: below.width, squares }
    }

    /// Of a mean: 1 over the places of a square.
    fn share<R: Real>(&self) -> R {
        R::one() / R::narrow((self.size * self.size) as f64)
    }

    /// Shows every place of every square, row by row: whether it is the first of its square, and where the channels begin of
    /// the square above and of the place below.
    fn each(&self, mut see: impl FnMut(bool, usize, usize)) {
        for square in 0..self.squares.0 * self.squares.1 {
            let (top, left) = (square / self.squares.1 * self.size, square % self.squares.1 * self.size);
            for y in 0..self.size {
                for x in 0..self.size {
                    let below = ((top + y) * self.width + left + x) * self.channels;
                    see(y + x == 0, square * self.channels, below);
                }
            }
        }
    }
}
