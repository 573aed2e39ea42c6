//! `GET /rooms/{room}/events` over real sockets (protocol.md §4).

use crate::client::{Client, join, message, server, soon};
use crate::feed::{Ended, feed, path, request};
use futures_util::FutureExt as _;
use rejoin_server::auth::Tokens;
use rejoin_server::{Auth, Config, Fault, FaultKind, Server, ServerHandle};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::oneshot;

/// Ada is in the lobby and has heard all that was said before.
async fn lobby(change: impl FnOnce(&mut Config)) -> (ServerHandle, Client) {
    let server = server(change).await;
    let ada = Client::in_room(&server.url(), "ada", "lobby").await;
    (server, ada)
}

async fn say(client: &mut Client, content: &str) {
    client.say(&message("lobby", content)).await;
    assert_eq!(client.hear_json().await["content"], content);
}

#[tokio::test]
async fn a_feed_is_an_event_stream_that_nothing_stores_or_gathers() {
    let (server, mut ada) = lobby(|_| {}).await;
    let mut eve = feed(&server.url(), &path("lobby", "eve")).await;
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-cache, no-store, no-transform"),
        ("x-accel-buffering", "no"),
    ] {
        assert_eq!(eve.headers[name], value);
    }
    let first = eve.block().await;
    assert!((1_000..=2_000).contains(&first.retry.unwrap()), "{first:?}");
    ada.say(&message("lobby", "hi")).await;
    let heard = ada.hear().await;
    let event = eve.block().await;
    assert_eq!((event.data.as_deref(), event.event.as_deref()), (Some(&*heard), None));
    let id = event.id.unwrap();
    assert_eq!(id.split(':').nth(1), Some("1"), "{id}");
}

#[tokio::test]
async fn a_reader_comes_back_by_header_or_query_and_misses_nothing() {
    let (server, mut ada) = lobby(|_| {}).await;
    let mut eve = feed(&server.url(), &path("lobby", "eve")).await;
    say(&mut ada, "1").await;
    let id = eve.event().await.id.unwrap();
    drop(eve);
    say(&mut ada, "2").await;
    say(&mut ada, "3").await;
    let headers = [("Last-Event-ID", &*id), ("Authorization", "Bearer eve")];
    let by_header = request(&server.url(), "GET", "/rooms/lobby/events", &headers).await;
    let query = format!("{}&lastEventId={}", path("lobby", "eve"), id.replace(':', "%3A"));
    let by_query = feed(&server.url(), &query).await;
    for mut eve in [by_header, by_query] {
        assert_eq!((eve.content().await, eve.content().await), (String::from("2"), String::from("3")));
    }
    let mut new = feed(&server.url(), &format!("{}&history=2", path("lobby", "eve"))).await;
    assert_eq!(new.content().await, "2");
}

#[tokio::test]
async fn a_restart_is_a_gap_before_what_was_said_after_it() {
    let (server, mut ada) = lobby(|_| {}).await;
    let mut eve = feed(&server.url(), &path("lobby", "eve")).await;
    say(&mut ada, "lost").await;
    let id = eve.event().await.id.unwrap();
    let address = server.url().split('/').nth(2).unwrap().parse().unwrap();
    soon(server.stop()).await;
    assert_eq!(eve.rest().await.1, Ended::Cut);
    let (server, mut ada) = lobby(|config| config.listen = address).await;
    say(&mut ada, "kept").await;
    let mut eve = request(&server.url(), "GET", &path("lobby", "eve"), &[("Last-Event-ID", &id)]).await;
    let gap = eve.event().await;
    assert_eq!(gap.event.as_deref(), Some("gap"));
    let (epoch, _) = id.split_once(':').unwrap();
    assert_eq!(
        gap.json(),
        json!({"roomId": "lobby", "epoch": epoch, "after": 1, "before": null, "reason": "epoch_changed"})
    );
    assert_eq!(eve.content().await, "kept");
}

