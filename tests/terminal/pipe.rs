//! `pipe`: JSON lines for scripts.

use crate::{command, run, text};
use harness::command::Running;
use harness::process::ServerProcess;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Output, Stdio};
use tokio_tungstenite::tungstenite::{self, Message};

fn lines(output: &Output) -> Vec<Value> {
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of_type<'a>(lines: &'a [Value], kind: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["type"] == kind).collect()
}

#[test]
fn a_send_has_one_outcome_and_comes_back_as_a_message_and_the_end_of_input_is_the_end() {
    let server = ServerProcess::start("127.0.0.1:0");
    let input = json!({"type": "send_message", "roomId": "lobby", "content": "hi", "ref": "r1"}).to_string();
    let args = ["pipe", &server.url, "-r", "lobby", "--token", "ada", "--linger", "1"];
    let output = run(&args, format!("{input}\n").as_bytes());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let lines = lines(&output);
    assert_eq!(lines[0]["state"], "connecting");
    let modes: Vec<&Value> =
        of_type(&lines, "state").iter().map(|line| &line["mode"]).filter(|mode| !mode.is_null()).collect();
    assert_eq!(modes, ["extended"]);
    let joined = of_type(&lines, "joined");
    assert_eq!((&joined[0]["recovered"], &joined[0]["reason"]), (&json!(false), &json!("fresh")));
    let outcomes = of_type(&lines, "delivery");
    assert_eq!(outcomes.len(), 1);
    assert_eq!((&outcomes[0]["ref"], &outcomes[0]["status"]), (&json!("r1"), &json!("acked")));
    let messages = of_type(&lines, "message");
    assert_eq!((&messages[0]["content"], &messages[0]["userId"]), (&json!("hi"), &json!("ada")));
    for field in ["id", "seq"] {
        assert_eq!(messages[0][field], outcomes[0][field], "{field}");
    }
    assert!(messages[0]["epoch"].is_string(), "{}", messages[0]);
}

#[test]
fn the_plain_protocol_can_be_insisted_on() {
    let server = ServerProcess::start("127.0.0.1:0");
    let input = json!({"type": "send_message", "roomId": "lobby", "content": "hi", "ref": "r1"}).to_string();
    let args = ["pipe", &server.url, "-r", "lobby", "--token", "ada", "--linger", "1", "--protocol", "plain"];
    let output = run(&args, format!("{input}\n").as_bytes());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let lines = lines(&output);
    assert!(of_type(&lines, "state").iter().any(|line| line["mode"] == "plain"), "{lines:?}");
    assert_eq!(of_type(&lines, "delivery")[0]["status"], "written");
    assert_eq!(of_type(&lines, "message")[0]["id"], Value::Null);
    assert_eq!(of_type(&lines, "joined"), Vec::<&Value>::new());
}

#[test]
fn a_bad_line_is_answered_with_its_number_and_the_good_ones_around_it_are_sent() {
    let server = ServerProcess::start("127.0.0.1:0");
    let good = |n: u32| {
        let frame = json!({"type": "send_message", "roomId": "lobby", "content": "x", "ref": n.to_string()});
        format!("{frame}\n").into_bytes()
    };
    let long_room = "r".repeat(200);
    let bad: [Vec<u8>; 7] = [
        b"hello\n".to_vec(),
        b"[]\n".to_vec(),
        b"{\"type\":\"launch\"}\n".to_vec(),
        b"\xff\xfe\n".to_vec(),
        format!("{{\"type\":\"join_room\",\"roomId\":\"{long_room}\"}}\n").into_bytes(),
        format!("{{\"type\":\"send_message\",\"roomId\":\"a\",\"content\":\"x\",\"ref\":\"{long_room}\"}}\n")
            .into_bytes(),
        [vec![b'x'; 3 << 20], b"\n".to_vec()].concat(),
    ];
    let mut input = Vec::new();
    for (n, bad) in (0..).zip(&bad) {
        input.extend(good(n));
        input.extend(bad);
    }
    let output = run(&["pipe", &server.url, "-r", "lobby", "--token", "ada"], &input);
    let lines = lines(&output);
    let errors: Vec<u64> =
        of_type(&lines, "error").iter().filter_map(|error| error["line"].as_u64()).collect();
    assert_eq!(errors, [2, 4, 6, 8, 10, 12, 14], "{lines:#?}");
    assert!(
        of_type(&lines, "error")
            .iter()
            .all(|error| error["code"].is_string() && error["message"].is_string())
    );
    let acked = of_type(&lines, "delivery").iter().filter(|line| line["status"] == "acked").count();
    assert_eq!(acked, bad.len());
}

#[test]
fn a_line_behind_the_one_that_closes_is_answered_and_so_is_one_that_leaves_a_room() {
    let server = ServerProcess::start("127.0.0.1:0");
    let send = |own: &str| {
        let line = json!({"type": "send_message", "roomId": "lobby", "content": own, "ref": own});
        format!("{line}\n")
    };
    let leave = "{\"type\":\"leave_room\",\"roomId\":\"other\",\"ref\":\"l1\"}\n";
    let join = "{\"type\":\"join_room\",\"roomId\":\"third\",\"ref\":\"j1\"}\n";
    let late: String = (0..3000).map(|number| send(&format!("late{number}"))).collect();
    let input = format!("{}{leave}{{\"type\":\"close\"}}\n{join}{late}", send("early"));
    let args = ["pipe", &server.url, "-r", "lobby", "-r", "other", "--token", "ada"];
    let output = run(&args, input.as_bytes());
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let lines = lines(&output);
    let outcomes = of_type(&lines, "delivery");
    let early: Vec<_> = outcomes.iter().filter(|line| line["ref"] == "early").collect();
    assert_eq!((early.len(), &early[0]["status"]), (1, &json!("acked")));
    let late: Vec<_> = outcomes.iter().filter(|line| line["ref"] != "early").collect();
    assert_eq!(late.len(), 3000);
    assert!(late.iter().all(|line| line["status"] == "failed" && line["code"] == "closed"), "{}", late[0]);
    let joined: Vec<_> = of_type(&lines, "error").into_iter().filter(|line| line["ref"] == "j1").collect();
    assert_eq!((joined.len(), &joined[0]["code"]), (1, &json!("closed")));
    let left = of_type(&lines, "left");
    assert_eq!((left.len(), &left[0]["roomId"], &left[0]["ref"]), (1, &json!("other"), &json!("l1")));
}

