//! `chat` as a guest of the terminal: Tab helps, and it is left as it was found.

use crate::chat::chat;
use crate::rejoin;
use harness::process::ServerProcess;
use harness::terminal::Terminal;

#[test]
fn tab_completes_the_name_of_a_room_and_the_message_goes_there() {
    let server = ServerProcess::start("127.0.0.1:0");
    let (mut ada, mut bob) = (chat(&server.url, "ada"), chat(&server.url, "bob"));
    bob.type_line("/join kitchen");
    bob.wait_for("joined kitchen");
    ada.type_line("/join kitchen");
    ada.wait_for("joined kitchen");
    bob.wait_for("ada joined kitchen");
    ada.type_line("/join lobby");
    ada.wait_for_prompt("lobby>");
    ada.press("/msg ki\t");
    ada.wait_for_prompt("/msg kitchen");
    ada.type_line("dinner");
    ada.wait_for("dinner  (delivered)");
    bob.wait_for("ada \u{2502} dinner");
}

#[test]
fn the_terminal_is_left_as_it_was_found_however_the_chat_ends() {
    let server = ServerProcess::start("127.0.0.1:0");
    for (keys, status) in [("/quit\r", 0), ("\u{4}", 0), ("half a line\u{3}\u{3}", 130)] {
        let mut ada = Terminal::run(&format!(
            "before=$(stty -g); {} chat {} --token ada; status=$?; \
             [ \"$before\" = \"$(stty -g)\" ] && echo as it was, after $status",
            rejoin(),
            server.url
        ));
        ada.wait_for_prompt("lobby>");
        ada.press(keys);
        ada.wait_for(&format!("as it was, after {status}"));
    }
}
