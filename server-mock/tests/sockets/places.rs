//! Attacks on places and rates by requests that no connection stands for: kept connections, upgrades of nobody, polls that are
//! answered at once, replays. Each is bounded. A second address of the machine stands for everybody else.

use crate::admission::http;
use crate::attacks::{
    ATTACKER, BYSTANDER, UPGRADE, connect, exchange, guarded, number, refused, status, upgrade,
};
use crate::client::{Client, soon};
use crate::socketio::Session;
use rejoin_server::{Config, ServerHandle};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Most connections that one session keeps.
const KEPT: usize = 6;

async fn limited(server: &ServerHandle, limit: &str) -> u64 {
    let metrics =
        http(&server.admin_url().unwrap(), "GET /metrics HTTP/1.1\nHost: localhost\nConnection: close\n\n")
            .await;
    number(&metrics, &format!("rejoin_limited_total{{limit=\"{limit}\"}}"))
}

/// The head and the body of an answer on a connection that goes on.
async fn answer(stream: &mut TcpStream, request: &str) -> Option<String> {
    stream.write_all(request.replace('\n', "\r\n").as_bytes()).await.ok()?;
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
            if body.len() >= length.unwrap().parse().unwrap() {
                return Some(text);
            }
        }
        if soon(stream.read_buf(&mut bytes)).await.ok()? == 0 {
            return None;
        }
    }
}

fn pong(session: &Session, fields: &str) -> String {
    let path = format!("/socket.io/?EIO=4&transport=polling&sid={}", session.sid);
    format!("POST {path} HTTP/1.1\nHost: localhost\n{fields}Content-Length: 1\n\n3")
}

fn poll(session: &Session, fields: &str) -> String {
    let path = format!("/socket.io/?EIO=4&transport=polling&sid={}", session.sid);
    format!("GET {path} HTTP/1.1\nHost: localhost\n{fields}\n")
}

fn trusting(config: &mut Config) {
    config.trusted_proxy = vec!["127.0.0.1/32".parse().unwrap()];
}

