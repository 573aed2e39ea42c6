//! `--state`: what survives the end of the process, however it ends.

use crate::guarded;
use harness::command::{Ended, Running};
use harness::process::ServerProcess;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

fn pipe(url: &str, name: &str, state: &Path, more: &[&str]) -> Running {
    let state = state.display().to_string();
    let mut args = vec!["pipe", url, "-r", "lobby", "--token", name, "--state", &state];
    args.extend(more);
    Running::start(&args)
}

fn send(content: &str) -> String {
    json!({"type": "send_message", "roomId": "lobby", "content": content, "ref": content}).to_string()
}

fn lines(ended: &Ended, kind: &str) -> Vec<Value> {
    let text = String::from_utf8_lossy(&ended.stdout).into_owned();
    text.lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["type"] == kind)
        .collect()
}

fn in_folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    (folder, state)
}

/// Somebody in the lobby who hears everything, from now on.
fn listener(url: &str) -> Running {
    let mut bob = Running::start(&["pipe", url, "-r", "lobby", "--token", "bob"]);
    bob.wait_for("\"joined\"");
    bob
}

fn hears(bob: &mut Running, contents: &[String]) {
    for content in contents {
        let heard: Value = serde_json::from_str(&bob.wait_for("\"message\"")).unwrap();
        assert_eq!(heard["content"], json!(content));
    }
}

#[test]
fn what_cannot_be_sent_is_kept_and_the_next_run_delivers_it_under_its_ref() {
    let server = ServerProcess::start("127.0.0.1:0");
    let address = server.address();
    let url = server.url.clone();
    server.kill();
    let (_folder, state) = in_folder();
    let mut ada = pipe(&url, "ada", &state, &["--drain-timeout", "1"]);
    ada.type_line(&send("one"));
    ada.type_line(&send("two"));
    let ended = ada.finish();
    assert_eq!(ended.status, Some(1), "{}", ended.text());
    let kept = lines(&ended, "delivery");
    assert_eq!(kept.iter().map(|line| &line["ref"]).collect::<Vec<_>>(), ["one", "two"]);
    assert!(kept.iter().all(|line| line["status"] == "kept"), "{kept:?}");

    let _server = ServerProcess::start(&address);
    let mut bob = listener(&url);
    let ended = pipe(&url, "ada", &state, &[]).finish();
    assert_eq!(ended.status, Some(0), "{}", ended.text());
    let acked = lines(&ended, "delivery");
    assert_eq!(acked.iter().map(|line| &line["ref"]).collect::<Vec<_>>(), ["one", "two"]);
    assert!(acked.iter().all(|line| line["status"] == "acked" && line["seq"].is_u64()), "{acked:?}");
    hears(&mut bob, &["one".to_owned(), "two".to_owned()]);
    let ended = pipe(&url, "ada", &state, &[]).finish();
    assert_eq!(lines(&ended, "delivery"), Vec::<Value>::new());
}

#[test]
fn a_killed_client_goes_on_where_it_was_and_nothing_is_sent_twice() {
    const COUNT: usize = 200;
    let server = ServerProcess::start("127.0.0.1:0");
    let mut bob = listener(&server.url);
    let (_folder, state) = in_folder();
    let mut ada = pipe(&server.url, "ada", &state, &[]);
    ada.type_line(&send("first"));
    ada.wait_for("acked");
    server.freeze();
    let contents: Vec<String> = (0..COUNT).map(|number| format!("number {number}.")).collect();
    for content in &contents {
        ada.type_line(&send(content));
    }
    // Some of them are on their way into the frozen server by now, and all of them are in the file.
    stored(&state, contents.last().unwrap());
    ada.signal("KILL");
    drop(ada);
    server.thaw();
    let ended = pipe(&server.url, "ada", &state, &[]).finish();
    assert_eq!(ended.status, Some(0), "{}", ended.text());
    let outcomes = lines(&ended, "delivery");
    assert_eq!(outcomes.iter().map(|line| line["ref"].as_str().unwrap()).collect::<Vec<_>>(), contents);
    assert!(outcomes.iter().all(|line| line["status"] == "acked"), "{outcomes:?}");
    hears(&mut bob, &["first".to_owned()]);
    hears(&mut bob, &contents);
}

