//! Whom the server has closed and who goes on sending: nothing of it is handled, and nothing is answered but the end.

use crate::admin::call;
use crate::admission::{address, http};
use crate::client::{Client, message, server, soon};
use crate::socketio::{Session, endpoint, rest};
use futures_util::SinkExt as _;
use rejoin_server::ServerHandle;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

/// A server whose room `lobby` has more to replay than any buffer on the way to a client takes.
async fn with_a_long_log() -> ServerHandle {
    let server = server(|config| {
        config.admin = Some("127.0.0.1:0".parse().unwrap());
        config.hub.heartbeat = Duration::from_millis(500);
        config.hub.history_bytes = 64 << 20;
        config.hub.content_bytes = 60_000;
    })
    .await;
    let mut ada = Client::in_room(&server.url(), "ada", "lobby").await;
    let content = "x".repeat(50_000);
    for _ in 0..300 {
        ada.say(&message("lobby", &content)).await;
        ada.hear().await;
    }
    server
}

async fn metric(server: &ServerHandle, name: &str) -> u64 {
    let text = call(&server.admin_url().unwrap(), "GET", "/metrics", "").await.1;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap();
    line.parse().unwrap()
}

/// Waits until the server has written as much of a replay as it can.
async fn until_stuck(server: &ServerHandle) {
    let stuck = async {
        let mut waiting = 0;
        while waiting < 20 {
            waiting = if metric(server, "rejoin_queued_bytes").await > 0 { waiting + 1 } else { 0 };
        }
    };
    soon(stuck).await;
}

/// Has `eve` removed while she takes nothing, who then sends for as long as she is let.
async fn is_unheard(server: &ServerHandle, mut eve: Client, frame: &str) {
    until_stuck(server).await;
    assert_eq!(call(&server.admin_url().unwrap(), "DELETE", "/users/eve", "").await.0, 200);
    let heard = metric(server, "rejoin_frames_received_total").await;
    soon(async { while eve.0.send(Message::text(frame)).await.is_ok() {} }).await;
    assert_eq!(metric(server, "rejoin_frames_received_total").await, heard);
}

#[tokio::test]
async fn a_websocket_that_takes_nothing_is_not_heard_any_more() {
    let server = with_a_long_log().await;
    let (mut eve, _) = Client::extended_with_buffer(&server.url(), "eve", 4_096).await;
    eve.say(r#"{"type":"join_room","roomId":"lobby","ref":"j","history":300}"#).await;
    is_unheard(&server, eve, r#"{"type":"unknown"}"#).await;
}

#[tokio::test]
async fn a_socket_io_client_that_takes_nothing_is_not_heard_any_more() {
    let server = with_a_long_log().await;
    let mut eve = Client::with_buffer(&endpoint(&server.url()), 4_096).await;
    eve.say(r#"40{"token":"eve"}"#).await;
    eve.say(r#"42["join_room",{"roomId":"lobby","history":300}]"#).await;
    is_unheard(&server, eve, r#"42["presence",{"roomId":"lobby"}]"#).await;
}

#[tokio::test]
async fn a_post_is_refused_though_no_poll_has_been_told_of_the_end() {
    let server = server(|config| config.admin = Some("127.0.0.1:0".parse().unwrap())).await;
    let eve = Session::in_room(&server, "eve", "lobby").await;
    assert_eq!(call(&server.admin_url().unwrap(), "DELETE", "/users/eve", "").await.0, 200);
    for _ in 0..3 {
        let answer = eve.say(&["3", "3", "3"]).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    let told = eve.hear().await;
    assert!(told.ends_with("\u{1e}1") || told.ends_with("\r\n1"), "{told}");
}

/// What a kept connection asks for is not counted by address, and what is refused by no rate.
#[tokio::test]
async fn a_request_that_is_refused_ends_the_connection_of_somebody_known_too() {
    let server = server(|_| {}).await;
    let ada = Session::in_room(&server, "ada", "lobby").await;
    let path = format!("/socket.io/?EIO=4&transport=polling&sid={}", ada.sid);
    for method in ["PUT", "HEAD", "DELETE"] {
        let mut stream = TcpStream::connect(address(&server.url())).await.unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(request.repeat(2).as_bytes()).await.unwrap();
        let answer = rest(stream).await;
        assert_eq!(answer.matches("HTTP/1.1 400 ").count(), 1, "{method}: {answer}");
    }
    // The session has nothing to do with it.
    assert!(ada.say(&["3"]).await.ends_with("ok"));
    let gone = http(&server.url(), &format!("GET {path}0 HTTP/1.1\nHost: localhost\n\n")).await;
    assert!(gone.starts_with("HTTP/1.1 400 "), "{gone}");
}
