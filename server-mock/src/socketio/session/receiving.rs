//! Reads engine packets, the Socket.IO packets in them, and the attachments behind those. Hands events to the
//! namespace that they are for.

use super::Session;
use crate::close_reason::CloseReason;
use crate::limits::Limit;
use crate::send_queue::Shutdown;
use crate::socketio::binary::{self, Gathered, Gathering};
use crate::socketio::member::{Handed, Member};
use crate::socketio::packet::{self, Engine, Incoming, Packet};
use crate::socketio::transport::EngineTransport;
use rejoin::socketio::MAX_ATTACHMENTS;
use std::task::Context;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{Bytes, Utf8Bytes};

/// Most frames gathered for the hub before the others get their turn.
const BATCH: usize = 32;

/// Most packets from somebody who has not said who it is: CONNECTs and signs of life.
const EARLY_PACKETS: u32 = 32;

/// What is no packet ends the session.
const MALFORMED: CloseReason = CloseReason::Violation(1002, "Not a packet of Socket.IO 5");

/// What is wrong with a message that is no packet: one with more attachments than clients take could be one.
fn no_packet(message: &str) -> CloseReason {
    let count =
        message.strip_prefix(['5', '6']).and_then(|rest| rest.split_once('-')).map(|(count, _)| count);
    let is_number = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let too_many = |text: &str| text.parse().map_or(true, |count: u64| count > u64::from(MAX_ATTACHMENTS));
    if count.filter(is_number).is_some_and(too_many) {
        return CloseReason::Over(Limit::Attachments, 1009, "Too many attachments: a packet has at most 10");
    }
    MALFORMED
}

impl Session {
    /// Handles what was read, as far as the others let it. `all`: nothing is read any more.
    pub(super) fn handle(&mut self, all: bool, cx: &mut Context<'_>) -> Result<(), CloseReason> {
        loop {
            while self.pending() < BATCH && (all || !self.write_queue.is_long()) {
                if !self.has_entered(cx)? {
                    break;
                }
                let Some(incoming) = self.incoming.pop() else { break };
                let pending = self.pending();
                match incoming {
                    Incoming::Packet(text) => {
                        if !self.packet(&text)? {
                            self.incoming.put_back(Incoming::Packet(text));
                            break;
                        }
                    }
                    Incoming::Attachment(bytes) => self.attachment(bytes)?,
                    Incoming::Malformed => return Err(CloseReason::Violation(1002, "Not base64")),
                }
                self.has_entered(cx)?;
                // What makes no frame for the hub counts against the user's rate all the same.
                if self.pending() <= pending
                    && let Some(member) = self.members.first()
                {
                    member.activity();
                }
            }
            let handed = self.hand_over(cx);
            if handed == Handed::Waiting {
                return Ok(());
            }
            let handed = handed == Handed::All;
            if !handed && !all {
                // Let the others write before this one goes on.
                cx.waker().wake_by_ref();
                return Ok(());
            }
            if self.is_entering() {
                // What follows is for whoever is in the rooms.
                return Ok(());
            }
            if handed && self.incoming.is_empty() {
                if let Some(posted) = self.posted.take() {
                    let _ = posted.send(());
                }
                return Ok(());
            }
            if !all && self.write_queue.is_long() {
                return Ok(());
            }
        }
    }

    /// Hands what is for the hub to it. What one namespace waits for holds no other one up.
    fn hand_over(&mut self, cx: &mut Context<'_>) -> Handed {
        let mut all = Handed::All;
        for member in &mut self.members {
            match member.hand_over(cx) {
                Handed::All => {}
                Handed::Waiting => all = Handed::Waiting,
                Handed::Busy => return Handed::Busy,
            }
        }
        all
    }

    /// Counts the WebSocket frames that continue a message, as packets are counted.
    pub(super) fn count_continuations(&mut self) -> Result<(), CloseReason> {
        let count = self.transport.take_continuations();
        if let Some(member) = self.members.first() {
            member.continuations(count);
            return Ok(());
        }
        self.count_early(count)
    }

