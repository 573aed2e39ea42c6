//! `chat`: what a person sees.

use crate::{guarded, rejoin, run, text};
use harness::command::Running;
use harness::process::ServerProcess;
use harness::terminal::Terminal;

pub(crate) fn chat(url: &str, name: &str) -> Terminal {
    let terminal = Terminal::run(&format!("{} chat {url} --token {name}", rejoin()));
    terminal.wait_for("joined lobby");
    terminal.wait_for_prompt("lobby>");
    terminal
}

#[test]
fn rejoin_alone_opens_a_chat_and_prints_the_line_with_which_a_second_terminal_joins() {
    let mut first = Terminal::run(&rejoin());
    let line = first.wait_for(" chat ws://127.0.0.1:").trim().to_owned();
    first.wait_for_prompt("lobby>");
    let mut second = Terminal::run(&line);
    second.wait_for_prompt("lobby>");
    second.type_line("hello from the second");
    first.wait_for("hello from the second");
    first.type_line("hello from the first");
    second.wait_for("hello from the first");
    first.wait_for("(delivered)");
    assert_eq!(first.suspicious(), Vec::<String>::new());
    // Who ends it for others is told so first.
    first.press("\u{4}");
    first.wait_for("this chat's server ends with it, for 1 other too; Ctrl-D again leaves");
    first.wait_for_prompt("lobby>");
    first.press("\u{4}");
    first.wait_for("[ended with 0]");
    // And the others learn why.
    second.wait_for("the server is going away: the chat that it was part of has ended");
}

#[test]
fn both_chats_survive_the_death_of_the_server_and_what_was_typed_meanwhile_arrives() {
    let server = ServerProcess::start("127.0.0.1:0");
    let address = server.address();
    let (mut ada, mut bob) = (chat(&server.url, "ada"), chat(&server.url, "bob"));
    ada.wait_for("bob joined lobby");
    server.kill();
    ada.wait_for_prompt("lobby (reconnecting)>");
    bob.wait_for_prompt("lobby (reconnecting)>");
    let _server = ServerProcess::start(&address);
    for terminal in [&ada, &bob] {
        terminal.wait_for("back in lobby");
        let line = terminal.wait_for("the server was restarted and lost its history; messages");
        assert!(line.contains("lobby"), "{line}");
        terminal.wait_for_prompt("lobby>");
    }
    bob.type_line("bob is here");
    bob.wait_for("bob is here  (delivered)");
    ada.type_line("I am back");
    bob.wait_for("I am back");
    // One gap, one notice: nobody here has ever had a notification.
    for terminal in [&ada, &bob] {
        let lines = terminal.lines();
        assert_eq!(lines.iter().filter(|line| line.contains("was restarted")).count(), 1, "{lines:#?}");
        assert!(!lines.iter().any(|line| line.contains("notification")), "{lines:#?}");
    }
}

#[test]
fn a_frozen_server_shows_at_the_prompt_and_its_thaw_too() {
    let server = ServerProcess::start("127.0.0.1:0");
    let ada = chat(&server.url, "ada");
    server.freeze();
    // The heartbeat of 25 s and 10 s for an answer.
    ada.wait_for_prompt("lobby (reconnecting)>");
    server.thaw();
    ada.wait_for_prompt("lobby>");
}

#[test]
fn an_incoming_line_leaves_the_line_being_typed_alone() {
    let server = ServerProcess::start("127.0.0.1:0");
    let (mut ada, mut bob) = (chat(&server.url, "ada"), chat(&server.url, "bob"));
    ada.press("half a sente");
    ada.wait_for_prompt("half a sente");
    bob.type_line("interruption");
    ada.wait_for("interruption");
    ada.wait_for_prompt("half a sente");
    ada.type_line("nce");
    bob.wait_for("half a sentence");
}

#[test]
fn what_the_user_said_before_is_shown_as_the_users_own() {
    let server = ServerProcess::start("127.0.0.1:0");
    for (name, text) in [("ada", "mine"), ("bob", "not mine")] {
        let sent = Running::start(&["send", &server.url, "-r", "lobby", "--token", name, text]).finish();
        assert_eq!(sent.status, Some(0), "{}", sent.text());
    }
    let mut chat = Running::start(&["chat", &server.url, "-r", "lobby", "--token", "ada"]);
    chat.wait_for("[lobby] you: mine");
    chat.wait_for("[lobby] bob: not mine");
}

#[test]
fn commands_and_rooms_are_completed_and_do_what_help_says() {
    let server = ServerProcess::start("127.0.0.1:0");
    let mut ada = chat(&server.url, "ada");
    ada.press("/he\t");
    ada.wait_for_prompt("/help");
    ada.press("\r");
    ada.wait_for("/reconnect");
    ada.type_line("/join kitchen");
    ada.wait_for_prompt("kitchen>");
    ada.type_line("/rooms");
    ada.wait_for("kitchen (here)");
    ada.type_line("/msg lobby from afar");
    ada.wait_for("from afar");
    ada.type_line("/who");
    ada.wait_for("in kitchen: ada");
    ada.type_line("/status");
    ada.wait_for("extended protocol");
    ada.type_line("/leave");
    ada.wait_for_prompt("lobby>");
    ada.type_line("/quit");
    ada.wait_for("[ended with 0]");
    ada.wait_for("icanon");
}

