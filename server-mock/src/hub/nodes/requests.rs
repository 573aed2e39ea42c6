//! Requests to the store without a response: what each is for, their numbers, bounds and deadlines. Does not interpret
//! responses.

use super::super::publish::NewMessage;
use super::super::send::{Rejection, Send};
use super::super::shared::RequestId;
use super::super::{HubConfig, Limit};
use rejoin::{Name, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

/// The store has so long to answer.
pub(in super::super) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// So many requests that were given up are remembered, for what their answers tell of a room.
const MAX_LATE: usize = 10_000;

/// What a request costs beside its texts.
const REQUEST_OVERHEAD: usize = 256;

/// What a request is for.
#[derive(Debug)]
pub(super) enum RequestKind {
    /// A room is read.
    Open { room: Name },
    /// A send of a connection.
    Send(Box<PendingSend>),
    /// Something from a backend.
    Publish(Box<PendingPublish>),
}

impl RequestKind {
    fn room(&self) -> &Name {
        match self {
            Self::Open { room } => room,
            Self::Send(asked) => &asked.send.room,
            Self::Publish(pending) => &pending.room,
        }
    }
}

/// A send whose answer has not come. Its content is on its way to the store.
#[derive(Debug)]
pub(super) struct PendingSend {
    pub(super) send: Send,
    /// Which of the connections that have had this number.
    pub(super) generation: u64,
    /// Why it is refused, if it was not decided before.
    pub(super) rejection: Option<Rejection>,
}

/// Something of a backend that is not answered yet.
#[derive(Debug)]
pub(super) struct PendingPublish {
    pub(super) call: u64,
    pub(super) room: Name,
    /// What is compared with an earlier post of the same key.
    pub(super) expected: Option<NewMessage>,
}

#[derive(Debug)]
struct PendingRequest {
    kind: RequestKind,
    due: Timestamp,
    bytes: usize,
    user: Option<Name>,
}

/// Whose answer it is.
#[derive(Debug)]
pub(super) enum Completion {
    InTime(RequestKind),
    /// Nobody waits for it any more; the room that it was about.
    Late(Name),
    /// It was answered before, or is forgotten.
    Unknown,
}

#[derive(Debug, Default)]
pub(super) struct PendingRequests {
    last: u64,
    /// In the order in which they were made, which is the order of their deadlines.
    open: BTreeMap<RequestId, PendingRequest>,
    bytes: usize,
    users: BTreeMap<Name, usize>,
    /// Those that were given up, and which room each was about.
    late: BTreeMap<RequestId, Name>,
    /// A deadline is set.
    pub(super) timer_set: bool,
}

impl PendingRequests {
    /// Whether one more request with so many bytes fits; the limit that says no otherwise.
    pub(super) fn check_quota(
        &self,
        config: &HubConfig,
        user: Option<&Name>,
        bytes: usize,
    ) -> Result<(), Limit> {
        let own = user.and_then(|user| self.users.get(user)).copied().unwrap_or(0);
        if user.is_some() && own >= config.store_requests_per_user {
            return Err(Limit::StoreRequestsOfUser);
        }
        let is_full = self.open.len() >= config.store_requests
            || self.bytes.saturating_add(bytes + REQUEST_OVERHEAD) > config.store_request_bytes;
        if is_full { Err(Limit::StoreRequests) } else { Ok(()) }
    }

    /// Bytes that may still be kept beside the requests.
    pub(super) fn free_bytes(&self, config: &HubConfig) -> usize {
        config.store_request_bytes.saturating_sub(self.bytes)
    }

    /// Keeps bytes beside the requests, or gives them back.
    pub(super) fn keep(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    pub(super) fn release(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    pub(super) fn begin(
        &mut self,
        now: Timestamp,
        user: Option<Name>,
        bytes: usize,
        kind: RequestKind,
    ) -> RequestId {
        self.last += 1;
        let (request_id, bytes) = (RequestId(self.last), bytes + REQUEST_OVERHEAD);
        self.bytes += bytes;
        if let Some(user) = &user {
            *self.users.entry(user.clone()).or_default() += 1;
        }
        self.open.insert(request_id, PendingRequest { kind, due: now + RESPONSE_TIMEOUT, bytes, user });
        request_id
    }

    /// An answer has come.
    pub(super) fn complete(&mut self, request_id: RequestId) -> Completion {
        if let Some(request) = self.open.remove(&request_id) {
            return Completion::InTime(self.release_request(request));
        }
        self.late.remove(&request_id).map_or(Completion::Unknown, Completion::Late)
    }

    /// Gives the oldest request up, if its time is over.
    pub(super) fn pop_expired(&mut self, now: Timestamp) -> Option<RequestKind> {
        let entry = self.open.first_entry().filter(|entry| entry.get().due <= now)?;
        let (request_id, request) = entry.remove_entry();
        let kind = self.release_request(request);
        while self.late.len() >= MAX_LATE {
            self.late.pop_first();
        }
        self.late.insert(request_id, kind.room().clone());
        Some(kind)
    }

    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.open.first_key_value().map(|(_, request)| request.due)
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    fn release_request(&mut self, request: PendingRequest) -> RequestKind {
        self.bytes = self.bytes.saturating_sub(request.bytes);
        if let Some(user) = request.user
            && let Some(count) = self.users.get_mut(&user)
        {
            *count -= 1;
            if *count == 0 {
                self.users.remove(&user);
            }
        }
        request.kind
    }
}
