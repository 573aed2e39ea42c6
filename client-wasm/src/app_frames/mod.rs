//! The application's own frames at the border: decodes and encodes what a machine with the feature `frames` has beside the rest.
//! A frame is a value here; its content stays in the page.
//!
//! They are sent like messages, with `ROOM` in place of a room.

use crate::codes::failure;
use crate::codes::kinds;
use crate::handles::{Handle, Value};
use crate::slots::SlotReader;
use rejoin::machine::{ClientMessage, Command, ConnId, Input, OutboundMessage, Output};
use rejoin::messages::ServerMessage;
use rejoin::{Event, Frame, SendId};

/// First number of these kinds, above those of other machines.
pub(crate) const FIRST: u32 = 151;
/// The room handle of a frame: the page's table has no name with this handle.
pub(crate) const ROOM: Handle = 0;

kinds!(
    /// Inputs, with their fields in slot order.
    FrameInput, FRAME_INPUTS:
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
    /// Outputs, with their fields.
    FrameOutput, FRAME_OUTPUTS:
    // value
    Frame,
    // key, failure
    NotKept,
    // connection, frame, value
    Write,
);

/// Decodes an input; `None` for other kinds.
pub(crate) fn read(kind: u32, fields: &mut SlotReader<'_>) -> Option<Input<Value, Handle>> {
    let kind = FrameInput::ALL.get(usize::try_from(kind.checked_sub(FIRST)?).ok()?)?;
    Some(match kind {
        FrameInput::Frame => {
            let (conn, frame) = (ConnId(fields.count()), fields.sized_value());
            Input::Received(conn, ServerMessage::Custom(Frame::new(None, frame)))
        }
        FrameInput::Volatile => {
            let (id, room) = (SendId(fields.count()), fields.handle());
            let (frame, timeout) = (fields.sized_value(), fields.duration());
            Input::Command(Command::SendVolatile(OutboundMessage {
                timeout,
                ..OutboundMessage::new(id, room, frame)
            }))
        }
        FrameInput::Keep => {
            Input::Command(Command::Keep { key: fields.handle(), frame: fields.sized_value() })
        }
        FrameInput::DropKept => Input::Command(Command::DropKept(fields.handle())),
    })
}

/// Writes the fields of an output about frames; `None` for other outputs.
pub(crate) fn write(
    output: &Output<Value, Handle>,
    fields: &mut crate::slots::SlotWriter<'_>,
) -> Option<u32> {
    let kind = match output {
        Output::Send { conn, frame, message: ClientMessage::Custom(value) | ClientMessage::Kept(value) } => {
            fields.count(conn.0).count(*frame).number(value.handle());
            FrameOutput::Write
        }
        Output::Event(Event::Frame(frame)) => {
            fields.number(frame.payload().map_or(0, Value::handle));
            FrameOutput::Frame
        }
        Output::Event(Event::NotKept { key, why }) => {
            fields.number(*key).number(failure(why));
            FrameOutput::NotKept
        }
        _ => return None,
    };
    Some(FIRST + kind as u32)
}

#[cfg(test)]
mod tests;