#[test]
fn a_tab_in_a_draft_leaves_nothing_behind() {
    let server = ServerProcess::start("127.0.0.1:0");
    let mut ada = chat(&server.url, "ada");
    for text in ["one\tbig", "two\tbig"] {
        ada.press(&format!("\u{1b}[200~{text}\u{1b}[201~"));
        ada.wait_for_prompt(&text.replace('\t', "␉"));
        ada.press("\r");
        ada.wait_for(&format!("{}  (delivered)", text.replace('\t', "    ")));
    }
    ada.wait_for_prompt("lobby>");
    let lines = ada.lines();
    assert_eq!(lines.iter().filter(|line| line.contains("─ lobby")).count(), 1, "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains('␉')), "{lines:#?}");
}

#[test]
fn lines_typed_ahead_are_not_lost() {
    let server = ServerProcess::start("127.0.0.1:0");
    let mut ada = chat(&server.url, "ada");
    ada.press("/rooms\rone\rtwo\r/status\r");
    ada.wait_for("one  (delivered)");
    ada.wait_for("two  (delivered)");
    ada.wait_for("extended protocol");
}

#[test]
fn hostile_text_does_nothing_to_the_screen() {
    let server = ServerProcess::start("127.0.0.1:0");
    let ada = chat(&server.url, "ada");
    let hostile =
        "\u{1b}[2J\u{1b}]0;title\u{7}\u{1b}]52;c;aGk=\u{7}\u{9b}31m\u{90}q\u{9c}\rX\u{8}\u{202e}\u{200b}end";
    let frame =
        serde_json::json!({"type": "send_message", "roomId": "lobby", "content": hostile}).to_string();
    let forged = "first\nada joined\n23:59:59            bob \u{2502} forged";
    let second =
        serde_json::json!({"type": "send_message", "roomId": "lobby", "content": forged}).to_string();
    let input = format!("{frame}\n{second}\n");
    let output = run(&["pipe", &server.url, "-r", "lobby", "--token", "eve"], input.as_bytes());
    assert_eq!(output.status.code(), Some(0));
    ada.wait_for("forged");
    ada.wait_for_prompt("lobby>");
    assert_eq!(ada.suspicious(), Vec::<String>::new());
    let lines = ada.lines();
    assert!(lines.iter().any(|line| line.contains("joined lobby")), "the screen was cleared: {lines:#?}");
    // A continuation stands behind the gutter: no line of a message begins where a header would.
    let forged = lines.iter().find(|line| line.contains("forged")).unwrap();
    assert!(forged.starts_with(' '), "{forged}");
}

#[test]
fn ctrl_d_and_ctrl_c_end_it_also_while_nobody_answers() {
    let server = ServerProcess::start("127.0.0.1:0");
    let mut ada = chat(&server.url, "ada");
    ada.press("\u{4}");
    ada.wait_for("[ended with 0]");
    ada.wait_for("icanon");
    let mut ada = chat(&server.url, "ada");
    ada.press("\u{3}");
    ada.wait_for("[ended with 130]");
    let url = server.url.clone();
    server.kill();
    let mut ada = Terminal::run(&format!("{} chat {url} --token ada", rejoin()));
    ada.wait_for("cannot connect");
    ada.press("\u{3}");
    ada.wait_for("[ended with 130]");
    ada.wait_for("icanon");
}

#[test]
fn who_leaves_a_frozen_server_is_told_what_is_waited_for_and_what_is_typed_is_nobodys() {
    let server = ServerProcess::start("127.0.0.1:0");
    let mut ada = chat(&server.url, "ada");
    server.freeze();
    ada.type_line("into the frost");
    ada.wait_for("into the frost  (pending)");
    ada.press("\u{4}");
    ada.wait_for("waiting for a message to be sent; Ctrl-C leaves at once");
    ada.type_line("echo is this for the shell");
    ada.press("\u{3}");
    ada.wait_for("[ended with 130]");
    ada.wait_for("icanon");
    assert!(!ada.lines().iter().any(|line| line.contains("for the shell")), "{:#?}", ada.lines());
}

#[test]
fn who_leaves_in_an_outage_learns_that_what_was_typed_in_it_was_not_sent() {
    let server = ServerProcess::start("127.0.0.1:0");
    let mut ada = chat(&server.url, "ada");
    server.kill();
    ada.wait_for_prompt("lobby (reconnecting)>");
    ada.type_line("into the outage");
    ada.wait_for("into the outage  (pending)");
    ada.press("\u{3}");
    ada.wait_for("rejoin: 1 not sent");
    ada.wait_for("[ended with 130]");
}

#[test]
fn without_a_terminal_it_speaks_in_plain_lines_and_ends_with_its_input() {
    let output = run(&[], b"");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let output = run(&[], b"hi there\n");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    assert!(said.contains("hi there"), "{said}");
    assert!(said.chars().all(|c| c == '\n' || !c.is_control()), "{said:?}");
    // It names no keys that are not there.
    let help = text(&run(&[], b"/help\n").stdout);
    assert!(help.contains("/reconnect") && !help.contains("Alt-") && !help.contains("Ctrl-Y"), "{help}");
}

#[test]
fn the_status_of_a_chat_says_how_it_ended() {
    let server = ServerProcess::start("127.0.0.1:0");
    let chat = |args: &[&str], input: &[u8]| {
        let mut chat = Running::start(&[&["chat", "-r", "lobby", "--token", "ada"], args].concat());
        chat.write(input);
        chat.finish()
    };
    let statuses: [(&[&str], &[u8], i32); 5] = [
        (&[&server.url], b"hi\n/quit\n", 0),
        (&[&server.url], b"hi\n", 0),
        // A line that is none, and others that are.
        (&[&server.url], b"hi\n\xff\nho\n", 1),
        (&["http://127.0.0.1:9/"], b"", 2),
        (&["ws://127.0.0.1:9/", "--policy", "no such"], b"", 2),
    ];
    for (args, input, status) in statuses {
        let ended = chat(args, input);
        assert_eq!(ended.status, Some(status), "{args:?}: {}", ended.text());
    }
    let (_tokens, guarded) = guarded("good ada\n");
    assert_eq!(chat(&[&guarded.url], b"hi\n").status, Some(3));
}

#[test]
fn a_chat_whose_input_cannot_be_read_says_so_and_ends_with_1() {
    let server = ServerProcess::start("127.0.0.1:0");
    let folder = std::fs::File::open("/").unwrap();
    let ended = std::process::Command::new(rejoin())
        .args(["chat", &server.url, "-r", "lobby", "--token", "ada"])
        .stdin(folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[ended.stdout, ended.stderr].concat()).into_owned();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("stdin cannot be read"), "{said}");
}

#[test]
fn a_line_parts_what_was_said_before_from_what_is_said_now() {
    let server = ServerProcess::start("127.0.0.1:0");
    let mut ada = chat(&server.url, "ada");
    ada.type_line("an old one");
    ada.wait_for("an old one  (delivered)");
    let mut bob = chat(&server.url, "bob");
    bob.wait_for("an old one");
    let parted =
        |terminal: &Terminal| terminal.lines().iter().filter(|line| line.contains("new messages")).count();
    assert_eq!((parted(&ada), parted(&bob)), (0, 0));
    ada.type_line("a new one");
    bob.wait_for("a new one");
    ada.type_line("one more");
    bob.wait_for("one more");
    let lines = bob.lines();
    let at = |text: &str| lines.iter().position(|line| line.contains(text)).unwrap();
    assert!(
        at("an old one") < at("── new messages ──") && at("── new messages ──") < at("a new one"),
        "{lines:#?}"
    );
    assert_eq!((parted(&ada), parted(&bob)), (0, 1));
    bob.type_line("/history 2");
    bob.wait_for("the last 2 messages in lobby");
    bob.type_line("my own");
    bob.wait_for("my own  (delivered)");
    // Who has written it knows that it is new.
    assert_eq!(parted(&bob), 1, "{:#?}", bob.lines());
    bob.type_line("/search old");
    bob.wait_for("1 message in lobby holds");
    bob.type_line("/join other");
    bob.wait_for_prompt("other>");
    let mut cy = Terminal::run(&format!("{} chat {} --token cy -r other", rejoin(), server.url));
    cy.wait_for("joined other");
    cy.type_line("elsewhere");
    bob.wait_for("elsewhere");
    // The room's name stands between them.
    assert_eq!(parted(&bob), 1, "{:#?}", bob.lines());
    assert_eq!(parted(&cy), 0, "{:#?}", cy.lines());
}

#[test]
fn lines_that_are_pasted_at_once_are_shown_in_their_order() {
    let server = ServerProcess::start_with("127.0.0.1:0", &["--rate", "1000"]);
    let mut ada = Terminal::run(&format!("{} chat {} -r fresh --token ada", rejoin(), server.url));
    ada.wait_for("joined fresh");
    ada.wait_for_prompt("fresh>");
    let lines: String = (100..400).map(|number| ["line ", &number.to_string(), "\r"].concat()).collect();
    ada.press(&lines);
    ada.wait_for("line 399  (delivered)");
    let screen = ada.lines();
    let shown: Vec<u32> = screen
        .iter()
        .filter_map(|line| line.split_once("│ line ")?.1.split_once("  (delivered)")?.0.parse().ok())
        .collect();
    let first = *shown.first().unwrap();
    assert!(first < 399, "{screen:#?}");
    assert_eq!(shown, (first..400).collect::<Vec<_>>());
}
