//! The additions of an extended server for people and for scripts.

use crate::chat::chat;
use harness::admin::post;
use harness::command::Running;
use harness::process::ServerProcess;
use serde_json::{Value, json};

fn line(running: &mut Running, kind: &str) -> Value {
    serde_json::from_str(&running.wait_for(&format!("\"type\":\"{kind}\""))).unwrap()
}

fn pipe(url: &str, name: &str) -> Running {
    let mut pipe = Running::start(&["pipe", url, "-r", "lobby", "--token", name]);
    pipe.wait_for("\"joined\"");
    pipe
}

#[test]
fn data_signals_and_who_comes_and_goes_reach_a_script() {
    let server = ServerProcess::start("127.0.0.1:0");
    let mut bob = pipe(&server.url, "bob");
    let mut ada = pipe(&server.url, "ada");
    assert_eq!(line(&mut bob, "user_joined")["userId"], "ada");
    ada.type_line(r#"{"type":"signal","roomId":"lobby","kind":"typing","data":{"on":true}}"#);
    let signal = line(&mut bob, "signal");
    assert_eq!((&signal["userId"], &signal["kind"]), (&json!("ada"), &json!("typing")));
    assert_eq!(signal["data"], json!({"on": true}));
    ada.type_line(
        r#"{"type":"send_message","roomId":"lobby","content":"x","ref":"1","data":{"b":[1.50, "é"]}}"#,
    );
    assert_eq!(line(&mut ada, "delivery")["status"], "acked");
    let heard = bob.wait_for("\"type\":\"message\"");
    assert!(heard.contains(r#""data":{"b":[1.50, "é"]}"#), "as it was written: {heard}");
    assert_eq!(ada.finish().status, Some(0));
    assert_eq!(line(&mut bob, "user_left")["userId"], "ada");
}

#[test]
fn a_join_is_answered_under_its_ref_and_gives_the_history_it_asks_for() {
    let server = ServerProcess::start("127.0.0.1:0");
    let mut ada = pipe(&server.url, "ada");
    for number in 0..5 {
        let send = json!({"type": "send_message", "roomId": "side", "content": number.to_string()});
        if number == 0 {
            ada.type_line(r#"{"type":"join_room","roomId":"side"}"#);
        }
        ada.type_line(&send.to_string());
        assert_eq!(line(&mut ada, "delivery")["status"], "acked");
    }
    let mut bob = pipe(&server.url, "bob");
    bob.type_line(r#"{"type":"join_room","roomId":"side","history":2,"ref":"j"}"#);
    let joined = line(&mut bob, "joined");
    assert_eq!((&joined["roomId"], &joined["ref"]), (&json!("side"), &json!("j")));
    assert_eq!((&joined["replayed"], &joined["members"]), (&json!(2), &json!(["ada", "bob"])));
    for content in ["3", "4"] {
        let message = line(&mut bob, "message");
        assert_eq!((&message["content"], &message["replay"]), (&json!(content), &json!(true)));
    }
}

#[test]
fn notifications_come_to_a_script_that_asks_for_them_and_wait_for_it() {
    let server = ServerProcess::start_with("127.0.0.1:0", &["--admin", "127.0.0.1:0"]);
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state").display().to_string();
    let start = || {
        let mut bob = Running::start(&["pipe", &server.url, "--token", "bob", "--state", &state]);
        bob.type_line(r#"{"type":"join_room","roomId":"@me","ref":"n"}"#);
        assert_eq!(line(&mut bob, "joined")["ref"], "n");
        bob
    };
    let notify = |number: u32| {
        let body = json!({"kind": "badge", "data": number}).to_string();
        assert_eq!(post(server.admin(), "/users/bob/notifications", &body), 202);
    };
    let mut bob = start();
    notify(1);
    let first = line(&mut bob, "notification");
    assert_eq!((&first["kind"], &first["data"]), (&json!("badge"), &json!(1)));
    assert_eq!(bob.finish().status, Some(0));
    notify(2);
    let second = line(&mut start(), "notification");
    assert_eq!((&second["data"], &second["replay"]), (&json!(2), &json!(true)));
}

#[test]
fn tail_begins_with_the_history_it_is_asked_for_and_goes_on_where_it_was() {
    let server = ServerProcess::start("127.0.0.1:0");
    let mut ada = pipe(&server.url, "ada");
    let mut say = |content: &str| {
        ada.type_line(&json!({"type": "send_message", "roomId": "lobby", "content": content}).to_string());
        assert_eq!(line(&mut ada, "delivery")["status"], "acked");
    };
    for content in ["one", "two", "three"] {
        say(content);
    }
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state").display().to_string();
    let args =
        ["tail", &server.url, "-r", "lobby", "--token", "bob", "--history", "2", "--state", &state, "--json"];
    let mut tail = Running::start(&args);
    assert_eq!(line(&mut tail, "message")["content"], "two");
    assert_eq!(line(&mut tail, "message")["content"], "three");
    tail.signal("TERM");
    assert_eq!(tail.wait().status, Some(0));
    say("four");
    let mut tail = Running::start(&args);
    assert_eq!(line(&mut tail, "message")["content"], "four");
}

#[test]
fn a_chat_knows_who_is_there_and_what_was_said() {
    let server = ServerProcess::start("127.0.0.1:0");
    let mut ada = chat(&server.url, "ada");
    ada.type_line("for the record");
    ada.wait_for("for the record  (delivered)");
    let mut bob = chat(&server.url, "bob");
    bob.wait_for("for the record");
    ada.wait_for("bob joined lobby");
    ada.type_line("/who");
    ada.wait_for("in lobby: ada, bob");
    bob.type_line("/history 1");
    bob.wait_until("it twice", |screen| {
        screen.lines().iter().filter(|line| line.contains("for the record")).count() == 2
    });
    bob.type_line("/quit");
    bob.wait_for("[ended with 0]");
    ada.wait_for("bob left lobby");
    // One bubble for each own message, whatever comes back.
    let bubbles = ada.lines().iter().filter(|line| line.contains("for the record")).count();
    assert_eq!(bubbles, 1, "{:#?}", ada.lines());
}
