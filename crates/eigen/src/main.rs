//! eigen
fn main() {}
