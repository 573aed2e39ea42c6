//! The builder of a client: its options, and the start of its driver.

use super::{Client, RestoredOutcome, Shared, check_join};
use crate::close_code::CloseAction;
use crate::config::Config;
use crate::journal::JournalState;
#[cfg(feature = "sse")]
use crate::link::EventStreams;
use crate::link::State;
use crate::name::{Name, PERSONAL_ROOM};
use crate::native::clock::Clock;
use crate::native::commands::{CommandQueue, Requests};
use crate::native::connect::{Endpoint, EndpointError, TokenLocation, WebSocketConnector};
use crate::native::custom::{CUSTOM_ROOM, CustomMessages};
use crate::native::driver::{DrivenSession, Driver, DriverParts, FrameCodec, OutboxCapacity};
#[cfg(feature = "socketio")]
use crate::native::driver::{NamespaceRegistry, PacketCodec};
use crate::native::events::{EventQueue, Events, Subscriptions};
use crate::native::options::{
    BuildError, ConnectOptions, Resolved, link_methods, option_methods, options_of_builder, runtime,
};
#[cfg(feature = "socketio")]
use crate::native::socket_io::SocketIo;
use crate::native::status::ConnectionStatus;
use crate::native::store::{Persister, StateFile, StateStore};
use crate::native::trace;
use crate::persisted::Saved;
use crate::session::{Command, Input, Join, Session};
#[cfg(feature = "socketio")]
use crate::socketio::MAX_NAMESPACES;
use crate::token::Token;
use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tracing::{Instrument as _, Span};

/// How much memory a connection may take to be fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReadBuffer {
    /// 4 KiB to read into: thousands of quiet connections in one process. The default.
    #[default]
    Small,
    /// 128 KiB: a tenth faster on a busy connection.
    Large,
}

impl ReadBuffer {
    fn read(self) -> usize {
        match self {
            Self::Small => 4 << 10,
            Self::Large => 128 << 10,
        }
    }
}

/// Sooner a WebSocket is not tried again.
#[cfg(feature = "sse")]
const MIN_WEBSOCKET_RETRY: Duration = Duration::from_millis(100);

/// A client being described. Only the URL is needed.
pub struct ClientBuilder {
    urls: Vec<String>,
    joins: Vec<Join>,
    options: ConnectOptions,
    subprotocols: Vec<Box<str>>,
    config: Config,
    buffers: ReadBuffer,
    max_message: usize,
    store: Option<Store>,
    manual_commit: bool,
    #[cfg(feature = "socketio")]
    socket_io: Option<SocketIo>,
    #[cfg(feature = "sse")]
    event_streams: EventStreams,
    #[cfg(feature = "sse")]
    websocket_retry: Duration,
    frames: bool,
    correlate: Option<Box<str>>,
    is_paused: bool,
}

/// Where the state is kept.
enum Store {
    File(PathBuf),
    Own(Box<dyn StateStore>),
}

impl Client {
    /// Begins to describe a client for `url` (`ws://` or `wss://`; with [`ClientBuilder::socket_io`] `http://` or
    /// `https://`); nothing happens until [`ClientBuilder::connect`].
    pub fn builder(url: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(url.into())
    }
}

impl ClientBuilder {
    pub(crate) fn new(url: String) -> Self {
        Self {
            urls: vec![url],
            joins: Vec::new(),
            options: ConnectOptions::default(),
            subprotocols: Vec::new(),
            config: Config::default(),
            buffers: ReadBuffer::default(),
            max_message: 1 << 20,
            store: None,
            manual_commit: false,
            #[cfg(feature = "socketio")]
            socket_io: None,
            #[cfg(feature = "sse")]
            event_streams: EventStreams::default(),
            #[cfg(feature = "sse")]
            websocket_retry: Duration::from_secs(60),
            frames: false,
            correlate: None,
            is_paused: false,
        }
    }

