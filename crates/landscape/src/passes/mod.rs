//! Passes over the samples at one w: losses, gradients, Hessian products, curvature in a subspace, losses at draws.

pub mod curvature;
pub mod draws;
pub mod gradient;
pub mod hvp;
pub mod primal;
