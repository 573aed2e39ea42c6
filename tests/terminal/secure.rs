//! `rejoin serve` over TLS, and the clients that talk to it.

use crate::TlsServer;
use harness::command::Running;
use rcgen::KeyPair;

#[test]
fn a_server_with_a_certificate_is_reached_over_wss_and_its_feed_over_https() {
    let server = TlsServer::start();
    let (url, chain) = (&*server.url, &*server.chain);
    let sent = Running::start(&["send", url, "-r", "lobby", "--token", "ada", "--ca", chain, "hi"]).finish();
    assert_eq!(sent.status, Some(0), "{}", sent.text());
    let feed = url.replace("wss://", "https://").replace("/ws", "/");
    let args = ["tail", &feed, "-r", "lobby", "--token", "bob", "--ca", chain, "--sse", "--history", "1"];
    Running::start(&args).wait_for("ada: hi");
    // Without the certificate's authority nobody is fooled.
    let stranger =
        Running::start(&["send", url, "-r", "lobby", "--token", "ada", "--timeout", "1", "hi"]).finish();
    assert_ne!(stranger.status, Some(0), "{}", stranger.text());
}

#[test]
fn a_private_key_to_verify_with_and_a_retention_that_is_too_short_are_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key.pem");
    std::fs::write(&file, KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let auth = format!("jwt={}", file.display());
    let args = ["serve", "--listen", "127.0.0.1:0", "--auth", &auth, "--retention", "1s"];
    let mut server = Running::start(&args);
    server.wait_for("listening on");
    server.signal("TERM");
    let said = server.wait().text();
    for words in ["a private key is among the server's keys", "--retention is too short"] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
fn a_port_in_use_has_one_exit_status_in_serve_and_in_chat() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for command in ["serve", "chat"] {
        let ended = Running::start(&[command, "--listen", &address]).finish();
        assert_eq!(ended.status, Some(1), "{command}: {}", ended.text());
        let said = ended.text();
        let hint = "another program listens there: stop it, or choose another port";
        assert!(said.contains("cannot listen on") && said.contains(hint), "{command}: {said}");
    }
}
