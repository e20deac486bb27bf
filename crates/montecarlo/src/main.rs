//! montecarlo
fn main() {}
