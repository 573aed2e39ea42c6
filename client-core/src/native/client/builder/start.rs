//! The start of a client: checks what the builder was given, and puts session, driver and handles together. Owns no options.

use super::{ClientBuilder, ReadBuffer, Store};
use crate::backoff::Policy;
use crate::config::Config;
use crate::journal::JournalState;
#[cfg(feature = "sse")]
use crate::link::EventStreams;
use crate::name::Name;
use crate::native::client::{Client, RestoredOutcome, Shared, check_join};
use crate::native::clock::Clock;
use crate::native::commands::{CommandQueue, Requests};
use crate::native::connect::{Endpoint, EndpointError, TokenLocation, WebSocketConnector};
use crate::native::custom::{CUSTOM_ROOM, CustomMessages};
use crate::native::driver::{DrivenSession, Driver, DriverParts, FrameCodec, OutboxCapacity};
#[cfg(feature = "socketio")]
use crate::native::driver::{NamespaceRegistry, PacketCodec};
use crate::native::events::{EventQueue, Events, Subscriptions};
use crate::native::options::{BuildError, Resolved, runtime};
#[cfg(feature = "socketio")]
use crate::native::socket_io::SocketIo;
use crate::native::status::{ConnectionStatus, Transitions};
use crate::native::store::{Persister, StateError, StateFile, StateStore};
use crate::native::trace;
use crate::persisted::Saved;
use crate::recording::{RecordWriter, RecordedContent, RecordedSetup, Recorder};
use crate::session::{Command, Input, Join, Session};
#[cfg(feature = "socketio")]
use crate::socketio::MAX_NAMESPACES;
use crate::token::Token;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tracing::{Instrument as _, Span};

impl ClientBuilder {
    /// Starts the client and dials in the background: this succeeds without a network too.
    ///
    /// # Errors
    /// For bad arguments only.
    pub fn connect(self) -> Result<(Client, Events), BuildError> {
        let runtime = runtime()?;
        let frames = CustomMessages::Frames { is_plain: !self.config.extended };
        #[cfg(feature = "socketio")]
        let own = self.socket_io.as_ref().map_or(frames, SocketIo::custom_messages);
        #[cfg(not(feature = "socketio"))]
        let own = frames;
        let is_socket_io = own.are_events();
        let (endpoints, in_urls) = parse_urls(&self.urls, is_socket_io)?;
        self.check(is_socket_io)?;
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
        let mut store = self.store.map(Store::open).transpose()?;
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
        let (status, statuses) = watch::channel(ConnectionStatus::connecting());
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
            transitions: Transitions::default(),
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
        let transitions = shared.transitions.clone();
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
            transitions,
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
        let (session, recorder) = room_session(RoomSession {
            config,
            seed,
            stored: saved.is_some(),
            recording: self.recording,
            #[cfg(feature = "sse")]
            event_streams: self.event_streams,
        });
        let mut driver = Driver::new(session, FrameCodec::new(self.frames, requests), around);
        driver.record(recorder);
        runtime.spawn(begun(driver, saved, self.joins, self.is_paused).instrument(span));
        Ok((client, events))
    }

    /// What needs no runtime and no network to be wrong.
    fn check(&self, is_socket_io: bool) -> Result<(), BuildError> {
        for join in &self.joins {
            check_join(join).map_err(|error| BuildError::bad_room(&join.room, error))?;
        }
        check_subprotocols(&self.subprotocols)?;
        check_recording(self.recording.is_some(), &self.config, is_socket_io)
    }
}

impl Store {
    fn open(self) -> Result<Box<dyn StateStore>, StateError> {
        Ok(match self {
            Self::File(path) => Box::new(StateFile::open(&path)?),
            Self::Own(store) => store,
        })
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

/// What the session for a plain or an extended server is made from.
struct RoomSession {
    config: Config,
    seed: u64,
    stored: bool,
    recording: Option<(RecordWriter, RecordedContent)>,
    #[cfg(feature = "sse")]
    event_streams: EventStreams,
}

/// The session, and what records it.
fn room_session(parts: RoomSession) -> (Session, Option<Recorder>) {
    let RoomSession { config, seed, stored, recording, .. } = parts;
    #[cfg(feature = "sse")]
    let event_streams = if config.extended { parts.event_streams } else { EventStreams::Never };
    let custom_frames = Name::from(CUSTOM_ROOM);
    let recorder = recording.map(|(writer, content)| {
        let setup = RecordedSetup {
            config: &config,
            seed,
            stored,
            custom_frames: custom_frames.clone(),
            #[cfg(feature = "sse")]
            event_streams,
        };
        Recorder::new(writer, content, setup)
    });
    let mut session = Session::new(config, seed);
    session.custom_frames(custom_frames);
    #[cfg(feature = "sse")]
    session.event_streams(event_streams);
    (session, recorder)
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

/// A recording has all that a session is made from.
fn check_recording(is_wanted: bool, config: &Config, is_socket_io: bool) -> Result<(), BuildError> {
    match config.link.policy {
        _ if !is_wanted => Ok(()),
        Policy::Custom(_) => Err(BuildError::Recording("delays of the application's own")),
        _ if is_socket_io => Err(BuildError::Recording("a session with a Socket.IO server")),
        _ => Ok(()),
    }
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
