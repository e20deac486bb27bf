//! Weights in a checkpoint.

use landscape::Real;
use ndarray::Array1;

/// f64 has every f32.
pub fn wide<R: Real>(values: &Array1<R>) -> Vec<f64> {
    values.iter().map(|&v| R::wide(v)).collect()
}

/// What [`wide`] made wide.
pub fn narrow<R: Real>(values: &[f64]) -> Array1<R> {
    values.iter().map(|&v| R::narrow(v)).collect()
}
