//! The handshake from the open socket to the connected namespace, and the end of a connection.

use super::ActiveConnection;
use super::Session;
use super::connection::{EarlyEvents, HandshakeState, NamespaceConnection};
use crate::cause::{Cause, CauseCode, Disconnect};
use crate::close_code::{self, CloseAction};
use crate::event::{Event, JoinedRoom, Mode, RoomState};
use crate::link::ConnId;
use crate::messages::ServerMessage;
use crate::messages::{Gap, GapReason};
use crate::mutation::mutation;
use crate::payload::Payload;
use crate::rooms::RoomEntry;
use crate::session::Output;
use crate::socketio::messages::{
    ClientPacket, ConnectError, Connected, Handshake, INVALID_NAMESPACE, Resume, ServerEvent,
};
use crate::socketio::offset::Offset;
use crate::socketio::rooms::Membership;
use crate::time::Timestamp;
use alloc::boxed::Box;

impl<P: Payload, N: Clone + Ord> Session<P, N> {
    /// The socket is open, which the link learns when it is of use.
    pub(super) fn opened(&mut self, conn: ConnId) {
        if self.link.is_dialling(conn) {
            self.connection = Some(ActiveConnection::new(conn, NamespaceConnection::new()));
        } else {
            self.outputs.push_back(Output::Abort { conn, code: close_code::NORMAL });
        }
    }

    pub(super) fn closed(&mut self, now: Timestamp, conn: ConnId, how: Disconnect) {
        #[cfg(feature = "frames")]
        if self.link.is_current(conn) && self.link.is_frame_too_large(&how) {
            self.drop_oversized_kept_frame();
        }
        if self.connection.take_if(|connection| connection.conn == conn && !connection.is_up()).is_some() {
            self.link.closed_in_handshake(now, conn, how);
        } else {
            self.link.closed(now, conn, how);
        }
    }

    pub(super) fn engine_opened(&mut self, handshake: Handshake) {
        let Some(connection) = self
            .connection
            .as_mut()
            .filter(|connection| matches!(connection.protocol.handshake, HandshakeState::AwaitingOpen))
        else {
            return;
        };
        connection.protocol.apply_handshake(handshake);
        self.link.transport_answered();
        let resume = self.protocol.pid.clone().zip(self.protocol.offset.last().map(Box::from));
        let pid = resume.as_ref().map(|(pid, _)| pid.clone());
        connection.protocol.handshake = HandshakeState::AwaitingConnect {
            pid,
            offset: self.protocol.offset.clone(),
            early: EarlyEvents::new(),
        };
        let resume = resume.map(|(pid, offset)| Box::new(Resume { pid, offset }));
        let resume = resume.filter(|_| !mutation!(SioResumeUnasked));
        let token = self.protocol.token.clone().filter(|_| !mutation!(SioTokenUnshown));
        self.write(ClientPacket::Connect { token, resume });
    }

    /// The namespace is connected.
    pub(super) fn namespace_connected(&mut self, now: Timestamp, connected: Connected) {
        if !connected.has_sid {
            let text = "the server speaks Socket.IO 2 or older: this client needs version 3 or later";
            return self.ends(now, CloseAction::Terminal, CauseCode::Incompatible, text);
        }
        let Some(connection) = &mut self.connection else { return };
        let HandshakeState::AwaitingConnect { pid, offset, .. } = &mut connection.protocol.handshake else {
            return;
        };
        if pid.is_some() && *pid == connected.pid {
            self.protocol.offset = core::mem::take(offset);
            connection.protocol.recovered = !mutation!(SioRecoveryUnnoticed);
        } else {
            if !mutation!(SioPlaceKept) {
                self.protocol.offset = Offset::default();
            }
            self.rooms.begin_anew();
        }
        self.protocol.pid = connected.pid;
        self.link.opened(now, connection.conn);
        self.link.set_idle_timeout(connection.protocol.idle_timeout);
    }

