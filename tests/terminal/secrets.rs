//! A token is never shown, wherever it came from and however much is logged.

use harness::command::Running;
use harness::process::ServerProcess;

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
