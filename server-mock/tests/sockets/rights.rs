//! The rights of a token in rooms, over every way in.

use crate::client::{Client, join, message};
use crate::feed::{feed, path, request};
use crate::jwt::{file, guarded, token};
use rejoin_server::ServerHandle;
use rejoin_server::auth::JwtRules;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

const SECRET: &str = "a-secret-of-more-than-thirty-two-bytes";

async fn world() -> (NamedTempFile, ServerHandle) {
    let key = file(SECRET);
    let server = guarded(key.path(), JwtRules::default()).await;
    (key, server)
}

fn with(key: &NamedTempFile, rooms: Value) -> String {
    let claims = [(String::from("rooms"), rooms)];
    token(key.path(), Value::Object(claims.into_iter().collect()))
}

#[tokio::test]
async fn a_token_without_the_claim_allows_everything() {
    let (key, server) = world().await;
    let (mut ada, _) = Client::extended(&server.url(), &token(key.path(), json!({}))).await;
    let joined = ada.answer(&json!({"type": "join_room", "roomId": "any", "ref": "j"})).await;
    assert_eq!(joined["type"], "joined");
}

#[tokio::test]
async fn a_websocket_may_do_what_its_token_says() {
    let (key, server) = world().await;
    let (mut ada, _) = Client::extended(&server.url(), &with(&key, json!({"team-*": ["join"]}))).await;
    let refused = ada.answer(&json!({"type": "join_room", "roomId": "ops", "ref": "j"})).await;
    assert_eq!(
        (&refused["code"], &refused["retry"], &refused["message"]),
        (&json!("forbidden"), &json!(false), &json!("no right to join in this room"))
    );
    assert_eq!(
        ada.answer(&json!({"type": "join_room", "roomId": "team-a", "ref": "j"})).await["type"],
        "joined"
    );
    let no =
        ada.answer(&json!({"type": "send_message", "roomId": "team-a", "content": "x", "ref": "s"})).await;
    assert_eq!((&no["type"], &no["code"]), (&json!("nack"), &json!("forbidden")));
    let mut plain = Client::open(&server.url(), &with(&key, json!(["a"]))).await;
    plain.say(&join("b")).await;
    assert_eq!(plain.hear_json().await["message"], "no right to join in this room");
    plain.say(&join("a")).await;
    plain.say(&message("a", "hi")).await;
    assert_eq!(plain.hear_json().await["content"], "hi");
}

#[tokio::test]
async fn a_feed_needs_the_right_to_join_and_its_past_the_one_to_history() {
    let (key, server) = world().await;
    let mut bob = Client::in_room(&server.url(), &token(key.path(), json!({"sub": "bob"})), "news").await;
    bob.say(&message("news", "old")).await;
    bob.hear().await;
    let none = with(&key, json!({"other": ["*"]}));
    for method in ["GET", "HEAD"] {
        assert_eq!(request(&server.url(), method, &path("news", &none), &[]).await.status, 403);
    }
    let body = request(&server.url(), "GET", &path("news", &none), &[]).await.json().await;
    assert_eq!(
        (&body["code"], &body["message"]),
        (&json!("forbidden"), &json!("no right to join in this room"))
    );
    let reader = with(&key, json!({"news": ["join"]}));
    let mut now = feed(&server.url(), &format!("{}&history=10", path("news", &reader))).await;
    now.block().await;
    bob.say(&message("news", "new")).await;
    assert_eq!(now.content().await, "new");
    let mut past =
        feed(&server.url(), &format!("{}&history=10", path("news", &with(&key, json!(["news"]))))).await;
    assert_eq!(past.content().await, "old");
}

#[tokio::test]
async fn socket_io_may_do_what_its_token_says_in_each_namespace() {
    let key = file(SECRET);
    let auth = rejoin_server::Auth::Jwt(rejoin_server::auth::Jwt::keys(key.path()).unwrap());
    let server = crate::client::server(|config| {
        config.auth = auth;
        config.namespaces = vec!["/chat".parse().unwrap()];
    })
    .await;
    let endpoint = server.url().replace("/ws", "/socket.io/?EIO=4&transport=websocket");
    let mut client = Client::try_open(&endpoint, &[]).await.unwrap();
    client.hear().await;
    let rooms = json!({"lobby": ["join"], "/chat,lobby": ["join", "send"]});
    for (namespace, room) in [("", "lobby"), ("/chat,", "lobby")] {
        client.say(&format!("40{namespace}{}", json!({"token": with(&key, rooms.clone())}))).await;
        assert!(client.hear().await.starts_with(&format!("40{namespace}")));
        client.say(&format!(r#"42{namespace}1["join_room",{{"roomId":"{room}"}}]"#)).await;
        loop {
            let heard = client.hear().await;
            if heard.starts_with(&format!("43{namespace}1")) {
                assert!(heard.contains("\"ok\":true"), "{heard}");
                break;
            }
        }
    }
    for (namespace, answer) in [("", "forbidden"), ("/chat,", "\"ok\":true")] {
        client.say(&format!(r#"42{namespace}2["send_message",{{"roomId":"lobby","content":"x"}}]"#)).await;
        loop {
            let heard = client.hear().await;
            if heard.starts_with(&format!("43{namespace}2")) {
                assert!(heard.contains(answer), "{heard}");
                break;
            }
        }
    }
    client.say(r#"423["join_room",{"roomId":"ops"}]"#).await;
    loop {
        let heard = client.hear().await;
        if heard.starts_with("433") {
            assert!(heard.contains("forbidden") && heard.contains("no right to join"), "{heard}");
            break;
        }
    }
}

#[tokio::test]
async fn rights_that_are_refreshed_count_at_once() {
    let (key, server) = world().await;
    let (mut ada, _) = Client::extended(&server.url(), &with(&key, json!(["a", "b"]))).await;
    for room in ["a", "b"] {
        assert_eq!(
            ada.answer(&json!({"type": "join_room", "roomId": room, "ref": "j"})).await["type"],
            "joined"
        );
    }
    let less = with(&key, json!({"b": ["join"]}));
    assert_eq!(ada.answer(&json!({"type": "auth", "ref": "x", "token": less})).await["type"], "auth_ok");
    assert_eq!(ada.hear_json().await, json!({"type": "left", "roomId": "a", "code": "forbidden"}));
    let no = ada.answer(&json!({"type": "send_message", "roomId": "b", "content": "x", "ref": "s"})).await;
    assert_eq!(no["code"], "forbidden");
    let more = with(&key, json!({"b": ["join", "send"]}));
    assert_eq!(ada.answer(&json!({"type": "auth", "ref": "x", "token": more})).await["type"], "auth_ok");
    let yes = ada.answer(&json!({"type": "send_message", "roomId": "b", "content": "x", "ref": "s"})).await;
    assert_eq!(yes["type"], "ack");
}
