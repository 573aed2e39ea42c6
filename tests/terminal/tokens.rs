//! The place of the token: where it was given, or where it is told to go; and what `doctor` says of a server that reads
//! it elsewhere.

use crate::{guarded, run, text};
use harness::command::{Ended, Running};
use harness::process::ServerProcess;
use harness::token_reader::{Place, Refusal, TokenReader};
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::sync::mpsc::{Sender, channel};
use tokio_tungstenite::tungstenite;

const CANARY: &str = "canary-7f3a9c51";

fn ended(args: &[&str], variables: &[(&str, &str)], lines: &[&str]) -> Ended {
    let mut running = Running::start_with(&[args, &["-vvv"]].concat(), variables);
    for line in lines {
        running.type_line(line);
    }
    let ended = running.finish();
    assert!(!ended.text().contains(CANARY), "{args:?}: {}", ended.text());
    ended
}

#[test]
fn a_token_in_the_url_is_sent_in_the_url_by_every_command() {
    let server = TokenReader::start(Place::Query, Refusal::Close, CANARY);
    let url = format!("{}?a=1&token={CANARY}", server.url);
    let message = r#"{"type":"send_message","roomId":"lobby","content":"hi"}"#;
    for (args, line) in [
        (&["send", &url, "-r", "lobby", "hi"][..], None),
        (&["pipe", &url, "-r", "lobby"], Some(message)),
        (&["chat", &url], Some("hi")),
        (&["doctor", &url], None),
    ] {
        let ended = ended(args, &[], line.as_slice());
        assert_eq!(ended.status, Some(0), "{args:?}: {}", ended.text());
    }
    let mut tail = Running::start(&["tail", &url, "-r", "lobby", "--json"]);
    tail.wait_for("connected");
    tail.signal("TERM");
    assert_eq!(tail.wait().status, Some(0));
    // The environment and a profile speak of tokens that are not in the URL.
    let ended = ended(&["send", &url, "-r", "lobby", "hi"], &[("REJOIN_TOKEN_IN", "header")], &[]);
    assert_eq!(ended.status, Some(0), "{}", ended.text());
}

#[test]
fn a_token_from_elsewhere_goes_where_option_variable_and_profile_say_in_that_order() {
    let query = TokenReader::start(Place::Query, Refusal::Close, CANARY);
    let header = TokenReader::start(Place::Header, Refusal::Close, CANARY);
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("rejoin")).unwrap();
    let profile = "[profiles.q]\ntoken_in = \"query\"\n";
    std::fs::write(folder.path().join("rejoin/config.toml"), profile).unwrap();
    let config = ("XDG_CONFIG_HOME", folder.path().to_str().unwrap());
    let in_header = ("REJOIN_TOKEN_IN", "header");
    let in_query = ("REJOIN_TOKEN_IN", "query");
    for (server, options, variables, status) in [
        (&query, &[][..], &[config][..], Some(3)),
        (&query, &["--token-in", "query"], &[config, in_header], Some(0)),
        (&query, &[], &[config, in_query], Some(0)),
        (&query, &["--profile", "q"], &[config], Some(0)),
        (&header, &["--profile", "q"], &[config, in_header], Some(0)),
        (&header, &[], &[config], Some(0)),
        (&header, &[], &[config, ("REJOIN_TOKEN_IN", "cookie")], Some(2)),
    ] {
        let variables = [variables, &[("REJOIN_TOKEN", CANARY)]].concat();
        let ended = ended(&[&["send", &server.url, "-r", "lobby", "hi"], options].concat(), &variables, &[]);
        assert_eq!(ended.status, status, "{options:?} {variables:?}: {}", ended.text());
    }
}

