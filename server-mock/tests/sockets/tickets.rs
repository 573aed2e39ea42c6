//! Tickets in the place of tokens, and tokens that are taken back.

use crate::client::{Client, server};
use crate::feed::{path, request};
use crate::jwt::{file, in_seconds, token};
use rejoin_server::auth::Jwt;
use rejoin_server::{Auth, ServerHandle};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

const SECRET: &str = "a-secret-of-more-than-thirty-two-bytes";

async fn world() -> (NamedTempFile, ServerHandle) {
    let key = file(SECRET);
    let auth = Auth::Jwt(Jwt::keys(key.path()).unwrap());
    let server = server(|config| {
        config.auth = auth;
        config.admin = Some("127.0.0.1:0".parse().unwrap());
        config.allow_origin = vec![String::from("https://app.example")];
    })
    .await;
    (key, server)
}

/// What `POST /tickets` answers to a token.
async fn ask(server: &ServerHandle, token: &str) -> (u16, Value) {
    let bearer = format!("Bearer {token}");
    let fields = [("Authorization", &*bearer), ("Content-Length", "0"), ("Origin", "https://app.example")];
    let answer = request(&server.url(), "POST", "/tickets", &fields).await;
    assert_eq!(
        answer.headers.get("access-control-allow-origin").map(|origin| &**origin),
        Some("https://app.example")
    );
    assert_eq!(answer.headers.get("cache-control").map(|value| &**value), Some("no-store"));
    (answer.status, answer.json().await)
}

async fn ticket(server: &ServerHandle, token: &str) -> String {
    let (status, answer) = ask(server, token).await;
    assert_eq!((status, &answer["expires_in"]), (200, &json!(30)), "{answer}");
    String::from(answer["ticket"].as_str().unwrap())
}

#[tokio::test]
async fn a_ticket_opens_each_kind_of_connection_once_with_what_its_token_allows() {
    let (key, server) = world().await;
    let token = token(key.path(), json!({"rooms": {"lobby": ["join"]}}));
    let one = ticket(&server, &token).await;
    let mut ada = Client::try_open(&format!("{}?ext=1&ticket={one}", server.url()), &[]).await.unwrap();
    let hello = ada.hear_json().await;
    assert_eq!((&hello["userId"], hello["auth"]["expiresInMs"].is_u64()), (&json!("ada"), true));
    let no = ada.answer(&json!({"type": "join_room", "roomId": "ops", "ref": "j"})).await;
    assert_eq!(no["code"], "forbidden");
    let mut again = Client::try_open(&format!("{}?ticket={one}", server.url()), &[]).await.unwrap();
    assert_eq!(again.close_code().await, 4001);
    let two = ticket(&server, &token).await;
    assert_eq!(request(&server.url(), "HEAD", &path("lobby", &two), &[]).await.status, 200);
    assert_eq!(request(&server.url(), "HEAD", &path("lobby", &two), &[]).await.status, 401);
    let endpoint = server.url().replace("/ws", "/socket.io/?EIO=4&transport=websocket");
    let mut socketio = Client::try_open(&endpoint, &[]).await.unwrap();
    socketio.hear().await;
    socketio.say(&format!("40{}", json!({"token": ticket(&server, &token).await}))).await;
    assert!(socketio.hear().await.starts_with("40{"));
    let refresh = json!({"type": "auth", "ref": "a", "token": ticket(&server, &token).await});
    assert_eq!(ada.answer(&refresh).await["type"], "auth_ok");
}

#[tokio::test]
async fn a_ticket_is_given_for_a_good_token_in_the_header_only() {
    let (key, server) = world().await;
    let good = token(key.path(), json!({}));
    for bad in
        ["", "canary", &token(key.path(), json!({"exp": in_seconds(-100)})), &ticket(&server, &good).await]
    {
        let (status, answer) = ask(&server, bad).await;
        assert_eq!((status, &answer["code"]), (401, &json!("unauthorized")));
        assert!(!answer.to_string().contains("canary"));
    }
    let in_url =
        request(&server.url(), "POST", &format!("/tickets?token={good}"), &[("Content-Length", "0")]).await;
    assert_eq!(in_url.status, 401);
    let foreign = [("Origin", "https://evil.example"), ("Content-Length", "0")];
    assert_eq!(request(&server.url(), "POST", "/tickets", &foreign).await.status, 403);
    assert_eq!(request(&server.url(), "GET", "/tickets", &[]).await.status, 405);
    let asked = [("Origin", "https://app.example"), ("Access-Control-Request-Headers", "authorization")];
    let preflight = request(&server.url(), "OPTIONS", "/tickets", &asked).await;
    assert_eq!(
        preflight.headers.get("access-control-allow-headers").map(|names| &**names),
        Some("authorization")
    );
}

