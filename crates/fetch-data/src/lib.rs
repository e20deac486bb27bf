//! What `fetch-data` reads of a stranger: bytes, to samples and labels. A library, so that fuzzers reach it.
//!
//! Lowest first: [`error`], [`split`] < [`format`].

pub mod error;
pub mod format;
pub mod split;
