//! Options of the command line and of a profile to get to a server: header fields, Basic authentication, the
//! limit of an attempt to connect. None of it is shown.

use harness::command::Running;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::thread::JoinHandle;
use tokio_tungstenite::tungstenite::handshake::server::Request;
use tokio_tungstenite::tungstenite::{Message, accept_hdr};

const CANARY: &str = "canary-7f3a9c51";

/// Takes one request, refuses it with a page that repeats it, and gives its head.
fn refusing() -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let thread = std::thread::spawn(move || {
        let (mut tcp, _) = listener.accept().unwrap();
        let lines = BufReader::new(tcp.try_clone().unwrap()).lines().map(Result::unwrap);
        let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
        let body = head.join(" ");
        write!(tcp, "HTTP/1.1 403 Forbidden\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        head.join("\n")
    });
    (address, thread)
}

/// Answers every request with this status and these fields. Gives its URL; the thread ends with the test process.
fn refusing_as(head: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/ws", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for tcp in listener.incoming() {
            let mut tcp = tcp.unwrap();
            let lines = BufReader::new(tcp.try_clone().unwrap()).lines().map_while(Result::ok);
            lines.take_while(|line| !line.is_empty()).for_each(drop);
            // The client may have gone.
            let _ = write!(tcp, "HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n");
        }
    });
    url
}

#[test]
fn headers_and_basic_authentication_reach_the_server_and_no_output() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("rejoin")).unwrap();
    let variables = [("XDG_CONFIG_HOME", folder.path().to_str().unwrap())];
    for (command, scheme) in [("send", "ws"), ("tail", "ws"), ("tail", "http"), ("send", "http")] {
        let (address, server) = refusing();
        let url = format!("{scheme}://me:{CANARY}@{address}/");
        let profile = format!("[profiles.p]\nurl = \"{url}\"\nheaders = {{ X-Profile = \"p-{CANARY}\" }}\n");
        std::fs::write(folder.path().join("rejoin/config.toml"), profile).unwrap();
        let cookie = format!("Cookie: session={CANARY}");
        let mut args = vec![command, "--profile", "p", "-r", "lobby", "-vvv", "--header", &cookie];
        match (command, scheme) {
            ("send", "http") => args.extend(["--protocol", "socketio"]),
            ("send", _) => args.extend(["--subprotocol", "v2.chat"]),
            (_, "http") => args.push("--sse"),
            _ => {}
        }
        if command == "send" {
            args.extend([url.as_str(), "hi"]);
        }
        let ended = Running::start_with(&args, &variables).finish();
        let head = server.join().unwrap().to_lowercase();
        let expected = [format!("cookie: session={CANARY}"), format!("x-profile: p-{CANARY}")];
        assert!(expected.iter().all(|field| head.contains(field)), "{args:?}: {head}");
        assert!(head.contains("authorization: basic "), "{args:?}: {head}");
        assert_eq!(
            head.contains("sec-websocket-protocol: v2.chat"),
            args.contains(&"--subprotocol"),
            "{head}"
        );
        assert!(!ended.text().contains(CANARY), "{args:?}: {}", ended.text());
        assert_eq!(ended.status, Some(3), "{args:?}: {}", ended.text());
    }
}

#[test]
fn what_a_complaint_quotes_has_no_secret_in_it() {
    let header = format!("Cookie: {CANARY}");
    let url = format!("ws://me:{CANARY}@h/");
    for args in [
        &["pipe", "ws://h/", &header][..],
        &["pipe", "ws://h/", &url],
        &["pipe", "ws://h/", "--header", CANARY],
        &["pipe", &url, "--token", "t"],
    ] {
        let ended = Running::start(args).finish();
        assert_eq!(ended.status, Some(2), "{args:?}: {}", ended.text());
        assert!(!ended.text().contains(CANARY), "{args:?}: {}", ended.text());
    }
    let ended = Running::start(&["pipe", &url, "--token", "t"]).finish();
    assert!(ended.text().contains("--token-in query"), "{}", ended.text());
}

