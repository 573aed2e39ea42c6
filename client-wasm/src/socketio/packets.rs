//! The server's packets, as the page read them with its own JSON.

use super::name::Name;
use super::names::FIRST;
use crate::fields::Fields;
use crate::kinds::kinds;
use crate::names;
use crate::value::Value;
use alloc::boxed::Box;
use alloc::string::String;
use rejoin::Message;
use rejoin::machine::{ConnId, Disconnect, Input, ServerMessage};
use rejoin::messages::{ErrorDetail, Notification};
use rejoin::socketio::{
    Answer, Connected, Handshake, INVALID_NAMESPACE, Options, ServerEvent, ServerPacket, TrailingArg,
};

kinds!(
    /// What only this machine is told, with its fields in the order of the slots; texts are in the texts.
    PacketKind, PACKETS:
    // whether answers are wanted, how long one may take in ms or 0: said before anything else
    Acks,
    // Of namespaces beside the first, which is 0: what follows is about this one; it is open, with credentials as those of
    // a machine
    Within, Begin,
    // The connection comes first with all of these.
    Heard, OutOfStep,
    // ping interval, ping timeout, most bytes or −1
    Open,
    Ping, Close, Disconnected, Other,
    // whether there is an id, the number of the session or 0
    Connected,
    // whether there is no such namespace
    Refused,
    // Events: ack or −1, what the last argument is (1 a text, 2 and behind an object); that text. Then:
    // value, its bytes, room
    Message, UserJoined,
    // value, its bytes, code or 0
    Error,
    // value, its bytes, whether there is data, the packet with the data before the last argument or 0
    Notification,
    Unknown,
    // id, seq or −1, the packet with who is in the room or 0, the packet with the answer or 0; the message's id
    Ack,
    // id, code, the packet with the server's words or 0, the packet with the answer or 0
    Nack,
    // As an event: value, its bytes, the packet with the arguments before the last one or 0
    #[cfg(feature = "socketio-frames")]
    Own,
    // the packet with all that the answer has which comes next; without the connection, as all that follow
    #[cfg(feature = "socketio-frames")]
    Whole,
    // send, no room, value, bytes, timeout in ms or 0: with an answer, or only if it goes at once
    #[cfg(feature = "socketio-frames")]
    Ask,
    #[cfg(feature = "socketio-frames")]
    Volatile,
    // the same, of one that may come twice: with an answer, or without
    #[cfg(feature = "socketio-frames")]
    AskAgain,
    #[cfg(feature = "socketio-frames")]
    Again,
    // key, value, bytes
    #[cfg(feature = "socketio-frames")]
    Keep,
    // key
    #[cfg(feature = "socketio-frames")]
    DropKept,
    // number, value, bytes
    #[cfg(feature = "socketio-frames")]
    Answer,
);

/// What the machine takes.
pub(super) type PacketInput = Input<Value, Name, ServerPacket<Value, Name>>;

/// The kind with this number.
pub(super) fn kind(number: u32) -> Option<PacketKind> {
    PacketKind::ALL.get(usize::try_from(number.checked_sub(FIRST)?).ok()?).copied()
}

/// How acks are dealt with.
pub(super) fn options(fields: &mut Fields<'_>) -> Options {
    let acks = fields.truth();
    let ack_timeout = fields.duration().unwrap_or(Options::default().ack_timeout);
    Options::new(acks, ack_timeout)
}

