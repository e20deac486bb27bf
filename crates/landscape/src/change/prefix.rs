//! The running mean over prefixes and its increments, by telescoping.

use ndarray::Array1;

/// Means over prefixes of whole steps, `L_k` for k = s, 2s, …, and their increments `D_k = L_{k+s} − L_k`.
///
/// `D_k = (b − L_k) · s / (k + s)` with b the mean of the next s values: subtracting two running means would lose
/// log10(k) digits. For s = 1 this is `(ℓ_{k+1} − L_k) / (k + 1)`. Values after the last whole step are not used.
#[derive(Clone, Debug)]
pub struct PrefixMean {
    step: usize,
    k: usize,
    mean: f64,
    sum: f64,
    pending: usize,
}

/// What one more step did to the mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Increment {
    /// prefix size before the step, samples
    pub k: usize,
    /// `L_k`
    pub mean: f64,
    /// `L_{k+s} − L_k`
    pub change: f64,
}

impl PrefixMean {
    /// The mean of nothing yet, in steps of `step` samples.
    pub fn new(step: usize) -> Self {
        Self { step, k: 0, mean: 0.0, sum: 0.0, pending: 0 }
    }

    /// The mean after `n` values, from what [`Self::state`] was then.
    pub(crate) fn at(step: usize, n: usize, [mean, sum]: [f64; 2]) -> Self {
        Self { step, k: n - n % step, mean, sum, pending: n % step }
    }

    /// All that follows from the values, but not from their number.
    pub(crate) fn state(&self) -> [f64; 2] {
        [self.mean, self.sum]
    }

    /// One more value; an increment where it completes a step after the first.
    pub fn push(&mut self, value: f64) -> Option<Increment> {
        self.sum += value;
        self.pending += 1;
        if self.pending < self.step {
            return None;
        }
        let step = self.step as f64;
        let next = (self.k + self.step) as f64;
        let change = (self.sum / step - self.mean) * (step / next);
        let increment = Increment { k: self.k, mean: self.mean, change };
        self.mean += change;
        self.k += self.step;
        self.sum = 0.0;
        self.pending = 0;
        (increment.k > 0).then_some(increment)
    }
}

/// The prefix sizes that have an increment: k = s, 2s, … with k + s ≤ n.
pub fn prefix_sizes(n_samples: usize, step: usize) -> Vec<usize> {
    (1..n_samples / step).map(|i| i * step).collect()
}

/// `count` multiples of `step` in geometric steps from `step` to `largest`; fewer where they meet.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // between step and largest
pub fn geometric_sizes(step: usize, largest: usize, count: usize) -> Vec<usize> {
    let steps = (largest / step) as f64;
    let place = |i: usize| steps.powf(i as f64 / (count.max(2) - 1) as f64).round() as usize * step;
    let mut sizes = (0..count).map(place).collect::<Vec<_>>();
    sizes.dedup();
    sizes
}

/// `1/k − 1/(k+s)`, the factor of the order average (`docs/method.md`, 1.2), as `s / (k (k+s))`.
pub fn order_factor(k: usize, step: usize) -> f64 {
    let (k, s) = (k as f64, step as f64);
    s / (k * (k + s))
}

/// The order average `V (1/k − 1/(k+s))` at each prefix size.
pub fn order_average(v: f64, sizes: &[usize], step: usize) -> Array1<f64> {
    sizes.iter().map(|&k| v * order_factor(k, step)).collect()
}

/// Mean and variance (n − 1) of values that come one by one (Welford 1962).
#[derive(Clone, Debug, Default)]
pub struct Moments {
    n: usize,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// The moments of `n` values, from what [`Self::state`] was then.
    pub(crate) fn at(n: usize, [mean, squares]: [f64; 2]) -> Self {
        Self { n, mean, squares }
    }

    /// All that follows from the values, but not from their number.
    pub(crate) fn state(&self) -> [f64; 2] {
        [self.mean, self.squares]
    }

    /// One more value. Returns what it adds to the sum of squared deviations: `(n−1)/n` times the squared distance of
    /// the n-th value from the mean of those before it.
    pub fn push(&mut self, value: f64) -> f64 {
        self.n += 1;
        let change = value - self.mean;
        self.mean += change / self.n as f64;
        let added = change * (value - self.mean);
        self.squares += added;
        added
    }

    /// Mean of the values.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// Sum of squared deviations over n − 1.
    pub fn variance(&self) -> f64 {
        self.squares / (self.n as f64 - 1.0)
    }

    /// Standard error of the mean of independent values: the root of the variance over n.
    pub fn standard_error(&self) -> f64 {
        (self.variance() / self.n as f64).sqrt()
    }
}

impl FromIterator<f64> for Moments {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut moments = Self::default();
        for value in values {
            moments.push(value);
        }
        moments
    }
}

