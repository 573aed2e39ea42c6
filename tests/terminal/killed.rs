//! `kill -9` at any moment, unattended: nothing is lost, nothing is made twice, and what nobody has read is told again.

use fastrand::Rng;
use harness::command::Running;
use harness::process::ServerProcess;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

const KILLS: usize = 200;
/// Lines that each run is given at once.
const LINES: usize = 12;

fn pipe(url: &str, state: &Path) -> Running {
    let state = state.display().to_string();
    Running::start(&["pipe", url, "-r", "lobby", "--token", "ada", "--state", &state])
}

fn send(reference: usize) -> String {
    json!({"type": "send_message", "roomId": "lobby", "content": format!("number {reference}."),
           "ref": reference.to_string()})
    .to_string()
}

/// What a run has said of its sends, in the order in which it was said.
fn deliveries(stdout: &[u8]) -> Vec<Value> {
    // The last line may be cut.
    let lines = stdout.split(|byte| *byte == b'\n');
    let lines = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    lines.filter(|line| line["type"] == "delivery").collect()
}

#[test]
fn two_hundred_kills_lose_no_outcome_and_send_nothing_twice() {
    let server = ServerProcess::start_with("127.0.0.1:0", &["--history", "20000", "--rate", "100000"]);
    let mut bob = Running::start(&["pipe", &server.url, "-r", "lobby", "--token", "bob"]);
    bob.wait_for("\"joined\"");
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    // The file knows what the server can promise: before its first answer nobody does, and a kill there leaves an unknown.
    let mut first = pipe(&server.url, &state);
    first.wait_for("\"joined\"");
    assert_eq!(first.finish().status, Some(0));
    let mut rng = Rng::with_seed(7);
    // The first answer of each ref, and whether it was marked as one of an earlier run.
    let mut told: BTreeMap<String, Value> = BTreeMap::new();
    let mut given = 0;
    let mut repeated = 0;
    let mut take = |stdout: &[u8]| {
        for line in deliveries(stdout) {
            assert_eq!(line["status"], "acked", "{line}");
            let reference = line["ref"].as_str().unwrap().to_owned();
            if let Some(first) = told.get(&reference) {
                repeated += 1;
                assert_eq!((&line["id"], &line["seq"]), (&first["id"], &first["seq"]));
                assert_eq!(line["again"], json!(true), "{line} was told before: {first}");
            } else {
                told.insert(reference, line);
            }
        }
    };
    for _ in 0..KILLS {
        let mut ada = pipe(&server.url, &state);
        // Some of them for the first time, and some that an earlier run was given.
        let first = given - rng.usize(..=given.min(LINES / 2));
        let lines: String = (first..first + LINES).map(|number| send(number) + "\n").collect();
        given = given.max(first + LINES);
        // It may be dead before it has read them: that is part of what happens.
        ada.write(lines.as_bytes());
        // The moment itself is what is drawn.
        let alive = Instant::now() + Duration::from_micros(rng.u64(..60_000));
        while Instant::now() < alive {
            std::thread::yield_now();
        }
        ada.signal("KILL");
        take(&ada.wait().stdout);
    }
    let mut ada = pipe(&server.url, &state);
    for number in 0..given {
        ada.type_line(&send(number));
    }
    let ended = ada.finish();
    assert_eq!(ended.status, Some(0), "{}", ended.text());
    take(&ended.stdout);
    let all: BTreeSet<String> = (0..given).map(|number| number.to_string()).collect();
    assert_eq!(told.keys().cloned().collect::<BTreeSet<_>>(), all);
    let answers = deliveries(&ended.stdout).len();
    assert!(answers >= given, "each of the {given} lines of the last run has an answer: {answers}");
    assert!(repeated > 0, "some were told by an earlier run");
    // In the room each is once.
    bob.type_line(&json!({"type": "send_message", "roomId": "lobby", "content": "the end"}).to_string());
    let mut heard = BTreeSet::new();
    loop {
        let line: Value = serde_json::from_str(&bob.wait_for("\"message\"")).unwrap();
        let content = line["content"].as_str().unwrap_or_default().to_owned();
        if content == "the end" {
            break;
        }
        assert!(heard.insert(content), "{line} was sent twice");
    }
    assert_eq!(heard.len(), given);
}

