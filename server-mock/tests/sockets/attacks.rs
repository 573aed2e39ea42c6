//! Attacks of strangers on loopback, each bounded: silent connections, floods, guesses, sessions without a name. A second
//! address of the machine stands for everybody else.

use crate::admission::{address, http};
use crate::client::{Client, server, soon};
use crate::socketio::{Session, endpoint};
use rejoin_server::auth::Tokens;
use rejoin_server::{Auth, Config, IpNet, ServerHandle};
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

pub(crate) const ATTACKER: &str = "127.0.0.1";
pub(crate) const BYSTANDER: &str = "127.0.0.2";

pub(crate) async fn guarded(change: impl FnOnce(&mut Config)) -> ServerHandle {
    server(|config| {
        config.admin = Some("127.0.0.1:0".parse().unwrap());
        config.auth = Auth::Tokens(Tokens::parse("s3cret ada").unwrap());
        change(config);
    })
    .await
}

pub(crate) async fn connect(server: &ServerHandle, from: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    soon(socket.connect(address(&server.url()))).await.unwrap()
}

/// Says it, and gives all that comes until the server ends.
pub(crate) async fn exchange(server: &ServerHandle, from: &str, text: &str) -> String {
    let mut stream = connect(server, from).await;
    // A server that has refused already may have ended its side.
    let _ = stream.write_all(text.replace('\n', "\r\n").as_bytes()).await;
    rest(stream).await
}

async fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = soon(stream.read_to_end(&mut bytes)).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

pub(crate) fn upgrade(token: &str) -> String {
    format!("GET /ws?token={token} HTTP/1.1\nHost: localhost\n{UPGRADE}\n")
}

pub(crate) const UPGRADE: &str = "Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n";

/// The status of an upgrade, whose connection is given up at once.
pub(crate) async fn status(server: &ServerHandle, from: &str, request: &str) -> u16 {
    let mut stream = connect(server, from).await;
    let _ = stream.write_all(request.replace('\n', "\r\n").as_bytes()).await;
    let mut head = [0; 12];
    soon(stream.read_exact(&mut head)).await.unwrap();
    std::str::from_utf8(&head[9..]).unwrap().parse().unwrap()
}

/// How many were refused for this cause.
pub(crate) async fn refused(server: &ServerHandle, cause: &str) -> u64 {
    let metrics =
        http(&server.admin_url().unwrap(), "GET /metrics HTTP/1.1\nHost: localhost\nConnection: close\n\n")
            .await;
    number(&metrics, &format!("rejoin_refused_total{{cause=\"{cause}\"}}"))
}

pub(crate) fn number(metrics: &str, name: &str) -> u64 {
    let line =
        metrics.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name}: {metrics}"));
    line.rsplit(' ').next().unwrap().trim().parse().unwrap()
}

#[tokio::test]
async fn silent_connections_give_way_to_whoever_comes() {
    let server = guarded(|config| config.limits.handshakes = 8).await;
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(connect(&server, ATTACKER).await);
    }
    let url = format!("{}?token=s3cret", server.url());
    let mut ada = soon(async {
        loop {
            if let Ok(ada) = Client::try_open(&url, &[]).await {
                return ada;
            }
        }
    })
    .await;
    ada.sync().await;
    // The oldest was ended, and nobody else.
    assert_eq!(rest(silent.remove(0)).await, "");
    assert_eq!(refused(&server, "evicted").await, 1);
}

/// A few networks suffice for as many as there are places, each within its share.
#[tokio::test]
async fn requests_that_do_not_end_give_way_to_whoever_comes() {
    let server = guarded(|config| {
        config.limits.handshakes = 4;
        config.limits.handshake = Duration::from_secs(60);
    })
    .await;
    let mut slow = Vec::new();
    for _ in 0..4 {
        let mut stream = connect(&server, ATTACKER).await;
        stream.write_all(b"GET /ws?token=s3cret HTTP/1.1\r\nHo").await.unwrap();
        slow.push(stream);
    }
    let url = format!("{}?token=s3cret", server.url());
    let let_in = async {
        loop {
            if let Ok(ada) = Client::try_open(&url, &[]).await {
                return ada;
            }
        }
    };
    soon(let_in).await.sync().await;
    assert_eq!(rest(slow.remove(0)).await, "");
    assert_eq!(refused(&server, "evicted").await, 1);
}