/// Every order of `0..n`, against which averages over orders are tested.
#[cfg(test)]
pub(crate) fn orders(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![vec![]];
    }
    let shorter = orders(n - 1);
    let insert = |order: &Vec<usize>, at: usize| [&order[..at], &[n - 1], &order[at..]].concat();
    shorter.iter().flat_map(|order| (0..n).map(move |at| insert(order, at))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(n: usize) -> Vec<f64> {
        (0..n).map(|i| ((i * i) as f64 * 0.37).sin() + 2.0).collect()
    }

    #[test]
    fn means_and_moments_go_on_from_their_state() {
        let values = values(40);
        for (step, n) in [(1, 7), (3, 0), (3, 2), (3, 9), (4, 11)] {
            let (mut mean, mut moments) = (PrefixMean::new(step), Moments::default());
            for &value in &values[..n] {
                mean.push(value);
                moments.push(value);
            }
            let (mut next, mut more) =
                (PrefixMean::at(step, n, mean.state()), Moments::at(n, moments.state()));
            for &value in &values[n..] {
                assert_eq!((mean.push(value), moments.push(value)), (next.push(value), more.push(value)));
            }
        }
    }

    #[test]
    fn increments_are_differences_of_means_for_any_step() {
        for (n, step) in [(23, 1), (23, 2), (23, 5), (24, 8)] {
            let values = values(n);
            let mean = |k: usize| values[..k].iter().sum::<f64>() / k as f64;
            let mut running = PrefixMean::new(step);
            let found = values.iter().filter_map(|&v| running.push(v)).collect::<Vec<_>>();
            assert_eq!(found.iter().map(|i| i.k).collect::<Vec<_>>(), prefix_sizes(n, step));
            for i in found {
                // At small k the subtraction loses one or two digits, no more.
                assert!((i.mean - mean(i.k)).abs() <= 1e-14 * mean(i.k));
                assert!((i.change - (mean(i.k + step) - mean(i.k))).abs() <= 1e-14 * mean(i.k), "{i:?}");
            }
        }
    }

    #[test]
    fn telescoping_keeps_the_digits_that_subtraction_loses() {
        // ℓ = 1 for 10⁶ samples, then 1 + 1e-9: D = 1e-9 / (10⁶ + 1), far below eps of the mean.
        let mut running = PrefixMean::new(1);
        let last = (0..=1_000_000).map(|i| if i < 1_000_000 { 1.0 } else { 1.0 + 1e-9 });
        let change = last.filter_map(|v| running.push(v)).last().unwrap().change;
        // 1 + 1e-9 itself is rounded to eps, a relative 2e-7 of the difference.
        assert!((change / (1e-9 / 1_000_001.0) - 1.0).abs() <= 3e-7, "{change}");
    }

    #[test]
    fn moments_are_those_of_two_passes() {
        let values = values(100);
        let moments = values.iter().copied().collect::<Moments>();
        let mean = values.iter().sum::<f64>() / 100.0;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 99.0;
        assert!((moments.mean() - mean).abs() <= 100.0 * f64::EPSILON * mean);
        assert!((moments.variance() - variance).abs() <= 100.0 * f64::EPSILON * variance);
    }

    fn squares(values: &[f64], order: &[usize], step: usize) -> Vec<f64> {
        let mut running = PrefixMean::new(step);
        order.iter().filter_map(|&i| running.push(values[i])).map(|i| i.change * i.change).collect()
    }

    #[test]
    fn the_order_average_is_the_mean_over_all_720_orders_of_six_samples() {
        let values = [0.3, -1.2, 2.5, 0.9, 7.0, -0.4];
        for step in [1, 2, 3] {
            let sizes = prefix_sizes(6, step);
            let all = orders(6);
            assert_eq!(all.len(), 720);
            let mut mean = vec![0.0; sizes.len()];
            for order in &all {
                squares(&values, order, step).iter().zip(&mut mean).for_each(|(d, m)| *m += d / 720.0);
            }
            let v = values.into_iter().collect::<Moments>().variance();
            let closed = order_average(v, &sizes, step);
            for (found, closed) in mean.iter().zip(&closed) {
                // 720 additions of one sign.
                assert!(
                    (found / closed - 1.0).abs() <= 720.0 * f64::EPSILON,
                    "step {step}: {found} {closed}"
                );
            }
        }
    }

    #[test]
    fn geometric_sizes_run_from_the_step_to_the_largest() {
        assert_eq!(geometric_sizes(1, 1000, 4), [1, 10, 100, 1000]);
        assert_eq!(geometric_sizes(64, 6400, 3), [64, 640, 6400]);
        assert_eq!(geometric_sizes(1, 3, 9), [1, 2, 3]);
        assert!(geometric_sizes(1, 1000, 0).is_empty());
    }
}
