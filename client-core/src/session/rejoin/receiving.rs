//! Applies the server's frames: messages in the order of the log, every gap reported before any later message
//! (protocol.md §2.4).

use super::ActiveConnection;
use super::Session;
use crate::event::Event;
use crate::id::Id;
use crate::link::ConnId;
use crate::messages::GapReason;
use crate::messages::{ClientMessage, Code, History, HistoryRequest, Message, ServerMessage};
use crate::mutation::mutation;
use crate::outbox::Readiness;
use crate::payload::Payload;
use crate::rooms::RoomEntry;
use crate::rooms::{Accepted, DesiredMembership, LogEntry, Membership, Room};
use crate::time::{Nanos, Timestamp};

/// The longest window that a drain may name (protocol.md §2.2).
const MAX_DRAIN_WINDOW_MS: u64 = 600_000;

impl<P: Payload, N: Clone + Ord> Session<P, N> {
    pub(super) fn received(&mut self, now: Timestamp, conn: ConnId, message: ServerMessage<P, N>) {
        if matches!(message, ServerMessage::Pong { .. }) && self.link.is_current(conn) {
            // Before it counts as any sign of life, which forgets when the question was asked.
            self.link.ponged(now);
        }
        if !self.activity(now, conn) {
            if self.link.is_old(conn) {
                self.received_on_old_connection(now, conn, message);
                self.close_old_connection(now);
            }
            return;
        }
        match message {
            ServerMessage::Hello(hello) => return self.hello(now, *hello),
            // A pong may be the driver's: it decides nothing.
            ServerMessage::Pong { .. } => {}
            _ => self.first_frame(now),
        }
        if self.connection.as_ref().is_some_and(ActiveConnection::is_extended) {
            self.extended(now, conn, message);
        } else {
            self.plain(message);
        }
    }

    /// After the move only answers count on the old connection.
    fn received_on_old_connection(&mut self, now: Timestamp, conn: ConnId, message: ServerMessage<P, N>) {
        match message {
            ServerMessage::Ack(_) if mutation!(OldAckIgnored) => {}
            ServerMessage::Ack(ack) => self.outbox.acked(&ack, &mut self.outcomes),
            // Of numbered sends the new connection has the latest transmission. One without a number has failed: later ones
            // may have overtaken it.
            ServerMessage::Nack(nack) => {
                self.outbox.nacked(now, conn, &nack, |_| Readiness::NotWanted, &mut self.outcomes);
            }
            ServerMessage::Message(message) if mutation!(OldConnectionDelivers) => {
                self.event(Event::Message(message));
            }
            _ => {}
        }
    }

    fn plain(&mut self, message: ServerMessage<P, N>) {
        match message {
            ServerMessage::Message(message) => {
                if !self.is_from_left_room(&message.room) {
                    if let Some(room) = self.rooms.get_mut(&message.room) {
                        // A client that has received something in a room can miss something there.
                        room.had_messages = true;
                    }
                    self.event(Event::Message(message));
                }
            }
            ServerMessage::UserJoined { room, user } => {
                if !self.is_from_left_room(&room) {
                    self.event(Event::UserJoined { room, user });
                }
            }
            ServerMessage::Error { .. } if mutation!(ErrorUntold) => {}
            ServerMessage::Error { message, detail: refusal } => {
                if !refusal.as_ref().is_some_and(|refusal| self.plain_join_refused(&message, refusal)) {
                    let code = refusal.as_ref().map(|refusal| refusal.code);
                    // One of the server's own stands beside it.
                    let code = code.filter(|code| *code != Code::Other);
                    let server_code = refusal.and_then(|refusal| refusal.server_code);
                    self.event(Event::ServerError { message, code, server_code });
                }
            }
            #[cfg(feature = "frames")]
            ServerMessage::Custom(frame) => self.event(Event::Frame(frame)),
            _ => self.diagnostics.unknown_frames += 1,
        }
    }

