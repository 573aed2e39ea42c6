//! The log that an operator reads: who came from where and how it ended, who was refused and why, who administered what.

use crate::admission::http;
use crate::client::{Client, join, message};
use crate::process::Process;
use serde_json::{Value, json};

struct Logged {
    process: Process,
    url: String,
    admin: String,
    _folder: tempfile::TempDir,
}

async fn logged(args: &[&str]) -> Logged {
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, "canary-token ada\nother-canary Grace Hopper\n").unwrap();
    let auth = format!("tokens={}", tokens.display());
    let mut all = vec!["--auth", &auth, "--admin", "127.0.0.1:0"];
    all.extend(args);
    let mut process = Process::server(&all);
    let (url, admin) = (process.after("listening on ").await, process.after("admin on ").await);
    Logged { process, url, admin, _folder: folder }
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

#[tokio::test]
async fn as_json_every_line_has_time_and_level_and_a_session_has_a_begin_and_an_end() {
    let Logged { mut process, url, admin, _folder } = logged(&["--log", "json"]).await;
    let (mut ada, _) = Client::extended(&url, "canary-token").await;
    let connected = json(&process.logged("\"connected\"").await);
    assert_eq!(connected["level"], "INFO");
    let time = connected["timestamp"].as_str().unwrap();
    assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
    let fields = &connected["fields"];
    assert_eq!((&fields["user"], &fields["client"]), (&json!("ada"), &json!("127.0.0.1")));
    assert_eq!(fields["protocol"], "extended");
    ada.say(&join("canary-room")).await;
    ada.say(&message("canary-room", "canary-content")).await;
    ada.hear().await;
    http(&admin, "DELETE /users/ada?ban=7 HTTP/1.1\nHost: localhost\nConnection: close\n\n").await;
    process.signal("TERM").await;
    let (status, rest) = process.ended().await;
    assert_eq!(status, Some(0));
    let found = |part: &str| {
        let line = rest.lines().find(|line| line.contains(part));
        json(line.unwrap_or_else(|| panic!("no {part} in {rest}")))["fields"].clone()
    };
    let ended = found("\"disconnected\"");
    assert_eq!((&ended["code"], &ended["reason"]), (&json!(4003), &json!("Removed by the operator")));
    let kicked = found("\"kicked\"");
    assert_eq!((&kicked["user"], &kicked["ban_seconds"]), (&json!("ada"), &json!(7)));
    let audit = found("\"DELETE\"");
    assert_eq!((&audit["method"], &audit["path"]), (&json!("DELETE"), &json!("/users/ada")));
    assert_eq!(audit["status"], 200);
    assert!(audit["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{audit}");
    assert!(rest.lines().all(|line| json(line)["level"].is_string()), "{rest}");
}

#[tokio::test]
async fn the_log_holds_no_token_no_room_and_nothing_that_was_said_and_tells_a_refusal_with_its_cause() {
    let Logged { process, url, admin, _folder } = logged(&["-vvv"]).await;
    let mut nobody = Client::open(&url, "wrong-canary").await;
    assert_eq!(nobody.close_code().await, 4001);
    let mut grace = Client::in_room(&url, "other-canary", "canary-room").await;
    grace.say(&message("canary-room", "canary-content")).await;
    grace.hear().await;
    let feed = "GET /rooms/canary-room/events?token=wrong-canary HTTP/1.1\nHost: localhost\n\n";
    assert!(http(&url, feed).await.starts_with("HTTP/1.1 401 "));
    http(&admin, "GET /metrics HTTP/1.1\nHost: localhost\nConnection: close\n\n").await;
    drop(grace);
    process.signal("TERM").await;
    let (_, log) = process.ended().await;
    assert!(!log.contains("canary"), "{log}");
    assert!(log.contains("cause=\"token\" address=127.0.0.1"), "{log}");
    assert!(log.contains("connected user=\"Grace Hopper\" client=127.0.0.1 protocol=\"plain\""), "{log}");
    assert!(log.contains("disconnected user=\"Grace Hopper\""), "{log}");
}

#[tokio::test]
async fn what_a_limit_refuses_is_told_once_with_who_it_was_and_counted_by_limit() {
    let Logged { process, url, admin, _folder } = logged(&["--max-user-rooms", "1"]).await;
    let (mut ada, _) = Client::extended(&url, "canary-token").await;
    let join = |room: &str| json!({"type": "join_room", "roomId": room, "ref": "j"});
    assert_eq!(ada.answer(&join("first")).await["type"], "joined");
    for _ in 0..3 {
        assert_eq!(ada.answer(&join("canary-second")).await["code"], "overloaded");
    }
    let metrics = http(&admin, "GET /metrics HTTP/1.1\nHost: localhost\nConnection: close\n\n").await;
    assert!(metrics.contains("rejoin_limited_total{limit=\"rooms_of_user\"} 3"), "{metrics}");
    process.signal("TERM").await;
    let (_, log) = process.ended().await;
    let told: Vec<_> = log.lines().filter(|line| line.contains("limit=")).collect();
    assert_eq!(told.len(), 1, "{log}");
    let who = "limit=\"rooms_of_user\" refused=1 user=\"ada\" address=127.0.0.1";
    assert!(told[0].contains(who) && told[0].contains("WARN"), "{log}");
    assert!(!log.contains("canary"), "{log}");
}

#[tokio::test]
async fn what_a_limit_refuses_to_whoever_asks_the_admin_listener_has_their_address() {
    let Logged { process, admin, _folder, .. } = logged(&["--max-content", "1024"]).await;
    let deep = format!(r#"{{"userId":"bot","content":"x","data":{}{}}}"#, "[".repeat(65), "]".repeat(65));
    let long = format!(r#"{{"userId":"bot","content":"{}"}}"#, "canary".repeat(300));
    for (body, limit, status) in [(deep, "data_levels", "422"), (long, "content_bytes", "413")] {
        let ask = format!(
            "POST /rooms/lobby/messages HTTP/1.1\nHost: localhost\nConnection: close\nContent-Type: application/json\n\
             Content-Length: {}\n\n{body}",
            body.len()
        );
        let answer = http(&admin, &ask).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{limit}: {answer}");
    }
    process.signal("TERM").await;
    let (_, said) = process.ended().await;
    for limit in ["data_levels", "content_bytes"] {
        assert!(said.contains(&format!("limit=\"{limit}\" refused=1 address=127.0.0.1")), "{said}");
    }
    assert!(!said.contains("canary"), "{said}");
}

#[tokio::test]
async fn a_log_that_nobody_reads_holds_nobody_up_and_what_is_dropped_is_counted() {
    let Logged { process, url, admin, _folder } = logged(&[]).await;
    // Each is a line of the audit. A pipe takes 64 KiB, and the queue some thousand lines.
    let request = "GET /rooms HTTP/1.1\nHost: localhost\n";
    let requests = format!("{request}\n").repeat(99) + request + "Connection: close\n\n";
    for _ in 0..70 {
        let answers = http(&admin, &requests).await;
        assert_eq!(answers.matches("HTTP/1.1 200 ").count(), 100);
    }
    let mut ada = Client::in_room(&url, "canary-token", "lobby").await;
    ada.say(&message("lobby", "hi")).await;
    assert!(ada.hear().await.contains("hi"));
    let metrics = http(&admin, "GET /metrics HTTP/1.1\nHost: localhost\nConnection: close\n\n").await;
    let dropped = metrics.lines().find_map(|line| line.strip_prefix("rejoin_log_lines_dropped_total "));
    let dropped: u64 = dropped.expect("it is counted").parse().unwrap();
    assert!((1_000..7_000).contains(&dropped), "{dropped}");
    drop(process);
}

#[tokio::test]
async fn a_refusal_names_whom_or_what_it_is_about_and_a_lifted_ban_is_in_the_audit() {
    let Logged { process, url, admin, _folder } = logged(&["--max-user-connections", "1"]).await;
    let ask = async |method: &str, path: &str| {
        let request =
            format!("{method} {path} HTTP/1.1\nHost: evil.example\nConnection: close\nContent-Length: 0\n\n");
        http(&admin, &request).await
    };
    assert!(ask("GET", "/users").await.starts_with("HTTP/1.1 403 "));
    let first = Client::in_room(&url, "canary-token", "lobby").await;
    let second = "GET /rooms/lobby/events?token=canary-token HTTP/1.1\nHost: localhost\n\n";
    assert!(http(&url, second).await.starts_with("HTTP/1.1 429 "));
    drop(first);
    let local = async |method: &str, path: &str| {
        let request =
            format!("{method} {path} HTTP/1.1\nHost: localhost\nConnection: close\nContent-Length: 0\n\n");
        http(&admin, &request).await
    };
    local("DELETE", "/users/mallory?ban=60").await;
    assert!(local("DELETE", "/bans/mallory").await.starts_with("HTTP/1.1 204 "));
    process.signal("TERM").await;
    let (_, log) = process.ended().await;
    for part in [
        "cause=\"host\" host=\"evil.example\" address=127.0.0.1",
        "limit=\"connections_of_user\" refused=1 user=\"ada\" address=127.0.0.1",
        "unbanned user=\"mallory\"",
    ] {
        assert!(log.contains(part), "{part} is not in\n{log}");
    }
    assert!(!log.contains("canary"), "{log}");
}
