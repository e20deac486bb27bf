//! From first weights to a minimiser: optimizers, epochs, the polish.

pub mod epoch;
pub mod optimizer;
pub mod polish;
