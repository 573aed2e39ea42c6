//! Applies the server's packets.

use super::Session;
use super::connection::HandshakeState;
use crate::cause::CauseCode;
use crate::close_code::{self, CloseAction};
use crate::event::{DeliveryStatus, Event, SendFailure, SendReply};
use crate::messages::ServerMessage;
use crate::mutation::mutation;
use crate::payload::Payload;
use crate::socketio::messages::{Answer, ClientPacket, ServerEvent, ServerPacket};
use crate::socketio::offset::Offset;
use crate::time::{ClockReading, Timestamp};

impl<P: Payload, N: Clone + Ord> Session<P, N> {
    pub(super) fn received(&mut self, now: Timestamp, packet: ServerPacket<P, N>) {
        match packet {
            ServerPacket::Ping if mutation!(SioPingUnanswered) => {}
            ServerPacket::Ping => self.write(ClientPacket::Pong),
            ServerPacket::Open(handshake) => self.engine_opened(handshake),
            ServerPacket::Connected(connected) => self.namespace_connected(now, connected),
            ServerPacket::ConnectError(refusal) => self.refused(now, refusal),
            ServerPacket::Disconnected => {
                let text = "the server disconnected this client";
                let verdict =
                    if mutation!(SioDismissalRetried) { CloseAction::Retry } else { CloseAction::Terminal };
                self.ends(now, verdict, CauseCode::Closed(close_code::NORMAL), text);
            }
            ServerPacket::Close => self.ends(now, CloseAction::Retry, CauseCode::ConnectionLost, ""),
            ServerPacket::Event(event) => self.receive_event(event),
            ServerPacket::Ack { id, answer } => self.answered(now, id, *answer, None),
            #[cfg(feature = "frames")]
            ServerPacket::LongAck { id, answer, whole } => self.answered(now, id, *answer, Some(whole)),
            ServerPacket::In { .. } => self.mark_unknown(),
            ServerPacket::Other => {}
        }
    }

    fn receive_event(&mut self, mut event: ServerEvent<P, N>) {
        match self.connection.as_mut().map(|connection| &mut connection.protocol.handshake) {
            Some(HandshakeState::Up) => {
                if self.protocol.pid.is_some() && !mutation!(SioPlaceUnread) {
                    read_offset(&mut self.protocol.offset, self.now, &mut event);
                }
                self.apply_event(event);
            }
            Some(HandshakeState::AwaitingConnect { offset, early: held, .. }) => {
                read_offset(offset, self.now, &mut event);
                held.buffer(event, self.limits.buffered, self.limits.buffered_bytes);
            }
            _ => self.diagnostics.unknown_frames += 1,
        }
    }

    #[cfg_attr(not(feature = "frames"), expect(unused_mut, reason = "only an own event is given a number"))]
    pub(super) fn apply_event(&mut self, mut event: ServerEvent<P, N>) {
        if let Some(id) = event.ack.filter(|_| !mutation!(SioEventUnanswered)) {
            #[cfg(feature = "frames")]
            let is_open = self.open_ack(id, &mut event.message);
            #[cfg(not(feature = "frames"))]
            let is_open = false;
            if !is_open {
                self.write(ClientPacket::Ack { id });
            }
        }
        match event.message {
            ServerMessage::Message(message) => {
                if !self.is_left(&message.room) {
                    self.mark_received(&message.room);
                    self.event(Event::Message(message));
                }
            }
            ServerMessage::UserJoined { room, user } => {
                if !self.is_left(&room) {
                    self.mark_received(&room);
                    self.event(Event::UserJoined { room, user });
                }
            }
            ServerMessage::Error { message, detail: refusal } => {
                let code = refusal.as_ref().map(|refusal| refusal.code);
                let server_code = refusal.and_then(|refusal| refusal.server_code);
                self.event(Event::ServerError { message, code, server_code });
            }
            ServerMessage::Notification(notification) => {
                self.protocol.personal.is_followed = true;
                self.event(Event::Notification(notification));
            }
            #[cfg(feature = "frames")]
            ServerMessage::Custom(_) if event.ack.is_some() && mutation!(SioOwnEventLost) => {}
            #[cfg(feature = "frames")]
            ServerMessage::Custom(frame) => self.event(Event::Frame(frame)),
            _ => self.diagnostics.unknown_frames += 1,
        }
    }

    /// `whole` is all of the answer where that shows the beginning only.
    pub(super) fn answered(&mut self, now: Timestamp, id: u64, answer: Answer<P, N>, whole: Option<P>) {
        #[cfg(feature = "frames")]
        if self.outbox.is_custom_ack(id) {
            return self.custom_ack(id, answer, whole);
        }
        #[cfg(not(feature = "frames"))]
        drop(whole);
        let Some(answer) = self.answers_join(now, id, answer) else { return };
        let (status, reply) = match answer {
            Answer::Done { id, seq, answer, .. } => {
                (DeliveryStatus::Answered { id, seq }, SendReply::new(answer, None))
            }
            Answer::Refused { code, message, answer, .. } => {
                (DeliveryStatus::Failed(SendFailure::Refused(code)), SendReply::new(answer, message))
            }
        };
        if !self.outbox.answered(id, status, reply, &mut self.outcomes) {
            // Too late, or an answer to nothing.
            self.diagnostics.unknown_frames += 1;
        }
    }
}

/// Takes the place to recover from out of an event, if it has one. Servers give none to events that want an answer.
fn read_offset<P, N>(offset: &mut Offset, now: ClockReading, event: &mut ServerEvent<P, N>) {
    let Some(trailing) = event.trailing.take().filter(|_| event.ack.is_none()) else { return };
    if !offset.take(now, trailing) {
        return;
    }
    match &mut event.message {
        ServerMessage::Notification(notification) => {
            notification.data = event.data_before_trailing.take().filter(|_| !mutation!(SioNotificationLost));
        }
        #[cfg(feature = "frames")]
        ServerMessage::Custom(frame) => {
            if let Some(arguments) = event.data_before_trailing.take() {
                frame.set_arguments(arguments);
            }
        }
        _ => {}
    }
}
