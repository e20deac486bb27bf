//! What all stages share: the typed `pipeline.yaml`, `.npy` artifacts and their manifests, and the
//! shell of a stage (command line, logs, progress, signals, exit codes). No mathematics.
//!
//! A stage binary is one call of [`stage::main`] with a type that implements [`stage::Stage`].

pub mod artifact;
pub mod command;
pub mod config;
pub mod failure;
pub mod family;
pub mod manifest;
pub mod npy;
pub mod params;
pub mod plan;
pub mod progress;
pub mod schema;
pub mod stage;
pub mod state;
pub mod suggest;

pub use failure::Failure;
