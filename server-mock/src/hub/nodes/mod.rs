//! A hub that is one node of several on a shared store. Owns what only such a hub has: the requests in flight, what waits
//! for them, and who is on other nodes. Without a node's name in the configuration nothing of it exists.
//!
//! The hub's own [`Store`](super::Store) is a copy of the rooms that somebody on this node is in. The rules:
//! - A join is judged by what the store said after it was asked for (`room_read`). Until then it is parked, and with it
//!   whatever its connection says about the room (`parked`).
//! - The copy takes entries only in sequence, from a notice or an answer, whichever comes first, and delivers what it
//!   takes. Anything else makes it read the room again (`apply`).
//! - A send is answered when the store has answered (`send`, `publish`). What the store does not answer in time
//!   ends its connection, because nobody knows what became of it; the client asks again with the same number.
//! - Somebody is in a room who is there on any node (`presence`).
//! - The limits of a user hold for all nodes together: each reports what is used on it (`usage`).

pub(super) mod mutation;

mod apply;
mod parked;
mod presence;
mod publish;
mod replica;
mod requests;
mod room_read;
mod send;
mod usage;

use super::shared::{Control, RequestId, StoreNotice, StoreRequest, StoreResponse};
use super::{Hub, Output, Timer};
use mutation::mutation;
use parked::Parked;
use rejoin::machine::ClockReading;
use rejoin::{Id, Name, Timestamp};
use replica::Replica;
use requests::{Completion, PendingRequests, RequestKind};
use std::collections::{BTreeMap, BTreeSet};
use usage::UsageReports;

/// What only a hub has that is one node of several.
#[derive(Debug)]
pub(super) struct Nodes {
    id: Id,
    requests: PendingRequests,
    replicas: BTreeMap<Name, Replica>,
    parked: BTreeMap<super::ConnId, Parked>,
    /// Numbers what waits.
    last_serial: u64,
    /// Rooms to be read again, without any hurry.
    read_queue: BTreeSet<Name>,
    /// Of these are being read.
    background: usize,
    /// Reads in a row that have failed.
    failures: u32,
    /// The next reads wait for their time.
    reads_paused: bool,
    usage: UsageReports,
}

impl Nodes {
    pub(super) fn new(id: Id) -> Self {
        Self {
            id,
            requests: PendingRequests::default(),
            replicas: BTreeMap::new(),
            parked: BTreeMap::new(),
            last_serial: 0,
            read_queue: BTreeSet::new(),
            background: 0,
            failures: 0,
            reads_paused: false,
            usage: UsageReports::default(),
        }
    }

    fn serial(&mut self) -> u64 {
        self.last_serial += 1;
        self.last_serial
    }
}

impl Hub {
    /// How many requests the store has not answered yet.
    pub fn store_requests(&self) -> usize {
        self.nodes.as_ref().map_or(0, |nodes| nodes.requests.len())
    }

    pub(super) fn request_store(&mut self, request: StoreRequest) {
        self.outputs.push_back(Output::Store(request));
    }

    /// Numbers a request and sets its deadline.
    fn begin_request(
        &mut self,
        now: Timestamp,
        user: Option<Name>,
        bytes: usize,
        kind: RequestKind,
    ) -> Option<RequestId> {
        let nodes = self.nodes.as_mut()?;
        let request_id = nodes.requests.begin(now, user, bytes, kind);
        if !std::mem::replace(&mut nodes.requests.timer_set, true) {
            let due = nodes.requests.next_due().unwrap_or(now + requests::RESPONSE_TIMEOUT);
            self.due.insert((due, Timer::StoreTimeout));
        }
        Some(request_id)
    }

    /// The store has answered.
    pub(super) fn handle_response(
        &mut self,
        now: ClockReading,
        request_id: RequestId,
        answer: StoreResponse,
    ) {
        let Some(nodes) = &mut self.nodes else { return };
        match nodes.requests.complete(request_id) {
            Completion::InTime(kind) => self.dispatch_response(now, kind, answer),
            Completion::Late(room) => self.handle_late_response(now, &room, answer),
            Completion::Unknown => {}
        }
    }

    fn dispatch_response(&mut self, now: ClockReading, kind: RequestKind, answer: StoreResponse) {
        match (kind, answer) {
            (RequestKind::Open { room }, StoreResponse::Opened(state)) => self.read_done(now, &room, state),
            (RequestKind::Open { room }, _) => self.read_failed(now, &room),
            (RequestKind::Send(asked), answer) => self.send_response(now, *asked, answer),
            (RequestKind::Publish(pending), answer) => self.publish_response(now, *pending, answer),
        }
    }

    /// The hub has given the request up: what the answer says of the room is still true, and nobody is answered.
    fn handle_late_response(&mut self, now: ClockReading, room: &Name, answer: StoreResponse) {
        match answer {
            StoreResponse::Appended { epoch, entry: Some(entry), .. } => {
                self.apply_entry(now.monotonic, room, &epoch, entry);
            }
            StoreResponse::Opened(state) => {
                self.compare_heads(now.monotonic, room, &state.epoch, state.head);
            }
            _ => {}
        }
    }

    /// Gives up what the store has not answered in time.
    pub(super) fn expire_requests(&mut self, now: ClockReading) {
        let at = now.monotonic;
        if mutation!(NeverGivenUp) {
            return;
        }
        while let Some(kind) = self.nodes.as_mut().and_then(|nodes| nodes.requests.pop_expired(at)) {
            self.dispatch_response(now, kind, StoreResponse::Failed);
        }
        let Some(nodes) = &mut self.nodes else { return };
        let next = nodes.requests.next_due();
        nodes.requests.timer_set = next.is_some();
        if let Some(due) = next {
            self.due.insert((due, Timer::StoreTimeout));
        }
    }

    /// Something has happened in the store.
    pub(super) fn handle_notice(&mut self, now: ClockReading, notice: StoreNotice) {
        let at = now.monotonic;
        if self.nodes.is_none() {
            return;
        }
        match notice {
            StoreNotice::Appended { room, epoch, entry } => self.apply_entry(at, &room, &epoch, entry),
            StoreNotice::Head { room, epoch, head } => {
                if !mutation!(HeadIgnored) {
                    self.compare_heads(at, &room, &epoch, head);
                }
            }
            StoreNotice::Presence { room, node, users, is_snapshot } => {
                self.handle_remote_presence(at, &room, &node, users, is_snapshot);
            }
            StoreNotice::Signal(signal) => self.deliver_signal(signal),
            StoreNotice::Interrupted => self.interrupted(at),
            StoreNotice::Usage { user, remote_connections, sends_milli, joins_milli } => {
                self.handle_usage(at, &user, remote_connections, (sends_milli, joins_milli));
            }
            StoreNotice::Control(control) => {
                if mutation!(ControlEchoed) {
                    self.request_store(StoreRequest::Control(control.clone()));
                }
                match control {
                    Control::Kick { user, ban } => {
                        self.kick_local(at, &user, ban);
                    }
                    Control::Remove { room, user } => self.remove_user(at, &room, &user),
                }
            }
        }
    }
}