/// Waits until the file holds `text`.
fn stored(state: &Path, text: &str) {
    let until = Instant::now() + Duration::from_secs(60);
    while !std::fs::read_to_string(state).is_ok_and(|content| content.contains(text)) {
        assert!(Instant::now() < until, "{text} is not stored");
        std::thread::yield_now();
    }
}

#[test]
fn a_killed_reader_goes_on_behind_what_it_has_printed() {
    let server = ServerProcess::start("127.0.0.1:0");
    let (_folder, state) = in_folder();
    let mut ada = Running::start(&["pipe", &server.url, "-r", "lobby", "--token", "ada"]);
    ada.wait_for("\"joined\"");
    let mut told: Vec<u64> = Vec::new();
    for round in 0..5_u64 {
        let mut bob = pipe(&server.url, "bob", &state, &[]);
        bob.wait_for("\"joined\"");
        // Half of them while bob is there, half while he is away.
        for number in 0..20 {
            ada.type_line(&send(&(20 * round + number).to_string()));
        }
        for _ in 0..10 {
            bob.wait_for("\"message\"");
        }
        bob.signal("KILL");
        // What left the process counts as read, though nobody has looked at it yet.
        let printed = lines(&bob.wait(), "message");
        told.extend(printed.iter().map(|line| line["content"].as_str().unwrap().parse::<u64>().unwrap()));
    }
    let mut bob = pipe(&server.url, "bob", &state, &[]);
    while told.last() != Some(&99) {
        let heard: Value = serde_json::from_str(&bob.wait_for("\"message\"")).unwrap();
        assert_eq!(heard["type"], "message");
        told.push(heard["content"].as_str().unwrap().parse().unwrap());
    }
    // At least once, in order, and never a step over something.
    assert_eq!(told.first(), Some(&0));
    for pair in told.windows(2) {
        assert!(pair[1] <= pair[0] + 1, "{} is missing: {told:?}", pair[0] + 1);
    }
}

#[test]
fn a_clean_end_repeats_nothing() {
    let server = ServerProcess::start("127.0.0.1:0");
    let (_folder, state) = in_folder();
    let mut ada = Running::start(&["pipe", &server.url, "-r", "lobby", "--token", "ada"]);
    ada.wait_for("\"joined\"");
    let mut told: Vec<String> = Vec::new();
    for round in 0..3 {
        let mut bob = pipe(&server.url, "bob", &state, &[]);
        bob.wait_for("\"joined\"");
        for number in 0..10 {
            ada.type_line(&send(&format!("{round}.{number}")));
        }
        // He leaves in the middle of it.
        bob.wait_for(&format!("\"{round}.4\""));
        let ended = bob.finish();
        assert_eq!(ended.status, Some(0), "{}", ended.text());
        let printed = lines(&ended, "message");
        told.extend(printed.iter().map(|line| line["content"].as_str().unwrap().to_owned()));
    }
    let expected: Vec<String> =
        (0..3).flat_map(|round| (0..10).map(move |number| format!("{round}.{number}"))).collect();
    assert_eq!(told, expected[..told.len()]);
    assert!(told.len() >= 25);
}

