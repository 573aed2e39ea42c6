//! Every limit that the server has, attacked on loopback: each moves its own label in `/metrics`, and the log has one line
//! that names it, and whom it is about.

use crate::admission::{address, http};
use crate::client::{Client, join, message, server, soon};
use crate::logbook::Logbook;
use crate::socketio::{Session, endpoint, get};
use crate::tls::Signed;
use futures_util::SinkExt as _;
use futures_util::future::LocalBoxFuture;
use rejoin::Id;
use rejoin_server::auth::{Authenticator, Tokens};
use rejoin_server::hub::HubConfig;
use rejoin_server::tls::Certificate;
use rejoin_server::{AdminToken, Auth, Config, ServerHandle};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Bytes, Message};

/// One limit: its label, how the server is set up, and what reaches it. An attack goes on until it is cut off.
struct Row {
    label: &'static str,
    /// What the line has behind the label and the count.
    whom: &'static str,
    set_up: fn(&mut Config),
    attack: for<'a> fn(&'a Target) -> LocalBoxFuture<'a, ()>,
}

/// The attacked server.
struct Target {
    url: String,
    admin: String,
}

const NOBODY: &str = "address=127.0.0.1";
const ADA: &str = "user=\"ada\" address=127.0.0.1";

macro_rules! row {
    ($label:literal, $whom:expr, |$config:ident| $set_up:expr, |$target:ident| $attack:expr) => {
        Row {
            label: $label,
            whom: $whom,
            set_up: |$config| $set_up,
            attack: |$target| {
                Box::pin(async move {
                    $attack;
                })
            },
        }
    };
}

impl Target {
    async fn connect(&self) -> TcpStream {
        soon(TcpStream::connect(address(&self.url))).await.unwrap()
    }

    /// Opens a connection, says this, and waits for the server to end it.
    async fn say(&self, text: &str) {
        let mut stream = self.connect().await;
        let _ = stream.write_all(text.replace('\n', "\r\n").as_bytes()).await;
        let _ = soon(stream.read_to_end(&mut Vec::new())).await;
    }

    /// The same, and goes on at once.
    async fn begin(&self, text: &str) -> TcpStream {
        let mut stream = self.connect().await;
        let _ = stream.write_all(text.replace('\n', "\r\n").as_bytes()).await;
        stream
    }

    async fn upgrade(&self, token: &str) {
        let _ = Client::try_open(&format!("{}?token={token}", self.url), &[]).await;
    }

    async fn take_tickets(&self, count: usize) {
        let request =
            "POST /tickets HTTP/1.1\nHost: localhost\nAuthorization: Bearer ada\nContent-Length: 0\n\n";
        for _ in 0..count {
            http(&self.url, request).await;
        }
    }

    async fn socket_io(&self) -> Client {
        let mut client = Client::try_open(&endpoint(&self.url), &[]).await.unwrap();
        client.hear().await;
        client
    }

    async fn extended(&self) -> Client {
        Client::extended(&self.url, "ada").await.0
    }

    async fn manage(&self, request: &str, fields: &str) {
        http(&self.admin, &format!("{request} HTTP/1.1\nHost: localhost\nConnection: close\n{fields}\n"))
            .await;
    }
}

/// Every label of a family of counters, with its count.
async fn counts(admin: &str, family: &str, token: Option<&str>) -> Vec<(String, u64)> {
    let token = token.map(|token| format!("Authorization: Bearer {token}\n")).unwrap_or_default();
    let metrics =
        http(admin, &format!("GET /metrics HTTP/1.1\nHost: localhost\nConnection: close\n{token}\n")).await;
    let begin = format!("rejoin_{family}_total{{");
    let lines = metrics.lines().filter_map(|line| line.strip_prefix(&begin)?.split_once("\"} "));
    lines
        .map(|(label, count)| (label.split_once('"').unwrap().1.to_owned(), count.trim().parse().unwrap()))
        .collect()
}

