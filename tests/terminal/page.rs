//! `chat` on its own server: the page that a browser opens.

use crate::rejoin;
use harness::terminal::Terminal;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

/// The address that the chat prints.
fn page(terminal: &Terminal) -> String {
    let line = terminal.wait_for("in the browser: ");
    line.split("in the browser: ").nth(1).unwrap().trim().to_owned()
}

/// The whole answer to a GET.
fn get(host: &str, path: &str) -> Vec<u8> {
    let mut tcp = TcpStream::connect(host).unwrap();
    write!(tcp, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    tcp.read_to_end(&mut answer).unwrap();
    answer
}

/// A folder with a launcher of browsers that is this script, and a shell's words that make it the only one.
fn launcher(folder: &Path, script: &str) -> String {
    let file = folder.join("xdg-open");
    std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("PATH='{}'", folder.display())
}

#[test]
fn the_page_that_a_chat_on_its_own_server_names_is_there_and_is_for_the_same_room() {
    let chat = Terminal::run(&format!("{} -r kitchen", rejoin()));
    let page = page(&chat);
    let (host, path) = page.trim_start_matches("http://").split_once('/').unwrap();
    assert_eq!(path, "demo/?room=kitchen");
    for (path, holds) in
        [("/demo/?room=kitchen", &b"<title>Rejoin"[..]), ("/demo/package/rejoin.wasm", b"\0asm")]
    {
        let answer = get(host, path);
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{path}");
        assert!(answer.windows(holds.len()).any(|part| part == holds), "{path}");
    }
    chat.wait_for_prompt("kitchen>");
}

#[test]
fn open_starts_the_browser_with_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let opened = folder.path().join("opened");
    assert!(Command::new("mkfifo").arg(&opened).status().unwrap().success());
    let path = launcher(folder.path(), &format!("echo \"$1\" >'{}'", opened.display()));
    let chat = Terminal::run(&format!("{path} {} --open", rejoin()));
    let page = page(&chat);
    // Waits for who writes into it.
    assert_eq!(std::fs::read_to_string(&opened).unwrap().trim(), page);
    assert!(page.ends_with("/demo/"), "{page}");
    chat.wait_for_prompt("lobby>");
}

#[test]
fn a_browser_that_does_not_start_is_one_notice_and_the_chat_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = launcher(folder.path(), "exit 3");
    let mut chat = Terminal::run(&format!("{path} {} --open", rejoin()));
    chat.wait_for("no browser could be started");
    chat.wait_for_prompt("lobby>");
    chat.type_line("all the same");
    chat.wait_for("all the same  (delivered)");
    assert_eq!(chat.lines().iter().filter(|line| line.contains("no browser could")).count(), 1);
}

#[test]
fn open_is_refused_for_a_chat_on_another_server() {
    let chat = Terminal::run(&format!("REJOIN_URL=ws://127.0.0.1:9/ws {} --open", rejoin()));
    chat.wait_for("this chat is on another server");
    chat.wait_for("[ended with 2]");
}
