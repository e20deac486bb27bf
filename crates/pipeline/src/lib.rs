//! What all stages share: `pipeline.yaml` ([`config`]) and the shell of a stage ([`shell`]: command line, logs, progress,
//! signals, exit codes), and [`verify`], which compares results with their manifests. No mathematics.

pub mod config;
pub mod failure;
pub mod log;
pub mod progress;
pub mod shell;
pub mod verify;

pub use failure::{Error, Failure, Result};
