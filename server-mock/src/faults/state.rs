//! The state of one connection's faults, and whether its peer has stopped reading. Shared by the connection's stream and
//! its task.

use super::Direction;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

#[derive(Debug, Default)]
pub(crate) struct FaultState {
    /// Whether any fault was ever set here: the only thing a healthy connection looks at.
    touched: AtomicBool,
    state: Mutex<State>,
    /// The connection has ended for that.
    took_nothing: AtomicBool,
}

#[derive(Debug, Default, Clone)]
pub(super) struct State {
    pub(super) frozen_until: Option<Instant>,
    pub(super) dead: Option<Direction>,
    /// Bytes, and the time between them.
    pub(super) drip: Option<(usize, Duration)>,
    pub(super) delay: Option<Duration>,
    /// Frames that are still to go out twice; each shared with the other connections of its fault.
    pub(super) duplicates: Vec<Arc<AtomicU32>>,
}

impl FaultState {
    pub(super) fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.touched.store(true, Ordering::Release);
    }

    fn look<T: Default>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        if !self.touched.load(Ordering::Acquire) {
            return T::default();
        }
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The connection ends because its peer took nothing.
    pub(super) fn takes_nothing(&self) {
        self.took_nothing.store(true, Ordering::Release);
    }

    /// Whether the connection has ended because its peer took nothing.
    pub(crate) fn took_nothing(&self) -> bool {
        self.took_nothing.load(Ordering::Acquire)
    }

    /// Until when nothing moves.
    pub(super) fn frozen_until(&self) -> Option<Instant> {
        self.look(|state| state.frozen_until)
    }

    /// In which direction everything disappears.
    pub(crate) fn dead(&self) -> Option<Direction> {
        self.look(|state| state.dead)
    }

    pub(super) fn drip(&self) -> Option<(usize, Duration)> {
        self.look(|state| state.drip)
    }

    /// How long a frame waits.
    pub(crate) fn delay(&self) -> Option<Duration> {
        self.look(|state| state.delay)
    }

    /// Whether the frame about to be written goes out twice.
    pub(crate) fn duplicate(&self) -> bool {
        self.look(|state| {
            let take = |left: &Arc<AtomicU32>| {
                left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1)).is_ok()
            };
            let twice = state.duplicates.iter().any(take);
            state.duplicates.retain(|left| left.load(Ordering::Acquire) > 0);
            twice
        })
    }
}
