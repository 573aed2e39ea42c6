//! Several rooms in one `chat`: one is shown, the others are counted, and a key or a command goes there.

use crate::chat::chat;
use crate::rejoin;
use harness::process::ServerProcess;
use harness::terminal::Terminal;

fn in_rooms(server: &ServerProcess, name: &str, more: &str) -> Terminal {
    let terminal =
        Terminal::run(&format!("{} chat {} -r lobby -r kitchen --token {name} {more}", rejoin(), server.url));
    terminal.wait_for("joined lobby");
    terminal.wait_for("joined kitchen");
    terminal.wait_for_prompt("lobby>");
    terminal
}

fn wait_for_status(terminal: &Terminal, wanted: &str) {
    terminal.wait_until(wanted, |screen| {
        screen.line_above().is_some_and(|line| line.starts_with("─ ") && line.contains(wanted))
    });
}

#[test]
fn what_comes_to_another_room_is_counted_and_shown_when_one_goes_there_and_each_room_has_its_draft() {
    let server = ServerProcess::start("127.0.0.1:0");
    let (mut ada, mut bob) = (in_rooms(&server, "ada", ""), in_rooms(&server, "bob", ""));
    bob.type_line("/msg kitchen tea is ready");
    wait_for_status(&ada, "2:kitchen (1)");
    bob.type_line("/msg kitchen ada, come");
    wait_for_status(&ada, "2:kitchen (2!)");
    ada.wait_until("the title", |screen| screen.title == "(2) lobby - rejoin");
    assert!(!ada.lines().iter().any(|line| line.contains("tea is ready")), "{:#?}", ada.lines());
    ada.press("half a line");
    ada.wait_for_prompt("half a line");
    ada.press("\u{1b}2");
    ada.wait_for("tea is ready");
    ada.wait_for_prompt("kitchen>");
    wait_for_status(&ada, "2:kitchen");
    ada.wait_until("the title", |screen| screen.title == "kitchen - rejoin");
    let lines = ada.lines();
    let at = |text: &str| lines.iter().position(|line| line.contains(text)).unwrap();
    assert!(at("── kitchen ──") < at("── new messages ──"), "{lines:#?}");
    assert!(at("── new messages ──") < at("tea is ready"), "{lines:#?}");
    assert!(!ada.lines().iter().any(|line| line.contains("half a line")), "{lines:#?}");
    ada.press("begun in the kitchen");
    ada.wait_for_prompt("kitchen> begun in the kitchen");
    ada.press("\u{1b}1");
    ada.wait_for_prompt("lobby> half a line");
    ada.type_line(" and the rest");
    // A command goes there as a key does.
    ada.type_line("/room kitchen");
    ada.wait_for_prompt("kitchen> begun in the kitchen");
    bob.wait_for("half a line and the rest");
    bob.type_line("/room kitchen");
    bob.wait_for_prompt("kitchen>");
    bob.type_line("/room 1");
    bob.wait_for_prompt("lobby>");
    bob.type_line("/room cellar");
    bob.wait_for("you are not in cellar");
    bob.press("\u{1b}7");
    bob.wait_for("you have no room 7");
    bob.type_line("/quit");
    bob.wait_for("[ended with 0]");
    bob.wait_until("the old title", |screen| screen.title.is_empty());
}

#[test]
fn leaving_a_room_shows_the_one_that_is_left_with_what_is_new_there() {
    let server = ServerProcess::start("127.0.0.1:0");
    let (mut ada, mut bob) = (in_rooms(&server, "ada", ""), in_rooms(&server, "bob", ""));
    bob.type_line("/msg kitchen the kettle boils");
    wait_for_status(&ada, "2:kitchen (1)");
    ada.type_line("/leave");
    ada.wait_for("the kettle boils");
    ada.wait_for_prompt("kitchen>");
    wait_for_status(&ada, "─ kitchen");
}

#[test]
fn a_history_is_nothing_new_and_what_came_in_an_outage_is() {
    let server = ServerProcess::start("127.0.0.1:0");
    let mut bob = in_rooms(&server, "bob", "");
    bob.type_line("/msg kitchen an old one");
    bob.wait_for("an old one  (delivered)");
    let mut ada = in_rooms(&server, "ada", "");
    ada.type_line("/reconnect");
    bob.type_line("/msg kitchen a new one");
    wait_for_status(&ada, "2:kitchen (1)");
    assert!(!ada.lines().iter().any(|line| line.contains("an old one")), "{:#?}", ada.lines());
    ada.press("\u{1b}2");
    ada.wait_for("a new one");
    ada.wait_for("an old one");
}

