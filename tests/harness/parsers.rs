//! The rules that hold of each parser, whatever bytes it is given. The fuzz targets and the property tests run the same bodies.
//! A body panics where its parser breaks a rule; it expects no particular result.

use rejoin::feed::{EventStream, StreamItem};
use rejoin::messages::json::{
    ServerDecoder, decode_client, encode_client, encode_server, is_data, nesting_depth, well_formed,
};
use rejoin::socketio::payload::{PayloadDecoder, PayloadPacket, append_binary, append_text};
use rejoin::socketio::{Attachments, EnginePacket, Packet};
use rejoin::{Endpoint, Headers, Id, check_room_name};
use rejoin_server::Fault;
use rejoin_server::auth::Tokens;

/// A parser, by the name of its corpus (`tests/fuzz/corpus/NAME`).
#[derive(Debug, Clone, Copy)]
pub struct Parser {
    /// Of its test and its corpus.
    pub name: &'static str,
    /// Panics where a rule is broken.
    pub check: fn(&[u8]),
}

/// All of them.
pub static PARSERS: [Parser; 10] = [
    Parser { name: "server_frame", check: server_frame },
    Parser { name: "client_frame", check: client_frame },
    Parser { name: "data", check: data },
    Parser { name: "socketio_packet", check: socketio_packet },
    Parser { name: "payload", check: payload },
    Parser { name: "attachments", check: attachments },
    Parser { name: "event_stream", check: event_stream },
    Parser { name: "url", check: url },
    Parser { name: "header", check: header },
    Parser { name: "server_option", check: server_option },
];

/// The parser of this name.
///
/// # Panics
/// When there is none.
pub fn parser(name: &str) -> &'static Parser {
    PARSERS.iter().find(|parser| parser.name == name).expect("a parser of this name")
}

/// What is written of a frame is read again, and written the same. It may be less than what was read: a server does not write
/// what only other servers say.
fn server_frame(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut decoder = ServerDecoder::default();
    let Ok(frame) = decoder.decode(&text) else { return };
    let Some(written) = encode_server(&frame) else { return };
    let again = decoder.decode(&written).map(|frame| encode_server(&frame));
    assert_eq!(again, Ok(Some(written)));
}

/// A frame that is read is written such that it is read as the same.
fn client_frame(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(Some(frame)) = decode_client(&text) else { return };
    let written = encode_client(&frame);
    assert_eq!(decode_client(&written), Ok(Some(frame)), "written as {written}");
}

/// JSON that is made well-formed stays JSON and is as deep as before.
fn data(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mended = well_formed(&text);
    if is_data(&text) {
        assert!(is_data(&mended), "{mended}");
        assert_eq!(nesting_depth(&mended), nesting_depth(&text));
    }
    let _ = Id::from_bytes(bytes).is_ok_and(|id| id.as_bytes() == bytes || panic!("another id"));
    let _ = check_room_name(&text);
}

fn socketio_packet(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(packet) = EnginePacket::decode(&text) {
        let mut written = String::new();
        packet.encode_into(&mut written);
        assert_eq!(EnginePacket::decode(&written), Ok(packet));
    }
    if let Ok(packet) = Packet::decode(&text) {
        let mut written = String::new();
        packet.encode_into(&mut written);
        assert_eq!(Packet::decode(&written), Ok(packet), "written as {written}");
    }
}

/// Longest packet of a payload here, in bytes.
const LONGEST_PACKET: usize = 48;

/// How the bytes are cut into pieces changes nothing, no packet is longer than the bound, and what is written of the packets is
/// read as the same.
fn payload(bytes: &[u8]) {
    let read = |bytes: &[u8], piece_length: usize| {
        let mut decoder = PayloadDecoder::new(LONGEST_PACKET);
        let mut packets = Vec::new();
        for mut piece in bytes.chunks(piece_length) {
            while !piece.is_empty() {
                match decoder.read(&mut piece) {
                    Ok(packet) => packets.extend(packet),
                    Err(_) => return (packets, false),
                }
            }
        }
        let last = decoder.finish();
        let is_whole = last.is_ok();
        packets.extend(last);
        (packets, is_whole)
    };
    let (packets, is_whole) = read(bytes, usize::MAX);
    assert_eq!(read(bytes, 1).1, is_whole);
    let mut written = String::new();
    for packet in &packets {
        let length = match packet {
            PayloadPacket::Text(text) => {
                append_text(&mut written, text);
                text.len()
            }
            PayloadPacket::Binary(bytes) => {
                append_binary(&mut written, bytes);
                bytes.len()
            }
        };
        // Two bytes more have the same length in base64.
        assert!(length <= LONGEST_PACKET + 2, "{length}");
    }
    if is_whole {
        assert_eq!(read(written.as_bytes(), 7), (packets, true));
    }
}

