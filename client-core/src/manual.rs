//! The specification, as pages of this documentation.
//!
//! Owns no code. The pages are files of the repository, in `client-core/docs`, and the tests read the frames and the
//! tables of codes in them.

#[doc = include_str!("../docs/guarantees.md")]
pub mod guarantees {}

#[doc = include_str!("../docs/protocol.md")]
pub mod protocol {}

#[doc = include_str!("../docs/socket-io.md")]
pub mod socket_io {}

#[doc = include_str!("../docs/own-messages.md")]
pub mod own_messages {}

#[doc = include_str!("../docs/reconnecting.md")]
pub mod reconnecting {}

#[doc = include_str!("../docs/architecture.md")]
pub mod architecture {}

#[doc = include_str!("../docs/glossary.md")]
pub mod glossary {}

#[doc = include_str!("../docs/performance.md")]
pub mod performance {}
