//! `tail --sse`: rooms read by server-sent events.

use crate::{guarded, run};
use harness::command::Running;
use harness::process::ServerProcess;
use harness::web_page::WebPage;
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Write as _};

fn http(server: &ServerProcess) -> String {
    format!("http://{}", server.address())
}

fn tail(url: &str, more: &[&str]) -> Running {
    let mut args = vec!["tail", url, "-r", "lobby", "--sse", "--token", "bob"];
    args.extend(more);
    Running::start(&args)
}

fn say(server: &ServerProcess, room: &str, text: &str) {
    let sent = Running::start(&["send", &server.url, "-r", room, "--token", "ada", text]).finish();
    assert_eq!(sent.status, Some(0), "{}", sent.text());
}

fn line(running: &mut Running, holding: &str) -> Value {
    serde_json::from_str(&running.wait_for(holding)).unwrap()
}

#[test]
fn it_prints_what_tail_prints_and_a_signal_ends_it_as_documented() {
    let server = ServerProcess::start("127.0.0.1:0");
    for (signal, status) in [("TERM", 0), ("INT", 130)] {
        let mut tail = tail(&http(&server), &[]);
        tail.wait_for("joined lobby");
        say(&server, "lobby", "two\u{1b}[2J\nlines");
        assert_eq!(tail.wait_for("ada: "), "[lobby] ada: two^[[2J\n");
        assert_eq!(tail.wait_for("lines"), "    | lines\n");
        tail.signal(signal);
        let ended = tail.wait();
        assert_eq!(ended.status, Some(status), "SIG{signal}: {}", ended.text());
        assert!(ended.stdout.iter().all(|byte| *byte == b'\n' || !byte.is_ascii_control()));
    }
}

#[test]
fn history_comes_first_and_every_room_has_its_lines() {
    let server = ServerProcess::start("127.0.0.1:0");
    for text in ["one", "two", "three"] {
        say(&server, "lobby", text);
    }
    let mut tail = tail(&http(&server), &["--history", "2", "-r", "kitchen"]);
    assert_eq!(tail.wait_for("ada: "), "[lobby] ada: two\n");
    assert_eq!(tail.wait_for("ada: "), "[lobby] ada: three\n");
    say(&server, "kitchen", "tea");
    assert_eq!(tail.wait_for("ada: "), "[kitchen] ada: tea\n");
}

#[test]
fn json_lines_are_those_of_pipe_with_the_room_of_each_state() {
    let server = ServerProcess::start("127.0.0.1:0");
    let mut tail = tail(&http(&server), &["--json"]);
    let first = line(&mut tail, "state");
    assert_eq!((&first["state"], &first["roomId"]), (&"connecting".into(), &"lobby".into()));
    assert_eq!(line(&mut tail, "state")["state"], "connected");
    say(&server, "lobby", "hi");
    let message = line(&mut tail, "message");
    for (name, value) in [("type", "message"), ("roomId", "lobby"), ("userId", "ada"), ("content", "hi")] {
        assert_eq!(message[name], value, "{message}");
    }
    assert_eq!(message["seq"], 1);
    assert!(message["epoch"].is_string() && message["id"].is_string(), "{message}");
}

#[test]
fn a_killed_server_is_waited_for_and_what_is_lost_is_said() {
    let first = ServerProcess::start("127.0.0.1:0");
    let address = first.address();
    let url = http(&first);
    let mut people = tail(&url, &[]);
    let mut machine = tail(&url, &["--json"]);
    people.wait_for("joined lobby");
    machine.wait_for("connected");
    say(&first, "lobby", "before");
    people.wait_for("before");
    machine.wait_for("before");
    first.kill();
    people.wait_for("retrying");
    let second = ServerProcess::start(&address);
    people.wait_for("back in lobby");
    people.wait_for("lost its history; messages in lobby may be missing");
    let gap = line(&mut machine, "\"gap\"");
    assert_eq!((&gap["after"], &gap["before"]), (&1.into(), &Value::Null));
    assert_eq!(gap["reason"], "epoch_changed");
    say(&second, "lobby", "after");
    people.wait_for("ada: after");
    machine.wait_for("after");
}

#[test]
fn a_killed_reader_goes_on_behind_what_it_has_printed() {
    let server = ServerProcess::start("127.0.0.1:0");
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state").display().to_string();
    let stored = |what: &str| {
        let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while !std::fs::read_to_string(&state).is_ok_and(|content| content.contains(what)) {
            assert!(std::time::Instant::now() < until, "{what} is not stored");
            std::thread::yield_now();
        }
    };
    let bob = || tail(&http(&server), &["--json", "--state", &state]);
    let reader = bob();
    // Before anything has been said there is a place already.
    stored("\"seq\":0");
    reader.signal("KILL");
    drop(reader);
    say(&server, "lobby", "while away");
    let mut reader = bob();
    assert_eq!(line(&mut reader, "\"message\"")["content"], "while away");
    say(&server, "lobby", "read");
    assert_eq!(line(&mut reader, "\"message\"")["content"], "read");
    stored("\"seq\":2");
    reader.signal("KILL");
    drop(reader);
    say(&server, "lobby", "away again");
    let mut reader = bob();
    assert_eq!(line(&mut reader, "\"message\"")["content"], "away again");
    reader.signal("TERM");
    assert_eq!(reader.wait().status, Some(0));
    stored("\"seq\":3");
    let second = ServerProcess::start("127.0.0.1:0");
    let refused = tail(&http(&second), &["--state", &state]).wait();
    assert_eq!(refused.status, Some(2));
    assert!(refused.text().contains("belongs to http://"), "{}", refused.text());
}

