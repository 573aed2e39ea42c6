//! Lines of `send`'s input: each with its own deadline, many at a time, told in their order.

use crate::{run, text};
use harness::closed_port::ClosedPort;
use harness::process::ServerProcess;
use serde_json::Value;
use std::ops::RangeInclusive;
use std::process::Output;
use std::time::{Duration, Instant};

fn told(output: &Output) -> Vec<Value> {
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn numbers(told: &[Value]) -> Vec<u64> {
    told.iter().map(|line| line["line"].as_u64().unwrap()).collect()
}

/// Lines that are these numbers.
pub(crate) fn numbered(numbers: RangeInclusive<u32>) -> String {
    numbers.flat_map(|number| [number.to_string(), "\n".to_owned()]).collect()
}

#[test]
fn while_the_server_is_away_all_lines_wait_together_and_not_one_behind_the_other() {
    let nobody = ClosedPort::hold();
    let began = Instant::now();
    let input = "hello\n".repeat(20);
    let args = ["send", &nobody.url(), "-r", "lobby", "--token", "ada", "--timeout", "2", "--json"];
    let output = run(&args, input.as_bytes());
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    // One behind the other they would take 40 s.
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let lines = told(&output);
    assert_eq!(numbers(&lines), (1..=20).collect::<Vec<_>>());
    assert!(lines.iter().all(|line| line["status"] == "failed" && line["code"] == "timeout"), "{lines:?}");
    assert_eq!(text(&output.stderr).matches(": not sent").count(), 20, "{}", text(&output.stderr));
}

#[test]
fn many_lines_arrive_in_their_order_and_what_is_no_message_is_told_in_its_place() {
    let server = ServerProcess::start("127.0.0.1:0");
    let mut input = b"hello\n".repeat(3_000);
    input.extend(b"\xff\n3002\n");
    let args = ["send", &server.url, "-r", "lobby", "--token", "ada", "--json"];
    let output = run(&args, &input);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let lines = told(&output);
    assert_eq!(numbers(&lines), (1..=3_002).collect::<Vec<_>>());
    let bad: Vec<_> = lines.iter().filter(|line| line["status"] != "acked").collect();
    let [bad] = &bad[..] else { panic!("{bad:?}") };
    assert_eq!((&bad["line"], &bad["code"]), (&3_001.into(), &"not_utf8".into()));
    let numbers: Vec<_> = lines.iter().filter_map(|line| line["seq"].as_u64()).collect();
    assert!(numbers.is_sorted(), "sent in their order");
}

#[test]
fn lines_that_come_faster_than_the_server_takes_them_are_all_delivered_in_their_order() {
    let server = ServerProcess::start_with("127.0.0.1:0", &["--rate", "50"]);
    let input = numbered(1..=150);
    let args = ["send", &server.url, "-r", "lobby", "--token", "ada", "--json"];
    let output = run(&args, input.as_bytes());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let numbers: Vec<_> = told(&output).iter().filter_map(|line| line["seq"].as_u64()).collect();
    assert_eq!(numbers, (1..=150).collect::<Vec<_>>());
    // And one alone, while the rate is used up.
    let output = run(&args, input.as_bytes());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let alone = ["send", &server.url, "-r", "lobby", "--token", "ada", "hi"];
    let output = run(&alone, b"");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}
