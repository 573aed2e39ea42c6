//! Encodes the client's frames for the page, which writes them as JSON.

use crate::handles::{Handle, Value};
use crate::outputs::OutputKind;
use crate::slots::SlotWriter;
use rejoin::Position;
use rejoin::machine::ClientMessage;

/// Writes a frame's fields after its connection and number.
pub(crate) fn write(message: &ClientMessage<Value, Handle>, fields: &mut SlotWriter<'_>) -> u32 {
    let kind = match message {
        ClientMessage::JoinRoom { room, request } => {
            fields.number(*room);
            if let Some(request) = request {
                fields.count(request.history.map_or(0, |history| history.saturating_add(1)));
                fields.id(&request.reference);
                if let Some(Position { epoch, seq, id }) = &request.since {
                    fields.count(*seq).id(epoch).id(id);
                }
            }
            OutputKind::SendJoin
        }
        ClientMessage::LeaveRoom { room, reference } => {
            fields.number(*room).optional_id(reference.as_ref());
            OutputKind::SendLeave
        }
        ClientMessage::SendMessage { room, content, tag, .. } => {
            fields.number(*room).number(content.handle());
            if let Some(tag) = tag {
                fields.id(&tag.reference);
                if let Some(line) = &tag.producer {
                    fields.count(line.pseq).id(&line.pid).id(&line.epoch);
                }
            }
            OutputKind::SendMessage
        }
        ClientMessage::History(request) => {
            fields.number(request.room).count(request.after).count(request.limit);
            fields.id(&request.reference).id(&request.epoch);
            OutputKind::SendHistory
        }
        ClientMessage::Presence { room } => {
            fields.number(*room);
            OutputKind::SendPresence
        }
        ClientMessage::Signal { room, data, .. } => {
            fields.number(*room).number(data.as_ref().map_or(0, Value::handle));
            OutputKind::SendSignal
        }
        ClientMessage::Ping { t } => {
            fields.count(*t);
            OutputKind::SendPing
        }
        ClientMessage::Auth { reference, .. } => {
            fields.id(reference);
            OutputKind::SendAuth
        }
        _ => OutputKind::Nothing,
    };
    kind.number()
}
