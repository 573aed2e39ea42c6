//! `send` to servers that end the connection, or answer nothing: it says why, and tries again only where something waits for
//! that.

use harness::command::Running;
use std::io::Write as _;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Message};

/// Lets everybody in, and ends the connection at the first message: with a code and a reason, or with neither.
fn ending(close: Option<(u16, &'static str)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/ws", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut socket = tungstenite::accept(stream.unwrap()).unwrap();
            while let Ok(message) = socket.read() {
                if matches!(&message, Message::Text(text) if text.contains("send_message")) {
                    let frame =
                        close.map(|(code, reason)| CloseFrame { code: code.into(), reason: reason.into() });
                    // It may have gone; the next read says so.
                    let _ = socket.close(frame);
                }
            }
        }
    });
    url
}

#[test]
fn send_does_not_say_that_it_tries_again_where_it_ends() {
    for (close, why) in [
        (Some((4402, "you are banned")), "(4402): you are banned"),
        (Some((1011, "broken")), "(1011): broken"),
        (None, "the server closed the connection without a reason"),
    ] {
        let url = ending(close);
        let ended =
            Running::start(&["send", &url, "-r", "lobby", "--token", "ada", "--timeout", "10", "hi"]).wait();
        let said = ended.text();
        assert_eq!(ended.status, Some(1), "{said}");
        assert!(said.contains(why) && said.contains("[unknown]"), "{said}");
        // What was to be done about it.
        assert!(said.contains("with --state FILE"), "{said}");
        assert!(!said.contains("trying again") && !said.contains("1005"), "{said}");
    }
}

#[test]
fn a_line_of_a_message_that_may_have_arrived_says_why_nobody_knows() {
    let url = ending(Some((1011, "broken")));
    let why =
        "it was on its way when the connection was lost (the server closed the connection (1011): broken)";
    let sent = Running::start(&["send", &url, "-r", "lobby", "--token", "ada", "--json", "hi"]).wait();
    let mut pipe = Running::start(&["pipe", &url, "-r", "lobby", "--token", "ada"]);
    pipe.type_line(r#"{"type":"send_message","roomId":"lobby","content":"hi"}"#);
    let in_pipe = pipe.wait_for("\"delivery\"");
    let lines = String::from_utf8(sent.stdout).unwrap();
    for line in [lines.trim_end(), &in_pipe] {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!((&line["status"], &line["code"]), (&"unknown".into(), &"closed".into()), "{line}");
        assert_eq!(line["message"], why, "{line}");
    }
}

#[test]
fn a_server_that_forbids_the_connection_ends_it_and_nothing_is_said_to_be_under_way() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/ws", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut socket = tungstenite::accept(stream.unwrap()).unwrap();
            let _ = socket.close(Some(CloseFrame { code: 4403.into(), reason: "you are banned".into() }));
            while socket.read().is_ok() {}
        }
    });
    let ended = Running::start(&["send", &url, "-r", "lobby", "--token", "ada", "hi"]).wait();
    assert_eq!(ended.status, Some(3), "{}", ended.text());
    let said = ended.text();
    assert!(said.contains("does not allow this connection (4403): you are banned"), "{said}");
    assert!(!said.contains("[unknown]") && !said.contains("trying again"), "{said}");
}

#[test]
fn a_timeout_says_that_the_server_has_not_answered() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/ws", silent.local_addr().unwrap());
    let ended =
        Running::start(&["send", &url, "-r", "lobby", "--token", "ada", "--timeout", "1", "hi"]).wait();
    assert_eq!(ended.status, Some(1), "{}", ended.text());
    assert!(ended.text().contains("the server had not answered by then"), "{}", ended.text());
}

