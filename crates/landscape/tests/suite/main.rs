//! The mathematics against independent answers, as one program: the kernels are compiled once.

mod fixtures;
mod minimisers;
mod reference;
mod threads;
