//! Socket.IO clients, seen from below: requests and frames by hand. What the library makes of it is tests/interop's.

use crate::admission::{address, http};
use crate::client::{Client, message, server, soon};
use futures_util::SinkExt as _;
use rejoin_server::ServerHandle;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

/// A session that is polled.
pub(crate) struct Session {
    base: String,
    pub(crate) sid: String,
}

impl Session {
    pub(crate) async fn open(server: &ServerHandle) -> Self {
        Self::open_at(&server.url()).await
    }

    pub(crate) async fn open_at(url: &str) -> Self {
        let base = String::from(url);
        let answer = http(&base, &get("")).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let sid = answer.split(r#""sid":""#).nth(1).unwrap().split('"').next().unwrap();
        Self { sid: String::from(sid), base }
    }

    /// One that is in a room.
    pub(crate) async fn in_room(server: &ServerHandle, token: &str, room: &str) -> Self {
        let session = Self::open(server).await;
        let join = format!(r#"42["join_room",{{"roomId":"{room}"}}]"#);
        let answer = session.say(&[&format!(r#"40{{"token":"{token}"}}"#), &join]).await;
        assert!(answer.ends_with("ok"), "{answer}");
        session.hear().await;
        session
    }

    pub(crate) async fn say(&self, packets: &[&str]) -> String {
        let body = packets.join("\u{1e}");
        let path = format!("/socket.io/?EIO=4&transport=polling&sid={}", self.sid);
        let head = format!(
            "POST {path} HTTP/1.1\nHost: localhost\nConnection: close\nContent-Length: {}\n\n",
            body.len()
        );
        http(&self.base, &format!("{head}{body}")).await
    }

    /// What a poll answers: everything.
    pub(crate) async fn hear(&self) -> String {
        http(&self.base, &get(&format!("&sid={}", self.sid))).await
    }

    /// A poll whose answer nobody has read yet.
    pub(crate) async fn begin_to_hear(&self) -> TcpStream {
        let mut stream = TcpStream::connect(address(&self.base)).await.unwrap();
        stream.write_all(get(&format!("&sid={}", self.sid)).replace('\n', "\r\n").as_bytes()).await.unwrap();
        stream
    }

    /// The URL of its WebSocket.
    pub(crate) fn websocket(&self) -> String {
        format!("{}&sid={}", endpoint(&self.base), self.sid)
    }
}

pub(crate) fn get(query: &str) -> String {
    format!("GET /socket.io/?EIO=4&transport=polling{query} HTTP/1.1\nHost: localhost\nConnection: close\n\n")
}

pub(crate) fn endpoint(url: &str) -> String {
    url.replace("/ws", "/socket.io/?EIO=4&transport=websocket")
}

pub(crate) async fn rest(mut stream: TcpStream) -> String {
    let mut text = String::new();
    soon(stream.read_to_string(&mut text)).await.unwrap();
    text
}

#[tokio::test]
async fn who_does_not_say_who_it_is_is_ended_in_time() {
    let server = server(|config| config.limits.handshake = Duration::from_millis(100)).await;
    let mut silent = Client::try_open(&endpoint(&server.url()), &[]).await.unwrap();
    assert!(silent.hear().await.starts_with("0{"));
    assert_eq!(silent.close_code().await, 1008);
    let session = Session::open(&server).await;
    let answer = session.hear().await;
    assert!(answer.ends_with("\r\n1"), "{answer}");
}

#[tokio::test]
async fn a_poll_may_wait_for_longer_than_a_handshake_and_keeps_nobody_out() {
    let server = server(|config| {
        config.limits.handshake = Duration::from_millis(300);
        config.limits.handshakes = 1;
        config.admin = Some("127.0.0.1:0".parse().unwrap());
    })
    .await;
    let ada = Session::in_room(&server, "ada", "lobby").await;
    let poll = ada.begin_to_hear().await;
    // Only one connection at a time may be in its handshake, and the poll is in none, once it is understood.
    let admin = server.admin_url().unwrap();
    let metrics = || http(&admin, "GET /metrics HTTP/1.1\nHost: localhost\nConnection: close\n\n");
    soon(async { while !metrics().await.contains("\nrejoin_handshakes 0\n") {} }).await;
    let mut bob = Client::open(&server.url(), "bob").await;
    // The poll has been waiting for twice as long as a handshake may take, which nothing but time can show.
    tokio::time::sleep(Duration::from_millis(600)).await;
    bob.say(&crate::client::join("lobby")).await;
    let answer = rest(poll).await;
    assert!(answer.ends_with(r#"42["user_joined",{"roomId":"lobby","userId":"bob"}]"#), "{answer}");
}

#[tokio::test]
async fn a_request_that_is_not_finished_is_cut_like_any_other() {
    let server = server(|config| config.limits.handshake = Duration::from_millis(50)).await;
    for beginning in [
        "GET /socket.io/?EIO=4&transp",
        "POST /socket.io/?EIO=4&transport=polling&sid=SID HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n42[",
    ] {
        let session = Session::open(&server).await;
        let mut slow = TcpStream::connect(address(&server.url())).await.unwrap();
        slow.write_all(beginning.replace("SID", &session.sid).as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let _ = soon(slow.read_to_end(&mut rest)).await;
        assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
    }
}

#[tokio::test]
async fn a_websocket_takes_over_what_no_poll_has_got() {
    let server = server(|_| {}).await;
    let ada = Session::in_room(&server, "ada", "lobby").await;
    let mut websocket = Client::try_open(&ada.websocket(), &[]).await.unwrap();
    websocket.say("2probe").await;
    assert_eq!(websocket.hear().await, "3probe");
    // Whoever polls meanwhile is sent away at once.
    let answer = ada.hear().await;
    assert!(answer.ends_with("\r\n6"), "{answer}");
    let mut bob = Client::in_room(&server.url(), "bob", "lobby").await;
    bob.say(&message("lobby", "hi")).await;
    bob.hear().await;
    websocket.say("5").await;
    assert_eq!(websocket.hear().await, r#"42["user_joined",{"roomId":"lobby","userId":"bob"}]"#);
    assert!(
        websocket
            .hear()
            .await
            .starts_with(r#"42["message",{"roomId":"lobby","userId":"bob","content":"hi","#)
    );
    let late = ada.hear().await;
    assert!(late.starts_with("HTTP/1.1 400 "), "{late}");
    websocket.say(r#"42["send_message",{"roomId":"lobby","content":"over"}]"#).await;
    assert_eq!(bob.hear_json().await["content"], "over");
}

#[tokio::test]
async fn a_websocket_that_does_not_take_over_leaves_the_polls_as_they_were() {
    let server = server(|config| config.limits.handshake = Duration::from_millis(300)).await;
    let ada = Session::in_room(&server, "ada", "lobby").await;
    for words in [&["2probe", "4no"][..], &["hello"], &["2probe"]] {
        let mut websocket = Client::try_open(&ada.websocket(), &[]).await.unwrap();
        for word in words {
            websocket.say(word).await;
        }
        while websocket.next().await.is_ok() {}
    }
    let poll = ada.begin_to_hear().await;
    Client::in_room(&server.url(), "bob", "lobby").await;
    let answer = rest(poll).await;
    assert!(answer.contains("user_joined"), "{answer}");
    let unknown = format!("{}&sid=nobody", endpoint(&server.url()));
    assert!(Client::try_open(&unknown, &[]).await.is_err());
}

#[tokio::test]
async fn a_stop_cuts_polls_and_websockets() {
    let server = server(|_| {}).await;
    let ada = Session::in_room(&server, "ada", "lobby").await;
    let poll = ada.begin_to_hear().await;
    let mut websocket = Client::try_open(&endpoint(&server.url()), &[]).await.unwrap();
    websocket.say(r#"40{"token":"bob"}"#).await;
    websocket.hear().await;
    websocket.hear().await;
    soon(server.stop()).await;
    assert_eq!(rest(poll).await, "");
    websocket.cut().await;
}

#[tokio::test]
async fn whatever_a_client_sends_counts_against_its_rate() {
    let server = server(|config| {
        config.hub.rate = Some(1.0);
        config.hub.rooms_per_conn = 1;
    })
    .await;
    for (packet, user) in
        [("3", "ada"), (r#"42["unknown",{"a":1}]"#, "bob"), ("431[]", "cyd"), ("41/nowhere,", "eve")]
    {
        let mut client = Client::try_open(&endpoint(&server.url()), &[]).await.unwrap();
        client.hear().await;
        client.say(&format!(r#"40{{"token":"{user}"}}"#)).await;
        client.hear().await;
        for _ in 0..200 {
            if client.0.feed(Message::text(packet)).await.is_err() {
                break;
            }
        }
        let _ = client.0.flush().await;
        assert_eq!(client.close_code().await, 4008, "{packet}");
    }
}

#[tokio::test]
async fn a_flood_of_websocket_pings_is_closed_with_4008() {
    let server = server(|_| {}).await;
    let mut ada = Client::try_open(&endpoint(&server.url()), &[]).await.unwrap();
    ada.hear().await;
    for _ in 0..101 {
        ada.0.feed(Message::Ping(Vec::new().into())).await.unwrap();
    }
    ada.0.flush().await.unwrap();
    assert_eq!(ada.close_code().await, 4008);
}

#[tokio::test]
async fn a_websocket_that_is_to_take_over_and_only_pings_is_cut_and_the_polls_go_on() {
    let server = server(|config| config.admin = Some("127.0.0.1:0".parse().unwrap())).await;
    let session = Session::in_room(&server, "ada", "lobby").await;
    let mut probe = Client::try_open(&session.websocket(), &[]).await.unwrap();
    for _ in 0..101 {
        if probe.0.feed(Message::Ping(Vec::new().into())).await.is_err() {
            break;
        }
    }
    let _ = probe.0.flush().await;
    probe.cut().await;
    assert!(session.say(&["3"]).await.ends_with("ok"));
    let metrics =
        http(&server.admin_url().unwrap(), "GET /metrics HTTP/1.1\nHost: localhost\nConnection: close\n\n")
            .await;
    assert!(metrics.contains("rejoin_limited_total{limit=\"ping_rate\"} 1\n"), "{metrics}");
}

#[tokio::test]
async fn the_places_of_sessions_that_ended_are_free_again() {
    let server = server(|config| {
        config.limits.connections = 1;
        config.limits.early_sessions = 1;
    })
    .await;
    for _ in 0..3 {
        let session = soon(async {
            loop {
                let answer = http(&server.url(), &get("")).await;
                if answer.starts_with("HTTP/1.1 200 ") {
                    let sid = answer.split(r#""sid":""#).nth(1).unwrap().split('"').next().unwrap();
                    return Session { base: server.url(), sid: String::from(sid) };
                }
                assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
            }
        })
        .await;
        assert!(session.say(&[r#"40{"token":"ada"}"#]).await.ends_with("ok"));
        assert!(session.say(&["1"]).await.ends_with("ok"));
    }
}

/// A session over a WebSocket, and what its CONNECT is answered.
async fn connected(server: &ServerHandle, auth: &str) -> (Client, String) {
    let mut client = Client::try_open(&endpoint(&server.url()), &[]).await.unwrap();
    assert!(client.hear().await.starts_with("0{"));
    client.say(&format!("40{auth}")).await;
    let answer = client.hear().await;
    (client, answer)
}

fn pid(answer: &str) -> String {
    let pid = answer.split(r#""pid":""#).nth(1).unwrap_or_else(|| panic!("{answer}"));
    String::from(pid.split('"').next().unwrap())
}

#[tokio::test]
async fn a_session_that_is_half_open_can_be_taken_over_on_a_server_that_is_full() {
    let server = server(|config| {
        config.limits.connections = 2;
        config.limits.recovery = Duration::from_secs(60);
    })
    .await;
    let (_gone, answer) = connected(&server, r#"{"token":"ada"}"#).await;
    let _bob = Client::in_room(&server.url(), "bob", "lobby").await;
    // A stranger without a session gets no place, and is cut, so that its client comes again.
    let mut stranger = Client::try_open(&endpoint(&server.url()), &[]).await.unwrap();
    assert!(stranger.hear().await.starts_with("0{"));
    stranger.say(r#"40{"token":"cyd"}"#).await;
    stranger.cut().await;
    // Who knows the session has its place, as often as it comes.
    let pid = pid(&answer);
    let mut half_open = Vec::new();
    for _ in 0..3 {
        let (client, again) = connected(&server, &format!(r#"{{"token":"ada","pid":"{pid}"}}"#)).await;
        assert_eq!(self::pid(&again), pid, "{again}");
        half_open.push(client);
    }
}

#[tokio::test]
async fn a_refused_connect_does_not_use_up_the_session() {
    let server = server(|config| {
        config.limits.connections = 1;
        config.limits.recovery = Duration::from_secs(60);
    })
    .await;
    let (ada, answer) = connected(&server, r#"{"token":"ada"}"#).await;
    let pid = pid(&answer);
    drop(ada);
    let auth = format!(r#"{{"token":"ada","pid":"{pid}"}}"#);
    // Somebody else takes the only place as soon as it is free.
    let bob = loop {
        if let Ok(bob) = Client::try_open(&format!("{}?token=bob", server.url()), &[]).await {
            break bob;
        }
    };
    let mut refused = Client::try_open(&endpoint(&server.url()), &[]).await.unwrap();
    assert!(refused.hear().await.starts_with("0{"));
    refused.say(&format!("40{auth}")).await;
    refused.cut().await;
    drop(bob);
    let again = loop {
        if let Ok(mut client) = Client::try_open(&endpoint(&server.url()), &[]).await {
            client.hear().await;
            client.say(&format!("40{auth}")).await;
            if let Ok(Message::Text(answer)) = client.next().await {
                break answer.to_string();
            }
        }
    };
    assert_eq!(self::pid(&again), pid, "{again}");
}