async fn hold(family: &str, key: &str, rows: &[Row], elsewhere: &[&str]) {
    for row in rows {
        let log = Logbook::open();
        let handle = server(|config| {
            config.admin = Some("127.0.0.1:0".parse().unwrap());
            (row.set_up)(config);
        })
        .await;
        let target = Target { url: handle.url(), admin: handle.admin_url().unwrap() };
        let token = (row.label == "admin_token").then_some(ADMIN_TOKEN);
        let moved = async {
            loop {
                let line = log.lines(&format!("{key}=\"{}\"", row.label));
                if !line.is_empty() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let attack = async {
            loop {
                (row.attack)(&target).await;
                // What it has done may not have been noticed yet, and who goes on without a pause is cut off for that.
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        let reached = timeout(Duration::from_secs(20), async {
            tokio::select! {
                () = attack => {}
                () = moved => {}
            }
        });
        assert!(reached.await.is_ok(), "{} is not told", row.label);
        let lines = log.lines(&format!("{key}=\"{}\"", row.label));
        assert_eq!(lines.len(), 1, "{}: {lines:?}", row.label);
        assert!(lines[0].contains(" WARN ") && lines[0].contains(row.whom), "{}: {lines:?}", row.label);
        assert!(log.lines("canary").is_empty(), "{}: {:?}", row.label, log.lines("canary"));
        if row.label != "admin_tokens" && row.label != "admin_connections" {
            let counts = counts(&target.admin, family, token).await;
            let count = counts.iter().find(|(label, _)| label == row.label).map(|(_, count)| *count);
            assert!(count.is_some_and(|count| count > 0), "{} is not counted: {counts:?}", row.label);
        }
        drop(handle);
    }
    // What is listed there and not here has no test.
    let handle = server(|config| config.admin = Some("127.0.0.1:0".parse().unwrap())).await;
    let known: BTreeSet<_> = counts(&handle.admin_url().unwrap(), family, None).await.into_iter().collect();
    let known: BTreeSet<_> = known.iter().map(|(label, _)| label.as_str()).collect();
    let tested = rows.iter().map(|row| row.label).chain(elsewhere.iter().copied());
    assert_eq!(known, tested.collect::<BTreeSet<_>>());
}

const ADMIN_TOKEN: &str = "canary-0123456789";
const PARTIAL: &str = "GET /ws HTTP/1.1\n";
const POLL: &str = "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\nHost: localhost\n\n";

fn staff(config: &mut Config) {
    config.auth = Auth::Tokens(Tokens::parse("s3cret ada").unwrap());
}

fn short(config: &mut Config) {
    config.limits.handshake = Duration::from_millis(100);
}

fn with_admin_token(config: &mut Config) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), ADMIN_TOKEN).unwrap();
    config.admin_token = Some(AdminToken::read(&folder.path().join("token")).unwrap());
}

fn with_tls(config: &mut Config) {
    let signed = Signed::new();
    config.tls = Some(Certificate::read(&signed.chain(), &signed.key()).unwrap().server_config().unwrap());
    short(config);
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
async fn every_cause_for_which_strangers_are_refused_is_counted_and_told_once() {
    let rows = [
        row!("handshakes", NOBODY, |config| config.limits.handshakes = 1, |target| {
            let _first = target.begin(PARTIAL).await;
            target.say(PARTIAL).await;
        }),
        row!(
            "address_handshakes",
            NOBODY,
            |config| config.limits.per_address.handshakes = Some(1),
            |target| {
                let _first = target.begin(PARTIAL).await;
                target.say(PARTIAL).await;
            }
        ),
        row!("evicted", NOBODY, |config| config.limits.handshakes = 1, |target| {
            let _silent = target.connect().await;
            // It is refused until the silent one has had its time to speak.
            loop {
                target.say(PARTIAL).await;
                tokio::task::yield_now().await;
            }
        }),
        row!("silent", NOBODY, |config| config.limits.first_byte = Duration::from_millis(50), |target| {
            target.say("").await;
        }),
        row!("tls_deadline", NOBODY, |config| with_tls(config), |target| target.say("\u{16}").await),
        row!("request_deadline", NOBODY, |config| short(config), |target| target.say(PARTIAL).await),
        row!("headers", NOBODY, |_config| (), |target| {
            target.say(&format!("GET /ws HTTP/1.1\nHost: localhost\n{}\n", "X: y\n".repeat(100))).await;
        }),
        row!("address_rate", NOBODY, |config| config.limits.per_address.connects = Some(1), |target| {
            target.say("GET /ws HTTP/1.1\nHost: localhost\n\n").await;
        }),
        row!(
            "address_tokens",
            NOBODY,
            |config| {
                staff(config);
                config.limits.per_address.failed_tokens = Some(1);
            },
            |target| target.upgrade("canary").await
        ),
        row!("early_sessions", NOBODY, |config| config.limits.early_sessions = 1, |target| {
            target.say(POLL).await;
        }),
        row!(
            "address_sessions",
            NOBODY,
            |config| config.limits.per_address.early_sessions = Some(1),
            |target| target.say(POLL).await
        ),
        row!("connections", NOBODY, |config| config.limits.connections = 1, |target| {
            let _one = target.upgrade("ada").await;
            let _first = Client::try_open(&format!("{}?token=ada", target.url), &[]).await;
            target.upgrade("bob").await;
        }),
        row!(
            "proxy_header",
            NOBODY,
            |config| {
                config.trusted_proxy = vec!["127.0.0.1/32".parse().unwrap()];
                config.proxy_protocol = true;
            },
            |target| target.say("GET /ws HTTP/1.1\n\n").await
        ),
        row!("memory", NOBODY, |config| config.limits.memory_budget = Some(1), |target| {
            target.upgrade("ada").await;
        }),
        row!("origin", NOBODY, |_config| (), |target| {
            target
                .say("GET /rooms/a/events HTTP/1.1\nHost: localhost\nOrigin: http://evil.example\n\n")
                .await;
        }),
        row!("host", NOBODY, |_config| (), |target| {
            target.say("GET /ws HTTP/1.1\nHost: evil.example\nConnection: close\n\n").await;
        }),
        row!("no_token", NOBODY, |_config| (), |target| {
            target.say("GET /rooms/lobby/events HTTP/1.1\nHost: localhost\nConnection: close\n\n").await;
        }),
        row!("token", NOBODY, |config| staff(config), |target| target.upgrade("canary").await),
        row!(
            "unidentified",
            NOBODY,
            |config| config.auth = Auth::Custom(Authenticator::new(async |_, _| Err("the database is away"))),
            |target| target.upgrade("canary").await
        ),
        row!("banned", ADA_BANNED, |_config| (), |target| {
            target.manage("DELETE /users/ada?ban=60", "").await;
            target.upgrade("ada").await;
        }),
        row!(
            "admin_token",
            NOBODY,
            |config| {
                with_admin_token(config);
                // Or the address has shown too many, and may not see the count.
                config.limits.per_address.failed_tokens = Some(1_000_000);
            },
            |target| target.manage("GET /users", "Authorization: Bearer canary-wrong\n").await
        ),
        row!("admin_tokens", NOBODY, |config| with_admin_token(config), |target| {
            target.manage("GET /users", "Authorization: Bearer canary-wrong\n").await;
        }),
        row!("admin_body", NOBODY, |_config| (), |target| {
            let mut stream = TcpStream::connect(address(&target.admin)).await.unwrap();
            let head = "POST /faults HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n\r\n";
            let _ = stream.write_all(head.as_bytes()).await;
            let _ = soon(stream.write_all(&vec![b' '; 100_000])).await;
            let _ = soon(stream.read_to_end(&mut Vec::new())).await;
        }),
        row!("admin_deadline", NOBODY, |config| short(config), |target| {
            let mut stream = TcpStream::connect(address(&target.admin)).await.unwrap();
            let head = "POST /faults HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n";
            let _ = stream.write_all(head.as_bytes()).await;
            let _ = soon(stream.read(&mut [0; 64])).await;
        }),
        row!("admin_connections", NOBODY, |_config| (), |target| {
            let mut open = Vec::new();
            for _ in 0..65 {
                open.push(TcpStream::connect(address(&target.admin)).await.unwrap());
            }
            target.manage("GET /users", "").await;
        }),
    ];
    // A server that drains, and one without files, have tests of their own.
    // What a shared store refuses is held with a Redis, in tests/redis.
    hold("refused", "cause", &rows, &["draining", "files", "admin_store", "recovery"]).await;
}

/// A node whose store does not answer.
fn one_of_several(config: &mut Config) -> &mut HubConfig {
    config.hub.node = Some(Id::new("here").unwrap());
    &mut config.hub
}

const ADA_BANNED: &str = "user=\"ada\" why=\"Removed by the operator\" address=127.0.0.1";

fn ask_room(room: &str) -> Value {
    json!({"type": "join_room", "roomId": room, "ref": "j"})
}

async fn numbered_send(target: &Target) {
    let mut ada = target.extended().await;
    let joined = ada.answer(&ask_room("lobby")).await;
    let send = json!({"type": "send_message", "roomId": "lobby", "content": "canary", "ref": "s",
        "pid": "p", "pseq": 1, "epoch": joined["epoch"]});
    assert_eq!(ada.answer(&send).await["code"], "overloaded");
}

async fn flood(target: &Target, messages: impl IntoIterator<Item = Message>) {
    let mut ada = target.extended().await;
    for message in messages {
        if ada.0.feed(message).await.is_err() {
            break;
        }
    }
    let _ = ada.0.flush().await;
    while ada.next().await.is_ok() {}
}

fn fragments(count: usize) -> impl Iterator<Item = Message> {
    let fragment = |opcode| Message::Frame(Frame::message(Bytes::new(), opcode, false));
    let more = std::iter::repeat_n(OpCode::Data(Data::Continue), count);
    std::iter::once(OpCode::Data(Data::Text)).chain(more).map(fragment)
}

fn texts(count: usize, text: &str) -> impl Iterator<Item = Message> {
    std::iter::repeat_n(Message::text(text), count)
}

fn slow_rate(config: &mut Config) {
    (config.hub.rate, config.hub.rooms_per_conn) = (Some(1.0), 1);
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
async fn every_limit_of_users_rooms_and_sessions_is_counted_and_told_once() {
    let rows = [
        row!("rooms", ADA, |config| config.hub.rooms = 1, |target| {
            let mut ada = target.extended().await;
            ada.answer(&ask_room("one")).await;
            assert_eq!(ada.answer(&ask_room("canary")).await["code"], "overloaded");
        }),
        row!("rooms_of_user", ADA, |config| config.hub.rooms_per_user = 1, |target| {
            let mut ada = target.extended().await;
            ada.answer(&ask_room("one")).await;
            assert_eq!(ada.answer(&ask_room("canary")).await["code"], "overloaded");
        }),
        row!(
            "room_rate",
            ADA,
            |config| (config.hub.rate, config.hub.rooms_per_conn) = (Some(1_000_000.0), 1),
            |target| {
                // In one go, for one room a second may be made; and each only once, for it stays when it is left.
                let mut ada = target.extended().await;
                for room in (0..50).map(|room| format!("canary{room}")) {
                    let leave = json!({"type": "leave_room", "roomId": room, "ref": "l"});
                    for frame in [ask_room(&room), leave] {
                        ada.0.feed(Message::text(frame.to_string())).await.unwrap();
                    }
                }
                ada.ask(&json!({"type": "ping", "t": 1})).await;
                while ada.hear_json().await["type"] != "pong" {}
            }
        ),
        row!("rooms_of_connection", ADA, |config| config.hub.rooms_per_conn = 1, |target| {
            let mut ada = target.extended().await;
            ada.answer(&ask_room("one")).await;
            assert_eq!(ada.answer(&ask_room("canary")).await["code"], "too_many_rooms");
        }),
        row!("members_of_room", ADA, |config| config.hub.members_per_room = 1, |target| {
            let _bob = Client::in_room(&target.url, "bob", "canary").await;
            assert_eq!(target.extended().await.answer(&ask_room("canary")).await["code"], "room_full");
        }),
        row!("connections_of_user", ADA, |config| config.hub.sockets_per_user = 1, |target| {
            let _first = target.extended().await;
            target.upgrade("ada").await;
        }),
        row!("frame_rate", ADA, |config| slow_rate(config), |target| {
            flood(target, std::iter::repeat_n(Message::Pong(Bytes::new()), 200)).await;
        }),
        row!("send_rate", ADA, |config| config.hub.rate = Some(0.5), |target| {
            let mut ada = Client::in_room(&target.url, "ada", "lobby").await;
            for _ in 0..3 {
                ada.say(&message("lobby", "canary")).await;
            }
            ada.hear().await;
            ada.hear().await;
        }),
        row!("join_rate", ADA, |config| slow_rate(config), |target| {
            let mut ada = target.extended().await;
            // In one go, for one a second is let through.
            for _ in 0..4 {
                ada.ask(&ask_room("canary")).await;
            }
            for _ in 0..4 {
                ada.hear_json().await;
            }
        }),
        row!("signal_rate", ADA, |config| config.hub.rate = Some(1.0), |target| {
            let mut ada = target.extended().await;
            ada.answer(&ask_room("canary")).await;
            for _ in 0..4 {
                ada.ask(&json!({"type": "signal", "roomId": "canary", "kind": "canary"})).await;
            }
            ada.answer(&json!({"type": "ping", "t": 1})).await;
        }),
        row!("refusals", ADA, |config| config.hub.rate = Some(1.0), |target| {
            flood(target, texts(40, "canary")).await;
        }),
        row!("content_bytes", ADA, |_config| (), |target| {
            let mut ada = Client::in_room(&target.url, "ada", "lobby").await;
            ada.say(&message("lobby", &"canary".repeat(2_000))).await;
            ada.hear().await;
        }),
        row!("data_levels", ADA, |_config| (), |target| {
            let mut ada = target.extended().await;
            ada.answer(&ask_room("lobby")).await;
            let (open, close) = ("[".repeat(65), "]".repeat(65));
            ada.say(&format!(r#"{{"type":"signal","roomId":"lobby","kind":"k","data":{open}{close}}}"#))
                .await;
            ada.hear().await;
        }),
        row!("lines", ADA, |config| config.hub.producers = 0, |target| numbered_send(target).await),
        row!("lines_of_user", ADA, |config| config.hub.producers_per_user = 0, |target| {
            numbered_send(target).await;
        }),
        row!("wrong_tokens", ADA, |config| staff(config), |target| {
            let (mut ada, _) = Client::extended(&target.url, "s3cret").await;
            for _ in 0..3 {
                ada.ask(&json!({"type": "auth", "ref": "a", "token": "canary"})).await;
            }
            while ada.next().await.is_ok() {}
        }),
        row!("bans", "", |config| config.hub.bans = 1, |target| {
            target.manage("DELETE /users/ada?ban=60", "").await;
            target.manage("DELETE /users/bob?ban=60", "").await;
        }),
        row!("tickets", ADA, |config| config.limits.tickets = 2, |target| target.take_tickets(3).await),
        row!("tickets_of_user", ADA, |_config| (), |target| target.take_tickets(65).await),
        row!("ping_rate", ADA, |_config| (), |target| {
            flood(target, std::iter::repeat_n(Message::Ping(Bytes::new()), 101)).await;
        }),
        row!("fragments", ADA, |_config| (), |target| flood(target, fragments(1_025)).await),
        row!("frame_bytes", ADA, |_config| (), |target| {
            flood(target, texts(1, &"x".repeat((64 << 10) + 1))).await;
        }),
        row!(
            "queue",
            "user=\"slow\" address=127.0.0.1",
            |config| (config.limits.queue_frames, config.limits.queue_bytes) = (4, 16 << 10),
            |target| {
                let mut slow = Client::in_room(&target.url, "slow", "lobby").await;
                let mut ada = Client::in_room(&target.url, "ada", "lobby").await;
                while ada.0.send(Message::text(message("lobby", &"x".repeat(8_000)))).await.is_ok() {
                    ada.hear().await;
                }
                let _ = slow.next().await;
            }
        ),
        row!("acknowledgements", ADA, |config| config.limits.queue_frames = 10_000, |target| {
            let session = session_of(target).await;
            let leave = |ack: usize| format!(r#"42{ack}["leave_room",{{"roomId":"canary"}}]"#);
            let events: Vec<_> = (0..1_100).map(leave).collect();
            session.say(&events.iter().map(String::as_str).collect::<Vec<_>>()).await;
        }),
        row!("attachments", ADA, |_config| (), |target| {
            let mut ada = seated(target).await;
            ada.say(r#"4511-["send_message",{"_placeholder":true,"num":0}]"#).await;
            while ada.next().await.is_ok() {}
        }),
        row!(
            "attachment_deadline",
            ADA,
            |config| config.limits.ping_timeout = Some(Duration::from_millis(50)),
            |target| {
                let mut ada = seated(target).await;
                ada.say(r#"451-["send_message",{"_placeholder":true,"num":0}]"#).await;
                while ada.next().await.is_ok() {}
            }
        ),
        row!("payload_packets", NOBODY, |_config| (), |target| {
            let session = Session::open_at(&target.url).await;
            session.say(&vec!["3"; 1_100]).await;
        }),
        row!("early_packets", NOBODY, |_config| (), |target| {
            let mut nobody = target.socket_io().await;
            for _ in 0..33 {
                let _ = nobody.0.send(Message::text("3")).await;
            }
            while nobody.next().await.is_ok() {}
        }),
        row!("connect_deadline", NOBODY, |config| short(config), |target| {
            let mut nobody = target.socket_io().await;
            while nobody.next().await.is_ok() {}
        }),
        row!("connects", NOBODY, |_config| (), |target| {
            let mut restless = target.socket_io().await;
            for _ in 0..17 {
                let _ = restless.0.send(Message::text(r#"40{"token":"ada"}"#)).await;
                let _ = restless.0.send(Message::text("41")).await;
            }
            while restless.next().await.is_ok() {}
        }),
        row!("refused_connects", NOBODY, |config| staff(config), |target| {
            let mut nobody = target.socket_io().await;
            for _ in 0..3 {
                nobody.say(r#"40{"token":"canary"}"#).await;
            }
            while nobody.next().await.is_ok() {}
        }),
        row!(
            "probe_deadline",
            NOBODY,
            |config| config.limits.handshake = Duration::from_millis(500),
            |target| {
                let session = session_of(target).await;
                let mut probing = Client::try_open(&session.websocket(), &[]).await.unwrap();
                while probing.next().await.is_ok() {}
            }
        ),
        row!("kept_connections", NOBODY, |_config| (), |target| {
            let session = session_of(target).await;
            let path = format!("/socket.io/?EIO=4&transport=polling&sid={}", session.sid);
            let pong = format!("POST {path} HTTP/1.1\nHost: localhost\nContent-Length: 1\n\n3");
            let mut kept = Vec::new();
            for _ in 0..7 {
                let mut stream = target.begin(&pong).await;
                soon(stream.read(&mut [0; 64])).await.unwrap();
                kept.push(stream);
            }
        }),
        row!("store_requests", ADA, |config| one_of_several(config).store_requests = 0, |target| {
            assert_eq!(target.extended().await.answer(&ask_room("canary")).await["code"], "overloaded");
        }),
        row!(
            "store_requests_of_user",
            ADA,
            |config| one_of_several(config).store_requests_per_user = 0,
            |target| {
                assert_eq!(target.extended().await.answer(&ask_room("canary")).await["code"], "overloaded");
            }
        ),
        row!("parked_frames", ADA, |config| _ = one_of_several(config), |target| {
            // A plain join goes on waiting.
            let mut ada = target.extended().await;
            ada.say(&join("canary")).await;
            for _ in 0..65 {
                ada.say(&message("canary", "canary")).await;
            }
            assert_eq!(ada.hear_json().await["type"], "error");
        }),
    ];
    hold("limited", "limit", &rows, &[]).await;
}

async fn session_of(target: &Target) -> Session {
    let session = Session::open_at(&target.url).await;
    session.say(&[r#"40{"token":"ada"}"#]).await;
    session
}

async fn seated(target: &Target) -> Client {
    let mut ada = target.socket_io().await;
    ada.say(r#"40{"token":"ada"}"#).await;
    assert!(ada.hear().await.starts_with("40{"));
    ada
}

#[tokio::test]
async fn whom_a_drain_refuses_is_counted_and_told_once() {
    let log = Logbook::open();
    let handle = server(|config| {
        config.admin = Some("127.0.0.1:0".parse().unwrap());
        config.drain = Duration::from_secs(5);
    })
    .await;
    let (url, admin) = (handle.url(), handle.admin_url().unwrap());
    let (mut ada, _) = Client::extended(&url, "ada").await;
    let drained = tokio::spawn(handle.drain());
    assert_eq!(ada.hear_json().await["type"], "going_away");
    for path in ["/ws", "/rooms/lobby/events?token=bob"] {
        let upgrade = "Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n";
        let answer = http(&url, &format!("GET {path} HTTP/1.1\nHost: localhost\n{upgrade}\n")).await;
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: 5\r\n"), "{answer}");
    }
    let answer = http(&url, &get("")).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    let counts = counts(&admin, "refused", None).await;
    assert!(counts.contains(&(String::from("draining"), 3)), "{counts:?}");
    let lines = log.lines("cause=\"draining\"");
    assert!(lines.len() == 1 && lines[0].contains(NOBODY), "{lines:?}");
    drop(ada);
    soon(drained).await.unwrap();
}

/// The shell of a plain client: it joins what others see.
#[tokio::test]
async fn what_one_room_refuses_a_plain_client_is_told_like_any_other() {
    let log = Logbook::open();
    let server: ServerHandle = server(|config| config.hub.rooms_per_conn = 1).await;
    let mut ada = Client::in_room(&server.url(), "ada", "one").await;
    ada.say(&join("canary")).await;
    ada.hear().await;
    let lines = log.lines("limit=\"rooms_of_connection\"");
    assert!(lines.len() == 1 && lines[0].contains(ADA) && !lines[0].contains("canary"), "{lines:?}");
}
