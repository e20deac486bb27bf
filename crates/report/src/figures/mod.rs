//! One file per figure or theme.

pub mod delta;
pub mod density;
pub mod eigenvalues;
pub mod experiment;
pub mod family;
pub mod figure;
pub mod gradient;
pub mod landscape;
pub mod outliers;
pub mod pilot;
pub mod stream;
pub mod sufficient;
pub mod sweep;
pub mod theory;
pub mod training;
