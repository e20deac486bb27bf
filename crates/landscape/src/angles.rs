//! How far two subspaces are apart: principal angles (Björck & Golub 1973), and the outliers of a spectrum.

use ndarray::{Array1, ArrayView2};

use crate::Real;
use crate::vectors::{gram, symmetric_eigen};

/// Cosines of the principal angles between the row spaces of `a` (d, p) and `b` (e, p), largest first, (min(d, e),).
///
/// They are the singular values of `A Bᵀ`, taken as roots of the eigenvalues of `(A Bᵀ)(A Bᵀ)ᵀ`: an angle below the root of
/// the rounding of R (3e-4 in f32) is not told from 0. Rows of each are orthonormal.
pub fn principal_cosines<R: Real>(a: ArrayView2<R>, b: ArrayView2<R>) -> Array1<f64> {
    let g = gram(a, b);
    let g = if g.nrows() <= g.ncols() { g } else { g.reversed_axes() };
    let (squares, _) = symmetric_eigen(&g.dot(&g.t()));
    squares.iter().rev().map(|s| s.clamp(0.0, 1.0).sqrt()).collect()
}

/// Mean squared cosine: 1 for the same subspace, d/p expected for random ones.
pub fn overlap(cosines: &Array1<f64>) -> f64 {
    cosines.iter().map(|c| c * c).sum::<f64>() / cosines.len() as f64
}

/// Where the largest gap of a spectrum is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outliers {
    /// eigenvalues above the gap
    pub count: usize,
    /// the last of them over the next one
    pub ratio: f64,
}

/// The eigenvalues above the largest relative gap λ_j / λ_{j+1} of the positive `values`, which descend.
///
/// A count is worth what its `ratio` is: near 1 there is no gap. `None` with fewer than two positive values.
pub fn outliers(values: &[f64]) -> Option<Outliers> {
    let gap = |(i, pair): (usize, &[f64])| Outliers { count: i + 1, ratio: pair[0] / pair[1] };
    let gaps = values.windows(2).enumerate().filter(|(_, pair)| pair[1] > 0.0).map(gap);
    gaps.reduce(|best, gap| if gap.ratio > best.ratio { gap } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    #[test]
    fn planes_of_known_angles() {
        let (t, u) = (0.3_f64, 1.1_f64);
        let a = array![[1.0, 0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0, 0.0]];
        let b = array![[t.cos(), 0.0, t.sin(), 0.0, 0.0], [0.0, u.cos(), 0.0, u.sin(), 0.0]];
        // A rotation inside a plane changes nothing.
        let r = array![[0.6, 0.8], [-0.8, 0.6]];
        for (a, b) in [(a.clone(), r.dot(&b)), (r.dot(&b), a)] {
            let found = principal_cosines(a.view(), b.view());
            // Squares and roots: a few eps over the smaller cosine.
            assert!((found[0] - t.cos()).abs() <= 1e-15 * 8.0 && (found[1] - u.cos()).abs() <= 1e-15 * 8.0);
            assert!((overlap(&found) - f64::midpoint(t.cos().powi(2), u.cos().powi(2))).abs() <= 1e-14);
        }
    }

    #[test]
    fn random_subspaces_overlap_by_d_over_p() {
        let mean = (0..100).map(|seed| {
            let a = crate::subspace::random_basis::<f64>(2 * seed, 4, 200);
            let b = crate::subspace::random_basis::<f64>(2 * seed + 1, 3, 200);
            let cosines = principal_cosines(a.view(), b.view());
            assert_eq!(cosines.len(), 3);
            overlap(&cosines) / 100.0
        });
        // E cos² over the smaller subspace is 4/200; its deviation is about √(2·4/3)/200, over 100 pairs a tenth: four of them.
        let mean: f64 = mean.sum();
        assert!((mean - 0.02).abs() <= 4.0 * (8.0_f64 / 3.0).sqrt() / 200.0 / 10.0, "{mean}");
        let same = Array2::<f64>::eye(5);
        assert!((overlap(&principal_cosines(same.view(), same.view())) - 1.0).abs() <= 1e-15);
    }

    #[test]
    fn the_largest_ratio_parts_outliers_from_bulk() {
        assert_eq!(outliers(&[9.0, 6.0, 5.0, 0.5, 0.4, -1.0]), Some(Outliers { count: 3, ratio: 10.0 }));
        assert_eq!(outliers(&[9.0, -6.0]), None);
        assert_eq!(outliers(&[1.0]), None);
    }
}
