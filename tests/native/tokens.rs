//! Tokens: where they go, what a rejection does, and where they never appear.

use crate::{Client, failed, lost, quick, until_state, within};
use harness::token_reader::{Place, Refusal, TokenReader};
use rejoin::{CauseCode, State, Token, TokenError, TokenLocation};
use rejoin_server::Auth;
use rejoin_server::auth::Tokens;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

const SECRET: &str = "canary-71b2c";

async fn guarded() -> rejoin_server::ServerHandle {
    let mut config = rejoin_server::Config::default();
    config.auth = Auth::Tokens(Tokens::parse(&format!("{SECRET} ada\n")).unwrap());
    crate::server_with(config).await
}

#[tokio::test]
async fn a_wrong_token_ends_in_failed_and_a_right_one_leads_out() {
    let server = guarded().await;
    let (client, mut events) = quick(&server.url(), "wrong").connect().unwrap();
    let change = until_state(&mut events, "the rejection", failed).await;
    let cause = change.cause.unwrap();
    assert_eq!((cause.code, cause.will_retry), (CauseCode::Unauthorized(4001), false));
    assert_eq!(client.diagnostics().dials, 1);
    client.set_token(Token::new(SECRET));
    until_state(&mut events, "the connection", |state| *state == State::Connected).await;
}

#[tokio::test]
async fn a_source_is_asked_once_for_each_rejection_and_the_second_in_a_row_is_final() {
    let server = guarded().await;
    for (answers, good) in [(["old", SECRET, SECRET], true), (["old", "older", SECRET], false)] {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let source = move || {
            let token = answers[count.fetch_add(1, Ordering::SeqCst)];
            async move { Ok::<_, TokenError>(Token::new(token)) }
        };
        let (_client, mut events) = Client::builder(server.url()).token_source(source).connect().unwrap();
        // The refusal comes after the upgrade, so both begin with a connection and its loss.
        until_state(&mut events, "the first rejection", lost).await;
        if good {
            until_state(&mut events, "the connection", |state| *state == State::Connected).await;
        } else {
            let change = until_state(&mut events, "the second rejection", failed).await;
            assert_eq!(change.cause.unwrap().code, CauseCode::Unauthorized(4001));
        }
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }
}

#[tokio::test]
async fn the_close_code_that_others_have_for_a_refused_token_means_that_too() {
    let server = TokenReader::start(Place::Header, Refusal::CloseWith(4401), SECRET);
    for (second, good) in [(SECRET, true), ("older", false)] {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let source = move || {
            let token = if count.fetch_add(1, Ordering::SeqCst) == 0 { "old" } else { second };
            async move { Ok::<_, TokenError>(Token::new(token)) }
        };
        let (client, mut events) =
            Client::builder(&server.url).token_source(source).room("lobby").connect().unwrap();
        until_state(&mut events, "the first rejection", lost).await;
        if good {
            within("ready", client.ready()).await.unwrap();
        } else {
            let change = until_state(&mut events, "the second rejection", failed).await;
            assert_eq!(change.cause.unwrap().code, CauseCode::Unauthorized(4401));
        }
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }
}

#[tokio::test]
async fn a_token_in_the_first_message_is_written_first_on_each_connection() {
    let server = TokenReader::start(Place::Message, Refusal::Close, SECRET);
    let builder = quick(&server.url, SECRET).token_location(TokenLocation::Message).room("lobby");
    let (client, mut events) = builder.connect().unwrap();
    for text in ["before", "after"] {
        within("ready", client.ready()).await.unwrap();
        within("the outcome", client.send("lobby", text)).await.unwrap();
        crate::until_message(&mut events, text).await;
        client.reconnect();
        until_state(&mut events, "the end of the connection", lost).await;
    }
}

#[tokio::test]
async fn a_source_that_fails_is_asked_again_and_a_final_no_is_final() {
    let server = guarded().await;
    let asked = AtomicUsize::new(0);
    let source = move || {
        let first = asked.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            Err::<Token, _>(if first {
                TokenError::temporary("away")
            } else {
                TokenError::permanent("signed out")
            })
        }
    };
    let (_client, mut events) = Client::builder(server.url()).token_source(source).connect().unwrap();
    let change = until_state(&mut events, "the first failure", lost).await;
    assert_eq!(change.cause.unwrap().code, CauseCode::TokenUnavailable);
    let change = until_state(&mut events, "the second", failed).await;
    assert_eq!(&*change.cause.unwrap().text, "signed out");
}

/// What the client's request looks like on the wire.
async fn request(build: impl FnOnce(rejoin::ClientBuilder) -> rejoin::ClientBuilder) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let builder = Client::builder(format!("ws://{}/ws?a=1", listener.local_addr().unwrap()));
    let (_client, _events) = build(builder.token(SECRET)).connect().unwrap();
    let (mut tcp, _) = within("a dial", listener.accept()).await.unwrap();
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(within("a byte", tokio::io::AsyncReadExt::read_u8(&mut tcp)).await.unwrap());
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn the_token_goes_into_the_header_or_the_query_never_both() {
    let header = request(|builder| builder).await;
    assert!(header.contains(&format!("uthorization: Bearer {SECRET}\r\n")), "{header}");
    assert!(header.starts_with("GET /ws?a=1&ext=1 HTTP/1.1\r\n"), "{header}");
    let plain = request(|builder| builder.extended(false)).await;
    assert!(plain.starts_with("GET /ws?a=1 HTTP/1.1\r\n"), "{plain}");
    let query = request(|builder| builder.token_location(TokenLocation::Query)).await;
    assert!(query.starts_with(&format!("GET /ws?a=1&token={SECRET}&ext=1 HTTP/1.1\r\n")), "{query}");
    assert!(!query.to_lowercase().contains("authorization"), "{query}");
}

