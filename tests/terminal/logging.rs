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
    ada.wait_for_prompt("lobby>");
    ada.type_line("/quit");
    ada.wait_for("[ended with 0]");
    let written = std::fs::read_to_string(&log).unwrap();
    for line in ["open", "joined room=lobby"] {
        assert!(written.contains(line), "{written}");
        assert!(!ada.lines().iter().any(|shown| shown.contains(line)), "{:#?}", ada.lines());
    }
}
