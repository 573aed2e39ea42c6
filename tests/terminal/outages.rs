//! `chat` while the server is away: what a person sees then, and what becomes of what was typed.

use crate::chat::chat;
use harness::gate::Gate;
use harness::process::ServerProcess;

#[test]
fn a_message_typed_while_the_connection_is_down_arrives_when_it_is_back() {
    let server = ServerProcess::start("127.0.0.1:0");
    let gate = Gate::start(&server.address());
    // Bob stays: on a plain server only who is there hears it.
    let bob = chat(&server.url, "bob");
    let mut ada = chat(&format!("ws://{}/ws", gate.address), "ada");
    bob.wait_for("ada joined lobby");
    gate.shut();
    ada.wait_for_prompt("lobby (reconnecting)>");
    ada.type_line("from the dark");
    ada.wait_for("from the dark  (pending)");
    assert!(!bob.lines().iter().any(|line| line.contains("from the dark")));
    gate.open();
    bob.wait_for("from the dark");
    ada.wait_for("may have been missed");
    ada.wait_for_prompt("lobby>");
}

#[test]
fn a_server_that_stops_for_a_moment_is_not_left() {
    let server = ServerProcess::start("127.0.0.1:0");
    let mut ada = chat(&server.url, "ada");
    server.freeze();
    ada.type_line("into the ice");
    // No echo comes: the server really stands still.
    ada.wait_for("into the ice  (written)");
    server.thaw();
    ada.type_line("thawed");
    ada.wait_for("thawed  (delivered)");
    ada.type_line("/status");
    ada.wait_for("dials 1, connections 1");
    assert!(!ada.lines().iter().any(|line| line.contains("reconnecting") || line.contains("back in")));
}
