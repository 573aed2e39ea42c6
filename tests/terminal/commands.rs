//! The other commands, and wrong usage.

use crate::{run, text};
use harness::closed_port::ClosedPort;
use harness::command::Running;
use harness::process::ServerProcess;
use harness::upgrade_proxy::UpgradeProxy;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};

#[test]
fn send_says_by_its_status_whether_the_message_is_written() {
    let server = ServerProcess::start("127.0.0.1:0");
    let output = run(&["send", &server.url, "-r", "lobby", "--token", "ada", "hello"], b"");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let output = run(&["send", &server.url, "-r", "lobby", "--token", "ada"], b"one\ntwo\n");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let nobody = ClosedPort::hold();
    let output =
        run(&["send", &nobody.url(), "-r", "lobby", "--token", "ada", "--timeout", "1", "hello"], b"");
    let complaint = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{complaint}");
    // Why, and that it goes on: said when it happens and not only when the time is over.
    assert!(
        complaint.starts_with("rejoin: cannot connect") && complaint.contains("; trying again"),
        "{complaint}"
    );
    assert_eq!(complaint.matches("cannot connect").count(), 1, "{complaint}");
}

#[test]
fn send_reads_stdin_where_a_dash_stands_for_the_text() {
    let server = ServerProcess::start("127.0.0.1:0");
    let output = run(&["send", &server.url, "-r", "lobby", "--token", "ada", "--json", "-"], b"one\ntwo\n");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).lines().count(), 2);
}

#[test]
fn send_prints_a_json_line_for_each_line_of_its_input_where_it_is_asked_to() {
    let server = ServerProcess::start("127.0.0.1:0");
    let lines = |output: &std::process::Output| -> Vec<serde_json::Value> {
        let said = text(&output.stdout);
        said.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
    };
    let args = ["send", &server.url, "-r", "lobby", "--token", "ada", "--json"];
    let output = run(&args, b"one\n\n\xff\ntwo\n");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let [one, bad, two] = &lines(&output)[..] else { panic!("{}", text(&output.stdout)) };
    for (line, number) in [(one, 1), (two, 4)] {
        assert_eq!((&line["type"], &line["status"]), (&"delivery".into(), &"acked".into()), "{line}");
        assert_eq!((&line["roomId"], &line["line"]), (&"lobby".into(), &number.into()), "{line}");
        assert!(line["id"].is_string() && line["seq"].is_u64(), "{line}");
    }
    assert_eq!(
        (&bad["line"], &bad["status"], &bad["code"]),
        (&3.into(), &"failed".into(), &"not_utf8".into())
    );

    // A text of the command line has no line.
    let output = run(&[&args[..], &["hello"]].concat(), b"");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let [said] = &lines(&output)[..] else { panic!("{}", text(&output.stdout)) };
    assert_eq!((&said["status"], said.get("line")), (&"acked".into(), None), "{said}");

    let output = run(&[&args[..], &["--protocol", "plain", "hello"]].concat(), b"");
    assert_eq!(lines(&output)[0]["status"], "written", "{}", text(&output.stdout));

    let nobody = ClosedPort::hold();
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state").display().to_string();
    let args = ["send", &nobody.url(), "-r", "lobby", "--token", "ada", "--json", "--timeout", "1"];
    let output = run(&[&args[..], &["hello"]].concat(), b"");
    let said = &lines(&output)[0];
    assert_eq!((&said["status"], &said["code"]), (&"failed".into(), &"timeout".into()), "{said}");
    let output = run(&[&args[..], &["--state", &state, "hello"]].concat(), b"");
    assert_eq!(lines(&output)[0]["status"], "kept", "{}", text(&output.stdout));
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
        [&["send", "hello there"][..], &["pipe", "lobby"], &["tail", "lobby", "-r", "lobby"], &["hello"]]
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
fn a_text_with_a_link_in_it_is_a_text_where_a_url_is_known() {
    let server = ServerProcess::start("127.0.0.1:0");
    let words = "look at https://example.com/page";
    let mut listener = Running::start(&["tail", &server.url, "-r", "lobby", "--token", "bob"]);
    listener.wait_for("joined lobby");
    let args = ["send", "-r", "lobby", "--token", "ada", words];
    let ended = Running::start_with(&args, &[("REJOIN_URL", &server.url)]).wait();
    assert_eq!(ended.status, Some(0), "{}", ended.text());
    listener.wait_for(words);
}

#[test]
fn doctor_says_which_step_fails() {
    let server = ServerProcess::start("127.0.0.1:0");
    let good = run(&["doctor", &server.url, "--token", "ada"], b"");
    assert_eq!(good.status.code(), Some(0), "{}", text(&good.stdout));
    let nobody = ClosedPort::hold();
    for (url, step) in [(nobody.url(), "TCP"), ("ws://nowhere.invalid/".to_owned(), "DNS")] {
        let output = run(&["doctor", &url, "--token", "ada"], b"");
        assert_ne!(output.status.code(), Some(0));
        assert!(text(&output.stdout).contains(step), "{}", text(&output.stdout));
    }
}

#[test]
fn doctor_tells_the_round_trip_of_a_server_that_answers_slowly() {
    let server = ServerProcess::start_with("127.0.0.1:0", &["--fault", "delay:ms=3000"]);
    for protocol in ["auto", "plain"] {
        let output = run(&["doctor", &server.url, "--token", "ada", "--protocol", protocol], b"");
        let said = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(said.contains("ok      ping     answered in "), "{said}");
    }
}

#[test]
fn doctor_prints_a_json_line_for_each_finding_where_it_is_asked_to() {
    let nobody = ClosedPort::hold();
    let output = run(&["doctor", &nobody.url(), "--token", "ada", "--json"], b"");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    let found: Vec<serde_json::Value> =
        said.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    assert!(found.iter().any(|line| line["step"] == "dns" && line["result"] == "ok"), "{said}");
    let last = found.last().unwrap();
    assert_eq!((&last["step"], &last["result"]), (&"tcp".into(), &"failed".into()), "{said}");
    assert!(last["detail"].is_string() && last["hint"].is_string(), "{said}");
}

#[test]
fn doctor_tells_an_origin_that_is_refused_from_a_token_that_is() {
    let server = ServerProcess::start("127.0.0.1:0");
    let args = ["doctor", &server.url, "--token", "ada", "--header", "Origin: https://app.example"];
    let output = run(&args, b"");
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.lines().any(|line| line.starts_with("failed  origin")), "{said}");
    assert!(!said.contains("give a valid token"), "{said}");
}

