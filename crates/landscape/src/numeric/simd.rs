//! Loops compiled for the widest vector unit that the processor has, chosen at run time.

/// Runs `pass` compiled for AVX-512, AVX2 with FMA, NEON or the baseline, whichever is there.
///
/// Write it as `vectorised(#[inline(always)] || …)`, with plain `for` loops, and mark the functions that it calls
/// `#[inline(always)]` too: what is not inlined is compiled for the baseline, where `mul_add` is a slow call.
#[inline]
pub fn vectorised<T>(pass: impl FnOnce() -> T) -> T {
    pulp::Arch::new().dispatch(pass)
}