    /// Another URL of the same service, tried after a failed dial of the one before.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.urls.push(url.into());
        self
    }

    /// A room to join from the start.
    pub fn room(mut self, room: impl Into<String>) -> Self {
        self.joins.push(Name::from(room.into()).into());
        self
    }

    /// A room to join from the start, with a position to continue from or with history.
    pub fn join(mut self, join: Join) -> Self {
        self.joins.push(join);
        self
    }

    /// Receive what is for this user alone, as [`Event::Notification`](crate::Event::Notification). Extended
    /// servers, and Socket.IO servers, from which it comes in any case: there it is reported whether some was missed.
    pub fn notifications(self) -> Self {
        self.join(Join { personal: true, ..Name::from(PERSONAL_ROOM).into() })
    }

    /// Hand out what a server sends beside the protocol, as [`Event::Frame`](crate::Event::Frame): frames of another `type`,
    /// JSON without one, and binary frames; from a Socket.IO server every event that is not of the contract, with all its
    /// arguments. Off by default: then it is skipped and counted.
    /// Frames are sent with [`Client::send_json`], and events with [`Client::emit`], whether they are handed out or not.
    ///
    /// What waits for the application is bounded as messages of plain rooms are: see [`Events`].
    pub fn frames(mut self, hand_out: bool) -> Self {
        self.frames = hand_out;
        self
    }

    /// The field of a custom frame that the server repeats in its answer, for [`Client::request`]: `"id"` for instance.
    /// None by default, and then there are no requests. A Socket.IO server answers with an ack, and needs none.
    pub fn correlate(mut self, field: impl Into<Box<str>>) -> Self {
        self.correlate = Some(field.into());
        self
    }

    /// Whether rooms may be read by the server's [server-sent events](crate::manual::protocol) where no WebSocket opens: after
    /// three dials in a row that something on the way may have blocked, by default. It is [`Event::ReadOnly`](crate::Event::ReadOnly)
    /// then: rooms continue without a loss, sends wait as they do without a connection, and there are no notifications. A
    /// WebSocket is tried after a minute, and then at growing intervals of up to ten minutes; when one opens, it takes over.
    /// Only extended servers have such streams, at `rooms/ROOM/events` beside the path `/ws` or below another one; other
    /// servers are dialled by WebSocket as before. Nothing on Socket.IO, which has [long
    /// polling](crate::socketio::Transports), nor where the extended protocol [is not offered](Self::extended).
    ///
    /// ```no_run
    /// use rejoin::{Client, EventStreams};
    ///
    /// let builder = Client::builder("wss://chat.example/ws").room("news").event_streams(EventStreams::Only);
    /// ```
    #[cfg(feature = "sse")]
    pub fn event_streams(mut self, allowed: EventStreams) -> Self {
        self.event_streams = allowed;
        self
    }

    /// After how long on [event streams](Self::event_streams) a WebSocket is tried again for the first time: 60 s by default. Each
    /// further pause is twice as long, up to ten minutes; 100 ms at least. Another network or [`Client::reconnect`] does it at once.
    #[cfg(feature = "sse")]
    pub fn websocket_retry(mut self, pause: Duration) -> Self {
        self.websocket_retry = pause.max(MIN_WEBSOCKET_RETRY);
        self
    }

    /// Offer the extended protocol, which is the default. A server that does not support it ignores the offer.
    pub fn extended(mut self, offer: bool) -> Self {
        self.config.extended = offer;
        self
    }

    /// Connect to a Socket.IO server. Then the URL is `http://` or `https://`; its path is the engine's, `/socket.io/` if
    /// there is none. The token goes into the `auth` object. The transport is a WebSocket, or long polling
    /// where something on the way blocks that: [`Options::transports`](crate::socketio::Options::transports).
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use rejoin::{Client, SocketIo};
    ///
    /// let builder = Client::builder("https://chat.example").socket_io(SocketIo::default());
    /// let (client, mut events) = builder.token("secret").room("lobby").connect()?;
    /// # Ok(()) }
    /// ```
    #[cfg(feature = "socketio")]
    pub fn socket_io(mut self, server: SocketIo) -> Self {
        self.socket_io = Some(server);
        self
    }

    /// Keep unresolved sends, outcomes that nobody has processed and committed positions in a file, so that they survive the end of the process. The file
    /// belongs to this server and one client at a time (`FILE.lock` beside it says which); it is created when there is
    /// something to keep.
    pub fn state_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.store = Some(Store::File(path.into()));
        self
    }

    /// As [`ClientBuilder::state_file`], in a store of your own.
    pub fn state_store(mut self, store: impl StateStore) -> Self {
        self.store = Some(Store::Own(Box::new(store)));
        self
    }

    /// Move the committed positions with [`Client::commit`] only: for a bot that has to have processed a message, and
    /// not only taken it, before it may be forgotten.
    pub fn manual_commit(mut self) -> Self {
        self.manual_commit = true;
        self
    }

    /// Dial only after [`Client::connect`]. What is sent before is there, and in the stored state, before a server can refuse
    /// anything.
    pub fn paused(mut self) -> Self {
        self.is_paused = true;
        self
    }

    options_of_builder!();
    option_methods!();
    link_methods!();

    /// A WebSocket subprotocol to offer, the most wanted first; may be called several times. None by default. A server
    /// that chooses none of those offered is not used, as a browser would not.
    pub fn subprotocol(mut self, name: impl Into<Box<str>>) -> Self {
        self.subprotocols.push(name.into());
        self
    }

    /// The machine's choices, those of the methods that come before this one among them. `config.link.credentials`, `endpoints` and, where
    /// [`connect_timeout`](Self::connect_timeout) is given, `dial_timeout` are set from the rest of the builder.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Silence after which the server is asked whether it is alive: 25 s by default. What an extended server announces
    /// replaces it.
    pub fn heartbeat(mut self, heartbeat: Duration) -> Self {
        self.config.link.liveness.heartbeat = heartbeat;
        self
    }

    /// Returns a close code another meaning than the default one; may be called several times.
    ///
    /// ```no_run
    /// use rejoin::close_code::CloseAction;
    ///
    /// // A server that uses 1000 for the end of a connection's lifetime.
    /// let builder = rejoin::Client::builder("wss://chat.example").close_code(1000, CloseAction::Retry);
    /// ```
    pub fn close_code(mut self, code: u16, meaning: CloseAction) -> Self {
        self.config.link.close_codes.set(code, meaning);
        self
    }

    /// How much memory the connection may take to be fast.
    pub fn read_buffer(mut self, buffers: ReadBuffer) -> Self {
        self.buffers = buffers;
        self
    }

    /// The largest message taken from the server, in bytes: 1 MiB by default. A larger one ends the connection.
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.max_message = bytes;
        self
    }

    /// Starts the client and dials in the background: this succeeds without a network too.
    ///
    /// # Errors
    /// For bad arguments only.
    pub fn connect(self) -> Result<(Client, Events), BuildError> {
        let runtime = runtime()?;
        #[cfg(feature = "socketio")]
        let own = self.socket_io.as_ref().map_or(CustomMessages::Frames, SocketIo::custom_messages);
        #[cfg(not(feature = "socketio"))]
        let own = CustomMessages::Frames;
        let is_socket_io = own.are_events();
        let (endpoints, in_urls) = parse_urls(&self.urls, is_socket_io)?;
        for join in &self.joins {
            check_join(join).map_err(|error| BuildError::bad_room(&join.room, error))?;
        }
        check_subprotocols(&self.subprotocols)?;
        // Toward Socket.IO the token goes into the `auth` object.
        let default_location = (!is_socket_io).then_some(TokenLocation::Header);
        let Resolved { connector, credentials, source, request: options, connect_timeout, seed } =
            self.options.resolve(&endpoints, in_urls, default_location)?;
        let mut config = self.config;
        config.link.dial_timeout = connect_timeout.unwrap_or(config.link.dial_timeout);
        config.link.endpoints = endpoints.len();
        config.link.credentials = credentials;
        let websocket = websocket_config(self.buffers, most_written(&config, is_socket_io), self.max_message);
        let dialer =
            WebSocketConnector { connector, options, subprotocols: self.subprotocols.into(), websocket };
        let mut store: Option<Box<dyn StateStore>> = match self.store {
            None => None,
            Some(Store::File(path)) => Some(Box::new(StateFile::open(&path)?)),
            Some(Store::Own(store)) => Some(store),
        };
        let url = endpoints.first().map(Endpoint::to_string).unwrap_or_default();
        let saved = store.as_mut().map(|store| store.load(&url)).transpose()?.flatten();
        let commits = store.is_some() && !self.manual_commit;
        let journal = JournalState::new(saved.unwrap_or_default());
        let earlier = restored_outcomes(&journal);
        let stored_user = journal.user().cloned();
        let saved = store.is_some().then(|| Saved { outcomes: Vec::new(), ..journal.saved() });
        let persister = store.map(|store| Box::new(Persister::new(store, journal)));
        let clock = Clock::start();
        let commands = Arc::new(CommandQueue::new(persister.is_some()));
        let queue = Arc::new(EventQueue::default());
        let subscriptions = Arc::new(Subscriptions::default());
        let connecting = ConnectionStatus { state: State::Connecting, cause: None, ready: None, user: None };
        let (status, statuses) = watch::channel(connecting);
        let requests = self.correlate.map(|field| Arc::new(Requests::new(field)));
        #[cfg(feature = "socketio")]
        let (registry, to_open) = self
            .socket_io
            .as_ref()
            .map(|server| NamespaceRegistry::new(server.namespace.clone(), &config))
            .unzip();
        let shared = Arc::new(Shared {
            commands: Arc::clone(&commands),
            events: Arc::clone(&queue),
            subscriptions: Arc::clone(&subscriptions),
            status: statuses,
            clock,
            restored: Mutex::new(earlier),
            custom: own,
            open_requests: Arc::default(),
            requests: requests.clone(),
            stored_user,
            #[cfg(feature = "socketio")]
            registry,
            #[cfg(feature = "socketio")]
            parent: None,
        });
        let client = Client::new(shared);
        let events = Events::new(Arc::clone(&queue), Arc::clone(&commands), commits);
        let span = endpoints.first().map_or_else(Span::none, trace::client_span);
        let endpoints = endpoints.into();
        let around = DriverParts {
            endpoints,
            dialer,
            source,
            commands,
            queue,
            subscriptions,
            capacity: OutboxCapacity::new(&config),
            #[cfg(feature = "sse")]
            websocket_retry: self.websocket_retry,
            status,
            clock,
            persister,
            requests: requests.clone(),
            #[cfg(feature = "socketio")]
            to_open,
        };
        // Owned by the handles: it ends when the client is closed, or when all of them are dropped.
        #[cfg(feature = "socketio")]
        if let Some(server) = self.socket_io {
            let session = server.manager(config, seed);
            let codec = PacketCodec::of(server, self.frames);
            let driver = Driver::new(session, codec, around);
            runtime.spawn(begun(driver, saved, self.joins, self.is_paused).instrument(span));
            return Ok((client, events));
        }
        #[cfg(not(feature = "sse"))]
        let session = room_session(config, seed);
        #[cfg(feature = "sse")]
        let session = room_session(config, seed, self.event_streams);
        let driver = Driver::new(session, FrameCodec::new(self.frames, requests), around);
        runtime.spawn(begun(driver, saved, self.joins, self.is_paused).instrument(span));
        Ok((client, events))
    }
}

