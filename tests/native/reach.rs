//! Options for the way between a client and its server: header fields, subprotocols, certificates, streams of the application's own.

use crate::upgrades::{answering, field, head};
use crate::{Client, lost, quick, server, server_with, until_state, within};
use rejoin::{
    BuildError, CauseCode, ClientBuilder, Config, ConnectOptions, DialErrorKind, Headers, SocketIo,
};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;

const SECRET: &str = "canary-71b2c";

/// A client at this URL, of which `HOST` is a listening port, and the heads of its first two requests.
async fn requests(url: &str, build: impl FnOnce(ClientBuilder) -> ClientBuilder) -> [String; 2] {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = url.replace("HOST", &listener.local_addr().unwrap().to_string());
    let builder = build(Client::builder(url));
    assert!(!format!("{builder:?}").contains(SECRET));
    let (client, _events) = builder.connect().unwrap();
    let mut heads = [String::new(), String::new()];
    for request in &mut heads {
        client.reconnect();
        let (mut tcp, _) = within("a dial", listener.accept()).await.unwrap();
        *request = within("the request", head(&mut tcp)).await;
    }
    heads
}

#[tokio::test]
async fn headers_go_with_every_request_and_those_made_per_attempt_are_made_again() {
    let count = Arc::new(AtomicUsize::new(0));
    let [first, second] = requests("ws://HOST/ws", |builder| {
        builder
            .header("Cookie", format!("session={SECRET}"))
            .header("X-Attempt", "fixed")
            .header("User-Agent", "mine")
            .headers_with(move || {
                let attempt = count.fetch_add(1, Ordering::SeqCst).to_string();
                async move { Headers::new().with("X-Attempt", &attempt) }
            })
    })
    .await;
    for (request, attempt) in [(&first, "0"), (&second, "1")] {
        assert_eq!(field(request, "cookie"), Some(&*format!("session={SECRET}")));
        assert_eq!(field(request, "x-attempt"), Some(attempt), "{request}");
        assert_eq!(field(request, "user-agent"), Some("mine"));
    }
}

#[tokio::test]
async fn a_user_name_and_password_in_the_url_go_as_basic_authentication() {
    // "me:p@ss"
    let basic = Some("Basic bWU6cEBzcw==");
    let [request, _] = requests("ws://me:p%40ss@HOST/ws", |builder| builder).await;
    assert_eq!(field(&request, "authorization"), basic);
    assert!(request.starts_with("GET /ws?ext=1 ") && !field(&request, "host").unwrap().contains('@'));
    let [request, _] = requests("ws://me:p%40ss@HOST/ws?token=t", |builder| builder).await;
    assert!(request.starts_with("GET /ws?token=t&ext=1 "), "{request}");
    assert_eq!(field(&request, "authorization"), basic);
    let [request, _] = requests("http://me:p%40ss@HOST/", |builder| {
        builder.socket_io(SocketIo::default()).token("t").header("X", "y")
    })
    .await;
    assert_eq!((field(&request, "authorization"), field(&request, "x")), (basic, Some("y")));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://me:p%40ss@{}/", listener.local_addr().unwrap());
    let _events = rejoin::follow(url, "r").header("X", "y").connect().unwrap();
    let (mut tcp, _) = within("a dial", listener.accept()).await.unwrap();
    let request = within("the request", head(&mut tcp)).await;
    assert_eq!((field(&request, "authorization"), field(&request, "x")), (basic, Some("y")));
}

#[tokio::test]
async fn what_cannot_be_sent_is_an_error_before_any_dial() {
    let taken = [
        Client::builder("ws://me:p@h/").token("t").connect().unwrap_err(),
        Client::builder("ws://h/").token("t").header("authorization", SECRET).connect().unwrap_err(),
    ];
    for error in taken {
        assert!(matches!(error, BuildError::Authorization), "{error:?}");
    }
    for (name, value) in [("X Y", SECRET), ("X", "canary-71b2c\r\nY: z"), ("Upgrade", SECRET)] {
        let error = Client::builder("ws://h/").header(name, value).connect().unwrap_err();
        assert!(matches!(error, BuildError::Header(_)), "{error:?}");
        assert!(!format!("{error} {error:?}").contains(SECRET), "{error:?}");
    }
    for names in [&["a b"][..], &[""], &["a,b"], &["a", "a"]] {
        let builder =
            names.iter().fold(Client::builder("ws://h/"), |builder, name| builder.subprotocol(*name));
        assert!(matches!(builder.connect().unwrap_err(), BuildError::Subprotocol), "{names:?}");
    }
    let error = Client::builder("ws://h/").connect_timeout(Duration::ZERO).connect().unwrap_err();
    assert!(matches!(error, BuildError::ConnectTimeout(_)), "{error:?}");
    let error = Client::builder("ws://h/").client_certificate("no", "pem").connect().unwrap_err();
    assert!(error.to_string().contains("client certificate"), "{error}");
}

#[tokio::test]
async fn one_set_of_options_serves_clients_and_feeds() {
    let options = ConnectOptions::default().token(SECRET).header("authorization", "x");
    assert!(!format!("{options:?}").contains(SECRET), "{options:?}");
    let of_client = Client::builder("ws://h/").options(options.clone()).connect().unwrap_err();
    let of_feed = rejoin::follow("http://h/", "r").options(options).connect().unwrap_err();
    for error in [of_client, of_feed] {
        // Both have got both: a token beside a header of the application's own.
        assert!(matches!(error, BuildError::Authorization), "{error:?}");
    }
}

