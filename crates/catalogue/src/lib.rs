//! The data sets that `pipeline.yaml` can name. Facts only: nothing is fetched or parsed here.
//!
//! To add a data set, add an [`Entry`] to `sets.rs`. The key `dataset` then accepts its name, editors complete it,
//! `--dry-run` knows its shape, and `fetch-data` finds its files. Only a new [`Format`] needs code in `fetch-data`.

mod dataset;
mod entry;
mod sets;

pub use dataset::Dataset;
pub use entry::{Debian, Entry, File, Format, Normalisation, Npm, Origins, PerChannel};
pub use sets::ENTRIES;