#[test]
fn a_hole_in_the_log_is_said_before_what_comes_behind_it() {
    let server = ServerProcess::start_with("127.0.0.1:0", &["--history", "2"]);
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state").display().to_string();
    let mut reader = tail(&http(&server), &["--state", &state]);
    reader.wait_for("joined lobby");
    say(&server, "lobby", "1");
    reader.wait_for("ada: 1");
    reader.signal("TERM");
    assert_eq!(reader.wait().status, Some(0));
    for number in 2..=5 {
        say(&server, "lobby", &number.to_string());
    }
    let mut reader = tail(&http(&server), &["--state", &state]);
    reader.wait_for("2 messages in lobby are missing");
    assert_eq!(reader.wait_for("ada: "), "[lobby] ada: 4\n");
    assert_eq!(reader.wait_for("ada: "), "[lobby] ada: 5\n");
}

#[test]
fn a_refused_token_ends_it_with_3_and_a_token_is_never_shown() {
    let (_tokens, server) = guarded("s3cret bob\n");
    let url = format!("{}/?token=wr0ng", http(&server));
    let ended = Running::start(&["tail", &url, "-r", "lobby", "--sse", "-vv"]).wait();
    assert_eq!(ended.status, Some(3), "{}", ended.text());
    assert!(ended.text().contains("refused the token") && ended.text().contains("[unauthorized]"));
    assert!(!ended.text().contains("wr0ng"), "{}", ended.text());
    let url = format!("{}/?token=s3cret", http(&server));
    let mut tail = Running::start(&["tail", &url, "-r", "lobby", "--sse", "-vv"]);
    tail.wait_for("joined lobby");
    tail.signal("TERM");
    let ended = tail.wait();
    assert_eq!(ended.status, Some(0));
    assert!(!ended.text().contains("s3cret"), "{}", ended.text());
}

/// It is the user who has too much of something, and the server's own words say so.
#[test]
fn a_feed_that_is_refused_for_its_users_quota_says_so_in_the_servers_words() {
    let server = ServerProcess::start_with("127.0.0.1:0", &["--max-user-rooms", "1"]);
    let mut tail = tail(&http(&server), &["-r", "other"]);
    let told = tail.wait_for("as many rooms as one user may");
    for part in ["HTTP 429", "asks to wait for 60 s", "\"this user has made as many rooms as one user may\""]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!told.contains("too many attempts") && !told.contains("takes no more"), "{told}");
    tail.signal("TERM");
    assert_eq!(tail.wait().status, Some(0));
}

#[test]
fn wrong_usage_says_what_to_give_instead() {
    for (args, words) in [
        (&["tail", "ws://127.0.0.1:9/ws", "-r", "lobby", "--sse"][..], "try http://127.0.0.1:9/"),
        (&["tail", "http://127.0.0.1:9/", "-r", "lobby"], "ws://"),
        (&["tail", "ws://127.0.0.1:9/", "--sse"], "try http://127.0.0.1:9/"),
        (&["tail", "http://127.0.0.1:9/", "--sse", "-r", "@me"], "no room name"),
    ] {
        let ended = run(args, b"");
        assert_eq!(ended.status.code(), Some(2), "{args:?}");
        let said = crate::text(&ended.stderr);
        assert!(said.contains(words), "{args:?}: {said}");
    }
}

#[test]
fn a_web_page_in_place_of_a_stream_ends_it_with_3() {
    let page = WebPage::start();
    let url = page.url.replace("ws://", "http://");
    let ended = tail(&url, &[]).wait();
    assert_eq!(ended.status, Some(3), "{}", ended.text());
    assert!(ended.text().contains("web page") && ended.text().contains("[not_event_stream]"));
    assert_eq!(page.requests(), 3);
}

#[test]
fn doctor_tries_the_steps_of_a_stream() {
    let (_tokens, server) = guarded("s3cret bob\n");
    let page = WebPage::start();
    let page = page.url.replace("ws://", "http://");
    let steps = |url: &str, token: &str| {
        let ended = run(&["doctor", url, "--token", token], b"");
        (ended.status.code(), crate::text(&ended.stdout))
    };
    let has = |said: &str, verdict, step| {
        said.lines().any(|line| line.split_whitespace().take(2).eq([verdict, step]))
    };
    let (status, said) = steps(&http(&server), "s3cret");
    assert_eq!(status, Some(0), "{said}");
    for step in ["URL", "DNS", "TCP", "token", "stream"] {
        assert!(has(&said, "ok", step), "{step}: {said}");
    }
    for (url, token, step) in [
        (http(&server), "wrong", "token"),
        (page, "any", "stream"),
        ("http://nowhere.invalid".to_owned(), "a", "DNS"),
    ] {
        let (status, said) = steps(&url, token);
        assert_eq!(status, Some(1), "{said}");
        assert!(has(&said, "failed", step), "{step}: {said}");
    }
}