/// The packet that the page read; `None` for what is none.
pub(super) fn read(kind: PacketKind, fields: &mut Fields<'_>) -> Option<PacketInput> {
    let conn = ConnId(fields.count());
    let packet = match kind {
        PacketKind::Acks | PacketKind::Within | PacketKind::Begin => return None,
        PacketKind::Heard => return Some(Input::Activity(conn)),
        PacketKind::OutOfStep => return Some(Input::Closed(conn, Disconnect::Protocol)),
        PacketKind::Open => ServerPacket::Open(Handshake {
            ping_interval_ms: fields.count(),
            ping_timeout_ms: fields.count(),
            max_payload: fields.maybe_count(),
        }),
        PacketKind::Ping => ServerPacket::Ping,
        PacketKind::Close => ServerPacket::Close,
        PacketKind::Disconnected => ServerPacket::Disconnected,
        PacketKind::Other => ServerPacket::Other,
        PacketKind::Connected => {
            let (has_sid, session) = (fields.truth(), fields.handle());
            // Its name stays with the page: here it only has to be the same one or another.
            let pid = char::from_u32(session).filter(|_| session > 0).map(|pid| String::from(pid).into());
            ServerPacket::Connected(Connected { has_sid, pid })
        }
        PacketKind::Refused => {
            ServerPacket::ConnectError(if fields.truth() { INVALID_NAMESPACE.into() } else { "".into() })
        }
        PacketKind::Ack => {
            let (id, seq, members, answer) =
                (fields.count(), fields.maybe_count(), kept(fields), kept(fields));
            let members = members.map(|members| alloc::vec![Name::Within(members)]);
            let answer = Answer::Done { id: fields.id(), seq, members, answer };
            ServerPacket::Ack { id, answer: Box::new(answer) }
        }
        PacketKind::Nack => {
            let (id, code, answer) = (fields.count(), names::read_code(fields.handle()), kept(fields));
            let (retry, retry_after_ms) = (fields.truth(), fields.maybe_count());
            // Its words stay with the page, which has them when it is told what they are about.
            let answer = Answer::Refused { code, retry, retry_after_ms, message: None, answer };
            ServerPacket::Ack { id, answer: Box::new(answer) }
        }
        _ => ServerPacket::Event(event(kind, fields)),
    };
    Some(Input::Received(conn, packet))
}

/// A packet that may have nothing to keep.
pub(super) fn kept(fields: &mut Fields<'_>) -> Option<Value> {
    let packet = fields.handle();
    (packet > 0).then(|| Value::new(packet, 0, fields.released))
}

fn event(kind: PacketKind, fields: &mut Fields<'_>) -> ServerEvent<Value, Name> {
    let (ack, last) = (fields.maybe_count(), fields.handle());
    let trailing = (last > 0).then(|| TrailingArg { text: fields.text().into(), follows_object: last == 2 });
    let message = match kind {
        PacketKind::Unknown => ServerMessage::Unknown,
        #[cfg(feature = "socketio-frames")]
        PacketKind::Own => super::own::event(fields),
        _ => message(kind, fields),
    };
    let has_one_before = !matches!(kind, PacketKind::Message | PacketKind::UserJoined | PacketKind::Error);
    let data_before_trailing = if has_one_before { kept(fields) } else { None };
    ServerEvent { ack, trailing, message, data_before_trailing }
}

fn message(kind: PacketKind, fields: &mut Fields<'_>) -> ServerMessage<Value, Name> {
    let (value, what) = (fields.sized_value(), fields.handle());
    match kind {
        PacketKind::Message => {
            let user = Name::Within(value.clone());
            ServerMessage::Message(Message::plain(Name::Room(what), user, value.clone(), value))
        }
        PacketKind::UserJoined => {
            ServerMessage::UserJoined { room: Name::Room(what), user: Name::Within(value) }
        }
        PacketKind::Error => {
            let refusal = (what > 0).then(|| {
                Box::new(ErrorDetail {
                    reference: None,
                    room: None,
                    code: names::read_code(what),
                    retry: false,
                    retry_after_ms: None,
                    server_code: None,
                })
            });
            ServerMessage::Error { message: value, detail: refusal }
        }
        _ => ServerMessage::Notification(Box::new(Notification {
            entry: None,
            kind: Name::Within(value.clone()),
            data: (what > 0).then_some(value),
        })),
    }
}
