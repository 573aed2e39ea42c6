//! Turns the client's events into output lines and outcomes of sends, and tracks the connection state. Writes to no stream.

use super::in_flight::{Origin, Send};
use super::input::{Frame, Request};
use super::output::{self, Outcome, Repetition};
use super::phase::Phase;
use super::refs::{ContentHash, Refs, Resolved, User};
use super::restored_outcomes::RestoredOutcomes;
use super::{LAST_LINES, Pipe};
use crate::commits;
use crate::describe::{content_limit, is_success, unknown};
use crate::error::{Exit, eprint_line};
use rejoin::{
    Delivery, DeliveryStatus, Event, Mode, RestoredOutcome, RoomChange, RoomState, SOCKET_IO_DETECTED,
    SendFailure, SendReply, State, StateChange,
};
use tokio::time::Instant;

impl Pipe {
    pub(super) fn take_events(&mut self, batch: &[Event]) {
        if batch.is_empty() {
            self.namespaces.first_is_over = true;
            self.end_if_over();
        }
        for event in batch {
            self.event(event);
        }
    }

    /// Nothing will come any more, in any namespace.
    pub(super) fn end_if_over(&mut self) {
        if self.namespaces.first_is_over && self.namespaces.are_over() {
            self.phase = Phase::Ended;
        }
    }

    fn event(&mut self, event: &Event) {
        let answer = self.join_answers.of(event);
        match event {
            Event::Delivery(delivery) => return self.delivered(delivery),
            Event::Restored(restored) => {
                let reference = restored.reference.as_deref().map(str::to_owned);
                if let (Some(refs), Some(reference)) = (&mut self.refs, &reference) {
                    let what = ContentHash::of(&restored.content, restored.data.as_ref());
                    refs.restored(reference, &restored.room, what);
                }
                let user = self.refs.as_ref().map(Refs::before).unwrap_or_default();
                let weight = restored.content.len();
                let send = Send { reference, user, origin: Origin::EarlierRun, weight };
                self.flight.add(0, restored.id, send);
            }
            Event::Joined(room) => {
                let reference = self.joins.remove(&*room.room).map(|join| join.reference);
                return output::joined(&mut self.printed, room, reference.as_deref(), answer.as_deref());
            }
            Event::Room(change) => {
                let reference = self.room_changed(change);
                let printed = &mut self.printed;
                return output::room(printed, change, reference.as_deref(), answer.as_deref());
            }
            Event::State(change) => {
                output::event(&mut self.printed, event, self.client.now());
                if let Some(text) = self.idle_notice.of(change) {
                    eprint_line(&format!("rejoin: {text}"));
                }
                self.token_notices.look(change);
                return self.state_changed(change);
            }
            Event::Mode(mode) => {
                self.unproven_since = None;
                self.mode = Some(*mode);
                self.user_known();
            }
            Event::Message(_) | Event::UserJoined { .. } | Event::Frame(_) => self.unproven_since = None,
            // The line says what it is, and a person wants to know what to type.
            Event::Malformed { error, count, .. } if &**error == SOCKET_IO_DETECTED => {
                if let Some(advice) = self.advice.take() {
                    eprint_line(&format!("rejoin: {}", advice.malformed(error, *count)));
                }
            }
            Event::NotKept { .. } | Event::NotAnswered { .. } => self.exit = self.exit.max(Exit::Incomplete),
            _ => {}
        }
        if let Some(commits) = &mut self.commits {
            // Too late to be committed, so it comes again in the next run, and belongs there.
            if self.has_ended && commits::position(event).is_some() {
                return;
            }
            commits.printed(event);
        }
        output::event(&mut self.printed, event, self.client.now());
    }