#[test]
fn who_is_named_is_told_as_they_asked_to_be() {
    let server = ServerProcess::start("127.0.0.1:0");
    let mut bob = chat(&server.url, "bob");
    let bell = in_rooms(&server, "ada", "--notify bell");
    let osc = in_rooms(&server, "ada", "--notify osc777");
    let silent = in_rooms(&server, "ada", "--title=false");
    bob.type_line("nobody is named");
    bob.type_line("@Ada; are you \u{200b}there?");
    bell.wait_until("a bell", |screen| screen.alerts == ["bell"]);
    osc.wait_until("a notification", |screen| {
        screen.alerts == ["notify;bob in lobby;@Ada, are you \\u{200b}there?"]
    });
    silent.wait_for("are you");
    silent.wait_until("nothing beside it", |screen| screen.title.is_empty() && screen.alerts.is_empty());
    for terminal in [&bell, &osc, &silent] {
        assert_eq!(terminal.suspicious(), Vec::<String>::new());
    }
}

#[test]
fn the_keys_of_emacs_edit_the_line() {
    let server = ServerProcess::start("127.0.0.1:0");
    let mut ada = chat(&server.url, "ada");
    // Beginning, a word on, its end cut and put at the end; a word back changed to capitals; an unknown key does nothing.
    ada.press("two words\u{1}\u{1b}f\u{b}\u{1}\u{19}\u{5}\u{1b}z\u{1b}b\u{1b}u");
    ada.wait_for_prompt("lobby>  WORDSTWO");
    ada.press("\u{1}\u{4}\u{1b}[3~\u{5}\u{1b}\u{7f}");
    ada.wait_until("a word less", |screen| screen.current_line().ends_with("lobby>"));
    ada.type_line("\u{10}\u{e}sent");
    ada.wait_for("sent  (delivered)");
    ada.type_line("\u{10}!");
    ada.wait_for("sent!  (delivered)");
}

#[test]
fn what_was_said_can_be_looked_through_and_what_one_does_is_said_so_that_all_can_read_it() {
    let server = ServerProcess::start("127.0.0.1:0");
    let (mut ada, bob) = (chat(&server.url, "ada"), chat(&server.url, "bob"));
    ada.type_line("Tea first");
    ada.type_line("/me pours the tea");
    bob.wait_for("* pours the tea");
    ada.wait_for("* pours the tea  (delivered)");
    ada.type_line("/search TEA");
    ada.wait_for("2 messages in lobby hold \"TEA\"");
    ada.type_line("/search coffee");
    ada.wait_for("none of the last 200 messages of lobby shown here holds \"coffee\"");
}

#[test]
fn what_was_said_is_exported_into_a_new_file_and_never_over_an_old_one() {
    let (server, folder) = (ServerProcess::start("127.0.0.1:0"), tempfile::TempDir::new().unwrap());
    let (mut ada, mut bob) = (chat(&server.url, "ada"), chat(&server.url, "bob"));
    bob.type_line("from bob");
    ada.wait_for("from bob");
    ada.type_line("from ada");
    ada.wait_for("from ada  (delivered)");
    let file = folder.path().join("a b.txt");
    ada.type_line(&format!("/export {}", file.display()));
    ada.wait_for("2 messages of lobby written to");
    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = text.lines().map(|line| line.split_once(' ').unwrap().1).collect();
    assert_eq!(lines, ["bob: from bob", "ada: from ada"]);
    ada.type_line(&format!("/export {}", file.display()));
    ada.wait_for("exists and was left as it is");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    ada.type_line(&format!("/export {}/none/x", folder.path().display()));
    ada.wait_for("cannot write");
    ada.type_line("/export /dev/full");
    ada.wait_for("/dev/full exists");
}

#[test]
fn alt_enter_begins_another_line_of_the_same_message() {
    let server = ServerProcess::start("127.0.0.1:0");
    let (mut ada, bob) = (chat(&server.url, "ada"), chat(&server.url, "bob"));
    ada.press("first of two\u{1b}\r");
    ada.type_line("second of two");
    ada.wait_for("(delivered)");
    bob.wait_for("first of two");
    bob.wait_for("second of two");
    for terminal in [&ada, &bob] {
        let lines = terminal.lines();
        let at = |text: &str| lines.iter().position(|line| line.contains(text)).unwrap();
        assert_eq!(at("first of two") + 1, at("second of two"), "{lines:#?}");
    }
    assert_eq!(ada.lines().iter().filter(|line| line.contains("(delivered)")).count(), 1);
}
