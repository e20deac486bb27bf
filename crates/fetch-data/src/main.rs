//! fetch-data
fn main() {}