    fn state_changed(&mut self, change: &StateChange) {
        let state = change.state;
        if !std::mem::replace(&mut self.has_begun, true) {
            self.earlier = Some(RestoredOutcomes::of(&self.client));
            if self.client.stored_user().is_none() {
                self.user_known();
            }
        }
        self.termination.set_connected(state == State::Connected);
        self.has_ended = matches!(state, State::Closing | State::Closed | State::Failed);
        match state {
            State::Connected => {
                self.connected_at = Some(Instant::now());
                self.unproven_since = Some(Instant::now());
            }
            State::Failed => {
                self.exit = self.exit.max(Exit::of_failed(change.cause.as_ref()));
                self.phase = Phase::Failed(Instant::now() + LAST_LINES);
            }
            _ => {}
        }
        self.state = state;
        if !self.has_ended && change.cause.is_some() {
            self.lost.clone_from(&change.cause);
        }
        if self.has_ended {
            for (room, join) in std::mem::take(&mut self.joins) {
                if !join.is_member {
                    self.join_given_up(&room, &join.reference);
                }
            }
            for (room, reference) in self.leaves.at_the_end() {
                output::left(&mut self.printed, &room, &reference);
            }
        }
    }

    /// A room's membership has changed. Gives the `ref` of the line that asked for it, if that is answered by this.
    fn room_changed(&mut self, change: &RoomChange) -> Option<String> {
        let room = &*change.room;
        match change.state {
            RoomState::Joining if change.refused.is_some() => {
                self.unanswered.remove(room);
                return self.joins.get(room).map(|join| join.reference.clone());
            }
            RoomState::Joining => return None,
            RoomState::Joined => {
                self.unanswered.remove(room);
                if let Some(join) = self.joins.get_mut(room) {
                    join.is_member = true;
                }
                return None;
            }
            RoomState::Failed(_) | RoomState::Refused => self.exit = self.exit.max(Exit::Incomplete),
            RoomState::Left => {
                self.unanswered.remove(room);
                self.joins.remove(room);
                return self.leaves.left(room);
            }
            _ => {}
        }
        self.unanswered.remove(room);
        self.joins.remove(room).map(|join| join.reference)
    }

    pub(super) fn join_given_up(&mut self, room: &str, reference: &str) {
        self.exit = self.exit.max(Exit::Incomplete);
        output::join_given_up(&mut self.printed, room, reference);
    }

    /// It is known who we are, as far as it ever will be: what became of sends of earlier runs is told where nobody has
    /// read it, and known when it is asked for. A state file answers its own user's refs alone.
    fn user_known(&mut self) {
        let user = self.client.user();
        if let Some(user) = self.refs.as_mut().and_then(|refs| refs.named(user.as_ref())) {
            self.flight.named(user);
        }
        let Some(RestoredOutcomes { outcomes, asked, .. }) = self.earlier.take() else { return };
        for outcome in outcomes {
            // Another user's is told when that one is back.
            let is_untold = !outcome.confirmed && self.client.is_own_outcome(&outcome);
            let RestoredOutcome { id, user, room, reference, digest, status, reply, .. } = outcome;
            if is_untold {
                let outcome = Outcome::Final(status.clone());
                self.outcome(reference.as_deref(), &room, &outcome, reply.as_deref(), Repetition::Again);
                if let Some(commits) = &mut self.commits {
                    commits.outcome_printed(id);
                }
            }
            if let (Some(refs), Some(reference)) = (&mut self.refs, reference) {
                let what = digest.map(ContentHash);
                refs.earlier(user.as_ref(), &reference, Resolved { room, status, reply }, what);
            }
        }
        // They were given before the line that closes, if there was one.
        let closed_by = self.closed_by.take();
        for (request, number) in asked {
            self.act(request, number);
        }
        self.closed_by = self.closed_by.or(closed_by);
    }

    /// The end has come before anybody knew who we are: what was asked for is in the state file, and not for us to tell.
    pub(super) fn user_unknown(&mut self) {
        for (Request { frame, reference, .. }, _) in
            self.earlier.take().into_iter().flat_map(|left| left.asked)
        {
            let room = if let Frame::Send { room, .. } = &frame { &**room } else { "" };
            self.outcome(reference.as_deref(), room, &Outcome::Kept, None, Repetition::Again);
        }
    }

    /// Who is here, as far as it is known.
    pub(super) fn present(&self) -> User {
        self.refs.as_ref().map(Refs::present).unwrap_or_default()
    }

