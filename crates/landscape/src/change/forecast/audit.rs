//! The forecast against what was measured: fits of the smaller sizes predict the larger ones.

use statrs::distribution::{ContinuousCDF, Normal};

use super::draws::{Draws, LEAST_SIZES, ends, quantile};
use super::measured::Measured;

/// The largest size is so many times the largest that a fit may see.
const FRACTIONS: [usize; 3] = [2, 4, 8];
/// The bands are taken for right by so many predictions before the audit has any.
const TRUSTED: f64 = 4.0;

/// What a fit of smaller sizes said of a larger one.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema))]
pub struct AuditRow {
    /// largest size of the fit, samples
    pub fitted_to: usize,
    /// size that is predicted, samples
    pub n: usize,
    /// predicted mean over replicas
    pub predicted: f64,
    /// lower end of the band of the measured mean, before it is widened
    pub low: f64,
    /// upper end
    pub high: f64,
    /// measured mean over replicas
    pub found: f64,
    /// whether the band contains it
    pub covered: bool,
    /// predicted over found, less 1
    pub relative_error: f64,
}

/// Fits to sizes of at most N/2, N/4 and N/8, where three are left, and what each says of all larger sizes.
pub fn rows(measured: &Measured, confidence: f64, n_draws: usize) -> Vec<AuditRow> {
    let largest = measured.sizes[measured.sizes.len() - 1];
    let mut fits = FRACTIONS.map(|f| measured.sizes.iter().filter(|&&k| f * k <= largest).count()).to_vec();
    fits.dedup();
    let fits = fits.into_iter().filter(|&n| n >= LEAST_SIZES);
    fits.flat_map(|n| of_fit(measured, n, confidence, n_draws)).collect()
}

/// What the first `n_fitted` sizes say of the others; nothing where they do not say how noisy they are.
fn of_fit(measured: &Measured, n_fitted: usize, confidence: f64, n_draws: usize) -> Vec<AuditRow> {
    let Some(draws) = Draws::new(measured, n_fitted, n_draws) else { return vec![] };
    let (means, sizes) = (measured.means(), measured.samples());
    let row = |k: usize| {
        let mut values = draws.measured_at(sizes[k], k);
        let [low, high] = ends(confidence).map(|q| quantile(&mut values, q).exp());
        let (predicted, found) = (draws.log_mean(sizes[k]).exp(), means[k]);
        AuditRow {
            fitted_to: measured.sizes[n_fitted - 1],
            n: measured.sizes[k],
            predicted,
            low,
            high,
            found,
            covered: (low..=high).contains(&found),
            relative_error: predicted / found - 1.0,
        }
    };
    (n_fitted..sizes.len()).map(row).collect()
}

/// The factor by which bands of logarithms are widened: the root mean square of the standardised residuals of the audit and of
/// [`TRUSTED`] ones of size 1, never below 1.
///
/// Few predictions say little of the size of a miss: without those of size 1, a single one, from a fit of four sizes with one degree
/// of freedom, multiplied all bands by 6.65. A residual `ln found − ln predicted` is divided by the distance from the prediction to the end of the band on its side,
/// and multiplied by the normal quantile of that end, so that bands that are right have residuals of size 1.
pub fn widening(rows: &[AuditRow], confidence: f64) -> f64 {
    let z = Normal::standard().inverse_cdf(f64::midpoint(1.0, confidence));
    let standardised = |row: &AuditRow| {
        let residual = (row.found / row.predicted).ln();
        let side = if residual > 0.0 { row.high / row.predicted } else { row.predicted / row.low };
        // A band that ends at its prediction still has a width.
        let least = (row.high / row.low).ln() / 8.0;
        z * residual / side.ln().max(least)
    };
    let squares = rows.iter().map(|r| standardised(r).powi(2)).sum::<f64>();
    ((TRUSTED + squares) / (TRUSTED + rows.len() as f64)).sqrt().max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(predicted: f64, found: f64) -> AuditRow {
        let (low, high) = (predicted / 2.0, predicted * 2.0);
        let covered = (low..=high).contains(&found);
        AuditRow {
            fitted_to: 1,
            n: 2,
            predicted,
            low,
            high,
            found,
            covered,
            relative_error: predicted / found - 1.0,
        }
    }

    #[test]
    fn bands_are_widened_by_their_misses_and_never_narrowed() {
        let of = |rows: &[AuditRow]| widening(rows, 0.95);
        assert!((of(&[row(1.0, 1.1)]) - 1.0).abs() <= 0.0 && (of(&[]) - 1.0).abs() <= 0.0);
        // At the end of the band a residual is 1.96 standard deviations, at its double twice that.
        let expected = |squares: f64, n: f64| ((4.0 + squares * 1.959_964_f64.powi(2)) / (4.0 + n)).sqrt();
        assert!((of(&[row(1.0, 2.0)]) - expected(1.0, 1.0)).abs() <= 1e-5);
        assert!((of(&[row(1.0, 0.25)]) - expected(4.0, 1.0)).abs() <= 1e-5);
        assert!((of(&[row(1.0, 0.25), row(3.0, 3.0)]) - expected(4.0, 2.0)).abs() <= 1e-5);
        // Many predictions are believed.
        assert!((of(&vec![row(1.0, 0.25); 1000]) / 3.919_928 - 1.0).abs() <= 2e-3);
    }
}
