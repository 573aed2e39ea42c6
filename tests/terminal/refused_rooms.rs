//! Rooms that a server refuses: each command tells them with the server's own words by every command, and a room that is refused for good counts.

use harness::command::Running;
use harness::process::ServerProcess;
use harness::refusing_server::{RefusingServer, WORDS};
use harness::scripted_server::ScriptedServer;
use serde_json::Value;
use std::io::{BufRead as _, BufReader};

const CODES: [&str; 3] = ["overloaded", "too_many_rooms", "some_new_code"];

/// The code as the client knows it.
fn known(code: &str) -> &str {
    if code == "some_new_code" { "other" } else { code }
}

/// The server's words as they are told: behind a code that only the server knows.
fn told(code: &str) -> String {
    if code == "some_new_code" { format!("{code}: {WORDS}") } else { WORDS.to_owned() }
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

#[test]
fn pipe_has_the_servers_words_on_the_line_of_a_refused_room_and_of_a_refused_message() {
    let server = RefusingServer::start();
    for code in CODES {
        let (closed, later) = (format!("closed:{code}"), format!("later:{code}"));
        let mut pipe = Running::start(&["pipe", &server.url, "-r", &later, "--token", "ada"]);
        let line = json(&pipe.wait_for("\"error\""));
        assert_eq!((&line["code"], &line["message"]), (&known(code).into(), &told(code).into()), "{line}");
        assert_eq!((&line["roomId"], &line["willRetry"]), (&later.clone().into(), &true.into()), "{line}");
        pipe.type_line(&format!(r#"{{"type":"join_room","roomId":"{closed}","ref":"j"}}"#));
        let line = json(&pipe.wait_for(&format!("\"{closed}\"")));
        assert_eq!((&line["code"], &line["message"]), (&known(code).into(), &told(code).into()), "{line}");
        assert_eq!((&line["ref"], &line["willRetry"]), (&"j".into(), &Value::Null), "{line}");
        pipe.type_line(r#"{"type":"join_room","roomId":"lobby"}"#);
        pipe.wait_for("\"joined\"");
        pipe.type_line(r#"{"type":"send_message","roomId":"lobby","content":"x","ref":"1"}"#);
        let line = json(&pipe.wait_for("\"delivery\""));
        assert_eq!((&line["code"], &line["message"]), (&"forbidden".into(), &WORDS.into()), "{line}");
        assert_eq!(pipe.finish().status, Some(1));
    }
}

#[test]
fn send_tail_and_chat_have_the_servers_words_too() {
    let server = RefusingServer::start();
    for code in CODES {
        let (closed, later) = (format!("closed:{code}"), format!("later:{code}"));
        let said = |args: &[&str]| {
            let ended = Running::start(&[args, &["--token", "ada"]].concat()).finish();
            (ended.status, String::from_utf8(ended.stderr).unwrap())
        };
        let (status, text) = said(&["send", &server.url, "-r", &later, "--timeout", "1", "hi"]);
        assert!(status == Some(1) && text.matches(WORDS).count() >= 2, "{text}");
        let (status, text) = said(&["send", &server.url, "-r", &closed, "--timeout", "1", "hi"]);
        assert!(status == Some(1) && text.contains(WORDS), "{text}");
        let (status, text) = said(&["tail", &server.url, "-r", &closed]);
        assert!(status == Some(3) && text.contains(WORDS), "{text}");
        let (stderr, writer) = std::io::pipe().unwrap();
        let args = ["tail", &server.url, "-r", &later, "-r", &closed, "--token", "ada"];
        let mut tail = Running::start_logging_into(&args, writer);
        // On stdout that of the room that is refused for good, on stderr that of the other one.
        assert!(tail.wait_for("cannot join").contains(WORDS));
        assert!(BufReader::new(stderr).lines().any(|line| line.unwrap().contains(WORDS)));
        tail.signal("TERM");
        assert_eq!(tail.wait().status, Some(0));
        let rooms = ["-r", &later, "-r", &closed, "-r", "lobby"];
        let mut chat = Running::start(&[&["chat", &server.url, "--token", "ada"][..], &rooms].concat());
        for _ in 0..2 {
            assert!(chat.wait_for("cannot join").contains(WORDS));
        }
        chat.type_line("/msg lobby hi");
        let line = chat.wait_for(WORDS);
        assert!(
            line.trim_end().ends_with(&format!("(not sent: the server refused it (forbidden: {WORDS}))")),
            "{line}"
        );
    }
    let ended = Running::start(&["send", &server.url, "-r", "lobby", "--token", "ada", "hi"]).finish();
    assert!(ended.text().contains(WORDS) && ended.text().contains("[forbidden]"), "{}", ended.text());
}

#[test]
fn a_room_that_is_refused_for_good_makes_the_status_1_whenever_the_input_ends() {
    let server = RefusingServer::start();
    let pipe = |room: &str| Running::start(&["pipe", &server.url, "-r", room, "--token", "ada"]);
    // At once, and after the refusal has been told.
    assert_eq!(pipe("closed:forbidden").finish().status, Some(1));
    let mut late = pipe("closed:forbidden");
    late.wait_for("forbidden");
    assert_eq!(late.finish().status, Some(1));
    assert_eq!(pipe("lobby").finish().status, Some(0));
    // By a line of input, with a ref or without one.
    for reference in ["", r#","ref":"j""#] {
        let mut asked = Running::start(&["pipe", &server.url, "--token", "ada"]);
        asked.type_line(&format!(r#"{{"type":"join_room","roomId":"closed:forbidden"{reference}}}"#));
        asked.wait_for("forbidden");
        assert_eq!(asked.finish().status, Some(1), "{reference}");
    }
}

#[test]
fn a_line_that_asks_for_a_room_is_answered_before_the_end_of_its_input_ends_it() {
    let server = ServerProcess::start("127.0.0.1:0");
    let join = r#"{"type":"join_room","roomId":"lobby","ref":"j"}"#;
    for args in [&[][..], &["--protocol", "plain"]] {
        let args = [&["pipe", &server.url, "--token", "ada"], args].concat();
        let mut pipe = Running::start(&args);
        pipe.type_line(join);
        let ended = pipe.finish();
        assert_eq!(ended.status, Some(0), "{args:?}: {}", ended.text());
        // A plain server says nothing of a join.
        let is_told =
            ended.text().lines().any(|line| line.contains("\"joined\"") && line.contains("\"ref\":\"j\""));
        assert_eq!(is_told, args.len() == 4, "{args:?}: {}", ended.text());
    }
}

#[test]
fn a_plain_server_that_names_the_room_it_refuses_is_believed_by_every_command() {
    let error = r#"{"type":"error","roomId":"lobby","code":"forbidden","message":"the cellar is flooded"}"#;
    let server = ScriptedServer::start(vec![error.to_owned()]);
    let ended = |args: &[&str]| Running::start(&[args, &["-r", "lobby", "--token", "ada"]].concat()).finish();
    let tail = ended(&["tail", &server.url]);
    assert_eq!(tail.status, Some(3), "{}", tail.text());
    assert!(tail.text().contains(WORDS), "{}", tail.text());
    let send = ended(&["send", &server.url, "--timeout", "5", "hi"]);
    assert_eq!(send.status, Some(1), "{}", send.text());
    assert!(send.text().contains(WORDS) && send.text().contains("[forbidden]"), "{}", send.text());
    let mut pipe = Running::start(&["pipe", &server.url, "-r", "lobby", "--token", "ada"]);
    let line = json(&pipe.wait_for("\"error\""));
    assert_eq!((&line["roomId"], &line["code"]), (&"lobby".into(), &"forbidden".into()), "{line}");
    assert_eq!(pipe.finish().status, Some(1));
}