/// However often it dials anew.
#[tokio::test]
async fn who_holds_many_places_gives_way_at_once_to_whoever_holds_none() {
    let server = guarded(|config| config.limits.handshakes = 4).await;
    let mut slow = Vec::new();
    for _ in 0..12 {
        for begin in ["", "GET /ws?token=s3cret HTTP/1.1\r\nHo"] {
            let mut stream = connect(&server, ATTACKER).await;
            let _ = stream.write_all(begin.as_bytes()).await;
            slow.push(stream);
        }
        assert_eq!(status(&server, BYSTANDER, &upgrade("s3cret")).await, 101);
    }
}

/// Its session goes on by polls, which a WebSocket that is to take over would have answered at once.
#[tokio::test]
async fn a_websocket_that_does_not_take_over_gives_way_and_its_session_stays() {
    let server = guarded(|config| {
        config.limits.handshakes = 1;
        config.limits.handshake = Duration::from_secs(60);
    })
    .await;
    let session = Session::in_room(&server, "s3cret", "lobby").await;
    let mut probe = Client::try_open(&session.websocket(), &[]).await.unwrap();
    probe.say("2probe").await;
    assert_eq!(probe.hear().await, "3probe");
    let answered = async { while !session.say(&["3"]).await.ends_with("ok") {} };
    soon(answered).await;
    assert!(probe.next().await.is_err());
    assert_eq!(refused(&server, "evicted").await, 1);
    let ask = r#"420["leave_room",{"roomId":"lobby"}]"#;
    soon(async { while !session.say(&[ask]).await.ends_with("ok") {} }).await;
    let heard = session.hear().await;
    assert!(heard.contains("430["), "{heard}");
}

#[tokio::test]
async fn a_connection_has_to_say_something_soon_and_all_of_a_request_not_much_later() {
    let server = guarded(|config| {
        config.limits.first_byte = Duration::from_millis(50);
        config.limits.handshake = Duration::from_millis(200);
    })
    .await;
    assert_eq!(rest(connect(&server, ATTACKER).await).await, "");
    assert_eq!(refused(&server, "silent").await, 1);
    let mut slow = connect(&server, ATTACKER).await;
    slow.write_all(b"GET /ws?token=s3cret HTTP/1.1\r\nHo").await.unwrap();
    assert_eq!(rest(slow).await, "");
    assert_eq!((refused(&server, "silent").await, refused(&server, "request_deadline").await), (1, 1));
}

#[tokio::test]
async fn one_address_cannot_take_all_places_of_handshakes() {
    let server = guarded(|config| config.limits.per_address.handshakes = Some(2)).await;
    let mut slow = Vec::new();
    let answer = soon(async {
        loop {
            let mut stream = connect(&server, ATTACKER).await;
            stream.write_all(b"GET /ws HTTP/1.1\r\n").await.unwrap();
            let mut first = [0; 12];
            // Nothing comes while the request is read; the refusal needs no request.
            match tokio::time::timeout(Duration::from_millis(200), stream.read_exact(&mut first)).await {
                Ok(read) => {
                    read.unwrap();
                    return String::from_utf8_lossy(&first).into_owned() + &rest(stream).await;
                }
                Err(_) => slow.push(stream),
            }
        }
    })
    .await;
    assert!(answer.starts_with("HTTP/1.1 429 ") && answer.contains("Retry-After: 1\r\n"), "{answer}");
    assert_eq!(slow.len(), 2);
    assert_eq!(status(&server, BYSTANDER, &upgrade("s3cret")).await, 101);
    assert_eq!(refused(&server, "address_handshakes").await, 1);
}

#[tokio::test]
async fn an_address_that_comes_too_often_is_told_to_wait_and_the_others_get_in() {
    let server = guarded(|config| config.limits.per_address.connects = Some(1)).await;
    let mut statuses = Vec::new();
    for _ in 0..14 {
        statuses.push(status(&server, ATTACKER, &upgrade("s3cret")).await);
    }
    assert_eq!(statuses[..10], [101; 10]);
    assert!(statuses.contains(&429), "{statuses:?}");
    assert_eq!(status(&server, BYSTANDER, &upgrade("s3cret")).await, 101);
    let refused = refused(&server, "address_rate").await;
    assert_eq!(refused, statuses.iter().filter(|status| **status == 429).count() as u64);
}

