//! A disk that is full: what cannot be stored is not sent, and every deadline holds.

use harness::command::{Ended, Running};
use harness::process::ServerProcess;
use serde_json::{Value, json};
use std::path::PathBuf;
use tempfile::TempDir;

fn in_folder() -> (TempDir, PathBuf, String) {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let text = state.display().to_string();
    (folder, state, text)
}

fn send(reference: &str) -> String {
    json!({"type": "send_message", "roomId": "lobby", "content": reference, "ref": reference}).to_string()
}

fn lines(ended: &Ended, what: (&str, &str)) -> Vec<Value> {
    let text = String::from_utf8_lossy(&ended.stdout).into_owned();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line[what.0] == what.1).collect()
}

#[test]
fn on_a_full_disk_the_end_of_input_ends_pipe_within_its_time_and_says_once_why() {
    let server = ServerProcess::start("127.0.0.1:0");
    let (_folder, file, state) = in_folder();
    let args =
        ["pipe", &server.url, "-r", "lobby", "--token", "ada", "--state", &state, "--drain-timeout", "3"];
    let mut ada = Running::start_on_full_disk(&args, 0);
    ada.wait_for("not_stored");
    ada.type_line(&send("1"));
    let ended = ada.finish();
    assert_eq!(ended.status, Some(1), "{}", ended.text());
    assert_eq!(
        lines(&ended, ("code", "not_stored")).iter().filter(|line| line["type"] == "error").count(),
        1
    );
    let outcomes = lines(&ended, ("type", "delivery"));
    assert_eq!(outcomes.len(), 1, "{}", ended.text());
    assert_eq!((&outcomes[0]["status"], &outcomes[0]["code"]), (&json!("failed"), &json!("not_stored")));
    assert!(!file.exists());
    assert!(ended.stderr.is_empty(), "{}", ended.text());
}

#[test]
fn on_a_full_disk_a_signal_ends_pipe_and_tail_and_the_timeout_ends_send() {
    let server = ServerProcess::start("127.0.0.1:0");
    for command in [&["pipe", "--drain-timeout", "1"][..], &["tail", "--json"]] {
        let (_folder, _, state) = in_folder();
        let common = [&server.url, "-r", "lobby", "--token", "ada", "--state", &state];
        let args: Vec<&str> = command.iter().copied().chain(common).collect();
        let mut running = Running::start_on_full_disk(&args, 0);
        running.wait_for("not_stored");
        running.signal("TERM");
        let ended = running.wait();
        assert_eq!(ended.status, Some(0), "{command:?}: {}", ended.text());
    }
    let (_folder, _, state) = in_folder();
    let args =
        ["send", &server.url, "-r", "lobby", "--token", "ada", "--state", &state, "--timeout", "2", "hello"];
    let ended = Running::start_on_full_disk(&args, 0).wait();
    assert_eq!(ended.status, Some(1), "{}", ended.text());
    assert!(ended.text().contains("[not_stored]") && !ended.text().contains("[kept]"), "{}", ended.text());
    // Why is said once, and then what became of the message.
    let told = String::from_utf8_lossy(&ended.stderr).into_owned();
    let lines: Vec<&str> = told.lines().collect();
    assert!(
        matches!(lines[..], [cause, "rejoin: not sent [not_stored]"] if cause.contains(&state)),
        "{told}"
    );
}

#[test]
fn while_the_disk_is_full_messages_are_still_received() {
    let server = ServerProcess::start("127.0.0.1:0");
    let (_folder, _, state) = in_folder();
    let args = ["tail", &server.url, "-r", "lobby", "--token", "ada", "--json", "--state", &state];
    let mut ada = Running::start_on_full_disk(&args, 0);
    ada.wait_for("not_stored");
    let mut bob = Running::start(&["pipe", &server.url, "-r", "lobby", "--token", "bob"]);
    bob.type_line(&send("still here"));
    ada.wait_for("still here");
    ada.signal("TERM");
    assert_eq!(ada.wait().status, Some(0));
}

#[test]
fn a_disk_that_fills_up_in_mid_run_loses_nothing_and_sends_nothing_twice() {
    const COUNT: usize = 400;
    let server = ServerProcess::start_with("127.0.0.1:0", &["--rate", "100000", "--history", "2000"]);
    let (_folder, _, state) = in_folder();
    let mut bob = Running::start(&["pipe", &server.url, "-r", "lobby", "--token", "bob"]);
    bob.wait_for("\"joined\"");
    let args =
        ["pipe", &server.url, "-r", "lobby", "--token", "ada", "--state", &state, "--drain-timeout", "2"];
    let mut ada = Running::start_on_full_disk(&args, 24);
    for number in 0..COUNT {
        ada.type_line(&send(&format!("number {number}.")));
        if number < 20 {
            ada.wait_for("acked");
        }
    }
    let ended = ada.finish();
    assert_eq!(ended.status, Some(1), "{}", ended.text());
    let outcomes = lines(&ended, ("type", "delivery"));
    assert_eq!(outcomes.len(), COUNT);
    let acked = outcomes.iter().filter(|line| line["status"] == "acked").count();
    let refused = outcomes.iter().filter(|line| line["code"] == "not_stored").count();
    let kept = outcomes.iter().filter(|line| line["status"] == "kept").count();
    assert!(acked > 0 && refused > 0 && acked + refused + kept == COUNT, "{acked} {refused} {kept}");
    let mut ada = Running::start(&args);
    for number in 0..COUNT {
        ada.type_line(&send(&format!("number {number}.")));
    }
    let ended = ada.finish();
    assert_eq!(ended.status, Some(0), "{}", ended.text());
    bob.type_line(&send("the end"));
    let mut heard = Vec::new();
    loop {
        let line: Value = serde_json::from_str(&bob.wait_for("\"message\"")).unwrap();
        if line["content"] == "the end" {
            break;
        }
        heard.push(line["content"].as_str().unwrap_or_default().to_owned());
    }
    heard.sort();
    let before = heard.len();
    heard.dedup();
    assert_eq!((heard.len(), before), (COUNT, COUNT));
}

#[test]
fn on_a_full_disk_send_waits_once_however_many_lines_it_has() {
    const LINES: usize = 9_000;
    let server = ServerProcess::start("127.0.0.1:0");
    let (_folder, _, state) = in_folder();
    let args =
        ["send", &server.url, "-r", "lobby", "--token", "ada", "--state", &state, "--json", "--timeout", "8"];
    let mut ada = Running::start_on_full_disk(&args, 0);
    let lines: String = (0..LINES).map(|number| ["number ", &number.to_string(), "\n"].concat()).collect();
    ada.write(lines.as_bytes());
    let ended = ada.finish();
    assert_eq!(ended.status, Some(1));
    let outcomes = self::lines(&ended, ("type", "delivery"));
    assert_eq!(outcomes.len(), LINES);
    assert!(outcomes.iter().all(|line| line["code"] == "not_stored"));
}
