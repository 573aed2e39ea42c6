//! The specification, as pages of this documentation.
//!
//! Owns no code. The pages are files of the repository, in `client-core/docs`, and the tests read the frames and the
//! tables of codes in them.

#[doc = include_str!("../docs/architecture.md")]
pub mod architecture {}

#[doc = include_str!("../docs/protocol.md")]
pub mod protocol {}

#[doc = include_str!("../docs/reconnecting.md")]
pub mod reconnecting {}
