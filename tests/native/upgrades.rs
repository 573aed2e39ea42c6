//! The HTTP half of a connection, against servers and proxies that answer in their own way.

use crate::{failed, lost, quick, until_message, until_state, within};
use rejoin::{Cause, CauseCode, ClientBuilder, DialErrorKind, FeedEvent};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

const SECRET: &str = "canary/71b2c+x";

/// Reads the head of a request.
pub(crate) async fn head(tcp: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        match tcp.read_u8().await {
            Ok(byte) => bytes.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The value of a request's field.
pub(crate) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (field, value) = line.split_once(':')?;
        field.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

/// Answers every request with what `answer` makes of its head, and keeps the connection open.
pub(crate) async fn answering(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut tcp, _)) = listener.accept().await {
            let head = head(&mut tcp).await;
            // The client may have gone.
            let _ = tcp.write_all(&answer(&head)).await;
            open.push(tcp);
        }
    });
    address
}

/// The head of an answer that accepts the upgrade, with these fields.
fn accepted(request: &str, fields: &str) -> Vec<u8> {
    let accept = derive_accept_key(field(request, "Sec-WebSocket-Key").unwrap().as_bytes());
    format!("HTTP/1.1 101 Switching Protocols\r\n{fields}Sec-WebSocket-Accept: {accept}\r\n\r\n").into_bytes()
}

fn text_frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81, u8::try_from(text.len()).unwrap()];
    frame.extend_from_slice(text.as_bytes());
    frame
}

const MESSAGE: &str = r#"{"type":"message","roomId":"r","userId":"u","content":"at once","timestamp":"t"}"#;

#[tokio::test]
async fn the_fields_of_an_accepted_upgrade_are_lists_in_any_case_and_frames_may_follow_at_once() {
    for fields in [
        "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n",
        "connection: UPGRADE\r\nupgrade: WebSocket\r\n",
        "Connection: keep-alive\r\nConnection: upgrade\r\nUpgrade: websocket\r\n",
    ] {
        let address = answering(move |request| {
            let mut answer = accepted(request, fields);
            answer.extend(text_frame(MESSAGE));
            answer
        })
        .await;
        let (_client, mut events) = quick(&format!("ws://{address}/"), "ada").room("r").connect().unwrap();
        until_message(&mut events, "at once").await;
    }
}

/// The cause of a first failed dial.
async fn refusal(builder: ClientBuilder) -> Cause {
    let (_client, mut events) = builder.connect().unwrap();
    until_state(&mut events, "the refusal", |state| lost(state) || failed(state)).await.cause.unwrap()
}

