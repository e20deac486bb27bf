//! From first weights to a minimiser: optimizers, epochs, when they end, the polish.

pub mod epoch;
pub mod optimizer;
pub mod polish;
pub mod stop;
