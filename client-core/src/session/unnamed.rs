//! Refusals that do not say what they refuse: each is matched to the oldest request without an answer that it can be about,
//! because frames are dealt with in their order (protocol.md §2.2).

use super::Session;
use crate::event::Event;
use crate::id::Id;
use crate::link::ConnId;
use crate::messages::{Code, Refusal};
use crate::outbox::Payload;
use crate::rooms::Membership;
use crate::time::Timestamp;

impl<P: Payload, N: Clone + Ord> Session<P, N> {
    /// A request has just been written that no answer is awaited for.
    pub(super) fn aside(&mut self) {
        if let Some(wire) = &mut self.wire {
            wire.aside();
        }
    }

    /// The server refuses something, and does not say what. Of a send and of a join its words are told with what becomes of
    /// them; what belongs to neither is an error of its own.
    pub(super) fn refused_unnamed(&mut self, now: Timestamp, conn: ConnId, message: P, refusal: &Refusal<N>) {
        let code = refusal.code;
        let request = self.oldest_request(conn, refusal);
        let aside = match (&mut self.wire, &request) {
            (Some(wire), Some((frame, ..))) => {
                let aside = wire.asides.first().copied().filter(|aside| aside < frame && may_be_aside(code));
                wire.dealt_with(aside.unwrap_or(*frame));
                aside
            }
            _ => None,
        };
        let request = request.filter(|_| aside.is_none());
        let is_told = |(_, reference, _): &(u64, Id, Option<N>)| reference.read_numbered('h').is_none();
        if !request.as_ref().is_some_and(is_told) {
            self.event(Event::ServerError { message: message.clone(), code: Some(code) });
        }
        if let Some((_, reference, room)) = request {
            let reference = Some(reference);
            self.refused(now, conn, message, Refusal { reference, room, ..*refusal });
        }
    }

    /// The oldest request that this refusal can be about: its frame, its reference and its room.
    fn oldest_request(&self, conn: ConnId, refusal: &Refusal<N>) -> Option<(u64, Id, Option<N>)> {
        let (code, room) = (refusal.code, refusal.room.as_ref());
        let mut oldest: Option<(u64, Id, Option<N>)> = None;
        let mut consider = |frame: u64, reference: Id, room: Option<N>| {
            if oldest.as_ref().is_none_or(|(first, ..)| frame < *first) {
                oldest = Some((frame, reference, room));
            }
        };
        if !is_of_a_join(code)
            && let Some((frame, reference)) = self.outbox.oldest_unanswered(conn, room)
        {
            consider(frame, reference, None);
        }
        for entry in self.rooms.iter().filter(|entry| room.is_none_or(|room| *room == entry.name)) {
            let there = Some(entry.name.clone());
            match entry.membership {
                Membership::Joining { frame, request, .. } if !is_of_a_send(code) => {
                    consider(frame, Id::numbered('j', request, None), there);
                }
                Membership::Member if !is_of_a_send(code) && !is_of_a_join(code) => {
                    if let Some((request, frame)) = entry.inflow.awaited() {
                        consider(frame, Id::numbered('h', request, None), there);
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
