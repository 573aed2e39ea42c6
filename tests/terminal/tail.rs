//! `tail`: rooms to read.

use crate::run;
use harness::command::Running;
use harness::process::ServerProcess;
use harness::scripted_server::ScriptedServer;
use std::io::Read as _;

#[test]
fn tail_prints_what_is_said_and_a_signal_ends_it_as_documented() {
    let server = ServerProcess::start("127.0.0.1:0");
    for (signal, status) in [("TERM", 0), ("INT", 130)] {
        let mut tail = Running::start(&["tail", &server.url, "-r", "lobby", "--token", "bob"]);
        tail.wait_for("joined lobby");
        let send =
            Running::start(&["send", &server.url, "-r", "lobby", "--token", "ada", "two\u{1b}[2J\nlines"]);
        assert_eq!(send.finish().status, Some(0));
        assert_eq!(tail.wait_for("ada: "), "[lobby] ada: two^[[2J\n");
        assert_eq!(tail.wait_for("lines"), "    | lines\n");
        tail.signal(signal);
        let ended = tail.wait();
        assert_eq!(ended.status, Some(status), "SIG{signal}: {}", ended.text());
        assert!(ended.stdout.iter().all(|byte| *byte == b'\n' || !byte.is_ascii_control()));
    }
}

#[test]
fn tail_ends_in_a_quiet_room_too_when_its_reader_has_gone() {
    let server = ServerProcess::start("127.0.0.1:0");
    for more in [&[][..], &["--json"]] {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let args = [&["tail", &server.url, "-r", "lobby", "--token", "bob"][..], more].concat();
        let tail = Running::start_into(&args, writer.into());
        let mut read = Vec::new();
        while !String::from_utf8_lossy(&read).contains("joined") {
            let mut bytes = [0; 256];
            let count = reader.read(&mut bytes).unwrap();
            assert!(count > 0, "{more:?}: it ended");
            read.extend_from_slice(&bytes[..count]);
        }
        drop(reader);
        let ended = tail.wait();
        assert_eq!(ended.status, Some(0), "{more:?}: {}", ended.text());
    }
}

#[test]
fn tail_without_a_room_is_wrong_usage() {
    let ended = Running::start(&["tail", "ws://127.0.0.1:9/ws", "--token", "bob"]).wait();
    assert_eq!(ended.status, Some(2));
    assert!(ended.text().contains("-r ROOM"), "{}", ended.text());
}

#[test]
fn tail_ends_with_3_when_the_server_lets_it_into_no_room() {
    let texts = [
        r#"{"type":"hello","v":1,"userId":"bob","serverTime":0,"heartbeatMs":30000,"dedupeWindowMs":600000,"limits":{"frameBytes":16384,"contentBytes":8192,"rooms":256,"inFlight":64,"replay":200,"sendPerSec":20},"reconnect":{"windowMs":1000}}"#,
        r#"{"type":"error","ref":"j1","roomId":"staff","code":"forbidden","retry":false,"message":"not for you"}"#,
    ];
    let scripted = ScriptedServer::start(texts.map(str::to_owned).to_vec());
    for more in [&[][..], &["--json"]] {
        let args = [&["tail", &scripted.url, "-r", "staff", "--token", "bob"][..], more].concat();
        let ended = Running::start(&args).wait();
        assert_eq!(ended.status, Some(3), "{}", ended.text());
        assert!(
            ended.text().contains("none of the rooms: nothing is left to follow [forbidden]"),
            "{}",
            ended.text()
        );
        assert!(!ended.text().contains("notifications"), "{}", ended.text());
    }
}

#[test]
fn a_history_that_the_server_replays_less_of_is_told_with_how_much_it_is() {
    let server = ServerProcess::start("127.0.0.1:0");
    let said = (0..205).map(|n| format!("m{n}")).collect::<Vec<_>>().join("\n");
    let sent = run(&["send", &server.url, "-r", "lobby", "--token", "ada"], said.as_bytes());
    assert_eq!(sent.status.code(), Some(0));
    for (asked, told) in [("300", true), ("200", false), ("3", false)] {
        let mut tail =
            Running::start(&["tail", &server.url, "-r", "lobby", "--token", "bob", "--history", asked]);
        tail.wait_for("m204");
        let ended = tail.wait_signalled("INT");
        let stderr = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(stderr.contains("200 of 300 messages of lobby"), told, "{asked}: {stderr}");
    }
}

#[test]
fn tail_begins_with_the_last_messages_that_n_asks_for() {
    let server = ServerProcess::start("127.0.0.1:0");
    let sent = run(&["send", &server.url, "-r", "lobby", "--token", "ada"], b"one\ntwo\nthree\n");
    assert_eq!(sent.status.code(), Some(0));
    let mut tail = Running::start(&["tail", &server.url, "-r", "lobby", "--token", "bob", "-n", "2"]);
    tail.wait_for("three");
    let ended = tail.wait_signalled("INT");
    assert!(ended.text().contains("two") && !ended.text().contains("one"), "{}", ended.text());
}
