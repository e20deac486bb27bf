//! How far two subspaces are apart: principal angles (Björck & Golub 1973), and the outliers of a spectrum.

use ndarray::{Array1, ArrayView2};

use crate::numeric::real::Real;
use crate::numeric::vectors::{gram, symmetric_eigen};

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
    /// the least that the last of them can be over the most that the next one can be
    pub ratio: f64,
}

/// The eigenvalues above the largest relative gap of the positive Ritz `values`, which descend.
///
/// An eigenvalue lies within the residual ‖Hu − μu‖ of each value, and no other is above `border`, up to where the search for
/// missing pairs has looked ([`RitzPairs::border`](super::ritz::RitzPairs::border)). So the gap behind value j is at least
/// (μ_j − r_j) / max(μ_{j+1} + r_{j+1}, border): small values that are not resolved make no gap. A count is worth what its `ratio`
/// is: near 1 or below there is no gap. `None` without two positive values of which the larger is known to be positive.
pub fn outliers(values: &[f64], residuals: &[f64], border: f64) -> Option<Outliers> {
    let least = values.iter().zip(residuals).map(|(v, r)| v - r);
    let most = values.iter().zip(residuals).map(|(v, r)| (v + r).max(border)).skip(1);
    let positive = least
        .zip(most)
        .zip(values.iter().skip(1))
        .enumerate()
        .filter(|&(_, ((l, _), &next))| l > 0.0 && next > 0.0);
    let gaps = positive.map(|(i, ((least, most), _))| Outliers { count: i + 1, ratio: least / most });
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
            let a = crate::spectrum::subspace::random_basis::<f64>(2 * seed, 4, 200);
            let b = crate::spectrum::subspace::random_basis::<f64>(2 * seed + 1, 3, 200);
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
        let exact = [0.0; 6];
        let values = [9.0, 6.0, 5.0, 0.5, 0.4, -1.0];
        assert_eq!(outliers(&values, &exact, 0.0), Some(Outliers { count: 3, ratio: 10.0 }));
        assert_eq!(outliers(&[9.0, -6.0], &exact, 0.0), None);
        assert_eq!(outliers(&[1.0], &exact, 0.0), None);
    }

    #[test]
    fn a_value_below_its_residual_makes_no_gap() {
        // 1e-4 may be anything up to 0.5: a hundred thousand times below 10, but known as twenty.
        let found = outliers(&[40.0, 10.0, 1e-4], &[0.0, 0.0, 0.5], 0.0).expect("positive values");
        assert_eq!(found.count, 2);
        assert!((found.ratio - 10.0 / 0.5001).abs() <= 1e-14 * found.ratio, "{found:?}");
        assert_eq!(outliers(&[1.0, 0.5], &[2.0, 0.0], 0.0), None);
        // What the search for missing pairs left out may be as large as its border: 4, not ten thousand.
        let found = outliers(&[40.0, 10.0, 1e-3], &[0.0; 3], 2.5).expect("positive values");
        assert_eq!((found.count, found.ratio), (1, 4.0));
    }
}
