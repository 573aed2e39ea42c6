//! Requests through a proxy, as proxies send them.

use crate::admission::{address, http};
use crate::binary::{line, start};
use crate::client::{server, soon};
use crate::process::Process;
use rejoin_server::ServerHandle;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// The first line of an answer that may not end.
async fn first_line(url: &str, request: &str) -> String {
    let mut stream = BufReader::new(TcpStream::connect(address(url)).await.unwrap());
    stream.write_all(request.replace('\n', "\r\n").as_bytes()).await.unwrap();
    let mut line = String::new();
    soon(stream.read_line(&mut line)).await.unwrap();
    line
}

#[tokio::test]
async fn a_proxy_that_speaks_http_1_0_is_told_what_to_set() {
    let server = server(|_| {}).await;
    let key = "Upgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n";
    let socketio = "/socket.io/?EIO=4&transport=websocket";
    for (path, connection, upgrade) in
        [("/ws?token=a", "Upgrade", key), ("/ws?token=a", "close", ""), (socketio, "Upgrade", key)]
    {
        let request = format!("GET {path} HTTP/1.0\nHost: localhost\nConnection: {connection}\n{upgrade}\n");
        let answer = http(&server.url(), &request).await;
        assert!(answer.starts_with("HTTP/1.0 426 ") && answer.contains("proxy_http_version 1.1"), "{answer}");
    }
    // Without the header a proxy keeps to itself it is no upgrade either.
    let answer = http(&server.url(), "GET /ws?token=a HTTP/1.1\nHost: localhost\n\n").await;
    assert!(answer.starts_with("HTTP/1.1 426 ") && answer.contains("proxy_set_header Upgrade"), "{answer}");
}

#[tokio::test]
async fn a_page_of_the_host_that_a_trusted_proxy_was_asked_for_connects_by_every_way() {
    let trusted = server(|config| {
        config.trusted_proxy = vec!["127.0.0.0/8".parse().unwrap()];
        config.allow_host = vec![String::from("chat.example"), String::from("upstream")];
    })
    .await;
    let stranger = server(|config| config.allow_host = vec![String::from("*")]).await;
    let ask = async |server: &ServerHandle, path: &str, origin: &str, asked: &str| {
        let key = "Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: \
                   dGhlIHNhbXBsZSBub25jZQ==\n";
        let request = format!(
            "HEAD {path} HTTP/1.1\nHost: upstream\nOrigin: {origin}\nX-Forwarded-Host: {asked}\n{key}\n"
        );
        let method = if path.starts_with("/rooms") { "HEAD" } else { "GET" };
        first_line(&server.url(), &request.replacen("HEAD", method, 1)).await
    };
    for (path, status) in [
        ("/ws?token=a", "101"),
        ("/rooms/lobby/events?token=a", "200"),
        ("/socket.io/?EIO=4&transport=polling", "200"),
        ("/socket.io/?EIO=4&transport=websocket", "101"),
    ] {
        let is =
            |line: String, status: &str| assert!(line.contains(&format!(" {status} ")), "{path}: {line}");
        is(ask(&trusted, path, "https://chat.example", "chat.example").await, status);
        is(ask(&trusted, path, "https://evil.example", "chat.example").await, "403");
        // A name that was made to resolve to the proxy.
        is(ask(&trusted, path, "http://evil.example", "evil.example").await, "403");
        // Nobody has said that this is a proxy.
        is(ask(&stranger, path, "https://chat.example", "chat.example").await, "403");
    }
}

#[tokio::test]
async fn the_log_names_the_origin_and_the_hosts_of_a_page_that_is_refused() {
    let (mut child, mut lines) =
        start(&["--listen", "127.0.0.1:0", "--allow-host", "*", "--trusted-proxy", "127.0.0.1/32"]);
    let first = line(&mut lines).await;
    let url = first.strip_prefix("listening on ").unwrap();
    let request = "GET /rooms/lobby/events?token=s3cret HTTP/1.1\nHost: upstream\nX-Forwarded-Host: front.example\n\
                   Origin: https://chat.example\n\n";
    assert!(http(url, request).await.starts_with("HTTP/1.1 403 "));
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let told = async {
        loop {
            let line = log.next_line().await.unwrap().unwrap();
            assert!(!line.contains("s3cret"), "{line}");
            if line.contains("the Origin is not allowed") {
                return line;
            }
        }
    };
    let line = soon(told).await;
    for part in ["INFO", "https://chat.example", "upstream", "front.example"] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[tokio::test]
async fn behind_a_proxy_of_this_machine_each_address_that_it_names_has_a_share_of_its_own() {
    let mut process =
        Process::server(&["--trusted-proxy", "127.0.0.1/8", "--address-rate", "1", "--address-tokens", "2"]);
    let url = process.after("listening on ").await;
    // Whoever comes through the proxy, and says that it is this machine, is a client like the others.
    for named in ["192.0.2.1", "127.0.0.1", "127.0.0.2"] {
        let ask = async |named: &str| {
            let request = format!(
                "GET /rooms/lobby/events?token=ada HTTP/1.1\nHost: localhost\nX-Forwarded-For: {named}\n\n"
            );
            first_line(&url, &request).await
        };
        // A burst is ten seconds' worth.
        let mut answers = Vec::new();
        for _ in 0..12 {
            answers.push(ask(named).await);
        }
        assert!(answers[0].contains(" 200 "), "{named}: {answers:?}");
        assert!(answers.iter().any(|answer| answer.contains(" 429 ")), "{named}: {answers:?}");
        // The proxy itself is not held responsible, nor is anybody else.
        assert!(ask("198.51.100.7").await.contains(" 200 "), "{named}");
    }
    process.logged("cause=\"address_rate\"").await;
}
