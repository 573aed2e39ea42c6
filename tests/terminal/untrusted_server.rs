//! A server that cannot be trusted: names, rooms, times and errors that would take over the screen.

use crate::chat::chat;
use harness::command::Running;
use harness::scripted_server::ScriptedServer;
use serde_json::json;

/// Clears the screen, sets a title, writes the clipboard, C1, carriage return, line feed, reversed direction.
const HOSTILE: &str =
    "\u{1b}[2J\u{1b}]0;t\u{7}\u{1b}]8;;http://x\u{7}\u{1b}]52;c;aGk=\u{7}\u{9b}2J\u{90}q\u{9c}\r\n\u{202e}!";

#[test]
fn no_string_of_a_servers_reaches_the_terminal_as_it_came() {
    let frame = |room: &str, user: &str, content: &str, time: &str| {
        json!({"type": "message", "roomId": room, "userId": user, "content": content, "timestamp": time})
            .to_string()
    };
    let time = "2026-01-01T12:34:56.000Z";
    let scripted = ScriptedServer::start(vec![
        frame("lobby", HOSTILE, "by a strange name", time),
        frame("lobby", "eve", HOSTILE, time),
        frame("lobby", "eve", "at a strange time", HOSTILE),
        json!({"type": "user_joined", "roomId": "lobby", "userId": HOSTILE}).to_string(),
        json!({"type": "error", "message": HOSTILE}).to_string(),
        HOSTILE.to_owned(),
        json!({"type": HOSTILE}).to_string(),
        frame("lobby", "you", "not by you", time),
        frame("lobby", "eve", "the last word", time),
    ]);
    let ada = chat(&scripted.url, "ada");
    ada.wait_for("the last word");
    ada.wait_for_prompt("lobby>");
    assert_eq!(ada.suspicious(), Vec::<String>::new());
    let lines = ada.lines();
    let holds = |text: &str| lines.iter().any(|line| line.contains(text));
    for kept in ["joined lobby", "by a strange name", "at a strange time", "\"you\" \u{2502} not by you"] {
        assert!(holds(kept), "{kept:?} is gone: {lines:#?}");
    }
    assert!(!lines.iter().any(|line| line.contains('\u{202e}')), "{lines:#?}");
    // Nothing but times and names to the left of the gutter: the line feed began no line of its own.
    assert!(!lines.iter().any(|line| line.starts_with(['!', '\\'])), "{lines:#?}");
}

#[test]
fn what_is_unreadable_is_told_once_and_counted_at_the_end() {
    let last = json!({"type": "message", "roomId": "lobby", "userId": "eve", "content": "the last word", "timestamp": "t"});
    let scripted =
        ScriptedServer::start(vec!["ping".to_owned(), "pong".to_owned(), "{".to_owned(), last.to_string()]);
    let mut pipe = Running::start(&["pipe", &scripted.url, "-r", "lobby", "--token", "ada"]);
    let line: serde_json::Value = serde_json::from_str(&pipe.wait_for("\"garbled\"")).unwrap();
    assert_eq!((&line["count"], &line["raw"]), (&json!(1), &json!("ping")));
    pipe.wait_for("the last word");
    let ended = pipe.finish();
    assert_eq!(ended.text().matches("\"garbled\"").count(), 1, "{}", ended.text());
    assert!(
        ended.text().contains("3 unreadable frames of the server's were skipped in all"),
        "{}",
        ended.text()
    );
}
