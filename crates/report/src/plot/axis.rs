//! Axes: places, ranges and round ticks.

use std::ops::Range;

use crate::text::numbers::short;

/// A place on an axis: the value, or its decimal logarithm.
pub fn place(value: f64, log: bool) -> f64 {
    if log { value.log10() } else { value }
}

/// From the smallest to the largest value, with a margin.
pub fn range(values: impl Iterator<Item = f64> + Clone) -> Range<f64> {
    let low = values.clone().fold(f64::INFINITY, f64::min);
    let high = values.fold(f64::NEG_INFINITY, f64::max);
    if !low.is_finite() || !high.is_finite() {
        return 0.0..1.0;
    }
    let margin = if high > low { 0.05 * (high - low) } else { 0.5 * high.abs().max(1.0) };
    low - margin..high + margin
}

/// Places with round values, at most `most`, and their labels. Of whole numbers only whole values.
pub fn ticks(range: &Range<f64>, log: bool, whole: bool, most: usize) -> Vec<(f64, String)> {
    let places = if log { round_powers(range, most) } else { round_values(range, whole, most) };
    places.into_iter().map(|at| (at, short(if log { 10_f64.powf(at) } else { at }))).collect()
}

/// Multiples of 1, 2 or 5 times a power of ten.
fn round_values(range: &Range<f64>, whole: bool, most: usize) -> Vec<f64> {
    let rough = (range.end - range.start) / most.max(1) as f64;
    let decade = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * decade).into_iter().find(|s| *s >= rough).unwrap_or(rough);
    let step = if whole { step.max(1.0) } else { step };
    let first = (range.start / step).ceil();
    let last = (range.end / step).floor();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a few ticks
    let n = (last - first).max(-1.0) as i64;
    // Adding 0 turns −0 into 0.
    (0..=n).map(|i| (first + i as f64) * step + 0.0).collect()
}

/// Decimal logarithms of round values: 1, 2 and 5 in each decade where the decades are few, else each n-th decade.
fn round_powers(range: &Range<f64>, most: usize) -> Vec<f64> {
    #[allow(clippy::cast_possible_truncation)] // some decades
    let (first, last) = (range.start.floor() as i32, range.end.ceil() as i32);
    let among = |digits: &[f64]| {
        let all = (first..=last).flat_map(|decade| digits.iter().map(move |d| f64::from(decade) + d.log10()));
        all.filter(|place| range.contains(place)).collect::<Vec<_>>()
    };
    let steps: [&[f64]; 3] = [&[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0], &[1.0, 2.0, 5.0], &[1.0]];
    if let Some(fits) = steps.iter().map(|digits| among(digits)).find(|places| places.len() <= most) {
        return fits;
    }
    let decades = among(&[1.0]);
    let every = decades.len().div_ceil(most.max(1)).max(1);
    decades.into_iter().step_by(every).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(range: Range<f64>, log: bool, whole: bool, most: usize) -> Vec<String> {
        ticks(&range, log, whole, most).into_iter().map(|t| t.1).collect()
    }

    #[test]
    fn ticks_of_a_logarithmic_axis_are_round_values() {
        let of = |low: f64, high: f64, most| labels(low.log10()..high.log10(), true, false, most);
        assert_eq!(of(120.0, 2300.0, 7), ["200", "500", "1,000", "2,000"]);
        assert_eq!(of(0.16, 0.52, 8), ["0.2", "0.3", "0.4", "0.5"]);
        assert_eq!(of(0.9, 2e5, 7), ["1", "10", "100", "1,000", "1e4", "1e5"]);
        assert_eq!(of(0.9e-12, 2.0, 7), ["1e-12", "1e-10", "1e-8", "1e-6", "1e-4", "0.01", "1"]);
    }

    #[test]
    fn ticks_of_whole_numbers_are_whole() {
        assert_eq!(labels(1.9..4.1, false, true, 7), ["2", "3", "4"]);
        assert_eq!(labels(1.9..3.1, false, false, 7), ["2", "2.2", "2.4", "2.6", "2.8", "3"]);
        assert_eq!(labels(-0.11..0.12, false, false, 7), ["−0.1", "−0.05", "0", "0.05", "0.1"]);
        assert_eq!(labels(0.0..61.0, false, true, 7), ["0", "10", "20", "30", "40", "50", "60"]);
    }
}