#[test]
fn a_negative_number_is_a_value_and_the_complaint_names_its_option() {
    for (args, option) in [
        (&["serve", "--rate", "-1"][..], "--rate"),
        (&["tail", "ws://127.0.0.1:1", "-r", "a", "--history", "-5"], "--history"),
        (&["send", "ws://127.0.0.1:1", "-r", "a", "--timeout", "-5", "x"], "--timeout"),
    ] {
        let output = run(args, b"");
        let complaint = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{complaint}");
        assert!(complaint.contains(&format!("for '{option} ")), "{complaint}");
    }
}

/// A proxy to `server` that refuses requests with an Origin, as pages send them, or those without one; gives its address.
fn proxy_against(pages: bool, server: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && client.read_exact(&mut byte).is_ok() {
                head.extend_from_slice(&byte);
            }
            if String::from_utf8_lossy(&head).to_ascii_lowercase().contains("\r\norigin:") == pages {
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
        text(&open.stdout).contains("ok      origin   web pages of http://127.0.0.1:"),
        "{}",
        text(&open.stdout)
    );
    let address = proxy_against(true, server.address());
    let refused = run(&["doctor", &format!("ws://{address}/ws"), "--token", "ada"], b"");
    let said = text(&refused.stdout);
    // It works from here.
    assert_eq!(refused.status.code(), Some(0), "{said}");
    assert!(
        said.contains(&format!(
            "warning origin   web pages of http://{address} cannot connect: the server answers HTTP 403"
        )),
        "{said}"
    );
    assert!(said.contains(&format!("add http://{address} to the origins")), "{said}");
}