    /// Something of a room has come. A server that does not implement leaving continues sending; rooms never requested are its own
    /// choice.
    fn is_from_left_room(&mut self, room: &N) -> bool {
        self.rooms.get_mut(room).is_some_and(|room| {
            room.has_received = true;
            room.desired == DesiredMembership::Left
        })
    }

    fn extended(&mut self, now: Timestamp, conn: ConnId, message: ServerMessage<P, N>) {
        match message {
            ServerMessage::Message(message) => {
                if message.entry.is_none() {
                    return self.plain(ServerMessage::Message(message));
                }
                let at = self.rooms.position(&message.room);
                self.receive_entry(now, at, LogEntry::Message(message), true);
            }
            ServerMessage::Notification(notification) => {
                self.receive_entry(now, self.rooms.personal(), LogEntry::Notification(notification), true);
            }
            ServerMessage::Ack(ack) => {
                self.answered(conn);
                self.outbox.acked(&ack, &mut self.outcomes);
            }
            ServerMessage::Nack(nack) => self.nacked(now, conn, *nack),
            ServerMessage::Joined(joined) => self.joined(now, *joined),
            ServerMessage::Left(left) => self.server_left(now, left),
            ServerMessage::History(history) => self.history(now, *history),
            ServerMessage::Error { message, detail: Some(refusal) } => {
                self.refused(now, conn, message, *refusal);
            }
            ServerMessage::UserJoined { room, user } => {
                self.update_member(&room, &user, true);
                if !mutation!(NewcomerUntold) {
                    self.emit_for_member(room, |room| Event::UserJoined { room, user });
                }
            }
            ServerMessage::UserLeft { room, user } => {
                self.update_member(&room, &user, false);
                if !mutation!(DepartureUntold) {
                    self.emit_for_member(room, |room| Event::UserLeft { room, user });
                }
            }
            ServerMessage::Presence(presence) => {
                let entry = self.rooms.get_mut(&presence.room);
                if let Some(entry) = entry.filter(|entry| entry.membership == Membership::Member) {
                    if !mutation!(ListUnread) {
                        entry.set_members(presence.members.clone());
                    }
                    self.event(Event::Presence(presence));
                }
            }
            ServerMessage::Signal(signal) if mutation!(SignalAnywhere) => self.event(Event::Signal(signal)),
            ServerMessage::Signal(signal) => {
                self.emit_for_member(signal.room.clone(), |_| Event::Signal(signal));
            }
            ServerMessage::Pong { .. } => self.stall_pong(now),
            ServerMessage::AuthExpiring { .. } => self.link.refresh_token(now),
            ServerMessage::AuthOk(_) | ServerMessage::Hello(_) => {}
            ServerMessage::GoingAway(_) if mutation!(GoingUnheard) => {}
            ServerMessage::GoingAway(going) => {
                let window = if mutation!(DrainWindowLost) { 0 } else { going.window_ms };
                let window = Nanos::from_millis(window.min(MAX_DRAIN_WINDOW_MS));
                self.link.going_away(now, window, going.url);
            }
            plain @ ServerMessage::Error { .. } => self.plain(plain),
            #[cfg(feature = "frames")]
            ServerMessage::Custom(_) if mutation!(OwnFrameUntold) => {}
            #[cfg(feature = "frames")]
            ServerMessage::Custom(frame) => self.event(Event::Frame(frame)),
            ServerMessage::Unknown => self.diagnostics.unknown_frames += 1,
        }
    }

    /// Frames of a room before its join is answered belong to an earlier membership.
    fn is_member(&self, room: &N) -> bool {
        self.rooms.get(room).is_some_and(|entry| entry.membership == Membership::Member)
    }

    fn emit_for_member(&mut self, room: N, event: impl FnOnce(N) -> Event<P, N>) {
        if self.is_member(&room) {
            self.event(event(room));
        }
    }

