//! A proxy on the way that cuts quiet connections: who is told, and what.

use crate::chat::chat;
use crate::{run, text};
use harness::command::Running;
use harness::idle_proxy::IdleProxy;
use harness::process::ServerProcess;
use std::time::Duration;

/// The shortest silence that is taken for a timeout, and a little.
const TIMEOUT: Duration = Duration::from_millis(2_700);

#[test]
fn a_proxy_that_cuts_quiet_connections_is_told_of_once_it_has_done_so_twice() {
    let server = ServerProcess::start("127.0.0.1:0");
    let proxy = IdleProxy::start(&server.address(), TIMEOUT);
    let url = format!("ws://{}/ws", proxy.address);
    let http = format!("http://{}", proxy.address);
    let chat = chat(&url, "ada");
    let mut tail = Running::start(&["tail", &url, "-r", "lobby", "--token", "bob"]);
    let mut feed = Running::start(&["tail", &http, "-r", "lobby", "--sse", "--token", "bob"]);
    let mut pipe = Running::start(&["pipe", &url, "-r", "kitchen", "--token", "eve"]);
    for reader in [&mut tail, &mut feed] {
        let line = reader.wait_for("cut twice");
        let advice = "set the proxy's timeout above 3 s (nginx: proxy_read_timeout";
        assert!(line.contains("after 3 s without traffic") && line.contains(advice), "{line}");
    }
    // The line is as wide as the terminal.
    chat.wait_for("cut twice");
    // The notice is printed with the second loss.
    for _ in 0..2 {
        pipe.wait_for("\"reconnecting\"");
    }
    pipe.wait_for("\"connected\"");
    let ended = pipe.finish();
    let stderr = text(&ended.stderr);
    assert_eq!(stderr.matches("rejoin: the connection was cut twice after 3 s").count(), 1, "{stderr}");
}

#[test]
fn doctor_holds_a_quiet_connection_and_names_the_timeout_that_cuts_it() {
    let server = ServerProcess::start("127.0.0.1:0");
    let proxy = IdleProxy::start(&server.address(), TIMEOUT);
    for url in [format!("ws://{}/ws", proxy.address), format!("http://{}", proxy.address)] {
        let examined = run(&["doctor", &url, "--token", "ada", "--idle", "10"], b"");
        let said = text(&examined.stdout);
        // It works, for those who say something now and then.
        assert_eq!(examined.status.code(), Some(0), "{said}");
        let finding = "warning idle     cut twice after 3 s without traffic: an idle timeout on the way";
        assert!(said.contains(finding), "{said}");
        assert!(said.contains("nginx: proxy_read_timeout; haproxy: timeout tunnel"), "{said}");
    }
}

#[test]
fn doctor_names_a_timeout_that_is_shorter_than_any_usual_one() {
    let server = ServerProcess::start("127.0.0.1:0");
    let proxy = IdleProxy::start(&server.address(), Duration::from_millis(2_200));
    for url in [format!("ws://{}/ws", proxy.address), format!("http://{}", proxy.address)] {
        let examined = run(&["doctor", &url, "--token", "ada", "--idle", "8"], b"");
        let said = text(&examined.stdout);
        assert!(said.contains("warning idle     cut twice after 2 s without traffic"), "{said}");
    }
}

#[test]
fn doctor_says_how_long_a_quiet_connection_was_held() {
    let server = ServerProcess::start("127.0.0.1:0");
    let held = run(&["doctor", &server.url, "--token", "ada", "--idle", "1"], b"");
    let said = text(&held.stdout);
    assert!(said.contains("ok      idle     held for 1 s without traffic\n"), "{said}");
    let not_tried = run(&["doctor", &server.url, "--token", "ada"], b"");
    assert!(text(&not_tried.stdout).contains("-       idle     not tried: with --idle SECS"));
}