#[test]
fn doctor_reads_an_address_that_is_a_stream_itself_as_tail_does() {
    let url = format!("{}/feed", other_make(": hello\n\ndata: hi\n\n"));
    let ended = run(&["doctor", &url], b"");
    let said = crate::text(&ended.stdout);
    assert!(said.contains("/feed is a stream itself, and read as it is"), "{said}");
    assert_eq!(ended.status.code(), Some(0), "{said}");
}

/// A server of another make: the stream of each room begins with these events, and stays open.
fn other_make(events: &'static str) -> String {
    stream_server("", events)
}

/// The same, with more fields in the head of its answer.
fn stream_server(fields: &'static str, events: &'static str) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut streams = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            if !lines.any(|line| line.is_ok_and(|line| line.is_empty())) {
                continue;
            }
            let answer =
                format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{fields}\r\n{events}");
            // The client may have hung up.
            if stream.write_all(answer.as_bytes()).is_ok() {
                streams.push(stream);
            }
        }
    });
    url
}

const WEATHER: &str = "event: wea\u{1b}ther\nid: 7\ndata: rain\ndata: wind\n\ndata:\n\ndata: {\"n\":1}\n\n";

#[test]
fn events_of_another_make_are_shown_as_what_they_are() {
    let mut reader = tail(&other_make(WEATHER), &[]);
    assert_eq!(reader.wait_for("ther"), "* wea^[ther: rain\n");
    assert_eq!(reader.wait_for("wind"), "  wind\n");
    assert_eq!(reader.wait_for("{"), "* {\"n\":1}\n");
    let mut reader = tail(&other_make(WEATHER), &["--json"]);
    let event = |event: &str, data: &str| serde_json::json!({ "type": "event", "roomId": "lobby", "event": event, "data": data });
    let mut named = event("wea\u{1b}ther", "rain\nwind");
    named["id"] = "7".into();
    for expected in [named, event("message", ""), event("message", "{\"n\":1}")] {
        assert_eq!(line(&mut reader, "\"event\""), expected);
    }
}

#[test]
fn doctor_warns_of_a_stream_that_is_held_back_and_says_what_to_turn_off() {
    let silent = run(&["doctor", &other_make(""), "--token", "a"], b"");
    let said = crate::text(&silent.stdout);
    // A quiet room looks the same.
    assert_eq!(silent.status.code(), Some(0), "{said}");
    assert!(said.contains("warning stream   nothing has come for 2 s\n"), "{said}");
    assert!(said.contains("proxy_buffering off; gzip off"), "{said}");
    let open = run(&["doctor", &other_make(": hello\n\ndata: hi\n\n"), "--token", "a"], b"");
    assert!(!crate::text(&open.stdout).contains("warning"), "{}", crate::text(&open.stdout));
    let packed =
        run(&["doctor", &stream_server("Content-Encoding: gzip\r\n", "\u{1f}\u{8b}"), "--token", "a"], b"");
    let said = crate::text(&packed.stdout);
    assert_eq!(packed.status.code(), Some(1), "{said}");
    assert!(said.contains("failed  stream ") && said.contains("turn that off for this path"), "{said}");
    assert!(!said.contains("check the URL"), "{said}");
}

#[test]
fn a_stream_of_another_server_is_read_at_its_own_url_and_a_404_says_which_was_asked_for() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = String::new();
            let mut lines = BufReader::new(stream.try_clone().unwrap());
            lines.read_line(&mut request).unwrap();
            let answer = if request.starts_with("GET /my/feed?a=b ") {
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nevent: tick\ndata: seven\n\n"
            } else {
                "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
            };
            // It may have gone.
            let _ = stream.write_all(answer.as_bytes());
            open.push(stream);
        }
    });
    let url = format!("http://{address}/my/feed?a=b");
    let mut tail = Running::start(&["tail", &url, "--sse", "--json"]);
    let line = tail.wait_for("\"seven\"");
    assert!(line.contains("\"roomId\":\"feed\"") && line.contains("\"tick\""), "{line}");
    tail.signal("TERM");
    assert_eq!(tail.wait().status, Some(0));
    let ended = Running::start(&["tail", &url, "--sse", "-r", "r"]).wait();
    assert!(ended.text().contains("no stream of events at /my/feed/rooms/r/events"), "{}", ended.text());
    let ended = Running::start(&["tail", &url, "-r", "r"]).wait();
    assert!(ended.text().contains("add --sse"), "{}", ended.text());
}
