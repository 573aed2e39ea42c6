//! The fields of the server's frames, as the page read them with its own JSON.

use crate::fields::Fields;
use crate::inputs::InputKind;
use crate::names;
use crate::value::{Handle, Value};
use alloc::boxed::Box;
use alloc::vec::Vec;
use rejoin::Message;
use rejoin::machine::{ConnId, Input, ServerMessage};
use rejoin::messages::{
    Ack, AuthExpiry, AuthOk, EntryMeta, ErrorDetail, GoingAway, Hello, History, Joined, Left, Limits, Nack,
    Notification, Presence, ProducerSeq, ReconnectHint, Signal,
};

type Frame = ServerMessage<Value, Handle>;

/// The frame that the page read: the connection, then the fields listed with each.
///
/// A frame is numbered by the page. Where the machine keeps or hands on a value or a user of it, that is the frame's
/// number: the page finds there what was said and by whom. The messages of a history answer come one by one before it.
pub(crate) fn read(
    kind: InputKind,
    fields: &mut Fields<'_>,
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
            match stamp(fields) {
                Some(stamp) => {
                    let stamp = Some(stamp);
                    ServerMessage::Notification(Box::new(Notification {
                        entry: stamp,
                        kind: 0,
                        data: Some(value),
                    }))
                }
                None => ServerMessage::Unknown,
            }
        }
        // room, complete; ref, epoch
        InputKind::History => {
            let (room, complete) = (fields.handle(), fields.truth());
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

fn message(fields: &mut Fields<'_>) -> Message<Value, Handle> {
    let (content, room) = (fields.value(), fields.handle());
    let timestamp = content.clone();
    Message::plain(room, 0, content, timestamp).with_entry(stamp(fields).map(Box::new))
}

/// seq, replay, pseq; id, epoch, pid
fn stamp(fields: &mut Fields<'_>) -> Option<EntryMeta> {
    let (seq, replay, pseq) = (fields.count(), fields.truth(), fields.count());
    let (id, epoch, pid) = (fields.id(), fields.id(), fields.id());
    let origin = pid.map(|pid| Box::new(ProducerSeq { pid, pseq }));
    Some(EntryMeta { id: id?, epoch: epoch?, seq, replay, producer: origin })
}

/// The frames that have none of the page's values in them; `None` for one that lacks what it must have.
fn extended(kind: InputKind, fields: &mut Fields<'_>) -> Option<Frame> {
    Some(match kind {
        // room, frame
        InputKind::UserJoined => ServerMessage::UserJoined { room: fields.handle(), user: fields.handle() },
        InputKind::UserLeft => ServerMessage::UserLeft { room: fields.handle(), user: fields.handle() },
        // frame, code or 0, room or 0, retry, retry after or −1; ref
        InputKind::Error => {
            let (message, code, room) = (fields.value(), fields.handle(), fields.handle());
            let (retry, retry_after_ms) = (fields.truth(), fields.maybe_count());
            let refusal = (code > 0).then(|| {
                let room = (room > 0).then_some(room);
                Box::new(ErrorDetail {
                    reference: fields.id(),
                    room,
                    code: names::read_code(code),
                    retry,
                    retry_after_ms,
                    server_code: None,
                })
            });
            ServerMessage::Error { message, detail: refusal }
        }
        // v, user, server time, heartbeat, dedupe window, six limits, window, token's time or −1
        InputKind::Hello => ServerMessage::Hello(Box::new(hello(fields))),
        // room, seq, replay, recovered, reason, frame; ref, epoch. Who is in the room stays in the frame: it goes in
        // the place of how many they are, and comes out there.
        InputKind::Joined => {
            let (reference, epoch) = (fields.id()?, fields.id()?);
            ServerMessage::Joined(Box::new(Joined {
                reference,
                room: fields.handle(),
                epoch,
                seq: fields.count(),
                replay: fields.count(),
                recovered: fields.truth(),
                reason: names::read_join_reason(fields.handle()),
                members: None,
                member_count: Some(fields.count()),
            }))
        }
        // room, code or 0; ref
        InputKind::Left => {
            let (room, code) = (fields.handle(), fields.handle());
            let code = (code > 0).then(|| names::read_code(code));
            ServerMessage::Left(Left { reference: fields.id(), room, code, server_code: None })
        }
        // room, seq, dup; ref, id, epoch
        InputKind::Ack => ServerMessage::Ack(Ack {
            reference: fields.id()?,
            room: fields.handle(),
            id: fields.id()?,
            epoch: fields.id()?,
            seq: fields.count(),
            dup: fields.truth(),
            // The message itself says it too.
            timestamp: None,
        }),
        // code, retry, retry after or −1, expected or −1, dup, words; ref or none
        InputKind::Nack => ServerMessage::Nack(Box::new(Nack {
            reference: fields.id(),
            code: names::read_code(fields.handle()),
            retry: fields.truth(),
            retry_after_ms: fields.maybe_count(),
            expected: fields.maybe_count(),
            dup: fields.truth(),
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
            ServerMessage::AuthOk(AuthOk { reference: fields.id()?, expires_in_ms: fields.maybe_count() })
        }
        // window, whether there is a URL, which the page keeps
        InputKind::GoingAway => {
            let window_ms = fields.count();
            ServerMessage::GoingAway(Box::new(GoingAway {
                window_ms,
                url: fields.truth().then(|| "".into()),
            }))
        }
        _ => return None,
    })
}

fn hello(fields: &mut Fields<'_>) -> Hello<Handle> {
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
        auth: fields.maybe_count().map(|expires_in_ms| AuthExpiry { expires_in_ms }),
    }
}
