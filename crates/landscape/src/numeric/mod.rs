//! What every pass computes with: types, samples, long vectors, sums in a fixed order, normal rows, BLAS.

pub mod blas;
pub mod correlation;
pub mod gaussian;
pub(crate) mod orders;
pub mod parts;
pub mod real;
pub mod samples;
pub(crate) mod scratch;
pub(crate) mod simd;
pub mod sums;
pub mod vectors;
