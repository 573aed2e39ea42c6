//! The type of a check, and what checks share: users, rooms and joined connections. Contains no check.

use super::deviation::{Deviation, quoted};
use super::peer::{MOST_BYTES, Peer};
use crate::args::ConformanceArgs;
use crate::error::Failure;
use crate::profile::Profile;
use crate::proxy_env::proxy_for;
use crate::request_options::{self, ClientCertificate, build_failure};
use rejoin::{ConnectOptions, Dialer, Endpoint, Token};
use serde_json::{Value, json};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The time between two tries at a server that is not there yet.
const AGAIN: Duration = Duration::from_millis(250);

type Running<'a> = Pin<Box<dyn Future<Output = Result<(), Deviation>> + Send + 'a>>;

/// What it means that a server does otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// Clients rely on it.
    Must,
    /// Clients work without it, or are told that it is missing.
    Should,
}

/// A statement of the specification, and how it is tried.
pub(super) struct Check {
    /// The number of its section.
    pub(super) section: &'static str,
    pub(super) what: &'static str,
    pub(super) level: Level,
    pub(super) run: for<'a> fn(&'a Kit) -> Running<'a>,
}

/// A [`Check`] from an async function.
macro_rules! check {
    ($level:ident, $section:literal, $what:literal, $run:ident) => {
        $crate::conformance::checks::Check {
            level: $crate::conformance::checks::Level::$level,
            section: $section,
            what: $what,
            run: |kit| Box::pin($run(kit)),
        }
    };
}
pub(super) use check;

/// The server under test, and who tests it.
pub(super) struct Kit {
    endpoint: Endpoint,
    dialer: Dialer,
    users: Vec<Token>,
    deadline: Duration,
    /// What no earlier run has used.
    run: String,
    rooms: AtomicU64,
}

/// A connection that is a member of a room, on an extended server.
pub(super) struct Member {
    pub(super) peer: Peer,
    pub(super) room: String,
    pub(super) epoch: Value,
    /// The head of the log at the join.
    pub(super) seq: u64,
    pub(super) joined: Value,
}

impl Kit {
    pub(super) fn new(arguments: &ConformanceArgs) -> Result<Self, Failure> {
        let wrong = |error| {
            Failure::usage("url", format!("{error}")).hint(
                "give the address of a WebSocket, ws://host:port/path; Socket.IO servers cannot be checked",
            )
        };
        let (endpoint, token) = Endpoint::parse(&arguments.url).map_err(wrong)?;
        if token.is_some() {
            return Err(Failure::usage("url", "the URL has a token in it").hint("give the tokens by --token"));
        }
        let users = match &arguments.token[..] {
            [] => vec!["alice".into(), "bob".into()],
            given => given.iter().map(|token| Token::new(token.as_str())).collect(),
        };
        Ok(Self {
            dialer: dialer(&endpoint, arguments)?,
            endpoint,
            users,
            deadline: Duration::from_secs(arguments.timeout.into()),
            run: format!("conformance-{:08x}", fastrand::u32(..)),
            rooms: AtomicU64::new(0),
        })
    }

    /// Whether there is a server at all: without one, no check says anything. One that is just being started has the time of
    /// an answer.
    pub(super) async fn reach(&self) -> Result<(), Failure> {
        let deadline = Instant::now() + self.deadline;
        loop {
            match Peer::open(&self.dialer, None, false, self.deadline).await {
                Ok(_) => return Ok(()),
                Err(_) if Instant::now() + AGAIN < deadline => sleep(AGAIN).await,
                Err(why) => {
                    return Err(Failure::incomplete("unreachable", format!("{}: {why}", self.endpoint))
                        .hint("`rejoin doctor` tries each step of connecting"));
                }
            }
        }
    }

    /// Whether the server sends `hello` to a client that offers the extended protocol.
    pub(super) async fn is_extended(&self) -> bool {
        let Ok(mut peer) = self.connect(0, true).await else { return false };
        peer.until("hello", |_| true).await.is_ok_and(|(frame, _)| kind(&frame) == "hello")
    }

    /// A connection without a token.
    pub(super) async fn connect_anonymously(&self) -> Result<Peer, Deviation> {
        Peer::open(&self.dialer, None, false, self.deadline).await.map_err(Deviation::Failed)
    }

    /// A connection of the user with this number.
    pub(super) async fn connect(&self, user: usize, extended: bool) -> Result<Peer, Deviation> {
        let Some(token) = self.users.get(user) else {
            return Err(Deviation::NotTried("it takes a second user: give --token twice"));
        };
        Peer::open(&self.dialer, Some(token), extended, self.deadline).await.map_err(Deviation::Failed)
    }

    /// A room that nobody has used.
    pub(super) fn room(&self) -> String {
        format!("{}-{}", self.run, self.rooms.fetch_add(1, Ordering::Relaxed))
    }

    /// A plain connection that has joined `room`.
    pub(super) async fn plain_member(&self, user: usize, room: &str) -> Result<Peer, Deviation> {
        let mut peer = self.connect(user, false).await?;
        peer.send(&json!({"type": "join_room", "roomId": room})).await?;
        // Its own message shows that it is a member.
        fence(&mut peer, room).await?;
        Ok(peer)
    }

