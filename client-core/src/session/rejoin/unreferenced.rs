//! Errors without a `ref`: each is matched to the oldest unanswered request that it can concern, because servers
//! process frames in order (protocol.md §2.2). A request that no answer is awaited for comes first, though it is newer:
//! the answer to a send may still wait for the server's store, or be lost, and a send that is told as refused must not
//! have been taken. A send that is really meant stays without an answer, and is asked for and repeated.

use super::Session;
use crate::event::Event;
use crate::id::Id;
use crate::link::ConnId;
use crate::messages::{Code, ErrorDetail};
use crate::payload::Payload;
use crate::rooms::Membership;
use crate::time::Timestamp;

impl<P: Payload, N: Clone + Ord> Session<P, N> {
    /// A request has just been written that no answer is awaited for.
    pub(super) fn add_untracked_request(&mut self) {
        if let Some(connection) = &mut self.connection {
            connection.add_untracked_request();
        }
    }

    /// The server refuses something, and does not say what. Of a send and of a join its words are reported with what becomes of
    /// them; what belongs to neither is an error of its own.
    pub(super) fn refused_without_ref(
        &mut self,
        now: Timestamp,
        conn: ConnId,
        message: P,
        refusal: ErrorDetail<N>,
    ) {
        let code = refusal.code;
        if let Some((frame, reference)) = self.oldest_request(conn, &refusal)
            && let Some(connection) = &mut self.connection
        {
            let aside =
                connection.protocol.untracked_requests.first().copied().filter(|_| may_be_aside(code));
            connection.protocol.processed_through(aside.unwrap_or(frame));
            if aside.is_none() {
                let refusal = ErrorDetail { reference: Some(reference), room: None, ..refusal };
                return self.refused(now, conn, message, refusal);
            }
        }
        let server_code = refusal.server_code;
        self.event(Event::ServerError { message, code: Some(code), server_code });
    }

    /// The oldest request that this refusal can be about: its frame and its reference.
    fn oldest_request(&self, conn: ConnId, refusal: &ErrorDetail<N>) -> Option<(u64, Id)> {
        let (code, room) = (refusal.code, refusal.room.as_ref());
        let mut oldest: Option<(u64, Id)> = None;
        let mut consider = |frame: u64, reference: Id| {
            if oldest.as_ref().is_none_or(|(first, _)| frame < *first) {
                oldest = Some((frame, reference));
            }
        };
        if !is_of_a_join(code)
            && let Some((frame, reference)) = self.outbox.oldest_unanswered(conn, room)
        {
            consider(frame, reference);
        }
        for entry in self.rooms.iter().filter(|entry| room.is_none_or(|room| *room == entry.name)) {
            match entry.membership {
                Membership::Joining { frame, request, .. } if !is_of_a_send(code) => {
                    consider(frame, Id::numbered('j', request, None));
                }
                Membership::Member if !is_of_a_send(code) && !is_of_a_join(code) => {
                    if let Some((request, frame)) = entry.receiver.awaited() {
                        consider(frame, Id::numbered('h', request, None));
                    }
                }
                _ => {}
            }
        }
        oldest
    }
}

fn is_of_a_join(code: Code) -> bool {
    matches!(code, Code::RoomFull | Code::TooManyRooms)
}

pub(super) fn is_of_a_send(code: Code) -> bool {
    matches!(code, Code::SequenceGap | Code::UnknownProducer | Code::TooLarge)
}

/// Whether a signal, a question about members or a token may be refused so.
fn may_be_aside(code: Code) -> bool {
    !matches!(code, Code::SequenceGap | Code::UnknownProducer) && !is_of_a_join(code)
}
