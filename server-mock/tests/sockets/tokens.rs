//! Tokens that end, over real sockets.

use crate::client::{Client, server, soon};
use rejoin_server::{Auth, ServerHandle};
use serde_json::json;

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