#[tokio::test]
async fn a_token_that_is_revoked_meanwhile_makes_its_ticket_worthless() {
    let (key, server) = world().await;
    let token = token(key.path(), json!({"jti": "t1"}));
    let ticket = ticket(&server, &token).await;
    assert_eq!(revoke(&server, &json!({"jti": "t1", "for": 60})).await, (200, json!({"closed": 0})));
    let mut client = Client::try_open(&format!("{}?ticket={ticket}", server.url()), &[]).await.unwrap();
    assert_eq!(client.close_code().await, 4001);
    assert_eq!(ask(&server, &token).await.0, 401);
}

async fn revoke(server: &ServerHandle, body: &Value) -> (u16, Value) {
    let (status, answer) =
        crate::admin::call(&server.admin_url().unwrap(), "POST", "/revocations", &body.to_string()).await;
    (status, serde_json::from_str(&answer).unwrap())
}

#[tokio::test]
async fn a_revocation_by_user_ends_the_tokens_of_before_and_no_later_ones() {
    let (key, server) = world().await;
    let of = |user: &str, ago: i64| token(key.path(), json!({"sub": user, "iat": in_seconds(-ago)}));
    let mut ada = Client::open(&server.url(), &of("ada", 10)).await;
    let mut bob = Client::open(&server.url(), &of("bob", 10)).await;
    ada.sync().await;
    assert_eq!(revoke(&server, &json!({"user": "ada", "for": 3600})).await, (200, json!({"closed": 1})));
    assert_eq!(ada.close_code().await, 4001);
    bob.sync().await;
    assert_eq!(request(&server.url(), "HEAD", &path("lobby", &of("ada", 10)), &[]).await.status, 401);
    assert_eq!(request(&server.url(), "HEAD", &path("lobby", &of("ada", -5)), &[]).await.status, 200);
    assert_eq!(revoke(&server, &json!({"user": "ada", "for": 0})).await.0, 200);
    assert_eq!(request(&server.url(), "HEAD", &path("lobby", &of("ada", 10)), &[]).await.status, 200);
}

#[tokio::test]
async fn a_revocation_by_jti_ends_that_token_and_no_other() {
    let (key, server) = world().await;
    let of = |jti: &str| token(key.path(), json!({ "jti": jti }));
    let mut one = Client::open(&server.url(), &of("t1")).await;
    let (mut two, _) = Client::extended(&server.url(), &of("t2")).await;
    one.sync().await;
    assert_eq!(revoke(&server, &json!({"jti": "t1", "for": 60})).await, (200, json!({"closed": 1})));
    assert_eq!(one.close_code().await, 4001);
    let shown = two.answer(&json!({"type": "auth", "ref": "a", "token": of("t1")})).await;
    assert_eq!(shown["code"], "forbidden");
    assert_eq!(two.answer(&json!({"type": "ping", "t": 1})).await["type"], "pong");
}

#[tokio::test]
async fn a_revocation_of_nothing_or_of_both_is_refused_with_what_is_wanted() {
    let (_key, server) = world().await;
    for body in [
        json!({"for": 60}),
        json!({"user": "ada", "jti": "t1", "for": 60}),
        json!({"user": "", "for": 60}),
        json!({"jti": "x".repeat(1_025), "for": 60}),
        json!({"user": "ada", "for": 31_622_401}),
        json!({"user": "ada"}),
        json!({"user": "ada", "for": -1}),
        json!({"user": "ada", "for": 60, "canary": 1}),
    ] {
        let (status, answer) = revoke(&server, &body).await;
        assert_eq!((status, answer["error"].is_string()), (422, true), "{body}: {answer}");
    }
}
