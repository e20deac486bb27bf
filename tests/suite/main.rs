//! All tests that run whole pipelines, as one program: what is slow is shared, and both cores have work until the end.
//!
//! `cargo test --release -p pipeline-tests rerun::` runs those of one file.

mod answers;
mod faults;
mod running;
