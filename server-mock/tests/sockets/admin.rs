//! The admin listener.

use crate::client::{Client, server};
use crate::doors::http;
use serde_json::{Value, json};

async fn call(url: &str, method: &str, path: &str, body: &str) -> (u16, String) {
    let head = format!(
        "{method} {path} HTTP/1.1\nHost: x\nConnection: close\nContent-Type: application/json\nContent-Length: {}\n\n",
        body.len()
    );
    let answer = http(url, &(head + body)).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), String::from(body))
}

#[tokio::test]
async fn health_readiness_and_metrics_are_told_without_names() {
    let server = server(|config| config.admin = Some("127.0.0.1:0".parse().unwrap())).await;
    let admin = server.admin_url().unwrap();
    let _ada = Client::in_room(&server.url(), "ada-canary", "room-canary").await;
    assert_eq!(call(&admin, "GET", "/healthz", "").await, (200, String::from("ok\n")));
    assert_eq!(call(&admin, "GET", "/readyz", "").await.0, 200);
    let (status, text) = call(&admin, "GET", "/metrics", "").await;
    assert_eq!(status, 200);
    for line in [
        "rejoin_sockets 1",
        "rejoin_rooms 1",
        "rejoin_logs 1",
        "rejoin_lines 0",
        "rejoin_ready 1",
        "rejoin_frames_received_total 2",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("canary"));
}

#[tokio::test]
async fn the_admin_routes_are_not_on_the_public_listener() {
    let server = server(|config| config.admin = Some("127.0.0.1:0".parse().unwrap())).await;
    for path in ["/metrics", "/faults", "/healthz"] {
        assert_eq!(call(&server.url(), "GET", path, "").await.0, 404);
    }
}

