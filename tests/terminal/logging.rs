//! `-v`: what the connection does, on stderr.

use crate::{rejoin, run};
use harness::command::Running;
use harness::process::ServerProcess;
use harness::terminal::Terminal;

#[test]
fn the_log_says_what_the_connection_does_and_nothing_of_what_is_said() {
    for level in ["-v", "-vvv"] {
        let server = ServerProcess::start("127.0.0.1:0");
        let address = server.address();
        let header = "X-Secret: canary-header";
        let mut pipe = Running::start(&[
            "pipe",
            &server.url,
            "-r",
            "lobby",
            "--token",
            "canary-token",
            "--header",
            header,
            level,
        ]);
        pipe.wait_for("\"joined\"");
        pipe.type_line(r#"{"type":"send_message","roomId":"lobby","content":"canary-content"}"#);
        pipe.wait_for("acked");
        server.kill();
        pipe.wait_for("reconnecting");
        let _server = ServerProcess::start(&address);
        pipe.wait_for("\"joined\"");
        let ended = pipe.finish();
        let log = String::from_utf8_lossy(&ended.stderr).into_owned();
        let happened = [
            "dialling",
            "open",
            "joined room=lobby",
            "lost",
            "cause=",
            "retry_in_ms=",
            "gap room=lobby",
            "closed",
        ];
        for word in happened {
            assert!(log.contains(word), "{word}: {log}");
        }
        assert!(!log.contains("canary"), "{log}");
    }
}

#[test]
fn a_log_that_nobody_reads_holds_up_neither_a_chat_nor_the_server_in_it() {
    let (_unread, stderr) = std::io::pipe().unwrap();
    let mut chat = Running::start_logging_into(&["chat", "--token", "ada", "-vvv"], stderr);
    let line = chat.wait_for("ws://");
    let url = line.split_whitespace().find(|word| word.starts_with("ws://")).unwrap();
    let mut pipe = Running::start(&["pipe", url, "-r", "lobby", "--token", "bob"]);
    // Each is a line of the log. A pipe takes 64 KiB.
    for number in 1..=2_000 {
        pipe.type_line(&format!(
            r#"{{"type":"send_message","roomId":"lobby","content":"number {number}."}}"#
        ));
    }
    chat.wait_for("number 2000.");
    assert_eq!(pipe.finish().status, Some(0));
}

#[test]
fn without_v_the_log_says_nothing_of_it() {
    let server = ServerProcess::start("127.0.0.1:0");
    let output = run(&["send", &server.url, "-r", "lobby", "--token", "ada", "hello"], b"");
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_log_of_a_chat_goes_to_a_file_when_stderr_is_one_and_not_to_the_screen() {
    let server = ServerProcess::start("127.0.0.1:0");
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let command = format!("{} chat {} --token ada -v 2>{}", rejoin(), server.url, log.display());
    let mut ada = Terminal::run(&command);
    ada.wait_for("joined lobby");
    ada.wait_for_prompt("lobby>");
    ada.type_line("/quit");
    ada.wait_for("[ended with 0]");
    let written = std::fs::read_to_string(&log).unwrap();
    for line in ["open", "joined room=lobby"] {
        assert!(written.contains(line), "{written}");
        assert!(!ada.lines().iter().any(|shown| shown.contains(line)), "{:#?}", ada.lines());
    }
}

#[test]
fn a_server_logs_as_much_as_it_is_told_in_the_form_that_is_asked_for_and_nothing_of_what_is_said() {
    let tokens = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&tokens, "canary-token ada\n").unwrap();
    let auth = format!("tokens={}", tokens.path().display());
    for (args, is_debug) in [(&[][..], false), (&["-v"], true), (&["-vv"], true), (&["--log", "json"], false)]
    {
        let mut words = vec!["serve", "--listen", "127.0.0.1:0", "--auth", &auth];
        words.extend(args);
        let mut server = Running::start(&words);
        let url = server.wait_for("listening on ").trim().trim_start_matches("listening on ").to_owned();
        let sent =
            run(&["send", &url, "-r", "canary-room", "--token", "canary-token", "canary-content"], b"");
        assert_eq!(sent.status.code(), Some(0));
        let refused =
            run(&["send", &url, "-r", "canary-room", "--token", "canary-wrong", "canary-content"], b"");
        assert_eq!(refused.status.code(), Some(3));
        // What comes before the switch of protocols and is none.
        let stranger = std::net::TcpStream::connect(url.replace("ws://", "").replace("/ws", ""));
        stranger
            .and_then(|mut stranger| std::io::Write::write_all(&mut stranger, b"canary nonsense\r\n\r\n"))
            .unwrap();
        server.signal("TERM");
        let ended = server.wait();
        assert_eq!(ended.status, Some(0));
        let log = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(log.contains("connected") && log.contains("refused"), "{args:?}: {log}");
        assert_eq!(log.contains("DEBUG"), is_debug, "{args:?}: {log}");
        assert!(!log.contains("canary"), "{args:?}: {log}");
        let is_json = |line: &str| serde_json::from_str::<serde_json::Value>(line).is_ok();
        assert_eq!(log.lines().all(is_json), args.contains(&"json"), "{log}");
    }
}