    /// Counts packets of somebody who has not said who it is.
    fn count_early(&mut self, count: u32) -> Result<(), CloseReason> {
        self.early_packets = self.early_packets.saturating_add(count);
        if self.early_packets > EARLY_PACKETS {
            return Err(CloseReason::Over(Limit::EarlyPackets, 1008, "Too many packets before CONNECT"));
        }
        Ok(())
    }

    /// Handles one packet; `false` if what came before it must reach the hub first.
    fn packet(&mut self, text: &Utf8Bytes) -> Result<bool, CloseReason> {
        self.heartbeat.activity(Instant::now());
        if !self.is_seated() {
            self.count_early(1)?;
        }
        let message = match Engine::read(text).ok_or(MALFORMED)? {
            Engine::Close => return Err(self.closed_by_packet()),
            Engine::Alive => return Ok(true),
            Engine::Pong => {
                self.members.iter().for_each(Member::ponged);
                return Ok(true);
            }
            Engine::Message(_) if self.gathering.is_some() => {
                return Err(CloseReason::Violation(1002, "An attachment is missing"));
            }
            Engine::Message(message) => message,
        };
        let packet = Packet::read(message).ok_or_else(|| no_packet(message))?;
        match packet {
            Packet::Connect { .. } | Packet::Disconnect { .. } if self.pending() > 0 => return Ok(false),
            Packet::Connect { namespace, auth } => {
                if self.member(namespace).is_none() {
                    self.connect(namespace, auth)?;
                }
            }
            // Only CONNECT is for somebody who has not said who it is.
            _ if !self.is_seated() => return Err(CloseReason::Violation(1008, "CONNECT comes first")),
            Packet::Disconnect { namespace } => self.vacate(namespace)?,
            // What is for a namespace that the client is not in was on its way before it heard so.
            Packet::Event { namespace, ack, array } => self.event(namespace, ack, array)?,
            Packet::BinaryEvent { namespace, attachments, .. } => {
                let wanted = self.member(namespace).is_some();
                self.gather(text, attachments, wanted);
            }
            Packet::Answer { attachments: 0 } => {}
            Packet::Answer { attachments } => self.gather(text, attachments, false),
        }
        Ok(true)
    }

    fn event(&mut self, namespace: &str, ack: Option<u64>, array: &str) -> Result<(), CloseReason> {
        let (name, payload) = packet::event(array).ok_or(MALFORMED)?;
        let member = self.members.iter_mut().find(|member| member.namespace.name() == namespace);
        if let Some(member) = member {
            member.event(&name, payload, ack, &mut self.write_queue);
        }
        Ok(())
    }

    /// Waits for the attachments of a packet, for as long as for a pong.
    fn gather(&mut self, packet: &Utf8Bytes, count: u8, wanted: bool) {
        let until = Instant::now() + self.app.engine_pings().1;
        self.gathering = Some(Gathering::new(packet, count, self.app.limits.frame_bytes, wanted, until));
    }

    fn attachment(&mut self, bytes: Bytes) -> Result<(), CloseReason> {
        let gathering =
            self.gathering.as_mut().ok_or(CloseReason::Violation(1003, "Unexpected attachment"))?;
        match gathering.add(bytes) {
            Gathered::More => return Ok(()),
            Gathered::TooMuch => {
                return Err(CloseReason::Over(Limit::FrameBytes, 1009, "Attachments too large"));
            }
            Gathered::All => {}
        }
        let Some(Gathering { packet, attachments, .. }) = self.gathering.take() else { return Ok(()) };
        let Some(Engine::Message(message)) = Engine::read(&packet) else { return Ok(()) };
        if let Some(Packet::BinaryEvent { namespace, ack, array, .. }) = Packet::read(message)
            && self.member(namespace).is_some()
        {
            let array = binary::fill(array, &attachments);
            let array = array.ok_or(CloseReason::Violation(1002, "Illegal attachments"))?;
            self.event(namespace, ack, &array)?;
        }
        Ok(())
    }

    /// The client has said that it goes. A WebSocket is closed for it: it waits for that.
    fn closed_by_packet(&self) -> CloseReason {
        match self.transport {
            EngineTransport::Polling(_) => CloseReason::ClosedByPeer { clean: false },
            EngineTransport::WebSocket { .. } => {
                CloseReason::Requested(Shutdown::Close { code: 1000, reason: "Closed" })
            }
        }
    }
}