#[test]
fn a_ref_given_again_is_the_same_send_and_is_answered_with_its_outcome() {
    let server = ServerProcess::start("127.0.0.1:0");
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let mut ada = pipe(&server.url, &state);
    for number in [1, 1, 2] {
        ada.type_line(&send(number));
    }
    let ended = ada.finish();
    assert_eq!(ended.status, Some(0), "{}", ended.text());
    let first = deliveries(&ended.stdout);
    let of = |reference: &str| -> Vec<Value> {
        first.iter().filter(|line| line["ref"] == reference).cloned().collect()
    };
    assert_eq!(of("1").len(), 2, "each line has its answer: {first:?}");
    assert_eq!((&of("1")[0]["seq"], &of("1")[0]["again"]), (&of("1")[1]["seq"], &Value::Null));
    assert_eq!(of("1")[1]["again"], json!(true));
    assert_eq!(of("2").len(), 1);
    // And for another run.
    let mut ada = pipe(&server.url, &state);
    for number in [2, 3] {
        ada.type_line(&send(number));
    }
    let ended = ada.finish();
    let later = deliveries(&ended.stdout);
    assert_eq!(later.len(), 2, "{later:?}");
    assert_eq!((&later[0]["ref"], &later[0]["again"]), (&json!("2"), &json!(true)));
    assert_eq!(later[0]["seq"], of("2")[0]["seq"]);
    assert_eq!(
        (&later[1]["ref"], &later[1]["again"], &later[1]["seq"]),
        (&json!("3"), &Value::Null, &json!(3))
    );
    // Without a file it is a name and no more.
    let mut bob = Running::start(&["pipe", &server.url, "-r", "lobby", "--token", "bob"]);
    bob.type_line(&send(1));
    bob.type_line(&send(1));
    let lines = deliveries(&bob.finish().stdout);
    assert_ne!(lines[0]["seq"], lines[1]["seq"]);
}

#[test]
fn an_outcome_that_nobody_has_read_is_told_again_by_the_next_run() {
    let server = ServerProcess::start("127.0.0.1:0");
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let file = state.display().to_string();
    let args = ["pipe", &server.url, "-r", "lobby", "--token", "ada", "--state", &file];
    let mut ada = Running::start_into(&args, writer.into());
    ada.type_line(&send(1));
    let ended = ada.finish();
    assert_eq!(ended.status, Some(0), "{}", ended.text());
    let ended = pipe(&server.url, &state).finish();
    let lines = deliveries(&ended.stdout);
    assert_eq!(lines.len(), 1, "{}", ended.text());
    assert_eq!(
        (&lines[0]["ref"], &lines[0]["status"], &lines[0]["again"]),
        (&json!("1"), &json!("acked"), &json!(true))
    );
    assert_eq!(deliveries(&pipe(&server.url, &state).finish().stdout), Vec::<Value>::new());
}

#[test]
fn send_tells_an_outcome_that_nobody_has_read_in_the_next_run() {
    let server = ServerProcess::start("127.0.0.1:0");
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state").display().to_string();
    let args = ["send", &server.url, "-r", "lobby", "--token", "ada", "--json", "--state", &state];
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut ada = Running::start_into(&args, writer.into());
    ada.write(b"one\ntwo\n");
    assert_eq!(ada.finish().status, Some(0));
    let ended = Running::start(&args).finish();
    assert_eq!(ended.status, Some(0), "{}", ended.text());
    let told: Vec<_> = deliveries(&ended.stdout)
        .into_iter()
        .map(|line| (line["status"].clone(), line["seq"].clone(), line["again"].clone()))
        .collect();
    assert_eq!(told, [1, 2].map(|seq| (json!("acked"), json!(seq), json!(true))), "{}", ended.text());
    assert_eq!(deliveries(&Running::start(&args).finish().stdout), Vec::<Value>::new());
}

#[test]
fn a_send_that_is_killed_at_any_moment_loses_no_outcome() {
    const LINES: usize = 300;
    let server = ServerProcess::start_with("127.0.0.1:0", &["--history", "20000", "--rate", "100000"]);
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state").display().to_string();
    let args = ["send", &server.url, "-r", "lobby", "--token", "ada", "--json", "--state", &state];
    assert_eq!(Running::start(&args).finish().status, Some(0), "the file knows what the server can promise");
    let mut ada = Running::start(&args);
    let lines: String = (0..LINES).map(|number| ["number ", &number.to_string(), "\n"].concat()).collect();
    ada.write(lines.as_bytes());
    ada.wait_for("\"seq\":20,");
    ada.signal("KILL");
    let mut told = deliveries(&ada.wait().stdout);
    let ended = Running::start(&args).finish();
    assert_eq!(ended.status, Some(0), "{}", ended.text());
    told.extend(deliveries(&ended.stdout));
    let told: BTreeSet<u64> = told.iter().map(|line| line["seq"].as_u64().unwrap()).collect();
    // As many as the room has: the next message says how many that is.
    let next = Running::start(&[&args[..], &["the end"]].concat()).finish();
    let count = deliveries(&next.stdout)[0]["seq"].as_u64().unwrap() - 1;
    assert_eq!(told, (1..=count).collect::<BTreeSet<_>>());
}
