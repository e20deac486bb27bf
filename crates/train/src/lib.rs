//! What `train` reads of a stranger: weights of another program, by layer. A library, so that fuzzers reach it.

pub mod brought;
pub mod weights;
