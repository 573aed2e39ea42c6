//! The other commands, and wrong usage.

use crate::{run, text};
use harness::process::ServerProcess;
use harness::vacancy::Vacancy;

#[test]
fn send_says_by_its_status_whether_the_message_is_written() {
    let server = ServerProcess::start("127.0.0.1:0");
    let output = run(&["send", &server.url, "-r", "lobby", "--token", "ada", "hello"], b"");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let output = run(&["send", &server.url, "-r", "lobby", "--token", "ada"], b"one\ntwo\n");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let nobody = Vacancy::hold();
    let output =
        run(&["send", &nobody.url(), "-r", "lobby", "--token", "ada", "--timeout", "1", "hello"], b"");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(!output.stderr.is_empty());
}

#[test]
fn wrong_addresses_are_usage_errors_that_say_what_to_write() {
    for (url, advice) in [("http://example.org/", "ws://"), ("not a url", "wss://"), ("ws://", "wss://")] {
        for command in ["chat", "pipe", "tail"] {
            let mut args = vec![command, url];
            if command == "tail" {
                args.extend(["-r", "lobby"]);
            }
            let output = run(&args, b"");
            assert_eq!(output.status.code(), Some(2), "{args:?}");
            assert!(text(&output.stderr).contains(advice), "{args:?}: {}", text(&output.stderr));
        }
    }
}

#[test]
fn doctor_says_which_step_fails() {
    let server = ServerProcess::start("127.0.0.1:0");
    let good = run(&["doctor", &server.url, "--token", "ada"], b"");
    assert_eq!(good.status.code(), Some(0), "{}", text(&good.stdout));
    let nobody = Vacancy::hold();
    for (url, step) in [(nobody.url(), "TCP"), ("ws://nowhere.invalid/".to_owned(), "DNS")] {
        let output = run(&["doctor", &url, "--token", "ada"], b"");
        assert_ne!(output.status.code(), Some(0));
        assert!(text(&output.stdout).contains(step), "{}", text(&output.stdout));
    }
}

#[test]
fn completions_manual_and_version_are_printed() {
    for args in [
        &["completions", "bash"][..],
        &["completions", "zsh"],
        &["completions", "fish"],
        &["man"],
        &["--version"],
    ] {
        let output = run(args, b"");
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(text(&output.stdout).contains("rejoin"), "{args:?}");
    }
}