#[test]
fn what_is_closed_by_a_line_ends_though_its_input_stays_open() {
    let server = ServerProcess::start("127.0.0.1:0");
    let child = command(&["pipe", &server.url, "-r", "lobby", "--token", "ada"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn();
    let mut child = child.unwrap();
    let mut held = child.stdin.take().unwrap();
    held.write_all(b"{\"type\":\"close\"}\n").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    drop(held);
}

#[test]
fn an_input_that_cannot_be_read_is_a_failure() {
    let server = ServerProcess::start("127.0.0.1:0");
    for args in [
        &["pipe", &server.url, "-r", "lobby", "--token", "ada"][..],
        &["send", &server.url, "-r", "lobby", "--token", "ada"],
    ] {
        let folder = std::fs::File::open("/").unwrap();
        let output = command(args).stdin(folder).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
        let told = text(&output.stdout) + &said;
        assert!(
            told.contains("stdin cannot be read: is a directory") && said.starts_with("rejoin: "),
            "{told}"
        );
    }
}

#[test]
fn with_a_state_file_nothing_is_sent_before_the_server_has_said_what_it_is() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/ws", listener.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    for face in ["pipe", "send"] {
        let state = folder.path().join(face).display().to_string();
        let mut child = command(&[face, &url, "-r", "lobby", "--token", "ada", "--state", &state])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let line = json!({"type": "send_message", "roomId": "lobby", "content": "x", "ref": "x"});
        child.stdin.as_mut().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
        let mut socket = tungstenite::accept(listener.accept().unwrap().0).unwrap();
        let mut read = Vec::new();
        loop {
            match socket.read().unwrap() {
                Message::Text(frame) if frame.contains("join_room") => {
                    socket.send(Message::Ping("asked".into())).unwrap();
                }
                Message::Text(frame) => read.push(frame),
                Message::Pong(payload) if &*payload == b"asked" => break,
                _ => {}
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!read.iter().any(|frame| frame.contains("send_message")), "{face}: {read:?}");
    }
}

#[test]
fn a_refused_token_ends_with_3_and_is_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, "right ada\n").unwrap();
    let auth = format!("tokens={}", tokens.display());
    let server = ServerProcess::start_with("127.0.0.1:0", &["--auth", &auth]);
    let secret = "canary-99d1";
    for args in [
        vec!["pipe", &server.url, "--token", secret, "-v"],
        vec!["send", &server.url, "-r", "lobby", "--token", secret, "-v", "hi"],
        vec!["tail", &server.url, "-r", "lobby", "--token", secret],
    ] {
        // Input stays open for as long as it takes: the refusal ends it.
        let child =
            command(&args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap();
        let held = child.stdin.take();
        let output = child.wait_with_output().unwrap();
        drop(held);
        assert_eq!(output.status.code(), Some(3), "{args:?}: {}", text(&output.stderr));
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(!said.contains(secret), "{said}");
    }
}

#[test]
fn a_reader_that_leaves_and_a_signal_end_it_as_documented() {
    let server = ServerProcess::start("127.0.0.1:0");
    for (signal, status) in [("TERM", 0), ("INT", 130)] {
        let mut child = command(&["pipe", &server.url, "-r", "lobby", "--token", "ada"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("\"connected\"")));
        let pid = child.id().to_string();
        std::process::Command::new("kill").args([&format!("-{signal}"), &pid]).status().unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(status), "SIG{signal}");
    }
    let mut child = command(&["pipe", &server.url, "-r", "lobby", "--token", "ada"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert_eq!(first, "{\"type\":\"state\",\"state\":\"connecting\"}\n");
    // The reader is gone; the next line has nowhere to go.
    let frame = json!({"type": "send_message", "roomId": "lobby", "content": "x"}).to_string();
    let _ = writeln!(child.stdin.as_mut().unwrap(), "{frame}");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_line_asks_what_has_been_counted_and_how_the_connection_got_where_it_is() {
    let server = ServerProcess::start("127.0.0.1:0");
    let mut pipe = Running::start(&["pipe", &server.url, "-r", "lobby", "--token", "ada"]);
    pipe.wait_for("\"joined\"");
    drop(server);
    pipe.wait_for("reconnecting");
    pipe.type_line(r#"{"type":"diagnostics","ref":"d"}"#);
    let line = pipe.wait_for("\"diagnostics\"");
    let told: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&told["ref"], &told["state"], &told["connections"]),
        (&"d".into(), &"reconnecting".into(), &1.into())
    );
    assert!(told["dials"].as_u64() >= Some(1) && told["framesIn"].as_u64() >= Some(2), "{line}");
    let transitions = told["transitions"].as_array().unwrap();
    let states: Vec<_> = transitions.iter().map(|entry| entry["state"].as_str().unwrap()).collect();
    assert_eq!(states[..3], ["connecting", "connected", "reconnecting"], "{line}");
    let lost = &transitions[2];
    assert!(lost["agoMs"].is_u64() && lost["retryInMs"].is_u64() && lost["reason"].is_string(), "{line}");
}
