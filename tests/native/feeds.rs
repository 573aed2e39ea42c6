//! A room read by server-sent events: what is told when the stream breaks, and what never is.

use crate::{in_lobby, server, server_with, within};
use harness::cutting_proxy::CuttingProxy;
use harness::process::ServerProcess;
use rejoin::{
    Cause, CauseCode, Client, FeedBuilder, FeedConfig, FeedEvent, FeedStream, GapReason, State, StateChange,
    Token, TokenError, follow,
};
use rejoin_server::auth::Tokens;
use rejoin_server::{Auth, Fault, FaultKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The address of a server's feeds.
fn http(url: &str) -> String {
    url.replace("ws", "http").trim_end_matches("/http").to_owned()
}

/// A reader that finds out quickly what the defaults take most of a minute for.
fn quick(url: &str, token: &str) -> FeedBuilder {
    let mut config = FeedConfig::default();
    config.link.liveness.idle_timeout = Some(Duration::from_secs(4));
    config.link.dial_timeout = Duration::from_secs(2);
    follow(http(url), "lobby").config(config).token(token)
}

/// The first event that `wanted` makes something of.
async fn until<T>(events: &mut FeedStream, what: &str, mut wanted: impl FnMut(FeedEvent) -> Option<T>) -> T {
    within(what, async {
        loop {
            let event = events.next().await.unwrap_or_else(|| panic!("the events ended before {what}"));
            if let Some(found) = wanted(event) {
                return found;
            }
        }
    })
    .await
}

async fn until_state(events: &mut FeedStream, what: &str, wanted: fn(&State) -> bool) -> StateChange {
    until(events, what, |event| match event {
        FeedEvent::State(change) if wanted(&change.state) => Some(change),
        _ => None,
    })
    .await
}

async fn until_connected(events: &mut FeedStream) {
    until_state(events, "the connection", |state| *state == State::Connected).await;
}

async fn loss(events: &mut FeedStream) -> Cause {
    until_state(events, "the loss", crate::lost).await.cause.unwrap()
}

async fn failure(events: &mut FeedStream) -> Cause {
    until_state(events, "the end", crate::failed).await.cause.unwrap()
}

/// The next message; a gap before it is a surprise.
async fn message(events: &mut FeedStream) -> String {
    until(events, "a message", |event| match event {
        FeedEvent::Message(message) => Some(message.content),
        FeedEvent::Gap(gap) => panic!("{gap:?}"),
        _ => None,
    })
    .await
}

async fn say(client: &Client, content: impl Into<String>) {
    within("a receipt", client.send("lobby", content)).await.unwrap();
}

#[tokio::test]
async fn a_reader_hears_what_is_said_and_goes_on_behind_it_in_another_process() {
    let server = server().await;
    let (ada, _ada_hears) = in_lobby(&server.url(), "ada").await;
    say(&ada, "before").await;
    let mut bob = quick(&server.url(), "bob").connect().unwrap();
    until_connected(&mut bob).await;
    say(&ada, "one").await;
    let one = until(&mut bob, "a message", |event| match event {
        FeedEvent::Message(message) => Some(message),
        _ => None,
    })
    .await;
    assert_eq!((&*one.room, &*one.user, &*one.content), ("lobby", "ada", "one"));
    let id = bob.last_event_id().unwrap().to_owned();
    assert_eq!(one.position().unwrap().to_event_id(), id);
    say(&ada, "two").await;
    drop(bob);
    say(&ada, "three").await;
    let mut bob = quick(&server.url(), "bob").since(id).history(1).connect().unwrap();
    assert_eq!([message(&mut bob).await, message(&mut bob).await], ["two", "three"]);
    let mut carl = quick(&server.url(), "carl").history(2).connect().unwrap();
    assert_eq!([message(&mut carl).await, message(&mut carl).await], ["two", "three"]);
}

#[tokio::test]
async fn nobody_is_told_of_a_reader() {
    let server = server().await;
    let (ada, mut ada_hears) = in_lobby(&server.url(), "ada").await;
    let mut bob = quick(&server.url(), "bob").connect().unwrap();
    until_connected(&mut bob).await;
    say(&ada, "alone?").await;
    assert_eq!(message(&mut bob).await, "alone?");
    crate::until(&mut ada_hears, "the message", |event| match event {
        rejoin::Event::UserJoined { user, .. } => panic!("{user} was seen"),
        rejoin::Event::Message(_) => Some(()),
        _ => None,
    })
    .await;
}

#[tokio::test]
async fn a_stream_that_is_cut_anywhere_loses_nothing_and_repeats_nothing() {
    const COUNT: usize = 300;
    let server = server().await;
    let address = server.url().trim_start_matches("ws://").trim_end_matches("/ws").parse().unwrap();
    let cutter = CuttingProxy::start(address, 5).await;
    let (ada, _ada_hears) = in_lobby(&server.url(), "ada").await;
    let mut bob = quick(&format!("ws://{}/ws", cutter.address), "bob").connect().unwrap();
    // From here on there is a place to go on from.
    until(&mut bob, "the beginning", |event| (event == FeedEvent::Started).then_some(())).await;
    let hearing = tokio::spawn(async move {
        let mut heard = Vec::new();
        while heard.len() < COUNT {
            heard.push(message(&mut bob).await);
        }
        heard
    });
    let words = |number| format!("number {number}, with something in it that can be cut in two");
    for number in 0..COUNT {
        say(&ada, words(number)).await;
    }
    // They are more bytes than any of these connections lives for.
    within("the cuts", cutter.until_cut(4)).await;
    cutter.stop_cutting();
    let heard = within("the messages", hearing).await.unwrap();
    assert_eq!(heard, (0..COUNT).map(words).collect::<Vec<_>>());
}

#[tokio::test]
async fn readers_of_a_killed_server_come_back_to_the_next_one_and_are_told_what_is_lost() {
    let first = ServerProcess::start("127.0.0.1:0");
    let (url, address) = (first.url.clone(), first.address());
    let (ada, _ada_hears) = in_lobby(&url, "ada").await;
    let mut bob = quick(&url, "bob").connect().unwrap();
    until_connected(&mut bob).await;
    say(&ada, "before").await;
    assert_eq!(message(&mut bob).await, "before");
    first.kill();
    assert_eq!(loss(&mut bob).await.code, CauseCode::ConnectionLost);
    let _second = ServerProcess::start(&address);
    say(&ada, "after").await;
    let gap = until(&mut bob, "the gap", |event| match event {
        FeedEvent::Gap(gap) => Some(gap),
        FeedEvent::Message(message) => panic!("{message:?} came first"),
        _ => None,
    })
    .await;
    assert_eq!((&*gap.room, gap.after, gap.reason), ("lobby", Some(1), GapReason::EpochChanged));
    assert_eq!(message(&mut bob).await, "after");
}

#[tokio::test]
async fn what_is_not_kept_is_a_hole_with_both_its_ends() {
    let mut config = rejoin_server::Config::default();
    config.hub.history = 3;
    let server = server_with(config).await;
    let (ada, _ada_hears) = in_lobby(&server.url(), "ada").await;
    let mut bob = quick(&server.url(), "bob").connect().unwrap();
    until_connected(&mut bob).await;
    say(&ada, "1").await;
    assert_eq!(message(&mut bob).await, "1");
    let id = bob.last_event_id().unwrap().to_owned();
    drop(bob);
    for number in 2..=8 {
        say(&ada, number.to_string()).await;
    }
    let mut bob = quick(&server.url(), "bob").since(id).connect().unwrap();
    let gap = until(&mut bob, "the gap", |event| match event {
        FeedEvent::Gap(gap) => Some(gap),
        _ => None,
    })
    .await;
    assert_eq!((gap.after, gap.before, gap.reason), (Some(1), Some(6), GapReason::Trimmed));
    assert_eq!([message(&mut bob).await, message(&mut bob).await], ["6", "7"]);
}

#[tokio::test]
async fn a_frozen_server_is_found_dead_and_after_the_thaw_nothing_is_missing() {
    let server = ServerProcess::start("127.0.0.1:0");
    let (ada, _ada_hears) = in_lobby(&server.url, "ada").await;
    let mut bob = quick(&server.url, "bob").connect().unwrap();
    until_connected(&mut bob).await;
    say(&ada, "before").await;
    assert_eq!(message(&mut bob).await, "before");
    server.freeze();
    assert_eq!(loss(&mut bob).await.code, CauseCode::DeadPeer);
    server.thaw();
    say(&ada, "thawed").await;
    assert_eq!(message(&mut bob).await, "thawed");
}

#[tokio::test]
async fn comments_keep_a_quiet_stream_alive_and_their_absence_ends_it() {
    let mut config = rejoin_server::Config::default();
    config.hub.comment_interval = Duration::from_millis(500);
    let server = server_with(config).await;
    let (ada, _ada_hears) = in_lobby(&server.url(), "ada").await;
    let mut bob = quick(&server.url(), "bob").connect().unwrap();
    until_connected(&mut bob).await;
    // The passing of time is what this is about: more of it than the silence that is death.
    tokio::time::sleep(Duration::from_secs(6)).await;
    say(&ada, "still there?").await;
    assert_eq!(message(&mut bob).await, "still there?");
    assert_eq!(bob.state().state, State::Connected);
    server.faults().add(Fault::new(FaultKind::HalfOpen).user("bob").count(1));
    assert_eq!(loss(&mut bob).await.code, CauseCode::DeadPeer);
    server.faults().clear();
    say(&ada, "back").await;
    assert_eq!(message(&mut bob).await, "back");
}

#[tokio::test]
async fn a_slow_application_holds_up_the_socket_and_loses_nothing() {
    const COUNT: usize = 2000;
    let mut config = rejoin_server::Config::default();
    (config.hub.history, config.hub.history_bytes) = (2 * COUNT, 1 << 28);
    config.hub.rate = None;
    // It gives up a reader who takes nothing for four of them.
    config.hub.comment_interval = Duration::from_secs(3);
    let server = server_with(config).await;
    let (ada, _ada_hears) = in_lobby(&server.url(), "ada").await;
    let mut bob = quick(&server.url(), "bob").connect().unwrap();
    until_connected(&mut bob).await;
    // More than queue and socket hold.
    let filling = "x".repeat(8_000);
    for number in 0..COUNT {
        say(&ada, format!("{number} {filling}")).await;
    }
    // Longer than the silence that would be death, were it the server's.
    tokio::time::sleep(Duration::from_secs(6)).await;
    for number in 0..COUNT {
        let content = until(&mut bob, "a message", |event| match event {
            FeedEvent::Message(message) => Some(message.content),
            FeedEvent::Started => None,
            other => panic!("{other:?}"),
        })
        .await;
        assert!(content.starts_with(&format!("{number} ")), "{number}: {}", &content[..8]);
    }
}

#[tokio::test]
async fn garbage_is_told_and_a_larger_event_than_allowed_is_a_hole() {
    let server = server().await;
    let (ada, _ada_hears) = in_lobby(&server.url(), "ada").await;
    let mut bob = quick(&server.url(), "bob").max_event(1000).connect().unwrap();
    until_connected(&mut bob).await;
    server.faults().add(Fault::new(FaultKind::Garbage).user("bob").count(1));
    let garbled = |event| match event {
        FeedEvent::Malformed { error } => Some(error),
        FeedEvent::State(change) => panic!("{change:?}"),
        _ => None,
    };
    assert!(until(&mut bob, "the garbage", garbled).await.contains("not JSON"));
    say(&ada, "x".repeat(2000)).await;
    say(&ada, "after").await;
    assert!(until(&mut bob, "the large one", garbled).await.contains("larger than"));
    let gap = until(&mut bob, "the gap", |event| match event {
        FeedEvent::Gap(gap) => Some(gap),
        _ => None,
    })
    .await;
    assert_eq!((gap.after, gap.before), (Some(0), Some(2)));
    assert_eq!(message(&mut bob).await, "after");
}

#[tokio::test]
async fn a_wrong_token_ends_it_and_a_source_is_asked_once_more() {
    let mut config = rejoin_server::Config::default();
    config.auth = Auth::Tokens(Tokens::parse("good ada\n").unwrap());
    let server = server_with(config).await;
    let mut events = quick(&server.url(), "wrong").connect().unwrap();
    let cause = failure(&mut events).await;
    assert_eq!((cause.code, cause.will_retry), (CauseCode::Unauthorized(401), false));
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let source = move || {
        let token = ["old", "good"][count.fetch_add(1, Ordering::SeqCst)];
        async move { Ok::<_, TokenError>(Token::new(token)) }
    };
    let mut events = follow(http(&server.url()), "lobby").token_source(source).connect().unwrap();
    until_connected(&mut events).await;
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_refusal_with_a_hint_is_waited_out() {
    let server = server().await;
    server.faults().add(Fault::new(FaultKind::Refuse).code(503).count(1));
    let mut events = quick(&server.url(), "ada").connect().unwrap();
    let change = until_state(&mut events, "the refusal", crate::lost).await;
    assert_eq!(change.cause.as_ref().unwrap().code.number(), Some(503));
    let State::Reconnecting { retry_at: Some(at), .. } = change.state else { panic!("{change:?}") };
    // It says one second.
    assert!(at.since_start() >= Duration::from_secs(1), "{at:?}");
    until_connected(&mut events).await;
}

#[tokio::test]
async fn a_drained_server_ends_the_stream_and_its_successor_is_found() {
    let first = server().await;
    let url = first.url();
    let mut events = quick(&url, "ada").connect().unwrap();
    until_connected(&mut events).await;
    first.drain().await;
    assert_eq!(loss(&mut events).await.code, CauseCode::StreamEnded);
    let mut config = rejoin_server::Config::default();
    config.listen = url.trim_start_matches("ws://").trim_end_matches("/ws").parse().unwrap();
    let _second = server_with(config).await;
    until_connected(&mut events).await;
}

/// Reads a request's head.
async fn head(tcp: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        match within("a request", tcp.read_u8()).await {
            Ok(byte) => bytes.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// A server of somebody else's: one connection after the other gets an answer.
struct Stranger {
    listener: TcpListener,
}

impl Stranger {
    async fn new() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    fn url(&self) -> String {
        format!("http://{}", self.listener.local_addr().unwrap())
    }

    /// Answers the next request; gives its head and the connection.
    async fn answer(&self, answer: &str) -> (String, TcpStream) {
        let (mut tcp, _) = within("a dial", self.listener.accept()).await.unwrap();
        let head = head(&mut tcp).await;
        // The client may have hung up.
        let _ = tcp.write_all(answer.as_bytes()).await;
        (head, tcp)
    }
}

const STREAM: &str = "HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream; charset=utf-8\r\n\r\n";

#[tokio::test]
async fn the_request_says_what_is_wanted_and_the_token_is_in_its_header_only() {
    let stranger = Stranger::new().await;
    let url = format!("{}/base/?a=1", stranger.url());
    let _events = follow(url, "a room").token("s3cret").history(7).since("é:1").connect().unwrap();
    let (head, _tcp) = stranger.answer(STREAM).await;
    assert!(head.starts_with("GET /base/rooms/a%20room/events?a=1&history=7 HTTP/1.1\r\n"), "{head}");
    let lower = head.to_lowercase();
    for header in [
        "authorization: bearer s3cret",
        "accept: text/event-stream",
        "cache-control: no-store",
        "last-event-id: é:1",
        &format!("host: {}", stranger.url().trim_start_matches("http://")),
    ] {
        assert!(lower.contains(&format!("\r\n{header}\r\n")), "{header}: {head}");
    }
    assert_eq!(head.matches("s3cret").count(), 1);
}

const SAID: &str =
    r#"{"roomId":"theirs","userId":"u","content":"hi","timestamp":"2026-01-01T00:00:00.000Z"}"#;

#[tokio::test]
async fn another_servers_ids_are_passed_back_and_each_return_says_that_nobody_knows() {
    let stranger = Stranger::new().await;
    let mut events = follow(stranger.url(), "lobby").connect().unwrap();
    let (head, tcp) = stranger.answer(&format!("{STREAM}id: 17\ndata: {SAID}\n\nid: 18\ndata: half")).await;
    assert!(!head.to_lowercase().contains("last-event-id"), "{head}");
    drop(tcp);
    assert_eq!(message(&mut events).await, "hi");
    let (head, _tcp) = stranger.answer(&format!("{STREAM}id: 17\ndata: {SAID}\n\n")).await;
    assert!(head.to_lowercase().contains("\r\nlast-event-id: 17\r\n"), "{head}");
    let mut told = Vec::new();
    until(&mut events, "the message", |event| match event {
        FeedEvent::Gap(gap) => {
            told.push(gap);
            None
        }
        FeedEvent::Message(message) => Some(assert_eq!((&*message.room, message.entry), ("lobby", None))),
        _ => None,
    })
    .await;
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].after, told[0].reason), (None, GapReason::Reconnected));
}

#[tokio::test]
async fn events_of_another_make_come_as_what_they_are_without_an_error_or_a_gap() {
    let stranger = Stranger::new().await;
    let mut events = follow(stranger.url(), "lobby").connect().unwrap();
    let stream = format!(
        "{STREAM}\u{feff}: hello\r\rid: 1\revent: odd \u{1b}[2J: name\rdata: one\rdata: two\r\r\
         retry: soon\ndata: {{\"n\": 1}}\n\ndata:\n\nid: 2\0\ndata: {{\"type\":\"message\",\"text\":\"hi\"}}\n\n\
         event: message\nid: 3\ndata: {SAID}\n\n"
    );
    let (_, _tcp) = stranger.answer(&stream).await;
    let (told, content) = events_before_a_message(&mut events).await;
    let event =
        |name: &str, data: &str, id: Option<&str>| (name.to_owned(), data.to_owned(), id.map(str::to_owned));
    assert_eq!(
        told,
        [
            event("odd \u{1b}[2J: name", "one\ntwo", Some("1")),
            event("message", "{\"n\": 1}", None),
            event("message", "", None),
            event("message", "{\"type\":\"message\",\"text\":\"hi\"}", None),
        ]
    );
    assert_eq!((content.as_str(), events.last_event_id()), ("hi", Some("3")));
}

#[tokio::test]
async fn neither_an_id_of_our_form_nor_the_name_gap_makes_an_event_of_another_make_one_of_ours() {
    let stranger = Stranger::new().await;
    let mut events = follow(stranger.url(), "lobby").connect().unwrap();
    let stream = format!(
        "{STREAM}id: orders:0:17\ndata: {{\"sku\":\"a\"}}\n\nid: orders:1:3\ndata: {{\"sku\":\"b\"}}\n\n\
         event: gap\ndata: {{\"road\":\"A7\"}}\n\nevent: gap\ndata: mind it\n\ndata: {SAID}\n\n"
    );
    let (_, _tcp) = stranger.answer(&stream).await;
    let (told, _) = events_before_a_message(&mut events).await;
    let data: Vec<&str> = told.iter().map(|(_, data, _)| data.as_str()).collect();
    assert_eq!(data, ["{\"sku\":\"a\"}", "{\"sku\":\"b\"}", "{\"road\":\"A7\"}", "mind it"]);
    assert_eq!(events.last_event_id(), Some("orders:1:3"));
}

/// Name, data and id of the events of another make, and the content of the message behind them.
async fn events_before_a_message(events: &mut FeedStream) -> (Vec<(String, String, Option<String>)>, String) {
    let mut told = Vec::new();
    let content = until(events, "the message", |event| match event {
        FeedEvent::Event { name, data, id } => {
            told.push((name.to_string(), data, id.map(String::from)));
            None
        }
        FeedEvent::Message(message) => Some(message.content),
        FeedEvent::State(change) if change.cause.is_none() => None,
        other => panic!("{other:?}"),
    })
    .await;
    (told, content)
}

#[tokio::test]
async fn what_is_no_stream_is_given_up_after_three_tries_with_the_reason() {
    let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>";
    let json = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    let packed = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\n\r\n";
    for (answer, code, words) in [
        (page, "not_event_stream", "web page"),
        (json, "not_event_stream", "not a stream of events"),
        (packed, "not_event_stream", "compressed"),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "http", "no stream of events at /rooms/"),
        ("HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", "http", "redirects are not"),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n", "not_event_stream", "not HTTP"),
    ] {
        let stranger = Stranger::new().await;
        let mut events = follow(stranger.url(), "lobby").connect().unwrap();
        for _ in 0..3 {
            stranger.answer(answer).await;
        }
        let cause = failure(&mut events).await;
        assert_eq!(cause.code.as_str(), code, "{cause:?}");
        assert!(cause.text.contains(words), "{cause:?}");
    }
}

