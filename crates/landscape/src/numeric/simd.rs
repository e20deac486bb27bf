//! Loops compiled for the widest vector unit that the processor has, chosen at run time.

// What is not inlined would not be compiled for the vector unit.
#![allow(clippy::inline_always)]

use std::marker::PhantomData;

use pulp::{Simd, WithSimd};

/// Runs `pass` compiled for AVX-512, AVX2 with FMA, NEON or the baseline, whichever is there.
///
/// Write it as `vectorised(#[inline(always)] || …)`, with plain `for` loops, and mark the functions that it calls
/// `#[inline(always)]` too: what is not inlined is compiled for the baseline, where `mul_add` is a slow call.
#[inline]
pub fn vectorised<T>(pass: impl FnOnce() -> T) -> T {
    pulp::Arch::new().dispatch(pass)
}

/// Numbers of type `R` in a vector of the processor, and its vector registers.
pub fn unit<R: Vectors>() -> (usize, usize) {
    struct Unit<R>(PhantomData<R>);
    impl<R: Vectors> WithSimd for Unit<R> {
        type Output = (usize, usize);
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> (usize, usize) {
            (R::lanes::<S>(), S::REGISTER_COUNT)
        }
    }
    pulp::Arch::new().dispatch(Unit::<R>(PhantomData))
}

/// Vectors of a floating-point type on the vector unit `S`: what a kernel needs that keeps sums in registers.
pub trait Vectors: Sized + Copy {
    /// as wide as a register
    type Vector<S: Simd>: Copy;
    /// Numbers in a vector.
    fn lanes<S: Simd>() -> usize;
    /// `x` in every lane.
    fn splat<S: Simd>(simd: S, x: Self) -> Self::Vector<S>;
    /// `a b + c`, fused where the unit can.
    fn multiply_add<S: Simd>(
        simd: S,
        a: Self::Vector<S>,
        b: Self::Vector<S>,
        c: Self::Vector<S>,
    ) -> Self::Vector<S>;
    /// A slice as whole vectors, and what is left.
    fn vectors<S: Simd>(slice: &[Self]) -> (&[Self::Vector<S>], &[Self]);
    /// The same to write to.
    fn vectors_mut<S: Simd>(slice: &mut [Self]) -> (&mut [Self::Vector<S>], &mut [Self]);
}

macro_rules! vectors {
    ($real:ty, $vector:ident, $lanes:ident, $splat:ident, $mul_add:ident, $of:ident, $of_mut:ident) => {
        impl Vectors for $real {
            type Vector<S: Simd> = S::$vector;
            #[inline(always)]
            fn lanes<S: Simd>() -> usize {
                S::$lanes
            }
            #[inline(always)]
            fn splat<S: Simd>(simd: S, x: Self) -> S::$vector {
                simd.$splat(x)
            }
            #[inline(always)]
            fn multiply_add<S: Simd>(simd: S, a: S::$vector, b: S::$vector, c: S::$vector) -> S::$vector {
                simd.$mul_add(a, b, c)
            }
            #[inline(always)]
            fn vectors<S: Simd>(slice: &[Self]) -> (&[S::$vector], &[Self]) {
                S::$of(slice)
            }
            #[inline(always)]
            fn vectors_mut<S: Simd>(slice: &mut [Self]) -> (&mut [S::$vector], &mut [Self]) {
                S::$of_mut(slice)
            }
        }
    };
}

vectors!(f32, f32s, F32_LANES, splat_f32s, mul_add_e_f32s, as_simd_f32s, as_mut_simd_f32s);
vectors!(f64, f64s, F64_LANES, splat_f64s, mul_add_e_f64s, as_simd_f64s, as_mut_simd_f64s);
