//! `chat` while the server is away: what a person sees then, and what becomes of what was typed.

use crate::chat::chat;
use harness::command::Running;
use harness::outage_proxy::OutageProxy;
use harness::process::ServerProcess;

#[test]
fn a_message_typed_while_the_connection_is_down_arrives_when_it_is_back() {
    let server = ServerProcess::start("127.0.0.1:0");
    let outage = OutageProxy::start(&server.address());
    let mut bob = chat(&server.url, "bob");
    let mut ada = chat(&format!("ws://{}/ws", outage.address), "ada");
    bob.wait_for("ada joined lobby");
    outage.shut();
    ada.wait_for_prompt("lobby (reconnecting)>");
    bob.type_line("can you hear me");
    bob.wait_for("can you hear me  (delivered)");
    ada.type_line("from the dark");
    ada.wait_for("from the dark  (pending)");
    assert!(!bob.lines().iter().any(|line| line.contains("from the dark")));
    outage.open();
    bob.wait_for("from the dark");
    ada.wait_for("delivered: from the dark");
    // What was said meanwhile is not lost either.
    ada.wait_for("can you hear me");
    ada.wait_for_prompt("lobby>");
    assert!(!ada.lines().iter().any(|line| line.contains("missing")), "{:#?}", ada.lines());
}

#[test]
fn a_server_that_stops_for_a_moment_is_not_left() {
    let server = ServerProcess::start("127.0.0.1:0");
    let mut ada = chat(&server.url, "ada");
    server.freeze();
    ada.type_line("into the ice");
    // No answer comes: the server really stands still.
    ada.wait_for("into the ice  (pending)");
    server.thaw();
    ada.wait_for("delivered: into the ice");
    ada.type_line("thawed");
    ada.wait_for("thawed  (delivered)");
    ada.type_line("/status");
    ada.wait_for("dials 1, connections 1");
    assert!(!ada.lines().iter().any(|line| line.contains("reconnecting") || line.contains("back in")));
}

/// What a proxy says while the server behind it is deployed anew, and the sign-in page of a network.
const NOT_FOUND: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const PAGE: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\nConnection: close\r\n\r\n<p>.";

/// More attempts than an address that has never worked is given.
const ATTEMPTS: usize = 4;

#[test]
fn a_wrong_answer_where_the_server_has_been_is_waited_out_by_pipe_and_by_its_next_run_with_the_same_state() {
    is_waited_out("ws", "ws", "plain");
}

#[test]
fn so_is_one_where_a_socket_io_server_has_been() {
    is_waited_out("http", "", "socketio");
}

fn is_waited_out(scheme: &str, path: &str, protocol: &str) {
    let server = ServerProcess::start("127.0.0.1:0");
    let folder = tempfile::tempdir().unwrap();
    let outage = OutageProxy::start(&server.address());
    let url = format!("{scheme}://{}/{path}", outage.address);
    let state = folder.path().join("state").display().to_string();
    let args = ["pipe", &url, "--protocol", protocol, "-r", "lobby", "--token", "ada", "--state", &state];
    let mut pipe = Running::start(&args);
    pipe.wait_for("\"mode\"");
    outage.shut_with(NOT_FOUND);
    for _ in 0..ATTEMPTS {
        pipe.wait_for("\"code\":404");
    }
    outage.open();
    pipe.wait_for("\"mode\"");
    assert_eq!(pipe.finish().status, Some(0));
    outage.shut_with(PAGE);
    let mut next = Running::start(&args);
    for _ in 0..ATTEMPTS {
        next.wait_for("\"reason\":\"not_websocket\"");
    }
    outage.open();
    next.wait_for("\"mode\"");
    assert_eq!(next.finish().status, Some(0));
}

#[test]
fn a_wrong_answer_where_the_stream_has_been_is_waited_out_by_tail() {
    let server = ServerProcess::start("127.0.0.1:0");
    let outage = OutageProxy::start(&server.address());
    let http = format!("http://{}", outage.address);
    let ws = format!("ws://{}/ws", outage.address);
    let mut tails = [
        Running::start(&["tail", &http, "-r", "lobby", "--sse", "--token", "bob", "--json"]),
        Running::start(&["tail", &ws, "-r", "lobby", "--token", "bob", "--json"]),
    ];
    for tail in &mut tails {
        tail.wait_for("\"connected\"");
    }
    outage.shut_with(NOT_FOUND);
    for tail in &mut tails {
        for _ in 0..ATTEMPTS {
            tail.wait_for("\"code\":404");
        }
    }
    outage.open();
    for tail in &mut tails {
        tail.wait_for("\"connected\"");
        tail.signal("TERM");
    }
    for tail in tails {
        assert_eq!(tail.wait().status, Some(0));
    }
}