    fn update_member(&mut self, room: &N, user: &N, joined: bool) {
        let entry = self.rooms.get_mut(room).filter(|entry| entry.membership == Membership::Member);
        let Some(members) = entry.and_then(|entry| entry.members.as_mut()) else { return };
        match (members.binary_search(user), joined) {
            (Err(_), true) if mutation!(ComerUnlisted) => {}
            (Err(at), true) if members.len() < MAX_MEMBERS => members.insert(at, user.clone()),
            (Ok(_), false) if mutation!(MemberStays) => {}
            (Ok(at), false) => {
                members.remove(at);
            }
            _ => {}
        }
    }

    /// A message of the log of the room at this position.
    fn receive_entry(&mut self, now: Timestamp, at: Option<usize>, entry: LogEntry<P, N>, from_wire: bool) {
        if let LogEntry::Message(Message { room, entry: Some(meta), .. }) = &entry
            && let Some(origin) = &meta.producer
        {
            self.outbox.seen(room, origin, &meta.id, meta.seq, &mut self.outcomes);
        }
        let Some(at) = at else { return };
        let may_hold = self.rooms.buffer_space(at, self.limits.buffered, self.limits.buffered_bytes);
        let Some(state) = self.rooms.at_mut(at) else { return };
        let early = mutation!(EarlyFrames) && state.is_to_join();
        if state.membership != Membership::Member && !early {
            return;
        }
        let live = from_wire && entry.meta().is_some_and(|meta| !meta.replay);
        match state.receiver.accept(now, entry, live, may_hold, self.protocol.backpressured) {
            Accepted::One(entry) => {
                state.refusals = 0;
                self.deliver(entry);
            }
            Accepted::Deliver(ready) => {
                state.refusals = 0;
                for entry in ready {
                    self.deliver(entry);
                }
            }
            Accepted::Nothing => {
                if state.committed.is_none() {
                    state.committed = state.receiver.start_position();
                    self.changes += u64::from(state.committed.is_some());
                    #[cfg(feature = "journal")]
                    self.record_committed(at);
                }
            }
            Accepted::Forked => {
                self.diagnostics.forks += 1;
                return self.join_again(now, at);
            }
        }
        if from_wire {
            self.check_receiver(now, at);
        }
    }

    fn deliver(&mut self, entry: LogEntry<P, N>) {
        // A send is settled before its own message is shown.
        self.emit_deliveries();
        self.event(match entry {
            LogEntry::Message(message) => Event::Message(message),
            LogEntry::Notification(notification) => Event::Notification(notification),
        });
    }

    /// After something came in: is there a gap to fill, or is the replay over?
    pub(super) fn check_receiver(&mut self, now: Timestamp, at: usize) {
        let Some(entry) = self.rooms.at(at) else { return };
        if entry.receiver.is_caught_up() {
            self.outbox.caught_up(&entry.name, &mut self.outcomes);
        } else if !self.protocol.backpressured && entry.receiver.wants_fetch(now) {
            self.fetch(now, at);
        }
    }

    fn fetch(&mut self, now: Timestamp, at: usize) {
        let Some(connection) = self.connection.as_ref().filter(|connection| connection.is_extended()) else {
            return;
        };
        let (limit, frame) = (connection.protocol.limits.replay, connection.last_frame + 1);
        let request = self.next_request();
        let Some(entry) = self.member_room(at) else { return };
        if entry.personal {
            // A stream that is no room has no history: joining again replays what is next.
            return self.join_again(now, at);
        }
        let Some((epoch, after)) = entry.receiver.fetch_started(now, request, frame) else { return };
        let room = entry.name.clone();
        self.diagnostics.fetches += 1;
        let reference = Id::numbered('h', request, None);
        self.write(ClientMessage::History(HistoryRequest { reference, room, epoch, after, limit }));
    }

