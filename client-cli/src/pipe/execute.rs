//! Executes the lines of `pipe`'s input as calls of the client, and reports bad ones. Reads no input.

use super::bad_line::BadLine;
use super::in_flight::{Origin, Send};
use super::input::{self, Frame, OwnMessage, Request};
use super::misspelt_fields::MisspeltField;
use super::output::{self, Outcome, Repetition};
use super::refs::{ContentHash, RefLookup, Resolved};
use super::restored_outcomes::RestoredOutcomes;
use super::{AskedJoin, MOST_UNPRINTED, Pipe};
use crate::error::{Exit, eprint_line};
use crate::lines::{BadText, Line};
use rejoin::{DeliveryStatus, Join, PERSONAL_ROOM, SendFailure, SendId};
use serde_json::value::RawValue;

/// Misspelt fields that are told; a name each.
const MOST_SLIPS: usize = 16;

impl Pipe {
    pub(super) fn take_lines(&mut self) {
        // Before that nobody knows which `ref`s are known.
        if self.refs.is_some() && !self.has_begun {
            return;
        }
        while self.flight.has_room()
            && self.printed.len() < MOST_UNPRINTED
            && self.earlier.as_ref().is_none_or(RestoredOutcomes::has_room)
        {
            let Some(Line { number, text }) = self.lines.pop_front() else { return };
            if let Err(BadText::Unreadable(why)) = text {
                // Whoever started this is to know, too.
                eprint_line(&format!("rejoin: stdin cannot be read: {why} [stdin]"));
            }
            let request = text.map_err(BadLine::from).and_then(|text| input::parse(&text));
            match request {
                Ok(None) => {}
                Ok(Some(request)) => self.act(request, number),
                Err(bad) => self.bad_line(number, &bad),
            }
        }
    }

    /// Puts a line aside that asks for the outcome of an earlier run, until it is known whose that was.
    fn is_for_later(&mut self, request: &Request) -> bool {
        let (Some(earlier), Some(reference)) = (&self.earlier, &request.reference) else { return false };
        matches!(request.frame, Frame::Send { .. } | Frame::Own { .. })
            && (earlier.has(reference) || self.refs.as_ref().is_some_and(|refs| refs.was_left(reference)))
    }

    pub(super) fn act(&mut self, request: Request, number: u64) {
        let is_send = matches!(request.frame, Frame::Send { .. } | Frame::Own { .. });
        if self.is_closed() && !is_send {
            return if request.frame != Frame::Close {
                self.bad_line(number, &BadLine::behind_close(request.reference));
            };
        }
        if self.is_for_later(&request)
            && let Some(earlier) = &mut self.earlier
        {
            return earlier.asked.push((request, number));
        }
        self.report_misspelt(&request.misspelt, number);
        if let Some(namespace) = request.namespace.as_deref().filter(|name| !self.is_first(name)) {
            return match self.namespaces.position(namespace) {
                Some(at) => self.act_in(at, request, number),
                None => self.bad_line(number, &BadLine::other_namespace(request.reference)),
            };
        }
        let Request { frame, reference, .. } = request;
        match frame {
            Frame::Join { room, .. } if self.has_ended => {
                if let Some(reference) = reference {
                    self.join_given_up(&room, &reference);
                }
            }
            Frame::Join { room, since, history } => {
                let personal = room == PERSONAL_ROOM;
                let join = Join::room(room.as_str()).since(since).history(history);
                let join = if personal { join.personal() } else { join };
                // The name has been checked with the rest of the line.
                let checked = self.client.join_with(join);
                debug_assert!(checked.is_ok());
                if let Some(reference) = reference {
                    self.joins.insert(room, AskedJoin { reference, is_member: false });
                }
            }
            Frame::Leave { room } => {
                self.client.leave(&room);
                if let Some(reference) = reference {
                    self.leaves.asked(room, reference);
                }
            }
            Frame::Signal { room, kind, data } => {
                // Room and data have been checked with the rest of the line.
                let signalled = self.client.signal(&room, &kind, &data.as_deref().and_then(as_raw));
                debug_assert!(signalled.is_ok());
            }
            Frame::Send { room, content, data } => {
                let weight = content.len() + data.as_ref().map_or(0, String::len);
                let what = ContentHash::of(&content, data.as_ref());
                let own = reference.clone();
                self.send(&room, what, weight, reference, number, |pipe| {
                    pipe.submit(&room, content, data.as_deref(), own.as_deref())
                });
            }
            Frame::Own { .. } => self.send_own(frame, reference, number),
            Frame::Keep { key, message } => {
                self.has_sent = true;
                let kept = match message {
                    OwnMessage::Frame(json) => self.client.keep(&key, &as_raw(&json)),
                    OwnMessage::Event { name, arguments } => {
                        self.client.keep_event(&key, &name, &as_raw(&arguments))
                    }
                };
                if let Err(why) = kept {
                    self.bad_line(number, &BadLine::not_kept(why));
                }
            }
            Frame::DropKept { key } => self.client.drop_kept(&key),
            Frame::Answer { ack, arguments } => {
                if let Err(why) = self.client.answer(ack, &as_raw(&arguments)) {
                    self.bad_line(number, &BadLine::not_answered(why));
                }
            }
            Frame::Diagnostics => {
                output::diagnostics(&mut self.printed, &self.client, reference.as_deref());
            }
            Frame::Close => self.closed_by = Some(number),
        }
    }

