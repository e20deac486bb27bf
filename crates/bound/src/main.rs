//! bound
fn main() {}
