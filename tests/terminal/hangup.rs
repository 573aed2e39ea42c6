//! SIGHUP: the terminal is closed, or somebody says so.

use crate::{rejoin, text};
use harness::process::ServerProcess;
use harness::terminal::Terminal;
use std::process::Command;

/// A chat in a terminal, and its process.
fn chat(server: &ServerProcess) -> (Terminal, String, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let command =
        format!("sh -c 'echo $$ > {}; exec {} chat {} --token ada'", file.display(), rejoin(), server.url);
    let terminal = Terminal::run(&command);
    terminal.wait_for("joined lobby");
    terminal.wait_for_prompt("lobby>");
    let pid = std::fs::read_to_string(&file).unwrap().trim().to_owned();
    (terminal, pid, folder)
}

fn signal(name: &str, pid: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), pid]).output().unwrap();
    assert!(sent.status.success(), "{}", text(&sent.stderr));
}

#[test]
fn a_chat_that_is_hung_up_leaves_the_terminal_as_one_that_is_ended() {
    let server = ServerProcess::start("127.0.0.1:0");
    for name in ["TERM", "HUP"] {
        let (mut terminal, pid, _folder) = chat(&server);
        terminal.press("a draft");
        terminal.wait_for_prompt("lobby> a draft");
        signal(name, &pid);
        terminal.wait_for("[ended with 0]");
        terminal.wait_until("the old title", |screen| screen.title.is_empty());
        let lines = terminal.lines();
        assert!(
            !lines.iter().any(|line| line.contains("a draft") || line.starts_with("─ ")),
            "{name}: {lines:#?}"
        );
        assert!(terminal.wait_for("icanon").contains(" icanon"), "{name}");
    }
}
