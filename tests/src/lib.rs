//! Whole pipelines through the real binaries.
