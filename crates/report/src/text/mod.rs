//! Numbers, facts and verdicts in words.

pub mod directions;
pub mod fact;
pub mod forecast;
pub mod numbers;
pub mod own;
pub mod paper;
pub mod table;
pub mod typeset;
pub mod verdicts;
