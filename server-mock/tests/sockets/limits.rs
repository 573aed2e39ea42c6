//! The limits of one connection, and the close codes (protocol.md §2.5).

use crate::client::{Client, join, message, server, soon};
use crate::logbook::Logbook;
use crate::socketio::endpoint;
use futures_util::{SinkExt as _, StreamExt as _};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Bytes, Message};

#[tokio::test]
async fn a_frame_beyond_the_limit_is_closed_with_1009_and_one_at_the_limit_is_not() {
    let server = server(|_| {}).await;
    let (mut ada, _) = Client::extended(&server.url(), "ada").await;
    ada.say(&" ".repeat(64 << 10)).await;
    assert_eq!(ada.hear_json().await["message"], "Invalid JSON");
    let _ = ada.0.send(Message::text(" ".repeat((64 << 10) + 1))).await;
    assert_eq!(ada.close_code().await, 1009);
}

/// A client of the base contract reconnects only after an unclean close.
#[tokio::test]
async fn what_a_plain_client_is_to_come_back_from_has_no_close_frame() {
    let server = server(|config| config.hub.sockets_per_user = 1).await;
    let mut ada = Client::open(&server.url(), "ada").await;
    ada.sync().await;
    let mut second = Client::open(&server.url(), "ada").await;
    second.cut().await;
    let _ = ada.0.send(Message::text(" ".repeat((64 << 10) + 1))).await;
    ada.cut().await;
    let mut bob = Client::open(&server.url(), "bob").await;
    for _ in 0..101 {
        bob.0.feed(Message::Ping(Bytes::new())).await.unwrap();
    }
    bob.0.flush().await.unwrap();
    bob.cut().await;
}

