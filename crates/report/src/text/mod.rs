//! Numbers and sentences.

pub mod answer;
pub mod directions;
pub mod findings;
pub mod numbers;
pub mod paper;
