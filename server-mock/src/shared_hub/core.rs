//! The hub, and the loop around it: an input in, and whatever the hub says to it done.

use super::SharedHub;
use super::operator::Kicked;
use super::publishing::{PublishResult, Receipt};
use super::slots::Slots;
use super::store_queue::StoreQueue;
use crate::hub::shared::{StoreRequest, StoreResponse};
use crate::hub::{ConnId, Hub, HubConfig, Input, Limit, Output, RefusalCounts, Rights};
use crate::limit_log::Subject;
use crate::send_queue::{Outbound, PushResult, QueueLevel};
use crate::session_log::{NO_PONG, TOOK_NOTHING, TransportKind};
use rejoin::Timestamp;
use rejoin::machine::ClockReading;
use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::net::IpAddr;
use tokio::sync::{mpsc, oneshot};

/// What the lock of [`SharedHub`] protects.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) hub: Hub,
    pub(super) slots: Slots,
    /// What the timekeeper sleeps for.
    pub(super) armed: Option<Timestamp>,
    /// Connections whose send queue overflowed during the current input.
    overflowed: Vec<ConnId>,
    pub(super) store: StoreQueue,
    pub(super) last_call: u64,
    /// Who waits for what becomes of something to publish.
    pub(super) calls: BTreeMap<u64, oneshot::Sender<PublishResult>>,
    /// Who waits for a connection to be back in its rooms.
    pub(super) restoring: BTreeMap<ConnId, oneshot::Sender<bool>>,
    /// What the hub's limits had refused when it was last looked at.
    refused: RefusalCounts,
    /// The limit that has refused something of the current input.
    pub(super) limit: Option<Limit>,
    /// What became of the current input, if it was a kick.
    pub(super) kicked: Option<Kicked>,
    /// From where the admin listener was asked for the current input.
    pub(super) asker: Option<IpAddr>,
}

impl Core {
    /// `store`: takes what the hub asks of a shared one.
    pub(super) fn new(config: HubConfig, store: Option<mpsc::Sender<StoreRequest>>) -> Self {
        Self {
            // The standard library's way to random bits of the operating system.
            hub: Hub::new(config, RandomState::new().hash_one(0)),
            slots: Slots::default(),
            armed: None,
            overflowed: Vec::new(),
            store: StoreQueue::new(store),
            last_call: 0,
            calls: BTreeMap::new(),
            restoring: BTreeMap::new(),
            refused: RefusalCounts::default(),
            limit: None,
            kicked: None,
            asker: None,
        }
    }

    pub(super) fn run(&mut self, shared: &SharedHub, input: Input<'_>) -> QueueLevel {
        let now = shared.now();
        self.store.flush();
        self.handle(shared, now, input);
        let mut level = self.apply_outputs(shared, now);
        while let Some(request_id) = self.store.next_unsent() {
            let limit = self.limit;
            self.handle(shared, now, Input::StoreResponse { request_id, response: StoreResponse::Failed });
            self.limit = limit.or(self.limit);
            level = level.max(self.apply_outputs(shared, now));
        }
        level
    }

