//! The line being typed in `chat`: keys, stopping and going on, a window whose width changes.

use crate::chat::chat;
use crate::rejoin;
use harness::process::ServerProcess;
use harness::terminal::Terminal;

/// Lines of the screen that hold `text`.
fn count(terminal: &Terminal, text: &str) -> usize {
    terminal.lines().iter().filter(|line| line.contains(text)).count()
}

#[test]
fn after_ctrl_z_and_fg_the_draft_is_there_and_lines_are_shown_before_any_key() {
    let server = ServerProcess::start("127.0.0.1:0");
    let mut bob = chat(&server.url, "bob");
    let mut ada = Terminal::run(&format!(
        "set -m; {} chat {} --token ada; echo stopped, $(stty -a | grep -o ' icanon'); read go; fg",
        rejoin(),
        server.url
    ));
    ada.wait_for_prompt("lobby>");
    // The cursor comes back to where it was, too.
    ada.press("half a line\u{1b}[D\u{1b}[D\u{1b}[D\u{1b}[D");
    ada.wait_for_prompt("half a line");
    ada.wait_until("the title", |screen| screen.title == "lobby - rejoin");
    ada.press("\u{1a}");
    ada.wait_for("stopped, icanon");
    ada.wait_until("the old title", |screen| screen.title.is_empty());
    ada.type_line("go");
    ada.wait_for_prompt("lobby> half a line");
    bob.type_line("are you there");
    ada.wait_for("are you there");
    ada.wait_for_prompt("lobby> half a line");
    // The message may count as unread: no key has been pressed since.
    ada.wait_until("the title again", |screen| screen.title.ends_with("lobby - rejoin"));
    ada.type_line("new ");
    bob.wait_for("half a new line");
}

#[test]
fn a_chat_stopped_from_outside_goes_on_with_its_draft() {
    let server = ServerProcess::start("127.0.0.1:0");
    let mut bob = chat(&server.url, "bob");
    // A shell for people puts the terminal back for itself.
    let mut ada = Terminal::run(&format!(
        "set -m; {} chat {} --token ada; stty sane; echo stopped; read go; fg",
        rejoin(),
        server.url
    ));
    ada.wait_for_prompt("lobby>");
    ada.press("half a line");
    ada.wait_for_prompt("half a line");
    ada.stop_foreground();
    ada.wait_for("stopped");
    ada.type_line("go");
    ada.wait_for_prompt("lobby> half a line");
    bob.type_line("are you there");
    ada.wait_for("are you there");
    ada.type_line(" and the rest");
    bob.wait_for("half a line and the rest");
}

#[test]
fn ctrl_c_clears_a_draft_and_ctrl_y_brings_it_back() {
    let server = ServerProcess::start("127.0.0.1:0");
    let mut ada = chat(&server.url, "ada");
    ada.press("not like this\u{3}");
    ada.wait_until("the draft to go", |screen| screen.current_line().ends_with("lobby>"));
    ada.press("\u{19}");
    ada.wait_for_prompt("lobby> not like this");
    // In the middle of the line, too.
    ada.press("\u{1}\u{3}");
    ada.wait_until("the draft to go", |screen| screen.current_line().ends_with("lobby>"));
    ada.type_line("but like this");
    ada.wait_for("but like this  (delivered)");
    // Before that the line that was sent is still being dealt with, and Ctrl-C is a signal.
    ada.wait_for_prompt("lobby>");
    ada.press("\u{3}");
    ada.wait_for("[ended with 130]");
}

