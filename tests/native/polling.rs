//! Socket.IO by long polling: on our server, behind a proxy that lets no WebSocket through, and on servers that answer what they
//! were told to. The library that everybody uses is in `tests/interop`.

use crate::{
    failed, in_lobby, lost, quick, server, until, until_arrival, until_message, until_state, within,
};
use harness::upgrade_proxy::UpgradeProxy;
use rejoin::socketio::Transports;
use rejoin::{CauseCode, Client, ClientBuilder, DialErrorKind, Event, Events, Mode, Receipt, SocketIo};
use rejoin_server::ServerHandle;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

const OPEN: &str =
    r#"0{"sid":"s3cr3t-sid","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
const CONSENT: &str = r#"40{"sid":"s"}"#;

fn address(server: &ServerHandle) -> SocketAddr {
    server.url().trim_start_matches("ws://").trim_end_matches("/ws").parse().unwrap()
}

/// A client that uses these transports, and waits for the next attempt for a moment only.
fn by(transports: Transports, address: SocketAddr, token: &str) -> ClientBuilder {
    quick(&format!("http://{address}"), token)
        .backoff(Duration::from_millis(100), Duration::from_millis(200))
        .socket_io(SocketIo::default().transports(transports))
}

/// All numbers that are heard until the last one.
async fn heard(events: &mut Events, last: usize) -> Vec<usize> {
    let mut heard = Vec::new();
    while heard.last() != Some(&last) {
        let number = until(events, "a number", |event| match event {
            Event::Message(message) => message.content.parse().ok(),
            Event::Gap(gap) => panic!("{gap:?}"),
            _ => None,
        });
        heard.push(number.await);
    }
    heard
}

/// Says the numbers one after the other, each when the one before it has been answered.
async fn say_all(client: &Client, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let receipt = within("a receipt", client.send("lobby", number.to_string())).await.unwrap();
        assert!(receipt.id().is_some(), "{receipt:?}");
    }
}

#[tokio::test]
async fn where_upgrades_are_refused_the_fourth_attempt_is_made_by_long_polling() {
    let server = server().await;
    let proxy = UpgradeProxy::start(address(&server)).await;
    let (ada, mut ada_hears) = in_lobby(&server.url(), "ada").await;
    let (bob, mut bob_hears) = by(Transports::Auto, proxy.address, "bob").room("lobby").connect().unwrap();
    until_arrival(&mut ada_hears, "bob").await;
    assert_eq!(within("ready", bob.ready()).await.unwrap(), Mode::SocketIo);
    let asked = proxy.requests();
    let upgrade = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1";
    assert_eq!(asked[..3], [upgrade; 3]);
    assert_eq!(asked[3], "GET /socket.io/?EIO=4&transport=polling HTTP/1.1");
    within("a receipt", ada.send("lobby", "hi bob")).await.unwrap();
    until_message(&mut bob_hears, "hi bob").await;
    let receipt = within("a receipt", bob.send("lobby", "hi ada")).await.unwrap();
    assert!(receipt.id().is_some(), "{receipt:?}");
    until_message(&mut ada_hears, "hi ada").await;
    within("the end", bob.close()).await;
}

#[tokio::test]
async fn a_server_of_long_polling_alone_is_polled_as_soon_as_it_has_said_so_though_it_is_away_then() {
    let refusal = r#"{"code":0,"message":"Transport unknown"}"#;
    let refusal = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{refusal}",
        refusal.len()
    );
    let firsts = Mutex::new(0);
    let (address, mut requests) = scripted(move |asked| match asked {
        asked if asked.is_upgrade() => Does::Answers(refusal.clone()),
        asked if asked.is_first() => {
            let mut firsts = firsts.lock().unwrap();
            *firsts += 1;
            if *firsts == 1 { Does::Breaks(Vec::new()) } else { ok(OPEN) }
        }
        asked if asked.is_poll() => ok(CONSENT),
        _ => ok("ok"),
    })
    .await;
    let (client, _events) = by(Transports::Auto, address, "ada").connect().unwrap();
    within("ready", client.ready()).await.unwrap();
    let mut transports = Vec::new();
    while transports.len() < 3 {
        let asked = within("a request", requests.recv()).await.unwrap();
        transports.push(if asked.is_upgrade() { "websocket" } else { "polling" });
    }
    assert_eq!(transports, ["websocket", "polling", "polling"]);
}

