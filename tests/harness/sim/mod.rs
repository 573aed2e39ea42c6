//! The simulation: real [`Session`](rejoin::Session)s, the real [`Hub`](rejoin_server::hub::Hub) and a network
//! that lies, in one thread on a virtual clock. A seed is the whole story: the same seed gives the same run.
//!
//! [`Plan`] draws which faults a seed has and how often; [`World`] plays it; [`Checker`] knows nothing of either
//! and compares what was sent, appended, delivered and resolved with what protocol.md §2.6 promises of a plain
//! connection.

mod checker;
mod client;
mod net;
mod plan;
mod server;
mod trace;
mod world;

pub use checker::Checker;
pub use plan::{DialFaults, Fault, Plan};
pub use trace::Trace;
pub use world::{Outcome, World, run};

/// Virtual time in microseconds since the world began.
pub type Micros = u64;

/// One second of virtual time.
pub const SECOND: Micros = 1_000_000;