    /// Does what the hub says.
    fn apply_outputs(&mut self, shared: &SharedHub, now: ClockReading) -> QueueLevel {
        let metrics = &*shared.metrics;
        let mut level = QueueLevel::Low;
        let (mut sent, mut bytes) = (0, 0);
        while let Some(output) = self.hub.poll() {
            match output {
                Output::Send { conn, text } => {
                    sent += 1;
                    bytes += text.len() as u64;
                    level = level.max(self.push(conn, Outbound::Text(text)));
                }
                Output::SendVolatile { conn, text } => match self.slots.send_queue(conn) {
                    Some(send_queue) if send_queue.try_push(text) => sent += 1,
                    _ => metrics.signals_dropped.one_more(),
                },
                Output::NotifyQueueDrained { conn } => {
                    self.push(conn, Outbound::Fence);
                }
                Output::Authenticate { conn, reference, token } => {
                    self.authenticate(shared, now, conn, reference, &token);
                }
                Output::Published { call, id, seq, dup } => {
                    self.complete_call(call, Ok(Receipt { id, seq, dup }));
                }
                Output::PublishFailed { call, code } => self.complete_call(call, Err(code)),
                Output::Kicked { connections, banned } => self.kicked = Some(Kicked { connections, banned }),
                Output::Restored { conn, restored: done } => {
                    if let Some(answers) = self.restoring.remove(&conn) {
                        let _ = answers.send(done);
                    }
                }
                Output::Store(request) => self.store.send(request),
                Output::Ping { conn } => {
                    self.push(conn, Outbound::Ping);
                }
                Output::Close { conn, code, reason } => {
                    metrics.closed_by_rule.one_more();
                    self.restoring.remove(&conn);
                    if let Some(send_queue) = self.slots.free(conn) {
                        send_queue.close(code, reason);
                    }
                }
                Output::Terminate { conn } => {
                    metrics.terminated_silent.one_more();
                    let session = self.slots.get(conn).and_then(|slot| slot.session);
                    let reads = session.is_some_and(|known| known.origin.transport == TransportKind::Sse);
                    if let Some(send_queue) = self.slots.free(conn) {
                        send_queue.abort(if reads { TOOK_NOTHING } else { NO_PONG });
                    }
                }
            }
        }
        metrics.frames_out.add(sent);
        metrics.bytes_out.add(bytes);
        while let Some(conn) = self.overflowed.pop() {
            let Some(slot) = self.slots.get(conn) else { continue };
            let address = slot.session.map(|known| known.origin.client);
            shared.limited.note(Limit::Queue, Subject { user: slot.user.as_deref(), address });
            if self.slots.free(conn).is_some() {
                metrics.closed_slow.one_more();
                self.handle(shared, now, Input::Disconnected { conn, clean: false });
            }
        }
        level
    }

    /// Tells who waits for it.
    fn complete_call(&mut self, call: u64, published: PublishResult) {
        if let Some(answers) = self.calls.remove(&call) {
            // Nobody may wait any more.
            let _ = answers.send(published);
        }
    }

    /// Hands the hub an input, and looks which limit has refused something of it.
    pub(super) fn handle(&mut self, shared: &SharedHub, now: ClockReading, input: Input<'_>) {
        let conn = match input {
            Input::Frame { conn, .. }
            | Input::Activity { conn }
            | Input::Continuations { conn, .. }
            | Input::Connected { conn, .. }
            | Input::OpenFeed { conn, .. }
            | Input::Authenticated { conn, .. } => Some(conn),
            _ => None,
        };
        self.hub.handle(now, input);
        self.limit = None;
        if self.hub.refusal_counts().total() != self.refused.total() {
            let now = *self.hub.refusal_counts();
            let before = std::mem::replace(&mut self.refused, now);
            let asker = Subject { user: None, address: self.asker };
            // A connection that is closed for it is known until its end is handed out.
            let slot = conn.and_then(|conn| self.slots.get(conn));
            let subject = slot.map_or(asker, |slot| Subject {
                user: slot.user.as_deref(),
                address: slot.session.map(|known| known.origin.client),
            });
            self.limit = shared.limited.look(&before, &now, subject);
        }
    }

    fn push(&mut self, conn: ConnId, item: Outbound) -> QueueLevel {
        match self.slots.send_queue(conn).map(|send_queue| send_queue.push(item)) {
            Some(PushResult::Queued(level)) => level,
            Some(PushResult::Full) => {
                self.overflowed.push(conn);
                QueueLevel::Low
            }
            Some(PushResult::Closed) | None => QueueLevel::Low,
        }
    }

    /// No more than whoever has to be asked for the connection allows.
    pub(super) fn limited(&mut self, conn: ConnId, rights: Rights) -> Rights {
        match self.slots.get(conn).and_then(|slot| slot.permissions.clone()) {
            Some(permissions) => rights.limited_by(permissions),
            None => rights,
        }
    }
}