    /// An extended connection, and its `hello`.
    pub(super) async fn extended(&self, user: usize) -> Result<(Peer, Value), Deviation> {
        let mut peer = self.connect(user, true).await?;
        let (hello, before) = peer.until("hello", |frame| kind(frame) == "hello").await?;
        match before.first() {
            None => Ok((peer, hello)),
            Some(frame) => Err(Deviation::Failed(format!("before hello came {}", quoted(frame)))),
        }
    }

    /// An extended connection that has joined `room` with what `more` adds to the request.
    pub(super) async fn member(&self, user: usize, room: &str, more: Value) -> Result<Member, Deviation> {
        let (peer, _) = self.extended(user).await?;
        join(peer, room, more).await
    }
}

/// Opens connections with the options that every command has for requests.
fn dialer(endpoint: &Endpoint, arguments: &ConformanceArgs) -> Result<Dialer, Failure> {
    let (given, profile) = (&arguments.request, Profile::default());
    let mut options = ConnectOptions::default().headers(&request_options::headers(given, &profile)?);
    if let Some(location) = given.token_in {
        options = options.token_location(location.into());
    }
    if let Some(path) = &given.ca {
        options = options.ca_pem(request_options::ca(path)?);
    }
    if let Some(ClientCertificate { chain, key }) = request_options::client_certificate(given, &profile)? {
        options = options.client_certificate(chain, key);
    }
    if let Some(seconds) = given.connect_timeout {
        options = options.connect_timeout(Duration::from_secs(seconds.into()));
    }
    if let Some(proxy) = proxy_for(endpoint, |name| std::env::var(name).ok())? {
        options = options.proxy(proxy);
    }
    options.dialer(endpoint.clone(), &given.subprotocols, MOST_BYTES).map_err(|error| build_failure(&error))
}

/// Joins `room`, with what `more` adds to the request.
pub(super) async fn join(mut peer: Peer, room: &str, more: Value) -> Result<Member, Deviation> {
    peer.send(&with(json!({"type": "join_room", "ref": "j1", "roomId": room}), more)).await?;
    let (joined, _) =
        peer.until("joined", |frame| kind(frame) == "joined" && at(frame, "ref") == "j1").await?;
    let seq = number(&joined, "seq")?;
    expect(&joined, "roomId", &json!(room))?;
    let epoch = text(&joined, "epoch")?.into();
    Ok(Member { peer, room: room.to_owned(), epoch, seq, joined })
}

impl Member {
    /// Sends a message that `more` adds to, and gives the answer to it.
    pub(super) async fn send(
        &mut self,
        reference: &str,
        content: &str,
        more: Value,
    ) -> Result<Value, Deviation> {
        let frame =
            json!({"type": "send_message", "ref": reference, "roomId": self.room, "content": content});
        self.peer.send(&with(frame, more)).await?;
        let is_answer =
            |frame: &Value| ["ack", "nack"].contains(&kind(frame)) && at(frame, "ref") == reference;
        Ok(self.peer.until("ack or nack", is_answer).await?.0)
    }

    /// The same as the send with this number of a producer.
    pub(super) async fn produce(&mut self, pid: &str, pseq: u64, content: &str) -> Result<Value, Deviation> {
        let line = json!({"pid": pid, "pseq": pseq, "epoch": self.epoch});
        self.send(&format!("{pid}-{pseq}-{}", fastrand::u16(..)), content, line).await
    }
}

/// A frame with the fields of another object too.
fn with(mut frame: Value, more: Value) -> Value {
    if let (Value::Object(frame), Value::Object(more)) = (&mut frame, more) {
        frame.extend(more);
    }
    frame
}

/// Everything that came to a plain member before its own message returned.
pub(super) async fn fence(peer: &mut Peer, room: &str) -> Result<Vec<Value>, Deviation> {
    let content = format!("fence {:08x}", fastrand::u32(..));
    peer.send(&json!({"type": "send_message", "roomId": room, "content": content})).await?;
    let is_own = |frame: &Value| says(frame, &content);
    Ok(peer.until("own message", is_own).await?.1)
}

/// A field of a frame; null if it has none of this name.
pub(super) fn at<'a>(frame: &'a Value, field: &str) -> &'a Value {
    frame.get(field).unwrap_or(&Value::Null)
}

pub(super) fn kind(frame: &Value) -> &str {
    at(frame, "type").as_str().unwrap_or_default()
}

/// A message with this content.
pub(super) fn says(frame: &Value, content: &str) -> bool {
    kind(frame) == "message" && at(frame, "content") == content
}

pub(super) fn number(frame: &Value, field: &str) -> Result<u64, Deviation> {
    let wrong = || Deviation::Failed(format!("{field} is no whole number in {}", quoted(frame)));
    at(frame, field).as_u64().ok_or_else(wrong)
}

pub(super) fn text<'a>(frame: &'a Value, field: &str) -> Result<&'a str, Deviation> {
    let wrong = || Deviation::Failed(format!("{field} is no text in {}", quoted(frame)));
    at(frame, field).as_str().ok_or_else(wrong)
}

/// The field has this value.
pub(super) fn expect(frame: &Value, field: &str, value: &Value) -> Result<(), Deviation> {
    if at(frame, field) == value {
        return Ok(());
    }
    Err(Deviation::Failed(format!("{field} should be {value} in {}", quoted(frame))))
}

/// The condition holds; else `what` says what should be.
pub(super) fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), Deviation> {
    if holds { Ok(()) } else { Err(Deviation::Failed(what())) }
}