/// The addresses, and the first token in one of them.
fn parse_urls(urls: &[String], is_socket_io: bool) -> Result<(Vec<Endpoint>, Option<Token>), EndpointError> {
    let parse = if is_socket_io { Endpoint::parse_socket_io } else { Endpoint::parse };
    let mut endpoints = Vec::with_capacity(urls.len());
    let mut in_urls = None;
    for url in urls {
        let (endpoint, in_url) = parse(url)?;
        in_urls = in_urls.or(in_url);
        endpoints.push(endpoint);
    }
    Ok((endpoints, in_urls))
}

/// The session for a plain or an extended server.
fn room_session(config: Config, seed: u64, #[cfg(feature = "sse")] event_streams: EventStreams) -> Session {
    #[cfg(feature = "sse")]
    let event_streams = if config.extended { event_streams } else { EventStreams::Never };
    let mut session = Session::new(config, seed);
    session.custom_frames(Name::from(CUSTOM_ROOM));
    #[cfg(feature = "sse")]
    session.event_streams(event_streams);
    session
}

/// Sizes of the buffers, and of a message.
fn websocket_config(buffers: ReadBuffer, most_written: usize, max_message: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(buffers.read())
        .write_buffer_size(64 << 10)
        .max_write_buffer_size(most_written)
        .max_message_size(Some(max_message))
        .max_frame_size(Some(max_message))
}

