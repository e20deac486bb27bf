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
    /// `e^x` for x ≤ 0, to a unit in the last place and without a branch, for loops over vectors. 0 instead of what is less than
    /// any normal number.
    #[must_use]
    fn exp_of_negative(self) -> Self;
}

/// `e^x = 2^n e^r` with n the integer next to x / log 2, and `e^r` from its series, |r| ≤ (log 2) / 2.
macro_rules! exp_of_negative {
    // Bits after the point, m; 1.5·2^m: its sum with n has n in the last bits; log 2 in two parts, of which n times the first is
    // exact; the smallest x; terms of the series.
    ($real:ident, $bits:literal, $shift:literal, $log2:expr, $smallest:literal, $terms:literal) => {
        #[inline(always)]
        #[allow(clippy::inline_always)] // or it would not be compiled for the vector unit
        fn exp_of_negative(self) -> Self {
            const COEFFICIENTS: [$real; $terms] = {
                let (mut inverse_factorials, mut k) = ([1.0; $terms], 1);
                while k < $terms {
                    inverse_factorials[k] = inverse_factorials[k - 1] / k as $real;
                    k += 1;
                }
                inverse_factorials
            };
            let shifted = self.mul_add(std::$real::consts::LOG2_E, $shift);
            let n = shifted - $shift;
            let r = n.mul_add(-$log2.1, n.mul_add(-$log2.0, self));
            let series = COEFFICIENTS.iter().rev().fold(0.0, |sum: $real, &c| sum.mul_add(r, c));
            let power = $real::from_bits((shifted.to_bits() << $bits).wrapping_add($real::to_bits(1.0)));
            if self < $smallest { 0.0 } else { series * power }
        }
    };
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
    exp_of_negative!(f32, 23, 12_582_912.0, (355.0 / 512.0, -2.121_944_4e-4), -87.0, 8);
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
    exp_of_negative!(
        f64,
        52,
        6_755_399_441_055_744.0,
        (0.693_145_751_953_125, 1.428_606_820_309_417_2e-6),
        -708.0,
        14
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::simd::vectorised;

    /// The largest error beside e^x, in units of eps e^x, for x from `smallest` to 0.
    fn error<R: Real>(smallest: f64) -> f64 {
        let x = (0..=1_000_000).map(|i| R::narrow(smallest * f64::from(i) / 1e6)).collect::<Vec<_>>();
        let mut found = x.clone();
        vectorised(
            #[inline(always)]
            || found.iter_mut().for_each(|x| *x = x.exp_of_negative()),
        );
        let errors = x.iter().zip(&found).map(|(x, found)| (found.wide() / x.wide().exp() - 1.0).abs());
        errors.fold(0.0, f64::max) / R::epsilon().wide()
    }

    #[test]
    fn exponentials_have_an_error_of_a_unit_in_the_last_place() {
        for smallest in [-87.0, -1.0, -1e-3] {
            assert!(error::<f32>(smallest) <= 1.0, "{}", error::<f32>(smallest));
        }
        for smallest in [-708.0, -1.0, -1e-3] {
            assert!(error::<f64>(smallest) <= 1.5, "{}", error::<f64>(smallest)); // that of e^x itself included
        }
    }

    #[test]
    fn exponentials_at_the_ends_and_of_what_is_undefined() {
        fn check<R: Real>() {
            assert_eq!(R::zero().exp_of_negative(), R::one());
            for x in [-1e3, -1e30, f64::NEG_INFINITY] {
                assert_eq!(R::narrow(x).exp_of_negative(), R::zero());
            }
            assert!(R::nan().exp_of_negative().is_nan());
        }
        check::<f32>();
        check::<f64>();
    }
}