    /// Let in: what was missed, what is wanted, and that it may begin.
    pub(super) fn connection_ready(&mut self, now: Timestamp) {
        let Some(connection) = &mut self.connection else { return };
        let HandshakeState::AwaitingConnect { early: held, .. } =
            core::mem::replace(&mut connection.protocol.handshake, HandshakeState::Up)
        else {
            return;
        };
        self.event(Event::Mode(Mode::SocketIo));
        for at in 0..self.rooms.len() {
            self.resume_room(at, &held);
        }
        self.resume_personal(&held);
        for event in held.events.into_iter().skip(usize::from(mutation!(SioMissedForgotten))) {
            self.apply_event(event);
        }
        #[cfg(feature = "frames")]
        self.reset_kept_frames();
        self.join_all(now);
        self.leaving = true;
        self.check_ready();
    }

    /// Says of a room that was joined before how it stands with it now.
    fn resume_room(&mut self, at: usize, held: &EarlyEvents<P, N>) {
        let Some(room) = self.rooms.at_mut(at) else { return };
        let recovered = room.membership == Membership::Suspended;
        if !room.is_to_join() {
            return;
        }
        if recovered {
            room.membership = Membership::Member;
        }
        let (name, missed) = (room.name.clone(), room.seen_before && (!recovered || held.overflown));
        if recovered {
            let in_room = |event: &&_| replays(event, &name);
            let replayed = held.events.iter().filter(in_room).count() as u64;
            self.room_changed(name.clone(), RoomState::Joined);
            self.event(Event::Joined(JoinedRoom {
                room: name.clone(),
                recovered: !held.overflown,
                replayed,
                reason: None,
                members: None,
                member_count: None,
                #[cfg(feature = "native")]
                head: None,
            }));
        }
        if missed && !mutation!(SioGapUntold) {
            self.event(Event::Gap(Gap::unknown(name, GapReason::Reconnected)));
        }
    }

    /// Says of the notifications what it says of a room that was joined before.
    fn resume_personal(&mut self, held: &EarlyEvents<P, N>) {
        let was_up = core::mem::replace(&mut self.protocol.personal.was_up, true);
        if !was_up || !self.protocol.personal.is_followed || mutation!(SioOwnGapUntold) {
            return;
        }
        let room = self.protocol.personal.name.clone();
        if held.overflown || self.connection.as_ref().is_none_or(|connection| !connection.protocol.recovered)
        {
            return self.event(Event::Gap(Gap::unknown(room, GapReason::Reconnected)));
        }
        let is_one = |event: &&ServerEvent<P, N>| matches!(event.message, ServerMessage::Notification(_));
        self.event(Event::Joined(JoinedRoom {
            room,
            recovered: true,
            replayed: held.events.iter().filter(is_one).count() as u64,
            reason: None,
            members: None,
            member_count: None,
            #[cfg(feature = "native")]
            head: None,
        }));
    }

    /// Whether the session that was lost may be recovered on the next connection.
    pub(super) fn may_recover(&self) -> bool {
        self.protocol.pid.is_some() && self.protocol.offset.last().is_some()
    }

    /// The namespace refuses. Only another token may change that.
    pub(super) fn refused(&mut self, now: Timestamp, refusal: ConnectError) {
        let ConnectError { message: words, data } = refusal;
        let (verdict, cause) = if *words == *INVALID_NAMESPACE {
            let text = "the server has no such namespace";
            (CloseAction::Terminal, Cause::new(CauseCode::UnknownNamespace, text))
        } else {
            let verdict =
                if mutation!(SioRefusalRetried) { CloseAction::Retry } else { CloseAction::Rejected };
            (verdict, Cause::new(CauseCode::Unauthorized(4001), words))
        };
        self.ended_by(now, verdict, Cause { data, ..cause });
    }

    /// The server ends the connection as text of this protocol.
    pub(super) fn ends(
        &mut self,
        now: Timestamp,
        verdict: CloseAction,
        code: CauseCode,
        text: impl Into<Box<str>>,
    ) {
        self.ended_by(now, verdict, Cause::new(code, text));
    }

    fn ended_by(&mut self, now: Timestamp, verdict: CloseAction, cause: Cause) {
        if let Some(connection) = &self.connection {
            self.link.closed_by_server(now, connection.conn, verdict, cause);
        }
    }
}

/// Whether an event that was missed is a message of that room.
fn replays<P, N: PartialEq>(event: &ServerEvent<P, N>, room: &N) -> bool {
    matches!(&event.message, ServerMessage::Message(message) if message.room == *room)
}