#[tokio::test]
async fn a_connection_moves_to_a_websocket_in_the_middle_of_a_conversation() {
    const COUNT: usize = 200;
    let server = server().await;
    let proxy = UpgradeProxy::start(address(&server)).await;
    let (ada, mut ada_hears) = in_lobby(&server.url(), "ada").await;
    let (bob, mut bob_hears) = by(Transports::Auto, proxy.address, "bob").room("lobby").connect().unwrap();
    until_state(&mut bob_hears, "the third refusal", |state| {
        matches!(state, rejoin::State::Reconnecting { attempt: 3, .. })
    })
    .await;
    proxy.refuse(false);
    until_arrival(&mut ada_hears, "bob").await;
    let ((), heard_by_ada, heard_by_bob) = tokio::join!(
        async {
            for number in 0..COUNT {
                let said = number.to_string();
                let (ada, bob) =
                    tokio::join!(ada.send("lobby", said.clone()), bob.send("lobby", format!("b{said}")));
                assert!(ada.unwrap().id().is_some() && bob.unwrap().id().is_some());
            }
        },
        async {
            let mut heard = Vec::new();
            while heard.len() < COUNT {
                heard.push(
                    until(&mut ada_hears, "a number", |event| match event {
                        Event::Message(message) => message.content.strip_prefix('b').map(str::to_owned),
                        _ => None,
                    })
                    .await,
                );
            }
            heard
        },
        heard(&mut bob_hears, COUNT - 1),
    );

    assert_eq!(heard_by_ada, (0..COUNT).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(heard_by_bob, (0..COUNT).collect::<Vec<_>>());
    let asked = proxy.requests();
    let moved = asked.iter().filter(|line| line.contains("transport=websocket&sid="));
    assert_eq!(moved.count(), 1, "{asked:?}");
    assert_eq!(bob.diagnostics().connections, 1);
    // From here on there is the WebSocket alone.
    let count = asked.len();
    say_all(&bob, 0..20).await;
    assert_eq!(proxy.requests().len(), count);
    within("the end", bob.close()).await;
}

#[tokio::test]
async fn long_polling_alone_asks_for_no_upgrade() {
    let server = server().await;
    let proxy = UpgradeProxy::start(address(&server)).await;
    proxy.refuse(false);
    let (ada, mut ada_hears) = in_lobby(&server.url(), "ada").await;
    let (bob, mut bob_hears) = by(Transports::Polling, proxy.address, "bob").room("lobby").connect().unwrap();
    until_arrival(&mut ada_hears, "bob").await;
    within("ready", bob.ready()).await.unwrap();
    let ((), heard) = tokio::join!(say_all(&ada, 0..50), heard(&mut bob_hears, 49));
    assert_eq!(heard, (0..50).collect::<Vec<_>>());
    assert!(proxy.requests().iter().all(|line| !line.contains("transport=websocket")));
    within("the end", bob.close()).await;
}

#[tokio::test]
async fn polls_that_are_cut_in_the_middle_lose_nothing_and_repeat_nothing() {
    let server = server().await;
    let proxy = UpgradeProxy::start(address(&server)).await;
    let (ada, mut ada_hears) = in_lobby(&server.url(), "ada").await;
    let (bob, mut bob_hears) = by(Transports::Polling, proxy.address, "bob").room("lobby").connect().unwrap();
    until_arrival(&mut ada_hears, "bob").await;
    within("ready", bob.ready()).await.unwrap();
    // A cut between two polls is no loss of the session: until one has struck a poll that waits.
    let mut round = 0;
    while round < 3 || bob.diagnostics().connections == 1 {
        assert!(round < 50, "no cut has ended the session");
        let numbers = round * 30..round * 30 + 30;
        let cutting = async {
            say_all(&ada, numbers.start..numbers.start + 10).await;
            proxy.cut();
            say_all(&ada, numbers.start + 10..numbers.end).await;
        };
        let ((), heard) = tokio::join!(cutting, heard(&mut bob_hears, numbers.end - 1));
        assert_eq!(heard, numbers.collect::<Vec<_>>());
        round += 1;
    }
    within("the end", bob.close()).await;
}

/// A request as a scripted server sees it.
#[derive(Debug)]
struct Asked {
    head: String,
    body: String,
}

impl Asked {
    fn is_upgrade(&self) -> bool {
        self.head.contains("transport=websocket")
    }

    fn is_first(&self) -> bool {
        self.head.starts_with("GET ") && !self.head.contains("sid=")
    }

    fn is_poll(&self) -> bool {
        self.head.starts_with("GET ") && self.head.contains("sid=")
    }
}

/// What a scripted server does with a request.
enum Does {
    Answers(String),
    /// Sends these bytes as an answer, and hangs up.
    Breaks(Vec<u8>),
    /// Sends zeros for ever behind this.
    Floods(&'static str),
    Nothing,
}

fn ok(body: &str) -> Does {
    ok_with("", body)
}

fn ok_with(fields: &str, body: &str) -> Does {
    let length = body.len();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=UTF-8\r\n";
    Does::Answers(format!("{head}{fields}Content-Length: {length}\r\n\r\n{body}"))
}

/// A server of HTTP that does with each request what it is told, and tells of it.
async fn scripted(
    answer: impl Fn(&Asked) -> Does + Send + Sync + 'static,
) -> (SocketAddr, mpsc::UnboundedReceiver<Asked>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (seen, requests) = mpsc::unbounded_channel();
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            tokio::spawn(converse(tcp, Arc::clone(&answer), seen.clone()));
        }
    });
    (address, requests)
}

