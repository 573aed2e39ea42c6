//! The line above the input of `chat`: what it says, and that it never takes anything else with it.

use crate::chat::chat;
use crate::{guarded, rejoin};
use harness::command::Running;
use harness::process::ServerProcess;
use harness::screen::Screen;
use harness::terminal::Terminal;

/// The line above that of the cursor.
fn status(screen: &Screen) -> String {
    screen.line_above().unwrap_or_default()
}

fn status_of(terminal: &Terminal) -> String {
    terminal.lines().into_iter().find(|line| line.starts_with("─ ")).unwrap_or_default()
}

fn wait_for_status(terminal: &Terminal, wanted: &str) {
    terminal.wait_until(wanted, |screen| status(screen).contains(wanted));
}

#[test]
fn it_follows_people_and_connection_and_stands_once_above_the_input() {
    let server = ServerProcess::start("127.0.0.1:0");
    let address = server.address();
    let ada = chat(&server.url, "ada");
    wait_for_status(&ada, "─ lobby · connected · 1 person");
    let mut bob = chat(&server.url, "bob");
    wait_for_status(&ada, "2 people");
    bob.press("\u{4}");
    // It goes with the prompt when the chat ends.
    bob.wait_for("[ended with 0]");
    assert!(
        !bob.lines().iter().any(|line| line.starts_with("─ ") || line.contains("lobby>")),
        "{:#?}",
        bob.lines()
    );
    wait_for_status(&ada, "1 person");
    server.kill();
    wait_for_status(&ada, "─ lobby · reconnecting");
    let _server = ServerProcess::start(&address);
    ada.wait_for("back in lobby");
    wait_for_status(&ada, "─ lobby · connected · 1 person");
    let lines = ada.lines();
    assert_eq!(lines.iter().filter(|line| line.starts_with("─ ")).count(), 1, "{lines:#?}");
}

#[test]
fn in_a_narrow_terminal_names_have_a_line_of_their_own_and_what_was_received_stays() {
    let server = ServerProcess::start("127.0.0.1:0");
    let (mut ada, mut bob) = (chat(&server.url, "ada"), chat(&server.url, "bob"));
    wait_for_status(&ada, "2 people");
    for (columns, text) in [(45, "first"), (20, "second"), (59, "third"), (45, "fourth")] {
        ada.resize(columns);
        bob.type_line(text);
        ada.wait_for(&format!("│ {text}"));
        ada.wait_until("one status line", |screen| {
            let lines = screen.lines();
            lines.iter().filter(|line| line.starts_with("─ ")).count() == 1
                && status(screen).starts_with("─ lobby")
        });
    }
    let lines = ada.lines();
    let at = lines.iter().position(|line| line == "│ fourth").unwrap();
    assert!(lines[at - 1].ends_with(" bob"), "{lines:#?}");
    for text in ["first", "second", "third"] {
        assert_eq!(lines.iter().filter(|line| line.contains(text)).count(), 1, "{lines:#?}");
    }
    ada.type_line("and back");
    bob.wait_for("and back");
}

#[test]
fn a_chat_that_ends_by_itself_leaves_no_status_line_behind() {
    let (_tokens, server) = guarded("another ada\n");
    let ada = Terminal::run(&format!("{} chat {} --token ada", rejoin(), server.url));
    ada.wait_for("[ended with 3]");
    assert!(!ada.lines().iter().any(|line| line.starts_with("─ ")), "{:#?}", ada.lines());
}

#[test]
fn it_names_who_is_typing_until_the_message_comes() {
    let server = ServerProcess::start("127.0.0.1:0");
    let ada = chat(&server.url, "ada");
    wait_for_status(&ada, "1 person");
    let mut bob = chat(&server.url, "bob");
    wait_for_status(&ada, "2 people");
    bob.press("hel");
    wait_for_status(&ada, "bob is typing");
    bob.type_line("lo");
    ada.wait_for("hello");
    wait_for_status(&ada, "2 people");
    assert!(!status_of(&ada).contains("typing"), "{}", status_of(&ada));

    // Neither a command nor what is not to be told.
    let mut carol = Terminal::run(&format!("{} chat {} --token carol --typing=false", rejoin(), server.url));
    wait_for_status(&ada, "3 people");
    carol.press("psst");
    carol.wait_for_prompt("psst");
    let mut dave = chat(&server.url, "dave");
    wait_for_status(&ada, "4 people");
    dave.press("/who");
    dave.wait_for_prompt("/who");
    bob.press("and");
    wait_for_status(&ada, "· bob is typing");
}

#[test]
fn nobody_is_said_to_be_typing_after_a_line_that_came_at_once() {
    let server = ServerProcess::start("127.0.0.1:0");
    let mut watcher = Running::start(&["pipe", &server.url, "-r", "lobby", "--token", "ada"]);
    watcher.wait_for("\"joined\"");
    let mut bob = chat(&server.url, "bob");
    wait_for_status(&bob, "2 people");
    bob.type_line("as it is pasted");
    // It leaves over the same connection: whatever came after the message is there before that.
    bob.type_line("/leave");
    watcher.wait_for("\"user_left\"");
    let said = String::from_utf8(watcher.finish().stdout).unwrap();
    let (_, after) = said.split_once("as it is pasted").unwrap();
    assert!(!after.contains("typing"), "{said}");
}
