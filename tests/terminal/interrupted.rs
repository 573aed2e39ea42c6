//! Sends that have no outcome when a command ends: after Ctrl-C, and after the connection has failed for
//! good.

use harness::closed_port::ClosedPort;
use harness::command::{Ended, Running};
use harness::refusing_server::RefusingServer;
use harness::web_page::WebPage;
use serde_json::Value;
use std::io::{BufRead as _, BufReader, PipeReader};

fn send(reference: &str) -> String {
    format!(r#"{{"type":"send_message","roomId":"silent","content":"{reference}","ref":"{reference}"}}"#)
}

/// The outcomes by `ref`, as status and code.
fn outcomes(ended: &Ended) -> Vec<(String, String, String)> {
    let lines = ended.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let lines = lines.map(|line| serde_json::from_slice::<Value>(line).unwrap());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut told: Vec<_> = lines
        .filter(|line| line["type"] == "delivery")
        .map(|line| (text(&line["ref"]), text(&line["status"]), text(&line["code"])))
        .collect();
    told.sort();
    told
}

fn outcome(reference: &str, status: &str, code: &str) -> (String, String, String) {
    (reference.to_owned(), status.to_owned(), code.to_owned())
}

#[test]
fn pipe_tells_the_outcome_of_every_send_before_an_interrupt_ends_it() {
    let server = RefusingServer::start();
    let mut pipe = Running::start(&["pipe", &server.url, "-r", "silent", "--token", "ada"]);
    pipe.wait_for("\"joined\"");
    pipe.type_line(&send("sent"));
    // Answered by a line of its own: what stands before it has been read.
    pipe.type_line(r#"{"type":"none"}"#);
    pipe.wait_for("unknown_type");
    pipe.signal("INT");
    let ended = pipe.wait();
    assert_eq!(ended.status, Some(130));
    assert_eq!(outcomes(&ended), [outcome("sent", "unknown", "closed")], "{}", ended.text());

    let nobody = ClosedPort::hold();
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state").display().to_string();
    for (more, status, code) in [(&[][..], "failed", "closed"), (&["--state", &state], "kept", "")] {
        let url = nobody.url();
        let mut pipe =
            Running::start(&[&["pipe", &url, "-r", "silent", "--token", "ada"][..], more].concat());
        for reference in ["1", "2"] {
            pipe.type_line(&send(reference));
        }
        pipe.type_line(r#"{"type":"none"}"#);
        pipe.wait_for("unknown_type");
        pipe.signal("INT");
        let ended = pipe.wait();
        assert_eq!(ended.status, Some(130));
        let expected = ["1", "2"].map(|reference| outcome(reference, status, code));
        assert_eq!(outcomes(&ended), expected, "{}", ended.text());
    }
}

/// What `send` says on stderr, line by line.
struct Said(std::io::Lines<BufReader<PipeReader>>);

impl Said {
    fn wait_for(&mut self, text: &str) {
        assert!(self.0.any(|line| line.unwrap().contains(text)), "it never said {text:?}");
    }
}

fn start(args: &[&str]) -> (Running, Said) {
    let (reader, writer) = std::io::pipe().unwrap();
    let running =
        Running::start_logging_into(&[&["send", "--token", "ada", "-r", "silent"], args].concat(), writer);
    (running, Said(BufReader::new(reader).lines()))
}

#[test]
fn send_says_what_became_of_each_message_before_an_interrupt_ends_it() {
    let (server, nobody) = (RefusingServer::start(), ClosedPort::hold());
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state").display().to_string();
    let url = nobody.url();
    for (more, expected) in [
        (&[][..], "rejoin: not sent: rejoin was stopped [closed]"),
        (&["--state", &state], "it is kept, and the next run with this state file goes on with it [kept]"),
    ] {
        let (send, mut said) = start(&[&[&*url, "hi"], more].concat());
        said.wait_for("trying again");
        send.signal("INT");
        said.wait_for(expected);
        assert_eq!(send.wait().status, Some(130));
    }
    // Of lines that have been read, each is told.
    let (mut send, mut said) = start(&[&url]);
    send.write(b"one\ntwo\n");
    said.wait_for("trying again");
    send.signal("INT");
    for line in ["line 1: not sent", "line 2: not sent"] {
        said.wait_for(line);
    }
    assert_eq!(send.wait().status, Some(130));
    let (send, mut said) = start(&[&server.url, "hi"]);
    server.hear("send_message");
    send.signal("INT");
    said.wait_for("[unknown]");
    assert_eq!(send.wait().status, Some(130));
}

#[test]
fn lines_that_are_read_after_the_connection_has_failed_for_good_are_answered_too() {
    let page = WebPage::start();
    let mut pipe = Running::start(&["pipe", &page.url, "--token", "ada"]);
    // More than may wait for an outcome at a time: some are still unread when it fails.
    let count = 6_000;
    let lines: String = (0..count).map(|number| send(&number.to_string()) + "\n").collect();
    pipe.write(lines.as_bytes());
    pipe.type_line(r#"{"type":"join_room","roomId":"a","ref":"j"}"#);
    let ended = pipe.finish();
    // The end of the connection is the stronger reason.
    assert_eq!(ended.status, Some(3));
    let told = outcomes(&ended);
    assert_eq!(told.len(), count, "{}", ended.text());
    assert!(told.iter().all(|(_, status, code)| (&**status, &**code) == ("failed", "closed")), "{told:?}");
    let refused =
        ended.text().lines().any(|line| line.contains("\"ref\":\"j\"") && line.contains("\"closed\""));
    assert!(refused, "{}", ended.text());
}

#[test]
fn a_join_that_is_not_answered_before_the_end_is_an_error_line() {
    let nobody = ClosedPort::hold();
    let mut pipe = Running::start(&["pipe", &nobody.url(), "--token", "ada", "--drain-timeout", "1"]);
    pipe.type_line(r#"{"type":"join_room","roomId":"a","ref":"j"}"#);
    let ended = pipe.finish();
    assert_eq!(ended.status, Some(1));
    assert!(ended.text().contains(r#""ref":"j","roomId":"a","code":"closed""#), "{}", ended.text());
}

/// A pipe whose server nobody has started, with a send that has been read.
fn waiting_pipe(url: &str, more: &[&str]) -> Running {
    let mut pipe = Running::start(&[&["pipe", url, "-r", "silent", "--token", "ada"][..], more].concat());
    pipe.type_line(&send("1"));
    pipe.type_line(r#"{"type":"none"}"#);
    pipe.wait_for("unknown_type");
    pipe
}

#[test]
fn a_sigterm_or_a_sighup_waits_a_moment_for_a_connection_and_then_tells_each_outcome() {
    let nobody = ClosedPort::hold();
    for signal in ["TERM", "HUP"] {
        let pipe = waiting_pipe(&nobody.url(), &["--drain-timeout", "3600", "--linger", "3600"]);
        pipe.signal(signal);
        let ended = pipe.wait();
        assert_eq!(ended.status, Some(1), "{signal}: {}", ended.text());
        assert_eq!(outcomes(&ended), [outcome("1", "failed", "timeout")], "{}", ended.text());
        assert!(ended.text().contains(r#""state":"closed""#), "{}", ended.text());
    }
    let url = nobody.url();
    let (send, mut said) = start(&[&url, "--timeout", "3600", "hi"]);
    said.wait_for("trying again");
    send.signal("TERM");
    said.wait_for("[closed]");
    assert_eq!(send.wait().status, Some(1));
}

#[test]
fn a_second_sigterm_tells_each_outcome_before_it_ends() {
    let nobody = ClosedPort::hold();
    let ended = waiting_pipe(&nobody.url(), &["--drain-timeout", "3600"]).wait_signalled("TERM");
    assert_eq!(ended.status, Some(130), "{}", ended.text());
    assert_eq!(outcomes(&ended), [outcome("1", "failed", "closed")], "{}", ended.text());
    assert!(ended.text().contains(r#""state":"closed""#), "{}", ended.text());
}

#[test]
fn two_sigterms_at_once_are_one() {
    let nobody = ClosedPort::hold();
    let pipe = waiting_pipe(&nobody.url(), &["--drain-timeout", "3600"]);
    // As `timeout` does: the child, and then its group.
    pipe.signal_twice("TERM");
    let ended = pipe.wait();
    assert_eq!(ended.status, Some(1), "{}", ended.text());
    assert_eq!(outcomes(&ended), [outcome("1", "failed", "timeout")], "{}", ended.text());
}

#[test]
fn who_is_to_outlive_the_terminal_does() {
    let nobody = ClosedPort::hold();
    let mut pipe = Running::start_under_nohup(&["pipe", &nobody.url(), "--token", "ada"]);
    pipe.wait_for("reconnecting");
    pipe.signal("HUP");
    pipe.type_line(r#"{"type":"none"}"#);
    pipe.wait_for("unknown_type");
    assert_eq!(pipe.finish().status, Some(1));
}