#[test]
fn a_damaged_a_foreign_and_a_used_state_file_are_refused_with_2_and_what_to_do() {
    let server = ServerProcess::start("127.0.0.1:0");
    let (_folder, state) = in_folder();
    let mut ada = pipe(&server.url, "ada", &state, &[]);
    ada.type_line(&send("x"));
    ada.wait_for("acked");
    let second = pipe(&server.url, "ada", &state, &[]).wait();
    assert_eq!(second.status, Some(2), "{}", second.text());
    assert!(second.text().contains("in use by another process"), "{}", second.text());
    assert_eq!(ada.finish().status, Some(0));

    let whole = std::fs::read(&state).unwrap();
    for (content, what) in [
        (&whole[..whole.len() - 1], "damaged or cut short"),
        (&whole[..1], "damaged or cut short"),
        (b"dear diary".as_slice(), "no state file"),
    ] {
        std::fs::write(&state, content).unwrap();
        let refused = pipe(&server.url, "ada", &state, &[]).wait();
        assert_eq!(refused.status, Some(2), "{}", refused.text());
        assert!(refused.text().contains(what) && refused.text().contains("[state]"), "{}", refused.text());
        assert_eq!(std::fs::read(&state).unwrap(), content, "it is left as it was");
        assert_eq!(refused.stdout, b"");
    }
    // What `mktemp` makes is a new one.
    std::fs::write(&state, "").unwrap();
    assert_eq!(pipe(&server.url, "ada", &state, &[]).finish().status, Some(0));
    let missing = state.with_file_name("missing").join("state");
    let refused = pipe(&server.url, "ada", &missing, &[]).wait();
    assert_eq!(refused.status, Some(2), "{}", refused.text());
    assert!(refused.text().contains("does not exist: create "), "{}", refused.text());
    std::fs::write(&state, &whole).unwrap();
    let elsewhere = server.url.replace("/ws", "/other");
    let refused = pipe(&elsewhere, "ada", &state, &[]).wait();
    assert_eq!(refused.status, Some(2));
    assert!(refused.text().contains("belongs to"), "{}", refused.text());
    assert_eq!(pipe(&server.url, "ada", &state, &[]).finish().status, Some(0));
}

#[test]
fn send_keeps_what_it_cannot_deliver_and_the_next_send_delivers_both() {
    let server = ServerProcess::start("127.0.0.1:0");
    let (address, url) = (server.address(), server.url.clone());
    server.kill();
    let (_folder, state) = in_folder();
    let state = state.display().to_string();
    let run = |text: &str, timeout: &str| {
        let args =
            ["send", &url, "-r", "lobby", "--token", "ada", "--state", &state, "--timeout", timeout, text];
        Running::start(&args).finish()
    };
    let ended = run("early", "1");
    assert_eq!(ended.status, Some(1));
    assert!(ended.text().contains("[kept]"), "{}", ended.text());
    let _server = ServerProcess::start(&address);
    let mut bob = listener(&url);
    let ended = run("late", "30");
    assert_eq!(ended.status, Some(0), "{}", ended.text());
    hears(&mut bob, &["early".to_owned(), "late".to_owned()]);
}

#[test]
fn a_ref_of_another_send_is_refused_with_words_and_nothing_is_sent_under_it() {
    let server = ServerProcess::start("127.0.0.1:0");
    let mut bob = listener(&server.url);
    let (_folder, state) = in_folder();
    let mut ada = pipe(&server.url, "ada", &state, &[]);
    let line = |room: &str, content: &str| {
        json!({"type": "send_message", "roomId": room, "content": content, "ref": "1"}).to_string()
    };
    ada.type_line(&line("lobby", "first"));
    ada.type_line(&line("lobby", "another"));
    ada.wait_for("acked");
    ada.type_line(&line("lobby", "another"));
    ada.type_line(&line("attic", "first"));
    ada.type_line(&line("lobby", "first"));
    ada.type_line(&send("last"));
    let ended = ada.finish();
    assert_eq!(ended.status, Some(1), "{}", ended.text());
    let errors = lines(&ended, "error");
    let refused = errors.iter().map(|error| (&error["code"], &error["ref"], &error["line"]));
    let expected = [2, 3, 4].map(|line| (json!("ref_reused"), json!("1"), json!(line)));
    assert!(refused.eq(expected.iter().map(|(code, reference, line)| (code, reference, line))), "{errors:?}");
    let again: Vec<_> = lines(&ended, "delivery").into_iter().filter(|told| told["again"] == true).collect();
    assert_eq!(again.len(), 1, "{again:?}");
    hears(&mut bob, &["first".to_owned(), "last".to_owned()]);
}

