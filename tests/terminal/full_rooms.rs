//! A room that lets nobody in for now: every command says so, and why, and goes on trying.

use harness::command::Running;
use harness::process::ServerProcess;
use serde_json::Value;

/// A server whose rooms take one member, and the member of `lobby`.
fn full() -> (ServerProcess, Running) {
    let server = ServerProcess::start_with("127.0.0.1:0", &["--max-members", "1"]);
    let mut member = Running::start(&["pipe", &server.url, "-r", "lobby", "--token", "ada"]);
    member.wait_for("\"joined\"");
    (server, member)
}

#[test]
fn pipe_prints_the_refusal_once_and_joins_when_there_is_room() {
    let (server, member) = full();
    let mut pipe = Running::start(&["pipe", &server.url, "-r", "lobby", "--token", "bob"]);
    let line: Value = serde_json::from_str(&pipe.wait_for("room_full")).unwrap();
    assert_eq!(line["type"], "error");
    assert_eq!((&line["roomId"], &line["willRetry"]), (&"lobby".into(), &true.into()), "{line}");
    assert_eq!(member.finish().status, Some(0));
    pipe.wait_for("\"joined\"");
    let ended = pipe.finish();
    assert_eq!(ended.status, Some(0), "{}", ended.text());
}

#[test]
fn tail_says_on_stderr_why_it_shows_nothing() {
    let (server, _member) = full();
    let mut tail = Running::start(&["tail", "--json", &server.url, "-r", "lobby", "--token", "bob"]);
    tail.wait_for("room_full");
    tail.signal("TERM");
    let ended = tail.wait();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(said, "rejoin: cannot join lobby yet: the room is full (room_full); trying again\n");
}

#[test]
fn send_says_why_it_waits_and_why_it_has_not_sent() {
    let (server, member) = full();
    let args = ["send", &server.url, "-r", "lobby", "--token", "bob", "--timeout"];
    let ended = Running::start(&[&args[..], &["1", "hi"]].concat()).finish();
    assert_eq!(ended.status, Some(1));
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(said.starts_with("rejoin: cannot join lobby yet: the room is full (room_full)"), "{said}");
    assert!(said.contains("[timeout]\n  lobby could not be joined: the room is full"), "{said}");
    // What waits is sent when there is room.
    let mut waiting = Running::start(&["pipe", &server.url, "-r", "lobby", "--token", "bob"]);
    waiting.type_line(r#"{"type":"send_message","roomId":"lobby","content":"later"}"#);
    waiting.wait_for("room_full");
    assert_eq!(member.finish().status, Some(0));
    waiting.wait_for("acked");
    assert_eq!(waiting.finish().status, Some(0));
}

#[test]
fn chat_says_it_in_a_line_and_a_message_that_was_not_sent_says_why() {
    let (server, _member) = full();
    let mut chat = Running::start(&["chat", &server.url, "-r", "lobby", "--token", "bob"]);
    chat.wait_for("* cannot join lobby yet: the room is full (room_full); trying again");
    let far = "x".repeat(9000);
    chat.type_line("/leave lobby");
    chat.wait_for("left lobby");
    chat.type_line("/join quiet");
    chat.wait_for("joined quiet");
    chat.type_line(&far);
    chat.wait_for("(not sent: it is too long)");
    chat.wait_for("at most 8192 bytes are taken at once");
}

#[test]
fn a_message_that_is_too_large_is_told_with_the_servers_limit() {
    let server = ServerProcess::start_with("127.0.0.1:0", &["--max-content", "100"]);
    let far = "x".repeat(101);
    let sent = Running::start(&["send", &server.url, "-r", "lobby", "--token", "ada", &far]).finish();
    assert_eq!(sent.status, Some(1));
    let said = String::from_utf8(sent.stderr).unwrap();
    assert!(
        said.contains("[too_large]") && said.contains("it has 101 bytes, and at most 100 bytes"),
        "{said}"
    );
    let mut pipe = Running::start(&["pipe", &server.url, "-r", "lobby", "--token", "ada"]);
    pipe.wait_for("\"joined\"");
    pipe.type_line(
        &serde_json::json!({"type": "send_message", "roomId": "lobby", "content": far}).to_string(),
    );
    let delivery = pipe.wait_for("\"delivery\"");
    assert!(
        delivery.contains("too_large") && delivery.contains("it has 101 bytes, and at most 100 bytes"),
        "{delivery}"
    );
}

#[test]
fn a_first_message_that_is_far_too_large_is_told_so_by_every_command() {
    let server = ServerProcess::start("127.0.0.1:0");
    for bytes in [9_000, 100_000] {
        let far = "x".repeat(bytes);
        // It is on its way before the server has said its limits.
        let sent = Running::start(&["send", &server.url, "-r", "lobby", "--token", "ada", &far]).finish();
        let said = String::from_utf8(sent.stderr).unwrap();
        assert_eq!(sent.status, Some(1), "{said}");
        assert!(
            said.contains("[too_large]")
                && said.contains(&format!("it has {bytes} bytes, and at most 8192 bytes")),
            "{said}"
        );
        let mut pipe = Running::start(&["pipe", &server.url, "-r", "lobby", "--token", "ada"]);
        pipe.type_line(
            &serde_json::json!({"type": "send_message", "roomId": "lobby", "content": far}).to_string(),
        );
        let delivery = pipe.wait_for("\"delivery\"");
        assert!(
            delivery.contains("too_large")
                && delivery.contains(&format!("it has {bytes} bytes, and at most 8192 bytes")),
            "{delivery}"
        );
        let mut chat = Running::start(&["chat", &server.url, "-r", "lobby", "--token", "ada"]);
        chat.type_line(&far);
        chat.wait_for("(not sent: it is too long)");
        chat.wait_for(&format!("it has {bytes} bytes, and at most 8192 bytes are taken at once"));
    }
}
