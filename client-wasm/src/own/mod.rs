//! Frames of the application's own, as a page speaks of them: what the machine with the feature `frames` is told and tells
//! beside the rest. What they say is the page's business; here a frame is a value.
//!
//! They are sent as messages are, with `ROOM` in the place of a room.

pub mod names;

use crate::fields::Fields;
use crate::kinds::kinds;
use crate::names::failure;
use crate::outputs;
use crate::value::{Handle, Value};
use names::FIRST;
use rejoin::machine::{ClientMessage, Command, ConnId, Input, OutboundMessage, Output};
use rejoin::messages::ServerMessage;
use rejoin::{Event, Frame, SendId};

/// What a frame has in the place of a room: in the page's table it is the number of no name.
pub(crate) const ROOM: Handle = 0;

kinds!(
    /// What can be said to the machine, with its fields in the order of the slots.
    SaidKind, SAID:
    // connection, value, bytes
    Frame,
    // send, no room, value, bytes, timeout in ms or 0
    Volatile,
    // key, value, bytes
    Keep,
    // key
    DropKept,
);

kinds!(
    /// What the machine tells or wants written, with its fields.
    ToldKind, TOLD:
    // value
    Frame,
    // key, failure
    NotKept,
    // connection, frame, value
    Write,
);

/// The input that the page means; `None` for a number that stands for none here.
pub(crate) fn read(kind: u32, fields: &mut Fields<'_>) -> Option<Input<Value, Handle>> {
    let kind = SaidKind::ALL.get(usize::try_from(kind.checked_sub(FIRST)?).ok()?)?;
    Some(match kind {
        SaidKind::Frame => {
            let (conn, frame) = (ConnId(fields.count()), fields.sized_value());
            Input::Received(conn, ServerMessage::Custom(Frame::new(None, frame)))
        }
        SaidKind::Volatile => {
            let (id, room) = (SendId(fields.count()), fields.handle());
            let (frame, timeout) = (fields.sized_value(), fields.duration());
            Input::Command(Command::SendVolatile(OutboundMessage {
                timeout,
                ..OutboundMessage::new(id, room, frame)
            }))
        }
        SaidKind::Keep => Input::Command(Command::Keep { key: fields.handle(), frame: fields.sized_value() }),
        SaidKind::DropKept => Input::Command(Command::DropKept(fields.handle())),
    })
}

/// Puts the fields of an output that is about frames into their places; `None` for the others.
pub(crate) fn write(output: &Output<Value, Handle>, fields: &mut outputs::Fields<'_>) -> Option<u32> {
    let kind = match output {
        Output::Send { conn, frame, message: ClientMessage::Custom(value) | ClientMessage::Kept(value) } => {
            fields.count(conn.0).count(*frame).small(value.handle());
            ToldKind::Write
        }
        Output::Event(Event::Frame(frame)) => {
            fields.small(frame.payload().map_or(0, Value::handle));
            ToldKind::Frame
        }
        Output::Event(Event::NotKept { key, why }) => {
            fields.small(*key).small(failure(why));
            ToldKind::NotKept
        }
        _ => return None,
    };
    Some(FIRST + kind as u32)
}

#[cfg(test)]
mod tests;
