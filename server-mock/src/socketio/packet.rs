//! The packets of Engine.IO 4 and Socket.IO 5 that this server reads and writes. [`rejoin::socketio`] reads their
//! envelopes.

use rejoin::socketio::{self, EnginePacket, PacketType, RESERVED_EVENTS};
use serde_json::value::RawValue;
use std::borrow::Cow;
use tokio_tungstenite::tungstenite::{Bytes, Utf8Bytes};

pub(super) use rejoin::socketio::MAIN_NAMESPACE as MAIN;

pub(super) const CLOSE: &str = "1";
pub(super) const PING: &str = "2";
pub(super) const PROBE: &str = "2probe";
pub(super) const PROBED: &str = "3probe";
pub(super) const UPGRADE: &str = "5";
pub(super) const NOOP: &str = "6";

/// What a transport brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Incoming {
    /// An engine packet.
    Packet(Utf8Bytes),
    /// Bytes that belong to an event.
    Attachment(Bytes),
    /// What is not even base64.
    Malformed,
}

/// A text that an engine brings.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Engine<'a> {
    Close,
    /// A ping that a server is not asked to answer.
    Alive,
    Pong,
    Message(&'a str),
}

impl<'a> Engine<'a> {
    /// `None` for what a client must not send.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        match EnginePacket::decode(text).ok()? {
            EnginePacket::Message(message) => Some(Self::Message(message)),
            EnginePacket::Close if text == CLOSE => Some(Self::Close),
            EnginePacket::Ping(_) => Some(Self::Alive),
            EnginePacket::Pong(_) => Some(Self::Pong),
            _ => None,
        }
    }
}

/// What a Socket.IO client says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Packet<'a> {
    /// With the JSON of its `auth`, empty without one.
    Connect {
        namespace: &'a str,
        auth: &'a str,
    },
    Disconnect {
        namespace: &'a str,
    },
    /// With the JSON of its name and arguments.
    Event {
        namespace: &'a str,
        ack: Option<u64>,
        array: &'a str,
    },
    /// An event in several parts, of which these many are to come.
    BinaryEvent {
        namespace: &'a str,
        ack: Option<u64>,
        attachments: u8,
        array: &'a str,
    },
    /// An answer; this server asks nothing.
    Answer {
        attachments: u8,
    },
}

impl<'a> Packet<'a> {
    /// `None` for what is no packet, or not a client's.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let socketio::Packet { kind, attachments, namespace, ack, payload } =
            socketio::Packet::decode(text).ok()?;
        // What a client asks of a namespace in its query is nothing to this server.
        let namespace = namespace.split_once('?').map_or(namespace, |(name, _)| name);
        match kind {
            PacketType::Connect if ack.is_none() && (payload.is_empty() || is_json(payload, '{')) => {
                Some(Self::Connect { namespace, auth: payload })
            }
            PacketType::Disconnect if ack.is_none() && payload.is_empty() => {
                Some(Self::Disconnect { namespace })
            }
            PacketType::Event => Some(Self::Event { namespace, ack, array: payload }),
            // Some write one that has none.
            PacketType::BinaryEvent if attachments == 0 => {
                Some(Self::Event { namespace, ack, array: payload })
            }
            PacketType::BinaryEvent if is_json(payload, '[') => {
                Some(Self::BinaryEvent { namespace, ack, attachments, array: payload })
            }
            PacketType::Ack | PacketType::BinaryAck if ack.is_some() && is_json(payload, '[') => {
                Some(Self::Answer { attachments })
            }
            _ => None,
        }
    }
}

/// Whether a text is JSON that begins like this. What an event's has to be is [`event`]'s to say.
fn is_json(text: &str, begin: char) -> bool {
    text.trim_ascii_start().starts_with(begin) && serde_json::from_str::<&RawValue>(text).is_ok()
}

