//! Passes over the samples at one w: losses, gradients, Hessian products, curvature in a subspace, losses at draws.
//!
//! What a layer does forward, backward and to its weights is in `affine` and `pool`; the passes are written with these.

pub(crate) mod affine;
pub mod curvature;
pub mod draws;
pub mod gradient;
pub mod hvp;
pub(crate) mod pool;
pub mod predictions;
pub mod primal;
