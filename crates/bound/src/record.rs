//! What the kernels return, as the documents of this stage have it.

use landscape::change::interval::Estimate;
use landscape::change::sufficient::SufficientSize;
use records::bound::{Status, SufficientRow, Uncertain};

/// A tolerance for Δ_k.
#[derive(Clone, Copy)]
pub struct Tolerance {
    /// squared unit of the loss
    pub value: f64,
    /// of √Δ as a fraction of the mean perturbed loss, if it was given so
    pub relative: Option<f64>,
}

/// V with its interval of this coverage.
pub fn uncertain(v: &Estimate, confidence: f64) -> Uncertain {
    let (low, high) = v.interval(confidence);
    Uncertain {
        variance: v.value,
        variance_standard_error: v.error(),
        draws_standard_error: v.draws_error,
        samples_standard_error: v.samples_error,
        low,
        high,
    }
}

/// K without interval.
pub fn row(setting: &str, method: &str, tolerance: Tolerance, size: SufficientSize) -> SufficientRow {
    let (status, k) = match size {
        SufficientSize::Reached(k) => (Status::Reached, Some(k)),
        SufficientSize::Extrapolated(k) => (Status::Extrapolated, Some(k)),
        SufficientSize::NotReached => (Status::NotReached, None),
    };
    SufficientRow {
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

/// K by a closed form, with its interval.
pub fn row_with_interval(
    setting: &str,
    method: &str,
    tolerance: Tolerance,
    (size, (low, high)): (SufficientSize, (usize, usize)),
) -> SufficientRow {
    SufficientRow { low: Some(low), high: Some(high), ..row(setting, method, tolerance, size) }
}