#[test]
fn a_token_that_no_request_can_carry_is_wrong_usage_and_is_not_shown() {
    // Nobody accepts there: a dial would be waited for.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/ws", silent.local_addr().unwrap());
    let secret = "s3cret\nb";
    for args in [
        &["send", &*url, "-r", "lobby", "--token", secret, "hi"][..],
        &["chat", &url, "--token", secret],
        &["pipe", &url, "--token", secret],
        &["tail", &url, "-r", "lobby", "--token", secret],
        &["doctor", &url, "--token", secret],
    ] {
        let ended = Running::start(args).wait();
        let said = ended.text();
        assert_eq!(ended.status, Some(2), "{args:?}: {said}");
        assert!(said.contains("the token has a line break in it"), "{args:?}: {said}");
        assert!(!said.contains("s3cret") && !said.contains("refused"), "{args:?}: {said}");
    }
    // What a script passes whose variable is not set.
    let ended = Running::start(&["send", &url, "-r", "lobby", "--token", "", "hi"]).wait();
    assert_eq!(ended.status, Some(2), "{}", ended.text());
    assert!(ended.text().contains("the token is empty"), "{}", ended.text());
    let ended = Running::start_with(&["send", &url, "-r", "lobby", "hi"], &[("REJOIN_TOKEN", secret)]).wait();
    assert_eq!(ended.status, Some(2), "{}", ended.text());
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "s3cret\u{1}more\n").unwrap();
    let path = file.path().to_str().unwrap();
    let ended = Running::start(&["send", &url, "-r", "lobby", "--token-file", path, "hi"]).wait();
    assert_eq!(ended.status, Some(2), "{}", ended.text());
    assert!(ended.text().contains("has a control character in it"), "{}", ended.text());
}

/// Sends this to whoever connects, before anything is asked, and then only listens.
fn speaking_first(words: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/ws", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // It may have gone.
            let _ = stream.write_all(words);
            open.push(stream);
        }
    });
    url
}

#[test]
fn a_server_that_speaks_first_is_never_said_to_have_closed_the_connection() {
    let ssh = speaking_first(b"SSH-2.0-OpenSSH_9.0\r\n");
    for _ in 0..10 {
        let ended =
            Running::start(&["send", &ssh, "-r", "lobby", "--token", "ada", "--timeout", "9", "hi"]).wait();
        let said = ended.text();
        assert!(said.contains("not HTTP") && said.contains("check the port"), "{said}");
        assert!(!said.contains("closed the connection"), "{said}");
    }
    let said = Running::start(&["doctor", &ssh]).wait().text();
    assert!(said.contains("not HTTP") && !said.contains("a web server answers"), "{said}");
    let half = speaking_first(b"HTTP/1.1 101 Switch");
    let half = ["tail", &half, "-r", "lobby", "--token", "ada", "--connect-timeout", "1"];
    let mut tail = Running::start(&half);
    for attempt in ["retrying", "attempt 2", "attempt 3"] {
        let said = tail.wait_for(attempt);
        assert!(said.contains("no answer in time"), "{said}");
    }
}

#[test]
fn a_token_command_that_will_never_give_a_token_is_wrong_usage_as_such_a_token_is() {
    // Nobody accepts there: a dial would be waited for.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/ws", silent.local_addr().unwrap());
    for command in [r"printf 'a\001b\n'", "/nowhere/at-all"] {
        for (args, at_start) in [
            (&["send", &url, "-r", "lobby", "hi"][..], "[token_unavailable]"),
            (&["tail", &url, "-r", "lobby"], "[token_unavailable]"),
            (&["pipe", &url, "-r", "lobby", "--linger", "60"], "\"reason\":\"token_unavailable\""),
        ] {
            let ended = Running::start(&[args, &["--token-command", command]].concat()).finish();
            assert_eq!(ended.status, Some(2), "{args:?}, {command}: {}", ended.text());
            assert!(ended.text().contains(at_start), "{args:?}, {command}: {}", ended.text());
        }
    }
}

/// A plain server that answers every frame of these types with an error.
fn refusing(types: &'static [&'static str]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/ws", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut socket = tungstenite::accept(stream.unwrap()).unwrap();
            while let Ok(message) = socket.read() {
                if let Message::Text(text) = &message
                    && types.iter().any(|kind| text.contains(kind))
                {
                    let error = format!(r#"{{"type":"error","message":"no {}"}}"#, text.contains("join"));
                    // It may have gone; the next read says so.
                    let _ = socket.send(Message::text(error));
                }
            }
        }
    });
    url
}

#[test]
fn the_words_of_a_plain_server_that_refuses_at_once_are_told() {
    for types in [&["send_message"][..], &["join_room", "send_message"], &["join_room"]] {
        let url = refusing(types);
        let args = ["send", &url, "-r", "lobby", "--token", "ada", "--timeout", "5", "hi"];
        let ended = Running::start(&args).wait();
        let said = ended.text();
        assert_eq!(ended.status, Some(1), "{types:?}: {said}");
        for (kind, words) in
            [("join_room", "the server says: no true"), ("send_message", "the server says: no false")]
        {
            assert_eq!(said.matches(words).count(), usize::from(types.contains(&kind)), "{types:?}: {said}");
        }
    }
}

