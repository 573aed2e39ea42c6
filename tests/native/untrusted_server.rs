//! Servers that are no room servers, or do not answer; and a proxy in between.

use crate::{Client, failed, lost, quick, server, until_message, until_state, within};
use harness::closed_port::ClosedPort;
use rejoin::{CauseCode, DialErrorKind, Proxy};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Answers every connection with the same bytes.
pub(crate) async fn stranger(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            head(&mut tcp).await;
            // The client may have hung up.
            let _ = tcp.write_all(answer.as_bytes()).await;
        }
    });
    address
}

/// Reads a request's head.
async fn head(tcp: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        match tcp.read_u8().await {
            Ok(byte) => bytes.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

pub(crate) const HTML: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>";

#[tokio::test]
async fn what_is_no_room_server_is_given_up_after_three_tries_with_the_reason() {
    for (answer, kind, words) in [
        (HTML, DialErrorKind::NotWebSocket, "web page"),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", DialErrorKind::Http(404), "404"),
        ("HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n", DialErrorKind::Http(426), "426"),
        (
            "HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
            DialErrorKind::Http(302),
            "redirects are not followed",
        ),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n", DialErrorKind::NotWebSocket, "not HTTP"),
    ] {
        let address = stranger(answer).await;
        let (client, mut events) = quick(&format!("ws://{address}/"), "ada").connect().unwrap();
        let change = until_state(&mut events, "the end", failed).await;
        let cause = change.cause.unwrap();
        assert_eq!(cause.code, CauseCode::Dial(kind), "{cause:?}");
        assert!(cause.text.contains(words), "{cause:?}");
        assert_eq!(client.diagnostics().dials, 3);
    }
}

#[tokio::test]
async fn a_port_that_says_nothing_is_given_up_at_the_deadline_of_the_dial() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (_client, mut events) =
        quick(&format!("ws://{}/", listener.local_addr().unwrap()), "ada").connect().unwrap();
    let change = until_state(&mut events, "the deadline", lost).await;
    assert_eq!(change.cause.unwrap().code, CauseCode::Dial(DialErrorKind::Timeout));
}

#[tokio::test]
async fn nobody_there_and_no_such_name_are_told_apart_and_tried_again() {
    let nobody = ClosedPort::hold();
    for (url, kind) in
        [(nobody.url().as_str(), DialErrorKind::Refused), ("ws://nowhere.invalid/", DialErrorKind::Dns)]
    {
        let (_client, mut events) = Client::builder(url).connect().unwrap();
        let change = until_state(&mut events, "the failure", lost).await;
        assert_eq!(change.cause.unwrap().code, CauseCode::Dial(kind));
    }
}

/// A proxy that wants a password; gives the targets it was asked for.
async fn proxy() -> (SocketAddr, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (asked, targets) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let request = head(&mut client).await;
            // "user:pass"
            if !request.contains("Proxy-Authorization: Basic dXNlcjpwYXNz") {
                let _ = client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
                continue;
            }
            let target = request.split(' ').nth(1).unwrap().to_owned();
            let mut server = TcpStream::connect(&target).await.unwrap();
            let _ = asked.send(target);
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
        }
    });
    (address, targets)
}

#[tokio::test]
async fn a_proxy_is_asked_for_a_tunnel_and_its_refusal_is_told() {
    let server = server().await;
    let (address, mut targets) = proxy().await;
    let through = |login: &str| {
        let proxy = Proxy::parse(&format!("http://{login}{address}")).unwrap();
        quick(&server.url(), "ada").room("lobby").proxy(proxy).connect().unwrap()
    };
    let (client, mut events) = through("user:pass@");
    within("ready", client.ready()).await.unwrap();
    let target = server.url().replace("ws://", "").replace("/ws", "");
    assert_eq!(within("the proxy", targets.recv()).await, Some(target));
    within("a receipt", client.send("lobby", "through")).await.unwrap();
    until_message(&mut events, "through").await;
    let base = server.url().replace("ws://", "http://").replace("/ws", "");
    let proxy = Proxy::parse(&format!("http://user:pass@{address}")).unwrap();
    let mut feed = rejoin::follow(base, "lobby").token("bob").history(1).proxy(proxy).connect().unwrap();
    let heard = within("the message", async {
        loop {
            if let Some(rejoin::FeedEvent::Message(message)) = feed.next().await {
                return message.content;
            }
        }
    })
    .await;
    assert_eq!(heard, "through");
    let (_client, mut events) = through("");
    let change = until_state(&mut events, "the refusal", lost).await;
    let cause = change.cause.unwrap();
    assert_eq!(cause.code, CauseCode::Dial(DialErrorKind::Proxy));
    assert!(cause.text.contains("407"), "{cause:?}");
}
