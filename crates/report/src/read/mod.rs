//! Documents and arrays of the earlier stages as typed values: one file per stage, and the experiment that joins them.

pub mod bound;
pub mod eigen;
pub mod experiment;
pub mod family;
#[cfg(test)]
pub mod fixtures;
pub mod montecarlo;
pub mod spectrum;
pub mod stream;
pub mod train;
pub mod unit;
