//! Pages, and the files beside them.

pub mod compare;
pub mod experiment;
pub mod family;
pub mod interactive;
pub mod overview;
pub mod shell;
