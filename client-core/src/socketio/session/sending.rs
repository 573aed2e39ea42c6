//! Gives sends to the connection, and asks for activity when nothing comes after one.

use super::Session;
use crate::mutation::mutation;
use crate::outbound::OutboundMessage;
use crate::payload::Payload;
use crate::session::Output;
use crate::socketio::messages::{ClientEvent, ClientPacket};
use crate::socketio::outbox::SendWindow;
use crate::time::{Nanos, Timestamp};

/// Silence after a message, after which the server is requested activity.
const UNANSWERED_TIMEOUT: Nanos = Nanos::from_secs(5);

impl<P: Payload, N: Clone + Ord> Session<P, N> {
    /// The number of the next answer, where answers are wanted, and until when it may come.
    pub(super) fn next_ack(&self, now: Timestamp) -> Option<(u64, Timestamp)> {
        self.protocol.wants_acks.then(|| (self.protocol.acks, now + self.protocol.ack_timeout))
    }

    pub(super) fn emit(&mut self, ack: Option<(u64, Timestamp)>, event: ClientEvent<P, N>) {
        self.protocol.acks += u64::from(ack.is_some());
        self.write(ClientPacket::Emit { ack: ack.map(|(number, _)| number), event });
    }

    /// Gives sends to the connection while it takes them.
    pub(super) fn transmit(&mut self, now: Timestamp) {
        #[cfg(feature = "frames")]
        if !self.write_kept_frames() {
            return;
        }
        let mut stored = false;
        while let Some(connection) = self.connection.as_ref().filter(|connection| connection.is_up()) {
            let gate = SendWindow {
                frame: connection.last_frame + 1,
                ack: (self.protocol.acks, now + self.protocol.ack_timeout),
                acks: self.protocol.wants_acks,
                unflushed: self.limits.unflushed,
                content: connection.protocol.max_payload,
            };
            let Some((send, ack)) = self.outbox.transmit(&gate, &mut self.outcomes) else { return };
            if !stored && !mutation!(SioSaveLate) {
                // At most once: a later run must not find it and make it again.
                stored = true;
                self.outputs.push_back(Output::Save);
            }
            self.protocol.acks += u64::from(ack.is_some());
            #[cfg(feature = "frames")]
            self.kept_frames.record_send(send.payload_len());
            let message = self.packet(send, ack);
            self.write(message);
            if let Some(connection) = &mut self.connection {
                connection.silent_since = connection.silent_since.min(now);
            }
        }
    }

    fn packet(&self, send: OutboundMessage<P, N>, ack: Option<u64>) -> ClientPacket<P, N> {
        #[cfg(feature = "frames")]
        if self.outbox.is_custom(&send.room) {
            return ClientPacket::Custom { ack, event: send.content };
        }
        let OutboundMessage { room, content, data, .. } = send;
        ClientPacket::Emit { ack, event: ClientEvent::Send { room, content, data } }
    }

    /// When the silence after a message has lasted too long.
    pub(super) fn silence_deadline(&self) -> Timestamp {
        self.connection
            .as_ref()
            .map_or(Timestamp::NEVER, |connection| connection.silent_since + UNANSWERED_TIMEOUT)
    }

    pub(super) fn tick_silence(&mut self, now: Timestamp) {
        if self.silence_deadline() <= now
            && let Some(connection) = &mut self.connection
        {
            connection.silent_since = Timestamp::NEVER;
            self.link.probe(now);
        }
    }
}
