//! Eigenvalues of a matrix that is known by its products with vectors, and bases of subspaces.

pub mod angles;
mod krylov;
pub mod lanczos;
mod missing;
pub mod operator;
pub mod power;
pub mod prefixes;
pub mod ritz;
pub mod slq;
pub mod subspace;
pub mod trace;
