//! Engine.IO to the letter, by the rules that its public conformance suite checks.

use crate::admission::{address, http};
use crate::client::{Client, server, soon};
use crate::socketio::{Session, endpoint, get, rest};
use rejoin_server::{Config, ServerHandle};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

fn fast(config: &mut Config) {
    config.limits.ping_interval = Some(Duration::from_millis(50));
    config.limits.ping_timeout = Some(Duration::from_secs(10));
}

fn impatient(config: &mut Config) {
    config.limits.ping_interval = Some(Duration::from_millis(20));
    config.limits.ping_timeout = Some(Duration::from_millis(20));
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

async fn is_gone(session: &Session) {
    let answer = session.hear().await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("Session ID unknown"), "{answer}");
}

#[tokio::test]
async fn the_open_packet_comes_first_whatever_has_been_sent_together_with_the_upgrade() {
    let server = server(|_| {}).await;
    let mut stream = TcpStream::connect(address(&server.url())).await.unwrap();
    let upgrade = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
                   Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    // A text frame, masked with zeros.
    let text = b"{\"type\":\"join_room\",\"roomId\":\"lobby\"}";
    let frame = [&[0x81, 0x80 | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0][..], text].concat();
    stream.write_all(&[upgrade.as_bytes(), &frame].concat()).await.unwrap();
    let mut answer = Vec::new();
    let _ = soon(stream.read_to_end(&mut answer)).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.contains("0{\"sid\":") && answer.contains("Not a packet"), "{answer}");
}

async fn websocket(server: &ServerHandle) -> Client {
    let mut client = Client::try_open(&endpoint(&server.url()), &[]).await.unwrap();
    assert!(client.hear().await.starts_with("0{"));
    client
}