/// A plain server that passes messages on, to all but the sender, and closes with 4001. Says how many it has taken.
fn revoking() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/ws", listener.local_addr().unwrap());
    let taken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&taken);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut socket = tungstenite::accept(stream.unwrap()).unwrap();
            while let Ok(message) = socket.read() {
                if matches!(&message, Message::Text(text) if text.contains("send_message")) {
                    count.fetch_add(1, Ordering::SeqCst);
                    let frame = CloseFrame { code: 4001.into(), reason: "bye".into() };
                    let _ = socket.close(Some(frame));
                }
            }
        }
    });
    (url, taken)
}

#[test]
fn a_message_that_a_plain_server_has_taken_before_it_closes_with_4001_is_unknown_and_is_not_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state").display().to_string();
    for (more, status) in [
        (&["--token", "ada"][..], 3),
        (&["--token-command", "echo ada"], 1),
        (&["--token", "ada", "--state", &state], 3),
    ] {
        let (url, taken) = revoking();
        let ended = Running::start(&[&["send", &url, "-r", "lobby"][..], more, &["hi"]].concat()).wait();
        assert_eq!(ended.status, Some(status), "{more:?}: {}", ended.text());
        assert!(ended.text().contains("[unknown]"), "{more:?}: {}", ended.text());
        let again = Running::start(&[&["send", &url, "-r", "lobby"][..], more].concat()).finish();
        assert!(!again.text().contains("[kept]"), "{}", again.text());
        assert_eq!(taken.load(Ordering::SeqCst), 1, "{more:?}: {}", again.text());
    }
}

#[test]
fn what_ends_for_good_after_each_message_has_come_back_was_a_success() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/ws", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut socket = tungstenite::accept(stream.unwrap()).unwrap();
            while let Ok(message) = socket.read() {
                if matches!(&message, Message::Text(text) if text.contains("send_message")) {
                    let echo = r#"{"type":"message","roomId":"lobby","userId":"ada","content":"hi","timestamp":"2026-01-01T00:00:00.000Z"}"#;
                    socket.send(echo.into()).unwrap();
                    let frame = CloseFrame { code: 4003.into(), reason: "enough".into() };
                    let _ = socket.close(Some(frame));
                }
            }
        }
    });
    let ended = Running::start(&["send", &url, "-r", "lobby", "--token", "ada", "hi"]).wait();
    assert_eq!(ended.status, Some(0), "{}", ended.text());
}

#[test]
fn a_token_command_that_hangs_is_named_and_does_not_outlive_the_program() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/ws", nobody.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let command = format!("echo $$ > {}; sleep 3600; echo never", file.display());
    let args = ["send", &url, "-r", "lobby", "--timeout", "1", "--token-command", &command, "hi"];
    let ended = Running::start(&args).wait();
    assert_eq!(ended.status, Some(1), "{}", ended.text());
    assert!(ended.text().contains("the token command had not ended by then"), "{}", ended.text());
    let pid = std::fs::read_to_string(file).unwrap();
    // Killed, it may still be on its way out; what has ended has no command line.
    let command_line = format!("/proc/{}/cmdline", pid.trim());
    while std::fs::read(&command_line).is_ok_and(|line| !line.is_empty()) {
        std::thread::yield_now();
    }
}

#[test]
fn a_close_frame_is_answered_with_one() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/ws", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let mut socket = tungstenite::accept(listener.accept().unwrap().0).unwrap();
        // Its first frame: it is ready.
        socket.read().unwrap();
        socket.close(Some(CloseFrame { code: 4003.into(), reason: "".into() })).unwrap();
        loop {
            match socket.read() {
                Ok(Message::Close(frame)) => break frame.map(|frame| u16::from(frame.code)),
                Ok(_) => {}
                Err(why) => panic!("no close frame: {why}"),
            }
        }
    });
    let ended = Running::start(&["pipe", &url, "-r", "lobby", "--token", "ada"]).finish();
    assert_eq!(server.join().unwrap(), Some(4003), "{}", ended.text());
}
