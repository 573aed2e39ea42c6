//! The admin listener.

use crate::client::{Client, server};
use crate::doors::http;

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
    for line in ["rejoin_sockets 1", "rejoin_rooms 1", "rejoin_ready 1", "rejoin_frames_received_total 2"] {
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
