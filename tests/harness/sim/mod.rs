//! The simulation: real [`Session`](rejoin::machine::Session)s, the real [`Hub`](rejoin_server::hub::Hub) and a network
//! that lies, in one thread on a virtual clock. A seed is the whole story: the same seed gives the same run.
//!
//! A [`Setup`] is what a seed decides: a [`Plan`] that holds for the whole run, and a schedule of [`Act`]s, each at
//! its moment. The world plays it; [`Checker`] knows nothing of either and compares what was sent, appended,
//! delivered and resolved with what protocol.md §2.6 promises, be the server one process or several nodes on one
//! modelled store ([`NodesPlan`]); [`Coverage`] says which interesting states came up;
//! [`shrink`] takes everything out of a failing schedule that it does not need.

#![allow(
    clippy::struct_excessive_bools,
    reason = "what is known of a thing in the world is many small facts"
)]

mod act;
mod aimed;
mod beside;
mod checker;
mod client;
mod combined;
mod coverage;
mod net;
mod nodes;
mod own;
mod plan;
mod readers;
mod schedule;
mod server;
mod setup;
mod shrinking;
mod socketio;
mod trace;
mod world;

pub use act::{Act, Fate, Forgotten, Lie, Moment, Stale, Step, Stubborn, Who, Whose};
pub use checker::{
    Begins, Bounds, Checker, Clock, Disk, Key, Limits, Made, Moves, PERSONAL, Place, Stored, Waits, Words,
    key, place,
};
pub use coverage::{Coverage, Sometimes};
pub use net::Way;
pub use nodes::{Amid, NodeAct, NodesPlan};
pub use own::OwnAct;
pub use plan::{ClientPlan, Commits, DialFaults, Fleet, Plan, ServerPlan};
pub use readers::{ReaderAct, ReaderPlan, Tampering};
pub use schedule::Mix;
pub use setup::Setup;
pub use shrinking::shrink;
pub use socketio::{SioAct, SioMoment, SioPlan};
pub use world::Outcome;

/// Virtual time in microseconds since the world began.
pub type Micros = u64;

/// One second of virtual time.
pub const SECOND: Micros = 1_000_000;
