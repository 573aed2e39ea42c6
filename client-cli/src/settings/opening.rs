//! Opens what settings describe: a client, more of its namespaces, a feed.

use super::Settings;
use crate::error::Failure;
use crate::files;
use crate::request_options::{ClientCertificate, build_failure};
use crate::token::TokenFrom;
use rejoin::{Client, ClientBuilder, Events, FeedConfig, FeedStream, Join, Name, SocketIo, Token};
use serde_json::{Map, Value};
use std::io::ErrorKind;

/// A builder with the options that both kinds of builder have.
macro_rules! with_options {
    ($settings:expr, $builder:expr) => {{
        let (settings, mut builder) = ($settings, $builder);
        builder = builder.headers(&settings.headers);
        if let Some(ca) = &settings.ca {
            builder = builder.ca_pem(ca.clone());
        }
        if let Some(ClientCertificate { chain, key }) = &settings.client_certificate {
            builder = builder.client_certificate(chain.clone(), key.clone());
        }
        if let Some(proxy) = &settings.proxy {
            builder = builder.proxy(proxy.clone());
        }
        if let Some(timeout) = settings.connect_timeout {
            builder = builder.connect_timeout(timeout);
        }
        if let Some(location) = settings.token_location {
            builder = builder.token_location(location);
        }
        if let TokenFrom::Given(token) = &settings.token {
            builder = builder.token(token.clone());
        }
        if let Some(source) = settings.token.source(settings.token_notices.clone()) {
            builder = builder.token_source(source);
        }
        builder
    }};
}

/// One more namespace by its name, with what is done and happens there.
pub(super) type OpenNamespace = (String, Client, Events);

impl Settings {
    /// The client, already dialling.
    pub(crate) fn connect(&self) -> Result<(Client, Events), Failure> {
        self.recorded(self.builder())?.connect().map_err(|error| build_failure(&error))
    }

    /// A client that dials only when it is told to.
    pub(crate) fn connect_paused(&self) -> Result<(Client, Events), Failure> {
        self.recorded(self.builder().paused())?.connect().map_err(|error| build_failure(&error))
    }

    /// The other namespaces, each with its name: they are told the same token.
    pub(crate) fn open_namespaces(&self, client: &Client) -> Result<Vec<OpenNamespace>, Failure> {
        let open = |name: &String| {
            let mut builder = client.namespace(name);
            let fields = self.auth.clone().unwrap_or_default();
            match &self.token {
                TokenFrom::Given(token) => builder = builder.auth(&with_token(fields.clone(), token)),
                _ if !fields.is_empty() => builder = builder.auth(&fields),
                _ => {}
            }
            if let Some(source) = self.token.source(self.token_notices.clone()) {
                builder = builder.auth_source(move || {
                    let (token, fields) = (source(), fields.clone());
                    async move { Ok(with_token(fields, &token.await?)) }
                });
            }
            for (_, room) in self.rooms_in.iter().filter(|(namespace, _)| namespace == name) {
                builder = builder.room(room);
            }
            let opened = builder.connect();
            let (client, events) =
                opened.map_err(|error| Failure::usage("namespace", format!("{name}: {error}")))?;
            Ok((name.clone(), client, events))
        };
        self.namespaces.iter().map(open).collect()
    }

    /// The reading of a room by server-sent events, already dialling; from `since` on, where that is given.
    pub(crate) fn follow(&self, room: &str, since: Option<String>) -> Result<FeedStream, Failure> {
        let mut config = FeedConfig::default();
        config.history = self.history;
        config.link.policy = self.config.link.policy.clone();
        config.since = since.map(String::into_boxed_str);
        // Held in silence: see `make_idle`.
        if !self.config.link.liveness.can_ping {
            config.link.liveness.idle_timeout = None;
        }
        let mut builder = with_options!(self, rejoin::follow(self.url.expose(), room).config(config));
        if self.is_stream_url {
            builder = builder.at_url();
        }
        builder.connect().map_err(|error| build_failure(&error))
    }

    /// A client of the same host that nobody has logged in.
    pub(crate) fn anonymous_at(
        &self,
        url: &str,
        socket_io: Option<SocketIo>,
    ) -> Result<(Client, Events), Failure> {
        self.anonymous(url, socket_io).connect()
    }

    /// As [`Settings::follow`], at another address of the same host and by nobody in particular.
    pub(crate) fn anonymous_feed(&self, url: &str, room: &str) -> Result<FeedStream, Failure> {
        self.anonymous(url, None).follow(room, None)
    }

    fn anonymous(&self, url: &str, socket_io: Option<SocketIo>) -> Self {
        Self {
            url: url.into(),
            token: TokenFrom::Nowhere,
            token_location: None,
            rooms: Vec::new(),
            subprotocols: Vec::new(),
            state: None,
            recording: None,
            notifications: false,
            socket_io,
            ..self.clone()
        }
    }

    /// The same, recorded if that is wanted. A file that is there is not overwritten: it may be something else.
    fn recorded(&self, builder: ClientBuilder) -> Result<ClientBuilder, Failure> {
        let Some((path, content)) = &self.recording else { return Ok(builder) };
        if self.socket_io.is_some() {
            return Err(Failure::usage("record", "a session with a Socket.IO server cannot be recorded"));
        }
        let file = files::create_private(path).map_err(|error| {
            let failure = Failure::usage("record", format!("{} cannot be made: {error}", path.display()));
            match error.kind() {
                ErrorKind::AlreadyExists => failure.hint("name another file, or remove this one"),
                _ => failure,
            }
        })?;
        Ok(builder.record(file, *content))
    }

    fn builder(&self) -> ClientBuilder {
        let mut builder = with_options!(self, Client::builder(self.url.expose()).config(self.config.clone()));
        for name in &self.subprotocols {
            builder = builder.subprotocol(name.as_str());
        }
        for room in &self.rooms {
            let room = Name::from(room.as_str());
            builder = builder.join(Join::from(room).history(self.history));
        }
        if self.notifications {
            builder = builder.notifications();
        }
        if let Some(server) = &self.socket_io {
            builder = builder.socket_io(server.clone());
        }
        builder = builder.event_streams(self.event_streams);
        if self.follows_notifications() {
            builder = builder.notifications();
        }
        if let Some(path) = &self.state {
            builder = builder.state_file(path);
        }
        builder = builder.frames(self.frames);
        if self.manual_commit {
            builder = builder.manual_commit();
        }
        builder
    }
}

/// The `auth` object of a namespace.
fn with_token(mut fields: Map<String, Value>, token: &Token) -> Map<String, Value> {
    fields.insert("token".to_owned(), token.expose().into());
    fields
}
