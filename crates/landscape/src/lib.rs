//! The mathematics of plateau: arrays in, arrays out. No files, clock, command line, logging or global random numbers.
//!
//! | to find | look in |
//! |---|---|
//! | the network and its flat parameters | [`network`], [`activation`], [`loss`] |
//! | samples, normalised block by block | [`samples`] |
//! | gradient, Hessian and Gauss-Newton products | [`primal`], [`gradient`], [`hvp`] |
//! | per-sample loss, slope and curvature in a subspace | [`curvature`] |
//! | training | [`optimizer`], [`training`] |
//! | Ritz pairs | [`operator`], [`lanczos`], [`power`], [`prefix_spectrum`] |
//! | bases | [`subspace`] |
//! | losses at `w* + Pθ` for many θ at once | [`draws`] |
//! | `L_k`, its increments, Δ_k and its theory | [`prefix`], [`delta`], [`theory`], [`decay`] |
//! | how θ is drawn, and the control variate | [`sampling`], [`control`] |
//! | the sufficient sample size K, and how sure it is | [`sufficient`], [`interval`] |
//! | from where training stopped to a minimiser | [`polish`] |
//! | the whole spectrum, its trace, its outliers; angles between subspaces | [`slq`], [`trace`], [`angles`] |
//! | learning curves; samples that training has not seen | [`learning_curve`], [`fresh`] |
//! | fixed blocks and the fixed reduction tree | [`parallel`], [`blas`], `scratch`, `simd` |
//!
//! A new loss function goes into [`loss`]: its value, its gradient and its Hessian in the outputs of the network.
//!
//! Dimensions, as in every signature: N samples, D features, C outputs, p parameters, d directions, T draws, B rows of a block.

pub mod activation;
pub mod angles;
pub mod blas;
pub mod control;
pub mod curvature;
pub mod decay;
pub mod delta;
pub mod draws;
pub mod fresh;
pub mod gradient;
pub mod hvp;
pub mod interval;
pub mod lanczos;
pub mod learning_curve;
pub mod loss;
pub mod network;
pub mod operator;
pub mod optimizer;
pub mod parallel;
pub mod polish;
pub mod power;
pub mod prefix;
pub mod prefix_spectrum;
pub mod primal;
pub mod real;
pub mod samples;
pub mod sampling;
mod scratch;
mod simd;
pub mod slq;
pub mod subspace;
pub mod sufficient;
pub mod theory;
pub mod trace;
pub mod training;
pub mod vectors;

pub use activation::Activation;
pub use loss::Loss;
pub use network::Mlp;
pub use real::Real;
pub use samples::{Inputs, Samples, Targets};