async fn converse(
    mut tcp: TcpStream,
    answer: Arc<impl Fn(&Asked) -> Does>,
    seen: mpsc::UnboundedSender<Asked>,
) {
    loop {
        let head = crate::upgrades::head(&mut tcp).await;
        if head.is_empty() {
            return;
        }
        let length = crate::upgrades::field(&head, "content-length");
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        if tcp.read_exact(&mut body).await.is_err() {
            return;
        }
        let asked = Asked { head, body: String::from_utf8(body).unwrap() };
        let does = answer(&asked);
        // The test may have seen enough.
        let _ = seen.send(asked);
        match does {
            Does::Answers(text) if tcp.write_all(text.as_bytes()).await.is_ok() => {}
            Does::Answers(_) => return,
            Does::Breaks(bytes) => return drop(tcp.write_all(&bytes).await),
            Does::Floods(head) => {
                let _ = tcp.write_all(head.as_bytes()).await;
                while tcp.write_all(&[b'0'; 4096]).await.is_ok() {}
                return;
            }
            Does::Nothing => std::future::pending().await,
        }
    }
}

/// A server whose session does this with its polls, the first of which brings the consent.
async fn session(
    poll: impl Fn(usize) -> Does + Send + Sync + 'static,
) -> (SocketAddr, mpsc::UnboundedReceiver<Asked>) {
    let polls = Mutex::new(0);
    scripted(move |asked| match asked {
        asked if asked.is_first() => {
            *polls.lock().unwrap() = 0;
            ok(OPEN)
        }
        asked if asked.is_poll() => {
            let mut polls = polls.lock().unwrap();
            *polls += 1;
            if *polls == 1 { ok(CONSENT) } else { poll(*polls) }
        }
        _ => ok("ok"),
    })
    .await
}