fn line(room: &str, content: &str, data: &Value) -> String {
    json!({"type": "send_message", "roomId": room, "content": content, "data": data, "ref": "1"}).to_string()
}

#[test]
fn a_ref_of_another_send_is_known_by_the_next_run_too() {
    let server = ServerProcess::start("127.0.0.1:0");
    let mut bob = listener(&server.url);
    let (_folder, state) = in_folder();
    let mut ada = pipe(&server.url, "ada", &state, &[]);
    ada.type_line(&line("lobby", "first", &json!({"n": 1})));
    ada.wait_for("acked");
    assert_eq!(ada.finish().status, Some(0));
    let mut ada = pipe(&server.url, "ada", &state, &["-r", "attic"]);
    for (room, content, n) in [("lobby", "another", 1), ("lobby", "first", 2), ("attic", "first", 1)] {
        ada.type_line(&line(room, content, &json!({"n": n})));
    }
    ada.type_line(&line("lobby", "first", &Value::Null));
    ada.type_line(&line("lobby", "first", &json!({"n": 1})));
    ada.type_line(&send("last"));
    let ended = ada.finish();
    assert_eq!(ended.status, Some(1), "{}", ended.text());
    let errors = lines(&ended, "error");
    let refused: Vec<_> = errors.iter().map(|error| (&error["code"], &error["line"])).collect();
    let expected = [1, 2, 3, 4].map(|line| (json!("ref_reused"), json!(line)));
    assert!(refused.iter().copied().eq(expected.iter().map(|(code, line)| (code, line))), "{errors:?}");
    let again: Vec<_> = lines(&ended, "delivery").into_iter().filter(|told| told["again"] == true).collect();
    assert_eq!(again.len(), 1, "{again:?}");
    assert_eq!((&again[0]["ref"], &again[0]["seq"]), (&json!("1"), &json!(1)));
    hears(&mut bob, &["first".to_owned(), "last".to_owned()]);
}

#[test]
fn a_state_file_answers_the_refs_of_its_own_user_alone() {
    let server = ServerProcess::start("127.0.0.1:0");
    let mut bob = listener(&server.url);
    let (_folder, state) = in_folder();
    let mut ada = pipe(&server.url, "ada", &state, &[]);
    ada.type_line(&send("hello"));
    ada.wait_for("acked");
    assert_eq!(ada.finish().status, Some(0));
    let mut eve = pipe(&server.url, "eve", &state, &[]);
    eve.type_line(&send("hello"));
    let ended = eve.finish();
    assert_eq!(ended.status, Some(0), "{}", ended.text());
    let told = lines(&ended, "delivery");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (&told[0]["ref"], &told[0]["seq"], &told[0]["again"]),
        (&json!("hello"), &json!(2), &Value::Null)
    );
    // Each of them has come back to the file, and nothing is sent again.
    for (user, seq) in [("ada", 1), ("eve", 2), ("ada", 1)] {
        let mut back = pipe(&server.url, user, &state, &[]);
        back.type_line(&send("hello"));
        let told = lines(&back.finish(), "delivery");
        assert_eq!((told.len(), &told[0]["status"]), (1, &json!("acked")), "{told:?}");
        assert_eq!((&told[0]["seq"], &told[0]["again"]), (&json!(seq), &json!(true)));
    }
    hears(&mut bob, &["hello".to_owned(), "hello".to_owned()]);
    let mut ada = pipe(&server.url, "ada", &state, &[]);
    ada.type_line(&send("last"));
    assert_eq!(ada.finish().status, Some(0));
    hears(&mut bob, &["last".to_owned()]);
}