#[tokio::test]
async fn a_room_is_named_in_percent_encoding() {
    let server = server(|_| {}).await;
    let mut ada = Client::in_room(&server.url(), "ada", "caf\u{e9} a/b+?").await;
    let mut eve = feed(&server.url(), &path("caf%C3%A9%20a%2Fb+%3F", "eve")).await;
    eve.block().await;
    ada.say(&message("caf\u{e9} a/b+?", "hi")).await;
    assert_eq!(eve.event().await.json()["roomId"], "caf\u{e9} a/b+?");
}

#[tokio::test]
async fn a_reader_is_seen_by_nobody() {
    let (server, mut ada) = lobby(|_| {}).await;
    let (mut bob, _) = Client::extended(&server.url(), "bob").await;
    let mut eve = feed(&server.url(), &path("lobby", "eve")).await;
    eve.block().await;
    let joined = bob.answer(&json!({"type": "join_room", "roomId": "lobby", "ref": "j"})).await;
    assert_eq!(joined["members"], json!(["ada", "bob"]));
    assert_eq!(ada.hear_json().await["userId"], "bob");
    drop(eve);
    ada.sync().await;
    bob.say("?").await;
    assert_eq!(bob.hear_json().await["type"], "error");
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said_with_what_to_do() {
    let tokens = "s3cret eve\n";
    let server = server(|config| config.auth = Auth::Tokens(Tokens::parse(tokens).unwrap())).await;
    let good = path("lobby", "s3cret");
    let html = ("Accept", "text/html");
    for (method, path, headers, status, code) in [
        ("GET", "/rooms/lobby/events", &[][..], 401, "unauthorized"),
        ("HEAD", "/rooms/lobby/events", &[], 401, ""),
        ("GET", "/rooms/lobby/events?token=canary", &[], 401, "unauthorized"),
        ("GET", &good, &[("Authorization", "Bearer canary")], 401, "unauthorized"),
        ("GET", &path("%40eve", "s3cret"), &[], 404, "bad_room"),
        ("GET", &path("a%00b", "s3cret"), &[], 404, "bad_room"),
        ("GET", &path("%FF", "s3cret"), &[], 404, "bad_room"),
        ("GET", &path(&"x".repeat(129), "s3cret"), &[], 404, "bad_room"),
        ("POST", &good, &[("Content-Length", "0")], 405, "method_not_allowed"),
        ("GET", &good, &[html], 406, "not_acceptable"),
        ("GET", &format!("{good}&history=all"), &[], 400, "bad_request"),
        ("GET", &format!("{good}&history=9007199254740992"), &[], 400, "bad_request"),
        ("GET", &good, &[("Origin", "https://evil.example")], 403, "forbidden_origin"),
    ] {
        let answer = request(&server.url(), method, path, headers).await;
        assert_eq!(answer.status, status, "{method} {path}");
        let challenge = (status == 401).then_some("Bearer");
        assert_eq!(answer.headers.get("www-authenticate").map(String::as_str), challenge);
        let allow = (status == 405).then_some("GET, HEAD, OPTIONS");
        assert_eq!(answer.headers.get("allow").map(String::as_str), allow);
        assert_eq!(answer.headers["content-type"], "application/json");
        if method != "HEAD" {
            let said = answer.json().await;
            assert_eq!(said["code"], code);
            assert!(said["message"].is_string() && said["hint"].is_string(), "{said}");
            assert!(!said.to_string().contains("canary"), "{said}");
        }
    }
    // As the protocol has it: what a later client adds, or an application for its proxy, means nothing here.
    let answer = request(&server.url(), "HEAD", &format!("{good}&tenant=a"), &[]).await;
    assert_eq!((answer.status, &*answer.headers["content-type"]), (200, "text/event-stream"));
    assert_eq!(answer.headers.get("content-length"), None);
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_may_read_a_feed_and_its_refusals() {
    let origin = ("Origin", "https://chat.example");
    let server = server(|config| config.allow_origin = vec![String::from("https://chat.example")]).await;
    for (path, status) in [(path("lobby", "eve"), 200), (String::from("/rooms/lobby/events"), 401)] {
        let answer = request(&server.url(), "GET", &path, &[origin]).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.headers["access-control-allow-origin"], "https://chat.example");
        assert_eq!(answer.headers["vary"], "Origin");
        assert!(!answer.headers.contains_key("access-control-allow-credentials"));
    }
    let asked = ("Access-Control-Request-Headers", "authorization,last-event-id");
    let answer = request(&server.url(), "OPTIONS", "/rooms/lobby/events", &[origin, asked]).await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.headers["access-control-allow-origin"], "https://chat.example");
    assert_eq!(answer.headers["access-control-allow-headers"], "authorization, last-event-id");
    let other = ("Origin", "https://evil.example");
    for method in ["GET", "OPTIONS"] {
        let answer = request(&server.url(), method, &path("lobby", "eve"), &[other]).await;
        assert_eq!((answer.status, answer.headers.get("access-control-allow-origin")), (403, None));
    }
}

