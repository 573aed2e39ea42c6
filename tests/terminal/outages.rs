//! `chat` while the server is away: what a person sees then, and what becomes of what was typed.

use crate::chat::chat;
use harness::gate::Gate;
use harness::process::ServerProcess;

#[test]
fn a_message_typed_while_the_connection_is_down_arrives_when_it_is_back() {
    let server = ServerProcess::start("127.0.0.1:0");
    let gate = Gate::start(&server.address());
    let mut bob = chat(&server.url, "bob");
    let mut ada = chat(&format!("ws://{}/ws", gate.address), "ada");
    bob.wait_for("ada joined lobby");
    gate.shut();
    ada.wait_for_prompt("lobby (reconnecting)>");
    bob.type_line("can you hear me");
    bob.wait_for("can you hear me  (delivered)");
    ada.type_line("from the dark");
    ada.wait_for("from the dark  (pending)");
    assert!(!bob.lines().iter().any(|line| line.contains("from the dark")));
    gate.open();
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
