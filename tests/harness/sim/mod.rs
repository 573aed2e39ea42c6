//! The simulation: real [`Session`](rejoin::machine::Session)s, the real [`Hub`](rejoin_server::hub::Hub) and a faulty
//! network in one thread on a virtual clock. The same seed gives the same run.
//!
//! A [`Setup`] is what a seed decides: a [`Plan`] for the whole run and a schedule of [`Action`]s, each at its time. The world
//! executes it; [`Checker`] is independent of both and compares what was sent, appended, delivered and resolved with protocol.md
//! §2.6, for a server of one process or of several nodes on one modelled store ([`NodesPlan`]); [`Coverage`] records which
//! interesting states occurred; [`shrink`] removes everything from a failing schedule that it does not need.

#![allow(
    clippy::struct_excessive_bools,
    reason = "what is known of a thing in the world is many small facts"
)]

mod action;
mod checker;
mod client;
mod combined;
mod coverage;
mod net;
mod nodes;
mod operator;
mod own;
mod plan;
mod readers;
mod schedule;
mod server;
mod setup;
mod shrinking;
mod small_limits;
mod socketio;
mod trace;
mod triggered_faults;
mod triggered_faults_of_readers;
mod world;

pub use action::{
    Action, ByzantineFrame, Fate, FixedAnswer, Forgotten, LogOwner, StaleFrame, Step, Trigger, TriggerSource,
};
pub use checker::{
    Begins, Bounds, Checker, Clock, Disk, Key, Limits, LogId, Moves, NewSend, PERSONAL, Stored, Waits, Words,
    key, place,
};
pub use coverage::{Coverage, Sometimes};
pub use net::Way;
pub use nodes::{Amid, NodeAction, NodesPlan};
pub use own::AppFrameAction;
pub use plan::{ClientPlan, Commits, DialFaults, Fleet, Plan, ServerPlan};
pub use readers::{ReaderAction, ReaderPlan, Tampering};
pub use schedule::Mix;
pub use setup::Setup;
pub use shrinking::shrink;
pub use small_limits::SmallLimits;
pub use socketio::{Blockade, SioAction, SioPlan, SioTrigger};
pub use world::Outcome;

/// Virtual time in microseconds since the world began.
pub type Micros = u64;

/// One second of virtual time.
pub const SECOND: Micros = 1_000_000;
