//! Where a theory lies beside the Monte-Carlo curve. Nothing is called a bound that was not seen to be one.

use records::bound::Comparison;

/// Compares `theory` with `measured` ± `error`, (q,) each; `None` where nothing measured is above 0.
pub fn compare(theory: &[f64], measured: &[f64], error: &[f64]) -> Option<Comparison> {
    let triples =
        theory.iter().zip(measured).zip(error).map(|((t, m), e)| (*t, *m, *e)).filter(|t| t.1 > 0.0);
    let triples = triples.collect::<Vec<_>>();
    let n = triples.len() as f64;
    let fraction =
        |holds: fn(&(f64, f64, f64)) -> bool| triples.iter().filter(|&t| holds(t)).count() as f64 / n;
    let ratios = triples.iter().map(|(t, m, _)| t / m);
    (!triples.is_empty()).then(|| Comparison {
        n_compared: triples.len(),
        fraction_above: fraction(|(t, m, _)| t >= m),
        smallest_ratio: ratios.clone().fold(f64::INFINITY, f64::min),
        geometric_mean_ratio: (ratios.map(f64::ln).sum::<f64>() / n).exp(),
        within_three_standard_errors: fraction(|(t, m, e)| (t - m).abs() <= 3.0 * e),
    })
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // exact where the arithmetic is
mod tests {
    use super::*;

    #[test]
    fn counts_and_ratios_by_hand() {
        let found = compare(&[2.0, 8.0, 1.0, 5.0], &[1.0, 2.0, 2.0, 0.0], &[0.4, 1.0, 0.1, 1.0]).unwrap();
        assert_eq!(found.n_compared, 3);
        assert_eq!(found.fraction_above, 2.0 / 3.0);
        assert_eq!(found.smallest_ratio, 0.5);
        // (2 · 4 · ½)^(1/3)
        assert!((found.geometric_mean_ratio - 4.0_f64.cbrt()).abs() <= 4.0 * f64::EPSILON);
        assert_eq!(found.within_three_standard_errors, 1.0 / 3.0);
        assert_eq!(compare(&[1.0], &[0.0], &[0.0]), None);
    }
}
