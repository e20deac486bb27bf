//! The sufficient sample size K.

use crate::change::interval::Estimate;

/// K, or why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SufficientSize {
    /// the smallest measured k from which every measured Δ is below the tolerance
    Reached(usize),
    /// K by the closed form, beyond what was measured
    Extrapolated(usize),
    /// the last measured Δ is not below the tolerance; by the closed form, K is beyond what can be counted
    NotReached,
}

/// K of a measured curve (Definition 4): the last exceedance decides, not the first crossing.
///
/// `sizes` ascending with the curve at each; a value that is not below the tolerance (NaN too) exceeds it.
pub fn of_curve(sizes: &[usize], curve: &[f64], tolerance: f64) -> SufficientSize {
    let below = curve.iter().rev().take_while(|&&delta| delta < tolerance).count();
    match below {
        0 => SufficientSize::NotReached,
        _ => SufficientSize::Reached(sizes[sizes.len() - below]),
    }
}

/// K of the order average `V (1/k − 1/(k+s))`: the smallest multiple of s where it is below the tolerance.
///
/// `k (k+s) > V s / tolerance`, so `k > (√(s² + 4 V s / tolerance) − s) / 2`; K is then stepped to the exact place.
/// Beyond `largest_measured` it is [`SufficientSize::Extrapolated`].
pub fn of_order_average(v: f64, step: usize, tolerance: f64, largest_measured: usize) -> SufficientSize {
    match order_average_size(v, step, tolerance) {
        None => SufficientSize::NotReached,
        Some(k) if k <= largest_measured => SufficientSize::Reached(k),
        Some(k) => SufficientSize::Extrapolated(k),
    }
}

/// K of the order average with the ends of its interval of this coverage: K grows with V, so they are those of the interval of V.
pub fn order_average_interval(
    v: &Estimate,
    step: usize,
    tolerance: f64,
    largest_measured: usize,
    confidence: f64,
) -> (SufficientSize, [Option<usize>; 2]) {
    let (low, high) = v.interval(confidence);
    let size = of_order_average(v.value, step, tolerance, largest_measured);
    (size, [low, high].map(|v| order_average_size(v, step, tolerance)))
}

/// Sizes from here on are not told apart by f64, in which K is computed.
const UNCOUNTABLE: f64 = 4_503_599_627_370_496.0; // 2^52

/// The same without the question of what was measured: for the ends of an interval of V. `None` where K is 2^52 or more, or V no
/// finite number: no data set has that many samples, and f64 cannot tell neighbouring sizes apart.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // rounded down, not negative, below 2^52
pub fn order_average_size(v: f64, step: usize, tolerance: f64) -> Option<usize> {
    let s = step as f64;
    let root = ((s * s + 4.0 * v * s / tolerance).sqrt() - s) / 2.0;
    if root.is_nan() || root >= UNCOUNTABLE {
        return None;
    }
    let mut k = ((root / s) as usize).max(1) * step;
    let below = |k: usize| v * crate::change::prefix::order_factor(k, step) < tolerance;
    while k > step && below(k - step) {
        k -= step;
    }
    while !below(k) {
        k += step;
    }
    Some(k)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::prefix::order_factor;

    #[test]
    fn the_last_exceedance_decides() {
        let sizes = [10, 20, 30, 40];
        assert_eq!(of_curve(&sizes, &[5.0, 1.0, 3.0, 1.0], 2.0), SufficientSize::Reached(40));
        assert_eq!(of_curve(&sizes, &[1.0, 1.0, 1.0, 1.0], 2.0), SufficientSize::Reached(10));
        assert_eq!(of_curve(&sizes, &[1.0, 1.0, 1.0, 2.0], 2.0), SufficientSize::NotReached);
        assert_eq!(of_curve(&sizes, &[1.0, f64::NAN, 1.0, 1.0], 2.0), SufficientSize::Reached(30));
    }

    #[test]
    fn the_closed_form_is_the_first_multiple_below() {
        for (v, step, tolerance) in
            [(3.7, 1, 1e-4), (2.0, 64, 1e-6), (1.0, 1, 0.5), (1e-9, 7, 1.0), (6.0, 1, 1.0)]
        {
            let k = order_average_size(v, step, tolerance).unwrap();
            let below = |k| v * order_factor(k, step) < tolerance;
            assert!(
                k.is_multiple_of(step) && below(k) && (k == step || !below(k - step)),
                "K = {k} for {v} {step} {tolerance}"
            );
        }
        // Ends, and says so, where K = √(V/tolerance) is beyond counting; just below it K is still found.
        for (v, tolerance) in [(1.0, 1e-40), (1e300, 1e-4), (f64::MAX, f64::MIN_POSITIVE), (f64::NAN, 1.0)] {
            assert_eq!(order_average_size(v, 1, tolerance), None, "{v} {tolerance}");
            assert_eq!(of_order_average(v, 1, tolerance, 100), SufficientSize::NotReached, "{v} {tolerance}");
        }
        // √(1 / 1e-30) = 1e15; k(k+1) > 1e30 holds from 1e15 on, rounding of the root may move it by a few.
        assert!(order_average_size(1.0, 1, 1e-30).unwrap().abs_diff(1_000_000_000_000_000) <= 4);
        // V/(k(k+1)) with V = 6 equals 1 at k = 2: strictly below only from 3 on.
        assert_eq!(of_order_average(6.0, 1, 1.0, 100), SufficientSize::Reached(3));
        assert_eq!(of_order_average(6.0, 1, 1.0, 2), SufficientSize::Extrapolated(3));
    }
}
