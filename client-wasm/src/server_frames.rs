//! Decodes the server's frames from the fields that the page extracted with its own JSON parser.

use crate::codes;
use crate::handles::{Handle, Value};
use crate::inputs::InputKind;
use crate::slots::SlotReader;
use alloc::boxed::Box;
use alloc::vec::Vec;
use rejoin::Message;
use rejoin::machine::{ConnId, Input, ServerMessage};
use rejoin::messages::{
    Ack, AuthExpiry, AuthOk, EntryMeta, ErrorDetail, GoingAway, Hello, History, Joined, Left, Limits, Nack,
    Notification, Presence, ProducerSeq, ReconnectHint, Signal,
};

type Frame = ServerMessage<Value, Handle>;

/// Decodes a frame: the connection, then the fields listed with each kind.
///
/// The page assigns a handle to each frame. A value or a user in a decoded frame is that handle: the page looks up
/// the content and the user there. The messages of a history answer arrive one by one before it.
pub(crate) fn read(
    kind: InputKind,
    fields: &mut SlotReader<'_>,
    history: &mut Vec<Message<Value, Handle>>,
) -> Option<Input<Value, Handle>> {
    let conn = ConnId(fields.count());
    let frame = match kind {
        // frame, room, seq or 0, replay, pseq; id, epoch, pid
        InputKind::Message => ServerMessage::Message(message(fields)),
        InputKind::HistoryMessage => {
            let message = message(fields);
            history.push(message);
            return None;
        }
        // frame, seq, replay; id, epoch
        InputKind::Notification => {
            let value = fields.value();
            match entry(fields) {
                Some(entry) => {
                    let entry = Some(entry);
                    ServerMessage::Notification(Box::new(Notification { entry, kind: 0, data: Some(value) }))
                }
                None => ServerMessage::Unknown,
            }
        }
        // room, complete; ref, epoch
        InputKind::History => {
            let (room, complete) = (fields.handle(), fields.flag());
            let messages = core::mem::take(history);
            match (fields.id(), fields.id()) {
                (Some(reference), Some(epoch)) => {
                    ServerMessage::History(Box::new(History { reference, room, epoch, messages, complete }))
                }
                _ => ServerMessage::Unknown,
            }
        }
        _ => extended(kind, fields).unwrap_or(ServerMessage::Unknown),
    };
    Some(Input::Received(conn, frame))
}

fn message(fields: &mut SlotReader<'_>) -> Message<Value, Handle> {
    let (content, room) = (fields.value(), fields.handle());
    let timestamp = content.clone();
    Message::plain(room, 0, content, timestamp).with_entry(entry(fields).map(Box::new))
}

/// seq, replay, pseq; id, epoch, pid
fn entry(fields: &mut SlotReader<'_>) -> Option<EntryMeta> {
    let (seq, replay, pseq) = (fields.count(), fields.flag(), fields.count());
    let (id, epoch, pid) = (fields.id(), fields.id(), fields.id());
    let producer = pid.map(|pid| Box::new(ProducerSeq { pid, pseq }));
    Some(EntryMeta { id: id?, epoch: epoch?, seq, replay, producer })
}

/// Frames without a value of the page; `None` if a required field is missing.
fn extended(kind: InputKind, fields: &mut SlotReader<'_>) -> Option<Frame> {
    Some(match kind {
        // room, frame
        InputKind::UserJoined => ServerMessage::UserJoined { room: fields.handle(), user: fields.handle() },
        InputKind::UserLeft => ServerMessage::UserLeft { room: fields.handle(), user: fields.handle() },
        // frame, code or 0, room or 0, retry, retry after or −1; ref
        InputKind::Error => {
            let (message, code, room) = (fields.value(), fields.handle(), fields.handle());
            let (retry, retry_after_ms) = (fields.flag(), fields.optional_count());
            let detail = (code > 0).then(|| {
                let room = (room > 0).then_some(room);
                Box::new(ErrorDetail {
                    reference: fields.id(),
                    room,
                    code: codes::read_code(code),
                    retry,
                    retry_after_ms,
                    server_code: None,
                })
            });
            ServerMessage::Error { message, detail }
        }
        // v, user, server time, heartbeat, dedupe window, six limits, window, token's time or −1
        InputKind::Hello => ServerMessage::Hello(Box::new(hello(fields))),
        // room, seq, replay, recovered, reason, frame; ref, epoch. The member list stays in the page's frame: its handle
        // takes the place of the member count.
        InputKind::Joined => {
            let (reference, epoch) = (fields.id()?, fields.id()?);
            ServerMessage::Joined(Box::new(Joined {
                reference,
                room: fields.handle(),
                epoch,
                seq: fields.count(),
                replay: fields.count(),
                recovered: fields.flag(),
                reason: codes::read_join_reason(fields.handle()),
                members: None,
                member_count: Some(fields.count()),
            }))
        }
        // room, code or 0; ref
        InputKind::Left => {
            let (room, code) = (fields.handle(), fields.handle());
            let code = (code > 0).then(|| codes::read_code(code));
            ServerMessage::Left(Left { reference: fields.id(), room, code, server_code: None })
        }
        // room, seq, dup; ref, id, epoch
        InputKind::Ack => ServerMessage::Ack(Ack {
            reference: fields.id()?,
            room: fields.handle(),
            id: fields.id()?,
            epoch: fields.id()?,
            seq: fields.count(),
            dup: fields.flag(),
            // The message itself has it.
            timestamp: None,
        }),
        // code, retry, retry after or −1, expected or −1, dup, words; ref or none
        InputKind::Nack => ServerMessage::Nack(Box::new(Nack {
            reference: fields.id(),
            code: codes::read_code(fields.handle()),
            retry: fields.flag(),
            retry_after_ms: fields.optional_count(),
            expected: fields.optional_count(),
            dup: fields.flag(),
            message: fields.value(),
            server_code: None,
        })),
        // room, frame
        InputKind::Members => ServerMessage::Presence(Presence {
            room: fields.handle(),
            members: None,
            member_count: Some(fields.count()),
        }),
        // room, frame
        InputKind::SignalFrame => {
            let (room, user) = (fields.handle(), fields.handle());
            ServerMessage::Signal(Box::new(Signal { room, user, kind: 0, data: None }))
        }
        // t
        InputKind::Pong => ServerMessage::Pong { t: fields.count() },
        // in ms
        InputKind::AuthExpiring => ServerMessage::AuthExpiring { in_ms: fields.count() },
        // in ms or −1; ref
        InputKind::AuthOk => {
            ServerMessage::AuthOk(AuthOk { reference: fields.id()?, expires_in_ms: fields.optional_count() })
        }
        // window, whether there is a URL, which the page keeps
        InputKind::GoingAway => {
            let window_ms = fields.count();
            ServerMessage::GoingAway(Box::new(GoingAway { window_ms, url: fields.flag().then(|| "".into()) }))
        }
        _ => return None,
    })
}

fn hello(fields: &mut SlotReader<'_>) -> Hello<Handle> {
    Hello {
        v: fields.count(),
        user_id: fields.handle(),
        server_time: fields.count(),
        heartbeat_ms: fields.count(),
        dedupe_window_ms: fields.count(),
        limits: Limits {
            frame_bytes: fields.count(),
            content_bytes: fields.count(),
            rooms: fields.count(),
            in_flight: fields.count(),
            replay: fields.count(),
            send_per_sec: fields.count(),
        },
        reconnect: ReconnectHint { window_ms: fields.count() },
        auth: fields.optional_count().map(|expires_in_ms| AuthExpiry { expires_in_ms }),
    }
}
