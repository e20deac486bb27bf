//! How fast a curve decays: the exponent of a power law, with its interval.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// Exponent of `Δ_k ~ k^value`, with its confidence interval.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema))]
pub struct Exponent {
    /// slope of log Δ against log √(k(k + s)), which is log k where k is far above the step s
    pub value: f64,
    /// lower end
    pub low: f64,
    /// upper end
    pub high: f64,
    /// bins that the line was fitted to
    pub n_bins: usize,
}

/// Widest ratio of the prefix sizes in one bin.
const BIN_RATIO: f64 = 1.25;
/// Fewest prefix sizes in a bin: the logarithm of a mean of few heavy-tailed values is biased.
const BIN_COUNT: usize = 10;

/// Mean of the curve, times κ², over neighbouring prefix sizes.
struct Bin {
    log_k: f64,
    log_mean: f64,
    weight: f64,
}

/// Fits a line to log(Δ_k κ²) against log κ with κ² = k(k + s), by least squares over bins; the exponent is its slope − 2. The law
/// of the average over orders, `Δ_k = V s / κ²`, has the exponent −2 at every k; against k it would be less steep at small k.
///
/// The curve of one order is a heavy-tailed draw around its average at every k, so Δ_k κ² is averaged over bins of k that
/// grow geometrically before the logarithm is taken; the factor κ² makes the terms of a bin alike if the exponent is near −2.
/// Bins weigh as many prefix sizes as they hold; the interval is Student's t on the scatter of the bins.
/// `None` with fewer than three bins or a mean that is not positive.
pub fn exponent(sizes: &[usize], curve: &[f64], step: usize, confidence: f64) -> Option<Exponent> {
    let bins = bins(sizes, curve, step);
    if bins.len() < 3 || bins.iter().any(|b| !b.log_mean.is_finite()) {
        return None;
    }
    let weight: f64 = bins.iter().map(|b| b.weight).sum();
    let mean = |f: fn(&Bin) -> f64| bins.iter().map(|b| b.weight * f(b)).sum::<f64>() / weight;
    let (mx, my) = (mean(|b| b.log_k), mean(|b| b.log_mean));
    let sxx: f64 = bins.iter().map(|b| b.weight * (b.log_k - mx).powi(2)).sum();
    let sxy: f64 = bins.iter().map(|b| b.weight * (b.log_k - mx) * (b.log_mean - my)).sum();
    let slope = sxy / sxx;
    let left: f64 = bins.iter().map(|b| b.weight * (b.log_mean - my - slope * (b.log_k - mx)).powi(2)).sum();
    let freedom = bins.len() as f64 - 2.0;
    let error = (left / freedom / sxx).sqrt();
    let half = StudentsT::new(0.0, 1.0, freedom).ok()?.inverse_cdf(f64::midpoint(1.0, confidence)) * error;
    let value = slope - 2.0;
    Some(Exponent { value, low: value - half, high: value + half, n_bins: bins.len() })
}

fn bins(sizes: &[usize], curve: &[f64], step: usize) -> Vec<Bin> {
    let kappa = |k: usize| ((k * (k + step)) as f64).sqrt();
    let mut bins = vec![];
    let mut begin = 0;
    while begin < sizes.len() {
        let limit = sizes[begin] as f64 * BIN_RATIO;
        let by_ratio = sizes[begin..].iter().take_while(|&&k| (k as f64) < limit).count();
        let end = (begin + by_ratio.max(BIN_COUNT)).min(sizes.len());
        let members = sizes[begin..end].iter().map(|&k| kappa(k)).zip(&curve[begin..end]);
        let weight = (end - begin) as f64;
        bins.push(Bin {
            log_k: members.clone().map(|(k, _)| k.ln()).sum::<f64>() / weight,
            log_mean: (members.map(|(k, delta)| delta * k * k).sum::<f64>() / weight).ln(),
            weight,
        });
        begin = end;
    }
    bins
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::prefix::order_factor;

    #[test]
    fn a_power_law_gives_its_exponent() {
        let sizes = (1..=2000).map(|i| 10 * i).collect::<Vec<_>>();
        let curve = sizes.iter().map(|&k| 3.0 * ((k * (k + 10)) as f64).powf(-0.75)).collect::<Vec<_>>();
        let found = exponent(&sizes, &curve, 10, 0.95).unwrap();
        // The mean of k^0.5 over a bin is the same multiple of that at its mean log k in all bins but the first few.
        assert!((found.value + 1.5).abs() < 2e-3, "{found:?}");
        assert!(exponent(&sizes[..20], &curve[..20], 10, 0.95).is_none());
    }

    /// The exact law was fitted as −1.932 from 90 samples, and as −1.904 with steps of 32: against k, not √(k(k + s)).
    #[test]
    fn the_law_of_the_average_over_orders_has_the_exponent_minus_two() {
        for (n, step) in [(90, 1), (1437, 32), (9984, 64)] {
            let sizes = (1..n / step).map(|i| i * step).collect::<Vec<_>>();
            let curve = sizes.iter().map(|&k| 7.0 * order_factor(k, step)).collect::<Vec<_>>();
            let found = exponent(&sizes, &curve, step, 0.95).unwrap();
            assert!((found.value + 2.0).abs() < 1e-12, "{found:?}");
        }
    }

    #[test]
    fn the_interval_covers_minus_two_for_noisy_order_averages() {
        // χ²₁ noise around the order average, as single samples give; 400 curves of 95 % intervals.
        let sizes = (1..=1500).collect::<Vec<_>>();
        let covered = (0..400).filter(|&seed| {
            let noise = crate::numeric::gaussian::gaussian_rows(seed, 1, sizes.len());
            let curve =
                sizes.iter().zip(&noise).map(|(&k, z)| order_factor(k, 1) * z * z).collect::<Vec<_>>();
            let found = exponent(&sizes, &curve, 1, 0.95).unwrap();
            (found.low..=found.high).contains(&-2.0)
        });
        // Binomial(400, 0.95): 380 with standard deviation 4.4; three of them.
        let covered = covered.count();
        assert!((367..=393).contains(&covered), "{covered} of 400");
    }
}