/// The name and the first argument of an event; `None` if the text is not what an event may be.
pub(super) fn event(array: &str) -> Option<(Cow<'_, str>, Option<&RawValue>)> {
    let items: Vec<&RawValue> = serde_json::from_str(array).ok()?;
    let mut items = items.into_iter();
    let name = items.next()?.get();
    let name = if name.starts_with('"') {
        // Borrowed where nothing in it is escaped.
        unescaped(name)
            .map_or_else(|| serde_json::from_str(name).map(Cow::Owned), |name| Ok(Cow::Borrowed(name)))
    } else {
        serde_json::from_str::<serde_json::Number>(name).map(|number| Cow::Owned(number.to_string()))
    };
    let name = name.ok().filter(|name| !RESERVED_EVENTS.contains(&&**name))?;
    Some((name, items.next()))
}

fn unescaped(json: &str) -> Option<&str> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    (!inner.contains('\\')).then_some(inner)
}

/// The engine's first packet. `ping_ms`: the time between two pings, and that for an answer.
pub(super) fn open(sid: &str, upgrades: bool, ping_ms: (u64, u64), max_payload: usize) -> String {
    let (interval, timeout) = ping_ms;
    let upgrades = if upgrades { "\"websocket\"" } else { "" };
    format!(
        r#"0{{"sid":"{sid}","upgrades":[{upgrades}],"pingInterval":{interval},"pingTimeout":{timeout},"maxPayload":{max_payload}}}"#
    )
}