#[tokio::test]
async fn who_guesses_tokens_waits_longer_each_time_wherever_they_are_shown() {
    let server = guarded(|config| config.limits.per_address.failed_tokens = Some(5)).await;
    for guess in 0..5 {
        assert_eq!(status(&server, ATTACKER, &upgrade(&format!("guess{guess}"))).await, 101);
    }
    // The right one is not looked at either: it would tell the guesser.
    let feed = |token: &str| format!("GET /rooms/lobby/events?token={token} HTTP/1.1\nHost: localhost\n\n");
    let polling = String::from("GET /socket.io/?EIO=4&transport=polling HTTP/1.1\nHost: localhost\n\n");
    for request in [upgrade("s3cret"), feed("s3cret"), polling.clone()] {
        let answer = exchange(&server, ATTACKER, &request).await;
        assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
        assert!(answer.to_lowercase().contains("retry-after: 1\r\n"), "{answer}");
    }
    for request in [upgrade("s3cret"), polling] {
        assert!([101, 200].contains(&status(&server, BYSTANDER, &request).await));
    }
    assert_eq!(refused(&server, "address_tokens").await, 3);
}

/// That the address of the attacker has to wait, after `guesses` wrong tokens that were shown in some other way than in a
/// request.
async fn has_to_wait(server: &ServerHandle, guesses: u64) {
    let answer = exchange(server, ATTACKER, &upgrade("s3cret")).await;
    assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
    assert_eq!(status(server, BYSTANDER, &upgrade("s3cret")).await, 101);
    assert_eq!(refused(server, "token").await, guesses);
}

#[tokio::test]
async fn a_token_that_is_guessed_on_an_open_connection_counts_like_any_other() {
    let server = guarded(|config| config.limits.per_address.failed_tokens = Some(2)).await;
    let (mut mallory, _) = Client::extended(&server.url(), "s3cret").await;
    let auth = |token: &str| json!({"type": "auth", "ref": "a", "token": token});
    for guess in ["one", "two"] {
        assert_eq!(mallory.answer(&auth(guess)).await["code"], "forbidden");
    }
    // Not looked at, so that the connection is not closed for it either.
    for token in ["three", "s3cret", "five"] {
        let refused = mallory.answer(&auth(token)).await;
        assert_eq!((&refused["code"], &refused["retry"]), (&json!("rate_limited"), &json!(true)));
    }
    has_to_wait(&server, 2).await;
}

#[tokio::test]
async fn a_token_that_is_guessed_in_a_socket_io_connect_counts_like_any_other() {
    let server = guarded(|config| config.limits.per_address.failed_tokens = Some(2)).await;
    for guess in ["one", "two"] {
        let mut mallory = Client::try_open(&endpoint(&server.url()), &[]).await.unwrap();
        mallory.hear().await;
        mallory.say(&format!(r#"40{{"token":"{guess}"}}"#)).await;
        assert!(mallory.hear().await.starts_with("44"));
    }
    has_to_wait(&server, 2).await;
}

#[tokio::test]
async fn sessions_without_a_name_take_no_place_of_one_who_has_a_token() {
    let server = guarded(|config| {
        config.limits.connections = 3;
        config.limits.early_sessions = 4;
        config.limits.per_address.early_sessions = Some(3);
    })
    .await;
    let begin = "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\nHost: localhost\n\n";
    let mut statuses = Vec::new();
    for from in [ATTACKER, ATTACKER, ATTACKER, ATTACKER, BYSTANDER, BYSTANDER] {
        statuses.push(status(&server, from, begin).await);
    }
    // A share for the address, then the quota for all.
    assert_eq!(statuses, [200, 200, 200, 429, 200, 503]);
    let answer = exchange(&server, ATTACKER, begin).await;
    assert!(answer.to_lowercase().contains("retry-after: 1\r\n"), "{answer}");
    let mut people = Vec::new();
    for _ in 0..3 {
        let mut ada = Client::open(&server.url(), "s3cret").await;
        ada.sync().await;
        people.push(ada);
    }
    assert_eq!(
        (refused(&server, "address_sessions").await, refused(&server, "early_sessions").await),
        (2, 1)
    );
    let metrics =
        http(&server.admin_url().unwrap(), "GET /metrics HTTP/1.1\nHost: localhost\nConnection: close\n\n")
            .await;
    assert_eq!(number(&metrics, "rejoin_early_sessions "), 4);
}

#[tokio::test]
async fn a_full_house_under_pressure_refuses_before_it_reads_anything() {
    let server = guarded(|config| {
        config.limits.connections = 1;
        config.limits.handshakes = 4;
    })
    .await;
    let mut ada = Client::open(&server.url(), "s3cret").await;
    ada.sync().await;
    // In the calm there is time for an answer with words.
    let answer = exchange(&server, ATTACKER, &upgrade("s3cret")).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("now.\n"), "{answer}");
    let _pressure = [connect(&server, ATTACKER).await, connect(&server, ATTACKER).await];
    // Not a byte of a request is sent.
    let answer = rest(connect(&server, ATTACKER).await).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("Retry-After: 5\r\n"), "{answer}");
    assert_eq!(refused(&server, "connections").await, 2);
}

