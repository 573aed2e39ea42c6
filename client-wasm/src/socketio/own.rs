//! Events of the application's own: what the machine is told of them, and asked. What they say is the page's business.

use super::name::Name;
use super::packets::{PacketInput, PacketKind};
use crate::fields::Fields;
use crate::value::Value;
use rejoin::machine::{Command, Input, OutboundMessage};
use rejoin::messages::ServerMessage;
use rejoin::socketio::ServerPacket;
use rejoin::{Frame, SendId};

/// What an event has in the place of a room: in the page's table it is the number of no name.
pub(super) const ROOM: Name = Name::Room(0);

/// One that came; its name stays with the page.
pub(super) fn event(fields: &mut Fields<'_>) -> ServerMessage<Value, Name> {
    ServerMessage::Custom(Frame::event("".into(), ROOM, fields.sized_value()))
}

/// An answer with all of it, if that has come before it.
pub(super) fn whole(input: PacketInput, whole: &mut Option<Value>) -> PacketInput {
    match (input, whole.take()) {
        (Input::Received(conn, ServerPacket::Ack { id, answer }), Some(whole)) => {
            Input::Received(conn, ServerPacket::LongAck { id, answer, whole })
        }
        (input, _) => input,
    }
}

/// Whether this kind is what the application asks.
pub(super) fn is_command(kind: PacketKind) -> bool {
    matches!(
        kind,
        PacketKind::Ask
            | PacketKind::Volatile
            | PacketKind::AskAgain
            | PacketKind::Again
            | PacketKind::Keep
            | PacketKind::DropKept
            | PacketKind::Answer
    )
}

/// What it asks.
pub(super) fn command(kind: PacketKind, fields: &mut Fields<'_>) -> Option<PacketInput> {
    let command = match kind {
        PacketKind::Ask => Command::Send(asking(send(fields))),
        PacketKind::AskAgain => Command::Send(asking(again(send(fields)))),
        PacketKind::Again => Command::Send(again(send(fields))),
        PacketKind::Volatile => Command::SendVolatile(send(fields)),
        PacketKind::Keep => Command::Keep { key: Name::Room(fields.handle()), frame: fields.sized_value() },
        PacketKind::DropKept => Command::DropKept(Name::Room(fields.handle())),
        PacketKind::Answer => Command::Answer { ack: fields.count(), arguments: fields.sized_value() },
        _ => return None,
    };
    Some(Input::Command(command))
}

/// That there is data says that an answer is wanted.
fn asking(send: OutboundMessage<Value, Name>) -> OutboundMessage<Value, Name> {
    OutboundMessage { data: Some(send.content.clone()), ..send }
}

fn again(send: OutboundMessage<Value, Name>) -> OutboundMessage<Value, Name> {
    OutboundMessage { idempotent: true, ..send }
}

fn send(fields: &mut Fields<'_>) -> OutboundMessage<Value, Name> {
    let (id, room) = (SendId(fields.count()), Name::Room(fields.handle()));
    let (event, timeout) = (fields.sized_value(), fields.duration());
    OutboundMessage { timeout, ..OutboundMessage::new(id, room, event) }
}