/// A packet is complete with exactly as many attachments as it announces.
fn attachments(bytes: &[u8]) {
    let Some((wanted, rest)) = bytes.split_first() else { return };
    let mut attachments = Attachments::default();
    // A packet without attachments is not given to it.
    if *wanted == 0 || attachments.expect("[]", *wanted).is_err() {
        return;
    }
    for (count, piece) in rest.chunks(7).enumerate() {
        match attachments.add(piece) {
            Ok(Some(whole)) => {
                assert_eq!(whole.attachments.len(), count + 1);
                assert_eq!(whole.attachments.len(), usize::from(*wanted));
                return;
            }
            Ok(None) => assert!(count + 1 < usize::from(*wanted)),
            Err(_) => return,
        }
    }
    assert!(attachments.check_complete().is_err(), "attachments are missing");
}

/// Longest event that the stream takes here, in bytes.
const LONGEST_EVENT: usize = 64;

/// How the bytes are cut into pieces changes nothing, and nothing is longer than the bound.
fn event_stream(bytes: &[u8]) {
    let read = |piece_length: usize| {
        let mut stream = EventStream::new(LONGEST_EVENT);
        let mut items = Vec::new();
        for mut piece in bytes.chunks(piece_length) {
            while let Some(item) = stream.read(&mut piece) {
                if let StreamItem::Event(event) = &item {
                    assert!(event.data.len() <= LONGEST_EVENT, "{}", event.data);
                }
                items.push(item);
            }
        }
        items
    };
    let whole = read(usize::MAX);
    assert_eq!(read(1), whole);
    assert_eq!(read(3), whole);
}

/// What is shown of a URL, or said against it, has no token in it; what is shown is a URL again.
fn url(bytes: &[u8]) {
    const SECRET: &str = "never-shown";
    let text = String::from_utf8_lossy(bytes);
    let sign = if text.contains('?') { '&' } else { '?' };
    let with_token = format!("{text}{sign}token={SECRET}");
    for parse in [Endpoint::parse, Endpoint::parse_http, Endpoint::parse_socket_io] {
        let said = match parse(&with_token) {
            Ok((endpoint, token)) => format!("{endpoint} {endpoint:?} {token:?}"),
            Err(error) => format!("{error} {error:?}"),
        };
        assert!(!said.contains(SECRET), "{said} of {with_token}");
        if let Ok((endpoint, _)) = parse(&text) {
            let shown = endpoint.to_string();
            let again = parse(&shown).map(|(endpoint, token)| (endpoint.to_string(), token.is_some()));
            assert_eq!(again, Ok((shown, false)), "{text}");
        }
    }
}

/// A header that is taken has no line break.
fn header(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (name, value) = text.split_once(':').unwrap_or((&text, ""));
    let mut headers = Headers::new();
    if headers.add(name, value).is_ok() {
        assert!(!text.contains(['\r', '\n', '\0']), "{text:?}");
        assert!(headers.contains(name));
    }
}

/// The options of the server that have a form of their own.
fn server_option(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = text.parse::<Fault>();
    let _ = text.parse::<rejoin_server::Namespace>();
    let _ = rejoin_server::cli::parse_address(&text);
    let _ = Tokens::parse(&text);
    if let Ok(address) = text.parse::<rejoin_server::redis::RedisAddress>() {
        let login = text.split_once("://").and_then(|(_, rest)| rest.split_once('@'));
        if let Some((user, _)) = login {
            let shown = format!("{address} {address:?}");
            assert!(user.len() < 3 || text.matches(user).count() > 1 || !shown.contains(user), "{shown}");
        }
    }
}