#[tokio::test]
async fn headers_that_cannot_be_made_are_a_failed_attempt_that_is_made_again() {
    let server = server().await;
    let failed = AtomicUsize::new(0);
    let (client, mut events) = quick(&server.url(), "ada")
        .headers_with(move || {
            let is_first = failed.fetch_add(1, Ordering::SeqCst) == 0;
            async move { if is_first { Err("the vault is sealed") } else { Ok(Headers::new()) } }
        })
        .connect()
        .unwrap();
    let cause = until_state(&mut events, "the failure", lost).await.cause.unwrap();
    assert_eq!(cause.code, CauseCode::Dial(DialErrorKind::Headers));
    assert_eq!(&*cause.text, "the vault is sealed");
    within("ready", client.ready()).await.unwrap();
}

#[tokio::test]
async fn subprotocols_are_offered_in_order_and_a_server_that_speaks_none_is_not_used() {
    let [request, _] =
        requests("ws://HOST/", |builder| builder.subprotocol("v2.chat").subprotocol("chat")).await;
    assert_eq!(field(&request, "sec-websocket-protocol"), Some("v2.chat, chat"));
    let server = server().await;
    let (_client, mut events) = quick(&server.url(), "ada").subprotocol("v2.chat").connect().unwrap();
    let cause = until_state(&mut events, "the refusal", lost).await.cause.unwrap();
    assert_eq!(cause.code, CauseCode::Dial(DialErrorKind::NotWebSocket));
    assert!(cause.text.contains("v2.chat"), "{cause:?}");
}

#[tokio::test]
async fn a_stream_of_the_applications_own_takes_the_place_of_tcp() {
    let mut config = rejoin_server::Config::default();
    config.allow_host = vec![String::from("nowhere.invalid")];
    let server = server_with(config).await;
    let address = server.url().replace("ws://", "").replace("/ws", "");
    // In memory on the client's side; what comes out at the other end is carried to the server.
    let connect = move |endpoint: rejoin::Endpoint| {
        assert_eq!((endpoint.host(), endpoint.port()), ("nowhere.invalid", 80));
        let address = address.clone();
        async move {
            let mut server = tokio::net::TcpStream::connect(address).await?;
            let (ours, mut theirs) = tokio::io::duplex(1024);
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut theirs, &mut server).await });
            Ok(ours)
        }
    };
    let builder = quick("ws://nowhere.invalid/ws", "ada").room("lobby").connector(connect.clone());
    let (client, mut events) = builder.connect().unwrap();
    within("ready", client.ready()).await.unwrap();
    within("a receipt", client.send("lobby", "through memory")).await.unwrap();
    crate::until_message(&mut events, "through memory").await;
    let mut events = rejoin::follow("http://nowhere.invalid", "lobby")
        .token("bob")
        .history(1)
        .connector(connect)
        .connect()
        .unwrap();
    within("the message", async {
        loop {
            if let Some(rejoin::FeedEvent::Message(message)) = events.next().await {
                return assert_eq!(message.content, "through memory");
            }
        }
    })
    .await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_is_reached_and_one_that_is_not_there_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.sock");
    let to = path.clone();
    let connect = move |_| tokio::net::UnixStream::connect(to.clone());
    let (_client, mut events) = quick("ws://localhost/ws", "ada").connector(connect).connect().unwrap();
    let cause = until_state(&mut events, "the failure", lost).await.cause.unwrap();
    assert_eq!(cause.code, CauseCode::Dial(DialErrorKind::Unreachable));
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    within("the next attempt", listener.accept()).await.unwrap();
}

#[tokio::test]
async fn an_attempt_to_connect_ends_at_the_limit_it_was_given() {
    let silent = answering(|_| Vec::new()).await;
    let mut config = Config::default();
    // What is given to the builder itself wins over this.
    config.link.dial_timeout = Duration::from_secs(3600);
    let builder = Client::builder(format!("ws://{silent}/")).connect_timeout(Duration::from_millis(100));
    let (_client, mut events) = builder.config(config).connect().unwrap();
    let cause = until_state(&mut events, "the limit", lost).await.cause.unwrap();
    assert_eq!(cause.code, CauseCode::Dial(DialErrorKind::Timeout));
}

#[tokio::test]
async fn a_rule_of_ones_own_gives_the_delays_and_the_limit_of_attempts_ends_it() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&asked);
    let rule = move |attempt: rejoin::backoff::Attempt| {
        told.lock().unwrap().push(attempt.number);
        Duration::ZERO
    };
    let builder = Client::builder("ws://127.0.0.1:1/ws").backoff_with(rule.clone()).max_attempts(2);
    let (client, _events) = builder.connect().unwrap();
    let end = within("the end", client.terminated()).await;
    assert_eq!((end.code, end.last), (CauseCode::GaveUp, Some(CauseCode::Dial(DialErrorKind::Refused))));
    assert_eq!(*asked.lock().unwrap(), [1, 2, 3]);
    let builder = rejoin::follow("http://127.0.0.1:1", "lobby").backoff_with(rule).max_attempts(2);
    let mut feed = builder.connect().unwrap();
    while within("the end of the feed", feed.next()).await.is_some() {}
    assert_eq!(*asked.lock().unwrap(), [1, 2, 3, 1, 2, 3]);
}
