//! Pages: self-contained, no request leaves them.

pub mod arriving;
pub mod compare;
pub mod experiment;
pub mod family;
pub mod hero;
pub mod index;
pub mod interactive;
pub mod overview;
pub mod shell;
