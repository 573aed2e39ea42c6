//! Publishes a backend's messages through the store.

use super::super::log::LogEntry;
use super::super::publish::NewMessage;
use super::super::shared::{Decision, SendKey, StoreRequest, StoreResponse};
use super::super::{Hub, Output};
use super::requests::{PendingPublish, RequestKind};
use rejoin::machine::ClockReading;
use rejoin::messages::Code;
use rejoin::{Id, Name};

impl Hub {
    /// Asks the store to append what a backend says. `key`: the same key is the same post.
    pub(in super::super) fn publish_to_store(
        &mut self,
        now: ClockReading,
        call: u64,
        room: Name,
        entry: LogEntry,
        key: Option<Id>,
    ) {
        let Some(nodes) = &self.nodes else { return };
        let bytes = room.len() + entry.bytes() * (1 + usize::from(key.is_some()));
        if let Err(limit) = nodes.requests.check_quota(&self.config, None, bytes) {
            self.refusal_counts.record(limit);
            return self.outputs.push_back(Output::PublishFailed { call, code: Code::Overloaded });
        }
        let expected = key.as_ref().map(|_| NewMessage {
            user: entry.user.clone(),
            content: entry.content.clone(),
            data: entry.data.clone(),
        });
        let send = key.map(|pid| SendKey { user: None, pid, pseq: 1, epoch: None });
        let (held, fresh) = (self.known_head(&room), self.new_epoch());
        let kind = RequestKind::Publish(Box::new(PendingPublish { call, room: room.clone(), expected }));
        if let Some(request_id) = self.begin_request(now.monotonic, None, bytes, kind) {
            let decision = Decision::Append(Box::new(entry));
            self.request_store(StoreRequest::Append {
                request_id,
                room,
                known_head: held,
                new_epoch: fresh,
                send,
                decision,
            });
        }
    }

    pub(super) fn publish_response(
        &mut self,
        now: ClockReading,
        pending: PendingPublish,
        answer: StoreResponse,
    ) {
        let PendingPublish { call, room, expected } = pending;
        let output = match answer {
            StoreResponse::Appended { epoch, entry, id, seq, dup } => {
                let is_other = dup
                    && entry
                        .as_ref()
                        .zip(expected.as_ref())
                        .is_some_and(|(entry, said)| !said.matches(entry));
                if let Some(entry) = entry {
                    self.apply_entry(now.monotonic, &room, &epoch, entry);
                }
                if is_other {
                    Output::PublishFailed { call, code: Code::Forbidden }
                } else {
                    Output::Published { call, id, seq, dup }
                }
            }
            StoreResponse::Refused { code, .. } => Output::PublishFailed { call, code },
            // It may have been carried out.
            StoreResponse::Failed | StoreResponse::Opened(_) => {
                Output::PublishFailed { call, code: Code::Internal }
            }
        };
        self.outputs.push_back(output);
    }
}
