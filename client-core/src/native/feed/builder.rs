//! The builder of a feed.

use super::driver::FeedDriver;
use super::stream::{FeedStream, feed_channel};
use crate::feed::{Feed, FeedConfig};
use crate::name::{Name, check_room_name};
use crate::native::clock::Clock;
use crate::native::connect::{Endpoint, StreamRequest, TokenLocation};
use crate::native::options::{
    BuildError, ConnectOptions, Resolved, link_methods, option_methods, options_of_builder, runtime,
};
use crate::native::trace;
use std::fmt;
use std::future::Future;
use std::time::Duration;
use tracing::Instrument as _;

/// Begins to describe the reading of `room` at `url` (`http://` or `https://`) by server-sent events; nothing happens
/// until [`FeedBuilder::connect`]. The stream is requested at `rooms/ROOM/events` below the URL, or with
/// [`FeedBuilder::at_url`] at the URL itself.
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
pub fn follow(url: impl Into<String>, room: impl Into<String>) -> FeedBuilder {
    FeedBuilder {
        url: url.into(),
        room: room.into(),
        config: FeedConfig::default(),
        options: ConnectOptions::default(),
        max_event: 1 << 20,
        is_at_url: false,
    }
}

/// The reading of a room, being described.
pub struct FeedBuilder {
    url: String,
    room: String,
    config: FeedConfig,
    options: ConnectOptions,
    max_event: usize,
    is_at_url: bool,
}

impl FeedBuilder {
    /// Go on behind the event with this id ([`FeedStream::last_event_id`]). By default with what is said from now on.
    pub fn since(mut self, last_event_id: impl Into<Box<str>>) -> Self {
        self.config.since = Some(last_event_id.into());
        self
    }

    /// Begin with the last so many messages, where there is nothing to continue from.
    pub fn history(mut self, count: u64) -> Self {
        self.config.history = Some(count);
        self
    }

    /// The URL is that of the stream itself, as other servers have it: nothing is added to its path, and no `history` is asked
    /// for. The room is only the name that its events get.
    pub fn at_url(mut self) -> Self {
        self.is_at_url = true;
        self
    }

    options_of_builder!();
    option_methods!();
    link_methods!();

    /// Silence after which the stream is dead: 40 s by default, as a server reports something every 15 s, if only a comment.
    pub fn silence(mut self, silence: Duration) -> Self {
        self.config.link.liveness.idle_timeout = Some(silence);
        self
    }

    /// The machine's choices, `since`, `history` and those of the methods that come before this one among them. `config.link.credentials` is set from the rest of the
    /// builder.
    pub fn config(mut self, config: FeedConfig) -> Self {
        self.config = config;
        self
    }

    /// The largest event taken from the server, in bytes: 1 MiB by default. A larger one is dropped and reported.
    pub fn max_event(mut self, bytes: usize) -> Self {
        self.max_event = bytes;
        self
    }

    /// Starts reading and dials in the background: this succeeds without a network too.
    ///
    /// # Errors
    /// For bad arguments only.
    pub fn connect(self) -> Result<FeedStream, BuildError> {
        let runtime = runtime()?;
        let (endpoint, in_url) = Endpoint::parse_http(&self.url)?;
        check_room_name(&self.room).map_err(|error| BuildError::bad_room(&self.room, error))?;
        let endpoints = std::slice::from_ref(&endpoint);
        let Resolved { connector, credentials, source, request: options, connect_timeout, seed } =
            self.options.resolve(endpoints, in_url, Some(TokenLocation::Header))?;
        let mut config = self.config;
        config.link.credentials = credentials;
        config.link.dial_timeout = connect_timeout.unwrap_or(config.link.dial_timeout);
        let room = Name::from(self.room);
        let feed = Feed::new(config, room.clone(), seed);
        let span = trace::stream_span(&endpoint, &room);
        let request = StreamRequest {
            connector,
            options: options.without_messages(),
            endpoint,
            room,
            is_at_url: self.is_at_url,
            announces_join: false,
        };
        let clock = Clock::start();
        let (stream, sender, requests) = feed_channel(clock);
        let follower = FeedDriver::new(feed, request, source, clock, self.max_event, sender, requests);
        // Owned by the handle: it ends when that is closed or dropped.
        runtime.spawn(follower.run().instrument(span));
        Ok(stream)
    }
}

impl fmt::Debug for FeedBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeedBuilder").field("room", &self.room).finish_non_exhaustive()
    }
}