#[tokio::test]
async fn before_connect_a_session_may_say_connect_and_pong_and_not_much_of_them() {
    let server = guarded(|_| {}).await;
    let packets = |packets: Vec<&str>| packets.join("\u{1e}");
    for body in [
        packets(vec!["40/x,"; 257]),
        packets(vec!["3"; 4_000]),
        packets(vec!["42[\"join_room\",{\"roomId\":\"lobby\"}]"]),
        packets(vec!["41"]),
        packets(vec!["43[]"]),
        "4".repeat(17 << 10),
    ] {
        let opened =
            http(&server.url(), "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\nHost: localhost\n\n")
                .await;
        let sid = opened.split(r#""sid":""#).nth(1).unwrap().split('"').next().unwrap();
        let path = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
        let head = format!("POST {path} HTTP/1.1\nHost: localhost\nContent-Length: {}\n\n", body.len());
        let answer = exchange(&server, ATTACKER, &format!("{head}{body}")).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
        let poll = http(&server.url(), &format!("GET {path} HTTP/1.1\nHost: localhost\n\n")).await;
        assert!(poll.ends_with('1') || poll.starts_with("HTTP/1.1 400 "), "{poll}");
    }
}

fn behind_a_proxy(config: &mut Config) {
    config.trusted_proxy = vec!["127.0.0.1/32".parse::<IpNet>().unwrap()];
    config.limits.per_address.connects = Some(1);
}

#[tokio::test]
async fn behind_a_trusted_proxy_those_whom_it_names_have_shares_of_their_own() {
    let server = guarded(behind_a_proxy).await;
    let named = |header: &str| {
        upgrade("s3cret").replace("Host: localhost\n", &format!("Host: localhost\n{header}\n"))
    };
    let mut statuses = Vec::new();
    for _ in 0..14 {
        statuses.push(status(&server, ATTACKER, &named("X-Forwarded-For: 192.0.2.66")).await);
    }
    assert!(statuses.contains(&429), "{statuses:?}");
    for other in ["X-Forwarded-For: 192.0.2.66, 192.0.2.7", "Forwarded: for=192.0.2.8"] {
        assert_eq!(status(&server, ATTACKER, &named(other)).await, 101, "{other}");
    }
    // Nobody else is believed.
    let mut lies = Vec::new();
    for number in 0..14 {
        lies.push(status(&server, BYSTANDER, &named(&format!("X-Forwarded-For: 192.0.2.{number}"))).await);
    }
    assert!(lies.contains(&429), "{lies:?}");
}

/// Whatever it asks for: elsewhere each request is a connection, which is counted.
#[tokio::test]
async fn every_request_that_a_proxy_passes_on_counts_for_the_address_that_it_names() {
    let server = guarded(behind_a_proxy).await;
    for (attacker, request) in [
        (1, "GET /nowhere HTTP/1.1\n"),
        (2, "GET /demo/ HTTP/1.1\n"),
        (3, "OPTIONS /socket.io/ HTTP/1.1\n"),
        (4, "GET /socket.io/?EIO=4&transport=polling&sid=nobodys HTTP/1.1\n"),
        (5, "POST /tickets HTTP/1.1\nContent-Length: 0\n"),
    ] {
        let from = |last: u32| format!("{request}Host: localhost\nX-Forwarded-For: 192.0.2.{last}\n\n");
        let mut answers = Vec::new();
        for _ in 0..14 {
            answers.push(exchange(&server, ATTACKER, &from(attacker)).await);
        }
        let refusal = answers.iter().find(|answer| answer.starts_with("HTTP/1.1 429 "));
        assert!(refusal.is_some_and(|answer| answer.contains("\r\nretry-after: 1\r\n")), "{answers:?}");
        let other = exchange(&server, ATTACKER, &from(100 + attacker)).await;
        assert!(other.starts_with("HTTP/1.1 ") && !other.starts_with("HTTP/1.1 429 "), "{other}");
    }
}

#[tokio::test]
async fn bodies_that_a_proxy_passes_on_as_they_come_take_the_share_of_one_address() {
    let server = guarded(|config| {
        behind_a_proxy(config);
        config.limits.per_address.connects = None;
        config.limits.per_address.handshakes = Some(4);
        config.limits.handshakes = 8;
    })
    .await;
    let begin = |last: u8, line: &str, fields: &str| {
        format!("{line} HTTP/1.1\nHost: localhost\nX-Forwarded-For: 192.0.2.{last}\n{fields}\n")
    };
    let polled = "/socket.io/?EIO=4&transport=polling";
    let opened = exchange(&server, ATTACKER, &begin(66, &format!("GET {polled}"), "")).await;
    let sid = opened.split(r#""sid":""#).nth(1).unwrap().split('"').next().unwrap();
    let slow = begin(66, &format!("POST {polled}&sid={sid}"), "Content-Length: 100\n");
    let mut held = Vec::new();
    for _ in 0..4 {
        let mut stream = connect(&server, ATTACKER).await;
        stream.write_all(slow.replace('\n', "\r\n").as_bytes()).await.unwrap();
        held.push(stream);
    }
    // The four are understood when there is no room for a fifth.
    let full =
        async { while !exchange(&server, ATTACKER, &begin(66, "GET /x", "")).await.contains(" 429 ") {} };
    soon(full).await;
    assert!(refused(&server, "address_handshakes").await > 0);
    let other =
        upgrade("s3cret").replace("Host: localhost\n", "Host: localhost\nX-Forwarded-For: 192.0.2.7\n");
    assert_eq!(status(&server, ATTACKER, &other).await, 101);
}

#[tokio::test]
async fn the_proxy_protocol_names_the_client_too_and_is_asked_of_trusted_proxies_only() {
    let server = guarded(|config| {
        behind_a_proxy(config);
        config.proxy_protocol = true;
    })
    .await;
    let v1 = |from: &str| format!("PROXY TCP4 {from} 192.0.2.1 4711 80\n{}", upgrade("s3cret"));
    let mut attacks = Vec::new();
    for _ in 0..14 {
        let answer = exchange_head(&server, v1("192.0.2.66").replace('\n', "\r\n").as_bytes()).await;
        attacks.push(answer);
    }
    let (let_in, refusals) = attacks.split_at(10);
    assert!(let_in.iter().all(|answer| answer.starts_with("HTTP/1.1 101 ")), "{attacks:?}");
    assert!(refusals.iter().any(|answer| answer.starts_with("HTTP/1.1 429 ")), "{attacks:?}");
    let v2 = [
        &b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..],
        &[192, 0, 2, 7, 192, 0, 2, 1, 18, 103, 0, 80],
        upgrade("s3cret").replace('\n', "\r\n").as_bytes(),
    ]
    .concat();
    assert!(exchange_head(&server, &v2).await.starts_with("HTTP/1.1 101 "));
    // Without the header a proxy is not served, and with it nobody else is.
    assert_eq!(exchange_head(&server, upgrade("s3cret").replace('\n', "\r\n").as_bytes()).await, "");
    assert_eq!(refused(&server, "proxy_header").await, 1);
    assert_eq!(status(&server, BYSTANDER, &upgrade("s3cret")).await, 101);
}

/// The first bytes of the answer to a trusted proxy, if there are any.
async fn exchange_head(server: &ServerHandle, bytes: &[u8]) -> String {
    let mut stream = connect(server, ATTACKER).await;
    let _ = stream.write_all(bytes).await;
    let mut head = [0; 13];
    match soon(stream.read_exact(&mut head)).await {
        Ok(_) => String::from_utf8_lossy(&head).into_owned(),
        Err(_) => String::new(),
    }
}
