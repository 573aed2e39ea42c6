//! The conformance kit: `rejoin conformance` against our server, and what it cannot be used on. Servers of another make, and
//! wrong ones, are in the interop suite.

use crate::{TlsServer, run, text};
use harness::closed_port::ClosedPort;
use harness::process::ServerProcess;
use harness::token_reader::{Place, Refusal, TokenReader};
use serde_json::Value;

#[test]
fn our_server_passes_every_check() {
    let server = ServerProcess::start("127.0.0.1:0");
    let output = run(&["conformance", &server.url], b"");
    let table = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{table}{}", text(&output.stderr));
    assert!(table.lines().count() > 40, "{table}");
    assert!(table.trim_end().ends_with(" ok, 0 failed, 0 warned, 0 not tried"), "{table}");
}

#[test]
fn each_check_is_a_json_line_and_one_user_leaves_out_what_takes_two() {
    let server = ServerProcess::start("127.0.0.1:0");
    let output = run(&["conformance", &server.url, "--token", "ada", "--json"], b"");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    let lines: Vec<Value> = table.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = |result: &str| lines.iter().filter(|line| line["result"] == result).count();
    assert!(count("ok") > 25 && count("not_tried") > 5 && count("failed") == 0, "{table}");
    assert!(lines.iter().all(|line| line["section"].is_string() && line["check"].is_string()), "{table}");
}

#[test]
fn the_options_of_requests_are_those_of_the_other_commands() {
    // Lets in who shows the token in the header alone.
    let guarded = TokenReader::start(Place::Header, Refusal::Http, "ada-the-first");
    let args = ["conformance", &guarded.url, "--token", "ada-the-first", "--timeout", "1"];
    let output = run(&args, b"");
    assert!(text(&output.stderr).contains("[unreachable]"), "{}", text(&output.stderr));
    let server = TlsServer::start();
    let (url, chain) = (&*server.url, &*server.chain);
    for place in ["header", "query"] {
        let options =
            ["--ca", chain, "--token-in", place, "--header", "X-Key: s3cret", "--connect-timeout", "9"];
        let output = run(&[&["conformance", url][..], &options].concat(), b"");
        let table = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{place}: {table}{}", text(&output.stderr));
        assert!(table.trim_end().ends_with(" ok, 0 failed, 0 warned, 0 not tried"), "{table}");
        assert!(!table.contains("s3cret"), "{table}");
    }
    let stranger = run(&["conformance", url, "--timeout", "1"], b"");
    assert!(text(&stranger.stderr).contains("[unreachable]"), "{}", text(&stranger.stderr));
    assert!(text(&stranger.stderr).contains("certificate"), "{}", text(&stranger.stderr));
}

#[test]
fn an_address_without_a_server_and_one_with_a_token_are_told() {
    let nobody = ClosedPort::hold();
    let output = run(&["conformance", &nobody.url(), "--timeout", "2"], b"");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("[unreachable]"), "{}", text(&output.stderr));
    let output = run(&["conformance", "ws://127.0.0.1:1/ws?token=s3cret"], b"");
    assert_eq!(output.status.code(), Some(2));
    let complaint = text(&output.stderr);
    assert!(complaint.contains("--token") && !complaint.contains("s3cret"), "{complaint}");
}
