//! The measurements of a herd run.

use super::{Herd, Millis};
use std::time::Duration;

/// Attempts are counted by so many milliseconds.
const SLOT: Millis = 100;
const SLOTS_PER_SECOND: usize = 10;

/// What a herd did.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Dials by time since the loss.
    slots: Vec<u32>,
    attempts: u64,
    clients: u32,
    back: u32,
    gave_up: u32,
    t99: Option<Duration>,
}

impl Outcome {
    pub(super) fn new(clients: u32) -> Self {
        Self { clients, ..Self::default() }
    }

    pub(super) fn dialed(&mut self, since_loss: Millis) {
        let slot = usize::try_from(since_loss / SLOT).unwrap();
        if self.slots.len() <= slot {
            self.slots.resize(slot + 1, 0);
        }
        self.slots[slot] += 1;
        self.attempts += 1;
    }

    pub(super) fn came_back(&mut self, since_loss: Millis) {
        self.back += 1;
        if self.t99.is_none() && u64::from(self.back) * 100 >= u64::from(self.clients) * 99 {
            self.t99 = Some(Duration::from_millis(since_loss));
        }
    }

    pub(super) fn gave_up(&mut self) {
        self.gave_up += 1;
    }

    pub(super) fn is_over(&self) -> bool {
        self.back + self.gave_up == self.clients
    }

    /// The most attempts in any second, as a multiple of what the server can accept in one.
    pub fn peak(&self, herd: &Herd) -> f64 {
        let most = |slots: &[u32]| -> u32 {
            let seconds = slots.windows(SLOTS_PER_SECOND.min(slots.len().max(1)));
            seconds.map(|second| second.iter().sum()).max().unwrap_or(0)
        };
        f64::from(most(&self.slots)) / f64::from(herd.capacity)
    }

    /// Attempts per client.
    pub fn attempts(&self) -> f64 {
        self.attempts as f64 / f64::from(self.clients)
    }

    /// When 99 of 100 were back, as a multiple of when they could be at the earliest. `None`: not in the time played.
    pub fn t99(&self, herd: &Herd) -> Option<f64> {
        self.t99.map(|t99| t99.as_secs_f64() / herd.ideal().as_secs_f64())
    }

    /// The part of the clients that came back.
    pub fn back(&self) -> f64 {
        f64::from(self.back) / f64::from(self.clients)
    }

    /// The part of the clients that will never try again.
    pub fn lost(&self) -> f64 {
        f64::from(self.gave_up) / f64::from(self.clients)
    }
}
