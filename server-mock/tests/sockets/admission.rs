//! Who gets in, and what the others are told.

use crate::client::{Client, join, server, soon};
use futures_util::{SinkExt as _, StreamExt as _};
use rejoin_server::auth::Tokens;
use rejoin_server::{Auth, Config};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Error;

fn staff(config: &mut Config) {
    config.auth = Auth::Tokens(Tokens::parse("s3cret/+ ada\n").unwrap());
}

pub(crate) fn address(url: &str) -> SocketAddr {
    url.split('/').nth(2).unwrap().parse().unwrap()
}

/// One HTTP exchange, as text.
pub(crate) async fn http(url: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address(url)).await.unwrap();
    stream.write_all(request.replace('\n', "\r\n").as_bytes()).await.unwrap();
    let mut response = String::new();
    soon(stream.read_to_string(&mut response)).await.unwrap();
    response
}

fn status(result: Result<Client, Error>) -> u16 {
    match result {
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(other) => panic!("{other}"),
        Ok(_) => 101,
    }
}

#[tokio::test]
async fn a_missing_or_bad_token_is_let_in_and_closed_with_4001() {
    let server = server(staff).await;
    for query in ["", "?token=", "?token=ada", "?token=s3cret"] {
        let mut nobody = Client::try_open(&format!("{}{query}", server.url()), &[]).await.unwrap();
        assert_eq!(nobody.close_code().await, 4001, "{query}");
    }
    let mut nobody = Client::try_open(&server.url(), &[("authorization", "Bearer wrong")]).await.unwrap();
    assert_eq!(nobody.close_code().await, 4001);
}

#[tokio::test]
async fn a_token_counts_in_the_header_and_percent_encoded_in_the_query() {
    let server = server(staff).await;
    let mut header = Client::try_open(&server.url(), &[("authorization", "Bearer s3cret/+")]).await.unwrap();
    header.sync().await;
    let mut query = Client::open(&server.url(), "s3cret%2F%2B").await;
    query.sync().await;
}

#[tokio::test]
async fn an_open_server_closes_a_missing_token_too() {
    let server = server(|_| {}).await;
    let mut nobody = Client::try_open(&server.url(), &[]).await.unwrap();
    assert_eq!(nobody.close_code().await, 4001);
}

#[tokio::test]
async fn other_paths_are_not_found() {
    let server = server(|_| {}).await;
    let other = server.url().replace("/ws", "/other");
    assert_eq!(status(Client::try_open(&other, &[]).await), 404);
}

#[tokio::test]
async fn a_browser_that_looks_at_the_endpoint_is_told_what_it_is() {
    let server = server(|_| {}).await;
    let answer = http(&server.url(), "GET /ws HTTP/1.1\nHost: localhost\n\n").await;
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
    assert!(answer.contains("upgrade: websocket\r\n") && answer.contains("WebSocket client"), "{answer}");
}

#[tokio::test]
async fn a_request_of_http_1_1_without_a_host_or_with_two_is_bad() {
    let server = server(|config| config.admin = Some("127.0.0.1:0".parse().unwrap())).await;
    let (public, admin) = (server.url(), server.admin_url().unwrap());
    for (url, path) in [(&public, "/ws"), (&public, "/rooms/a/events?token=a"), (&admin, "/healthz")] {
        for hosts in ["", "Host: localhost\nHost: localhost\n"] {
            let answer = http(url, &format!("GET {path} HTTP/1.1\n{hosts}Connection: close\n\n")).await;
            assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("one Host header"), "{answer}");
        }
    }
    let old = http(&admin, "GET /healthz HTTP/1.0\n\n").await;
    assert!(old.starts_with("HTTP/1.0 200 "), "{old}");
}

#[tokio::test]
async fn a_request_with_two_origins_or_a_target_that_is_not_its_host_is_bad() {
    let server = server(|config| config.admin = Some("127.0.0.1:0".parse().unwrap())).await;
    let (public, admin) = (server.url(), server.admin_url().unwrap());
    for (url, path) in [(&public, "/rooms/a/events?token=a"), (&admin, "/healthz")] {
        for (target, fields, part) in [
            ("", "Host: localhost\nOrigin: http://localhost\nOrigin: http://localhost\n", "one Origin"),
            ("http://evil.example", "Host: localhost\n", "two servers"),
            ("http://localhost:81", "Host: localhost\n", "two servers"),
        ] {
            let request = format!("GET {target}{path} HTTP/1.1\n{fields}Connection: close\n\n");
            let answer = http(url, &request).await;
            assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains(part), "{request}{answer}");
        }
    }
    let same =
        http(&admin, "GET http://LocalHost/healthz HTTP/1.1\nHost: localhost\nConnection: close\n\n").await;
    assert!(same.starts_with("HTTP/1.1 200 "), "{same}");
    let other = "GET http://evil.example/healthz HTTP/1.1\nHost: evil.example\nConnection: close\n\n";
    assert!(http(&admin, other).await.starts_with("HTTP/1.1 403 "));
}

