use super::{Codec, DecodeError};
use crate::messages::{Code, Message, Notification, ServerMessage};
use crate::socketio::{
    AckText, Answer, ClientEvent, ClientPacket, ConnectError, Connected, EventMap, Handshake, Namespace,
    PacketError, Resume, ServerEvent, ServerPacket, TrailingArg,
};
use crate::token::Token;
use alloc::borrow::ToOwned as _;
use alloc::boxed::Box;
use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use fastrand::Rng;

fn codec_in(namespace: &str) -> Codec {
    Codec::new(Namespace::new(namespace).unwrap(), Arc::default())
}

fn codec() -> Codec {
    codec_in("/")
}

fn read(text: &str) -> ServerPacket {
    codec().decode(text).unwrap().unwrap()
}

fn event(text: &str) -> ServerEvent {
    match read(text) {
        ServerPacket::Event(event) => event,
        other => panic!("{other:?}"),
    }
}

fn written(namespace: &str, packet: &ClientPacket) -> String {
    let mut text = "what was there".to_owned();
    codec_in(namespace).encode_into(packet, &mut text);
    text
}

fn within(namespace: &str, packet: ClientPacket) -> ClientPacket {
    ClientPacket::In { namespace: Namespace::new(namespace).unwrap(), packet: Box::new(packet) }
}

/// One in `/` that has asked for `/n` and written nothing else.
fn codec_of_two() -> Codec {
    let mut codec = codec();
    let connect = ClientPacket::Connect { token: None, resume: None };
    let mut text = String::new();
    codec.encode_into(&within("/n", connect), &mut text);
    assert_eq!(text, "40/n,");
    codec
}