#[tokio::test]
async fn the_open_packet_says_both_times_of_the_heartbeat() {
    let server = server(|config| {
        config.limits.ping_interval = Some(Duration::from_secs(25));
        config.limits.ping_timeout = Some(Duration::from_secs(60));
    })
    .await;
    let answer = http(&server.url(), &get("")).await;
    assert!(body(&answer).contains(r#""pingInterval":25000,"pingTimeout":60000,"#), "{answer}");
}

#[tokio::test]
async fn pings_go_out_from_the_open_packet_on_whatever_the_transport() {
    let server = server(fast).await;
    let session = Session::open(&server).await;
    let mut client = websocket(&server).await;
    for _ in 0..3 {
        assert_eq!(body(&session.hear().await), "2");
        assert_eq!(body(&session.say(&["3"]).await), "ok");
        assert_eq!(client.hear().await, "2");
        client.say("3").await;
    }
}

#[tokio::test]
async fn who_answers_no_ping_is_ended_though_there_was_no_connect() {
    let server = server(impatient).await;
    let session = Session::open(&server).await;
    let mut client = websocket(&server).await;
    assert_eq!(client.hear().await, "2");
    client.cut().await;
    soon(async { while !session.hear().await.starts_with("HTTP/1.1 400 ") {} }).await;
}

#[tokio::test]
async fn pings_go_on_when_the_namespace_was_left() {
    let server = server(fast).await;
    let mut client = websocket(&server).await;
    client.say(r#"40{"token":"ada"}"#).await;
    assert!(client.hear().await.starts_with("40{"));
    client.say("41").await;
    for _ in 0..3 {
        assert_eq!(client.hear().await, "2");
        client.say("3").await;
    }
    client.say(r#"40{"token":"bob"}"#).await;
    soon(async { while !client.hear().await.starts_with("40{") {} }).await;
}

#[tokio::test]
async fn a_close_packet_ends_the_session_at_once() {
    let server = server(|_| {}).await;
    let session = Session::open(&server).await;
    let poll = session.begin_to_hear().await;
    // Whichever of the two is read first: a poll that comes late has no session any more.
    assert_eq!(body(&session.say(&["1"]).await), "ok");
    let answer = rest(poll).await;
    assert!(body(&answer) == "6" || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    is_gone(&session).await;
    let mut client = websocket(&server).await;
    client.say("1").await;
    assert_eq!(client.close_code().await, 1000);
}

#[tokio::test]
async fn what_is_no_packet_ends_the_session() {
    let server = server(|_| {}).await;
    for bad in ["abc", "", "0", "9", "4", "4x", "40{", r#"40{"token":"ada""#, "40[]", r#"40"ada""#] {
        let session = Session::open(&server).await;
        let answer = session.say(&[bad]).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{bad}: {answer}");
        is_gone(&session).await;
        let mut client = websocket(&server).await;
        client.say(bad).await;
        assert_eq!(client.close_code().await, 1002, "{bad}");
    }
}

#[tokio::test]
async fn a_second_poll_closes_the_first_and_the_session() {
    let server = server(|config| config.admin = Some("127.0.0.1:0".parse().unwrap())).await;
    let session = Session::open(&server).await;
    let first = session.begin_to_hear().await;
    // The first one waits when it is none of the handshakes any more.
    let admin = server.admin_url().unwrap();
    let metrics = || http(&admin, "GET /metrics HTTP/1.1\nHost: localhost\nConnection: close\n\n");
    soon(async { while !metrics().await.contains("\nrejoin_handshakes 0\n") {} }).await;
    let second = session.hear().await;
    assert!(second.starts_with("HTTP/1.1 400 "), "{second}");
    let first = rest(first).await;
    assert!(first.starts_with("HTTP/1.1 200 ") && body(&first) == "1", "{first}");
    is_gone(&session).await;
}

#[tokio::test]
async fn a_session_that_was_taken_over_is_nobody_elses() {
    let server = server(|_| {}).await;
    let session = Session::open(&server).await;
    let mut client = Client::try_open(&session.websocket(), &[]).await.unwrap();
    client.say("2probe").await;
    assert_eq!(client.hear().await, "3probe");
    // Not even while it is about to be taken over.
    assert!(Client::try_open(&session.websocket(), &[]).await.is_err());
    client.say("5").await;
    client.say(r#"40{"token":"ada"}"#).await;
    assert!(client.hear().await.starts_with("40{"));
    assert!(Client::try_open(&session.websocket(), &[]).await.is_err());
    is_gone(&session).await;
    client.say(r#"420["join_room",{"roomId":"lobby"}]"#).await;
    assert!(client.hear().await.starts_with("430["));
}

/// Reads one answer and leaves the connection open.
async fn answer(stream: &mut BufReader<TcpStream>) -> String {
    let (mut head, mut length) = (String::new(), 0);
    while !head.ends_with("\r\n\r\n") {
        let mut line = String::new();
        assert!(soon(stream.read_line(&mut line)).await.unwrap() > 0, "the connection has ended: {head}");
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        head += &line;
    }
    let mut body = vec![0; length];
    soon(stream.read_exact(&mut body)).await.unwrap();
    head + std::str::from_utf8(&body).unwrap()
}

#[tokio::test]
async fn answers_to_the_polls_of_somebody_known_keep_the_connection() {
    let server = server(|_| {}).await;
    let session = Session::in_room(&server, "ada", "lobby").await;
    let mut stream = BufReader::new(TcpStream::connect(address(&server.url())).await.unwrap());
    for number in 0..3 {
        let event = format!(r#"42{number}["presence",{{"roomId":"lobby"}}]"#);
        let path = format!("/socket.io/?EIO=4&transport=polling&sid={}", session.sid);
        let post = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{event}",
            event.len()
        );
        stream.write_all(post.as_bytes()).await.unwrap();
        let done = answer(&mut stream).await;
        assert!(done.ends_with("ok"), "{done}");
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await.unwrap();
        assert!(answer(&mut stream).await.contains(&format!("43{number}[")));
    }
    // Somebody who has not said who it is has a connection for each request.
    let stranger = Session::open(&server).await;
    let path = format!("/socket.io/?EIO=4&transport=polling&sid={}", stranger.sid);
    let mut stream = TcpStream::connect(address(&server.url())).await.unwrap();
    let post = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n3");
    stream.write_all(post.as_bytes()).await.unwrap();
    assert!(rest(stream).await.ends_with("ok"));
}

#[tokio::test]
async fn a_page_of_a_named_origin_may_send_credentials_and_the_headers_on_the_list() {
    let ask = |origin: &str| {
        format!(
            "OPTIONS /socket.io/?EIO=4&transport=polling HTTP/1.1\nHost: localhost\nOrigin: {origin}\nConnection: close\n\
             Access-Control-Request-Method: POST\nAccess-Control-Request-Headers: content-type, x-secret\n\n"
        )
    };
    let named = server(|config| config.allow_origin = vec![String::from("https://chat.example")]).await;
    let answer = http(&named.url(), &ask("https://chat.example")).await.to_lowercase();
    assert!(answer.contains("access-control-allow-credentials: true\r\n"), "{answer}");
    assert!(answer.contains("access-control-allow-headers: content-type\r\n"), "{answer}");
    let any = server(|config| config.allow_origin = vec![String::from("*")]).await;
    let answer = http(&any.url(), &ask("https://chat.example")).await.to_lowercase();
    assert!(answer.contains("access-control-allow-origin: https://chat.example\r\n"), "{answer}");
    assert!(!answer.contains("credentials"), "{answer}");
}
