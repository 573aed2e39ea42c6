//! The binary itself: its first lines, its signals, its exit status, its log.

use crate::client::{Client, message, soon};
use std::io::Write as _;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rejoin-server"));
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

pub(crate) fn start(arguments: &[&str]) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut child = command(arguments).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

pub(crate) async fn line(lines: &mut Lines<BufReader<ChildStdout>>) -> String {
    soon(lines.next_line()).await.unwrap().unwrap()
}

async fn signal(child: &Child, name: &str) {
    let id = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-s", name, &id]).status().await.unwrap().success());
}

/// Exit status and standard error of a run that ends by itself.
async fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let output = soon(command(arguments).output()).await.unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test]
async fn it_says_where_it_listens_and_a_sigterm_drains_it_with_status_0() {
    let (mut child, mut lines) = start(&["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    let first = line(&mut lines).await;
    let url = first.strip_prefix("listening on ").unwrap();
    assert!(url.starts_with("ws://127.0.0.1:") && url.ends_with("/ws"), "{url}");
    let second = line(&mut lines).await;
    assert!(second.starts_with("admin on http://127.0.0.1:"), "{second}");
    let mut ada = Client::in_room(url, "ada", "lobby").await;
    signal(&child, "TERM").await;
    ada.cut().await;
    drop(ada);
    assert_eq!(soon(child.wait()).await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_second_signal_stops_it_at_once() {
    let (mut child, mut lines) = start(&["--listen", "127.0.0.1:0"]);
    let first = line(&mut lines).await;
    let url = first.strip_prefix("listening on ").unwrap();
    let mut ada = Client::open(url, "ada").await;
    ada.sync().await;
    // Both signals are there when it goes on, so that the drain cannot be over before the second.
    for name in ["STOP", "TERM", "INT", "CONT"] {
        signal(&child, name).await;
    }
    let mut log = String::new();
    soon(child.stderr.take().unwrap().read_to_string(&mut log)).await.unwrap();
    assert!(log.contains("before the drain was over"), "{log}");
    assert_eq!(
        soon(child.wait()).await.unwrap().code(),
        Some(1),
        "whoever waits for it knows that some were cut"
    );
}

#[tokio::test]
async fn usage_errors_have_status_2_and_a_taken_address_1() {
    let (status, text) = run(&["--listen", "0.0.0.0:0"]).await;
    assert_eq!(status, Some(2));
    assert!(text.contains("--auth tokens=FILE"), "{text}");
    for path in ["ws", "", "/:id", "/{id}", "/a b", "/ws?x"] {
        let (status, text) = run(&["--listen", "127.0.0.1:0", "--path", path]).await;
        assert!(status == Some(2) && text.contains("the path"), "{path}: {text}");
    }
    for path in ["/socket.io", "/socket.io/"] {
        let (status, text) = run(&["--listen", "127.0.0.1:0", "--path", path]).await;
        assert!(status == Some(2) && text.contains("where Socket.IO is served"), "{path}: {text}");
    }
    assert_eq!(run(&["--auth", "jwt=key"]).await.0, Some(2));
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (status, text) = run(&["--listen", &address]).await;
    assert_eq!(status, Some(1));
    assert!(text.contains(&address), "{text}");
}

#[tokio::test]
async fn neither_tokens_nor_what_is_said_appear_in_the_log() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "token-canary ada").unwrap();
    let auth = format!("tokens={}", file.path().display());
    let (mut child, mut lines) =
        start(&["--listen", "127.0.0.1:0", "--auth", &auth, "-vvv", "--log", "json"]);
    let first = line(&mut lines).await;
    let url = first.strip_prefix("listening on ").unwrap();
    let mut ada = Client::in_room(url, "token-canary", "lobby").await;
    ada.say(&message("lobby", "content-canary")).await;
    ada.hear().await;
    let mut nobody = Client::open(url, "bad-canary").await;
    assert_eq!(nobody.close_code().await, 4001);
    signal(&child, "TERM").await;
    ada.cut().await;
    drop((ada, nobody));
    let mut log = String::new();
    soon(child.stderr.take().unwrap().read_to_string(&mut log)).await.unwrap();
    assert!(log.contains("draining") && !log.contains("canary"), "{log}");
}

/// A file of tokens, and a server with it.
async fn with_tokens(text: &str) -> (tempfile::NamedTempFile, Child, String) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let auth = format!("tokens={}", file.path().display());
    let (child, mut lines) = start(&["--listen", "127.0.0.1:0", "--auth", &auth]);
    let first = line(&mut lines).await;
    (file, child, String::from(first.strip_prefix("listening on ").unwrap()))
}

fn rewrite(file: &tempfile::NamedTempFile, text: &str) {
    // As editors do it: the new one takes the place of the old one.
    let new = file.path().with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, file.path()).unwrap();
}

#[tokio::test]
async fn a_sighup_reads_the_tokens_again_and_ends_nobody_else() {
    let (file, child, url) = with_tokens("adas ada\nbobs bob\n").await;
    let mut ada = Client::open(&url, "adas").await;
    let mut bob = Client::open(&url, "bobs").await;
    ada.sync().await;
    bob.sync().await;
    rewrite(&file, "bobs bob\neves eve\n");
    signal(&child, "HUP").await;
    assert_eq!(ada.close_code().await, 4001);
    Client::in_room(&url, "eves", "lobby").await;
    bob.sync().await;
    // A second one while nothing has changed is nothing.
    signal(&child, "HUP").await;
    bob.sync().await;
}

#[tokio::test]
async fn a_token_file_that_changes_is_noticed_without_a_signal() {
    let (file, _child, url) = with_tokens("adas ada\nbobs bob\n").await;
    let mut ada = Client::open(&url, "adas").await;
    ada.sync().await;
    rewrite(&file, "bobs bob\n");
    assert_eq!(ada.close_code().await, 4001);
}
