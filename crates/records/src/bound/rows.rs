//! What the kernels return, as the documents have it: V with its interval, and rows of K.

use landscape::change::interval::Estimate;
use landscape::change::sufficient::{SufficientSize, order_average_interval};

use super::documents::{Status, SufficientRow, Uncertain};

/// A tolerance for Δ_k.
#[derive(Clone, Copy, Debug)]
pub struct Tolerance {
    /// squared unit of the loss
    pub value: f64,
    /// of √Δ as a fraction of the mean perturbed loss, if it was given so
    pub relative: Option<f64>,
}

impl Tolerance {
    /// Those in loss², then those that are fractions of `mean_loss`, the mean perturbed loss.
    pub fn all<'a>(
        absolute: &'a [f64],
        relative: &'a [f64],
        mean_loss: f64,
    ) -> impl Iterator<Item = Self> + 'a {
        let absolute = absolute.iter().map(|&value| Self { value, relative: None });
        let of_loss = move |&r: &f64| Self { value: (r * mean_loss).powi(2), relative: Some(r) };
        absolute.chain(relative.iter().map(of_loss))
    }
}

impl Uncertain {
    /// V with its interval of this coverage.
    pub fn of(v: &Estimate, confidence: f64) -> Self {
        let (low, high) = v.interval(confidence);
        Self {
            variance: v.value,
            variance_standard_error: v.error(),
            draws_standard_error: v.draws_error,
            samples_standard_error: v.samples_error,
            low,
            high,
        }
    }
}

impl SufficientRow {
    /// K without interval.
    pub fn new(setting: &str, method: &str, tolerance: Tolerance, size: SufficientSize) -> Self {
        let (status, k) = match size {
            SufficientSize::Reached(k) => (Status::Reached, Some(k)),
            SufficientSize::Extrapolated(k) => (Status::Extrapolated, Some(k)),
            SufficientSize::NotReached => (Status::NotReached, None),
        };
        Self {
            setting: setting.to_owned(),
            method: method.to_owned(),
            tolerance: tolerance.value,
            relative: tolerance.relative,
            status,
            k,
            low: None,
            high: None,
        }
    }

    /// K of the order average at `tolerance`, with its interval of this coverage. `v`: V, or V/L̄² where the tolerance is relative.
    pub fn of_order_average(
        setting: &str,
        method: &str,
        tolerance: Tolerance,
        v: &Estimate,
        (step, largest): (usize, usize),
        confidence: f64,
    ) -> Self {
        let at = tolerance.relative.map_or(tolerance.value, |r| r * r);
        let (size, [low, high]) = order_average_interval(v, step, at, largest, confidence);
        let row = Self::new(setting, method, tolerance, size);
        if row.k.is_none() { row } else { Self { low, high, ..row } }
    }

    /// `K(1e-4)`, or `K(1e-3 of the loss)`: the tolerance as it was given, as K at a rounded one is another.
    pub fn name(&self) -> String {
        match self.relative {
            None => format!("K({:e})", self.tolerance),
            Some(relative) => format!("K({relative:e} of the loss)"),
        }
    }

    /// What to say of an interval over so few samples: their skewness and spread are hardly known.
    pub fn few_samples(n: usize) -> Option<String> {
        match n {
            0..=2 => Some(format!(
                "the error of V over {n} samples is unknown: its intervals, and those of K, have the error of the draws alone"
            )),
            3..30 => Some(format!(
                "with {n} samples the intervals of V and K are narrower than they should be; 30 or more are needed"
            )),
            _ => None,
        }
    }

    /// Why K of the order average is no number, and what to do; `None` where it is one. `v` as for [`Self::of_order_average`].
    pub fn uncounted(&self, v: &Estimate) -> Option<String> {
        let (setting, name, v) = (&self.setting, self.name(), v.value);
        let why = match self.relative {
            None => format!(
                "{name} is 2^52 samples or more, as V is {v:.1e}: raise the tolerance, lower sigma, or standardise targets of large \
                 numbers: (y - y.mean()) / y.std()"
            ),
            // 0/0 or V/0: nothing is known of K.
            Some(_) if self.tolerance == 0.0 => format!(
                "{name} has no meaning, as the mean perturbed loss is 0: give `tolerances` in its squared unit in place of \
                 `relative_tolerances`"
            ),
            Some(_) => format!(
                "{name} is 2^52 samples or more, as V is {v:.1e} times the square of the mean perturbed loss: where that \
                 loss is near 0, give `tolerances` in its squared unit in place of `relative_tolerances`; else raise the tolerance"
            ),
        };
        self.k.is_none().then(|| format!("{setting}: {why}"))
    }
}

#[cfg(test)]
mod tests {
    use landscape::change::interval::of_theory;

    use super::*;

    /// The reason for a row without number, of losses with this V and mean.
    fn why(v: f64, mean_loss: f64, relative: f64) -> Option<String> {
        let tolerance = Tolerance::all(&[], &[relative], mean_loss).next().unwrap();
        let ratio = of_theory(v / (mean_loss * mean_loss), &[1.0, 2.0]);
        let row = SufficientRow::of_order_average("s", "order-average", tolerance, &ratio, (1, 79), 0.95);
        row.uncounted(&ratio)
    }

    #[test]
    fn few_samples_are_said() {
        let said = |n| SufficientRow::few_samples(n);
        assert!(said(2).unwrap().contains("the error of V over 2 samples is unknown"));
        assert!(said(3).unwrap().contains("narrower") && said(29).unwrap().contains("with 29 samples"));
        assert_eq!(said(30), None);
    }

    /// 0/0 was taken for 2^52 samples or more.
    #[test]
    fn a_tolerance_relative_to_a_loss_of_0_has_no_meaning() {
        for v in [0.0, 1.0] {
            let said = why(v, 0.0, 1e-3).unwrap();
            assert!(said.contains("has no meaning, as the mean perturbed loss is 0"), "{said}");
        }
        assert!(why(1.0, 1e-14, 1e-3).unwrap().contains("2^52 samples or more"));
        assert_eq!(why(1.0, 1.0, 1e-3), None);
    }
}
