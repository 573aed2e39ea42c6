//! Application events: decodes their inputs. Their content stays in the page.

use super::name::Name;
use super::server_packets::{PacketIn, PacketInput};
use crate::handles::Value;
use crate::slots::SlotReader;
use rejoin::SendId;
use rejoin::machine::{Command, Input, OutboundMessage};
use rejoin::socketio::ServerPacket;

/// Adds the whole value to an ack, if it was passed before.
pub(super) fn with_value(input: PacketInput, value: &mut Option<Value>) -> PacketInput {
    match (input, value.take()) {
        (Input::Received(conn, ServerPacket::Ack { id, answer }), Some(value)) => {
            Input::Received(conn, ServerPacket::LongAck { id, answer, whole: value })
        }
        (input, _) => input,
    }
}

/// Whether this kind is a command of the application.
pub(super) fn is_command(kind: PacketIn) -> bool {
    matches!(
        kind,
        PacketIn::EmitWithAck
            | PacketIn::Volatile
            | PacketIn::IdempotentWithAck
            | PacketIn::Idempotent
            | PacketIn::Keep
            | PacketIn::DropKept
            | PacketIn::Answer
    )
}

/// Decodes a command.
pub(super) fn command(kind: PacketIn, fields: &mut SlotReader<'_>) -> Option<PacketInput> {
    let command = match kind {
        PacketIn::EmitWithAck => Command::Send(with_ack(send(fields))),
        PacketIn::IdempotentWithAck => Command::Send(with_ack(idempotent(send(fields)))),
        PacketIn::Idempotent => Command::Send(idempotent(send(fields))),
        PacketIn::Volatile => Command::SendVolatile(send(fields)),
        PacketIn::Keep => Command::Keep { key: Name::Room(fields.handle()), frame: fields.sized_value() },
        PacketIn::DropKept => Command::DropKept(Name::Room(fields.handle())),
        PacketIn::Answer => Command::Answer { ack: fields.count(), arguments: fields.sized_value() },
        _ => return None,
    };
    Some(Input::Command(command))
}

/// Data marks a send that expects an ack.
fn with_ack(send: OutboundMessage<Value, Name>) -> OutboundMessage<Value, Name> {
    OutboundMessage { data: Some(send.content.clone()), ..send }
}

fn idempotent(send: OutboundMessage<Value, Name>) -> OutboundMessage<Value, Name> {
    OutboundMessage { idempotent: true, ..send }
}

fn send(fields: &mut SlotReader<'_>) -> OutboundMessage<Value, Name> {
    let (id, room) = (SendId(fields.count()), Name::Room(fields.handle()));
    let (event, timeout) = (fields.sized_value(), fields.duration());
    OutboundMessage { timeout, ..OutboundMessage::new(id, room, event) }
}