#[test]
#[expect(clippy::result_large_err, reason = "tungstenite's callback has this type")]
fn chat_logs_in_with_the_password_of_the_url_alone() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://me:{CANARY}@{}/", listener.local_addr().unwrap());
    let (said, heads) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut authorization = None;
        let see = |request: &Request, response| {
            authorization = request.headers().get("authorization").cloned();
            Ok(response)
        };
        let mut socket = accept_hdr(listener.accept().unwrap().0, see).unwrap();
        said.send(authorization).unwrap();
        while let Ok(message) = socket.read() {
            // A plain server sends a message back to its sender.
            let Message::Text(text) = message else { continue };
            let echo = text.replace("send_message", "message").replacen(
                '{',
                "{\"userId\":\"me\",\"timestamp\":\"\",",
                1,
            );
            let _ = socket.send(echo.into());
        }
    });
    let mut chat = Running::start(&["chat", &url]);
    chat.wait_for("joined lobby");
    let authorization = heads.recv().unwrap().unwrap();
    assert!(authorization.to_str().unwrap().starts_with("Basic "));
    chat.type_line("hi");
    chat.wait_for("hi");
    let ended = chat.finish();
    assert_eq!(ended.status, Some(0), "{}", ended.text());
    assert!(!ended.text().contains(CANARY) && !ended.text().contains("choose a name"), "{}", ended.text());
}

#[test]
fn a_password_that_is_refused_is_not_called_a_token() {
    let (address, _server) = refusing();
    let ended = Running::start(&["chat", &format!("ws://me:{CANARY}@{address}/")]).wait();
    assert_eq!(ended.status, Some(3), "{}", ended.text());
    assert!(ended.text().contains("refused the user name and password"), "{}", ended.text());
    assert!(!ended.text().contains(CANARY), "{}", ended.text());
}

#[test]
fn an_authorization_header_that_is_refused_is_called_by_its_name() {
    let server = refusing_as("401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"proxy\"");
    let header = format!("Authorization: Basic {CANARY}");
    let ended = Running::start(&["send", &server, "-r", "lobby", "--header", &header, "hi"]).finish();
    assert_eq!(ended.status, Some(3), "{}", ended.text());
    let said = ended.text();
    assert!(said.contains("the server refused the Authorization header: "), "{said}");
    assert!(said.contains("check the value of --header 'Authorization: …'"), "{said}");
    assert!(
        !said.contains("USER:PASSWORD@") && !said.contains("the token") && !said.contains(CANARY),
        "{said}"
    );
    let url = server.replace("ws://", "ws://ada:wrong@");
    let ended = Running::start(&["send", &url, "-r", "lobby", "hi"]).finish();
    assert_eq!(ended.status, Some(3), "{}", ended.text());
    let said = ended.text();
    assert!(said.contains("the user name or the password in the URL is wrong"), "{said}");
    assert!(
        said.contains("check what stands before the URL's host") && !said.contains("ada:wrong"),
        "{said}"
    );
}

#[test]
fn a_redirect_is_told_with_the_url_to_give_instead() {
    let server = refusing_as("301 Moved Permanently\r\nLocation: https://chat.example/ws");
    for command in [&["send", &server, "-r", "lobby", "hi"][..], &["doctor", &server]] {
        let said = Running::start(command).finish().text();
        let what = "it redirects to https://chat.example/ws, and redirects are not followed; if that is the server, give \
                    wss://chat.example/ws";
        assert!(said.contains(what), "{said}");
    }
}

#[test]
fn a_redirect_to_what_is_no_address_is_told_as_that() {
    let server = refusing_as("307 Temporary Redirect\r\nLocation: http://[");
    let ended = Running::start(&["send", &server, "-r", "lobby", "--timeout", "9", "hi"]).finish();
    assert_ne!(ended.status, Some(0), "{}", ended.text());
    assert!(ended.text().contains("it redirects, and where to is no address"), "{}", ended.text());
}