/// Bytes that may wait for the socket: what the session may hand out without a flush, and one message that it hands out at
/// the brink.
fn most_written(config: &Config, is_socket_io: bool) -> usize {
    let of_one = 2 * (config.max_unflushed + config.max_content) + (64 << 10);
    #[cfg(feature = "socketio")]
    if is_socket_io {
        // Each namespace may join as many rooms at once.
        let joins = MAX_NAMESPACES.saturating_mul(config.max_rooms).saturating_mul(1 << 10);
        return of_one.saturating_add(joins);
    }
    let _ = is_socket_io;
    of_one
}

/// What the stored state knows of sends of earlier runs that have their outcome.
fn restored_outcomes(journal: &JournalState) -> Vec<RestoredOutcome> {
    let earlier = journal.outcomes().map(|(id, outcome)| RestoredOutcome {
        id,
        user: journal.user_of(outcome).cloned(),
        room: outcome.room.clone(),
        reference: outcome.reference.clone(),
        digest: outcome.digest,
        status: outcome.status.clone().into(),
        reply: outcome.reply.clone(),
        confirmed: outcome.confirmed,
    });
    earlier.collect()
}

/// A driver that has been reported all there is to know at the beginning.
fn begun<M: DrivenSession>(
    mut driver: Driver<M>,
    saved: Option<Saved>,
    joins: Vec<Join>,
    is_paused: bool,
) -> Driver<M> {
    if let Some(saved) = saved {
        driver.input(Input::Restore(Box::new(saved)));
    }
    for join in joins {
        driver.input(Input::Command(Command::Join(join)));
    }
    if !is_paused {
        driver.input(Input::Command(Command::Connect));
    }
    driver
}

/// Subprotocols are distinct tokens of HTTP (RFC 6455 §4.1).
fn check_subprotocols(names: &[Box<str>]) -> Result<(), BuildError> {
    let is_token = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
    };
    let distinct: BTreeSet<&str> = names.iter().map(|name| &**name).collect();
    let is_valid = distinct.len() == names.len() && distinct.iter().all(|name| is_token(name));
    if is_valid { Ok(()) } else { Err(BuildError::Subprotocol) }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("joins", &self.joins).finish_non_exhaustive()
    }
}
