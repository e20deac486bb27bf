//! Axes: places, ranges and round ticks.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::coord::types::RangedCoordf64;

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

/// An axis of values, or of decimal logarithms whose ticks are round values.
pub struct Scale {
    pub range: Range<f64>,
    pub log: bool,
}

impl Ranged for Scale {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        RangedCoordf64::from(self.range.clone()).map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if self.log {
            round_powers(&self.range, hint.max_num_points())
        } else {
            RangedCoordf64::from(self.range.clone()).key_points(hint)
        }
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

impl ValueFormatter<f64> for Scale {
    fn format_ext(&self, place: &f64) -> String {
        tick_label(*place, self.log)
    }
}

/// A value at its place on an axis: powers of ten as `1e-4`, others with two digits.
fn tick_label(place: f64, log: bool) -> String {
    short(if log { 10_f64.powf(place) } else { place })
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

    #[test]
    fn ticks_of_a_logarithmic_axis_are_round_values() {
        let labels = |low: f64, high: f64, most| {
            let places = round_powers(&(low.log10()..high.log10()), most);
            places.iter().map(|p| tick_label(*p, true)).collect::<Vec<_>>()
        };
        assert_eq!(labels(120.0, 2300.0, 7), ["200", "500", "1,000", "2,000"]);
        assert_eq!(labels(0.16, 0.52, 8), ["0.2", "0.3", "0.4", "0.5"]);
        assert_eq!(labels(0.9, 2e5, 7), ["1", "10", "100", "1,000", "1e4", "1e5"]);
        assert_eq!(labels(0.9e-12, 2.0, 7), ["1e-12", "1e-10", "1e-8", "1e-6", "1e-4", "0.01", "1"]);
    }
}