    /// Says once of each name that a line has a field which is probably misspelt. The line is none the worse for it.
    fn report_misspelt(&mut self, fields: &[MisspeltField], number: u64) {
        for field in fields {
            if self.slips.len() < MOST_SLIPS && self.slips.insert(field.clone()) {
                let MisspeltField { name, meant } = field;
                eprint_line(&format!(
                    "rejoin: line {number}: the field \"{name}\" means nothing; did you mean \"{meant}\"?"
                ));
            }
        }
    }

    pub(super) fn bad_line(&mut self, number: u64, bad: &BadLine) {
        self.exit = self.exit.max(Exit::Incomplete);
        output::bad_line(&mut self.printed, number, bad);
    }

    /// Whether that is the name of the first namespace.
    fn is_first(&self, namespace: &str) -> bool {
        self.namespace.as_deref() == Some(namespace)
    }

    fn send_own(&mut self, frame: Frame, reference: Option<String>, number: u64) {
        let Frame::Own { message, volatile, ack, idempotent } = frame else { return };
        let client = self.client.clone();
        let mut draft = match &message {
            OwnMessage::Frame(json) => client.frame(&as_raw(json)),
            OwnMessage::Event { name, arguments } => client.event(name, &as_raw(arguments)),
        };
        if let Some(own) = &reference {
            draft = draft.reference(own.as_str());
        }
        if volatile {
            draft = draft.volatile();
        }
        if ack {
            draft = draft.with_ack();
        }
        if let Some(key) = &idempotent {
            draft = draft.idempotent(key);
        }
        let content = draft.content().unwrap_or_default().to_owned();
        // As it is told of one that is taken up again.
        let what = ContentHash::of(&content, ack.then(|| "true".to_owned()).as_ref());
        self.send("", what, content.len(), reference, number, |_| draft.submit());
    }

    /// Makes a send, unless its `ref` says that it is made already.
    fn send(
        &mut self,
        room: &str,
        what: ContentHash,
        weight: usize,
        reference: Option<String>,
        number: u64,
        submit: impl FnOnce(&Self) -> Result<SendId, SendFailure>,
    ) {
        if let (Some(refs), Some(reference)) = (&mut self.refs, &reference) {
            match refs.given(reference, what, room) {
                RefLookup::New => {}
                RefLookup::InFlight => return,
                RefLookup::Taken => {
                    self.exit = self.exit.max(Exit::Incomplete);
                    let bad = BadLine::reused(reference);
                    return output::bad_line(&mut self.printed, number, &bad);
                }
                RefLookup::Resolved(Resolved { room, status, reply }) => {
                    let (outcome, reply) = (Outcome::Final(status), reply.as_deref());
                    return self.outcome(Some(reference), &room, &outcome, reply, Repetition::Again);
                }
            }
        }
        self.has_sent = true;
        match if self.is_closed() { Err(SendFailure::Closed) } else { submit(self) } {
            Ok(id) => {
                if let (Some(refs), Some(reference)) = (&mut self.refs, &reference) {
                    refs.sent(reference, room, what);
                }
                let send = Send { reference, user: self.present(), origin: Origin::ThisRun, weight };
                self.flight.add(0, id, send);
            }
            Err(why) => {
                let outcome = Outcome::Final(DeliveryStatus::Failed(why));
                let limit = self.too_large(&outcome, Some(weight));
                self.outcome(reference.as_deref(), room, &outcome, limit.as_ref(), Repetition::First);
            }
        }
    }

    fn submit(
        &self,
        room: &str,
        content: String,
        data: Option<&str>,
        reference: Option<&str>,
    ) -> Result<SendId, SendFailure> {
        let mut draft = self.client.message(room, content);
        if let Some(reference) = reference {
            draft = draft.reference(reference);
        }
        if let Some(data) = data {
            draft = draft.data(&as_raw(data));
        }
        draft.submit()
    }
}

/// JSON that was read with its line.
pub(super) fn as_raw(json: &str) -> Option<&RawValue> {
    serde_json::from_str(json).ok()
}
