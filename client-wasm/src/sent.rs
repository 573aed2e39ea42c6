//! The client's frames, for the page to write with its own JSON.

use crate::outputs::{Fields, OutputKind};
use crate::value::{Handle, Value};
use rejoin::Position;
use rejoin::machine::ClientMessage;

/// Puts a frame's fields behind its connection and its number.
pub(crate) fn write(message: &ClientMessage<Value, Handle>, fields: &mut Fields<'_>) -> u32 {
    let kind = match message {
        ClientMessage::JoinRoom { room, request } => {
            fields.small(*room);
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
            fields.small(*room).maybe_id(reference.as_ref());
            OutputKind::SendLeave
        }
        ClientMessage::SendMessage { room, content, tag, .. } => {
            fields.small(*room).small(content.handle());
            if let Some(tag) = tag {
                fields.id(&tag.reference);
                if let Some(line) = &tag.producer {
                    fields.count(line.pseq).id(&line.pid).id(&line.epoch);
                }
            }
            OutputKind::SendMessage
        }
        ClientMessage::History(request) => {
            fields.small(request.room).count(request.after).count(request.limit);
            fields.id(&request.reference).id(&request.epoch);
            OutputKind::SendHistory
        }
        ClientMessage::Presence { room } => {
            fields.small(*room);
            OutputKind::SendPresence
        }
        ClientMessage::Signal { room, data, .. } => {
            fields.small(*room).small(data.as_ref().map_or(0, Value::handle));
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
