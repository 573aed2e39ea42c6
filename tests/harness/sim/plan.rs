//! What goes wrong in a seed. A random subset of the faults, each at its own rate: a run in which everything
//! fails all the time explores less than many in which a few things do.

use super::{Micros, SECOND};
use fastrand::Rng;

/// A kind of fault, injected at random moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A connection is reset; each direction loses what lies beyond a random byte.
    Cut,
    /// Bytes toward the server vanish.
    HalfOpenUp,
    /// Bytes toward the client vanish.
    HalfOpenDown,
    /// Both directions vanish.
    HalfOpenBoth,
    /// The server closes a connection with some code.
    CloseCode,
    /// A text that is no frame, or a frame of the future, arrives at a client.
    Garbage,
    /// The server process stands still, then goes on.
    FreezeServer,
    /// The server process dies and is started again.
    CrashServer,
    /// The server drains, ends and is started again.
    DrainServer,
    /// A client's machine sleeps: its monotonic clock stands, the wall clock does not.
    Sleep,
    /// A client's process stands still, its clocks do not.
    FreezeClient,
    /// A client's wall clock jumps.
    WallJump,
    /// The platform hints at something, rightly or not.
    Hint,
    /// The user does something drastic: reconnect, close and connect again, another token.
    User,
    /// The server goes on taking bytes but slowly: its side of the connection is full for a while.
    SlowServer,
}

const ALL: [Fault; 15] = [
    Fault::Cut,
    Fault::HalfOpenUp,
    Fault::HalfOpenDown,
    Fault::HalfOpenBoth,
    Fault::CloseCode,
    Fault::Garbage,
    Fault::FreezeServer,
    Fault::CrashServer,
    Fault::DrainServer,
    Fault::Sleep,
    Fault::FreezeClient,
    Fault::WallJump,
    Fault::Hint,
    Fault::User,
    Fault::SlowServer,
];

/// How a dial can go wrong, as chances in a hundred.
#[derive(Debug, Clone, Copy, Default)]
pub struct DialFaults {
    /// The server does not listen.
    pub refused: u8,
    /// Nothing ever comes back.
    pub hang: u8,
    /// An HTTP status instead of the upgrade.
    pub http: u8,
    /// The name does not resolve, or TLS breaks.
    pub other: u8,
}

/// Everything random about a seed that is not drawn while it runs.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Number of clients.
    pub clients: usize,
    /// Number of rooms they choose from.
    pub rooms: usize,
    /// How long faults are injected.
    pub chaos: Micros,
    /// Mean time between two things users do.
    pub user_every: Micros,
    /// Mean time between two faults.
    pub fault_every: Micros,
    /// The faults of this seed.
    pub faults: Vec<Fault>,
    /// What goes wrong with dials.
    pub dial: DialFaults,
    /// Base latency of a connection, one way.
    pub latency: (Micros, Micros),
    /// Chance in a hundred that a flush is reported late.
    pub late_flush: u8,
    /// Whether clients get their tokens from a source, and the chance in a hundred that it fails.
    pub token_source: Option<u8>,
    /// Whether clients follow the legacy reconnect rule.
    pub legacy: bool,
    /// Sends a client's outbox holds.
    pub outbox: usize,
}

impl Plan {
    /// Draws the plan of a seed.
    pub fn draw(rng: &mut Rng) -> Self {
        let mut faults = Vec::new();
        let share = rng.u8(10..80);
        for fault in ALL {
            if rng.u8(..100) < share {
                faults.push(fault);
            }
        }
        let mut rare = |most: u8| if rng.u8(..3) == 0 { rng.u8(..=most) } else { 0 };
        let dial = DialFaults { refused: rare(60), hang: rare(30), http: rare(40), other: rare(20) };
        let slow = rng.u8(..8) == 0;
        Self {
            clients: rng.usize(1..=4),
            rooms: rng.usize(1..=3),
            chaos: rng.u64(5 * SECOND..300 * SECOND),
            user_every: rng.u64(SECOND / 20..3 * SECOND),
            fault_every: rng.u64(SECOND..40 * SECOND),
            faults,
            dial,
            latency: if slow { (SECOND / 10, 3 * SECOND) } else { (100, SECOND / 10) },
            late_flush: if rng.bool() { rng.u8(..60) } else { 0 },
            token_source: (rng.u8(..3) == 0).then(|| rng.u8(..40)),
            legacy: rng.u8(..10) == 0,
            outbox: if rng.u8(..5) == 0 { rng.usize(1..10) } else { 1000 },
        }
    }
}
