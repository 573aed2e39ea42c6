//! The faults that wait for a connection, and the connections that they can apply to.

use super::{Direction, Fault, FaultKind, FaultState};
use crate::hub::Text;
use crate::send_queue::{Outbound, SendQueue};
use axum::http::StatusCode;
use rejoin::Name;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// Why a connection was cut, in the log.
const FAULT: &str = "A fault on purpose";

/// Most faults that wait at a time. Beyond, the oldest is forgotten.
const MOST_WAITING: usize = 1_000;

/// The faults of a running server: a handle, cheap to clone, of use as long as the server runs.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<Registry>>);

#[derive(Default)]
struct Registry {
    waiting: VecDeque<PendingFault>,
    /// By age.
    targets: BTreeMap<u64, Target>,
    next: u64,
}

struct PendingFault {
    fault: Fault,
    /// Strikes left; `None` is until cleared.
    left: Option<u32>,
    /// Frames left of a `duplicate`.
    frames: Arc<AtomicU32>,
}

struct Target {
    user: Name,
    fault_state: Arc<FaultState>,
    send_queue: Arc<SendQueue>,
}

/// A connection that faults can hit; gone from the list when dropped.
#[derive(Debug)]
pub(crate) struct FaultGuard {
    faults: Faults,
    key: u64,
}

impl Drop for FaultGuard {
    fn drop(&mut self) {
        self.faults.lock().targets.remove(&self.key);
    }
}

impl Faults {
    /// Adds a fault, which hits open connections before this returns. Fields that mean nothing for the kind
    /// are ignored; [`Fault::check`] finds them. At most 1,000 faults wait for connections to come: beyond, the
    /// oldest is forgotten.
    pub fn add(&self, fault: Fault) {
        let mut registry = self.lock();
        let frames = Arc::new(AtomicU32::new(fault.count.unwrap_or(1)));
        let mut waiting = PendingFault { left: fault.count, fault, frames };
        match waiting.fault.kind {
            FaultKind::Refuse => waiting.left = Some(waiting.fault.count.unwrap_or(1)),
            FaultKind::Duplicate => {
                waiting.left = None;
                for target in registry.targets.values() {
                    waiting.strike(target);
                }
            }
            FaultKind::Delay | FaultKind::Drip => {
                for target in registry.targets.values() {
                    waiting.strike(target);
                }
            }
            _ => {
                let hits = registry.targets.values().filter(|target| waiting.strike(target)).count();
                if waiting.fault.count.is_none() {
                    waiting.left = Some(u32::from(hits == 0));
                }
            }
        }
        if waiting.left != Some(0) {
            if registry.waiting.len() >= MOST_WAITING {
                registry.waiting.pop_front();
            }
            registry.waiting.push_back(waiting);
        }
    }

    /// Ends all faults: none waits any longer, frozen connections go on, late and dripping ones get fast.
    /// Half-open ones are cut, since what they have lost cannot be given back.
    pub fn clear(&self) {
        let mut registry = self.lock();
        registry.waiting.clear();
        for target in registry.targets.values() {
            if target.fault_state.dead().is_some() {
                target.send_queue.abort(FAULT);
            }
            target.fault_state.change(|state| *state = super::state::State::default());
            target.send_queue.wake();
        }
    }

    /// The faults that still wait for connections or frames, in the order in which they were added, each with
    /// its count as it was given.
    pub fn waiting(&self) -> Vec<Fault> {
        self.lock().waiting.iter().filter(|waiting| !waiting.is_over()).map(|w| w.fault.clone()).collect()
    }

    /// The HTTP status with which the upgrade of this user is to be refused.
    pub(crate) fn refusal(&self, user: Option<&Name>) -> Option<StatusCode> {
        let mut registry = self.lock();
        let user = user.map(Name::as_str);
        let waiting = registry
            .waiting
            .iter_mut()
            .find(|waiting| waiting.fault.kind == FaultKind::Refuse && waiting.fault.concerns(user))?;
        let status = waiting.fault.code.and_then(|code| StatusCode::from_u16(code).ok());
        waiting.count_down();
        registry.waiting.retain(|waiting| !waiting.is_over());
        Some(status.unwrap_or(StatusCode::SERVICE_UNAVAILABLE))
    }

    /// Puts a connection among those that can be hit, and hits it with what waits for it.
    pub(crate) fn register(
        &self,
        user: Name,
        fault_state: Arc<FaultState>,
        send_queue: Arc<SendQueue>,
    ) -> FaultGuard {
        let mut registry = self.lock();
        let target = Target { user, fault_state, send_queue };
        let waiting = registry.waiting.iter_mut().filter(|waiting| waiting.fault.kind != FaultKind::Refuse);
        for waiting in waiting {
            waiting.strike(&target);
        }
        registry.waiting.retain(|waiting| !waiting.is_over());
        let key = registry.next;
        registry.next += 1;
        registry.targets.insert(key, target);
        FaultGuard { faults: self.clone(), key }
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Faults({} waiting)", self.lock().waiting.len())
    }
}

impl PendingFault {
    fn is_over(&self) -> bool {
        self.left == Some(0)
            || self.fault.kind == FaultKind::Duplicate && self.frames.load(Ordering::Acquire) == 0
    }

    fn count_down(&mut self) {
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(1);
        }
    }

    /// Hits a connection if the fault concerns its user and is not used up; whether it did.
    fn strike(&mut self, target: &Target) -> bool {
        if self.is_over() || !self.fault.concerns(Some(&target.user)) {
            return false;
        }
        self.count_down();
        let Target { fault_state, send_queue, .. } = target;
        let fault = &self.fault;
        match fault.kind {
            FaultKind::Refuse => {}
            FaultKind::Drop => {
                send_queue.abort(FAULT);
                // One that is half-open already is held by that, not by its send queue.
                fault_state.change(|state| state.dead = None);
                send_queue.wake();
            }
            FaultKind::Close => send_queue.close_with_frame(fault.code.unwrap_or(1011), "Fault"),
            FaultKind::Garbage => {
                send_queue.push(Outbound::Garbage(garbage(fault.bytes.unwrap_or(16))));
            }
            FaultKind::Freeze => {
                let until = Instant::now() + fault.duration(10_000);
                fault_state.change(|state| state.frozen_until = Some(until));
            }
            FaultKind::HalfOpen => {
                fault_state.change(|state| state.dead = Some(fault.way.unwrap_or(Direction::Both)));
            }
            FaultKind::Delay => {
                let delay = fault.duration(1_000);
                fault_state.change(|state| state.delay = Some(delay));
            }
            FaultKind::Drip => {
                let drip = (fault.bytes.unwrap_or(1).max(1), fault.duration(100));
                fault_state.change(|state| state.drip = Some(drip));
            }
            FaultKind::Duplicate => {
                fault_state.change(|state| state.duplicates.push(Arc::clone(&self.frames)));
            }
        }
        true
    }
}

/// A text of this many bytes that no JSON parser takes.
fn garbage(bytes: usize) -> Text {
    Text::from("}garbage{".chars().cycle().take(bytes.clamp(1, super::MOST_BYTES)).collect::<String>())
}