#[tokio::test]
async fn the_answer_204_ends_it_at_once() {
    let stranger = Stranger::new().await;
    let mut events = follow(stranger.url(), "lobby").connect().unwrap();
    stranger.answer("HTTP/1.1 204 No Content\r\n\r\n").await;
    let cause = failure(&mut events).await;
    assert_eq!((cause.code.as_str(), cause.will_retry), ("server_closed", false));
}

#[tokio::test]
async fn a_server_that_says_nothing_or_hangs_up_is_tried_again() {
    let stranger = Stranger::new().await;
    let mut events = quick(&stranger.url(), "ada").connect().unwrap();
    let (mut silent, _) = within("a dial", stranger.listener.accept()).await.unwrap();
    head(&mut silent).await;
    assert_eq!(loss(&mut events).await.code.as_str(), "dial_timeout");
    drop(stranger.answer("").await);
    assert_eq!(loss(&mut events).await.code.as_str(), "unreachable");
    drop(stranger.listener);
    assert_eq!(loss(&mut events).await.code.as_str(), "refused");
}

#[tokio::test]
async fn close_ends_task_connection_and_events_and_so_does_dropping() {
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let stranger = Stranger::new().await;
    let before = tasks();
    let mut events = follow(stranger.url(), "lobby").connect().unwrap();
    let (_, mut tcp) = stranger.answer(STREAM).await;
    until_connected(&mut events).await;
    within("the end", events.close()).await;
    assert_eq!(events.state().state, State::Closed);
    until_state(&mut events, "the end", |state| *state == State::Closed).await;
    assert_eq!(within("the end", events.next()).await, None);
    assert_eq!(within("the connection's end", tcp.read(&mut [0; 1])).await.unwrap_or(0), 0);
    let events = follow(stranger.url(), "lobby").connect().unwrap();
    drop(events);
    within("the tasks", async {
        while tasks() > before {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_full_queue_does_not_hold_up_the_end() {
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let stranger = Stranger::new().await;
    let before = tasks();
    let mut events = follow(stranger.url(), "lobby").connect().unwrap();
    let (_, mut tcp) = stranger.answer(STREAM).await;
    let mut flood = tokio::spawn(async move {
        let text = format!("data: {SAID}\n\n").repeat(1000);
        // More than queue and sockets hold.
        for _ in 0..1000 {
            if tcp.write_all(text.as_bytes()).await.is_err() {
                break;
            }
        }
    });
    // Nobody takes anything, so it never ends; a reader that went on reading would be through in half the time.
    assert!(tokio::time::timeout(Duration::from_secs(3), &mut flood).await.is_err());
    within("the end", events.close()).await;
    within("the flood", flood).await.unwrap();
    let mut taken = 0;
    while within("the rest", events.next()).await.is_some() {
        taken += 1;
    }
    assert!((1000..20_000).contains(&taken), "{taken}");
    assert_eq!(tasks(), before);
}

#[tokio::test]
async fn bad_arguments_are_errors_before_any_dial() {
    for (url, room, words) in [
        ("ws://h/", "lobby", "http:// or https://"),
        ("nonsense", "lobby", "not a URL"),
        ("http://h/", "", "no room name"),
        ("http://h/", "@me", "no room name"),
    ] {
        let error = follow(url, room).connect().unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}
