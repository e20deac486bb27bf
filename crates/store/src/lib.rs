//! Bytes on disk: arrays as `.npy`, `.npz` and `.safetensors`, manifests, and the folders of finished stages. No YAML, no
//! command line, no mathematics.
//!
//! Lowest first: [`error`] < [`regular`], [`packed`] < [`hash`] < `header` < `idx`, [`npy`] < [`rows`] < [`npz`], [`safetensors`] < [`arrays`]; [`manifest`] < [`artifact`] < [`checkpoint`]; [`journal`].

pub mod arrays;
pub mod artifact;
pub mod checkpoint;
pub mod error;
pub mod hash;
mod header;
mod idx;
pub mod journal;
pub mod manifest;
pub mod npy;
pub mod npz;
pub mod packed;
pub mod regular;
pub mod rows;
pub mod safetensors;

pub use error::{Error, Result};
