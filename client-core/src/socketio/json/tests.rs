use super::{Codec, DecodeError};
use crate::id::Id;
use crate::messages::{Code, Message, Notification, ServerMessage};
use crate::socketio::{
    Answer, ClientEvent, ClientPacket, Connected, EventMap, Handshake, Namespace, PacketError, Resume,
    ServerEvent, ServerPacket, Trailing,
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
    let refused = |words: &str| ServerPacket::Refused(words.into());
    assert_eq!(read(r#"44{"message":"not you","data":{"a":1}}"#), refused("not you"));
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
    assert_eq!(event(&text), ServerEvent { ack: None, trailing: None, message: message("r", "hi") });
    let joined = event(r#"427["user_joined",{"roomId":"r","userId":"u"}]"#);
    let expected = ServerMessage::UserJoined { room: "r".into(), user: "u".into() };
    assert_eq!(joined, ServerEvent { ack: Some(7), trailing: None, message: expected });
    for text in [r#"42["error",{"message":"no"}]"#, r#"42["error","no"]"#] {
        let expected = ServerMessage::Error { message: "no".into(), refusal: None };
        assert_eq!(event(text).message, expected, "{text}");
    }
    for text in [r#"42["typing",{}]"#, "42[7,{}]", "42[]"] {
        assert_eq!(event(text).message, ServerMessage::Unknown, "{text}");
    }
}

#[test]
fn the_last_text_is_told_apart_where_it_may_be_a_place() {
    let trailing =
        |text: &str, follows_object, is_alone| Some(Trailing { text: text.into(), follows_object, is_alone });
    assert_eq!(
        event(&alloc::format!(r#"42["message",{SAID},"1-1"]"#)).trailing,
        trailing("1-1", true, false)
    );
    assert_eq!(event(r#"42["tick","1-1"]"#).trailing, trailing("1-1", false, true));
    assert_eq!(event(r#"42["tick",3,"1-1"]"#).trailing, trailing("1-1", false, false));
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
            let Notification { stamp, kind, data } = *notification;
            assert_eq!(stamp, None);
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
}

#[test]
fn an_answer_is_read_in_each_of_its_forms() {
    let answer = |arguments: &str| match read(&alloc::format!("437{arguments}")) {
        ServerPacket::Ack { id: 7, answer } => *answer,
        other => panic!("{other:?}"),
    };
    let done = Answer::Done { id: None, seq: None, members: None };
    for text in [
        "[]",
        "[null]",
        "[true]",
        r#"["ok"]"#,
        r#"[{"ok":true}]"#,
        r#"[{"error":null}]"#,
        r#"[{"status":"ok"}]"#,
    ] {
        assert_eq!(answer(text), done, "{text}");
    }
    let numbered = |id: &str| Answer::Done { id: Some(Id::new(id).unwrap()), seq: Some(3), members: None };
    assert_eq!(answer(r#"[{"id":"m1","seq":3}]"#), numbered("m1"));
    assert_eq!(answer(r#"[null,{"id":17,"seq":3}]"#), numbered("17"));
    assert_eq!(answer(r#"[{"id":"no id","seq":-1}]"#), done);
    let members = Some(vec!["a".into(), "b".into()]);
    assert_eq!(answer(r#"[{"members":["b","a","b",1]}]"#), Answer::Done { id: None, seq: None, members });
    let refused = |code, words: Option<&str>| Answer::Refused { code, message: words.map(ToOwned::to_owned) };
    assert_eq!(answer(r#"[{"error":"not you"}]"#), refused(Code::Other, Some("not you")));
    assert_eq!(answer(r#"[{"error":"forbidden"}]"#), refused(Code::Forbidden, None));
    assert_eq!(
        answer(r#"[{"ok":false,"code":"too_large","message":"long"}]"#),
        refused(Code::TooLarge, Some("long"))
    );
    assert_eq!(
        answer(r#"[{"error":{"code":"rate_limited","message":"slow"}}]"#),
        refused(Code::RateLimited, Some("slow"))
    );
    for text in [r#"[{"success":false}]"#, r#"[{"status":"error"}]"#, "[false]", r#"[{"error":1}]"#] {
        assert_eq!(answer(text), refused(Code::Other, None), "{text}");
    }
}

#[test]
fn attachments_come_as_base64_where_the_json_has_its_holes() {
    let mut codec = codec();
    let head = r#"451-["message",{"roomId":"r","userId":"bob","content":{"_placeholder":true,"num":0},"timestamp":"t"}]"#;
    assert_eq!(codec.decode(head), Ok(None));
    // The engine may ask in between.
    assert_eq!(codec.decode("2"), Ok(Some(ServerPacket::Ping)));
    let whole = codec.decode_binary(&[0, 255, 1]).unwrap();
    let expected = ServerEvent { ack: None, trailing: None, message: message("r", "AP8B") };
    assert_eq!(whole, Some(ServerPacket::Event(expected)));
    codec.decode(r#"462-7[{"id":"m"},{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]"#).unwrap();
    assert_eq!(codec.decode_binary(&[1]), Ok(None));
    let Some(ServerPacket::Ack { id: 7, .. }) = codec.decode_binary(&[2]).unwrap() else { panic!() };
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
    for error in [missing, unexpected, misplaced, codec.decode("4511-[]").unwrap_err()] {
        assert!(error.is_out_of_step(), "{error}");
    }
    for text in
        ["", "x", "4", "42", "42{}", "42[", "437{", "0{}", r#"42["message",{"roomId":1}]"#, r#"42["error"]"#]
    {
        assert!(!codec.decode(text).unwrap_err().is_out_of_step(), "{text}");
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