#[test]
fn doctor_finds_out_that_a_server_wants_an_origin_and_says_which_header_sends_it() {
    let server = ServerProcess::start("127.0.0.1:0");
    let address = proxy_against(false, server.address());
    let refused = run(&["doctor", &format!("ws://{address}/ws"), "--token", "ada"], b"");
    let said = text(&refused.stdout);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    let advice = format!("it lets in who names its own pages: add --header 'Origin: http://{address}'");
    assert!(said.contains("failed  origin ") && said.contains(&advice), "{said}");
    let header = format!("Origin: http://{address}");
    let followed =
        run(&["doctor", &format!("ws://{address}/ws"), "--token", "ada", "--header", &header], b"");
    assert_eq!(followed.status.code(), Some(0), "{}", text(&followed.stdout));
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

#[test]
fn an_empty_text_is_not_sent_and_an_empty_line_is_left_out() {
    let server = ServerProcess::start("127.0.0.1:0");
    let output = run(&["send", &server.url, "-r", "lobby", "--token", "ada", ""], b"");
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert!(said.contains("nothing to send: the text is empty") && said.contains("stdin"), "{said}");
    let output = run(&["send", &server.url, "-r", "lobby", "--token", "ada", "  \t"], b"");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("the text has nothing but spaces"), "{}", text(&output.stderr));
    let blank = "rejoin: nothing was sent: all 3 lines were blank\n";
    for (lines, said) in [("\n \n\n", blank), ("\nhi\n\n", ""), ("", "")] {
        let output = run(&["send", &server.url, "-r", "lobby", "--token", "ada"], lines.as_bytes());
        assert_eq!((output.status.code(), &*text(&output.stderr)), (Some(0), said), "{lines:?}");
    }
}

#[test]
fn doctor_names_a_socket_io_server_and_the_option_for_it_whatever_the_url_asks_for() {
    let server = ServerProcess::start("127.0.0.1:0");
    let address = server.address();
    let output = run(&["doctor", &format!("ws://{address}/nowhere"), "--token", "ada"], b"");
    assert_eq!(output.status.code(), Some(1));
    let report = text(&output.stdout);
    let named = format!("connect to http://{address} with --protocol socketio");
    assert!(report.contains("a Socket.IO server answers") && report.contains(&named), "{report}");
    let page = harness::web_page::WebPage::start();
    let report = text(&run(&["doctor", &page.url, "--token", "ada"], b"").stdout);
    assert!(!report.contains("a Socket.IO server answers"), "{report}");
}

#[test]
fn doctor_names_the_transport_that_works_where_no_websocket_does() {
    let server = ServerProcess::start("127.0.0.1:0");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let proxy = runtime.block_on(UpgradeProxy::start(server.address().parse().unwrap()));
    let url = format!("http://{}", proxy.address);
    let doctor = |more: &[&str]| {
        let args = [&["doctor", &url, "--protocol", "socketio", "--token", "ada"][..], more].concat();
        let output = run(&args, b"");
        (output.status.code(), text(&output.stdout))
    };
    let (status, report) = doctor(&[]);
    assert_eq!(status, Some(0), "{report}");
    assert!(report.contains("warning upgrade  no WebSocket: "), "{report}");
    assert!(report.contains("long polling works") && report.contains("--transports polling"), "{report}");
    let (status, report) = doctor(&["--transports", "polling"]);
    assert_eq!(status, Some(0), "{report}");
    assert!(report.contains("ok      upgrade  long polling in "), "{report}");
    let (status, report) = doctor(&["--transports", "websocket"]);
    assert_eq!(status, Some(1), "{report}");
}

#[test]
fn where_no_websocket_opens_tail_reads_by_server_sent_events_and_doctor_says_so() {
    let server = ServerProcess::start("127.0.0.1:0");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let proxy = runtime.block_on(UpgradeProxy::start(server.address().parse().unwrap()));
    let url = format!("ws://{}/ws", proxy.address);
    let report = run(&["doctor", &url, "--token", "ada"], b"");
    assert_eq!(report.status.code(), Some(0));
    let report = text(&report.stdout);
    assert!(
        report.contains("warning upgrade  no WebSocket: ") && report.contains("server-sent events work"),
        "{report}"
    );
    assert_eq!(
        run(&["send", &server.url, "-r", "lobby", "--token", "ada", "hi"], b"").status.code(),
        Some(0)
    );
    for transports in ["auto", "sse"] {
        let mut tail = Running::start(&[
            "tail",
            &url,
            "-r",
            "lobby",
            "-n",
            "1",
            "--token",
            "bob",
            "--transports",
            transports,
        ]);
        tail.wait_for("rooms are read by server-sent events");
        tail.wait_for("ada: hi");
        tail.signal("TERM");
    }
    let refused = run(&["tail", &url, "-r", "lobby", "--token", "bob", "--transports", "polling"], b"");
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("long polling is for Socket.IO only"));
}

