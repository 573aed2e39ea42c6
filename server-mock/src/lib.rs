//! The reference room server.
pub mod hub;