#[tokio::test]
async fn every_request_has_the_headers_given_and_the_cookies_that_the_server_has_set() {
    let (address, mut requests) = scripted(|asked| match asked {
        asked if asked.is_first() => ok_with("Set-Cookie: lb=one; Path=/\r\n", OPEN),
        asked if asked.is_poll() && asked.head.contains("lb=one") => {
            ok_with("Set-Cookie: lb=two\r\n", CONSENT)
        }
        asked if asked.is_poll() => Does::Nothing,
        _ => ok("ok"),
    })
    .await;
    let builder = by(Transports::Polling, address, "ada").header("Cookie", "own=1").header("X-Key", "k");
    let (client, _events) = builder.connect().unwrap();
    within("ready", client.ready()).await.unwrap();
    let mut cookies = Vec::new();
    while !cookies.contains(&"own=1; lb=two".to_owned()) {
        let asked = within("a request", requests.recv()).await.unwrap();
        assert_eq!(crate::upgrades::field(&asked.head, "x-key"), Some("k"));
        cookies.push(crate::upgrades::field(&asked.head, "cookie").unwrap().to_owned());
    }
    assert_eq!(cookies[..2], ["own=1", "own=1; lb=one"]);
}

#[tokio::test]
async fn packets_come_and_go_several_in_a_request_and_the_goodbye_is_the_last() {
    let said = r#"42["message",{"roomId":"lobby","userId":"eve","content":"hi","timestamp":"t"}]"#;
    let both = format!("2\u{1e}{said}");
    let (address, mut requests) = session(move |poll| match poll {
        2 => ok(&both),
        _ => Does::Nothing,
    })
    .await;
    let server = SocketIo::default().acks(false).transports(Transports::Polling);
    let builder = by(Transports::Polling, address, "ada").socket_io(server).room("lobby");
    let (client, mut events) = builder.connect().unwrap();
    until_message(&mut events, "hi").await;
    assert_eq!(within("a receipt", client.send("lobby", "x")).await, Ok(Receipt::Written));
    within("the end", client.close()).await;
    requests.close();
    let mut packets = Vec::new();
    while let Some(asked) = requests.recv().await {
        packets.extend(asked.body.split('\u{1e}').filter(|packet| !packet.is_empty()).map(str::to_owned));
    }
    assert_eq!(packets[0], r#"40{"token":"ada"}"#);
    assert!(packets.contains(&"3".to_owned()), "{packets:?}");
    assert_eq!(packets[packets.len() - 2..], ["41", "1"]);
}

#[tokio::test]
async fn a_connection_that_is_given_up_says_goodbye_too() {
    let (address, mut requests) = session(|_| Does::Nothing).await;
    let (client, mut events) = by(Transports::Polling, address, "ada").connect().unwrap();
    within("ready", client.ready()).await.unwrap();
    client.reconnect();
    until_state(&mut events, "the loss", lost).await;
    within("the goodbye", async { while requests.recv().await.unwrap().body != "1" {} }).await;
}

/// The cause with which a connection ends whose second poll is answered so.
async fn ends(does: impl Fn() -> Does + Send + Sync + 'static) -> CauseCode {
    let (address, _requests) = session(move |_| does()).await;
    let (client, mut events) =
        by(Transports::Polling, address, "ada").max_message(1 << 20).connect().unwrap();
    within("ready", client.ready()).await.unwrap();
    let change = until_state(&mut events, "the loss", lost).await;
    change.cause.unwrap().code
}

#[tokio::test]
async fn an_answer_that_breaks_off_or_is_none_ends_the_connection_and_it_is_dialled_again() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    assert_eq!(ends(|| Does::Breaks(Vec::new())).await, CauseCode::ConnectionLost);
    assert_eq!(ends(move || Does::Breaks(format!("{head}42[").into())).await, CauseCode::ConnectionLost);
    assert_eq!(ends(|| Does::Breaks(b"\x16\x03\x01garbage".into())).await, CauseCode::ConnectionLost);
    assert_eq!(ends(|| ok("")).await, CauseCode::ProtocolError);
    assert_eq!(ends(|| ok("b!!!")).await, CauseCode::ProtocolError);
    assert_eq!(ends(|| ok_with("Content-Encoding: gzip\r\n", "x")).await, CauseCode::ProtocolError);
    let gone = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(ends(move || Does::Answers(gone.into())).await, CauseCode::ConnectionLost);
}

