use crate::socketio::{
    Assembled, Attachments, EnginePacket, MAX_ATTACHMENTS, Packet, PacketError, PacketType,
};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use fastrand::Rng;

fn packet(kind: PacketType, payload: &str) -> Packet<'_> {
    Packet { kind, attachments: 0, namespace: "/", ack: None, payload }
}

#[test]
fn packets_are_read_as_the_protocols_page_writes_them() {
    use PacketType as T;
    for (text, expected) in [
        ("0", packet(T::Connect, "")),
        (r#"0{"token":"x"}"#, packet(T::Connect, r#"{"token":"x"}"#)),
        ("0/admin,", Packet { namespace: "/admin", ..packet(T::Connect, "") }),
        ("1/admin", Packet { namespace: "/admin", ..packet(T::Disconnect, "") }),
        (r#"2["a",1]"#, packet(T::Event, r#"["a",1]"#)),
        (r#"212["a"]"#, Packet { ack: Some(12), ..packet(T::Event, r#"["a"]"#) }),
        (r#"2/admin,0["a"]"#, Packet { namespace: "/admin", ack: Some(0), ..packet(T::Event, r#"["a"]"#) }),
        ("37[]", Packet { ack: Some(7), ..packet(T::Ack, "[]") }),
        (r#"4{"message":"no"}"#, packet(T::ConnectError, r#"{"message":"no"}"#)),
        (
            r#"51-["b",{"_placeholder":true,"num":0}]"#,
            Packet { attachments: 1, ..packet(T::BinaryEvent, r#"["b",{"_placeholder":true,"num":0}]"#) },
        ),
        (
            r#"62-/a,3["b"]"#,
            Packet { kind: T::BinaryAck, attachments: 2, namespace: "/a", ack: Some(3), payload: r#"["b"]"# },
        ),
    ] {
        assert_eq!(Packet::decode(text), Ok(expected), "{text}");
    }
    assert_eq!(EnginePacket::decode("42[]"), Ok(EnginePacket::Message("2[]")));
    assert_eq!(EnginePacket::decode("2probe"), Ok(EnginePacket::Ping("probe")));
}

#[test]
fn what_is_no_packet_says_why() {
    for (text, error) in [
        ("", PacketError::Empty),
        ("7", PacketError::UnknownType),
        ("é", PacketError::UnknownType),
        ("5[]", PacketError::NoAttachments),
        ("51[]", PacketError::NoAttachments),
        ("511-[]", PacketError::TooManyAttachments),
        ("599999999999999999999-[]", PacketError::TooManyAttachments),
        ("29007199254740992[]", PacketError::AckId),
    ] {
        assert_eq!(Packet::decode(text), Err(error), "{text}");
    }
    assert_eq!(EnginePacket::decode(""), Err(PacketError::Empty));
    assert_eq!(EnginePacket::decode("é"), Err(PacketError::UnknownType));
}

#[test]
fn what_is_written_is_read_as_it_was() {
    let mut rng = Rng::with_seed(1);
    let kinds = [
        PacketType::Connect,
        PacketType::Disconnect,
        PacketType::Event,
        PacketType::Ack,
        PacketType::ConnectError,
        PacketType::BinaryEvent,
        PacketType::BinaryAck,
    ];
    for _ in 0..2_000 {
        let kind = kinds[rng.usize(..kinds.len())];
        let is_binary = matches!(kind, PacketType::BinaryEvent | PacketType::BinaryAck);
        let packet = Packet {
            kind,
            attachments: if is_binary { rng.u8(..=MAX_ATTACHMENTS) } else { 0 },
            namespace: ["/", "/a", "/部/屋"][rng.usize(..3)],
            ack: rng.bool().then(|| rng.u64(..1 << 53)),
            payload: ["", "[]", r#"["é,/",1]"#, r#"{"a":"/b,c"}"#][rng.usize(..4)],
        };
        let mut text = String::new();
        packet.encode_into(&mut text);
        assert_eq!(Packet::decode(&text), Ok(packet), "{text}");
        let mut frame = String::new();
        EnginePacket::Message(&text).encode_into(&mut frame);
        assert_eq!(EnginePacket::decode(&frame), Ok(EnginePacket::Message(&text)));
    }
}

#[test]
fn no_text_makes_it_panic_and_whatever_it_reads_it_writes_to_the_same() {
    let pieces =
        ["0", "2", "5", "6", "9", "-", "/", ",", "[", "\"", "é", "\u{0}", "12345678901234567890", "/a,"];
    let mut rng = Rng::with_seed(2);
    for _ in 0..50_000 {
        let text: String = (0..rng.usize(..8)).map(|_| pieces[rng.usize(..pieces.len())]).collect();
        let _ = EnginePacket::decode(&text);
        let Ok(packet) = Packet::decode(&text) else { continue };
        let mut written = String::new();
        packet.encode_into(&mut written);
        assert_eq!(Packet::decode(&written), Ok(packet), "{text} became {written}");
    }
}

fn bytes(count: u8) -> Vec<Box<[u8]>> {
    (0..count).map(|n| vec![n].into()).collect()
}

#[test]
fn a_packet_is_whole_with_its_last_attachment_and_not_before() {
    let mut attachments = Attachments::default();
    attachments.expect("53-[]", 3).unwrap();
    assert_eq!(attachments.add(&[0]), Ok(None));
    assert_eq!(attachments.add(&[1]), Ok(None));
    let whole = Assembled { text: "53-[]".into(), attachments: bytes(3) };
    assert_eq!(attachments.add(&[2]), Ok(Some(whole)));
    assert_eq!(attachments.add(&[3]), Err(PacketError::UnexpectedAttachment));
    assert_eq!(attachments.check_complete(), Ok(()));
}

#[test]
fn attachments_out_of_step_or_beyond_the_bounds_are_an_error_once() {
    let mut attachments = Attachments::default();
    attachments.expect("51-[]", 1).unwrap();
    assert_eq!(attachments.check_complete(), Err(PacketError::AttachmentMissing));
    assert_eq!(attachments.check_complete(), Ok(()));
    assert_eq!(attachments.expect("511-[]", 11), Err(PacketError::TooManyAttachments));
    attachments.expect("52-[]", 2).unwrap();
    let large = vec![0; 9 << 20];
    assert_eq!(attachments.add(&large), Ok(None));
    assert_eq!(attachments.add(&large), Err(PacketError::AttachmentsTooLarge));
    assert_eq!(attachments.add(&[0]), Err(PacketError::UnexpectedAttachment));
}
