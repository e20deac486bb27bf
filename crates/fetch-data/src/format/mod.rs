//! From bytes to samples: one file for each format.

pub mod arrays;
mod csv;
mod idx;
mod inputs;
mod records;
mod targets;

use std::path::Path;

use catalogue::{Entry, File, Format};

use crate::error::FetchError;
use crate::split::Splits;

/// What is wrong with the structure of the unpacked bytes of a file, in words; `None` if it has the shape it should have.
pub fn fault(format: Format, file: &File, bytes: &[u8]) -> Option<String> {
    match format {
        Format::Idx => idx::fault(file, bytes),
        Format::Records => records::fault(file, bytes),
        Format::Csv => None, // its lines are checked as they are read
    }
}

/// The samples in `files`, whose hashes have been checked; in `folder`, if there is one, they are under their own names.
pub fn read(
    entry: &Entry,
    files: &[Vec<u8>],
    folder: Option<&Path>,
    labels: Option<::records::fetch_data::Labels>,
) -> Result<Splits, FetchError> {
    match entry.format {
        Format::Idx => idx::read(entry, files, folder),
        Format::Csv => csv::read(entry, files),
        Format::Records => records::read(entry, files, labels),
    }
}