#[tokio::test]
async fn a_malformed_handshake_is_refused_with_the_reason() {
    let server = server(|_| {}).await;
    let upgrade = "GET /ws?token=a HTTP/1.1\nHost: localhost\nConnection: Upgrade\nUpgrade: websocket\n";
    for (rest, line, part) in [
        ("Sec-WebSocket-Version: 13\n\n", "HTTP/1.1 400 ", "Sec-WebSocket-Key"),
        ("Sec-WebSocket-Version: 13\nSec-WebSocket-Key: short\n\n", "HTTP/1.1 400 ", "Sec-WebSocket-Key"),
        ("Sec-WebSocket-Version: 8\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n\n", "HTTP/1.1 426 ", "13"),
    ] {
        let answer = http(&server.url(), &format!("{upgrade}{rest}")).await;
        assert!(answer.starts_with(line) && answer.contains(part), "{answer}");
    }
    let many = "X: y\n".repeat(100);
    let answer = http(&server.url(), &format!("GET /ws HTTP/1.1\nHost: localhost\n{many}\n")).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn only_pages_of_allowed_origins_connect() {
    let own = server(|_| {}).await;
    let host = address(&own.url()).to_string();
    let open = async |url: String, origin: String| {
        status(Client::try_open(&format!("{url}?token=a"), &[("origin", &origin)]).await)
    };
    assert_eq!(open(own.url(), format!("http://{host}")).await, 101);
    assert_eq!(open(own.url(), String::from("http://evil.example")).await, 403);
    for path in ["/ws?token=a", "/rooms/a/events?token=a", "/socket.io/?EIO=4&transport=polling"] {
        let request = format!(
            "GET {path} HTTP/1.1\nHost: {host}\nOrigin: http://evil.example\nConnection: Upgrade\nUpgrade: websocket\n\
             Sec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n\n"
        );
        let answer = http(&own.url(), &request).await;
        for part in ["HTTP/1.1 403 ", "header Origin", "header Host", "X-Forwarded-Host", "--allow-origin"] {
            assert!(answer.contains(part), "{part}: {answer}");
        }
    }
    let listed = server(|config| config.allow_origin = vec![String::from("https://chat.example")]).await;
    assert_eq!(open(listed.url(), String::from("https://chat.example")).await, 101);
    assert_eq!(open(listed.url(), format!("http://{host}")).await, 403);
}

#[tokio::test]
async fn beyond_the_connection_limit_a_client_is_told_to_come_again() {
    let server = server(|config| config.limits.connections = 1).await;
    let first = Client::open(&server.url(), "ada").await;
    let second = Client::try_open(&format!("{}?token=bob", server.url()), &[]).await;
    let Err(Error::Http(response)) = second else { panic!("it was let in") };
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (503, &"5".parse().unwrap())
    );
    drop(first);
    // The place is free once the server has seen the end.
    soon(async { while Client::try_open(&format!("{}?token=bob", server.url()), &[]).await.is_err() {} })
        .await;
}

#[tokio::test]
async fn a_full_handshake_queue_refuses_before_reading_anything() {
    let server = server(|config| config.limits.handshakes = 1).await;
    let answer = soon(async {
        loop {
            let mut slow = TcpStream::connect(address(&server.url())).await.unwrap();
            slow.write_all(b"GET /ws HTTP/1.1\r\n").await.unwrap();
            let answer = http(&server.url(), "GET /ws HTTP/1.1\nHost: localhost\n\n").await;
            // Before the server has read of the slow one, that is silent and gives way.
            if !answer.starts_with("HTTP/1.1 426 ") {
                return answer;
            }
        }
    })
    .await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("Retry-After: 5\r\n"), "{answer}");
}

#[tokio::test]
async fn a_handshake_that_does_not_finish_is_cut() {
    let server = server(|config| config.limits.handshake = std::time::Duration::from_millis(50)).await;
    let mut slow = TcpStream::connect(address(&server.url())).await.unwrap();
    slow.write_all(b"GET /ws HTTP/1.1\r\nHo").await.unwrap();
    let mut rest = Vec::new();
    let _ = soon(slow.read_to_end(&mut rest)).await;
}

#[tokio::test]
async fn rooms_work_over_tls_and_the_url_says_so() {
    use std::sync::Arc;
    use tokio_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};
    use tokio_rustls::rustls::{self, ClientConfig, RootCertStore, ServerConfig};
    let made = rcgen::generate_simple_self_signed([String::from("localhost")]).unwrap();
    let provider = || Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let builder =
        ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let tls = builder.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let server = server(|config| config.tls = Some(Arc::new(tls))).await;
    assert!(server.url().starts_with("wss://127.0.0.1:"));

    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let builder =
        ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let client = builder.with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(address(&server.url())).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = tokio_rustls::TlsConnector::from(Arc::new(client)).connect(name, stream).await.unwrap();
    let url = format!("{}?token=ada", server.url());
    let (mut socket, _) = soon(tokio_tungstenite::client_async(url, stream)).await.unwrap();
    socket.send(join("lobby").into()).await.unwrap();
    socket.send("?".into()).await.unwrap();
    let heard = soon(socket.next()).await.unwrap().unwrap();
    assert_eq!(heard.to_text().unwrap(), r#"{"type":"error","message":"Invalid JSON"}"#);
}