/// The consent to a CONNECT. `prefix` is the namespace's, here and below.
pub(super) fn connected(prefix: &str, sid: &str, pid: Option<&str>) -> String {
    match pid {
        Some(pid) => format!(r#"40{prefix}{{"sid":"{sid}","pid":"{pid}"}}"#),
        None => format!(r#"40{prefix}{{"sid":"{sid}"}}"#),
    }
}

/// The refusal of a CONNECT, in JSON. The namespace may be any.
pub(super) fn refused(namespace: &str, error: &str) -> String {
    if namespace == MAIN { format!("44{error}") } else { format!("44{namespace},{error}") }
}

/// The end of a namespace, and of nothing else.
pub(super) fn disconnected(prefix: &str) -> String {
    format!("41{prefix}")
}

/// An event with the JSON of its arguments, separated by commas.
pub(super) fn emit(prefix: &str, name: &str, arguments: &str) -> String {
    format!(r#"42{prefix}["{name}",{arguments}]"#)
}

/// An event with so many attachments.
pub(super) fn emit_binary(prefix: &str, name: &str, arguments: &str, attachments: usize) -> String {
    format!(r#"45{attachments}-{prefix}["{name}",{arguments}]"#)
}

/// The answer to an event.
pub(super) fn answer(prefix: &str, ack: u64, argument: &str) -> String {
    format!("43{prefix}{ack}[{argument}]")
}

/// An engine message of any text.
pub(super) fn message(text: &str) -> String {
    format!("4{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packets_of_the_protocol_are_read() {
        let nothing = "";
        for (text, packet) in [
            ("0", Packet::Connect { namespace: MAIN, auth: nothing }),
            (r#"0{"token":"ada"}"#, Packet::Connect { namespace: MAIN, auth: r#"{"token":"ada"}"# }),
            ("0/admin,", Packet::Connect { namespace: "/admin", auth: nothing }),
            ("0/admin", Packet::Connect { namespace: "/admin", auth: nothing }),
            (r#"0/a?b=c,{"d":1}"#, Packet::Connect { namespace: "/a", auth: r#"{"d":1}"# }),
            ("1", Packet::Disconnect { namespace: MAIN }),
            (r#"2["hi",1]"#, Packet::Event { namespace: MAIN, ack: None, array: r#"["hi",1]"# }),
            (r#"20["hi"]"#, Packet::Event { namespace: MAIN, ack: Some(0), array: r#"["hi"]"# }),
            (r#"2/x,12["hi"]"#, Packet::Event { namespace: "/x", ack: Some(12), array: r#"["hi"]"# }),
            (
                r#"52-3["hi",{"_placeholder":true,"num":0}]"#,
                Packet::BinaryEvent {
                    namespace: MAIN,
                    ack: Some(3),
                    attachments: 2,
                    array: r#"["hi",{"_placeholder":true,"num":0}]"#,
                },
            ),
            (r#"50-["hi"]"#, Packet::Event { namespace: MAIN, ack: None, array: r#"["hi"]"# }),
            ("31[]", Packet::Answer { attachments: 0 }),
            (r#"61-4[{"_placeholder":true,"num":0}]"#, Packet::Answer { attachments: 1 }),
        ] {
            assert_eq!(Packet::read(text), Some(packet), "{text}");
        }
    }

    #[test]
    fn what_is_no_packet_of_a_client_is_refused() {
        for text in [
            "",
            "x",
            "é",
            "4{}",
            "7",
            "3[]",
            "05",
            "5[\"hi\"]",
            "5x-[\"hi\"]",
            "511-[\"hi\"]",
            "5-[\"hi\"]",
            "299999999999999999999[\"hi\"]",
            "29007199254740993[\"hi\"]",
            "0{",
            "0[]",
            "0\"x\"",
            "0/chat,{\"token\":",
            "0{} {}",
            "31{}",
            "31[",
            "31",
            "61-4[{",
            "51-[\"hi\",",
            "1[]",
            "11-",
        ] {
            assert_eq!(Packet::read(text), None, "{text}");
        }
    }

    #[test]
    fn an_event_is_a_name_and_its_arguments() {
        let (name, first) = event(r#"["send_message",{"a":[1]},2]"#).unwrap();
        assert_eq!((&*name, first.unwrap().get()), ("send_message", r#"{"a":[1]}"#));
        assert_eq!(event(r#"["j\u006fin"]"#).unwrap().0, "join");
        assert!(event(r#"["hi"]"#).unwrap().1.is_none());
        assert_eq!(event("[7]").unwrap().0, "7");
        for bad in
            ["", "{}", "[]", "[null]", "[{}]", "[\"hi\"", "[\"disconnect\"]", "[\"connec\\u0074\"]", "\"hi\""]
        {
            assert!(event(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn an_engine_brings_messages_signs_of_life_and_an_end() {
        assert_eq!(Engine::read("42[\"hi\"]"), Some(Engine::Message("2[\"hi\"]")));
        assert_eq!(Engine::read("3"), Some(Engine::Pong));
        assert_eq!(Engine::read("2"), Some(Engine::Alive));
        assert_eq!(Engine::read("1"), Some(Engine::Close));
        for bad in ["", "0{}", "5", "6", "11", "hello"] {
            assert_eq!(Engine::read(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_written_is_what_the_protocol_says() {
        assert_eq!(
            open("s", true, (25_000, 20_000), 100),
            r#"0{"sid":"s","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":100}"#
        );
        assert!(open("s", false, (1, 1), 1).contains(r#""upgrades":[],"#));
        assert_eq!(connected("", "s", None), r#"40{"sid":"s"}"#);
        assert_eq!(connected("/x,", "s", Some("p")), r#"40/x,{"sid":"s","pid":"p"}"#);
        assert_eq!(refused(MAIN, "{}"), "44{}");
        assert_eq!(refused("/x", "{}"), "44/x,{}");
        assert_eq!(emit("", "hi", "{},1"), r#"42["hi",{},1]"#);
        assert_eq!(emit("/x,", "hi", "{}"), r#"42/x,["hi",{}]"#);
        assert_eq!(emit_binary("/x,", "hi", "{}", 2), r#"452-/x,["hi",{}]"#);
        assert_eq!(answer("", 7, "{}"), "437[{}]");
        assert_eq!(answer("/x,", 7, "{}"), "43/x,7[{}]");
    }
}
