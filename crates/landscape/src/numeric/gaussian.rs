//! Standard normal rows: row t is a function of (seed, t) alone, whatever else is drawn and by how many threads.

use ndarray::{Array1, Array2};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::numeric::real::Real;

/// Standard normal, (d,): a function of (seed, t) alone, ChaCha20 with key `seed` and stream `t`.
pub fn gaussian_row(seed: u64, t: usize, dim: usize) -> Array1<f64> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    rng.set_stream(t as u64);
    Array1::from_shape_simple_fn(dim, || StandardNormal.sample(&mut rng))
}

/// Rows 0 to T − 1 of [`gaussian_row`], (T, d).
pub fn gaussian_rows(seed: u64, n_rows: usize, dim: usize) -> Array2<f64> {
    let mut rows = Array2::zeros((n_rows, dim));
    for (t, mut row) in rows.outer_iter_mut().enumerate() {
        row.assign(&gaussian_row(seed, t, dim));
    }
    rows
}

/// The same rounded to R, without all of them in f64 at a time, (T, d).
pub fn rounded_gaussian_rows<R: Real>(seed: u64, n_rows: usize, dim: usize) -> Array2<R> {
    let mut rows = Array2::zeros((n_rows, dim));
    for (t, mut row) in rows.outer_iter_mut().enumerate() {
        row.assign(&gaussian_row(seed, t, dim).mapv(R::narrow));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_depends_on_seed_and_number_alone() {
        let (few, many) = (gaussian_rows(7, 3, 5), gaussian_rows(7, 9, 5));
        assert_eq!(few, many.slice(ndarray::s![..3, ..]));
        assert_ne!(few.row(0), few.row(1));
        assert_ne!(few, gaussian_rows(8, 3, 5));
    }
}