    /// The room there, if this connection is a member of it.
    fn member_room(&mut self, at: usize) -> Option<&mut Room<P, N>> {
        self.rooms.at_mut(at).filter(|entry| entry.membership == Membership::Member)
    }

    fn history(&mut self, now: Timestamp, history: History<P, N>) {
        let History { reference, room, epoch, messages, complete } = history;
        let Some((request, _)) = reference.parse_numbered('h') else { return };
        let Some(at) = self.rooms.position(&room) else { return };
        let busy = self.protocol.backpressured && !mutation!(SkipWhenBusy);
        let Some(entry) = self.member_room(at) else { return };
        if !entry.receiver.fetched(now, request) {
            return;
        }
        if entry.receiver.epoch() != Some(&epoch) {
            return self.join_again(now, at);
        }
        if busy {
            // It stays with the server, and so does what it would have released.
            return;
        }
        let before = entry.receiver.seq().unwrap_or(0);
        let first = messages.first().and_then(|message| message.entry.as_ref()).map(|meta| meta.seq);
        let reason = if complete { GapReason::Unavailable } else { GapReason::Trimmed };
        if first.is_some_and(|first| first > before + 1) || (first.is_none() && !complete) {
            self.skip_gap(at, first, reason);
        }
        for message in messages {
            self.receive_entry(
                now,
                Some(at),
                LogEntry::Message(Message { room: room.clone(), ..message }),
                false,
            );
        }
        let Some(entry) = self.member_room(at) else { return };
        let useless = entry.receiver.seq() == Some(before) && !entry.receiver.is_caught_up();
        if useless
            && !self.protocol.backpressured
            && self.member_room(at).is_some_and(|entry| entry.receiver.failed_again())
        {
            self.give_up_gap(now, at);
        }
        self.fetch_more(now, at);
    }

    /// Requests more if the server is known to have more.
    fn fetch_more(&mut self, now: Timestamp, at: usize) {
        if !self.protocol.backpressured && self.rooms.at(at).is_some_and(|entry| entry.receiver.is_behind()) {
            self.fetch(now, at);
        } else {
            self.check_receiver(now, at);
        }
    }

    /// The gap cannot be filled: say so, and continue behind it.
    pub(super) fn give_up_gap(&mut self, now: Timestamp, at: usize) {
        self.skip_gap(at, None, GapReason::Unavailable);
        self.check_receiver(now, at);
    }

    fn skip_gap(&mut self, at: usize, first: Option<u64>, reason: GapReason) {
        let Some(entry) = self.rooms.at_mut(at) else { return };
        let Some(gap) = entry.receiver.skip_gap(first, reason) else { return };
        let ready = entry.receiver.ready();
        let room = entry.name.clone();
        self.gap(room, gap);
        for entry in ready {
            self.deliver(entry);
        }
    }

    /// A room of an extended connection, when time has passed.
    pub(super) fn tick_receiver(&mut self, now: Timestamp, at: usize) {
        let Some(entry) = self.rooms.at_mut(at) else { return };
        if entry.receiver.is_overdue(now) && entry.receiver.failed_again() {
            self.give_up_gap(now, at);
        }
        let wants = self.rooms.at(at).is_some_and(|entry| entry.receiver.wants_fetch(now));
        if wants && !self.protocol.backpressured {
            self.fetch(now, at);
        }
    }

    /// The application's queue is full, or has room again.
    pub(super) fn set_backpressure(&mut self, now: Timestamp, busy: bool) {
        self.protocol.backpressured = busy;
        if busy || mutation!(RoomUnnoticed) {
            return;
        }
        for at in 0..self.rooms.len() {
            let behind = self
                .member_room(at)
                .is_some_and(|room| room.receiver.seq().is_some() && room.receiver.is_behind());
            if behind {
                self.fetch(now, at);
            }
        }
    }
}

/// Names kept of one room; beyond that the server only says how many there are, or should.
const MAX_MEMBERS: usize = 1_000;