#[tokio::test]
async fn content_beyond_the_limit_is_an_error_and_nothing_else() {
    let server = server(|_| {}).await;
    let mut ada = Client::in_room(&server.url(), "ada", "lobby").await;
    ada.say(&message("lobby", &"x".repeat((8 << 10) + 1))).await;
    assert_eq!(ada.hear().await, r#"{"type":"error","message":"content is too long"}"#);
    ada.say(&message("lobby", &"x".repeat(8 << 10))).await;
    assert_eq!(ada.hear_json().await["type"], "message");
}

#[tokio::test]
async fn a_binary_frame_is_read_as_text_and_one_that_is_none_is_closed_with_1003() {
    let server = server(|_| {}).await;
    let mut ada = Client::in_room(&server.url(), "ada", "lobby").await;
    ada.0.send(Message::binary(message("lobby", "in bytes").into_bytes())).await.unwrap();
    assert_eq!(ada.hear_json().await["content"], "in bytes");
    ada.0.send(Message::binary(vec![1])).await.unwrap();
    assert_eq!(ada.hear().await, r#"{"type":"error","message":"Invalid JSON"}"#);
    ada.0.send(Message::binary(vec![0xff])).await.unwrap();
    assert_eq!(ada.close_code().await, 1003);
}

#[tokio::test]
async fn text_that_is_not_utf8_is_closed_with_1007() {
    let server = server(|_| {}).await;
    let mut ada = Client::open(&server.url(), "ada").await;
    let frame = Frame::message(Bytes::from_static(&[0xff, 0xfe]), OpCode::Data(Data::Text), true);
    ada.0.send(Message::Frame(frame)).await.unwrap();
    assert_eq!(ada.close_code().await, 1007);
}

#[tokio::test]
async fn a_flood_of_pings_is_closed_with_4008() {
    let server = server(|_| {}).await;
    let (mut ada, _) = Client::extended(&server.url(), "ada").await;
    for _ in 0..101 {
        ada.0.feed(Message::Ping(Bytes::new())).await.unwrap();
    }
    ada.0.flush().await.unwrap();
    assert_eq!(ada.close_code().await, 4008);
}

#[tokio::test]
async fn a_message_in_too_many_frames_ends_the_connection_though_they_are_empty() {
    let server = server(|_| {}).await;
    let fragment = |opcode, fin| Message::Frame(Frame::message(Bytes::new(), opcode, fin));
    for (count, ends) in [(1_024, false), (1_025, true)] {
        let (mut ada, _) = Client::extended(&server.url(), "ada").await;
        ada.0.feed(fragment(OpCode::Data(Data::Text), false)).await.unwrap();
        for _ in 0..count - 2 {
            ada.0.feed(fragment(OpCode::Data(Data::Continue), false)).await.unwrap();
        }
        ada.0.feed(fragment(OpCode::Data(Data::Continue), true)).await.unwrap();
        ada.0.flush().await.unwrap();
        if ends {
            assert_eq!(ada.close_code().await, 4008);
        } else {
            assert_eq!(ada.hear_json().await["code"], "bad_request");
        }
    }
}

#[tokio::test]
async fn pongs_count_against_the_rate() {
    let server = server(|config| {
        config.hub.rate = Some(1.0);
        config.hub.rooms_per_conn = 1;
    })
    .await;
    let (mut ada, _) = Client::extended(&server.url(), "ada").await;
    for _ in 0..200 {
        if ada.0.feed(Message::Pong(Bytes::new())).await.is_err() {
            break;
        }
    }
    let _ = ada.0.flush().await;
    assert_eq!(ada.close_code().await, 4008);
}

/// Though the message to which they belong is never complete.
#[tokio::test]
async fn frames_that_continue_a_message_count_against_the_rate() {
    let server = server(|config| {
        config.hub.rate = Some(1.0);
        config.hub.rooms_per_conn = 1;
    })
    .await;
    let (ada, _) = Client::extended(&server.url(), "ada").await;
    let mut bob = Client::try_open(&endpoint(&server.url()), &[]).await.unwrap();
    bob.hear().await;
    bob.say(r#"40{"token":"bob"}"#).await;
    bob.hear().await;
    for mut client in [ada, bob] {
        let opcodes = std::iter::once(Data::Text).chain(std::iter::repeat_n(Data::Continue, 200));
        for opcode in opcodes {
            let frame = Frame::message(Bytes::new(), OpCode::Data(opcode), false);
            if client.0.feed(Message::Frame(frame)).await.is_err() {
                break;
            }
        }
        let _ = client.0.flush().await;
        assert_eq!(client.close_code().await, 4008);
    }
}

/// Who has not said who it is may send few packets, and few frames.
#[tokio::test]
async fn frames_of_a_stranger_that_continue_a_message_are_few() {
    let server = server(|_| {}).await;
    let mut stranger = Client::try_open(&endpoint(&server.url()), &[]).await.unwrap();
    stranger.hear().await;
    let opcodes = std::iter::once(Data::Text).chain(std::iter::repeat_n(Data::Continue, 40));
    for opcode in opcodes {
        let frame = Frame::message(Bytes::new(), OpCode::Data(opcode), false);
        if stranger.0.feed(Message::Frame(frame)).await.is_err() {
            break;
        }
    }
    let _ = stranger.0.flush().await;
    assert_eq!(stranger.close_code().await, 1008);
}

#[tokio::test]
async fn sends_beyond_the_rate_are_answered_by_an_error() {
    let server = server(|config| config.hub.rate = Some(0.5)).await;
    let mut ada = Client::in_room(&server.url(), "ada", "lobby").await;
    ada.say(&message("lobby", "1")).await;
    ada.say(&message("lobby", "2")).await;
    assert_eq!(ada.hear_json().await["content"], "1");
    assert_eq!(ada.hear().await, r#"{"type":"error","message":"rate limited"}"#);
}

#[tokio::test]
async fn a_user_with_too_many_connections_is_closed_with_4011() {
    let server = server(|config| config.hub.sockets_per_user = 1).await;
    let mut first = Client::open(&server.url(), "ada").await;
    first.sync().await;
    let mut second = Client::try_open(&format!("{}?ext=1&token=ada", server.url()), &[]).await.unwrap();
    assert_eq!(second.close_code().await, 4011);
    first.sync().await;
}

#[tokio::test]
async fn one_that_does_not_read_is_cut_and_the_others_hear_everything() {
    let server = server(|config| {
        config.limits.queue_frames = 16;
        config.limits.queue_bytes = 64 << 10;
    })
    .await;
    let mut slow = Client::in_room(&server.url(), "slow", "lobby").await;
    let mut ada = Client::in_room(&server.url(), "ada", "lobby").await;
    assert_eq!(slow.hear_json().await["type"], "user_joined");
    // Whatever the kernel's buffers hold: more than that.
    let (content, count) = ("x".repeat(8 << 10), 2_000);
    for number in 0..count {
        ada.say(&message("lobby", &format!("{number} {}", &content[..8_000]))).await;
        let heard = ada.hear_json().await;
        assert!(heard["content"].as_str().unwrap().starts_with(&format!("{number} ")));
    }
    soon(async {
        while let Ok(heard) = slow.next().await {
            assert!(heard.is_text(), "{heard:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_never_answers_pings_is_cut_without_a_close_frame() {
    let server = server(|config| config.hub.plain_heartbeat = Duration::from_millis(100)).await;
    // Raw TCP: it upgrades and says nothing more, not even pong.
    let address = server.url().split('/').nth(2).unwrap().to_owned();
    let mut mute = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = "GET /ws?token=ada HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    mute.write_all(request.as_bytes()).await.unwrap();
    let mut all = Vec::new();
    soon(mute.read_to_end(&mut all)).await.unwrap();
    let head = all.windows(4).position(|end| end == b"\r\n\r\n").unwrap();
    assert!(
        all.windows(28).any(|part| part == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        "the accept key of RFC 6455"
    );
    assert_eq!(&all[head + 4..], [0x89, 0], "one ping and then the end");
}

/// Whatever carries it, a connection that answers no ping is said to have ended for that.
#[tokio::test]
async fn the_log_says_of_a_peer_that_answers_no_ping_that_it_is_cut_for_that() {
    let log = Logbook::open();
    let server = server(|config| {
        config.hub.heartbeat = Duration::from_millis(100);
        config.hub.plain_heartbeat = Duration::from_millis(100);
    })
    .await;
    let _mute = Client::open(&server.url(), "ada").await;
    let mut socket_io = Client::try_open(&endpoint(&server.url()), &[]).await.unwrap();
    socket_io.say(r#"40{"token":"bob"}"#).await;
    let both = async {
        while log.lines("reason=\"It answered no ping\"").len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon(both).await;
}

#[tokio::test]
async fn a_peer_that_answers_pings_stays() {
    let server = server(|config| config.hub.plain_heartbeat = Duration::from_millis(30)).await;
    let mut ada = Client::open(&server.url(), "ada").await;
    let mut pings = 0;
    while pings < 5 {
        match soon(ada.0.next()).await.unwrap().unwrap() {
            Message::Ping(_) => pings += 1,
            other => panic!("{other:?}"),
        }
    }
    ada.say(&join("lobby")).await;
}
