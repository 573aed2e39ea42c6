//! Outputs that cannot be written, and an end that is asked for twice.

use harness::command::Running;
use harness::process::ServerProcess;
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::process::Stdio;

fn full() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

/// Nobody reads there.
fn unread() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

fn send(content: &str) -> String {
    json!({"type": "send_message", "roomId": "lobby", "content": content}).to_string()
}

#[test]
fn stdout_that_cannot_be_written_is_said_and_is_status_1() {
    let server = ServerProcess::start("127.0.0.1:0");
    let common = ["-r", "lobby", "--token", "ada"];
    let mut bob = Running::start(&["pipe", &server.url, "-r", "lobby", "--token", "bob"]);
    bob.type_line(&send("something to print"));
    bob.wait_for("acked");
    for command in [&["pipe"][..], &["tail", "--history", "1"], &["tail", "--json"]] {
        let args: Vec<&str> = [command, &[&*server.url], &common].concat();
        // Its input stays open: it ends by itself.
        let ended = Running::start_into(&args, full()).wait();
        assert_eq!(ended.status, Some(1), "{args:?}: {}", ended.text());
        assert!(ended.text().contains("stdout cannot be written"), "{args:?}: {}", ended.text());
    }
    let ended = Running::start_into(&["doctor", &server.url, "--token", "ada"], full()).wait();
    assert_eq!(ended.status, Some(1), "{}", ended.text());
    assert!(ended.text().contains("stdout cannot be written"), "{}", ended.text());
    let ended = Running::start_into(&["doctor", &server.url, "--token", "ada"], unread()).wait();
    assert_eq!(ended.status, Some(0), "{}", ended.text());
    let ended = Running::start_into(&["chat", &server.url, "--token", "ada"], full()).finish();
    assert_eq!(ended.status, Some(1), "{}", ended.text());
    assert!(ended.text().contains("stdout cannot be written"), "{}", ended.text());
    for args in [&["man"][..], &["completions", "bash"], &["--help"], &["--version"]] {
        let ended = Running::start_into(args, full()).wait();
        assert_eq!(ended.status, Some(1), "{args:?}: {}", ended.text());
        assert!(ended.text().contains("[stdout]"), "{args:?}: {}", ended.text());
        assert_eq!(Running::start_into(args, unread()).wait().status, Some(0), "{args:?}");
    }
}

#[test]
fn what_pipe_is_given_is_sent_though_nobody_reads_what_it_says() {
    const COUNT: usize = 50;
    let server = ServerProcess::start("127.0.0.1:0");
    let mut bob = Running::start(&["pipe", &server.url, "-r", "lobby", "--token", "bob"]);
    bob.wait_for("\"joined\"");
    let args = ["pipe", &server.url, "-r", "lobby", "--token", "ada"];
    let mut ada = Running::start_into(&args, unread());
    for number in 0..COUNT {
        ada.type_line(&send(&number.to_string()));
    }
    let ended = ada.finish();
    assert_eq!(ended.status, Some(0), "{}", ended.text());
    for number in 0..COUNT {
        let heard: Value = serde_json::from_str(&bob.wait_for("\"message\"")).unwrap();
        assert_eq!(heard["content"], json!(number.to_string()));
    }
    // And what becomes of it decides.
    let mut ada = Running::start_into(&args, unread());
    ada.type_line(&json!({"type": "send_message", "roomId": "nowhere", "content": "x"}).to_string());
    let ended = ada.finish();
    assert_eq!(ended.status, Some(1), "{}", ended.text());
}

#[test]
fn a_line_that_is_refused_makes_the_status_1_and_the_others_are_sent() {
    let server = ServerProcess::start("127.0.0.1:0");
    let long = "x".repeat((1 << 20) + 1);
    for bad in [b"no json".as_slice(), b"\xff\xfe", long.as_bytes(), br#"{"type":"send_message","roomId":7}"#]
    {
        let mut ada = Running::start(&["pipe", &server.url, "-r", "lobby", "--token", "ada"]);
        ada.write(bad);
        ada.type_line("");
        ada.type_line(&send("good"));
        ada.wait_for("acked");
        let ended = ada.finish();
        assert_eq!(ended.status, Some(1), "{}", ended.text());
    }
}

#[test]
fn a_second_sigterm_ends_at_once_whatever_is_waited_for() {
    let server = ServerProcess::start("127.0.0.1:0");
    let mut ada =
        Running::start(&["pipe", &server.url, "-r", "lobby", "--token", "ada", "--drain-timeout", "3600"]);
    ada.wait_for("\"joined\"");
    server.freeze();
    ada.type_line(&send("to a frozen server"));
    assert_eq!(ada.wait_signalled("TERM").status, Some(130));
    // Before the first connection, too. One signal may be enough there: nothing is waited for, or nobody handles it yet.
    let args = ["pipe", &server.url, "-r", "lobby", "--token-command", "exec sleep 3600"];
    assert!(matches!(Running::start(&args).wait_signalled("TERM").status, Some(130 | 0) | None));
    server.thaw();
}