#[test]
fn the_proxy_of_faults_shows_its_lines_and_names_a_wrong_one() {
    let faults = env!("CARGO_BIN_EXE_rejoin-faults");
    let help = Command::new(faults).arg("--help").output().unwrap();
    assert!(text(&help.stdout).contains(r#"{"type":"account","name":"ada"}"#));
    for (lines, told) in [
        ("{\"type\":\"calm_down\"}\nnonsense\n", "line 2 of stdin: expected"),
        ("{\"type\":\"sent\",\"send\":1,\"content\":\"x\"}\n", "line 1 of stdin: an account comes before"),
        (
            "{\"type\":\"account\",\"name\":\"a\"}\n{\"type\":\"gap\",\"reason\":\"x\"}\n",
            "line 2 of stdin: \"x\" is no reason of a gap",
        ),
        (
            "{\"type\":\"account\",\"name\":\"a\"}\n{\"type\":\"outcome\",\"send\":1,\"status\":\"written\"}\n",
            "line 2 of stdin: a has sent nothing with the number 1",
        ),
        (
            concat!(
                "{\"type\":\"account\",\"name\":\"a\"}\n{\"type\":\"sent\",\"send\":1,\"content\":\"x\"}\n",
                "{\"type\":\"account\",\"name\":\"a\"}\n{\"type\":\"sent\",\"send\":1,\"content\":\"y\"}\n",
            ),
            "line 4 of stdin: a has sent 1 already",
        ),
    ] {
        let mut program = Command::new(faults)
            .args(["1", "7"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        program.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        let ended = program.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(2));
        let said = text(&ended.stderr);
        assert!(said.contains(told) && !said.contains("panicked"), "{said}");
    }
}

/// A server that speaks Socket.IO and hangs up on whoever asks for another path, as those of Node do. Gives its address.
fn only_socket_io(server: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut client, server) = (stream.unwrap(), server.clone());
            std::thread::spawn(move || {
                let mut head = vec![0; 4096];
                let read = client.read(&mut head).unwrap_or(0);
                head.truncate(read);
                if !head.windows(11).any(|part| part == b"/socket.io/") {
                    return;
                }
                let mut behind = TcpStream::connect(server).unwrap();
                behind.write_all(&head).unwrap();
                let (mut up, mut down) = (client.try_clone().unwrap(), behind.try_clone().unwrap());
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut up, &mut behind);
                    let _ = behind.shutdown(Shutdown::Both);
                });
                let _ = std::io::copy(&mut down, &mut client);
                let _ = client.shutdown(Shutdown::Both);
            });
        }
    });
    address
}

#[test]
fn doctor_does_not_guess_at_tls_where_a_socket_io_server_has_answered_without() {
    let server = ServerProcess::start("127.0.0.1:0");
    let address = only_socket_io(server.address());
    let output = run(&["doctor", &format!("ws://{address}/ws"), "--token", "ada"], b"");
    let report = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{report}");
    assert!(report.contains("closed the connection before answering"), "{report}");
    assert!(report.contains("a Socket.IO server answers at this address"), "{report}");
    assert!(!report.contains("uses TLS"), "{report}");
}

