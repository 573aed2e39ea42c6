//! The client's packets and what only this machine tells, as numbers for the page, which writes and tells them.

use super::name::Name;
use super::names::{self, FIRST};
use crate::kinds::kinds;
use crate::outputs::{Fields, OutputKind};
use crate::value::{Numbered as _, Value};
use rejoin::machine::Output;
use rejoin::socketio::{ClientEvent, ClientPacket};
use rejoin::{DeliveryStatus, Event, SendFailure};

kinds!(
    /// Packets that only this machine sends, with their fields: the connection and the frame's number first. `JoinReply`,
    /// `Within` and what comes last are told and not sent.
    SentKind, SENT:
    Pong, Disconnect,
    // whether to give the token, whether to resume; the place to resume from
    Connect,
    // id
    Ack,
    // ack or −1, room
    Join, Leave,
    // ack or −1, room, value
    Say,
    // room, the packet with the answer
    JoinReply,
    // the number of a namespace of which there is something to do or to tell
    Within,
    // ack or −1, value
    #[cfg(feature = "socketio-frames")]
    Own,
    // id, value
    #[cfg(feature = "socketio-frames")]
    Answer,
    // Told: value, the number of the answer that is wanted or 0
    #[cfg(feature = "socketio-frames")]
    Event,
    // key, failure
    #[cfg(feature = "socketio-frames")]
    NotKept,
    // number, failure or 0
    #[cfg(feature = "socketio-frames")]
    NotAnswered,
);

/// Where a cause stands among the fields of a state.
const CAUSE: usize = 3;

/// What the machine wants or tells.
pub(super) type PacketOutput = Output<Value, Name, ClientPacket<Value, Name>>;

/// Puts a packet's fields behind its connection and its number.
pub(super) fn write(packet: &ClientPacket<Value, Name>, fields: &mut Fields<'_>) -> u32 {
    let kind = match packet {
        ClientPacket::Pong => SentKind::Pong,
        ClientPacket::Disconnect => SentKind::Disconnect,
        ClientPacket::Connect { token, resume } => {
            fields.truth(token.is_some()).truth(resume.is_some());
            if let Some(resume) = resume {
                fields.texts.put(resume.offset.as_bytes());
            }
            SentKind::Connect
        }
        ClientPacket::Ack { id } => {
            fields.count(*id);
            SentKind::Ack
        }
        ClientPacket::Emit { ack, event } => {
            fields.maybe(*ack);
            emitted(event, fields)
        }
        #[cfg(feature = "socketio-frames")]
        ClientPacket::Custom { ack, event } => {
            fields.maybe(*ack).small(event.handle());
            SentKind::Own
        }
        #[cfg(feature = "socketio-frames")]
        ClientPacket::Kept(event) => {
            fields.maybe(None).small(event.handle());
            SentKind::Own
        }
        #[cfg(feature = "socketio-frames")]
        ClientPacket::Answer { id, arguments } => {
            fields.count(*id).small(arguments.handle());
            SentKind::Answer
        }
        // Its number goes behind all fields.
        ClientPacket::In { packet, .. } => return write(packet, fields),
        _ => return OutputKind::Nothing.number(),
    };
    FIRST + kind as u32
}

fn emitted(event: &ClientEvent<Value, Name>, fields: &mut Fields<'_>) -> SentKind {
    match event {
        ClientEvent::Join { room } => {
            fields.small(room.number());
            SentKind::Join
        }
        ClientEvent::Leave { room } => {
            fields.small(room.number());
            SentKind::Leave
        }
        ClientEvent::Send { room, content, .. } => {
            fields.small(room.number()).small(content.handle());
            SentKind::Say
        }
    }
}

/// Makes an output what the page can be told of it; gives the cause that only this machine knows, with its place.
pub(super) fn prepare(output: &mut PacketOutput) -> Option<(usize, f64)> {
    match output {
        // The packet with who is in the room goes in the place of how many they are.
        Output::Event(Event::Joined(joined)) => {
            let packet = joined.members.take().and_then(|members| members.first().map(Name::number));
            joined.member_count = packet.map(u64::from);
        }
        Output::Event(Event::State(change)) => {
            let number = names::cause(&change.cause.as_ref()?.code);
            return (number > 0).then(|| (CAUSE, f64::from(FIRST - 1 + number)));
        }
        _ => {}
    }
    None
}

/// Puts what other servers do not say, or in another way: an answer to a send, where −1 and the empty text stand for what
/// it does not give, with its packet or 0; the same of an answer to a join; and a notification with the packet that its data is in, which is another one
/// where the last argument was the place to recover from, or 0.
pub(super) fn own(output: &PacketOutput, fields: &mut Fields<'_>) -> Option<u32> {
    let Output::Event(event) = output else { return None };
    match event {
        Event::Delivery(delivery) => {
            let answer = delivery.reply.as_ref().and_then(|reply| reply.answer.as_ref());
            match &delivery.status {
                DeliveryStatus::Answered { id, seq } => {
                    fields.send(delivery.id).small(2).small(0).small(0).maybe(*seq).maybe_id(id.as_ref());
                }
                DeliveryStatus::Failed(SendFailure::Refused(code)) => {
                    fields.send(delivery.id).small(4).small(0).small(crate::names::code(*code)).maybe(None);
                }
                _ => return None,
            }
            fields.small(answer.map_or(0, Value::handle));
            Some(OutputKind::Delivery.number())
        }
        Event::JoinReply { room, reply } => {
            let answer = reply.answer.as_ref().map_or(0, Value::handle);
            fields.small(room.number()).small(answer);
            Some(FIRST + SentKind::JoinReply as u32)
        }
        #[cfg(feature = "socketio-frames")]
        Event::Frame(frame) => {
            fields.small(frame.payload().map_or(0, Value::handle)).count(frame.ack().unwrap_or(0));
            Some(FIRST + SentKind::Event as u32)
        }
        #[cfg(feature = "socketio-frames")]
        Event::NotKept { key, why } => {
            fields.small(key.number()).small(crate::names::failure(why));
            Some(FIRST + SentKind::NotKept as u32)
        }
        #[cfg(feature = "socketio-frames")]
        Event::NotAnswered { ack, why } => {
            fields.count(*ack).small(crate::names::failure(why));
            Some(FIRST + SentKind::NotAnswered as u32)
        }
        Event::Notification(notification) => {
            let data = notification.data.as_ref().map_or(0, Value::handle);
            fields.small(notification.kind.number()).small(data);
            Some(OutputKind::Notification.number())
        }
        _ => None,
    }
}
