//! Servers that are none, and lines that are no frames.

use harness::closed_port::ClosedPort;
use harness::command::Running;
use harness::process::ServerProcess;
use harness::web_page::WebPage;
use serde_json::{Value, json};

#[test]
fn a_web_page_in_place_of_a_chat_ends_pipe_with_3_after_three_tries_and_one_by_server_sent_events() {
    let page = WebPage::start();
    // Its input stays open: it is not the end of input that ends it.
    let ended = Running::start(&["pipe", &page.url, "-r", "lobby", "--token", "ada"]).wait();
    assert_eq!(ended.status, Some(3), "{}", ended.text());
    assert_eq!(page.requests(), 4);
    let last: Value =
        serde_json::from_slice(ended.stdout.trim_ascii_end().rsplit(|b| *b == b'\n').next().unwrap())
            .unwrap();
    assert_eq!(last["state"], "failed", "{}", ended.text());
}

#[test]
fn doctor_says_that_a_web_page_is_no_chat() {
    let page = WebPage::start();
    let ended = Running::start(&["doctor", &page.url, "--token", "ada"]).wait();
    assert_ne!(ended.status, Some(0));
    let said = String::from_utf8(ended.stdout).unwrap();
    assert!(said.lines().any(|line| line.starts_with("ok ") && line.contains("TCP")), "{said}");
    assert!(said.lines().any(|line| line.starts_with("failed") && line.contains("upgrade")), "{said}");
}

#[test]
fn each_bad_line_is_named_by_its_code_and_another_user_hears_the_good_ones() {
    let server = ServerProcess::start("127.0.0.1:0");
    // Who hears himself is in the room.
    let mut bob = Running::start(&["pipe", &server.url, "-r", "lobby", "--token", "bob"]);
    bob.type_line(r#"{"type":"send_message","roomId":"lobby","content":"here"}"#);
    bob.wait_for("\"here\"");
    let send = |content: &str, reference: &str| {
        json!({"type": "send_message", "roomId": "lobby", "content": content, "ref": reference}).to_string()
    };
    let long_room = json!({"type": "join_room", "roomId": "r".repeat(129)}).to_string();
    let bad: [(Vec<u8>, &str); 7] = [
        (b"hello".to_vec(), "not_json"),
        (br#"{"type":7}"#.to_vec(), "bad_frame"),
        (br#"{"type":"launch"}"#.to_vec(), "unknown_type"),
        (vec![b' '; (1 << 20) + 1], "line_too_long"),
        (b"\"\xff\"".to_vec(), "not_utf8"),
        (long_room.into_bytes(), "bad_room"),
        (send("x", &"r".repeat(65)).into_bytes(), "bad_ref"),
    ];
    let mut ada = Running::start(&["pipe", &server.url, "-r", "lobby", "--token", "ada"]);
    for (n, (line, _)) in bad.iter().enumerate() {
        ada.write(line);
        ada.write(b"\n");
        ada.type_line(&send(&format!("good {n}"), &n.to_string()));
    }
    let ended = ada.finish();
    assert_eq!(ended.status, Some(1), "{}", ended.text());
    let said: Vec<Value> = ended
        .stdout
        .split(|b| *b == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let errors: Vec<(u64, &str)> = said
        .iter()
        .filter(|line| line["type"] == "error")
        .map(|line| (line["line"].as_u64().unwrap(), line["code"].as_str().unwrap()))
        .collect();
    let expected: Vec<(u64, &str)> = (0..).zip(&bad).map(|(n, (_, code))| (2 * n + 1, *code)).collect();
    assert_eq!(errors, expected);
    let refs: Vec<&str> = said
        .iter()
        .filter(|line| line["type"] == "delivery")
        .map(|line| line["ref"].as_str().unwrap())
        .collect();
    assert_eq!(refs, ["0", "1", "2", "3", "4", "5", "6"]);
    for n in 0..bad.len() {
        let heard: Value = serde_json::from_str(&bob.wait_for("\"message\"")).unwrap();
        assert_eq!(heard["content"], format!("good {n}"));
    }
}

#[test]
fn what_cannot_be_sent_before_the_drain_timeout_has_failed_and_the_status_says_so() {
    let nobody = ClosedPort::hold();
    let mut ada = Running::start(&["pipe", &nobody.url(), "--token", "ada", "--drain-timeout", "1"]);
    ada.type_line(r#"{"type":"send_message","roomId":"lobby","content":"x","ref":"r"}"#);
    ada.type_line(r#"{"type":"close"}"#);
    let outcome: Value = serde_json::from_str(&ada.wait_for("delivery")).unwrap();
    assert_eq!(
        (&outcome["ref"], &outcome["status"], &outcome["code"]),
        (&json!("r"), &json!("failed"), &json!("timeout"))
    );
    // Input is still open: `close` has ended it.
    assert_eq!(ada.wait().status, Some(1));
}

#[test]
fn a_misspelt_field_is_told_once_for_each_name_and_its_line_is_sent() {
    let server = ServerProcess::start("127.0.0.1:0");
    let mut ada = Running::start(&["pipe", &server.url, "-r", "lobby", "--token", "ada"]);
    for (field, value) in [("reff", "1"), ("reff", "2"), ("Ref", "3"), ("mood", "4")] {
        let line =
            json!({"type": "send_message", "roomId": "lobby", "content": "x", field: value}).to_string();
        ada.type_line(&line);
    }
    let ended = ada.finish();
    assert_eq!(ended.status, Some(0), "{}", ended.text());
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(
        said,
        "rejoin: line 1: the field \"reff\" means nothing; did you mean \"ref\"?\n\
         rejoin: line 3: the field \"Ref\" means nothing; did you mean \"ref\"?\n"
    );
}
