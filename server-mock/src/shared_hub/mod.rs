//! The hub and the send queues of its connections under one lock.
//!
//! A lock rather than a task of its own: the task that read a frame also runs the hub and fills the send queues,
//! so a message crosses from one task to another once, not twice.

mod backlog;
mod core;
mod hub_connection;
mod operator;
mod publishing;
mod revocation;
mod slots;
mod store_queue;
#[cfg(test)]
mod tests;
mod token_requests;

pub(crate) use hub_connection::{FeedError, HubConnection};
pub(crate) use operator::UserStatus;
pub(crate) use publishing::Receipt;

use self::core::Core;
use crate::admission::AdmissionControl;
use crate::auth::Authority;
use crate::authorize::Authorizer;
use crate::hub::shared::StoreRequest;
#[cfg(any(test, feature = "redis"))]
use crate::hub::shared::{RequestId, StoreNotice, StoreResponse};
use crate::hub::{DrainReason, Hub, HubConfig, Input};
use crate::limit_log::LimitLog;
use crate::metrics::Metrics;
use crate::send_queue::QueueLevel;
use rejoin::Timestamp;
use rejoin::machine::ClockReading;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use token_requests::{MAX_TOKEN_REQUESTS, TokenRequest};
use tokio::sync::{Notify, mpsc};

/// Deadlines closer together than this share a wake-up.
const TIMER_RESOLUTION: Duration = Duration::from_millis(10);

/// What is to be answered is answered within this time: the hub gives its store up earlier.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct SharedHub {
    core: Mutex<Core>,
    started: Instant,
    authority: Arc<Authority>,
    /// Who has to be asked what somebody may do.
    pub(crate) authorizer: Option<Authorizer>,
    /// In so many rooms a connection may be.
    rooms_per_conn: usize,
    gate: Arc<AdmissionControl>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) limited: LimitLog,
    /// The hub's next deadline came closer than the timekeeper knows.
    earlier: Notify,
    token_requests: mpsc::Sender<TokenRequest>,
    token_queue: tokio::sync::Mutex<mpsc::Receiver<TokenRequest>>,
}

/// What a shared store has to say.
#[derive(Debug)]
#[cfg(any(test, feature = "redis"))]
pub(crate) enum StoreEvent {
    /// The answer to a request.
    Response(RequestId, StoreResponse),
    Notice(StoreNotice),
}

impl SharedHub {
    /// `store`: takes what the hub asks, if the configuration says that it is one node of several.
    pub(crate) fn new(
        config: HubConfig,
        authority: Arc<Authority>,
        metrics: Arc<Metrics>,
        gate: Arc<AdmissionControl>,
        store: Option<mpsc::Sender<StoreRequest>>,
        authorizer: Option<Authorizer>,
    ) -> Self {
        let rooms_per_conn = config.rooms_per_conn;
        let (token_requests, token_queue) = mpsc::channel(MAX_TOKEN_REQUESTS);
        Self {
            core: Mutex::new(Core::new(config, store)),
            started: Instant::now(),
            authority,
            authorizer,
            rooms_per_conn,
            gate,
            metrics,
            limited: LimitLog::default(),
            earlier: Notify::new(),
            token_requests,
            token_queue: tokio::sync::Mutex::new(token_queue),
        }
    }

    /// Hands the hub what a shared store has to say, all of it under one lock: whoever has much gives it in parts.
    #[cfg(any(test, feature = "redis"))]
    pub(crate) fn handle_store_events(&self, events: impl IntoIterator<Item = StoreEvent>) {
        let mut core = self.lock();
        for events in events {
            let input = match events {
                StoreEvent::Response(request_id, answer) => {
                    Input::StoreResponse { request_id, response: answer }
                }
                StoreEvent::Notice(notice) => Input::StoreNotice(notice),
            };
            self.run(&mut core, input);
        }
    }

    /// Looks at the hub.
    pub(crate) fn inspect<T>(&self, look: impl FnOnce(&Hub, Timestamp) -> T) -> T {
        let core = self.lock();
        look(&core.hub, self.now().monotonic)
    }

    pub(crate) fn drain(&self, window: Duration, reason: DrainReason) {
        self.run(&mut self.lock(), Input::Drain { window, reason });
    }

    /// The connections that are told when they have to move.
    pub(crate) fn extended_connections(&self) -> usize {
        self.lock().hub.extended_connections()
    }

    pub(crate) fn connections(&self) -> usize {
        self.lock().hub.connections()
    }

    /// Ticks the hub for ever. Cancellation safe: nothing is lost but the wait.
    pub(crate) async fn run_timer(&self) {
        loop {
            let armed = {
                let mut core = self.lock();
                core.armed = core.hub.next_deadline();
                core.armed
            };
            let Some(at) = armed else {
                self.earlier.notified().await;
                continue;
            };
            let wait = at.since(self.now().monotonic);
            tokio::select! {
                // Until the hub's own deadline: here its time becomes the system's.
                () = tokio::time::sleep(wait.max(TIMER_RESOLUTION)) => {
                    self.run(&mut self.lock(), Input::Tick);
                }
                () = self.earlier.notified() => {}
            }
        }
    }

    fn run(&self, core: &mut Core, input: Input<'_>) -> QueueLevel {
        let level = core.run(self, input);
        let next = core.hub.next_deadline();
        if next.is_some() && core.armed.is_none_or(|armed| next.is_some_and(|next| next < armed)) {
            // Once is enough: until the timekeeper has looked, nothing needs a second wake-up.
            core.armed = next;
            self.earlier.notify_one();
        }
        level
    }

    fn now(&self) -> ClockReading {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        ClockReading::new(Timestamp::new(self.started.elapsed()), wall)
    }

    fn timestamp(&self, moment: Instant) -> Timestamp {
        Timestamp::new(moment.saturating_duration_since(self.started))
    }

    fn lock(&self) -> MutexGuard<'_, Core> {
        // A panic inside the hub is a bug of one input; the others go on.
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
