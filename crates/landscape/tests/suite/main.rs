//! The mathematics against independent answers, as one program: the kernels are compiled once.

mod fixtures;
mod minimisers;
mod prefixes;
mod reference;
mod threads;
