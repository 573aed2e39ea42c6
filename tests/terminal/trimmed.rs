//! A reader that was away for longer than the server's log goes back: what the log still holds arrives.

use crate::lines::numbered;
use crate::{run, text};
use harness::process::ServerProcess;
use serde_json::Value;
use std::ops::RangeInclusive;

#[test]
fn tail_and_pipe_print_the_gap_and_then_all_that_the_server_still_has() {
    let server = ServerProcess::start_with("127.0.0.1:0", &["--history", "50"]);
    let folder = tempfile::TempDir::new().unwrap();
    let send = |numbers: RangeInclusive<u32>| {
        let args = ["send", &server.url, "-r", "lobby", "--token", "sender"];
        assert_eq!(run(&args, numbered(numbers).as_bytes()).status.code(), Some(0));
    };
    let state = folder.path().join("state").display().to_string();
    let pipe = ["pipe", &server.url, "-r", "lobby", "--token", "ada", "--state", &state, "--linger", "1"];
    let lines = |output: std::process::Output| -> Vec<Value> {
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let own = r#"{"type":"send_message","roomId":"lobby","content":"first"}"#;
    lines(run(&pipe, format!("{own}\n").as_bytes()));
    send(1..=80);
    let told = lines(run(&pipe, b""));
    let story: Vec<String> = told
        .iter()
        .filter_map(|line| match line["type"].as_str()? {
            "gap" => Some(format!("gap {}..{}", line["after"], line["before"])),
            "message" => Some(line["content"].as_str()?.to_owned()),
            _ => None,
        })
        .collect();
    // `first` was 1, so 32 to 81 are left: the texts 31 to 80.
    let left = (31..=80).map(|number| number.to_string());
    let expected: Vec<String> = std::iter::once("gap 1..32".to_owned()).chain(left).collect();
    assert_eq!(story, expected);
}