#[test]
fn a_plain_server_that_is_taken_for_one_of_socket_io_is_told_as_what_it_is() {
    // As the package ws answers: a WebSocket at another path, and no other request.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for tcp in listener.incoming() {
            let mut tcp = tcp.unwrap();
            let lines = BufReader::new(tcp.try_clone().unwrap()).lines().map_while(Result::ok);
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let upgrades = head.iter().any(|line| line.to_lowercase().starts_with("upgrade:"));
            let status = if upgrades { "400 Bad Request" } else { "426 Upgrade Required" };
            // The client may have gone.
            let _ = write!(tcp, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let args = ["send", &url, "--protocol", "socketio", "-r", "lobby", "--timeout", "20", "hi"];
    let ended = Running::start(&args).finish();
    assert_ne!(ended.status, Some(0), "{}", ended.text());
    let said = ended.text();
    assert!(said.contains("a WebSocket server answers here, and no Socket.IO server"), "{said}");
    assert!(said.contains("without --protocol socketio") && !said.contains("a proxy on the way"), "{said}");
}

#[test]
fn a_command_that_is_suggested_has_the_text_as_one_word() {
    let server = refusing_as("404 Not Found");
    let args = ["send", &server, "-r", "my room", "--token", "ada", "--timeout", "9", "it's me"];
    let ended = Running::start(&args).finish();
    assert_ne!(ended.status, Some(0), "{}", ended.text());
    let host = server.replace("ws://", "http://").replace("/ws", "");
    let command = format!("rejoin send {host} -r 'my room' --protocol socketio --token TOKEN 'it'\\''s me'");
    assert!(ended.text().contains(&command), "{}", ended.text());
}

#[test]
fn an_attempt_to_connect_ends_after_as_many_seconds_as_were_given() {
    // The kernel takes connections that nobody accepts.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("rejoin")).unwrap();
    // The command line wins over this.
    let profile = "[profiles.p]\nconnect_timeout = 3600\n";
    std::fs::write(folder.path().join("rejoin/config.toml"), profile).unwrap();
    let variables = [("XDG_CONFIG_HOME", folder.path().to_str().unwrap())];
    let url = format!("ws://{}/", silent.local_addr().unwrap());
    let args = ["doctor", "--profile", "p", "--connect-timeout", "1", &url, "--token", "t"];
    let ended = Running::start_with(&args, &variables).finish();
    assert_eq!(ended.status, Some(1), "{}", ended.text());
    assert!(ended.text().contains("no answer in time"), "{}", ended.text());
}

#[test]
fn a_proxy_that_is_not_there_or_wants_a_password_is_told_as_the_proxy() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let strict = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = strict.local_addr().unwrap();
    std::thread::spawn(move || {
        for tcp in strict.incoming() {
            let mut tcp = tcp.unwrap();
            let lines = BufReader::new(tcp.try_clone().unwrap()).lines().map(Result::unwrap);
            assert!(lines.take_while(|line| !line.is_empty()).count() > 0);
            // It may have gone.
            let _ = write!(tcp, "HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n");
        }
    });
    for (proxy, words) in [
        (format!("http://{nobody}"), format!("the proxy is not reached: {nobody}")),
        (format!("http://user:{CANARY}@{address}"), "HTTP 407: it wants a user and a password".to_owned()),
    ] {
        let args = ["send", "wss://chat.example/ws", "-r", "lobby", "--token", "t", "--timeout", "1", "hi"];
        let ended = Running::start_with(&args, &[("https_proxy", &proxy)]).finish();
        assert_eq!(ended.status, Some(1), "{}", ended.text());
        assert!(ended.text().contains(&words), "{}", ended.text());
        assert!(!ended.text().contains(CANARY), "{}", ended.text());
    }
}