#[test]
fn what_comes_in_another_namespace_is_read_once_it_has_been_asked_for_until_it_is_left() {
    let texts = [r#"40/n,{"sid":"s"}"#, r#"42/n,["message",7]"#, "42/n,nonsense", "41/n,"];
    for text in texts {
        assert_eq!(codec().decode(text), Ok(Some(ServerPacket::Other)), "{text}");
    }
    let mut codec = codec_of_two();
    let read = |codec: &mut Codec, text: &str| match codec.decode(text) {
        Ok(Some(ServerPacket::In { namespace, packet })) => format!("{namespace} {packet:?}"),
        other => format!("{other:?}"),
    };
    assert!(read(&mut codec, r#"40/n,{"sid":"s","pid":"p"}"#).starts_with("/n Connected("));
    assert!(read(&mut codec, r#"42/n,["typing",1]"#).starts_with("/n Event("));
    assert!(read(&mut codec, r#"44/n,{"message":"no"}"#).starts_with("/n ConnectError("));
    assert!(read(&mut codec, r#"43/n,7["x"]"#).starts_with("/n Ack"));
    assert_eq!(read(&mut codec, "41/n"), "/n Disconnected");
    assert_eq!(read(&mut codec, "41/other,"), "Ok(Some(Other))");
    assert_eq!(read(&mut codec, "41"), "Ok(Some(Disconnected))");
    assert!(codec.decode("42/n,nonsense").is_err());
    let mut text = String::new();
    codec.encode_into(&within("/n", ClientPacket::Disconnect), &mut text);
    assert_eq!((&*text, read(&mut codec, "41/n,")), ("41/n,", "Ok(Some(Other))".into()));
}

#[test]
fn the_auth_of_another_namespace_is_the_object_itself_with_what_to_recover_before_it() {
    let connect = |auth: Option<&str>, resume: bool| {
        let resume = resume.then(|| Box::new(Resume { pid: "p".into(), offset: "1-1".into() }));
        written("/", &within("/n", ClientPacket::Connect { token: auth.map(Token::new), resume }))
    };
    assert_eq!(connect(None, false), "40/n,");
    assert_eq!(connect(Some(r#"{"a": 1.50}"#), false), r#"40/n,{"a": 1.50}"#);
    assert_eq!(connect(Some("{}"), true), r#"40/n,{"pid":"p","offset":"1-1"}"#);
    assert_eq!(connect(Some(r#"{"a":1}"#), true), r#"40/n,{"pid":"p","offset":"1-1","a":1}"#);
    assert_eq!(connect(Some("no object"), false), "40/n,");
    let send =
        |number| ClientPacket::Emit { ack: Some(number), event: ClientEvent::Leave { room: "r".into() } };
    assert_eq!(written("/", &within("/n", send(3))), r#"42/n,3["leave_room",{"roomId":"r"}]"#);
}

#[test]
fn the_auth_of_the_first_namespace_is_the_applications_fields_and_the_token_as_the_last() {
    let written = |fields: &str, token: Option<&str>, resume: Option<Box<Resume>>| {
        let mut text = String::new();
        let packet = ClientPacket::Connect { token: token.map(Token::new), resume };
        codec().auth(Some(Token::new(fields))).encode_into(&packet, &mut text);
        text
    };
    let resume = || Some(Box::new(Resume { pid: "p".into(), offset: "1-1".into() }));
    assert_eq!(written(r#"{"a":{"b":1}}"#, None, None), r#"40{"a":{"b":1}}"#);
    assert_eq!(written(r#"{"a":1}"#, Some("t\""), None), r#"40{"a":1,"token":"t\""}"#);
    assert_eq!(written(" { } ", Some("t"), None), r#"40{"token":"t"}"#);
    assert_eq!(written("{}", None, None), "40{}");
    assert_eq!(
        written(r#"{"a":1}"#, Some("t"), resume()),
        r#"40{"pid":"p","offset":"1-1","a":1,"token":"t"}"#
    );
}

#[test]
fn attachments_of_two_namespaces_cannot_be_mixed() {
    let mut codec = codec_of_two();
    assert_eq!(codec.decode(r#"451-/n,["a",{"_placeholder":true,"num":0}]"#), Ok(None));
    let error = codec.decode(r#"451-["b",{"_placeholder":true,"num":0}]"#).unwrap_err();
    assert!(error.is_fatal(), "{error}");
    let mut codec = codec_of_two();
    // One with a gap that nothing fills is lost, and what follows in either namespace is not.
    assert_eq!(codec.decode(r#"451-/n,["a",{"_placeholder":true,"num":1}]"#), Ok(None));
    let error = codec.decode_binary(&[1]).unwrap_err();
    assert!(!error.is_fatal(), "{error}");
    assert_eq!(codec.decode(r#"451-["notification",{"_placeholder":true,"num":0}]"#), Ok(None));
    assert!(matches!(codec.decode_binary(&[1]), Ok(Some(ServerPacket::Event(_)))));
    assert_eq!(codec.decode(r#"451-/n,["notification",{"_placeholder":true,"num":0}]"#), Ok(None));
    assert!(matches!(codec.decode_binary(&[1]), Ok(Some(ServerPacket::In { .. }))));
}

fn plain(message: ServerMessage) -> ServerEvent {
    ServerEvent { ack: None, trailing: None, message, data_before_trailing: None }
}

fn message(room: &str, content: &str) -> ServerMessage {
    ServerMessage::Message(Message::plain(room.into(), "bob".into(), content.into(), "t".into()))
}

const SAID: &str =
    r#"{"roomId":"r","userId":"bob","content":"hi","timestamp":"t","id":"x","epoch":"e","seq":1}"#;

#[test]
fn the_first_words_are_read() {
    let text = r#"0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
    let handshake =
        Handshake { ping_interval_ms: 25_000, ping_timeout_ms: 20_000, max_payload: Some(1_000_000) };
    assert_eq!(read(text), ServerPacket::Open(handshake));
    let consent =
        |has_sid, pid: Option<&str>| ServerPacket::Connected(Connected { has_sid, pid: pid.map(Box::from) });
    assert_eq!(read(r#"40{"sid":"s","pid":"p"}"#), consent(true, Some("p")));
    assert_eq!(read(r#"40{"sid":"s"}"#), consent(true, None));
    assert_eq!(read("40"), consent(false, None));
    assert_eq!(read(&alloc::format!(r#"40{{"sid":"s","pid":"{}"}}"#, "p".repeat(129))), consent(true, None));
    assert_eq!(read("2"), ServerPacket::Ping);
    assert_eq!(read("1"), ServerPacket::Close);
    assert_eq!(read("41"), ServerPacket::Disconnected);
    for text in ["6", "3probe", r#"42/other,["message"]"#, "41/other"] {
        assert_eq!(read(text), ServerPacket::Other, "{text}");
    }
    assert_eq!(codec_in("/n").decode(r#"40/n,{"sid":"s"}"#).unwrap(), Some(consent(true, None)));
}

#[test]
fn a_refusal_is_read_in_each_form_and_not_without_end() {
    let refused = |words: &str| ServerPacket::ConnectError(words.into());
    let with_data = |words: &str, data: &str| {
        ServerPacket::ConnectError(ConnectError { message: words.into(), data: Some(data.into()) })
    };
    assert_eq!(read(r#"44{"message":"not you","data":{"a":1}}"#), with_data("not you", r#"{"a":1}"#));
    assert_eq!(read(r#"44{"data":7}"#), with_data(r#"{"data":7}"#, "7"));
    assert_eq!(read(r#"44{"message":7,"data":7}"#), refused(r#"{"message":7,"data":7}"#));
    assert_eq!(read(r#"44"not you""#), refused("not you"));
    assert_eq!(read(r#"44{"why":1}"#), refused(r#"{"why":1}"#));
    assert_eq!(read("44"), refused(""));
    assert_eq!(
        read(&alloc::format!(r#"44{{"message":"{}"}}"#, "é".repeat(1_000))),
        refused(&"é".repeat(256))
    );
}

#[test]
fn events_of_the_contract_are_read_without_their_place_in_a_log() {
    let text = alloc::format!(r#"42["message",{SAID}]"#);
    assert_eq!(event(&text), plain(message("r", "hi")));
    let joined = event(r#"427["user_joined",{"roomId":"r","userId":"u"}]"#);
    let expected = ServerMessage::UserJoined { room: "r".into(), user: "u".into() };
    assert_eq!(joined, ServerEvent { ack: Some(7), ..plain(expected) });
    for text in [r#"42["error",{"message":"no"}]"#, r#"42["error","no"]"#] {
        let expected = ServerMessage::Error { message: "no".into(), detail: None };
        assert_eq!(event(text).message, expected, "{text}");
    }
    for text in [r#"42["typing",{}]"#, "42[7,{}]", "42[]"] {
        assert_eq!(event(text).message, ServerMessage::Unknown, "{text}");
    }
}

#[test]
fn the_last_text_is_told_apart_where_it_may_be_a_place() {
    let trailing = |text: &str, follows_object| Some(TrailingArg { text: text.into(), follows_object });
    assert_eq!(event(&alloc::format!(r#"42["message",{SAID},"1-1"]"#)).trailing, trailing("1-1", true));
    assert_eq!(event(r#"42["tick","1-1"]"#).trailing, trailing("1-1", false));
    assert_eq!(event(r#"42["tick",3,"1-1"]"#).trailing, trailing("1-1", false));
    assert_eq!(event(r#"42["1-1"]"#).trailing, None);
    assert_eq!(event(&alloc::format!(r#"42["tick","{}"]"#, "x".repeat(65))).trailing, None);
}

#[test]
fn a_notification_has_the_kind_it_says_or_its_events_name() {
    let mut map = EventMap::default();
    map.set("notification", "order").unwrap();
    let mut codec = Codec::new(Namespace::default(), Arc::new(map));
    let mut notified = |text: &str| match codec.decode(text).unwrap() {
        Some(ServerPacket::Event(ServerEvent {
            message: ServerMessage::Notification(notification), ..
        })) => {
            let Notification { entry: meta, kind, data } = *notification;
            assert_eq!(meta, None);
            (kind.to_string(), data)
        }
        other => panic!("{other:?}"),
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        notified(r#"42["notification",{"kind":"k","data":{"n":1}}]"#),
        ("k".into(), some(r#"{"n":1}"#))
    );
    assert_eq!(notified(r#"42["notification",{"n":1}]"#), ("notification".into(), some(r#"{"n":1}"#)));
    assert_eq!(notified(r#"42["order",{"kind":"k"}]"#), ("order".into(), some(r#"{"kind":"k"}"#)));
    assert_eq!(notified(r#"42["notification"]"#), ("notification".into(), None));
    assert_eq!(notified(r#"42["notification",{"kind":"k"}]"#), ("k".into(), None));
    let stamped = r#"42["notification",{"id":"i","epoch":"e","seq":1,"kind":"k","data":[2]}]"#;
    assert_eq!(notified(stamped), ("k".into(), some("[2]")), "as our own server writes it");
}

#[test]
fn a_notification_of_another_shape_keeps_everything_that_was_sent() {
    let mut codec = codec();
    let mut notified =
        |arguments: &str| match codec.decode(&alloc::format!(r#"42["notification",{arguments}]"#)).unwrap() {
            Some(ServerPacket::Event(ServerEvent {
                message: ServerMessage::Notification(notification),
                data_before_trailing,
                ..
            })) => (notification.kind.to_string(), notification.data.unwrap(), data_before_trailing),
            other => panic!("{other:?}"),
        };
    for whole in [
        r#"{"kind":"k","title":"t","body":"b"}"#,
        r#"{"kind":"k","data":1,"id":7}"#,
        r#"{"kind":"k","data":1,"to":2}"#,
    ] {
        assert_eq!(notified(whole), ("k".to_owned(), whole.to_owned(), None));
    }
    for whole in [r#"{"kind":7}"#, "\"hello\"", "[1]", "null", "0", "true"] {
        assert_eq!(notified(whole), ("notification".to_owned(), whole.to_owned(), None));
    }
    let several = notified(r#"{"kind":"k","data":1},2"#);
    assert_eq!(several, ("k".to_owned(), r#"[{"kind":"k","data":1},2]"#.to_owned(), None));
    // The last text may be the place to recover from.
    let (_, data, before) = notified(r#"{"kind":"k","data":1},"1-1""#);
    assert_eq!((&*data, before.as_deref()), (r#"[{"kind":"k","data":1},"1-1"]"#, Some("1")));
    let (_, data, before) = notified(r#"1,2,"1-1""#);
    assert_eq!((&*data, before.as_deref()), (r#"[1,2,"1-1"]"#, Some("[1,2]")));
}

#[test]
fn an_ack_has_its_number_its_members_and_the_whole_answer() {
    let answer = |text: &str| match read(text) {
        ServerPacket::Ack { id: 7, answer } => *answer,
        other => panic!("{other:?}"),
    };
    let members = Some(vec!["1".into(), "a".into(), "b".into()]);
    let done = |members, answer: Option<&str>| Answer::Done {
        id: None,
        seq: None,
        members,
        answer: answer.map(ToOwned::to_owned),
    };
    assert_eq!(answer("437[]"), done(None, None));
    assert_eq!(answer("437[ true ]"), done(None, Some("true")));
    let text = r#"437[{"members":["b","a","b",1,null]}]"#;
    assert_eq!(answer(text), done(members, Some(r#"{"members":["b","a","b",1,null]}"#)));
    let mut errors = codec().ack_text(AckText::Error);
    let Ok(Some(ServerPacket::Ack { answer, .. })) = errors.decode(r#"437["too \u001bloud"]"#) else {
        panic!()
    };
    let expected = Answer::Refused {
        retry: false,
        retry_after_ms: None,
        code: Code::Other,
        message: Some("too \u{1b}loud".to_owned()),
        answer: Some(r#""too \u001bloud""#.to_owned()),
    };
    assert_eq!(*answer, expected);
}

#[test]
fn ids_and_timestamps_may_be_numbers_and_a_timestamp_may_be_missing() {
    for (fields, timestamp) in [
        (r#""timestamp":1795852800123"#, "2026-11-28T08:00:00.123Z"),
        (r#""timestamp":null"#, ""),
        (r#""other":1"#, ""),
    ] {
        let text = alloc::format!(
            r#"42["message",{{"roomId":7,"userId":9007199254740993,"content":"hi",{fields}}}]"#
        );
        let expected = Message::plain("7".into(), "9007199254740993".into(), "hi".into(), timestamp.into());
        assert_eq!(event(&text).message, ServerMessage::Message(expected), "{text}");
    }
    let joined = ServerMessage::UserJoined { room: "7".into(), user: "-1".into() };
    assert_eq!(event(r#"42["user_joined",{"roomId":7,"userId":-1}]"#).message, joined);
}

#[test]
fn attachments_come_as_base64_where_the_json_has_its_gaps() {
    let mut codec = codec();
    let head = r#"451-["message",{"roomId":"r","userId":"bob","content":{"_placeholder":true,"num":0},"timestamp":"t"}]"#;
    assert_eq!(codec.decode(head), Ok(None));
    // The engine may ask in between.
    assert_eq!(codec.decode("2"), Ok(Some(ServerPacket::Ping)));
    let whole = codec.decode_binary(&[0, 255, 1]).unwrap();
    let expected = plain(message("r", "AP8B"));
    assert_eq!(whole, Some(ServerPacket::Event(expected)));
    codec.decode(r#"462-7[{"id":"m"},{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]"#).unwrap();
    assert_eq!(codec.decode_binary(&[1]), Ok(None));
    #[cfg(feature = "frames")]
    let Some(ServerPacket::LongAck { id: 7, whole, .. }) = codec.decode_binary(&[2]).unwrap() else {
        panic!()
    };
    #[cfg(feature = "frames")]
    assert_eq!(whole, r#"[{"id":"m"},{"base64":"Ag=="},{"base64":"AQ=="}]"#);
}

#[test]
fn an_event_with_more_attachments_than_are_taken_costs_itself_and_not_the_connection() {
    let mut codec = codec();
    let text = r#"42["message",{"roomId":"r","userId":"bob","content":"hi","timestamp":"t"}]"#;
    let expected = Ok(Some(ServerPacket::Event(plain(message("r", "hi")))));
    for count in [11, 1_000] {
        let head = format!(r#"45{count}-["message",{{"_placeholder":true,"num":0}}]"#);
        let skipped = codec.decode(&head).unwrap_err();
        assert_eq!(skipped, DecodeError::Packet(PacketError::AttachmentsSkipped));
        assert!(!skipped.is_fatal());
        for _ in 0..count {
            assert_eq!(codec.decode_binary(&[1]), Ok(None));
        }
        assert_eq!(codec.decode(text), expected);
    }
    // Too many bytes are skipped, too.
    let large = vec![0; 9 << 20];
    codec.decode(r#"453-["message",{"_placeholder":true,"num":0}]"#).unwrap();
    assert_eq!(codec.decode_binary(&large), Ok(None));
    let skipped = codec.decode_binary(&large).unwrap_err();
    assert!(skipped == DecodeError::Packet(PacketError::AttachmentsTooLarge) && !skipped.is_fatal());
    assert_eq!(codec.decode_binary(&large), Ok(None));
    assert_eq!(codec.decode(text), expected);
    // What is skipped has to come.
    codec.decode("4511-[]").unwrap_err();
    let missing = codec.decode(text).unwrap_err();
    assert!(missing == DecodeError::Packet(PacketError::AttachmentMissing) && missing.is_fatal());
}

#[test]
fn a_connection_out_of_step_is_told_from_a_packet_that_makes_no_sense() {
    let mut codec = codec();
    codec.decode(r#"451-["message",{"_placeholder":true,"num":0}]"#).unwrap();
    let missing = codec.decode("42[]").unwrap_err();
    assert_eq!(missing, DecodeError::Packet(PacketError::AttachmentMissing));
    let unexpected = codec.decode_binary(&[1]).unwrap_err();
    codec.decode(r#"451-["message",{"_placeholder":true,"num":5}]"#).unwrap();
    let misplaced = codec.decode_binary(&[1]).unwrap_err();
    assert_eq!(misplaced, DecodeError::Packet(PacketError::UnfilledPlaceholder));
    assert!(!misplaced.is_fatal(), "the packets behind it are whole");
    for error in [missing, unexpected, codec.decode("451001-[]").unwrap_err()] {
        assert!(error.is_fatal(), "{error}");
    }
    for text in
        ["", "x", "4", "42", "42{}", "42[", "437{", "0{}", r#"42["message",{"roomId":1}]"#, r#"42["error"]"#]
    {
        assert!(!codec.decode(text).unwrap_err().is_fatal(), "{text}");
    }
}

#[test]
fn packets_are_written_as_the_protocols_page_has_them() {
    let emit = |ack, event| ClientPacket::Emit { ack, event };
    let room = || "r".into();
    for (packet, main, other) in [
        (ClientPacket::Pong, "3", "3"),
        (ClientPacket::Connect { token: None, resume: None }, "40", "40/n,"),
        (ClientPacket::Disconnect, "41", "41/n,"),
        (ClientPacket::Ack { id: 7 }, "437[]", "43/n,7[]"),
        (
            emit(Some(0), ClientEvent::Join { room: room() }),
            r#"420["join_room",{"roomId":"r"}]"#,
            r#"42/n,0["join_room",{"roomId":"r"}]"#,
        ),
        (
            emit(None, ClientEvent::Leave { room: room() }),
            r#"42["leave_room",{"roomId":"r"}]"#,
            r#"42/n,["leave_room",{"roomId":"r"}]"#,
        ),
        (
            emit(
                Some(12),
                ClientEvent::Send { room: room(), content: "\"é\n".into(), data: Some("[1]".into()) },
            ),
            r#"4212["send_message",{"roomId":"r","content":"\"é\n","data":[1]}]"#,
            r#"42/n,12["send_message",{"roomId":"r","content":"\"é\n","data":[1]}]"#,
        ),
    ] {
        assert_eq!((&*written("/", &packet), &*written("/n", &packet)), (main, other));
    }
    let resume = Some(Box::new(Resume { pid: "p".into(), offset: "1-1".into() }));
    let connect = ClientPacket::Connect { token: Some(Token::new("t\"")), resume };
    assert_eq!(written("/", &connect), r#"40{"pid":"p","offset":"1-1","token":"t\""}"#);
}

#[test]
fn a_renamed_event_is_written_and_read_by_its_new_name() {
    let mut map = EventMap::default();
    map.set("send_message", "chat:send").unwrap();
    map.set("message", "chat:said").unwrap();
    let mut codec = Codec::new(Namespace::default(), Arc::new(map));
    let mut text = String::new();
    let event = ClientEvent::Send { room: "r".into(), content: "hi".into(), data: None };
    codec.encode_into(&ClientPacket::Emit { ack: None, event }, &mut text);
    assert_eq!(text, r#"42["chat:send",{"roomId":"r","content":"hi"}]"#);
    let Some(ServerPacket::Event(said)) = codec.decode(&alloc::format!(r#"42["chat:said",{SAID}]"#)).unwrap()
    else {
        panic!()
    };
    assert_eq!(said.message, message("r", "hi"));
}

#[test]
fn no_frame_makes_it_panic() {
    let frames = [
        r#"0{"sid":"a","pingInterval":25000,"pingTimeout":20000}"#.to_owned(),
        r#"40{"sid":"s","pid":"p"}"#.to_owned(),
        r#"44{"message":"no"}"#.to_owned(),
        alloc::format!(r#"42["message",{SAID},"1-1"]"#),
        r#"437[null,{"id":"m","seq":1,"members":["a"]}]"#.to_owned(),
        r#"452-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#.to_owned(),
    ];
    let pieces =
        ["\"", "\\", "{", "}", "[", "]", ",", ":", "0", "-", "5", "9", "é", "null", "\u{0}", "/", "\"\""];
    let mut rng = Rng::with_seed(3);
    let mut codec = codec();
    let mut understood = 0;
    for _ in 0..40_000 {
        let mut text = frames[rng.usize(..frames.len())].clone();
        for _ in 0..rng.usize(0..3) {
            let from = rng.usize(..=text.len());
            let until = (from + rng.usize(..4)).min(text.len());
            if text.is_char_boundary(from) && text.is_char_boundary(until) {
                text.replace_range(from..until, pieces[rng.usize(..pieces.len())]);
            }
        }
        understood += usize::from(codec.decode(&text).is_ok());
        if rng.bool() {
            let bytes: Vec<u8> = (0..rng.usize(..5)).map(|_| rng.u8(..)).collect();
            understood += usize::from(codec.decode_binary(&bytes).is_ok());
        }
    }
    assert!(understood > 1_000, "{understood}");
}

#[cfg(feature = "frames")]
mod own {
    use super::*;
    use crate::messages::Frame;
    use alloc::format;
    use serde_json::Value;

    fn own_event(codec: &mut Codec, text: &str) -> Result<(Frame, Option<String>), DecodeError> {
        match codec.decode(text)? {
            Some(ServerPacket::Event(ServerEvent {
                message: ServerMessage::Custom(frame),
                data_before_trailing,
                ..
            })) => Ok((frame, data_before_trailing)),
            other => panic!("{other:?}"),
        }
    }

    fn own() -> Codec {
        codec_in("/n").custom_events(true)
    }

    #[test]
    fn an_event_that_is_not_of_the_contract_has_its_name_its_namespace_and_all_its_arguments() {
        for (text, name, arguments, before) in [
            (r#"42/n,["price",{"b":1.50, "a":[]},7]"#, "price", r#"[{"b":1.50, "a":[]},7]"#, None),
            (r#"42/n,["ping"]"#, "ping", "[]", None),
            (r"42/n,[17,null]", "17", "[null]", None),
            (r#"42/n,["p\u0069ng",{},"place"]"#, "ping", r#"[{},"place"]"#, Some("[{}]")),
        ] {
            let (frame, data) = own_event(&mut own(), text).unwrap();
            assert_eq!(
                (frame.kind(), frame.namespace(), frame.text()),
                (Some(name), Some("/n"), Some(arguments))
            );
            assert_eq!(data.as_deref(), before, "{text}");
        }
        let text = r#"42/n,["message",{"roomId":"r","userId":"bob","content":"hi","timestamp":"t"}]"#;
        let Some(ServerPacket::Event(event)) = own().decode(text).unwrap() else { panic!() };
        assert!(matches!(event.message, ServerMessage::Message(_)));
        let Some(ServerPacket::Event(event)) = codec_in("/n").decode(r#"42/n,["price",1]"#).unwrap() else {
            panic!()
        };
        assert_eq!(event.message, ServerMessage::Unknown, "nobody has asked for it");
    }

    #[test]
    fn an_event_without_a_name_or_with_one_that_is_kept_for_the_libraries_is_an_error_and_costs_nothing_else()
    {
        let mut codec = own();
        for text in [r"42/n,[]", r"42/n,[{},1]", r#"42/n,["connect"]"#, r#"42/n,["disconnect","x"]"#] {
            assert!(!codec.decode(text).unwrap_err().is_fatal(), "{text}");
        }
        assert!(own_event(&mut codec, r#"42/n,["price",1]"#).is_ok());
    }

    #[test]
    fn bytes_stand_where_they_were_and_a_gap_costs_its_event_alone() {
        let mut codec = own();
        let head = |num| format!(r#"452-/n,["picture",{{"of":{{"_placeholder":true,"num":{num}}}}},"x"]"#);
        assert_eq!(codec.decode(&head(1)), Ok(None));
        assert_eq!(codec.decode_binary(&[9]), Ok(None));
        let Some(ServerPacket::Event(event)) = codec.decode_binary(&[1, 2, 3]).unwrap() else { panic!() };
        let ServerMessage::Custom(frame) = event.message else { panic!() };
        assert_eq!(frame.text(), Some(r#"[{"of":{"base64":"AQID"}},"x"]"#));
        assert_eq!(event.data_before_trailing.as_deref(), Some(r#"[{"of":{"base64":"AQID"}}]"#));
        codec.decode(&head(2)).unwrap();
        codec.decode_binary(&[9]).unwrap();
        assert_eq!(codec.decode_binary(&[9]), Err(DecodeError::Packet(PacketError::UnfilledPlaceholder)));
        assert!(own_event(&mut codec, r#"42/n,["price",1]"#).is_ok());
    }

    #[test]
    fn a_long_answer_is_there_in_full() {
        let long = format!("[{}]", Value::String("x".repeat(20_000)));
        let Some(ServerPacket::LongAck { id: 3, whole, answer }) =
            codec().decode(&format!("433{long}")).unwrap()
        else {
            panic!()
        };
        assert_eq!(format!("[{whole}]"), long);
        assert!(matches!(*answer, Answer::Done { answer: Some(shown), .. } if shown.len() < 2_000));
        assert!(matches!(codec().decode(r#"433["x"]"#), Ok(Some(ServerPacket::Ack { id: 3, .. }))));
    }

    #[test]
    fn own_events_and_answers_are_written_with_their_bytes_behind_them() {
        let written = |packet: &ClientPacket| {
            let mut text = String::new();
            let bytes = codec_in("/n").encode_into(packet, &mut text);
            (text, bytes)
        };
        let event = |event: &str, ack| ClientPacket::Custom { ack, event: event.into() };
        let (text, bytes) = written(&event(r#"["price",1.50,{"a":1}]"#, Some(3)));
        assert_eq!((&*text, bytes.len()), (r#"42/n,3["price",1.50,{"a":1}]"#, 0));
        let (text, bytes) = written(&event(r#"["p",{"base64":"AQID"},[{"base64":""}]]"#, None));
        assert_eq!(text, r#"452-/n,["p",{"_placeholder":true,"num":0},[{"_placeholder":true,"num":1}]]"#);
        assert_eq!(bytes, [vec![1, 2, 3], vec![]]);
        let answer = ClientPacket::Answer { id: 7, arguments: r#"[{"base64":"AQ=="}]"#.into() };
        assert_eq!(written(&answer), (r#"461-/n,7[{"_placeholder":true,"num":0}]"#.into(), vec![vec![1]]));
        assert_eq!(written(&ClientPacket::Kept(r#"["watch"]"#.into())), (r#"42/n,["watch"]"#.into(), vec![]));
    }
}
