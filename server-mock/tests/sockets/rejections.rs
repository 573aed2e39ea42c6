//! The log's line about a token that is nobody's: the rule that it breaks, for whoever runs the server.

use crate::client::{Client, server};
use crate::feed::{path, request};
use crate::jwt::{file, in_seconds, token};
use crate::logbook::Logbook;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use rejoin_server::auth::{HttpAuth, Jwt, JwtRules};
use rejoin_server::{Auth, ServerHandle};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;

const SECRET: &str = "a-secret-of-more-than-thirty-two-bytes";
const OTHER: &str = "another-secret-of-more-than-32-bytes!";

async fn status(server: &ServerHandle, token: &str) -> u16 {
    request(&server.url(), "HEAD", &path("lobby", token), &[]).await.status
}

/// A server with one named key that wants an issuer and an audience.
async fn strict() -> ServerHandle {
    let mut rules = JwtRules::default();
    (rules.issuers, rules.audiences) = (vec![String::from("https://id.example")], vec![String::from("chat")]);
    rules.leeway = Duration::ZERO;
    let keys = file(&format!("kid=k1\n{SECRET}\n"));
    let auth = Auth::Jwt(Jwt::keys(keys.path()).unwrap().with_rules(rules));
    server(|config| config.auth = auth).await
}

fn good() -> Value {
    json!({"iss": "https://id.example", "aud": "chat", "sub": "ada"})
}

fn with(change: Value) -> Value {
    let (mut claims, Value::Object(change)) = (good(), change) else { panic!("an object of claims") };
    claims.as_object_mut().unwrap().extend(change);
    claims
}

#[tokio::test]
async fn the_rule_that_a_token_breaks_is_in_the_log_with_the_address_and_nothing_of_the_token() {
    let log = Logbook::open();
    let server = strict().await;
    let unnamed = file(SECRET);
    let named = |key: &str, claims: Value| token(file(key).path(), claims);
    assert_eq!(status(&server, &token(unnamed.path(), good())).await, 200);
    let mut unsigned = token(unnamed.path(), good());
    unsigned.replace_range(..unsigned.find('.').unwrap(), "eyJhbGciOiJub25lIn0");
    for (shown, rule) in [
        (String::from("canary"), "form"),
        (unsigned, "alg"),
        (named(&format!("kid=canary\n{OTHER}"), good()), "kid"),
        (named(&format!("kid=k1\n{OTHER}"), good()), "signature"),
        (named(SECRET, with(json!({"iss": "canary"}))), "iss"),
        (named(SECRET, with(json!({"aud": "canary"}))), "aud"),
        (named(SECRET, with(json!({"exp": in_seconds(-60)}))), "exp"),
        (named(SECRET, with(json!({"nbf": in_seconds(600)}))), "nbf"),
        (named(SECRET, with(json!({"exp": null}))), "missing_claim"),
        (named(SECRET, with(json!({"sub": "canary\u{202e}"}))), "user_claim"),
        (named(SECRET, with(json!({"rooms": "canary"}))), "rooms_claim"),
        (format!("rejoin-ticket-{}", "canary"), "ticket"),
    ] {
        assert_eq!(status(&server, &shown).await, 401, "{rule}");
        let lines = log.lines(&format!("rule=\"{rule}\""));
        let [line] = &*lines else { panic!("{rule}: {lines:?}") };
        assert!(line.contains("cause=\"token\" address=127.0.0.1"), "{line}");
        assert!(line.contains("why="), "{line}");
    }
    assert_eq!(status(&server, "canary").await, 401);
    assert_eq!(log.lines("rule=\"form\"").len(), 1, "once a minute");
    assert_eq!((log.lines("canary"), log.lines("eyJ")), (vec![], vec![]));
}

#[tokio::test]
async fn the_rule_is_told_too_of_a_token_that_an_open_connection_shows() {
    let log = Logbook::open();
    let server = strict().await;
    let key = file(SECRET);
    let (mut ada, _) = Client::extended(&server.url(), &token(key.path(), good())).await;
    let stale = token(key.path(), with(json!({"exp": in_seconds(-60)})));
    let answer = ada.answer(&json!({"type": "auth", "ref": "a", "token": stale})).await;
    assert_eq!(answer["code"], "forbidden");
    assert_eq!(log.lines("rule=\"exp\"").len(), 1);
}

#[tokio::test]
async fn each_cause_for_which_an_endpoint_cannot_say_whose_a_token_is_is_told_at_once() {
    let says = Arc::new(AtomicU16::new(500));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/auth", listener.local_addr().unwrap());
    let answers = Arc::clone(&says);
    let answer = async move || {
        let status = StatusCode::from_u16(answers.load(Ordering::Relaxed)).unwrap();
        (status, Json(json!({"canary": 1})))
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/auth", post(answer))).await });
    let auth = Auth::Http(HttpAuth::new(&url).unwrap());
    let server = server(|config| config.auth = auth).await;
    let log = Logbook::open();
    for (code, words) in [(500, "500"), (404, "404"), (200, "not JSON such as"), (500, "500")] {
        says.store(code, Ordering::Relaxed);
        assert_eq!(status(&server, "canary").await, 503, "{code}");
        assert_eq!(
            log.lines("cannot say whose a token is").iter().filter(|line| line.contains(words)).count(),
            1
        );
    }
    assert!(log.lines("canary").is_empty());
}
