//! A client for chat rooms that survives the network: it reconnects when and only when it should, joins its
//! rooms again where it left off, and reports the true outcome of every message.
//!
//! # A bot
//!
//! ```no_run
//! # #[cfg(feature = "native")]
//! # async fn bot() -> Result<(), Box<dyn std::error::Error>> {
//! use rejoin::{Client, Event};
//!
//! let (client, mut events) = Client::builder("wss://chat.example/ws").token("secret").room("lobby").connect()?;
//! client.ready().await?; // a refused token is an error here; an outage is not
//! client.send("lobby", "hello").await?; // resolves once the message is as safe as the connection can make it
//! while let Some(event) = events.next().await {
//!     match event {
//!         Event::Message(message) => println!("{}: {}", message.user, message.content),
//!         Event::Gap(gap) => println!("messages in {} may have been missed", gap.room),
//!         Event::State(change) => println!("{}", change.state.as_str()),
//!         _ => {}
//!     }
//! }
//! // The events end when the client is closed, or has failed for a reason that trying again does not mend.
//! Err(client.terminated().await.into())
//! # }
//! ```
//!
//! [`Client`] sends, joins and closes; [`Events`] reports everything that happens, in order. `examples/echo_bot.rs`
//! is a whole program.
//!
//! # The machine
//!
//! Underneath is [`Session`]: deterministic, without I/O. It never reads a clock (time comes with each input, as a
//! [`ClockReading`]), never draws entropy (a seed does), never blocks and never panics on input. One [`Input`] goes in,
//! [`Output`]s come out, and there is one deadline:
//!
//! ```text
//!             user call ──► Input::Command ──┐                      ┌─► Output::Dial / Send / Ping / Close ─► driver ─► socket
//! socket ─► typed frame ──► Input::Received ─┼─► Session::handle ───┤
//!   clock ────────────────► Input::Tick ─────┘      (no I/O)        └─► Output::Event ─► stream or callback ─► user
//!                                      next_deadline() ─► the driver's one timer
//! ```
//!
//! A driver is a loop of four steps, which `examples/by_hand.rs` does with a blocking socket and this page with
//! no socket at all:
//!
//! ```
//! use rejoin::machine::{ClientMessage, Command, Input, ClockReading, Output, ServerMessage, Session};
//! use rejoin::{Config, Event, Message, Name};
//! use std::time::Duration;
//!
//! let mut session: Session = Session::new(Config::default(), 42);
//! let mut now = ClockReading::default();
//! let lobby = Name::from("lobby");
//! let mut inputs = vec![Input::Command(Command::Join(lobby.into())), Input::Command(Command::Connect)];
//! let mut heard = Vec::new();
//! while heard.is_empty() {
//!     // 1. Say what happened, and when.
//!     for input in inputs.drain(..) {
//!         session.handle(now, input);
//!     }
//!     // 2. Do what the session wants, until it wants nothing more.
//!     while let Some(output) = session.poll() {
//!         match output {
//!             // Dial, and say how it went.
//!             Output::Dial { conn, .. } => inputs.push(Input::Opened(conn)),
//!             // Write, flush, and say so. This "server" answers a join with a message.
//!             Output::Send { conn, frame, message } => {
//!                 inputs.push(Input::Flushed(conn, frame));
//!                 if let ClientMessage::JoinRoom { room, .. } = message {
//!                     let (welcome, when) = ("welcome".to_owned(), "2026-01-01T00:00:00.000Z".to_owned());
//!                     let greeting = Message::plain(room, "server".into(), welcome, when);
//!                     inputs.push(Input::Received(conn, ServerMessage::Message(greeting)));
//!                 }
//!             }
//!             Output::Event(Event::Message(message)) => heard.push(message.content),
//!             Output::Event(_) | Output::Ping { .. } | Output::FetchToken { .. } => {}
//!             Output::Close { .. } | Output::Abort { .. } => {}
//!             _ => {}
//!         }
//!     }
//!     // 3. Wait for the socket, for the user, or for the deadline.
//!     if inputs.is_empty() {
//!         let deadline = session.next_deadline().expect("something to wait for");
//!         now = ClockReading::new(deadline, deadline.since_start());
//!         // 4. The deadline has come.
//!         inputs.push(Input::Tick);
//!     }
//! }
//! assert_eq!(heard, ["welcome"]);
//! ```
//!
//! [`manual`] has the wire protocol and the rules of reconnecting.
//!
//! A Socket.IO server is spoken to by a machine of its own, [`socketio::Session`], over the same link.
//!
//! From the bottom up: [`messages`] are the typed frames; the link (private, configured by [`LinkConfig`]) decides
//! when to dial, with [`backoff`] and the table of [`close_code`]s; rooms know how far each log has been received;
//! the outbox keeps what is on its way; [`Session`] puts them together. [`Feed`] is a second session over the same link,
//! which reads one room from a stream of server-sent events.
//!
//! # Guarantees
//!
//! They belong to the connection, because a fleet in mid-deploy mixes both kinds of server: [`Event::Mode`] says which
//! ones hold, each time it is decided.
//!
//! On every server:
//!
//! - A send resolves exactly once, with what is known and no more.
//! - Every change of state has a [`Cause`], and after a terminal one there is no further attempt.
//! - At most six dials in any thirty seconds, whatever requests them.
//! - Every queue has a bound in count and bytes.
//!
//! On an **extended** server (protocol.md §2):
//!
//! - `acked`: the message is in the room's log, once, however often the connection broke meanwhile. `failed`: it
//!   certainly is not. `unknown`: the connection was gone for longer than the server remembers (half of its dedupe
//!   window), or the server lost its memory; the message may be there or not, and is never sent again.
//! - Acknowledged sends of one room arrive in their order.
//! - Messages are delivered in the order of the log, none twice within a process. A room that was left behind catches
//!   up by itself; a gap that cannot be filled is an [`Event::Gap`] before anything later.
//! - With a stored state ([`Session::saved`], [`Output::Save`], [`Input::Restore`]) sends keep their numbers over a
//!   restart, and messages after the committed position come again: at least once.
//! - A slow application loses nothing that the server's log still has: what it has no room for stays with the server
//!   ([`Input::Backpressure`]), and what the log has forgotten meanwhile is an [`Event::Gap`].
//!
//! On a **plain** server (protocol.md §1): `written` (the operating system took every byte), `failed` or `unknown`,
//! nothing sent twice; messages in the connection's order; after each reconnect a gap of unknown size, because what was
//! missed is gone.
//!
//! On a **Socket.IO** server ([`socketio`]): `answered` (the server's handler has called its ack), `failed` or
//! `unknown`, nothing sent twice; what was missed comes again where the server recovers sessions, and is a gap where it
//! does not.
//!
//! # Features
//!
//! | feature | gives | needs |
//! |---|---|---|
//! | none | [`Session`], `no_std` with `alloc` | serde, thiserror, fastrand |
//! | `stored` | `Session::saved`, `Input::Restore`: a state that outlives the process | |
//! | `journal` | `Session::take_changes`, `JournalState`: the same, kept change by change | |
//! | `frames` | the application's own frames: `Event::Frame`, `Command::Keep` | |
//! | `socketio` (default) | `socketio`, `ClientBuilder::socket_io`: Socket.IO servers | |
//! | `json` | `messages::json`, `socketio::json`: text ↔ typed | `serde_json`, base64 |
//! | `bugs` | deliberate mistakes, for proving the simulation | |
//! | `native` (default) | `Client`, over `ws://` | tokio, tokio-tungstenite, hyper, url |
//! | `tls` (default) | `wss://` and `https://`, with `ring` as crypto provider | rustls, rustls-native-certs |
//! | `aws-lc-rs` | the same, with aws-lc-rs instead of ring: without default features | rustls, aws-lc-rs |
//! | `rustls-no-provider` | the same, with the provider that the application has installed for its process | rustls |
//! | `proxy` (default) | `ClientBuilder::proxy`: HTTP proxies | httparse |
//! | `sse` (default) | `follow`: a room read by server-sent events | |
//!
//! A provider that the application has installed (`rustls::crypto::CryptoProvider::install_default`) is taken before the
//! one that is built in.
//!
//! ```toml
//! # A bot that talks to a server on its own network:
//! rejoin = { version = "0.1", default-features = false, features = ["native"] }
//! ```
//!
//! [`Feed`]: machine::Feed
//! [`Input`]: machine::Input
//! [`Input::Backpressure`]: machine::Input::Backpressure
//! [`Input::Restore`]: machine::Input::Restore
//! [`ClockReading`]: machine::ClockReading
//! [`Output`]: machine::Output
//! [`Output::Save`]: machine::Output::Save
//! [`Session`]: machine::Session
//! [`Session::saved`]: machine::Session::saved
#![cfg_attr(not(any(feature = "native", feature = "bugs")), no_std)]

