//! Notifications: what a server has for one user alone, shown by `chat` and `tail`.

use crate::chat::chat;
use crate::rejoin;
use harness::admin::post;
use harness::command::Running;
use harness::process::ServerProcess;
use harness::terminal::Terminal;

const BODY: &str = r#"{"kind":"order_shipped","data":{"order":7}}"#;

#[test]
fn chat_shows_them_and_tail_when_it_is_asked_to_even_without_a_room() {
    let server = ServerProcess::start_with("127.0.0.1:0", &["--admin", "127.0.0.1:0"]);
    let mut ada = chat(&server.url, "ada");
    // A connection's frames are answered in their order: its joins are done.
    ada.type_line("here");
    ada.wait_for("here  (delivered)");
    let quiet = Terminal::run(&format!("{} chat {} --token ada --notifications=false", rejoin(), server.url));
    quiet.wait_for("joined lobby");
    let mut tail = Running::start(&["tail", &server.url, "--notifications", "--token", "ada"]);
    tail.wait_for("notifications are shown as they come");
    assert_eq!(post(server.admin(), "/users/ada/notifications", BODY), 202);
    let line = tail.wait_for("order_shipped");
    assert!(line.contains("{\"order\":7}"), "{line}");
    ada.wait_for("order_shipped");
    assert!(!ada.lines().iter().any(|line| line.contains("@me")), "{:#?}", ada.lines());
    ada.type_line("after it");
    quiet.wait_for("after it");
    assert!(!quiet.lines().iter().any(|line| line.contains("order_shipped")));
}

#[test]
fn they_are_shown_over_socket_io_too() {
    let server = ServerProcess::start_with("127.0.0.1:0", &["--admin", "127.0.0.1:0"]);
    let socket_io = format!("http://{}", server.address());
    let bob = Terminal::run(&format!("{} chat {socket_io} --protocol socketio --token bob", rejoin()));
    bob.wait_for("joined lobby");
    assert_eq!(post(server.admin(), "/users/bob/notifications", BODY), 202);
    bob.wait_for("order_shipped");
}

#[test]
fn a_feed_of_a_room_has_none_and_says_so() {
    let ended =
        Running::start(&["tail", "http://127.0.0.1:9", "-r", "lobby", "--sse", "--notifications"]).wait();
    assert_eq!(ended.status, Some(2));
    assert!(ended.text().contains("no notifications"), "{}", ended.text());
}