async fn ended(mut stream: TcpStream) {
    assert_eq!(soon(stream.read_to_end(&mut Vec::new())).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn one_session_keeps_a_few_connections_and_none_when_it_is_over() {
    for (set_up, fields) in [((|_| {}) as fn(&mut Config), ""), (trusting, "X-Forwarded-For: 192.0.2.66\n")] {
        let server = guarded(set_up).await;
        let session = Session::in_room(&server, "s3cret", "lobby").await;
        let (mut kept, mut closed) = (Vec::new(), Vec::new());
        for _ in 0..4 * KEPT {
            let mut stream = connect(&server, ATTACKER).await;
            let text = answer(&mut stream, &pong(&session, fields)).await.unwrap();
            assert!(text.starts_with("http/1.1 200 "), "{text}");
            if text.contains("connection: close") { &mut closed } else { &mut kept }.push(stream);
        }
        assert_eq!((kept.len(), limited(&server, "kept_connections").await), (KEPT, 3 * KEPT as u64));
        for stream in closed {
            ended(stream).await;
        }
        // They stay, and whoever comes instead of one is kept too.
        for stream in &mut kept {
            let text = answer(stream, &pong(&session, fields)).await.unwrap();
            assert!(!text.contains("connection: close"), "{text}");
        }
        kept.pop();
        let replaced = async {
            loop {
                let mut stream = connect(&server, ATTACKER).await;
                if !answer(&mut stream, &pong(&session, fields)).await.unwrap().contains("connection: close")
                {
                    return stream;
                }
            }
        };
        kept.push(soon(replaced).await);
        session.say(&["1"]).await;
        for stream in kept {
            ended(stream).await;
        }
    }
}

/// A connection is counted somewhere all the time: beyond those of the session, as a handshake.
#[tokio::test]
async fn polls_beyond_the_connections_of_their_session_stay_among_the_handshakes() {
    let server = guarded(|_| {}).await;
    let session = Session::in_room(&server, "s3cret", "lobby").await;
    let mut kept = Vec::new();
    for _ in 0..KEPT {
        let mut stream = connect(&server, ATTACKER).await;
        answer(&mut stream, &pong(&session, "")).await.unwrap();
        kept.push(stream);
    }
    let mut waiting = session.begin_to_hear().await;
    let metrics = async || {
        http(&server.admin_url().unwrap(), "GET /metrics HTTP/1.1\nHost: localhost\nConnection: close\n\n")
            .await
    };
    soon(async { while number(&metrics().await, "rejoin_handshakes ") != 1 {} }).await;
    let mut bob = Client::open(&server.url(), "s3cret").await;
    bob.say(&crate::client::join("lobby")).await;
    bob.say(&crate::client::message("lobby", "hello")).await;
    let mut heard = String::new();
    soon(waiting.read_to_string(&mut heard)).await.unwrap();
    assert!(heard.contains("connection: close") && heard.starts_with("HTTP/1.1 200 "), "{heard}");
}

#[tokio::test]
async fn nobody_takes_a_place_while_it_is_told_that_it_is_nobody() {
    let server = guarded(|config| {
        config.limits.connections = 2;
        config.limits.handshakes = 8;
    })
    .await;
    let mut strangers = Vec::new();
    for number in 0..40 {
        let path = if number % 2 == 0 { "/ws" } else { "/ws?token=guess" };
        let request = format!("GET {path} HTTP/1.1\nHost: localhost\n{UPGRADE}\n");
        let mut stream = connect(&server, ATTACKER).await;
        stream.write_all(request.replace('\n', "\r\n").as_bytes()).await.unwrap();
        let mut head = [0; 12];
        soon(stream.read_exact(&mut head)).await.unwrap();
        assert_eq!(&head, b"HTTP/1.1 101");
        // None of them ends its side.
        strangers.push(stream);
        assert_eq!(status(&server, BYSTANDER, &upgrade("s3cret")).await, 101);
    }
    assert_eq!(refused(&server, "connections").await, 0);
}

#[tokio::test]
async fn who_shows_no_token_waits_like_one_who_shows_wrong_ones() {
    let server = guarded(|config| config.limits.per_address.failed_tokens = Some(3)).await;
    let bare = format!("GET /ws HTTP/1.1\nHost: localhost\n{UPGRADE}\n");
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(status(&server, ATTACKER, &bare).await);
    }
    assert_eq!(statuses, [101, 101, 101, 429, 429]);
    assert_eq!((refused(&server, "no_token").await, refused(&server, "address_tokens").await), (3, 2));
    assert_eq!(status(&server, BYSTANDER, &bare).await, 101);
}

fn slow_rate(config: &mut Config) {
    (config.hub.rate, config.hub.rooms_per_conn) = (Some(1.0), 1);
}

#[tokio::test]
async fn polls_that_are_sent_away_at_once_count_against_the_rate_of_the_user() {
    let server = guarded(slow_rate).await;
    let session = Session::in_room(&server, "s3cret", "lobby").await;
    let mut probe = Client::try_open(&session.websocket(), &[]).await.unwrap();
    probe.say("2probe").await;
    assert_eq!(probe.hear().await, "3probe");
    let mut stream = connect(&server, ATTACKER).await;
    // A burst is forty, and then one passes in half a second.
    let mut answered = 0;
    while answer(&mut stream, &poll(&session, "")).await.is_some_and(|text| text.ends_with("\r\n\r\n6")) {
        answered += 1;
        assert!(answered < 1_000);
    }
    assert_eq!(limited(&server, "frame_rate").await, 1);
}

#[tokio::test]
async fn polls_that_are_given_up_count_against_the_rate_of_the_user() {
    let server = guarded(slow_rate).await;
    let session = Session::in_room(&server, "s3cret", "lobby").await;
    let mut tried = 0;
    while limited(&server, "frame_rate").await == 0 {
        drop(session.begin_to_hear().await);
        tried += 1;
        assert!(tried < 1_000);
    }
}

#[tokio::test]
async fn behind_a_proxy_what_only_looks_like_a_poll_of_a_session_counts_for_its_address() {
    let server = guarded(|config| {
        trusting(config);
        config.limits.per_address.connects = Some(1);
    })
    .await;
    let session = Session::in_room(&server, "s3cret", "lobby").await;
    for (attacker, change, fields) in [
        (1, ("EIO=4", "EIO=3"), "Connection: close\n"),
        (2, ("", ""), "Connection: close\nOrigin: https://evil.example\n"),
    ] {
        let fields = format!("{fields}X-Forwarded-For: 192.0.2.{attacker}\n");
        let request = poll(&session, &fields).replacen(change.0, change.1, 1);
        let mut answers = Vec::new();
        for _ in 0..14 {
            answers.push(exchange(&server, ATTACKER, &request).await);
        }
        assert!(answers.iter().any(|answer| answer.starts_with("HTTP/1.1 429 ")), "{answers:?}");
    }
    assert!(refused(&server, "address_rate").await > 0);
    // What the session serves is not its address's.
    for _ in 0..20 {
        let fields = "Connection: close\nX-Forwarded-For: 192.0.2.9\n";
        let answer = exchange(&server, ATTACKER, &pong(&session, fields)).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

async fn fill(server: &ServerHandle) {
    let body = json!({"userId": "bob", "content": "z".repeat(8_000)}).to_string();
    for _ in 0..50 {
        let request = format!(
            "POST /rooms/lobby/messages HTTP/1.1\nHost: localhost\nConnection: close\nContent-Type: \
             application/json\nContent-Length: {}\n\n{body}",
            body.len()
        );
        assert!(http(&server.admin_url().unwrap(), &request).await.starts_with("HTTP/1.1 20"));
    }
}

/// A page of history is one join, and at most as long as a frame.
#[tokio::test]
async fn a_replay_costs_as_much_as_the_pages_that_it_has() {
    let server = guarded(slow_rate).await;
    fill(&server).await;
    let feed = |room: &str, query: &str| {
        format!("GET /rooms/{room}/events?token=s3cret{query} HTTP/1.1\nHost: localhost\n\n")
    };
    // Two joins are a burst, and what is replayed is six pages.
    assert_eq!(status(&server, ATTACKER, &feed("lobby", "&history=50")).await, 200);
    assert_eq!(status(&server, ATTACKER, &feed("lobby", "&history=50")).await, 429);
    assert_eq!(limited(&server, "join_rate").await, 1);

    let server = guarded(slow_rate).await;
    fill(&server).await;
    let (mut ada, _) = Client::extended(&server.url(), "s3cret").await;
    ada.ask(&json!({"type": "join_room", "ref": "j", "roomId": "lobby", "history": 50})).await;
    while ada.hear_json().await["seq"] != 50 || ada.hear_json().await["type"] != "message" {}
    ada.ask(&json!({"type": "join_room", "ref": "k", "roomId": "lobby"})).await;
    let refused = loop {
        let heard = ada.hear_json().await;
        if heard["ref"] == "k" {
            break heard;
        }
    };
    assert_eq!(refused["code"], "rate_limited");
}