extern crate alloc;

pub mod backoff;
mod cause;
#[cfg(feature = "journal")]
mod change;
mod change_log;
pub mod close_code;
mod config;
mod event;
pub mod feed;
mod hash;
mod id;
#[cfg(feature = "journal")]
mod journal;
#[cfg(feature = "frames")]
mod kept_frames;
mod limiter;
mod link;
mod liveness;
pub mod machine;
mod malformed_frames;
pub mod manual;
pub mod messages;
mod mutation;
mod name;
#[cfg(feature = "native")]
mod native;
mod outbound;
mod outbox;
mod payload;
mod persisted;
#[cfg(feature = "recording")]
pub mod recording;
mod rooms;
mod session;
#[cfg(feature = "socketio")]
pub mod socketio;
mod sort;
mod time;
mod token;
mod utc;

#[cfg(feature = "native")]
pub use cause::Remedy;
pub use cause::{Cause, CauseCode, DialError, DialErrorKind};
pub use config::Config;
pub use event::{
    Delivery, DeliveryStatus, Event, JoinedRoom, Mode, Restored, RoomChange, RoomState, SendFailure, SendId,
    SendReply,
};
pub use feed::{FeedConfig, FeedEvent};
pub use id::{ID_CHARS, Id, IdError};
#[cfg(feature = "frames")]
pub use kept_frames::{MAX_KEPT_BYTES, MAX_KEPT_FRAMES};
#[cfg(feature = "sse")]
pub use link::EventStreams;
pub use link::{Hint, LinkConfig, State, StateChange};
pub use liveness::LivenessConfig;
#[cfg(feature = "frames")]
pub use messages::Frame;
#[cfg(all(feature = "frames", feature = "json"))]
pub use messages::{Bytes, FrameError};
pub use messages::{Gap, GapReason, Message, Position};
pub use name::{Name, PERSONAL_ROOM, ROOM_NAME_CHARS, RoomNameError, check_room_name, is_invisible};
#[cfg(all(feature = "native", feature = "socketio"))]
pub use native::{AuthError, NamespaceBuilder, OpenNamespaceError, SocketIo};
#[cfg(feature = "native")]
pub use native::{
    BuildError, Client, ClientBuilder, ClosedError, ConnectOptions, ConnectionStatus, Endpoint,
    EndpointError, Events, FrameBuilder, HeaderError, Headers, JoinError, MessageBuilder, Missed, Permit,
    ReadBuffer, Receipt, Request, RequestError, RestoredOutcome, SOCKET_IO_DETECTED, SendError, SendFuture,
    StateError, StateFile, StateStore, Subscription, TlsError, TokenLocation, Transition, Typed, TypedEvents,
    TypedFrameError,
};
#[cfg(feature = "native")]
#[doc(hidden)]
pub use native::{Dialer, RawWebSocket};
#[cfg(feature = "sse")]
pub use native::{FeedBuilder, FeedStream, follow};
#[cfg(feature = "proxy")]
pub use native::{Proxy, ProxyError};
pub use outbox::{OutboxLimits, Overflow};
/// The TLS library, for [`ClientBuilder::tls_config`]: with it an application needs no version and no features of its own.
/// No crypto provider is installed for the process here: begin with `ClientConfig::builder_with_provider` and
/// `rustls::crypto::ring::default_provider()`.
#[cfg(feature = "rustls-no-provider")]
pub use rustls;
pub use session::{Diagnostics, Join};
pub use time::Timestamp;
pub use token::{Token, TokenError};
pub use utc::utc;
