//! Encodes the client's packets, and the events of this machine only, for the page.

use super::codes::{self, FIRST};
use super::name::Name;
use crate::codes::kinds;
use crate::handles::{HasHandle as _, Value};
use crate::outputs::OutputKind;
use crate::slots::SlotWriter;
use rejoin::machine::Output;
use rejoin::socketio::{ClientEvent, ClientPacket};
use rejoin::{DeliveryStatus, Event, SendFailure};

kinds!(
    /// Packets of this machine only, with their fields after the connection and the frame's number. `JoinReply`,
    /// `NamespaceOutput` and the last kinds are events and not sent.
    PacketOut, PACKETS_OUT:
    Pong, Disconnect,
    // whether to send the token, whether to resume; the offset to resume from
    Connect,
    // id
    Ack,
    // ack or −1, room
    Join, Leave,
    // ack or −1, room, value
    SendMessage,
    // room, the packet with the answer
    JoinReply,
    // the number of a namespace that has outputs
    NamespaceOutput,
    // ack or −1, value
    #[cfg(feature = "socketio-frames")]
    AppEvent,
    // id, value
    #[cfg(feature = "socketio-frames")]
    Answer,
    // event: value, the number of the expected answer or 0
    #[cfg(feature = "socketio-frames")]
    Event,
    // key, failure
    #[cfg(feature = "socketio-frames")]
    NotKept,
    // number, failure or 0
    #[cfg(feature = "socketio-frames")]
    NotAnswered,
);

/// Index of the cause in the fields of a state.
const CAUSE: usize = 3;

/// The outputs of this machine.
pub(super) type PacketOutput = Output<Value, Name, ClientPacket<Value, Name>>;

/// Writes a packet's fields after its connection and number.
pub(super) fn write(packet: &ClientPacket<Value, Name>, fields: &mut SlotWriter<'_>) -> u32 {
    let kind = match packet {
        ClientPacket::Pong => PacketOut::Pong,
        ClientPacket::Disconnect => PacketOut::Disconnect,
        ClientPacket::Connect { token, resume } => {
            fields.flag(token.is_some()).flag(resume.is_some());
            if let Some(resume) = resume {
                fields.ids.put(resume.offset.as_bytes());
            }
            PacketOut::Connect
        }
        ClientPacket::Ack { id } => {
            fields.count(*id);
            PacketOut::Ack
        }
        ClientPacket::Emit { ack, event } => {
            fields.optional(*ack);
            emit(event, fields)
        }
        #[cfg(feature = "socketio-frames")]
        ClientPacket::Custom { ack, event } => {
            fields.optional(*ack).number(event.handle());
            PacketOut::AppEvent
        }
        #[cfg(feature = "socketio-frames")]
        ClientPacket::Kept(event) => {
            fields.optional(None).number(event.handle());
            PacketOut::AppEvent
        }
        #[cfg(feature = "socketio-frames")]
        ClientPacket::Answer { id, arguments } => {
            fields.count(*id).number(arguments.handle());
            PacketOut::Answer
        }
        // The namespace's number is written into the last slot.
        ClientPacket::In { packet, .. } => return write(packet, fields),
        _ => return OutputKind::Nothing.number(),
    };
    FIRST + kind as u32
}

fn emit(event: &ClientEvent<Value, Name>, fields: &mut SlotWriter<'_>) -> PacketOut {
    match event {
        ClientEvent::Join { room } => {
            fields.number(room.number());
            PacketOut::Join
        }
        ClientEvent::Leave { room } => {
            fields.number(room.number());
            PacketOut::Leave
        }
        ClientEvent::Send { room, content, .. } => {
            fields.number(room.number()).number(content.handle());
            PacketOut::SendMessage
        }
    }
}

/// Adapts an output for the page; returns a cause specific to Socket.IO with its slot.
pub(super) fn prepare(output: &mut PacketOutput) -> Option<(usize, f64)> {
    match output {
        // The packet with the members takes the place of the member count.
        Output::Event(Event::Joined(joined)) => {
            let packet = joined.members.take().and_then(|members| members.first().map(Name::number));
            joined.member_count = packet.map(u64::from);
        }
        Output::Event(Event::State(change)) => {
            let number = codes::cause(&change.cause.as_ref()?.code);
            return (number > 0).then(|| (CAUSE, f64::from(FIRST - 1 + number)));
        }
        _ => {}
    }
    None
}

/// Writes events that differ from those of other servers: the answer to a send, where −1 and the empty text mean absent
/// fields, with its packet or 0; the answer to a join; and a notification with the packet of its data, which is another one
/// where the last argument was an offset, or 0.
pub(super) fn write_event(output: &PacketOutput, fields: &mut SlotWriter<'_>) -> Option<u32> {
    let Output::Event(event) = output else { return None };
    match event {
        Event::Delivery(delivery) => {
            let answer = delivery.reply.as_ref().and_then(|reply| reply.answer.as_ref());
            match &delivery.status {
                DeliveryStatus::Answered { id, seq } => {
                    fields
                        .send(delivery.id)
                        .number(2)
                        .number(0)
                        .number(0)
                        .optional(*seq)
                        .optional_id(id.as_ref());
                }
                DeliveryStatus::Failed(SendFailure::Refused(code)) => {
                    fields
                        .send(delivery.id)
                        .number(4)
                        .number(0)
                        .number(crate::codes::code(*code))
                        .optional(None);
                }
                _ => return None,
            }
            fields.number(answer.map_or(0, Value::handle));
            Some(OutputKind::Delivery.number())
        }
        Event::JoinReply { room, reply } => {
            let answer = reply.answer.as_ref().map_or(0, Value::handle);
            fields.number(room.number()).number(answer);
            Some(FIRST + PacketOut::JoinReply as u32)
        }
        #[cfg(feature = "socketio-frames")]
        Event::Frame(frame) => {
            fields.number(frame.payload().map_or(0, Value::handle)).count(frame.ack().unwrap_or(0));
            Some(FIRST + PacketOut::Event as u32)
        }
        #[cfg(feature = "socketio-frames")]
        Event::NotKept { key, why } => {
            fields.number(key.number()).number(crate::codes::failure(why));
            Some(FIRST + PacketOut::NotKept as u32)
        }
        #[cfg(feature = "socketio-frames")]
        Event::NotAnswered { ack, why } => {
            fields.count(*ack).number(crate::codes::failure(why));
            Some(FIRST + PacketOut::NotAnswered as u32)
        }
        Event::Notification(notification) => {
            let data = notification.data.as_ref().map_or(0, Value::handle);
            fields.number(notification.kind.number()).number(data);
            Some(OutputKind::Notification.number())
        }
        _ => None,
    }
}
