//! The mathematics of plateau: arrays in, arrays out. No files, clock, command line, logging or global random numbers.
//!
//! Each folder uses only those to the left of it: `numeric` < `network` < `passes` < `spectrum`, `change` < `training`.
//! `spectrum` and `change` do not use each other; `serve` uses all but `training`.
//!
//! | to find | look in |
//! |---|---|
//! | types, samples, long vectors, fixed blocks and the fixed tree of sums | [`numeric`] |
//! | layers and their flat parameters, activation, loss, first weights | [`network`] |
//! | gradient, Hessian and Gauss-Newton products; loss, slope and curvature of each sample; losses at `w* + Pθ` | [`passes`] |
//! | Ritz pairs, the whole spectrum, its trace and outliers; bases and angles between them | [`spectrum`] |
//! | `L_k`, Δ_k and its theory; how θ is drawn; V with its interval; the sufficient sample size K | [`change`] |
//! | what the other processes of a team do while the first runs a stage | [`serve`] |
//! | optimizers, epochs, and from where they stop to a minimiser | [`training`] |
//!
//! A new loss function goes into [`network::loss`]: its value, its gradient and its Hessian in the outputs of the network.
//!
//! Kernels that are generic in the number type are `#[inline(never)]`: [`serve`] uses each for `f32` and `f64`, and what is compiled here is
//! linked by the stages. They would else compile it again, for every vector unit.
//!
//! Dimensions, as in every signature: N samples, D features, C outputs, p parameters, d directions, T draws, B rows of a block.

pub mod change;
pub mod network;
pub mod numeric;
pub mod passes;
pub mod serve;
pub mod spectrum;
pub mod training;

pub use network::activation::Activation;
pub use network::architecture::Network;
pub use network::layers::{Image, Kind, Layer};
pub use network::loss::Loss;
pub use numeric::real::Real;
pub use numeric::samples::{Inputs, Samples, Targets};
