//! Test loss against the number of training samples: a power law, and where it is flat.

/// `a + b k^{−c}` with a, b ≥ 0: the loss that no data remove, and how fast the rest goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PowerLaw {
    /// a, loss
    pub floor: f64,
    /// b, loss at k = 1
    pub scale: f64,
    /// c
    pub exponent: f64,
    /// weighted root mean square of the residuals, loss
    pub residual: f64,
}

/// Exponents that are searched, 0.02 to 3: beyond them three points tell a power law from nothing else.
const EXPONENTS: (f64, f64) = (0.02, 3.0);
/// Exponents of the first search.
const SEARCHED: usize = 200;

/// Where doubling the samples stops helping.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Flattening {
    /// from so many samples on
    At(f64),
    /// at every k: the exponent is too small for the fraction
    Everywhere,
    /// at no k: the fitted floor is 0, so each doubling takes the same fraction off
    Never,
}

impl PowerLaw {
    /// Least squares over points (k, loss) with weights; for each exponent the best a, b ≥ 0 are a linear problem, and the
    /// exponent is found by a search over a grid and a golden section.
    ///
    /// `None` with fewer than three different k.
    pub fn fit(points: &[(f64, f64)], weights: &[f64]) -> Option<Self> {
        let mut sizes = points.iter().map(|p| p.0).collect::<Vec<_>>();
        sizes.sort_by(f64::total_cmp);
        sizes.dedup();
        if sizes.len() < 3 {
            return None;
        }
        let (low, high) = (EXPONENTS.0.ln(), EXPONENTS.1.ln());
        let spacing = (high - low) / (SEARCHED - 1) as f64;
        let at = |log_c: f64| Self::at_exponent(points, weights, log_c.exp());
        let best = (0..SEARCHED)
            .map(|i| low + spacing * i as f64)
            .min_by(|x, y| at(*x).residual.total_cmp(&at(*y).residual))?;
        let (mut left, mut right) = ((best - spacing).max(low), (best + spacing).min(high));
        let golden = (5.0_f64.sqrt() - 1.0) / 2.0;
        while right - left > 1e-10 {
            let (x, y) = (right - golden * (right - left), left + golden * (right - left));
            if at(x).residual < at(y).residual { right = y } else { left = x }
        }
        Some(at(f64::midpoint(left, right)))
    }

    /// The best a, b ≥ 0 at one exponent.
    fn at_exponent(points: &[(f64, f64)], weights: &[f64], exponent: f64) -> Self {
        // Relative to the smallest k, so that b is of the size of the losses.
        let smallest = points.iter().fold(f64::INFINITY, |m, p| m.min(p.0));
        let total: f64 = weights.iter().sum();
        let mean = |f: &dyn Fn(f64, f64) -> f64| {
            let terms =
                points.iter().zip(weights).map(|(&(k, y), w)| w * f((k / smallest).powf(-exponent), y));
            terms.sum::<f64>() / total
        };
        let (mx, my) = (mean(&|x, _| x), mean(&|_, y| y));
        let (sxx, sxy) = (mean(&|x, _| (x - mx).powi(2)), mean(&|x, y| (x - mx) * (y - my)));
        let (mut b, mut a) = (sxy / sxx, my - sxy / sxx * mx);
        if a < 0.0 {
            (a, b) = (0.0, mean(&|x, y| x * y) / mean(&|x, _| x * x));
        }
        if b < 0.0 {
            (a, b) = (my, 0.0);
        }
        let residual = mean(&|x, y| (y - a - b * x).powi(2)).sqrt();
        Self { floor: a, scale: b * smallest.powf(exponent), exponent, residual }
    }

    /// The law at k samples, loss.
    pub fn at(&self, k: f64) -> f64 {
        self.floor + self.scale * k.powf(-self.exponent)
    }

    /// The smallest k at which doubling the samples lowers the loss by less than the fraction `gain` of it.
    ///
    /// `b k^{−c} (1 − 2^{−c}) = gain (a + b k^{−c})`.
    pub fn flattens(&self, gain: f64) -> Flattening {
        let excess = 1.0 - 2.0_f64.powf(-self.exponent) - gain;
        if excess <= 0.0 || self.scale <= 0.0 {
            Flattening::Everywhere
        } else if self.floor <= 0.0 {
            Flattening::Never
        } else {
            Flattening::At((self.scale * excess / (gain * self.floor)).powf(1.0 / self.exponent))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_law_without_noise_is_found_again() {
        for (a, b, c) in [(0.2, 30.0, 0.8), (0.0, 5.0, 0.35), (0.7, 900.0, 1.6)] {
            let points = [100.0, 200.0, 500.0, 1500.0, 4000.0].map(|k: f64| (k, a + b * k.powf(-c)));
            let found = PowerLaw::fit(&points, &[1.0, 2.0, 1.0, 3.0, 1.0]).unwrap();
            // The residual is flat to rounding within about √eps of the minimum.
            assert!((found.exponent - c).abs() <= 1e-5 && (found.floor - a).abs() <= 1e-5, "{found:?}");
            assert!((found.at(1e4) - (a + b * 1e4_f64.powf(-c))).abs() <= 1e-5);
        }
        assert_eq!(PowerLaw::fit(&[(1.0, 2.0), (1.0, 3.0), (2.0, 1.0)], &[1.0; 3]), None);
    }

    #[test]
    fn rising_losses_have_no_power_law() {
        let found = PowerLaw::fit(&[(10.0, 1.0), (20.0, 2.0), (40.0, 3.0)], &[1.0; 3]).unwrap();
        assert!(found.scale.abs() <= 0.0 && (found.floor - 2.0).abs() <= 1e-15, "{found:?}");
        assert_eq!(found.flattens(0.05), Flattening::Everywhere);
    }

    #[test]
    fn where_it_flattens_a_doubling_gains_the_fraction() {
        let law = PowerLaw { floor: 0.3, scale: 40.0, exponent: 0.7, residual: 0.0 };
        let Flattening::At(k) = law.flattens(0.05) else { panic!() };
        assert!((1.0 - law.at(2.0 * k) / law.at(k) - 0.05).abs() <= 1e-12);
        assert_eq!(PowerLaw { floor: 0.0, ..law }.flattens(0.05), Flattening::Never);
        assert_eq!(PowerLaw { exponent: 0.05, ..law }.flattens(0.05), Flattening::Everywhere);
    }
}