#[tokio::test]
async fn an_idle_feed_says_a_comment_line_now_and_then_and_outlives_the_handshake() {
    let (server, mut ada) = lobby(|config| {
        config.hub.comment_interval = Duration::from_millis(40);
        config.limits.handshake = Duration::from_millis(200);
        config.limits.handshakes = 1;
    })
    .await;
    let mut eve = feed(&server.url(), &path("lobby", "eve")).await;
    // Ten of them take longer than the handshake may.
    for _ in 0..10 {
        let block = eve.block().await;
        assert!(block.comment || block.retry.is_some(), "{block:?}");
    }
    // Nor does it keep another one from shaking hands.
    let mut bob = feed(&server.url(), &path("lobby", "bob")).await;
    say(&mut ada, "hi").await;
    assert_eq!((eve.content().await, bob.content().await), (String::from("hi"), String::from("hi")));
}

#[tokio::test]
async fn a_feed_takes_a_place_and_gives_it_back_when_its_reader_is_gone() {
    let server = server(|config| {
        config.limits.connections = 1;
        config.admin = Some("127.0.0.1:0".parse().unwrap());
    })
    .await;
    let admin = server.admin_url().unwrap();
    // A question about a feed begins none.
    assert_eq!(request(&server.url(), "HEAD", &path("lobby", "eve"), &[]).await.status, 200);
    let mut eve = feed(&server.url(), &path("lobby", "eve")).await;
    eve.block().await;
    let refused = request(&server.url(), "GET", &path("lobby", "bob"), &[]).await;
    assert_eq!((refused.status, &*refused.headers["retry-after"]), (503, "5"));
    assert_eq!(refused.json().await["code"], "overloaded");
    let metrics =
        || crate::admission::http(&admin, "GET /metrics HTTP/1.1\nHost: localhost\nConnection: close\n\n");
    let text = metrics().await;
    for line in ["rejoin_sockets 1", "rejoin_feeds_total 1", "rejoin_rooms 0", "rejoin_frames_sent_total 1"] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    drop(eve);
    soon(async { while !metrics().await.lines().any(|line| line == "rejoin_sockets 0") {} }).await;
    feed(&server.url(), &path("lobby", "bob")).await;
}

#[tokio::test]
async fn a_user_with_as_many_connections_as_one_may_have_is_told_to_wait() {
    let server = server(|config| config.hub.sockets_per_user = 1).await;
    let mut eve = feed(&server.url(), &path("lobby", "eve")).await;
    eve.block().await;
    let refused = request(&server.url(), "GET", &path("lobby", "eve"), &[]).await;
    assert_eq!((refused.status, &*refused.headers["retry-after"]), (429, "5"));
    assert_eq!(refused.json().await["code"], "too_many_connections");
}

