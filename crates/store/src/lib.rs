//! Bytes on disk: arrays as `.npy`, `.npz` and `.safetensors`, manifests, and the folders of finished stages. No YAML, no
//! command line, no mathematics.
//!
//! Lowest first: [`error`] < [`hash`] < [`npy`] < [`rows`] < [`npz`], [`safetensors`]; [`manifest`] < [`artifact`].

pub mod artifact;
pub mod error;
pub mod hash;
pub mod manifest;
pub mod npy;
pub mod npz;
pub mod rows;
pub mod safetensors;

pub use error::{Error, Result};
