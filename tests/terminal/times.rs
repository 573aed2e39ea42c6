//! When something was said, and by whom: what `chat` shows of it.

use crate::chat::chat;
use crate::rejoin;
use harness::outage_proxy::OutageProxy;
use harness::process::ServerProcess;
use harness::scripted_server::ScriptedServer;
use harness::terminal::Terminal;
use serde_json::json;

fn said(user: &str, content: &str, time: &str) -> String {
    json!({"type": "message", "roomId": "lobby", "userId": user, "content": content, "timestamp": time})
        .to_string()
}

/// A chat in that zone with a server that says these things, which `last` ends.
fn told(zone: &str, options: &str, texts: &[String], last: &str) -> Terminal {
    let scripted = ScriptedServer::start(texts.to_vec());
    let chat = Terminal::run(&format!("TZ={zone} {} chat {} --token ada {options}", rejoin(), scripted.url));
    chat.wait_for(last);
    chat
}

/// What a clock that shows seconds shows now.
fn seconds() -> u64 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

#[test]
fn times_are_local_with_their_days_and_utc_on_request() {
    let texts = [
        said("bob", "before midnight in London", "2026-01-01T14:59:30.000Z"),
        said("bob", "after midnight in Tokyo", "2026-01-01T15:00:30.000Z"),
        said("bob", "much later", "2026-02-01T15:00:30.000Z"),
    ];
    let mut tokyo = told("Asia/Tokyo", "", &texts, "much later");
    assert!(tokyo.wait_for("before midnight").starts_with("23:59:30 "));
    assert!(tokyo.wait_for("after midnight").starts_with("00:00:30 "));
    let days: Vec<String> =
        tokyo.lines().into_iter().filter(|line| line.starts_with("\u{2500}\u{2500}")).collect();
    let wanted = ["Thursday, 1 January 2026", "Friday, 2 January 2026", "Monday, 2 February 2026"];
    assert_eq!(days, wanted.map(|day| format!("\u{2500}\u{2500} {day} \u{2500}\u{2500}")));
    tokyo.type_line("/help");
    tokyo.wait_for("Asia/Tokyo");
    let utc = told("Asia/Tokyo", "--utc", &texts, "much later");
    assert!(utc.wait_for("after midnight").starts_with("15:00:30 "));
}

#[test]
fn history_shows_each_message_with_its_own_time_and_fate() {
    let server = ServerProcess::start("127.0.0.1:0");
    let outage = OutageProxy::start(&server.address());
    let mut ada = chat(&format!("ws://{}/ws", outage.address), "ada");
    ada.type_line("first");
    let first = ada.wait_for("first  (delivered)");
    outage.shut();
    ada.wait_for_prompt("lobby (reconnecting)>");
    ada.type_line("second");
    let second = ada.wait_for("second  (pending)");
    let both = |terminal: &Terminal, line: &str| {
        let line = line.to_owned();
        terminal.wait_until("the same line again", move |screen| {
            screen.lines().iter().filter(|shown| **shown == line).count() == 2
        });
    };
    // A time of its own: the clock goes on before it is shown again.
    let shown = seconds();
    while seconds() == shown {
        std::thread::yield_now();
    }
    ada.type_line("/history");
    both(&ada, &first);
    both(&ada, &second);
    outage.open();
    ada.wait_for("delivered: second");
    ada.type_line("/history 1");
    assert!(ada.wait_for("second  (delivered)").starts_with(&second[..8]));
}

#[test]
fn who_says_that_it_is_offline() {
    let server = ServerProcess::start("127.0.0.1:0");
    let mut ada = chat(&server.url, "ada");
    server.kill();
    ada.wait_for_prompt("lobby (reconnecting)>");
    ada.type_line("/who");
    ada.wait_for("you are offline; before that: in lobby: ada");
}

#[test]
fn what_the_same_user_sends_from_elsewhere_says_so() {
    let server = ServerProcess::start("127.0.0.1:0");
    let (mut here, mut there) = (chat(&server.url, "ada"), chat(&server.url, "ada"));
    there.type_line("from the other window");
    here.wait_for("you \u{2502} from the other window  (sent elsewhere)");
    here.type_line("from this one");
    there.wait_for("you \u{2502} from this one  (sent elsewhere)");
    here.wait_for("you \u{2502} from this one  (delivered)");
    // Who comes later sees all of it as their own, and nothing about where it was sent.
    let later = chat(&server.url, "ada");
    assert!(later.wait_for("from the other window").ends_with("you \u{2502} from the other window"));
}

#[test]
fn a_user_called_you_is_not_taken_for_oneself_or_for_the_program() {
    let server = ServerProcess::start("127.0.0.1:0");
    let ada = chat(&server.url, "ada");
    let mut other = chat(&server.url, "You");
    ada.wait_for("\"You\" joined lobby");
    other.type_line("hello");
    ada.wait_for("\"You\" \u{2502} hello");
}
