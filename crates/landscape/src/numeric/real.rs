//! The floating-point type of the large products, chosen at run time (`precision: f32` or `f64`).

use bytemuck::Pod;
use ndarray::NdFloat;

use crate::numeric::simd::Vectors;

/// `f32` or `f64`. Losses, sums over samples and dot products of solvers are `f64` whichever it is.
pub trait Real: NdFloat + Default + std::iter::Sum + Vectors + Pod {
    /// Rounds to this type.
    fn narrow(x: f64) -> Self;
    /// Exact.
    fn wide(self) -> f64;
    /// From a byte of an image, exact.
    fn byte(x: u8) -> Self;
    /// The error function.
    #[must_use]
    fn erf(self) -> Self;
}

impl Real for f32 {
    #[allow(clippy::cast_possible_truncation)] // rounding is what it is for
    fn narrow(x: f64) -> Self {
        x as f32
    }
    fn wide(self) -> f64 {
        f64::from(self)
    }
    fn byte(x: u8) -> Self {
        f32::from(x)
    }
    fn erf(self) -> Self {
        libm::erff(self)
    }
}

impl Real for f64 {
    fn narrow(x: f64) -> Self {
        x
    }
    fn wide(self) -> f64 {
        self
    }
    fn byte(x: u8) -> Self {
        f64::from(x)
    }
    fn erf(self) -> Self {
        libm::erf(self)
    }
}
