//! The server's capacity: a short queue of handshakes, and refusals, which are served first.

use super::{Herd, Millis};
use rejoin_server::Limits;
use rejoin_server::hub::HubConfig;
use std::collections::VecDeque;

/// What accepting costs: work is counted in thousandths of it.
const ACCEPT: u64 = 1000;

/// A dial: whose, and which.
pub(super) type Dial = (u32, u64);

/// A server that can do so much in a millisecond. A refusal is said at once and its work is done before any
/// handshake goes on; of that work at most a second's is owed, and what is beyond is dropped by the kernel for nothing.
#[derive(Debug)]
pub(super) struct Server {
    /// Work per millisecond: in thousandths, the capacity in accepts per second.
    speed: u64,
    refusal_cost: u64,
    /// Handshakes that may wait.
    places: usize,
    waiting: VecDeque<Dial>,
    owed: u64,
    /// Work begun on the first that waits.
    begun: u64,
    /// Nothing listens until then.
    back: Millis,
}

/// What becomes of a dial at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reception {
    /// Nothing listens.
    Nobody,
    /// It waits for its handshake.
    Waits,
    /// There is no room.
    Refused,
}

impl Server {
    pub(super) fn new(herd: &Herd, back: Millis) -> Self {
        // As many handshakes for its speed as the reference server has by default.
        let defaults = (Limits::default().handshakes, HubConfig::default().reconnect_rate);
        let places = defaults.0 * herd.capacity as usize / defaults.1 as usize;
        Self {
            speed: u64::from(herd.capacity),
            refusal_cost: herd.refusal_cost,
            places,
            waiting: VecDeque::new(),
            owed: 0,
            begun: 0,
            back,
        }
    }

    pub(super) fn receive(&mut self, now: Millis, dial: Dial) -> Reception {
        if now < self.back {
            return Reception::Nobody;
        }
        if self.waiting.len() < self.places {
            self.waiting.push_back(dial);
            return Reception::Waits;
        }
        self.owed = (self.owed + self.refusal_cost).min(self.speed * 1000);
        Reception::Refused
    }

    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.owed == 0
    }

    /// Works for a millisecond. Gives the dials that are accepted.
    pub(super) fn work(&mut self, accepted: &mut Vec<Dial>) {
        let refusing = self.owed.min(self.speed);
        self.owed -= refusing;
        self.begun += self.speed - refusing;
        while self.begun >= ACCEPT
            && let Some(dial) = self.waiting.pop_front()
        {
            self.begun -= ACCEPT;
            accepted.push(dial);
        }
        if self.waiting.is_empty() {
            // Idle time is not saved up.
            self.begun = 0;
        }
    }
}
