//! Tokens that end, over real sockets.

use crate::client::{Client, server, soon};
use crate::feed::{Ended, feed, path, request};
use crate::process::Process;
use rejoin_server::auth::Reloader;
use rejoin_server::{Auth, Config, Server, ServerHandle};
use serde_json::json;
use std::io::Write as _;
use tempfile::NamedTempFile;

async fn guarded(tokens: &str) -> ServerHandle {
    let auth = Auth::Tokens(rejoin_server::auth::Tokens::parse(tokens).unwrap());
    server(|config| config.auth = auth).await
}

#[tokio::test]
async fn a_token_that_ends_is_told_before_and_closed_with_4002_and_then_is_nobodys() {
    let server = guarded("short ada 1").await;
    let (mut ada, hello) = Client::extended(&server.url(), "short").await;
    assert!(hello["auth"]["expiresInMs"].as_u64().unwrap() <= 1_000);
    assert_eq!(ada.hear_json().await["type"], "auth_expiring");
    assert_eq!(ada.close_code().await, 4002);
    let mut again = Client::open(&server.url(), "short").await;
    assert_eq!(again.close_code().await, 4001);
}

#[tokio::test]
async fn another_token_of_the_same_user_keeps_the_connection() {
    let server = guarded("short ada 1\nlong ada 3600\nbobs bob").await;
    let (mut ada, _) = Client::extended(&server.url(), "short").await;
    let auth = |token: &str| json!({"type": "auth", "ref": "a", "token": token});
    let refused = ada.answer(&auth("canary")).await;
    assert_eq!((&refused["code"], &refused["ref"]), (&json!("forbidden"), &json!("a")));
    let ok = loop {
        // The warning may come in between.
        let frame = ada.answer(&auth("long")).await;
        if frame["type"] != "auth_expiring" {
            break frame;
        }
    };
    assert_eq!((&ok["type"], ok["expiresInMs"].as_u64().unwrap() > 3_500_000), (&json!("auth_ok"), true));
    // The first token's end comes and goes.
    soon(async {
        let mut probe = Client::open(&server.url(), "short").await;
        while !matches!(probe.next().await, Ok(tokio_tungstenite::tungstenite::Message::Close(Some(frame))) if u16::from(frame.code) == 4001) {
            probe = Client::open(&server.url(), "short").await;
        }
    })
    .await;
    assert_eq!(ada.answer(&json!({"type": "ping", "t": 1})).await["type"], "pong");
    ada.ask(&auth("bobs")).await;
    assert_eq!(ada.close_code().await, 4002);
}

fn write(file: &NamedTempFile, text: &str) {
    let mut file = file.reopen().unwrap();
    file.set_len(0).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// A server whose tokens are in a file.
async fn with_file(text: &str) -> (NamedTempFile, ServerHandle, Reloader) {
    let file = NamedTempFile::new().unwrap();
    write(&file, text);
    let mut config = Config::default();
    config.auth = format!("tokens={}", file.path().display()).parse().unwrap();
    let server = Server::bind(config).await.unwrap();
    let reloader = server.reloader();
    (file, server.spawn(), reloader)
}

#[tokio::test]
async fn tokens_that_are_taken_away_end_their_connections_and_new_ones_are_good_at_once() {
    let (file, server, reloader) = with_file("adas ada\nbobs bob\n").await;
    let mut plain = Client::in_room(&server.url(), "adas", "lobby").await;
    let (mut extended, _) = Client::extended(&server.url(), "adas").await;
    let endpoint = server.url().replace("/ws", "/socket.io/?EIO=4&transport=websocket");
    let mut socketio = Client::try_open(&endpoint, &[]).await.unwrap();
    socketio.hear().await;
    socketio.say(r#"40{"token":"adas"}"#).await;
    assert!(socketio.hear().await.starts_with("40{"));
    let mut feed = feed(&server.url(), &path("lobby", "adas")).await;
    feed.block().await;
    let mut bob = Client::in_room(&server.url(), "bobs", "elsewhere").await;
    write(&file, "bobs bob\neves eve\n");
    let changes = reloader.reload().await.unwrap();
    assert_eq!((changes.added, changes.removed), (1, 1));
    assert_eq!(plain.close_code().await, 4001);
    assert_eq!(extended.close_code().await, 4001);
    assert_eq!(socketio.close_code().await, 4001);
    assert_eq!(feed.rest().await.1, Ended::Whole);
    assert_eq!(request(&server.url(), "GET", &path("lobby", "adas"), &[]).await.status, 401);
    let mut again = Client::open(&server.url(), "adas").await;
    assert_eq!(again.close_code().await, 4001);
    let mut eve = Client::open(&server.url(), "eves").await;
    eve.sync().await;
    bob.sync().await;
}

#[tokio::test]
async fn a_token_file_that_cannot_be_used_ends_nobody() {
    let (file, server, reloader) = with_file("adas ada\n").await;
    let mut ada = Client::open(&server.url(), "adas").await;
    for bad in ["", "half"] {
        write(&file, bad);
        assert!(reloader.reload().await.is_err());
        ada.sync().await;
    }
}

#[tokio::test]
async fn a_token_that_was_shown_on_the_open_connection_counts_and_the_first_one_no_more() {
    let (file, server, reloader) = with_file("first ada\nsecond ada\n").await;
    let (mut ada, _) = Client::extended(&server.url(), "first").await;
    let auth = json!({"type": "auth", "ref": "a", "token": "second"});
    assert_eq!(ada.answer(&auth).await["type"], "auth_ok");
    write(&file, "second ada\n");
    reloader.reload().await.unwrap();
    assert_eq!(ada.answer(&json!({"type": "ping", "t": 1})).await["type"], "pong");
    write(&file, "third ada\n");
    reloader.reload().await.unwrap();
    assert_eq!(ada.close_code().await, 4001);
}

#[cfg(unix)]
#[tokio::test]
async fn a_pipe_in_the_place_of_a_file_holds_neither_a_reload_nor_the_end_up() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    std::fs::write(&file, "first ada\n").unwrap();
    let auth = format!("tokens={}", file.display());
    let mut server = Process::server(&["--auth", &auth]);
    server.after("listening on ").await;
    std::fs::remove_file(&file).unwrap();
    mknodat(CWD, &file, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    server.signal("HUP").await;
    server.logged("what the file of --auth said before still counts").await;
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, "second bob\n").unwrap();
    server.signal("HUP").await;
    server.logged("the file of --auth has been read again").await;
    server.signal("TERM").await;
    assert_eq!(server.ended().await.0, Some(0));
}