#[test]
fn what_another_users_run_gives_up_is_told_under_its_ref_to_its_own_user_who_may_send_it_again() {
    let server = ServerProcess::start("127.0.0.1:0");
    let mut bob = listener(&server.url);
    let (_folder, state) = in_folder();
    let mut eve = pipe(&server.url, "eve", &state, &[]);
    eve.type_line(&send("first"));
    eve.wait_for("acked");
    assert_eq!(eve.finish().status, Some(0));
    server.freeze();
    let mut eve = pipe(&server.url, "eve", &state, &[]);
    eve.type_line(&send("waits"));
    stored(&state, "waits");
    eve.signal("KILL");
    drop(eve);
    server.thaw();
    let outcomes = |ended: &Ended| -> Vec<[Value; 4]> {
        let told = lines(ended, "delivery").into_iter();
        told.map(|told| ["ref", "status", "code", "again"].map(|field| told[field].clone())).collect()
    };
    let mut dan = pipe(&server.url, "dan", &state, &[]);
    dan.type_line(&send("waits"));
    let ended = dan.finish();
    assert_eq!(ended.status, Some(1), "{}", ended.text());
    let mut told = outcomes(&ended);
    told.sort_by_key(|told| told[0] == json!("waits"));
    let given_up = [Value::Null, json!("failed"), json!("user_changed"), Value::Null];
    let sent = [json!("waits"), json!("acked"), Value::Null, Value::Null];
    assert_eq!(told, [given_up, sent.clone()]);
    hears(&mut bob, &["first".to_owned(), "waits".to_owned()]);
    let mut eve = pipe(&server.url, "eve", &state, &[]);
    eve.type_line(&send("waits"));
    let told = outcomes(&eve.finish());
    let given_up = [json!("waits"), json!("failed"), json!("user_changed"), json!(true)];
    assert_eq!(told, [given_up, sent]);
    hears(&mut bob, &["waits".to_owned()]);
    let mut eve = pipe(&server.url, "eve", &state, &[]);
    eve.type_line(&send("waits"));
    let told = outcomes(&eve.finish());
    assert_eq!(told, [[json!("waits"), json!("acked"), Value::Null, json!(true)]]);
}

#[test]
fn while_nobody_says_who_we_are_an_earlier_outcome_is_kept_and_not_told() {
    let server = ServerProcess::start("127.0.0.1:0");
    let address = server.address();
    let url = server.url.clone();
    let (_folder, state) = in_folder();
    let mut ada = pipe(&url, "ada", &state, &[]);
    ada.type_line(&send("hello"));
    ada.wait_for("acked");
    assert_eq!(ada.finish().status, Some(0));
    server.kill();
    let mut ada = pipe(&url, "ada", &state, &["--drain-timeout", "1"]);
    ada.type_line(&send("hello"));
    let ended = ada.finish();
    assert_eq!(ended.status, Some(1), "{}", ended.text());
    assert_eq!(lines(&ended, "delivery")[0]["status"], "kept", "{}", ended.text());
    let _server = ServerProcess::start(&address);
    let mut ada = pipe(&url, "ada", &state, &[]);
    ada.type_line(&send("hello"));
    let told = lines(&ada.finish(), "delivery");
    assert_eq!((told.len(), &told[0]["status"], &told[0]["again"]), (1, &json!("acked"), &json!(true)));
}