    fn delivered(&mut self, delivery: &Delivery) {
        let send = self.flight.resolve(0, delivery.id);
        let user = send.as_ref().map(|send| send.user).unwrap_or_default();
        // Left by another user, whose `ref` means nothing to whoever reads this, and who is told when that one is back.
        let is_foreign =
            send.as_ref().is_some_and(|send| send.origin == Origin::EarlierRun) && user != self.present();
        let size = send.as_ref().map(|send| send.weight);
        let reference = send.and_then(|send| send.reference);
        let is_kept = self.has_ended && self.refs.is_some();
        let sends_again = self.mode.is_none_or(|mode| mode == Mode::Extended);
        let outcome = match &delivery.status {
            DeliveryStatus::Failed(SendFailure::Closed) if is_kept => Outcome::Kept,
            // Only an extended server can tell a message that is sent again.
            DeliveryStatus::Unknown if is_kept && sends_again => Outcome::Kept,
            // Closing was our doing, because the time was up.
            DeliveryStatus::Failed(SendFailure::Closed) if self.phase == Phase::Closing(true) => {
                Outcome::Final(DeliveryStatus::Failed(SendFailure::Timeout))
            }
            status => Outcome::Final(status.clone()),
        };
        let limit = self.too_large(&outcome, size);
        self.outcome(
            reference.as_deref().filter(|_| !is_foreign),
            &delivery.room,
            &outcome,
            delivery.reply.as_deref().or(limit.as_ref()),
            Repetition::First,
        );
        if let Outcome::Final(status) = &outcome {
            if let Some(commits) = self.commits.as_mut().filter(|_| !is_foreign) {
                commits.outcome_printed(delivery.id);
            }
            if let (Some(refs), Some(reference)) = (&mut self.refs, &reference) {
                let (room, reply) = (delivery.room.clone(), delivery.reply.clone());
                let resolved = Resolved { room, status: status.clone(), reply };
                for _ in 0..refs.resolved(user, reference, resolved) {
                    self.outcome(
                        Some(reference),
                        &delivery.room,
                        &outcome,
                        delivery.reply.as_deref(),
                        Repetition::Again,
                    );
                }
            }
        }
        if matches!(self.phase, Phase::Draining(_)) {
            self.phase = Phase::Draining(Instant::now() + self.drain_timeout);
        }
    }

    pub(super) fn outcome(
        &mut self,
        reference: Option<&str>,
        room: &str,
        outcome: &Outcome,
        reply: Option<&SendReply>,
        told: Repetition,
    ) {
        match outcome {
            Outcome::Final(status) if is_success(status) => {}
            _ => self.exit = self.exit.max(Exit::Incomplete),
        }
        let limit = self.too_large(outcome, None);
        let reply = reply.or(limit.as_ref());
        let is_unknown = matches!(outcome, Outcome::Final(DeliveryStatus::Unknown));
        let unknown = (is_unknown && told == Repetition::First).then(|| self.unknown_reason());
        output::delivery(&mut self.printed, reference, room, outcome, reply, told, unknown.as_ref());
    }

    /// How large a message may be, in the place of a server's words, where it was too large; `size` is its own.
    pub(super) fn too_large(&self, outcome: &Outcome, size: Option<usize>) -> Option<SendReply> {
        let is_too_large =
            matches!(outcome, Outcome::Final(DeliveryStatus::Failed(why)) if why.is_too_large());
        is_too_large.then(|| {
            let message = format!("the message is too large: {}", content_limit(&self.client, size));
            SendReply::new(None, Some(message))
        })
    }

    /// Why nobody can say what became of a message whose outcome has just come.
    pub(super) fn unknown_reason(&self) -> (&'static str, String) {
        // Where messages are repeated the outcome comes after the next connection has shown nothing.
        let is_of_loss = self.state != State::Connected || self.mode != Some(Mode::SocketIo);
        unknown(self.state, self.lost.as_ref().filter(|_| is_of_loss))
    }
}