#[test]
fn doctor_says_what_a_wrong_address_is_and_which_command_works_instead() {
    let server = ServerProcess::start("127.0.0.1:0");
    let address = server.address();
    let socket_io = format!("rejoin chat http://{address} --protocol socketio");
    let chat = format!("rejoin chat ws://{address}/ws");
    let streams = format!("rejoin tail --sse http://{address} -r lobby");
    for (url, commands) in [
        (format!("ws://{address}/socket.io/?EIO=4&transport=websocket"), &[&socket_io][..]),
        (format!("ws://{address}/socket.io/"), &[&chat, &socket_io]),
        (format!("http://{address}/socket.io/"), &[&chat, &socket_io, &streams]),
        (format!("http://{address}/wrong"), &[&chat, &socket_io, &streams]),
        (format!("ws://{address}"), &[&chat, &socket_io]),
        (format!("http://{address}/ws"), &[&chat, &socket_io, &streams]),
    ] {
        let output = run(&["doctor", &url, "--token", "ada"], b"");
        let report = text(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{url}: {report}");
        assert!(report.lines().any(|line| line.starts_with("failed ")), "{url}: {report}");
        for command in commands {
            assert!(report.contains(command.as_str()), "{url}: {command}: {report}");
        }
        // The command that is named works.
        assert!(!report.contains("plain protocol, which"), "{url}: {report}");
    }
    let engine = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
    let sent = run(&["send", &engine, "-r", "lobby", "--token", "ada", "hi"], b"");
    let said = text(&sent.stderr);
    assert_eq!(sent.status.code(), Some(3), "{said}");
    assert!(said.contains("Socket.IO") && said.contains("--protocol socketio"), "{said}");
}

#[test]
fn a_message_of_nothing_is_refused_by_pipe_and_one_with_data_is_not() {
    let server = ServerProcess::start("127.0.0.1:0");
    let input = concat!(
        r#"{"type":"send_message","roomId":"lobby","content":"","ref":"nothing"}"#,
        "\n",
        r#"{"type":"send_message","roomId":"lobby","content":"","data":[1],"ref":"data"}"#,
        "\n",
        r#"{"type":"send_message","roomId":"lobby","content":" ","ref":"space"}"#,
        "\n"
    );
    let output = run(&["pipe", &server.url, "-r", "lobby", "--token", "ada"], input.as_bytes());
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stdout);
    let of = |reference: &str| {
        let line = told.lines().find(|line| line.contains(&format!("\"ref\":\"{reference}\""))).unwrap();
        serde_json::from_str::<serde_json::Value>(line).unwrap()
    };
    let refused = of("nothing");
    assert_eq!((&refused["status"], &refused["code"]), (&"failed".into(), &"empty".into()));
    assert!(refused["message"].as_str().unwrap().contains("nothing to send"), "{refused}");
    assert_eq!((&of("data")["status"], &of("space")["status"]), (&"acked".into(), &"acked".into()));
}

#[test]
fn doctor_says_that_nothing_can_be_sent_in_a_namespace_for_notifications() {
    let namespaces = ["--namespace", "/notifications=personal", "--namespace", "/chat"];
    let server = ServerProcess::start_with("127.0.0.1:0", &namespaces);
    let url = format!("http://{}", server.address());
    let examined = |namespace: &str| {
        let args = ["doctor", &url, "--protocol", "socketio", "--namespace", namespace, "--token", "ada"];
        let output = run(&args, b"");
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
        text(&output.stdout)
    };
    let report = examined("/notifications");
    assert!(report.contains("messages cannot be sent there") && report.contains("no rooms"), "{report}");
    assert!(report.contains(&format!("rejoin tail {url} --protocol socketio")), "{report}");
    assert!(!examined("/chat").contains("cannot be sent"));
}

#[test]
fn a_command_may_stand_behind_its_options_and_a_misspelt_one_is_named() {
    let server = ServerProcess::start("127.0.0.1:0");
    let room = ["-r", "lobby", "--token", "ada"];
    let output = run(&[&["-v"], &room[..], &["send", &server.url, "hi"]].concat(), b"");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("dialling"), "{}", text(&output.stderr));
    let output = run(&["sned", &server.url], b"");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("did you mean \"send\"?"), "{}", text(&output.stderr));
    for words in [&["-v", "man"][..], &["man", "-v"], &["completions", "bash", "-v"], &["-v", "help", "send"]]
    {
        let output = run(words, b"");
        assert_eq!(output.status.code(), Some(0), "{words:?}: {}", text(&output.stderr));
    }
}

#[test]
fn doctor_says_of_a_server_that_hangs_that_nothing_answers() {
    let server = ServerProcess::start("127.0.0.1:0");
    server.freeze();
    for url in [server.url.clone(), server.url.replace("ws://", "http://")] {
        let output = run(&["doctor", &url, "--token", "ada", "--connect-timeout", "1"], b"");
        let told = text(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains("nothing answers: the server hangs"), "{told}");
    }
    server.thaw();
}