#[test]
fn a_long_draft_survives_every_change_of_width_and_so_does_what_was_received() {
    let server = ServerProcess::start("127.0.0.1:0");
    let (mut ada, mut bob) = (chat(&server.url, "ada"), chat(&server.url, "bob"));
    let received: Vec<String> = (1..=6).map(|number| format!("line {number}.")).collect();
    for line in &received {
        bob.type_line(line);
    }
    ada.wait_for("line 6.");
    // With the prompt's 31 columns: one to four rows, as wide as the terminal is; 79 fill the first row to its end.
    for length in [84, 79, 150, 300] {
        let draft: String = (1000..)
            .flat_map(|number: u32| number.to_string().into_bytes())
            .map(char::from)
            .take(length)
            .collect();
        // Key by key past the end of the first row, and back over it.
        ada.press(&format!("{draft}xyz\u{7f}\u{7f}\u{7f}"));
        let end = &draft[draft.len() - 6..];
        let shown = |terminal: &Terminal| {
            terminal.wait_until("the draft as it was typed", |screen| {
                let all = screen.lines().concat();
                all.matches(&draft[..60]).count() == 1 && all.contains(end) && !all.contains("xy")
            });
        };
        shown(&ada);
        for columns in [160, 100, 55, 120, 80, 200, 110] {
            ada.resize(columns);
            shown(&ada);
            // Something to be printed above it, and so a second look at where it stands.
            bob.type_line(&format!("now {columns}, {length}"));
            ada.wait_for(&format!("now {columns}, {length}"));
            shown(&ada);
            let prompt = if columns < 60 { "─ lobby" } else { "lobby>" };
            assert_eq!(count(&ada, prompt), 1, "{columns}: {:#?}", ada.lines());
            if length == 84 {
                for line in &received {
                    assert_eq!(count(&ada, line), 1, "{line} at {columns}: {:#?}", ada.lines());
                }
            }
        }
        ada.press("\u{3}");
        ada.wait_until("the draft to go", |screen| screen.current_line().ends_with("lobby>"));
    }
}

#[test]
fn a_draft_taller_than_the_terminal_leaves_nothing_behind() {
    let server = ServerProcess::start("127.0.0.1:0");
    let (mut ada, mut bob) = (chat(&server.url, "ada"), chat(&server.url, "bob"));
    for number in 1..=6 {
        bob.type_line(&format!("received {number}."));
    }
    ada.wait_for("received 6.");
    let rows: Vec<String> = (1..=60).map(|number| format!("row {number}.")).collect();
    // As a terminal pastes it.
    ada.press(&format!("\u{1b}[200~{}\u{1b}[201~", rows.join("\n")));
    ada.wait_for_prompt("row 60.");
    ada.press(" and");
    ada.press(" more");
    ada.wait_for_prompt("row 60. and more");
    let everything = |terminal: &Terminal| [terminal.scrollback(), terminal.lines()].concat();
    let times = |terminal: &Terminal, text: &str| {
        everything(terminal).iter().filter(|line| line.contains(text)).count()
    };
    let all_is_there_once = |terminal: &Terminal| {
        for number in 1..=6 {
            assert_eq!(times(terminal, &format!("received {number}.")), 1, "{:#?}", everything(terminal));
        }
        assert!(rows.iter().all(|row| times(terminal, row) <= 1), "{:#?}", everything(terminal));
    };
    all_is_there_once(&ada);
    assert_eq!(ada.lines().iter().filter(|line| line.starts_with("row ")).count(), 40);
    // What comes is printed above it.
    bob.type_line("meanwhile");
    ada.wait_until("what was received", |screen| {
        screen.scrollback().iter().any(|line| line.contains("meanwhile"))
    });
    all_is_there_once(&ada);
    // To its beginning, which is shown then, and back.
    ada.press(&format!("{}\u{1}first: ", "\u{1b}[A".repeat(rows.len() - 1)));
    ada.wait_for_prompt("first: row 1.");
    all_is_there_once(&ada);
    ada.press(&format!("{}\u{5}!", "\u{1b}[B".repeat(rows.len() - 1)));
    ada.wait_for_prompt("row 60. and more!");
    all_is_there_once(&ada);
    // Of another width.
    ada.resize(90);
    ada.press("?");
    ada.wait_for_prompt("row 60. and more!?");
    all_is_there_once(&ada);
    // Sent from its middle: what is on the screen is the message, and nothing else.
    ada.press("\u{1b}[D\u{1b}[D\r");
    bob.wait_for("row 60. and more!?");
    ada.wait_for_prompt("lobby>");
    ada.wait_for("row 60. and more!?");
    let shown = everything(&ada);
    assert!(rows.iter().all(|row| times(&ada, row) == 1), "{shown:#?}");
    assert_eq!(times(&ada, "lobby>"), 1, "{shown:#?}");
    assert_eq!(times(&ada, "─ lobby"), 1, "{shown:#?}");
}
