//! How the reading of a room is described.

use super::builder::{BuildError, TokenSource, bad_room, credentials, seed, warn_of_eavesdroppers};
use super::endpoint::Endpoint;
use super::follower::Follower;
use super::following::{Following, following};
use super::proxy::Proxy;
use super::route::Route;
use super::stream_request::StreamRequest;
use super::tls;
use crate::feed::{Feed, FeedConfig};
use crate::name::{Name, check_room_name};
use crate::token::{Token, TokenError};
use rustls::ClientConfig;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

/// Begins to describe the reading of `room` at `url` (`http://` or `https://`) by server-sent events; nothing happens
/// until [`FollowBuilder::connect`]. The stream is asked for at `rooms/ROOM/events` below the URL.
///
/// ```no_run
/// # async fn read() -> Result<(), Box<dyn std::error::Error>> {
/// use rejoin::FeedEvent;
///
/// let mut events = rejoin::follow("https://chat.example", "lobby").token("secret").history(20).connect()?;
/// while let Some(event) = events.next().await {
///     match event {
///         FeedEvent::Message(message) => println!("{}: {}", message.user, message.content),
///         FeedEvent::Gap(_) => println!("messages may have been missed"),
///         _ => {}
///     }
/// }
/// # Ok(()) }
/// ```
pub fn follow(url: impl Into<String>, room: impl Into<String>) -> FollowBuilder {
    FollowBuilder {
        url: url.into(),
        room: room.into(),
        config: FeedConfig::default(),
        token: None,
        source: None,
        max_event: 1 << 20,
        extra_ca: Vec::new(),
        tls: None,
        proxy: None,
        seed: None,
    }
}

/// The reading of a room, being described.
pub struct FollowBuilder {
    url: String,
    room: String,
    config: FeedConfig,
    token: Option<Token>,
    source: Option<TokenSource>,
    max_event: usize,
    extra_ca: Vec<Vec<u8>>,
    tls: Option<Arc<ClientConfig>>,
    proxy: Option<Proxy>,
    seed: Option<u64>,
}

impl FollowBuilder {
    /// Go on behind the event with this id ([`Following::last_event_id`]). By default with what is said from now on.
    pub fn since(mut self, last_event_id: impl Into<Box<str>>) -> Self {
        self.config.since = Some(last_event_id.into());
        self
    }

    /// Begin with the last so many messages, where there is nothing to go on from.
    pub fn history(mut self, count: u64) -> Self {
        self.config.history = Some(count);
        self
    }

    /// One token for good, sent as `Authorization: Bearer`. A `?token=` in the URL does the same; this one wins.
    pub fn token(mut self, token: impl Into<Token>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// A function that fetches a token: called before the first dial and once for each rejection, at most 10 s.
    pub fn token_source<F, R>(mut self, fetch: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<Token, TokenError>> + Send + 'static,
    {
        self.source = Some(Arc::new(move || Box::pin(fetch())));
        self
    }

    /// The machine's choices, `since` and `history` among them. `config.link.credentials` is set from the rest of the
    /// builder.
    pub fn config(mut self, config: FeedConfig) -> Self {
        self.config = config;
        self
    }

    /// The largest event taken from the server, in bytes: 1 MiB by default. A larger one is left out, and said to be.
    pub fn max_event(mut self, bytes: usize) -> Self {
        self.max_event = bytes;
        self
    }

    /// A certificate authority (PEM) to trust beside the system's.
    pub fn ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.extra_ca.push(pem.into());
        self
    }

    /// The whole TLS configuration, instead of the system's roots.
    pub fn tls_config(mut self, config: Arc<ClientConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// An HTTP proxy. None by default: a library does not read the environment.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// The seed of all jitter, for tests. From the operating system by default.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Starts reading and dials in the background: this succeeds without a network too.
    ///
    /// # Errors
    /// For bad arguments only.
    pub fn connect(self) -> Result<Following, BuildError> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| BuildError::NoRuntime)?;
        let (endpoint, in_url) = Endpoint::parse_http(&self.url)?;
        check_room_name(&self.room).map_err(|error| bad_room(&self.room, error))?;
        let tls = match self.tls {
            None if endpoint.is_secure() => Some(tls::client_config(&self.extra_ca)?),
            given => given,
        };
        let mut config = self.config;
        config.link.credentials = credentials(self.source.as_ref(), self.token.or(in_url));
        warn_of_eavesdroppers(&endpoint, &config.link.credentials);
        let room = Name::from(self.room);
        let request =
            StreamRequest { route: Route { tls, proxy: self.proxy }, endpoint, room: room.as_str().into() };
        let feed = Feed::new(config, room.clone(), seed(self.seed)?);
        let start = Instant::now();
        let (following, telling, requests) = following(start);
        let follower =
            Follower::new(feed, room, request, self.source, start, self.max_event, telling, requests);
        // Owned by the handle: it ends when that is closed or dropped.
        runtime.spawn(follower.run());
        Ok(following)
    }
}

impl fmt::Debug for FollowBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FollowBuilder").field("room", &self.room).finish_non_exhaustive()
    }
}
