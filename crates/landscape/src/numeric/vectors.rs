//! Long vectors, as rows: dot products in f64, combinations, orthogonalisation. Fixed chunks, so fixed bytes.

use ndarray::linalg::general_mat_mul;
use ndarray::parallel::prelude::*;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2, Axis, s};
use ndarray_linalg::{Eigh, UPLO};

use crate::numeric::real::Real;

/// Entries of a chunk: a few rows of it stay in the second-level cache.
const CHUNK: usize = 8192;

/// `rows · w`: (m, p) with (p,) to (m,), summed in f64.
pub fn project<R: Real>(rows: ArrayView2<R>, w: ArrayView1<R>) -> Array1<f64> {
    let partial = rows
        .axis_chunks_iter(Axis(1), CHUNK)
        .into_par_iter()
        .zip(w.axis_chunks_iter(Axis(0), CHUNK).into_par_iter())
        .map(|(rows, w)| rows.outer_iter().map(|row| dot(row, w)).collect::<Array1<f64>>())
        .collect::<Vec<_>>();
    partial.iter().fold(Array1::zeros(rows.nrows()), |sum, part| sum + part)
}

/// Eight sums side by side, so that the compiler can use vector registers.
fn dot<R: Real>(a: ArrayView1<R>, b: ArrayView1<R>) -> f64 {
    let (a, b) = (a.to_slice().expect("contiguous"), b.to_slice().expect("contiguous"));
    let mut sums = [0.0; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a8.remainder().iter().zip(b8.remainder()).map(|(&a, &b)| a.wide() * b.wide()).sum();
    for (a, b) in a8.zip(b8) {
        for i in 0..8 {
            sums[i] += a[i].wide() * b[i].wide();
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// Euclidean norm.
pub fn norm<R: Real>(w: ArrayView1<R>) -> f64 {
    project(w.insert_axis(Axis(0)), w)[0].sqrt()
}

/// `A Bᵀ` of long rows: (m, p) with (n, p) to (m, n); products in R over a chunk, sums over chunks in f64.
pub fn gram<R: Real>(a: ArrayView2<R>, b: ArrayView2<R>) -> Array2<f64> {
    let partial = a
        .axis_chunks_iter(Axis(1), CHUNK)
        .into_par_iter()
        .zip(b.axis_chunks_iter(Axis(1), CHUNK).into_par_iter())
        .map(|(a, b)| a.dot(&b.t()).mapv(R::wide))
        .collect::<Vec<_>>();
    partial.iter().fold(Array2::zeros((a.nrows(), b.nrows())), |sum, part| sum + part)
}

/// `Yᵀ rows`: combinations of the rows (m, p) with the columns of `y` (m, q), (q, p).
pub fn combine<R: Real>(y: ArrayView2<f64>, rows: ArrayView2<R>) -> Array2<R> {
    let mut out = Array2::zeros((y.ncols(), rows.ncols()));
    add_combination(&mut out, y, rows);
    out
}

/// Adds `Yᵀ rows` to `out` (q, p).
pub fn add_combination<R: Real>(out: &mut Array2<R>, y: ArrayView2<f64>, rows: ArrayView2<R>) {
    let y = y.mapv(R::narrow);
    out.axis_chunks_iter_mut(Axis(1), CHUNK)
        .into_par_iter()
        .zip(rows.axis_chunks_iter(Axis(1), CHUNK).into_par_iter())
        .for_each(|(mut out, rows)| general_mat_mul(R::one(), &y.t(), &rows, R::one(), &mut out));
}

/// Puts `Yᵀ rows` in the place of the first q of the rows (m, p), q ≤ m; the others keep what they had.
pub fn combine_in_place<R: Real>(y: ArrayView2<f64>, mut rows: ArrayViewMut2<R>) {
    let y = y.mapv(R::narrow);
    rows.axis_chunks_iter_mut(Axis(1), CHUNK).into_par_iter().for_each(|mut rows| {
        let combined = y.t().dot(&rows);
        rows.slice_mut(s![..y.ncols(), ..]).assign(&combined);
    });
}

/// `w −= rowsᵀ c`
pub fn subtract<R: Real>(mut w: ArrayViewMut1<R>, rows: ArrayView2<R>, c: ArrayView1<f64>) {
    w.axis_chunks_iter_mut(Axis(0), CHUNK)
        .into_par_iter()
        .zip(rows.axis_chunks_iter(Axis(1), CHUNK).into_par_iter())
        .for_each(|(mut w, rows)| {
            for (row, &c) in rows.outer_iter().zip(c) {
                w.scaled_add(-R::narrow(c), &row);
            }
        });
}

/// Makes `w` orthogonal to the orthonormal `rows`, by classical Gram-Schmidt twice; returns what was taken off, (m,).
///
/// Twice is enough for rounding-level orthogonality (Giraud, Langou, Rozložník & van den Eshof 2005).
pub fn orthogonalise<R: Real>(mut w: ArrayViewMut1<R>, rows: ArrayView2<R>) -> Array1<f64> {
    let mut taken = Array1::zeros(rows.nrows());
    for _ in 0..2 {
        let c = project(rows, w.view());
        subtract(w.view_mut(), rows, c.view());
        taken += &c;
    }
    taken
}

/// Makes the rows from `done` on orthonormal, to each other and to the orthonormal rows before them; a row that depends
/// on those before it to the fraction `drop`, or but for rounding, is left out, and the next takes its place. Returns how many
/// rows there are then.
pub fn orthonormalise<R: Real>(mut rows: ArrayViewMut2<R>, mut done: usize, drop: f64) -> usize {
    let (first, drop) = (done, drop.max(100.0 * R::epsilon().wide()));
    for candidate in first..rows.nrows() {
        if candidate > done {
            let (mut before, after) = rows.view_mut().split_at(Axis(0), candidate);
            before.row_mut(done).assign(&after.row(0));
        }
        let (orthonormal, mut rest) = rows.view_mut().split_at(Axis(0), done);
        let mut w = rest.row_mut(0);
        let before = norm(w.view());
        orthogonalise(w.view_mut(), orthonormal.view());
        let after = norm(w.view());
        if after > drop * before {
            w.mapv_inplace(|x| x / R::narrow(after));
            done += 1;
        }
    }
    done
}

/// Largest |value|; NaN where one is NaN, which `f64::max` drops.
pub fn largest_magnitude<'a>(values: impl IntoIterator<Item = &'a f64>) -> f64 {
    values.into_iter().fold(0.0, |most: f64, v| if most >= v.abs() || most.is_nan() { most } else { v.abs() })
}

/// Eigenvalues (ascending) and eigenvectors (columns) of a small symmetric matrix, of which the lower half is read.
pub fn symmetric_eigen(t: &Array2<f64>) -> (Array1<f64>, Array2<f64>) {
    if t.nrows() == 1 {
        return (t.row(0).to_owned(), Array2::eye(1)); // a 1 × 1 array has no strides to hand to LAPACK
    }
    t.eigh(UPLO::Lower).expect("LAPACK diagonalises any finite symmetric matrix")
}

/// Lower triangle L with `L Lᵀ = a`, (K, K), for a covariance that may lack full rank: what rounding leaves below 0 is 0.
pub fn cholesky(a: &Array2<f64>) -> Array2<f64> {
    let n = a.nrows();
    let mut l = Array2::<f64>::zeros((n, n));
    for j in 0..n {
        let rest = a[[j, j]] - (0..j).map(|m| l[[j, m]].powi(2)).sum::<f64>();
        if rest <= 1e-12 * a[[j, j]] {
            continue;
        }
        l[[j, j]] = rest.sqrt();
        for i in j + 1..n {
            let dot = (0..j).map(|m| l[[i, m]] * l[[j, m]]).sum::<f64>();
            l[[i, j]] = (a[[i, j]] - dot) / l[[j, j]];
        }
    }
    l
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array;

    fn wave(m: usize, p: usize) -> Array2<f64> {
        Array::from_shape_fn((m, p), |(i, j)| ((i * 31 + 7) as f64 * 0.013 * (j + 1) as f64).sin())
    }

    #[test]
    fn products_of_long_rows_are_those_of_ndarray() {
        let (a, b) = (wave(3, 2 * CHUNK + 5), wave(4, 2 * CHUNK + 5));
        let plain = a.dot(&b.t());
        // Same products in another order: p eps times the sum of magnitudes, at most p.
        let bound = a.ncols() as f64 * f64::EPSILON * a.ncols() as f64;
        assert!((&gram(a.view(), b.view()) - &plain).iter().all(|e| e.abs() <= bound));
        assert!((&project(a.view(), b.row(2)) - &plain.column(2)).iter().all(|e| e.abs() <= bound));
    }

    #[test]
    fn combinations_in_place_are_those_beside() {
        let (y, mut rows) = (wave(4, 3), wave(4, CHUNK + 3));
        let beside = combine(y.view(), rows.view());
        let last = rows.row(3).to_owned();
        combine_in_place(y.view(), rows.view_mut());
        assert_eq!(rows.slice(s![..3, ..]), beside);
        assert_eq!(rows.row(3), last);
    }

    #[test]
    fn dependent_rows_are_dropped_and_the_rest_is_orthonormal() {
        let mut rows = wave(4, CHUNK + 3);
        let copy = &rows.row(0) * 3.0;
        rows.row_mut(2).assign(&copy);
        let kept = orthonormalise(rows.view_mut(), 0, 1e-8);
        assert_eq!(kept, 3);
        let q = rows.slice(s![..kept, ..]);
        let error = gram(q.view(), q.view()) - Array2::<f64>::eye(3);
        // Gram-Schmidt twice leaves a few eps per entry.
        assert!(error.iter().all(|e| e.abs() <= 100.0 * f64::EPSILON), "{error}");
    }

    #[test]
    fn the_factor_of_a_covariance_gives_it_again() {
        for a in [
            ndarray::array![[4.0, 2.0, 1.0], [2.0, 3.0, 0.5], [1.0, 0.5, 2.0]],
            ndarray::array![[1.0, 1.0], [1.0, 1.0]],
        ] {
            let l = cholesky(&a);
            assert!((l.dot(&l.t()) - &a).iter().all(|d: &f64| d.abs() <= 1e-14), "{l}");
        }
    }
}
