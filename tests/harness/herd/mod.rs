//! The herd: thousands of clients that lose one server at the same moment and reconnect, on a virtual clock.
//!
//! The clients are real [`Session`](rejoin::machine::Session)s or, for comparison, a formula for the delay. The server is a model of
//! its capacity per second: the cost of handshakes is measured, not what follows. Times are milliseconds since the clients
//! connected.

mod client;
mod outcome;
mod run;
mod server;

pub use client::Policy;
pub use outcome::Outcome;

use std::time::Duration;

/// Virtual time.
pub type Millis = u64;

/// What is lost, for how long, and what it costs to come back.
#[derive(Debug, Clone, Copy)]
pub struct Herd {
    /// So many clients.
    pub clients: u32,
    /// Dials that the server accepts in a second if it does nothing else.
    pub capacity: u32,
    /// How long nothing listens.
    pub outage: Duration,
    /// What it costs to refuse a dial, in thousandths of accepting one.
    pub refusal_cost: u64,
    /// How it is refused.
    pub refusal: Refusal,
    /// What the clients know.
    pub windows: Windows,
}

/// How a dial is refused that finds the queue of handshakes full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// HTTP 503 with `Retry-After`, as the reference server does.
    RetryAfter(Duration),
    /// All that a page sees of it.
    Unexplained,
    /// The connection is opened and lost at once, during the outage too: what accepts it stands before the server.
    AcceptedThenDropped,
}

/// The reconnect window that each client was told when it connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Windows {
    /// Room for all: the server has had this many before.
    Whole,
    /// Room for those who were there already: the clients came one after another to a server that knew of none.
    Growing,
    /// The same, and at a heartbeat they were told again, as the reference server does.
    Grown,
    /// No server said anything.
    Unknown,
}

impl Herd {
    /// When all but one in a hundred can be back at the earliest, after the loss.
    pub fn ideal(&self) -> Duration {
        self.outage + Duration::from_secs_f64(0.99 * f64::from(self.clients) / f64::from(self.capacity))
    }

    /// Plays it.
    pub fn play(&self, seed: u64, policy: &Policy) -> Outcome {
        #[cfg(feature = "bugs")]
        rejoin::machine::Mutation::activate(if let Policy::Mistaken(bug) = policy {
            Some(*bug)
        } else {
            None
        });
        let outcome = run::play(self, seed, policy);
        #[cfg(feature = "bugs")]
        rejoin::machine::Mutation::activate(None);
        outcome
    }
}
