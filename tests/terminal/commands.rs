//! The other commands, and wrong usage.

use crate::{run, text};
use harness::process::ServerProcess;
use harness::vacancy::Vacancy;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};

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
fn a_text_where_no_url_is_known_is_told_as_what_it_was_taken_for() {
    for args in
        [&["send", "hello there"][..], &["pipe", "lobby"], &["tail", "lobby", "-r", "lobby"], &["chatt"]]
    {
        let output = run(args, b"");
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let said = text(&output.stderr);
        let text = args[usize::from(args.len() > 1)];
        let expected = format!("no URL: \"{text}\" was taken for it; set REJOIN_URL or --profile");
        assert!(said.contains(&expected), "{args:?}: {said}");
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

/// A proxy to `server` that refuses requests of pages, which is those with an Origin; gives its address.
fn proxy_against_pages(server: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && client.read_exact(&mut byte).is_ok() {
                head.extend_from_slice(&byte);
            }
            if String::from_utf8_lossy(&head).to_ascii_lowercase().contains("\r\norigin:") {
                // The client may have gone.
                let _ = client.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
                continue;
            }
            let Ok(mut server) = TcpStream::connect(&server) else { continue };
            let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            std::thread::spawn(move || {
                let _ = server.write_all(&head).and_then(|()| std::io::copy(&mut client, &mut server));
                let _ = server.shutdown(Shutdown::Both);
            });
        }
    });
    address.to_string()
}

#[test]
fn doctor_warns_when_pages_of_the_urls_own_host_may_not_connect() {
    let server = ServerProcess::start("127.0.0.1:0");
    let open = run(&["doctor", &server.url, "--token", "ada"], b"");
    assert!(
        text(&open.stdout).contains("ok      origin   pages of http://127.0.0.1:"),
        "{}",
        text(&open.stdout)
    );
    let address = proxy_against_pages(server.address());
    let refused = run(&["doctor", &format!("ws://{address}/ws"), "--token", "ada"], b"");
    let said = text(&refused.stdout);
    // It works from here.
    assert_eq!(refused.status.code(), Some(0), "{said}");
    assert!(
        said.contains(&format!("warning origin   pages of http://{address} may not connect: ")),
        "{said}"
    );
    assert!(said.contains("HTTP 403"), "{said}");
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