/// What is refused for the user's own sake names the user's limit, and not the server.
#[tokio::test]
async fn a_feed_that_a_limit_refuses_says_which_one_and_when_to_try_again() {
    let server = server(|config| (config.hub.rooms_per_user, config.hub.rooms) = (1, 2)).await;
    let _first = feed(&server.url(), &path("one", "eve")).await;
    let refused = request(&server.url(), "GET", &path("other", "eve"), &[]).await;
    assert_eq!((refused.status, &*refused.headers["retry-after"]), (429, "60"));
    let said = refused.json().await;
    assert_eq!(said["code"], "too_many_rooms");
    assert_eq!(said["message"], "this user has made as many rooms as one user may");
    // The room of somebody else is anybody's, and what the server lacks is no fault of the user's.
    let _bob = feed(&server.url(), &path("other", "bob")).await;
    let _eve = feed(&server.url(), &path("other", "eve")).await;
    let refused = request(&server.url(), "GET", &path("third", "cyd"), &[]).await;
    assert_eq!((refused.status, &*refused.headers["retry-after"]), (503, "5"));
    assert_eq!(refused.json().await["message"], "the server has as many rooms as it can keep");
}

#[tokio::test]
async fn a_reader_that_reads_nothing_for_long_loses_nothing_that_is_still_in_the_log() {
    let (server, mut ada) = lobby(|config| {
        (config.hub.history, config.hub.history_bytes) = (100_000, 64 << 20);
    })
    .await;
    let mut eve = feed(&server.url(), &path("lobby", "eve")).await;
    // Far more than any socket takes: 32 MiB.
    let long = "x".repeat(8_000);
    for number in 0..4_000 {
        ada.say(&message("lobby", &format!("{number} {long}"))).await;
        ada.hear().await;
    }
    for number in 0..4_000 {
        assert_eq!(eve.content().await, format!("{number} {long}"));
    }
}

#[tokio::test]
async fn what_was_trimmed_while_a_reader_read_nothing_is_a_gap_that_names_it() {
    let (server, mut ada) = lobby(|config| config.hub.history = 10).await;
    let mut eve = feed(&server.url(), &path("lobby", "eve")).await;
    let long = "x".repeat(8_000);
    for number in 1..=4_000 {
        ada.say(&message("lobby", &format!("{number} {long}"))).await;
        ada.hear().await;
    }
    let (mut last, mut gaps) = (0, 0);
    while last < 4_000 {
        let event = eve.event().await;
        let said = event.json();
        if event.event.as_deref() == Some("gap") {
            assert_eq!((&said["after"], &said["reason"]), (&json!(last), &json!("trimmed")));
            last = said["before"].as_u64().unwrap() - 1;
            gaps += 1;
        } else {
            last += 1;
            assert!(
                said["content"].as_str().unwrap().starts_with(&format!("{last} ")),
                "after a gap at {last}"
            );
        }
    }
    assert!(gaps > 0);
}

#[tokio::test]
async fn a_drain_ends_feeds_whole_over_its_window_and_refuses_new_ones() {
    let mut config = Config::default();
    config.limits.drain_rate = 1;
    config.drain = Duration::from_secs(3_600);
    let server = Server::bind(config).await.unwrap();
    let url = server.url();
    let (shutdown, told) = oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async { told.await.unwrap_or_default() }));
    let mut eve = feed(&url, &path("lobby", "eve")).await;
    let mut bob = feed(&url, &path("lobby", "bob")).await;
    for reader in [&mut eve, &mut bob] {
        reader.block().await;
    }
    shutdown.send(()).unwrap();
    assert_eq!(eve.rest().await, (String::new(), Ended::Whole));
    let refused = request(&url, "GET", &path("lobby", "cyd"), &[]).await;
    assert_eq!((refused.status, &*refused.headers["retry-after"]), (503, "5"));
    assert_eq!(refused.json().await["code"], "draining");
    // Bob's turn comes a second later.
    assert_eq!(bob.rest().await.1, Ended::Whole);
    soon(running).await.unwrap();
}

#[tokio::test]
async fn a_feed_ends_with_its_token_and_is_not_begun_with_one_that_has_ended() {
    let server = server(|config| config.auth = Auth::Tokens(Tokens::parse("short eve 1\n").unwrap())).await;
    let mut eve = feed(&server.url(), &path("lobby", "short")).await;
    assert_eq!(eve.rest().await.1, Ended::Whole);
    assert_eq!(request(&server.url(), "GET", &path("lobby", "short"), &[]).await.status, 401);
}