/// What a client's request for this path looks like on the wire.
async fn request_of(
    path: &str,
    build: impl FnOnce(rejoin::ClientBuilder) -> rejoin::ClientBuilder,
) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let builder = Client::builder(format!("ws://{}{path}", listener.local_addr().unwrap()));
    let (_client, _events) = build(builder).connect().unwrap();
    let (mut tcp, _) = within("a dial", listener.accept()).await.unwrap();
    within("the request", crate::upgrades::head(&mut tcp)).await
}

#[tokio::test]
async fn a_token_in_the_url_is_sent_in_the_url_unless_it_is_told_to_go_elsewhere() {
    let path = "/ws?a=b%20c&token=a%2Bb&d=e";
    let in_url = request_of(path, |builder| builder).await;
    assert!(in_url.starts_with("GET /ws?a=b%20c&d=e&token=a%2Bb&ext=1 HTTP/1.1\r\n"), "{in_url}");
    assert!(!in_url.to_lowercase().contains("authorization"), "{in_url}");
    // Another token takes the place of the one in the URL.
    let replaced = request_of(path, |builder| builder.token("other")).await;
    assert!(replaced.contains("&token=other&") && !replaced.contains("a%2Bb"), "{replaced}");
    let source = || async { Ok::<_, TokenError>(Token::new("fresh")) };
    let fetched = request_of(path, |builder| builder.token_source(source)).await;
    assert!(fetched.contains("&token=fresh&"), "{fetched}");
    let header = request_of(path, |builder| builder.token_location(TokenLocation::Header)).await;
    assert!(header.starts_with("GET /ws?a=b%20c&d=e&ext=1 HTTP/1.1\r\n"), "{header}");
    assert_eq!(crate::upgrades::field(&header, "authorization"), Some("Bearer a+b"));
}

#[tokio::test]
async fn a_token_for_a_stream_of_events_goes_where_it_was_given_too() {
    for (query, location, expected) in [
        ("?token=s&a=b", None, ("/rooms/r/events?a=b&token=s", None)),
        ("?token=s", Some(TokenLocation::Header), ("/rooms/r/events", Some("Bearer s"))),
        ("", Some(TokenLocation::Query), ("/rooms/r/events?token=t", None)),
    ] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut builder = rejoin::follow(format!("http://{}/{query}", listener.local_addr().unwrap()), "r");
        if query.is_empty() {
            builder = builder.token("t");
        }
        if let Some(location) = location {
            builder = builder.token_location(location);
        }
        let _events = builder.connect().unwrap();
        let (mut tcp, _) = within("a dial", listener.accept()).await.unwrap();
        let head = within("the request", crate::upgrades::head(&mut tcp)).await;
        assert_eq!(head.split(' ').nth(1), Some(expected.0));
        assert_eq!(crate::upgrades::field(&head, "authorization"), expected.1);
    }
}

#[tokio::test]
async fn toward_socket_io_a_token_in_the_url_goes_there_beside_the_auth_object() {
    let socket_io = |builder: rejoin::ClientBuilder| builder.socket_io(rejoin::SocketIo::default());
    let in_url = request_of("/?token=s", socket_io).await;
    assert!(in_url.starts_with("GET /socket.io/?EIO=4&transport=websocket&token=s HTTP/1.1\r\n"), "{in_url}");
    let given = request_of("/", |builder| socket_io(builder.token("s"))).await;
    assert!(given.starts_with("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"), "{given}");
    assert!(!given.to_lowercase().contains("authorization"), "{given}");
    let header =
        request_of("/", |builder| socket_io(builder.token("s").token_location(TokenLocation::Header))).await;
    assert_eq!(crate::upgrades::field(&header, "authorization"), Some("Bearer s"));
}

/// Keeps everything that is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_token_is_in_no_log_no_event_and_no_debug_output() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing_subscriber::util::SubscriberInitExt::set_default(subscriber);
    let server = guarded().await;
    let url = format!("{}?token={SECRET}-wrong", server.url());
    let builder = Client::builder(url).token_location(TokenLocation::Query);
    let mut seen = format!("{builder:?}");
    let (client, mut events) = builder.connect().unwrap();
    while let Some(event) = within("the end", events.next()).await {
        seen.push_str(&format!("{event:?}"));
        if matches!(event, rejoin::Event::State(ref change) if change.state == State::Failed) {
            break;
        }
    }
    seen.push_str(&format!("{client:?} {:?} {:?}", client.status(), client.ready().await));
    seen.push_str(&String::from_utf8_lossy(&log.0.lock().unwrap()));
    assert!(!seen.contains(SECRET), "{seen}");
    assert!(seen.contains("Unauthorized"));
}