#[test]
fn doctor_tries_the_other_place_and_says_which_one_works() {
    for refusal in [Refusal::Close, Refusal::Http] {
        let query = TokenReader::start(Place::Query, refusal, CANARY);
        let found = ended(&["doctor", &query.url, "--token", CANARY], &[], &[]);
        assert_eq!(found.status, Some(1), "{}", found.text());
        assert!(found.text().contains("add --token-in query"), "{}", found.text());
        let header = TokenReader::start(Place::Header, refusal, CANARY);
        let in_url = format!("{}?token={CANARY}", header.url);
        let found = ended(&["doctor", &in_url], &[], &[]);
        assert!(found.text().contains("add --token-in header"), "{}", found.text());
        // And that is true.
        assert_eq!(ended(&["doctor", &in_url, "--token-in", "header"], &[], &[]).status, Some(0));
        let found = ended(&["doctor", &query.url, "--token", "another"], &[], &[]);
        assert!(
            found
                .text()
                .contains("in the Authorization header and in the URL (?token=) and in the first message"),
            "{}",
            found.text()
        );
        assert!(!found.text().contains("another "), "{}", found.text());
        let found = ended(&["doctor", &query.url], &[], &[]);
        assert!(found.text().contains("none was given"), "{}", found.text());
    }
}

#[test]
fn a_server_that_looks_at_the_token_in_the_first_message_gets_it_there() {
    let server = TokenReader::start(Place::Message, Refusal::Close, CANARY);
    let message = r#"{"type":"send_message","roomId":"lobby","content":"hi"}"#;
    let in_message = ["--token", CANARY, "--token-in", "message"];
    for (args, line) in [
        (&["send", &server.url, "-r", "lobby", "hi"][..], None),
        (&["pipe", &server.url, "-r", "lobby"], Some(message)),
        (&["chat", &server.url], Some("hi")),
        (&["doctor", &server.url], None),
    ] {
        let ended = ended(&[args, &in_message].concat(), &[], line.as_slice());
        assert_eq!(ended.status, Some(0), "{args:?}: {}", ended.text());
        assert!(!ended.text().contains("garbled"), "{}", ended.text());
    }
    let found = ended(&["doctor", &server.url, "--token", CANARY], &[], &[]);
    assert!(
        found.text().contains("it is accepted in the first message: add --token-in message"),
        "{}",
        found.text()
    );
    let refused = ended(
        &["send", &server.url, "-r", "lobby", "hi", "--token", "another", "--token-in", "message"],
        &[],
        &[],
    );
    assert_eq!(refused.status, Some(3), "{}", refused.text());
}

#[test]
fn a_server_that_wants_a_token_where_none_was_given_is_told_so_in_those_words() {
    let words = "rejoin: this server wants a token and none was given: --token NAME, --token-file FILE or REJOIN_TOKEN";
    for (refusal, more) in
        [(Refusal::Close, ""), (Refusal::Http, " (the server answered HTTP 401 Unauthorized ")]
    {
        let server = TokenReader::start(Place::Header, refusal, CANARY);
        for args in [&["tail", &server.url, "-r", "lobby"][..], &["send", &server.url, "-r", "lobby", "hi"]] {
            let refused = Running::start(args).wait();
            assert_eq!(refused.status, Some(3));
            let said = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert!(said.starts_with(&format!("{words}{more}")), "{args:?}: {said}");
            assert!(said.ends_with(" [unauthorized]\n"), "{args:?}: {said}");
        }
    }
}

#[test]
fn a_token_command_that_fails_is_told_on_stderr_at_once_and_once_for_each_cause() {
    let server = TokenReader::start(Place::Header, Refusal::Close, CANARY);
    let reads_streams = ServerProcess::start("127.0.0.1:0");
    let streams = format!("http://{}", reads_streams.address());
    let folder = tempfile::tempdir().unwrap();
    let count = folder.path().join("count");
    // It fails twice in the same way and then in another one. Two feeds run it at the same time: each run has its number.
    let command = format!(
        "case $(flock {0}.lock sh -c 'echo x >> {0}; wc -l < {0}') in 1|2) echo no network >&2; exit 1;; \
         3) echo no disk >&2; exit 1;; esac; echo {CANARY}",
        count.display()
    );
    for args in [
        &["pipe", &server.url, "-r", "lobby"][..],
        &["tail", &server.url, "-r", "lobby", "--json"],
        &["tail", &server.url, "-r", "lobby"],
        &["tail", &streams, "-r", "lobby", "-r", "kitchen", "--sse"],
        &["tail", &streams, "-r", "lobby", "--sse", "--json"],
        &["send", &server.url, "-r", "lobby", "hi"],
    ] {
        // It may not be there yet.
        let _ = std::fs::remove_file(&count);
        let args = [args, &["--token-command", &command]].concat();
        let mut running = Running::start(&args);
        if args[0] != "send" {
            let is_read = args[0] == "tail" && !args.contains(&"--json");
            running.wait_for(if is_read { "joined lobby" } else { "\"connected\"" });
            running.signal("TERM");
        }
        let ended = running.wait();
        assert_eq!(ended.status, Some(0), "{args:?}: {}", ended.text());
        let said = String::from_utf8(ended.stderr).unwrap();
        for why in ["no network", "no disk"] {
            let line = format!("rejoin: the token command failed (exit status: 1): {why}; trying again\n");
            assert_eq!(said.matches(&line).count(), 1, "{args:?}: {said}");
        }
        assert!(!said.contains(CANARY), "{said}");
    }
}

