//! How the loss changes as samples arrive: `L_k`, Δ_k, its theory, V and its interval, the sufficient size K.

pub mod absolute;
pub mod betting;
pub mod control_variate;
pub mod decay;
pub mod delta;
pub mod forecast;
pub mod fresh;
pub mod interval;
pub mod learning_curve;
pub mod precision;
pub mod prefix;
pub(crate) mod sample_sums;
pub mod sampling;
pub mod sufficient;
pub mod surface;
pub mod theory;
