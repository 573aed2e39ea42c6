//! The examples of the crate, run.

use crate::{in_lobby, server, until, until_message, within};
use harness::process::example;
use rejoin::{Event, Events};
use std::process::{Child, Command, Stdio};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

#[path = "../../client-core/examples/bridge.rs"]
mod bridge;
#[path = "../../client-core/examples/load.rs"]
mod load;
#[path = "../../client-core/examples/service.rs"]
mod service;
#[path = "../../client-core/examples/thanks_bot.rs"]
mod thanks_bot;

/// The next message of this user.
async fn next_of(events: &mut Events, user: &str) -> String {
    until(events, user, |event| match event {
        Event::Message(message) if message.user == *user => Some(message.content),
        _ => None,
    })
    .await
}

async fn until_user(events: &mut Events, name: &str) {
    until(events, name, |event| match event {
        Event::UserJoined { user, .. } if user == *name => Some(()),
        _ => None,
    })
    .await;
}

#[tokio::test]
async fn the_bridge_relays_both_ways_and_nothing_twice() {
    let (left, right) = (server().await, server().await);
    let (ada, mut left_events) = in_lobby(&left.url(), "ada").await;
    let (bob, mut right_events) = in_lobby(&right.url(), "bob").await;
    let side = |url: String| bridge::Side { url, token: "bridge".to_owned(), room: "lobby".to_owned() };
    let running = tokio::spawn(async move {
        let ended = bridge::bridge(side(left.url()), side(right.url())).await;
        ended.map_err(|error| error.to_string())
    });
    until_user(&mut left_events, "bridge").await;
    until_user(&mut right_events, "bridge").await;
    for n in 0..20 {
        within("the send", ada.send("lobby", format!("a{n}"))).await.unwrap();
        assert_eq!(next_of(&mut right_events, "bridge").await, format!("<ada> a{n}"));
        within("the send", bob.send("lobby", format!("b{n}"))).await.unwrap();
        assert_eq!(next_of(&mut left_events, "bridge").await, format!("<bob> b{n}"));
    }
    running.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_echo_bot_repeats_what_others_say_and_a_token_that_is_refused_ends_it_in_words() {
    let server = server().await;
    let (ada, mut events) = in_lobby(&server.url(), "ada").await;
    let mut bot = Command::new(example("echo_bot"))
        .args([&server.url(), "echo", "lobby"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until_user(&mut events, "echo").await;
    for n in 0..3 {
        within("the send", ada.send("lobby", format!("{n}"))).await.unwrap();
        assert_eq!(next_of(&mut events, "echo").await, format!("ada said: {n}"));
    }
    bot.kill().unwrap();
    bot.wait().unwrap();
    let url = server.url();
    let refused = tokio::task::spawn_blocking(move || {
        Command::new(example("echo_bot")).args([&url, "", "lobby"]).output().unwrap()
    });
    let refused = within("the refusal", refused).await.unwrap();
    assert!(!refused.status.success());
    let words = String::from_utf8(refused.stderr).unwrap();
    assert!(words.contains("token"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_machine_driven_by_hand_says_one_thing_and_ends() {
    let server = server().await;
    let (_ada, mut events) = in_lobby(&server.url(), "ada").await;
    let address = server.url().trim_start_matches("ws://").trim_end_matches("/ws").to_owned();
    let ended = tokio::task::spawn_blocking(move || {
        Command::new(example("by_hand")).args([&address, "bob", "lobby", "hello there"]).output().unwrap()
    });
    assert_eq!(next_of(&mut events, "bob").await, "hello there");
    let ended = within("the end", ended).await.unwrap();
    let told = String::from_utf8(ended.stdout).unwrap();
    assert!(
        ended.status.success() && told.contains("outcome: Written") && told.ends_with("state: closed\n"),
        "{told}"
    );
}

fn start_bot(url: &str, files: &str) -> Child {
    Command::new(example("thanks_bot"))
        .args([url, "thanks", "lobby", files])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn a_bot_with_a_database_that_is_killed_two_hundred_times_neither_loses_nor_repeats_an_answer() {
    const KILLS: usize = 200;
    const QUESTIONS: usize = 3;
    let server = server().await;
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("thanks").to_str().unwrap().to_owned();
    let (ada, mut events) = in_lobby(&server.url(), "ada").await;
    let mut bot = start_bot(&server.url(), &files);
    until_user(&mut events, "thanks").await;
    // The first answer shows that it has stored its place in the room.
    ada.submit("lobby", "thanks bob").unwrap();
    assert_eq!(next_of(&mut events, "thanks").await, "bob has been thanked 1 times");
    let mut answered = 1;
    for round in 0..KILLS {
        for _ in 0..QUESTIONS {
            ada.submit("lobby", "thanks bob").unwrap();
        }
        // It is in the middle of them when it is killed, another time before it has seen any, or with all answered.
        while answered < 1 + round * QUESTIONS + round % (QUESTIONS + 1) {
            answered += 1;
            assert_eq!(
                next_of(&mut events, "thanks").await,
                format!("bob has been thanked {answered} times")
            );
        }
        bot.kill().unwrap();
        bot.wait().unwrap();
        bot = start_bot(&server.url(), &files);
    }
    while answered < 1 + KILLS * QUESTIONS {
        answered += 1;
        assert_eq!(next_of(&mut events, "thanks").await, format!("bob has been thanked {answered} times"));
    }
    ada.submit("lobby", "thanks eve").unwrap();
    assert_eq!(next_of(&mut events, "thanks").await, "eve has been thanked 1 times");
    bot.kill().unwrap();
    bot.wait().unwrap();
}

#[test]
fn the_bots_database_survives_a_line_that_was_being_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    std::fs::write(&path, "m1 bob\nm2 bob\nm3 b").unwrap();
    let mut database = thanks_bot::Database::open(&path).unwrap();
    assert_eq!(database.thank("m3", "bob").unwrap(), 3);
    assert_eq!(database.thank("m2", "bob").unwrap(), 2);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "m1 bob\nm2 bob\nm3 bob\n");
    assert_eq!(thanks_bot::Database::open(&path).unwrap().thank("m4", "bob").unwrap(), 4);
}

/// The answer to a request, as far as `is_enough` wants it.
async fn request(address: &str, request: &str, is_enough: impl Fn(&str) -> bool) -> String {
    let mut stream = within("the connection", TcpStream::connect(address)).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !is_enough(&String::from_utf8_lossy(&answer)) {
        let mut piece = [0; 4096];
        let read = within("the answer", stream.read(&mut piece)).await.unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&piece[..read]);
    }
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn the_service_streams_a_room_to_its_visitors_and_says_what_they_post() {
    let server = server().await;
    let (ada, mut events) = in_lobby(&server.url(), "ada").await;
    let rooms = ["lobby".to_owned()];
    let routes = within("the service", service::service(&server.url(), "web", &rooms)).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = tokio::spawn(async move { axum::serve(listener, routes).await });
    let get = |room: &str| format!("GET /rooms/{room} HTTP/1.1\r\nHost: h\r\n\r\n");
    let has_head = |answer: &str| answer.contains("\r\n\r\n");
    let missing = request(&address, &get("den"), has_head).await;
    assert!(missing.starts_with("HTTP/1.1 404"), "{missing}");
    let post =
        "POST /rooms/lobby HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";
    let posted = request(&address, post, has_head).await;
    assert!(posted.starts_with("HTTP/1.1 204"), "{posted}");
    until_message(&mut events, "hello").await;
    // Two visitors, each of whom is there once the head of the answer is.
    let visit = || async {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(get("lobby").as_bytes()).await.unwrap();
        let mut text = String::new();
        while !text.contains("\r\n\r\n") {
            let mut piece = [0; 1024];
            let read = stream.read(&mut piece).await.unwrap();
            text.push_str(std::str::from_utf8(&piece[..read]).unwrap());
        }
        (stream, text)
    };
    let mut visitors = [within("a visitor", visit()).await, within("a visitor", visit()).await];
    within("the send", ada.send("lobby", "to all")).await.unwrap();
    for (stream, text) in &mut visitors {
        while !text.contains(r#""content":"to all""#) {
            let mut piece = [0; 1024];
            let read = within("the message", stream.read(&mut piece)).await.unwrap();
            assert!(read > 0, "{text}");
            text.push_str(std::str::from_utf8(&piece[..read]).unwrap());
        }
        assert!(text.contains("event: message\n") && text.contains("text/event-stream"), "{text}");
    }
    serving.abort();
}

#[tokio::test]
async fn the_load_generator_counts_what_arrives() {
    let server = server().await;
    let report = within("the load", load::load(&server.url(), "lobby", 5, 100)).await.unwrap();
    assert_eq!((report.latencies.len(), report.failed), (500, 0));
    assert!(
        report.percentile(50) <= report.percentile(99) && report.elapsed >= report.percentile(99).unwrap()
    );
}