#[test]
fn a_token_command_that_takes_long_is_told_before_it_is_given_up() {
    let server = TokenReader::start(Place::Header, Refusal::Close, CANARY);
    let args = ["send", &server.url, "-r", "lobby", "hi", "--token-command", "sleep 4; echo canary-7f3a9c51"];
    let ended = ended(&args, &[], &[]);
    assert_eq!(ended.status, Some(0), "{}", ended.text());
    assert!(ended.text().contains("the token command has not ended after 3 s"), "{}", ended.text());
}

/// An extended server that says that the token is about to expire, each time it is told to.
fn expiring() -> (String, Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/ws", listener.local_addr().unwrap());
    let (expire, told) = channel();
    std::thread::spawn(move || {
        let mut socket = tungstenite::accept(listener.accept().unwrap().0).unwrap();
        let hello = r#"{"type":"hello","v":1,"userId":"ada","serverTime":0,"heartbeatMs":30000,"dedupeWindowMs":600000,
            "limits":{"frameBytes":65536,"contentBytes":8192,"rooms":100,"inFlight":64,"replay":200},
            "reconnect":{"windowMs":1000}}"#;
        socket.send(tungstenite::Message::text(hello)).unwrap();
        while told.recv().is_ok() {
            let _ = socket.send(tungstenite::Message::text(r#"{"type":"auth_expiring","inMs":60000}"#));
        }
    });
    (url, expire)
}

#[test]
fn a_token_file_that_cannot_be_read_for_a_refresh_is_told_once_while_the_connection_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    for command in ["pipe", "chat"] {
        let (url, expire) = expiring();
        std::fs::write(&file, CANARY).unwrap();
        let (stderr, writer) = std::io::pipe().unwrap();
        let args = [command, &url, "--token-file", file.to_str().unwrap()];
        let running = Running::start_logging_into(&[&args[..], &["-vv"]].concat(), writer);
        let mut lines = BufReader::new(stderr).lines().map(|line| line.unwrap());
        let mut until =
            |part: &str| lines.by_ref().take_while(|line| !line.contains(part)).collect::<Vec<_>>();
        until("the mode is decided");
        std::fs::remove_file(&file).unwrap();
        for _ in 0..2 {
            expire.send(()).unwrap();
        }
        until("cannot be read");
        running.signal("TERM");
        let ended = running.wait();
        assert_eq!(ended.status, Some(0), "{command}: {}", ended.text());
        let rest: Vec<String> = lines.collect();
        assert!(!rest.iter().any(|line| line.contains("cannot be read")), "{rest:?}");
    }
}

#[test]
fn a_ticket_that_was_used_or_is_none_any_more_is_told_as_such_and_not_as_no_token() {
    let (_tokens, server) = guarded("good ada\n");
    for given in [format!("{}?ticket=rejoin-ticket-gone", server.url), server.url.clone()] {
        let mut args = vec!["send", &given, "-r", "lobby", "hello"];
        if given == server.url {
            args.extend(["--token", "rejoin-ticket-gone"]);
        }
        let output = run(&args, b"");
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains("the ticket was used before or has expired"), "{said}");
        assert!(!said.contains("none was given") && !said.contains("rejoin-ticket-gone"), "{said}");
    }
}
