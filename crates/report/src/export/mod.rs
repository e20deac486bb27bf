//! What other programs read of the report: one file per format.

pub mod curve;
pub mod markdown;
pub mod settings;
pub mod summary;
pub mod vtk;
