//! The builder of a client: its options. [`start`] makes the client of them.

mod start;

use super::Client;
use crate::close_code::CloseAction;
use crate::config::Config;
#[cfg(feature = "sse")]
use crate::link::EventStreams;
use crate::name::{Name, PERSONAL_ROOM};
use crate::native::options::{ConnectOptions, link_methods, option_methods, options_of_builder};
#[cfg(feature = "socketio")]
use crate::native::socket_io::SocketIo;
use crate::native::store::StateStore;
use crate::recording::{RecordWriter, RecordedContent};
use crate::session::Join;
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

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
    recording: Option<(RecordWriter, RecordedContent)>,
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
            recording: None,
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
    /// What waits for the application is bounded as messages of plain rooms are: see [`Events`](crate::Events).
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

    /// Records everything that the session is given, and what follows from it, as [`recording`](crate::recording) says.
    /// A recording that cannot be written ends with a warning in the log, and the client continues. Written in the
    /// client's own task: give it a file or memory, and nothing that blocks.
    ///
    /// Delays of [`Policy::Custom`](crate::backoff::Policy::Custom) and Socket.IO servers cannot be recorded.
    pub fn record(
        mut self,
        writer: impl std::io::Write + Send + Sync + 'static,
        content: RecordedContent,
    ) -> Self {
        self.recording = Some((Box::new(writer), content));
        self
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("joins", &self.joins).finish_non_exhaustive()
    }
}
