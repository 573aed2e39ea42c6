//! A token is never shown, wherever it came from and however much is logged.

use harness::command::Running;
use harness::process::ServerProcess;
use std::net::TcpListener;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

const CANARY: &str = "canary-7f3a9c51";

/// A URL, arguments and variables.
type Way<'a> = (&'a str, &'a [&'a str], &'a [(&'a str, &'a str)]);

#[test]
fn an_accepted_token_is_in_no_output_however_much_is_logged() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, format!("{CANARY} ada\n")).unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, format!("{CANARY}\n")).unwrap();
    let auth = format!("tokens={}", tokens.display());
    let server = ServerProcess::start_with("127.0.0.1:0", &["--auth", &auth]);
    let in_url = format!("{}?token={CANARY}", server.url);
    let by_command = format!("cat {}", file.display());
    let file = file.display().to_string();
    let ways: [Way<'_>; 5] = [
        (&server.url, &["--token", CANARY], &[]),
        (&server.url, &["--token-file", &file], &[]),
        (&server.url, &["--token-command", &by_command], &[]),
        (&server.url, &[], &[("REJOIN_TOKEN", CANARY)]),
        (&in_url, &[], &[]),
    ];
    for (url, token, variables) in ways {
        for command in
            [&["pipe", url, "-r", "lobby"][..], &["send", url, "-r", "lobby", "hi"], &["chat", url]]
        {
            let args = [command, token, &["-vvv"]].concat();
            let mut running = Running::start_with(&args, variables);
            match command.first() {
                Some(&"pipe") => {
                    running.type_line(r#"{"type":"send_message","roomId":"lobby","content":"hi"}"#);
                }
                // It says it, and so has to connect before it may leave.
                Some(&"chat") => running.type_line("hi"),
                _ => {}
            }
            let ended = running.finish();
            let said = ended.text();
            assert_eq!(ended.status, Some(0), "{args:?}: {said}");
            assert!(!said.contains(CANARY), "{args:?}: {said}");
        }
    }
}

/// A server that repeats the token in an error and in the reason of its close. Gives its URL.
fn echoing_token() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/ws", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut socket) = tungstenite::accept(stream.unwrap()) else { continue };
            let error = format!(r#"{{"type":"error","message":"unknown token {CANARY}"}}"#);
            // The client may have gone.
            let _ = socket.send(error.into());
            let reason = format!("bad token {CANARY}").into();
            let _ = socket.close(Some(CloseFrame { code: 4001.into(), reason }));
            while socket.read().is_ok() {}
        }
    });
    url
}

#[test]
fn a_token_that_the_server_repeats_is_in_no_output() {
    let url = echoing_token();
    for command in [
        &["pipe", &url, "-r", "lobby"][..],
        &["send", &url, "-r", "lobby", "hi"],
        &["tail", &url, "-r", "lobby"],
        &["doctor", &url],
    ] {
        let args = [command, &["--token", CANARY, "-vv"]].concat();
        let said = Running::start(&args).wait().text();
        assert!(said.contains("bad token …"), "{args:?}: {said}");
        assert!(!said.contains(CANARY), "{args:?}: {said}");
    }
}