async fn refusal_of(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Cause {
    let address = answering(answer).await;
    refusal(quick(&format!("ws://{address}/ws?a=1&token={SECRET}"), SECRET)).await
}

#[tokio::test]
async fn an_answer_to_another_request_is_no_upgrade() {
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    let replayed = refusal_of(move |_| {
        let key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
        accepted(key, upgrade)
    })
    .await;
    assert_eq!(replayed.code, CauseCode::Dial(DialErrorKind::NotWebSocket));
    assert!(replayed.text.contains("Sec-WebSocket-Accept"), "{replayed:?}");
    let http10 = refusal_of(move |request| {
        let answer = String::from_utf8(accepted(request, upgrade)).unwrap();
        answer.replace("HTTP/1.1", "HTTP/1.0").into_bytes()
    })
    .await;
    assert_eq!(http10.code, CauseCode::Dial(DialErrorKind::Http(101)));
}

#[tokio::test]
async fn a_redirect_names_its_target_and_not_the_token_in_it() {
    for (location, target) in [
        ("https://other.example/ws?a=1&token=canary%2F71b2c%2Bx", "https://other.example/ws?…,"),
        ("/login/canary%2f71b2c%2bx", "/login/…,"),
    ] {
        let answer =
            format!("HTTP/1.1 301 Moved Permanently\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
        let cause = refusal_of(move |_| answer.clone().into_bytes()).await;
        assert_eq!(cause.code, CauseCode::Dial(DialErrorKind::Http(301)));
        assert!(cause.text.contains(target), "{cause:?}");
        assert!(!cause.text.contains("71b2c"), "{cause:?}");
    }
}

#[tokio::test]
async fn a_refusal_gives_the_first_line_of_its_explanation_without_the_token() {
    for (fields, body, expected) in [
        ("", format!("no {SECRET} here\nmore"), "(\"no … here\")"),
        ("Content-Type: application/json\r\n", r#"{"error":"origin"}"#.to_owned(), "(\"origin\")"),
        (
            "Content-Type: text/html; charset=utf-8\r\n",
            "<head></head><body><h1>Go away</h1>".to_owned(),
            "(\"Go away\")",
        ),
        ("Content-Type: text/html\r\n", "<h1>403 Forbidden</h1>".to_owned(), "that it expects"),
        ("Content-Type: image/png\r\n", "PNG".to_owned(), "that it expects"),
        ("", format!("\u{1b}[2J{}", "x".repeat(9000)), "x…"),
    ] {
        // The rest of the body never comes: the status is not held up by it.
        let answer = format!("HTTP/1.1 403 Forbidden\r\n{fields}Content-Length: 100000\r\n\r\n{body}");
        let cause = refusal_of(move |_| answer.clone().into_bytes()).await;
        assert!(
            cause.text.trim_end_matches("\")").ends_with(expected.trim_end_matches("\")")),
            "{expected}: {cause:?}"
        );
        assert!(!cause.text.contains("71b2c") && !cause.text.contains('\u{1b}'), "{cause:?}");
        assert!(cause.text.len() < 400, "{cause:?}");
    }
}

#[tokio::test]
async fn a_refusal_says_what_its_status_means_and_how_long_to_wait() {
    for (head, expected) in [
        ("426 Upgrade Required\r\n", "a proxy on the way must pass the headers Upgrade and Connection on"),
        ("502 Bad Gateway\r\n", "a proxy answers, and the server behind it does not"),
        ("504 Gateway Timeout\r\n", "a proxy answers, and the server behind it does not"),
        ("503 Service Unavailable\r\nRetry-After: 7\r\n", "busy or restarting, and asks to wait for 7 s"),
        ("429 Too Many Requests\r\nRetry-After: 9\r\n", "too many attempts, and asks to wait for 9 s"),
        ("413 Content Too Large\r\n", "shorten the token"),
        ("431 Request Header Fields Too Large\r\n", "shorten the token"),
        ("400 Bad Request\r\n", "use wss://"),
        ("403 Forbidden\r\n", "send the Origin header"),
        ("401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\n", "put USER:PASSWORD@ before"),
    ] {
        let answer = format!("HTTP/1.1 {head}Content-Length: 0\r\n\r\n");
        let cause = refusal_of(move |_| answer.clone().into_bytes()).await;
        assert!(cause.text.contains(expected), "{head}: {cause:?}");
    }
}

#[tokio::test]
async fn an_answer_in_tls_leads_to_the_other_scheme() {
    let cause = refusal_of(|_| b"\x15\x03\x01\0\x02\x02\x46".to_vec()).await;
    assert_eq!(cause.code, CauseCode::Dial(DialErrorKind::Tls), "{cause:?}");
    assert!(cause.text.contains("use wss://"), "{cause:?}");
}

#[tokio::test]
async fn an_answer_without_end_is_given_up() {
    for line in ["X: y\r\n".repeat(1000), format!("X: {}\r\n", "y".repeat(1 << 20))] {
        let answer = format!("HTTP/1.1 101 Switching Protocols\r\n{line}\r\n");
        let cause = refusal_of(move |_| answer.clone().into_bytes()).await;
        assert_eq!(cause.code, CauseCode::Dial(DialErrorKind::NotWebSocket), "{cause:?}");
    }
}

#[tokio::test]
async fn a_streams_redirect_and_refusal_say_the_same() {
    for (answer, expected) in [
        ("HTTP/1.1 302 Found\r\nLocation: /x?token=canary\r\nContent-Length: 0\r\n\r\n", "/x?…,"),
        ("HTTP/1.1 400 Bad Request\r\nContent-Length: 9\r\n\r\nno\nreason", "(\"no\")"),
    ] {
        let address = answering(move |_| answer.into()).await;
        let mut events = rejoin::follow(format!("http://{address}/"), "r").token("canary").connect().unwrap();
        let text = within("the refusal", async {
            loop {
                if let Some(FeedEvent::State(change)) = events.next().await
                    && let Some(cause) = change.cause
                {
                    return cause.text;
                }
            }
        })
        .await;
        assert!(text.contains(expected) && !text.contains("canary"), "{text}");
    }
}