#[tokio::test]
async fn a_packet_without_an_end_is_not_read_to_its_end() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n4";
    assert_eq!(ends(move || Does::Floods(head)).await, CauseCode::FrameTooLarge);
}

#[tokio::test]
async fn a_server_that_never_answers_a_poll_is_found_out() {
    let quick_open =
        r#"0{"sid":"a","upgrades":[],"pingInterval":1000,"pingTimeout":1000,"maxPayload":1000000}"#;
    let polls = Mutex::new(0);
    let (address, _requests) = scripted(move |asked| match asked {
        asked if asked.is_first() => ok(quick_open),
        asked if asked.is_poll() => {
            let mut polls = polls.lock().unwrap();
            *polls += 1;
            if *polls == 1 { ok(CONSENT) } else { Does::Nothing }
        }
        _ => ok("ok"),
    })
    .await;
    let (client, mut events) = by(Transports::Polling, address, "ada").connect().unwrap();
    within("ready", client.ready()).await.unwrap();
    until_state(&mut events, "the loss", lost).await;
}

#[tokio::test]
async fn what_is_no_answer_to_the_first_poll_is_told_as_that_to_an_upgrade_is_without_secrets() {
    let cause = async |answer: &'static str| {
        let (address, _requests) = scripted(move |_| Does::Answers(answer.into())).await;
        let (_client, mut events) = by(Transports::Polling, address, "ada").connect().unwrap();
        let change = until_state(&mut events, "the refusal", |state| lost(state) || failed(state)).await;
        change.cause.unwrap()
    };
    for (answer, status, words) in [
        ("HTTP/1.1 301 Moved\r\nLocation: /x?token=ada\r\nContent-Length: 0\r\n\r\n", 301, "redirects to"),
        ("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", 502, "server behind it does not"),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 404, "no Socket.IO server at this path"),
        ("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1\r\n\r\nx", 200, "web page"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "not that of a Socket.IO server"),
    ] {
        let cause = cause(answer).await;
        assert_eq!(cause.code, CauseCode::Dial(DialErrorKind::Http(status)));
        assert!(cause.text.contains(words) && !cause.text.contains("ada"), "{cause:?}");
    }
}

#[tokio::test]
async fn what_has_no_answer_when_the_server_dies_is_sent_once_and_its_outcome_is_not_known() {
    let (address, mut requests) = scripted(|asked| match asked {
        asked if asked.is_first() => ok(OPEN),
        asked if asked.is_poll() => ok(CONSENT),
        asked if asked.body.contains("send_message") => Does::Breaks(Vec::new()),
        _ => ok("ok"),
    })
    .await;
    let (client, mut events) = by(Transports::Polling, address, "ada").room("lobby").connect().unwrap();
    until_state(&mut events, "the connection", |state| *state == rejoin::State::Connected).await;
    let outcome = within("an outcome", client.emit("send_message", &7)).await;
    assert!(outcome.is_err() || outcome == Ok(Receipt::Written), "{outcome:?}");
    within("the end", client.close()).await;
    requests.close();
    let mut sent = 0;
    while let Some(asked) = requests.recv().await {
        sent += asked.body.matches("send_message").count();
    }
    assert!(sent <= 1, "{sent}");
}
