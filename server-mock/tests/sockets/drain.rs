//! The end of a server: draining, and what clients are told.

use crate::admission::address;
use crate::client::{Client, message, server, soon};
use crate::feed;
use crate::socketio::{Session, endpoint, get};
use rejoin_server::{Config, Server};
use serde_json::json;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error, Message};

#[tokio::test]
async fn a_drain_cuts_plain_clients_after_what_was_queued_and_then_the_server_is_gone() {
    let server = server(|config| config.limits.drain_rate = 1_000).await;
    let url = server.url();
    let mut ada = Client::in_room(&url, "ada", "lobby").await;
    let mut bob = Client::in_room(&url, "bob", "lobby").await;
    ada.hear().await;
    for number in 0..200 {
        ada.say(&message("lobby", &number.to_string())).await;
    }
    // The last one has gone through the hub: bob's copies are queued or written.
    for _ in 0..200 {
        ada.hear().await;
    }
    let drained = tokio::spawn(server.drain());
    for number in 0..200 {
        assert_eq!(bob.hear_json().await["content"], number.to_string());
    }
    bob.cut().await;
    ada.cut().await;
    drop((ada, bob));
    soon(drained).await.unwrap();
    assert!(matches!(Client::try_open(&url, &[]).await, Err(Error::Io(_))));
}

#[tokio::test]
async fn while_it_drains_a_server_refuses_with_503_and_is_not_ready() {
    let mut config = Config::default();
    config.limits.drain_rate = 1;
    config.drain = Duration::from_secs(3_600);
    config.admin = Some("127.0.0.1:0".parse().unwrap());
    let server = Server::bind(config).await.unwrap();
    let (url, admin) = (server.url(), server.admin_url().unwrap());
    let (shutdown, told) = oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async { told.await.unwrap_or_default() }));
    let mut ada = Client::open(&url, "ada").await;
    let mut bob = Client::open(&url, "bob").await;
    ada.sync().await;
    bob.sync().await;
    shutdown.send(()).unwrap();
    ada.cut().await;
    let refused = Client::try_open(&format!("{url}?token=cyd"), &[]).await;
    let Err(Error::Http(response)) = refused else { panic!("it was let in") };
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (503, &"5".parse().unwrap())
    );
    let ready =
        crate::admission::http(&admin, "GET /readyz HTTP/1.1\nHost: localhost\nConnection: close\n\n").await;
    assert!(ready.starts_with("HTTP/1.1 503 "), "{ready}");
    // Bob's turn comes within the window, and until then he is served.
    bob.sync().await;
    bob.cut().await;
    drop((ada, bob));
    soon(running).await.unwrap();
}

#[tokio::test]
async fn a_drain_of_an_empty_server_ends_at_once() {
    soon(server(|_| {}).await.drain()).await;
}

#[tokio::test]
async fn a_stop_cuts_everybody_without_a_close_frame() {
    let server = server(|_| {}).await;
    let url = server.url();
    let mut ada = Client::open(&url, "ada").await;
    ada.sync().await;
    soon(server.stop()).await;
    ada.cut().await;
    assert!(matches!(Client::try_open(&url, &[]).await, Err(Error::Io(_))));
}

#[tokio::test]
async fn dropping_the_handle_stops_the_server_too() {
    let server = server(|_| {}).await;
    let mut ada = Client::open(&server.url(), "ada").await;
    ada.sync().await;
    drop(server);
    ada.cut().await;
}

#[tokio::test]
async fn a_peers_own_close_is_answered_with_its_code() {
    use futures_util::SinkExt as _;
    use tokio_tungstenite::tungstenite::protocol::CloseFrame;
    let server = server(|_| {}).await;
    let mut ada = Client::open(&server.url(), "ada").await;
    let frame = CloseFrame { code: 4901.into(), reason: "page hidden".into() };
    ada.0.send(Message::Close(Some(frame))).await.unwrap();
    assert_eq!(ada.close_code().await, 4901);
    ada.cut().await;
}

#[tokio::test]
async fn extended_clients_are_asked_to_move_and_served_until_the_window_ends() {
    let server = server(|config| config.drain = Duration::from_millis(300)).await;
    let (mut ada, _) = Client::extended(&server.url(), "ada").await;
    let (mut bob, _) = Client::extended(&server.url(), "bob").await;
    let drained = tokio::spawn(server.drain());
    for client in [&mut ada, &mut bob] {
        assert_eq!(client.hear().await, r#"{"type":"going_away","windowMs":300}"#);
    }
    assert_eq!(ada.answer(&json!({"type": "ping", "t": 1})).await, json!({"type": "pong", "t": 1}));
    // Bob has moved: nobody waits for him.
    drop(bob);
    assert_eq!(ada.close_code().await, 1012);
    drop(ada);
    soon(drained).await.unwrap();
}

/// Less than the last close frames of a drain may take: what has nothing to lose is not waited for.
const AT_ONCE: Duration = Duration::from_secs(5);

/// A connection that has sent this and waits.
async fn sent(url: &str, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address(url)).await.unwrap();
    stream.write_all(text.replace('\n', "\r\n").as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn a_drain_does_not_wait_for_who_has_nothing_to_lose() {
    for kind in ["half a request", "a session", "a WebSocket of one", "a poll", "a poll of one", "a feed"] {
        let server = server(|_| {}).await;
        let url = server.url();
        let mut ada = Client::in_room(&url, "ada", "lobby").await;
        let (mut streams, mut sockets, mut feeds) = (Vec::new(), Vec::new(), Vec::new());
        match kind {
            "half a request" => streams.push(sent(&url, "GET /ws HTTP/1.1\nHost: local").await),
            "a session" => drop(Session::open(&server).await),
            "a WebSocket of one" => sockets.push(Client::try_open(&endpoint(&url), &[]).await.unwrap()),
            "a poll" => streams.push(Session::open(&server).await.begin_to_hear().await),
            "a poll of one" => {
                // Its last poll has been answered, over a connection that is kept.
                let session = Session::in_room(&server, "bob", "lobby").await;
                let request = get(&format!("&sid={}", session.sid)).replace("Connection: close\n", "");
                streams.push(sent(&url, &request).await);
            }
            _ => {
                let feed = feed::request(&url, "GET", &feed::path("lobby", "bob"), &[]).await;
                assert_eq!(feed.status, 200);
                feeds.push(feed);
                for _ in 0..300 {
                    ada.say(&message("lobby", &"x".repeat(4_000))).await;
                    ada.hear().await;
                }
            }
        }
        drop(ada);
        assert!(timeout(AT_ONCE, server.drain()).await.is_ok(), "{kind}");
        drop((streams, sockets, feeds));
    }
}