#[test]
fn a_ref_that_was_refused_because_the_room_was_not_joined_is_sent_when_it_is_given_again() {
    let server = ServerProcess::start("127.0.0.1:0");
    let (_folder, state) = in_folder();
    let attic = json!({"type": "send_message", "roomId": "attic", "content": "hi", "ref": "1"}).to_string();
    for run in 0..2 {
        let mut ada = pipe(&server.url, "ada", &state, &[]);
        ada.wait_for("joined");
        ada.type_line(&attic);
        let refused: Value = serde_json::from_str(&ada.wait_for("\"delivery\"")).unwrap();
        assert_eq!((&refused["code"], &refused["ref"]), (&json!("not_joined"), &json!("1")), "{run}");
        let words = refused["message"].as_str().unwrap();
        assert!(words.contains("-r ROOM") && words.contains("join_room"), "{words}");
        assert_eq!(ada.finish().status, Some(1));
    }
    let mut ada = pipe(&server.url, "ada", &state, &[]);
    ada.wait_for("joined");
    ada.type_line(&attic);
    ada.wait_for("not_joined");
    ada.type_line(r#"{"type":"join_room","roomId":"attic"}"#);
    ada.type_line(&attic);
    let sent: Value = serde_json::from_str(&ada.wait_for("\"acked\"")).unwrap();
    assert_eq!((&sent["ref"], &sent["roomId"], &sent["again"]), (&json!("1"), &json!("attic"), &Value::Null));
    drop(ada.finish());
}

#[test]
fn what_was_given_with_a_wrong_token_is_kept_and_sent_by_the_next_run_with_the_right_one() {
    let (folder, state) = in_folder();
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, "right ada\nbobs bob\n").unwrap();
    let auth = format!("tokens={}", tokens.display());
    let server = ServerProcess::start_with("127.0.0.1:0", &["--auth", &auth]);
    let mut bob = Running::start(&["pipe", &server.url, "-r", "lobby", "--token", "bobs"]);
    bob.wait_for("\"joined\"");
    let mut ada = pipe(&server.url, "wrong", &state, &[]);
    ada.type_line(&send("hello"));
    let ended = ada.finish();
    assert_eq!(ended.status, Some(3), "{}", ended.text());
    assert!(lines(&ended, "delivery").iter().all(|line| line["status"] == "kept"), "{}", ended.text());
    let mut ada = pipe(&server.url, "right", &state, &[]);
    ada.type_line(&send("hello"));
    let ended = ada.finish();
    assert_eq!(ended.status, Some(0), "{}", ended.text());
    assert!(lines(&ended, "delivery").iter().all(|line| line["status"] == "acked"), "{}", ended.text());
    hears(&mut bob, &["hello".to_owned()]);
}

#[test]
fn send_says_what_it_keeps_when_its_token_is_refused() {
    let (_tokens, server) = guarded("good ada\n");
    let (_folder, state) = in_folder();
    let send = |token: &str, state: &Path, input: &[u8]| {
        let state = state.display().to_string();
        let mut sending = Running::start(&[
            "send",
            &server.url,
            "-r",
            "lobby",
            "--token",
            token,
            "--json",
            "--state",
            &state,
        ]);
        sending.write(input);
        sending.finish()
    };
    let outcomes = |ended: &Ended| -> Vec<(Value, Value)> {
        lines(ended, "delivery").iter().map(|line| (line["line"].clone(), line["status"].clone())).collect()
    };
    let refused = send("bad", &state, b"one\n");
    assert_eq!(refused.status, Some(3), "{}", refused.text());
    assert_eq!(outcomes(&refused), [(1.into(), "kept".into())], "{}", refused.text());
    assert!(
        refused.text().contains("the next run with this state file goes on with it"),
        "{}",
        refused.text()
    );
    // Input of nothing: the run goes on with what is kept all the same.
    let rest = send("good", &state, b"\n");
    assert_eq!(rest.status, Some(0), "{}", rest.text());
    assert_eq!(outcomes(&rest), [(Value::Null, "acked".into())], "{}", rest.text());
    let nothing = send("good", &state, b"");
    assert_eq!((nothing.status, outcomes(&nothing)), (Some(0), Vec::new()), "{}", nothing.text());
}

#[test]
fn send_without_a_state_file_answers_each_line_that_it_has_read_when_its_token_is_refused() {
    let (_tokens, server) = guarded("good ada\n");
    let mut sending = Running::start(&["send", &server.url, "-r", "lobby", "--token", "bad", "--json"]);
    sending.write(b"one\n\ntwo\n");
    let ended = sending.finish();
    assert_eq!(ended.status, Some(3), "{}", ended.text());
    let told: Vec<_> = lines(&ended, "delivery")
        .iter()
        .map(|line| (line["line"].clone(), line["status"].clone(), line["code"].clone()))
        .collect();
    let closed = |line: u64| (line.into(), "failed".into(), "closed".into());
    assert_eq!(told, [closed(1), closed(3)], "{}", ended.text());
}
