//! Rejoin.
fn main() {}
