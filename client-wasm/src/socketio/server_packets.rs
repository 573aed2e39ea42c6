//! Decodes the server's packets from the fields that the page extracted with its own JSON parser.

use super::codes::FIRST;
use super::name::Name;
use crate::codes;
use crate::codes::kinds;
use crate::handles::Value;
use crate::slots::SlotReader;
use alloc::boxed::Box;
use alloc::string::String;
use rejoin::Message;
use rejoin::machine::{ConnId, Disconnect, Input, ServerMessage};
use rejoin::messages::{ErrorDetail, Notification};
use rejoin::socketio::{
    Answer, Connected, Handshake, INVALID_NAMESPACE, Options, ServerEvent, ServerPacket, TrailingArg,
    Transports,
};

kinds!(
    /// Inputs of this machine only, with their fields in slot order; texts in the id buffer.
    PacketIn, PACKETS_IN:
    // whether acks are used, ack timeout in ms or 0, transports (0 both, 1 WebSocket, 2 long polling): before all other
    // inputs
    Settings,
    // Selects the namespace of the following inputs, 0 for the first; opens a namespace with credentials as those of
    // a machine.
    SelectNamespace, OpenNamespace,
    // The connection is the first field of all of these.
    Partial, OutOfSync,
    // it has moved from long polling to a WebSocket
    Upgraded,
    // ping interval, ping timeout, most bytes or −1
    Open,
    Ping, Close, Disconnected, Other,
    // whether there is an id, the number of the session or 0
    Connected,
    // whether there is no such namespace
    Refused,
    // Events: ack or −1, whether the last argument is an offset (1 a text, 2 after an object); that text. Then:
    // value, its bytes, room
    Message, UserJoined,
    // value, its bytes, code or 0
    Error,
    // value, its bytes, whether there is data, the packet with the data before the last argument or 0
    Notification,
    Unknown,
    // id, seq or −1, the packet with the members or 0, the packet with the answer or 0; the message's id
    Ack,
    // id, code, the packet with the answer or 0, whether to retry, retry after or −1
    Nack,
    // As an event: value, its bytes, the packet with the arguments before the last one or 0
    #[cfg(feature = "socketio-frames")]
    AppEvent,
    // the whole value of the next ack; without the connection, as all that follow
    #[cfg(feature = "socketio-frames")]
    AckValue,
    // send, no room, value, bytes, timeout in ms or 0: with an ack, or volatile
    #[cfg(feature = "socketio-frames")]
    EmitWithAck,
    #[cfg(feature = "socketio-frames")]
    Volatile,
    // the same for an idempotent event: with an ack, or without
    #[cfg(feature = "socketio-frames")]
    IdempotentWithAck,
    #[cfg(feature = "socketio-frames")]
    Idempotent,
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

/// The inputs of this machine.
pub(super) type PacketInput = Input<Value, Name, ServerPacket<Value, Name>>;

/// The kind with this number.
pub(super) fn kind(number: u32) -> Option<PacketIn> {
    PacketIn::ALL.get(usize::try_from(number.checked_sub(FIRST)?).ok()?).copied()
}

/// Decodes the settings.
pub(super) fn options(fields: &mut SlotReader<'_>) -> Options {
    let acks = fields.flag();
    let ack_timeout = fields.duration().unwrap_or(Options::default().ack_timeout);
    let mut options = Options::new(acks, ack_timeout);
    options.transports = match fields.handle() {
        0 => Transports::Auto,
        1 => Transports::WebSocket,
        _ => Transports::Polling,
    };
    options
}

/// Decodes a packet; `None` for other kinds.
pub(super) fn read(kind: PacketIn, fields: &mut SlotReader<'_>) -> Option<PacketInput> {
    let conn = ConnId(fields.count());
    let packet = match kind {
        PacketIn::Settings | PacketIn::SelectNamespace | PacketIn::OpenNamespace => return None,
        PacketIn::Partial => return Some(Input::Activity(conn)),
        PacketIn::Upgraded => return Some(Input::Upgraded(conn)),
        PacketIn::OutOfSync => return Some(Input::Closed(conn, Disconnect::Protocol)),
        PacketIn::Open => ServerPacket::Open(Handshake {
            ping_interval_ms: fields.count(),
            ping_timeout_ms: fields.count(),
            max_payload: fields.optional_count(),
        }),
        PacketIn::Ping => ServerPacket::Ping,
        PacketIn::Close => ServerPacket::Close,
        PacketIn::Disconnected => ServerPacket::Disconnected,
        PacketIn::Other => ServerPacket::Other,
        PacketIn::Connected => {
            let (has_sid, session) = (fields.flag(), fields.handle());
            // Its name stays in the page: here only identity matters.
            let pid = char::from_u32(session).filter(|_| session > 0).map(|pid| String::from(pid).into());
            ServerPacket::Connected(Connected { has_sid, pid })
        }
        PacketIn::Refused => {
            ServerPacket::ConnectError(if fields.flag() { INVALID_NAMESPACE.into() } else { "".into() })
        }
        PacketIn::Ack => {
            let (id, seq, members, answer) =
                (fields.count(), fields.optional_count(), optional_value(fields), optional_value(fields));
            let members = members.map(|members| alloc::vec![Name::Within(members)]);
            let answer = Answer::Done { id: fields.id(), seq, members, answer };
            ServerPacket::Ack { id, answer: Box::new(answer) }
        }
        PacketIn::Nack => {
            let (id, code, answer) =
                (fields.count(), codes::read_code(fields.handle()), optional_value(fields));
            let (retry, retry_after_ms) = (fields.flag(), fields.optional_count());
            // The message stays in the page.
            let answer = Answer::Refused { code, retry, retry_after_ms, message: None, answer };
            ServerPacket::Ack { id, answer: Box::new(answer) }
        }
        _ => ServerPacket::Event(event(kind, fields)),
    };
    Some(Input::Received(conn, packet))
}

/// An optional value; 0 means none.
pub(super) fn optional_value(fields: &mut SlotReader<'_>) -> Option<Value> {
    let packet = fields.handle();
    (packet > 0).then(|| Value::new(packet, 0, fields.released))
}

fn event(kind: PacketIn, fields: &mut SlotReader<'_>) -> ServerEvent<Value, Name> {
    let (ack, last) = (fields.optional_count(), fields.handle());
    let trailing = (last > 0).then(|| TrailingArg { text: fields.text().into(), follows_object: last == 2 });
    let message = match kind {
        PacketIn::Unknown => ServerMessage::Unknown,
        #[cfg(feature = "socketio-frames")]
        // Its name stays in the page.
        PacketIn::AppEvent => {
            ServerMessage::Custom(rejoin::Frame::event("".into(), super::name::NO_ROOM, fields.sized_value()))
        }
        _ => message(kind, fields),
    };
    let has_value_before = !matches!(kind, PacketIn::Message | PacketIn::UserJoined | PacketIn::Error);
    let data_before_trailing = if has_value_before { optional_value(fields) } else { None };
    ServerEvent { ack, trailing, message, data_before_trailing }
}

fn message(kind: PacketIn, fields: &mut SlotReader<'_>) -> ServerMessage<Value, Name> {
    let (value, detail) = (fields.sized_value(), fields.handle());
    match kind {
        PacketIn::Message => {
            let user = Name::Within(value.clone());
            ServerMessage::Message(Message::plain(Name::Room(detail), user, value.clone(), value))
        }
        PacketIn::UserJoined => {
            ServerMessage::UserJoined { room: Name::Room(detail), user: Name::Within(value) }
        }
        PacketIn::Error => {
            let refusal = (detail > 0).then(|| {
                Box::new(ErrorDetail {
                    reference: None,
                    room: None,
                    code: codes::read_code(detail),
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
            data: (detail > 0).then_some(value),
        })),
    }
}