#[tokio::test]
async fn faults_are_added_listed_and_cleared() {
    let server = server(|config| config.admin = Some("127.0.0.1:0".parse().unwrap())).await;
    let admin = server.admin_url().unwrap();
    let fault = r#"{"kind":"refuse","count":3,"code":500}"#;
    assert_eq!(call(&admin, "POST", "/faults", fault).await, (204, String::new()));
    assert_eq!(call(&admin, "GET", "/faults", "").await, (200, format!("[{fault}]")));
    assert_eq!(call(&admin, "DELETE", "/faults", "").await, (204, String::new()));
    assert_eq!(call(&admin, "GET", "/faults", "").await, (200, String::from("[]")));
    let mut ada = Client::open(&server.url(), "ada").await;
    ada.sync().await;
    call(&admin, "POST", "/faults", r#"{"kind":"close","user":"ada","code":1013}"#).await;
    assert_eq!(ada.close_code().await, 1013);
}

#[tokio::test]
async fn a_bad_fault_is_refused_with_the_reason() {
    let server = server(|config| config.admin = Some("127.0.0.1:0".parse().unwrap())).await;
    let admin = server.admin_url().unwrap();
    for (body, status, part) in [
        ("{", 400, "JSON"),
        (r#"{"kind":"explode"}"#, 422, "explode"),
        (r#"{"kind":"drop","when":1}"#, 422, "when"),
        (r#"{"kind":"drop","ms":1}"#, 422, "a drop fault has no ms"),
    ] {
        let (found, answer) = call(&admin, "POST", "/faults", body).await;
        assert_eq!(found, status, "{answer}");
        assert!(answer.starts_with(r#"{"error":"#) && answer.contains(part), "{answer}");
    }
    let (status, _) =
        call(&admin, "POST", "/faults", &format!("{{\"kind\":\"{}\"}}", "x".repeat(20_000))).await;
    assert_eq!(status, 413);
}

#[tokio::test]
async fn a_notification_reaches_its_user_now_or_on_the_next_connection() {
    let server = server(|config| config.admin = Some("127.0.0.1:0".parse().unwrap())).await;
    let admin = server.admin_url().unwrap();
    let join = json!({"type": "join_room", "roomId": "@me", "ref": "1", "history": 10});
    let (mut ada, _) = Client::extended(&server.url(), "ada").await;
    assert_eq!(ada.answer(&join).await["type"], "joined");
    let (status, answer) =
        call(&admin, "POST", "/users/ada/notifications", r#"{"kind":"invite","data":{"room":"x"}}"#).await;
    let id = serde_json::from_str::<Value>(&answer).unwrap()["id"].clone();
    let heard = ada.hear_json().await;
    assert_eq!((status, &heard["type"], &heard["id"]), (202, &json!("notification"), &id));
    assert_eq!((&heard["kind"], &heard["data"]), (&json!("invite"), &json!({"room": "x"})));
    let (mut later, _) = Client::extended(&server.url(), "ada").await;
    assert_eq!(later.answer(&join).await["replay"], 1);
    assert_eq!(later.hear_json().await["id"], id);
}

#[tokio::test]
async fn a_post_is_made_once_per_key() {
    let server = server(|config| config.admin = Some("127.0.0.1:0".parse().unwrap())).await;
    let admin = server.admin_url().unwrap();
    let mut ada = Client::in_room(&server.url(), "ada", "caf\u{e9}").await;
    let body = r#"{"userId":"bot","content":"hi","data":[1]}"#;
    let path = "/rooms/caf%C3%A9/messages HTTP/1.1\nIdempotency-Key: k-1\nX-Rest:";
    let (first, one) = call(&admin, "POST", path, body).await;
    let (again, other) = call(&admin, "POST", path, body).await;
    assert_eq!((first, again), (201, 200));
    assert_eq!(one, other);
    assert_eq!(serde_json::from_str::<Value>(&one).unwrap()["seq"], 1);
    let heard = ada.hear_json().await;
    assert_eq!((&heard["userId"], &heard["content"], heard.get("data")), (&json!("bot"), &json!("hi"), None));
    ada.sync().await;
}

#[tokio::test]
async fn what_cannot_be_published_is_refused_with_the_reason() {
    let server = server(|config| config.admin = Some("127.0.0.1:0".parse().unwrap())).await;
    let admin = server.admin_url().unwrap();
    let long = format!(r#"{{"userId":"bot","content":"{}"}}"#, "x".repeat((8 << 10) + 1));
    let (open, close) = ("[".repeat(65), "]".repeat(65));
    let deep = format!(r#"{{"userId":"bot","content":"x","data":{open}{close}}}"#);
    for (path, body, status) in [
        ("/users/ada/notifications", "{}", 422),
        ("/users/ada/notifications", r#"{"kind":"","data":1}"#, 422),
        ("/users/a%E2%80%AEb/notifications", r#"{"kind":"k"}"#, 422),
        ("/rooms/@ada/messages", r#"{"userId":"bot","content":"x"}"#, 422),
        ("/rooms/lobby/messages", r#"{"content":"x"}"#, 422),
        ("/rooms/lobby/messages", "{", 400),
        ("/rooms/lobby/messages", &long, 413),
        ("/rooms/lobby/messages", &deep, 422),
        (
            "/rooms/lobby/messages HTTP/1.1\nIdempotency-Key: a b\nX-Rest:",
            r#"{"userId":"bot","content":"x"}"#,
            400,
        ),
    ] {
        let (found, answer) = call(&admin, "POST", path, body).await;
        assert_eq!(found, status, "{path} {answer}");
        assert!(answer.starts_with(r#"{"error":"#), "{answer}");
    }
}

#[tokio::test]
async fn half_of_a_surrogate_pair_in_a_post_is_taken_for_u_fffd() {
    let server = server(|config| config.admin = Some("127.0.0.1:0".parse().unwrap())).await;
    let admin = server.admin_url().unwrap();
    let mut ada = Client::in_room(&server.url(), "ada", "lobby").await;
    let body = r#"{"userId":"bot","content":"look \ud83d"}"#;
    assert_eq!(call(&admin, "POST", "/rooms/lobby/messages", body).await.0, 201);
    assert_eq!(ada.hear_json().await["content"], "look \u{fffd}");
}