#[tokio::test]
async fn a_herd_of_readers_is_told_to_come_back_spread_over_the_window() {
    let server =
        server(|config| (config.hub.reconnect_rate, config.hub.sockets_per_user) = (10, 1_000)).await;
    let mut retries = BTreeSet::new();
    let mut readers = Vec::new();
    for _ in 0..100 {
        let mut eve = feed(&server.url(), &path("lobby", "eve")).await;
        retries.insert(eve.block().await.retry.unwrap());
        readers.push(eve);
    }
    // A hundred come back at eight a second in 12.5 s.
    assert!(
        retries.len() > 90 && retries.iter().all(|retry| (1_000..=13_500).contains(retry)),
        "{retries:?}"
    );
    assert!(retries.last().unwrap() - retries.first().unwrap() > 6_000, "{retries:?}");
}

#[tokio::test]
async fn faults_hit_feeds_as_far_as_they_mean_something_there() {
    let (server, mut ada) = lobby(|_| {}).await;
    let for_eve = |kind| Fault::new(kind).user("eve");
    let url = server.url();
    server.faults().add(for_eve(FaultKind::Refuse).code(502));
    let refused = request(&url, "GET", &path("lobby", "eve"), &[]).await;
    assert_eq!((refused.status, refused.json().await["code"].as_str()), (502, Some("fault")));

    let mut eve = feed(&url, &path("lobby", "eve")).await;
    eve.block().await;
    server.faults().add(for_eve(FaultKind::Garbage).bytes(4));
    assert_eq!(eve.block().await.data.as_deref(), Some("}gar"));
    server.faults().add(for_eve(FaultKind::Duplicate));
    say(&mut ada, "twice").await;
    assert_eq!(eve.block().await, eve.block().await);
    server.faults().add(for_eve(FaultKind::Delay).ms(30));
    server.faults().add(for_eve(FaultKind::Drip).ms(1).bytes(100));
    say(&mut ada, "late").await;
    assert_eq!(eve.content().await, "late");
    server.faults().add(for_eve(FaultKind::Freeze).ms(100));
    say(&mut ada, "later").await;
    assert_eq!(eve.content().await, "later");
    server.faults().add(for_eve(FaultKind::Close));
    assert_eq!(eve.rest().await, (String::new(), Ended::Whole));

    let mut eve = feed(&url, &path("lobby", "eve")).await;
    server.faults().clear();
    eve.block().await;
    server.faults().add(for_eve(FaultKind::Drop));
    assert_eq!(eve.rest().await, (String::new(), Ended::Cut));
}

#[tokio::test]
async fn a_half_open_feed_says_nothing_until_the_fault_is_cleared_and_then_it_is_cut() {
    let (server, mut ada) = lobby(|_| {}).await;
    let mut eve = feed(&server.url(), &path("lobby", "eve")).await;
    eve.block().await;
    server.faults().add(Fault::new(FaultKind::HalfOpen).user("eve"));
    server.faults().add(Fault::new(FaultKind::Close).user("eve"));
    say(&mut ada, "lost").await;
    // Another reader has heard it, and she would have.
    let mut bob = feed(&server.url(), &format!("{}&history=1", path("lobby", "bob"))).await;
    assert_eq!(bob.content().await, "lost");
    // The end of the feed is one of the things that do not come through.
    assert!(eve.rest().now_or_never().is_none());
    server.faults().clear();
    assert_eq!(eve.rest().await, (String::new(), Ended::Cut));
}

#[tokio::test]
async fn a_server_that_stops_cuts_its_feeds() {
    let server = server(|_| {}).await;
    let mut eve = feed(&server.url(), &path("lobby", "eve")).await;
    eve.block().await;
    let mut ada = Client::open(&server.url(), "ada").await;
    ada.say(&join("lobby")).await;
    soon(server.stop()).await;
    assert_eq!(eve.rest().await.1, Ended::Cut);
}
