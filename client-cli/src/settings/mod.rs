//! Resolves the options of command line, environment and profile into the settings of a client. Opens no connection until asked.

use crate::args::{ConnectionArgs, PolicyName, Protocol};
use crate::error::{Failure, eprint_line, without_secrets};
use crate::hints::{Hints, Login};
use crate::profile::{self, Profile};
use crate::proxy_env::proxy_for;
use crate::request_options::ClientCertificate;
use crate::suggested_options::{self, quoted};
use crate::token::{self, TokenFrom};
use crate::token_notices::TokenNotices;
use crate::{files, request_options, sanitise, socket_io, suggested_urls};
use rejoin::backoff::Policy;
use rejoin::socketio::EventKind;
use rejoin::{
    BuildError, Client, ClientBuilder, Config, Endpoint, EndpointError, Events, FeedConfig, FeedStream,
    Headers, Join, Name, SocketIo, TlsError, Token, TokenLocation, check_room_name,
};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Columns of a quoted value in an error.
const QUOTED: usize = 40;

/// With what tickets begin, as a server of ours gives them.
const TICKET: &str = "rejoin-ticket-";

/// Where to connect and how.
#[derive(Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
pub(crate) struct Settings {
    /// The address, without any token: safe to show.
    pub(crate) endpoint: Endpoint,
    /// The URL as it was given, with the token and the password it may have.
    url: Token,
    pub(crate) token: TokenFrom,
    /// Where the token goes, if that was said; else the library decides.
    pub(crate) token_location: Option<TokenLocation>,
    /// The URL has a token.
    token_in_url: bool,
    pub(crate) rooms: Vec<String>,
    pub(crate) config: Config,
    /// The server speaks Socket.IO.
    pub(crate) socket_io: Option<SocketIo>,
    /// Where unresolved messages and what has been read are kept.
    pub(crate) state: Option<PathBuf>,
    /// What has been read is said with `Client::commit`, not by asking for the next event.
    pub(crate) manual_commit: bool,
    /// What the server sends beside the protocol is handed out.
    pub(crate) frames: bool,
    /// So many messages of each room to begin with.
    pub(crate) history: Option<u64>,
    /// Namespaces beside that of `socket_io`, over the same connection.
    pub(crate) namespaces: Vec<String>,
    /// Rooms in those, each with its namespace.
    pub(crate) rooms_in: Vec<(String, String)>,
    headers: Headers,
    subprotocols: Vec<String>,
    connect_timeout: Option<Duration>,
    /// Tells on stderr that no token can be had, for commands that do not tell it otherwise.
    pub(crate) token_notices: Option<TokenNotices>,
    /// What the command line says that another command for the same server needs too, ready for a shell.
    pub(crate) repeated: String,
    /// Receive what is for this user alone.
    pub(crate) notifications: bool,
    ca: Option<Vec<u8>>,
    client_certificate: Option<ClientCertificate>,
    proxy: Option<rejoin::Proxy>,
}

impl fmt::Debug for Settings {
    /// Without what may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// The settings that do not need a URL yet.
pub(crate) struct Sources<'a> {
    pub(crate) arguments: &'a ConnectionArgs,
    pub(crate) profile: Profile,
    /// What is wrong with the profile that is used when none is named. It stops who needs it.
    profile_failure: Option<Failure>,
}

impl<'a> Sources<'a> {
    pub(crate) fn read(arguments: &'a ConnectionArgs) -> Result<Self, Failure> {
        let (profile, profile_failure) = match profile::load(arguments.profile.as_deref()) {
            Ok(profile) => (profile, None),
            Err(failure) if arguments.profile.is_none() => (Profile::default(), Some(failure)),
            Err(failure) => return Err(failure),
        };
        Ok(Self { arguments, profile, profile_failure })
    }

    /// The URL given, the environment's, or the profile's.
    pub(crate) fn url(&self, given: Option<&str>) -> Result<Option<String>, Failure> {
        match (given.map(str::to_owned).or_else(|| variable("REJOIN_URL")), &self.profile_failure) {
            (Some(url), _) => Ok(Some(url)),
            (None, Some(profile_failure)) => Err(profile_failure.clone()),
            (None, None) => Ok(self.profile.url.clone()),
        }
    }

    /// What there is to go by at `url`: the command line, and where that is silent the profile, as far as it is for that
    /// server.
    pub(crate) fn at(mut self, url: &str) -> ServerOptions {
        if let Some(Failure { message, code, .. }) = &self.profile_failure {
            let message = sanitise::line(message);
            eprint_line(&format!("rejoin: {message}; going on without a profile [{code}]"));
        }
        let is_named = self.arguments.profile.is_some();
        let profile = std::mem::take(&mut self.profile).at(url, is_named);
        let mut arguments = self.arguments.clone();
        let given = arguments.protocol;
        arguments.protocol = given.or(profile.protocol);
        // What a profile says of Socket.IO means nothing where another protocol is asked for.
        if arguments.protocol == Some(Protocol::SocketIo) {
            if arguments.namespace.is_empty() {
                arguments.namespace.clone_from(&profile.namespace);
            }
            if arguments.event_map.is_empty() {
                let pairs = profile.event_map.iter().map(|(name, event)| format!("{name}={event}"));
                arguments.event_map = pairs.collect();
            }
        }
        ServerOptions { url: url.to_owned(), arguments, profile }
    }

    /// As [`Sources::url`], for commands that cannot do without one.
    pub(crate) fn require_url(&self, given: Option<&str>) -> Result<String, Failure> {
        if let Some(text) = given.filter(|text| is_text(text)) {
            return Err(no_url(text));
        }
        self.url(given)?.ok_or_else(|| {
            let failure = Failure::usage("url", "no URL given");
            match profile::mistakes_in_others(None).first() {
                // Perhaps it was to be found there.
                Some((mistake, _)) => failure.hint(format!("mind {mistake}")),
                None => failure.hint(
                    "give one like wss://host/path, or set REJOIN_URL, or choose a profile with --profile",
                ),
            }
        })
    }
}

/// What the command line, the environment and a profile say of the server at a URL.
pub(crate) struct ServerOptions {
    url: String,
    arguments: ConnectionArgs,
    profile: Profile,
}

impl ServerOptions {
    pub(crate) fn protocol(&self) -> Protocol {
        self.arguments.protocol.unwrap_or_default()
    }

    /// The rooms of the profile.
    pub(crate) fn rooms(&self) -> &[String] {
        &self.profile.rooms
    }

    /// Everything, for a chat.
    pub(crate) async fn settings(self, rooms: &[String]) -> Result<Settings, Failure> {
        let address = parse_url(&self.url, self.protocol())?;
        self.settings_at(address, rooms).await
    }

    /// Everything, for streams of events.
    pub(crate) async fn feed_settings(self, rooms: &[String]) -> Result<Settings, Failure> {
        let address = parse_feed_url(&self.url)?;
        self.settings_at(address, rooms).await
    }

    async fn settings_at(
        self,
        (endpoint, in_url): (Endpoint, Option<Token>),
        rooms: &[String],
    ) -> Result<Settings, Failure> {
        let protocol = self.protocol();
        let Self { url, arguments, profile } = self;
        let socket_io = socket_io::described(&arguments, profile.ack_text)?;
        let namespaces = socket_io::others(&arguments)?;
        let token_in_url = in_url.is_some();
        let variable_in = variable("REJOIN_TOKEN_IN");
        let token_location = request_options::token_location(
            arguments.token_in,
            variable_in.as_deref(),
            profile.token_in,
            token_in_url,
        )?;
        let headers = request_options::headers(&arguments, &profile)?;
        let client_certificate = request_options::client_certificate(&arguments, &profile)?;
        let subprotocols = if arguments.subprotocols.is_empty() {
            profile.subprotocols
        } else {
            arguments.subprotocols.clone()
        };
        let connect_timeout = arguments.connect_timeout.or(profile.connect_timeout);
        let token = if let Some(token) = &arguments.token {
            TokenFrom::Given(token.as_str().into())
        } else if let Some(file) = &arguments.token_file {
            TokenFrom::File(file.clone())
        } else if let Some(command) = &arguments.token_command {
            TokenFrom::Command(command.clone())
        } else if let Some(token) = in_url {
            TokenFrom::Given(token)
        } else if let Some(token) = variable("REJOIN_TOKEN") {
            TokenFrom::Given(token.into())
        } else if let Some(file) = profile.token_file {
            TokenFrom::File(file)
        } else if let Some(command) = profile.token_command {
            TokenFrom::Command(command)
        } else {
            TokenFrom::Nowhere
        };
        if let TokenFrom::File(path) = &token {
            // A wrong path is a usage error now, not a failed connection later.
            token::from_file(path).await.map_err(|error| Failure::usage("token_file", &*error.text))?;
        }
        let mut rooms = if rooms.is_empty() { profile.rooms } else { rooms.to_vec() };
        let rooms_in = socket_io::rooms_in(&namespaces, &mut rooms);
        if let Some(server) = &socket_io {
            socket_io::own_rooms(server.namespace.as_str(), &mut rooms);
        }
        for room in rooms.iter().chain(rooms_in.iter().map(|(_, room)| room)) {
            check_room(room)?;
        }
        let mut config = Config::default();
        if arguments.policy.or(profile.policy) == Some(PolicyName::Legacy) {
            config.link.policy = Policy::Legacy;
        }
        config.extended = protocol == Protocol::Auto;
        let ca = match arguments.ca.clone().or(profile.ca) {
            None => None,
            Some(path) => Some(files::read(&path, files::MOST).map_err(|error| {
                Failure::usage("ca", format!("cannot read the CA file {}: {error}", path.display()))
            })?),
        };
        let repeated = suggested_options::options(&arguments, token_in_url);
        let proxy = proxy_for(&endpoint, |name| std::env::var(name).ok())?;
        Ok(Settings {
            endpoint,
            url: url.into(),
            token,
            token_location,
            token_in_url,
            rooms,
            config,
            socket_io,
            namespaces,
            rooms_in,
            state: profile.state,
            manual_commit: false,
            frames: false,
            history: None,
            headers,
            subprotocols,
            connect_timeout: connect_timeout.map(|seconds| Duration::from_secs(seconds.into())),
            token_notices: None,
            repeated,
            notifications: false,
            ca,
            client_certificate,
            proxy,
        })
    }
}

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
pub(crate) type OpenNamespace = (String, Client, Events);

/// A variable of the environment, if it is set to something.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Settings {
    /// A header says which page the requests come from.
    pub(crate) fn names_origin(&self) -> bool {
        self.headers.contains("Origin")
    }

    /// Requests say that they come from a page of `origin`, unless a header says already where they come from.
    pub(crate) fn add_origin(&mut self, origin: &str) -> bool {
        !self.headers.contains("Origin") && self.headers.add("Origin", origin).is_ok()
    }

    /// From now on connections are held in silence: nothing is joined, no sign of life is asked for.
    pub(crate) fn make_idle(&mut self) {
        self.rooms.clear();
        // The server of the extended protocol says how often it wants to be pinged.
        self.config.extended = false;
        self.config.link.liveness.can_ping = false;
    }

    /// The client, already dialling.
    pub(crate) fn connect(&self) -> Result<(Client, Events), Failure> {
        self.builder().connect().map_err(|error| build_failure(&error))
    }

    /// The other namespaces, each with its name: they are told the same token.
    pub(crate) fn open_namespaces(&self, client: &Client) -> Result<Vec<OpenNamespace>, Failure> {
        let open = |name: &String| {
            let mut builder = client.namespace(name);
            if let TokenFrom::Given(token) = &self.token {
                builder = builder.token(token.clone());
            }
            if let Some(source) = self.token.source(self.token_notices.clone()) {
                builder = builder.token_source(source);
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

    /// For commands that are in one namespace alone.
    pub(crate) fn in_one_namespace(&self) -> Result<(), Failure> {
        if self.namespaces.is_empty() {
            return Ok(());
        }
        Err(Failure::usage("namespace", "this command is in one namespace at a time")
            .hint("give --namespace once; \"rejoin pipe\" and \"rejoin tail\" take it several times"))
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
        let builder = with_options!(self, rejoin::follow(self.url.expose(), room).config(config));
        builder.connect().map_err(|error| build_failure(&error))
    }

    /// The address as it was given, without what may be secret. Of a Socket.IO server the endpoint is the engine's.
    pub(crate) fn shown_url(&self) -> String {
        if self.socket_io.is_none() {
            return self.endpoint.to_string();
        }
        let given = self.url.expose();
        let address = given.split(['?', '#']).next().unwrap_or_default().trim();
        match address.split_once("://") {
            Some((scheme, rest)) => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                let host = authority.rsplit('@').next().unwrap_or_default();
                sanitise::line(&format!("{scheme}://{host}{path}"))
            }
            // What has no scheme has been refused.
            None => self.endpoint.to_string(),
        }
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
            notifications: false,
            socket_io,
            ..self.clone()
        }
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

    /// What to say when something is wrong; `command` is the one that is running.
    pub(crate) fn hints(&self, command: &str) -> Hints {
        let mut rooms = String::new();
        for room in &self.rooms {
            rooms.extend([" -r ", &quoted(room)]);
        }
        let is_socket_io = self.socket_io.is_some();
        let socket_io = (!is_socket_io).then(|| {
            let url = quoted(&suggested_urls::socket_io(&self.endpoint));
            format!("rejoin {command} {url}{rooms} --protocol socketio{}", self.repeated)
        });
        let protocol = if is_socket_io { " --protocol socketio" } else { "" };
        let doctor = format!("rejoin doctor {}{protocol}{}", quoted(&self.shown_url()), self.repeated);
        let first = self.socket_io.as_ref().filter(|_| !self.namespaces.is_empty());
        let namespace = first.map(|server| server.namespace.as_str().to_owned());
        Hints { login: self.login(), socket_io, doctor, namespace }
    }

    pub(crate) fn login(&self) -> Login {
        if self.has_ticket() {
            Login::Ticket
        } else if !matches!(self.token, TokenFrom::Nowhere) {
            Login::Token
        } else if self.endpoint.has_user() || self.headers.contains("Authorization") {
            Login::Authorization
        } else {
            Login::Nothing
        }
    }

    fn has_ticket(&self) -> bool {
        let in_query = || {
            url::Url::parse(self.url.expose().trim())
                .is_ok_and(|url| url.query_pairs().any(|(name, value)| name == "ticket" && !value.is_empty()))
        };
        match &self.token {
            TokenFrom::Given(token) => token.expose().starts_with(TICKET),
            TokenFrom::Nowhere => in_query(),
            TokenFrom::File(_) | TokenFrom::Command(_) => false,
        }
    }

    /// Keeps the state in this file, if one is given.
    pub(crate) fn keep_in(&mut self, state: Option<&PathBuf>) {
        if let Some(path) = state {
            self.state = Some(path.clone());
        }
    }

    /// The place where the token goes, and the other one.
    pub(crate) fn token_places(&self) -> (TokenLocation, TokenLocation) {
        let default = if self.token_in_url { TokenLocation::Query } else { TokenLocation::Header };
        match self.token_location.unwrap_or(default) {
            TokenLocation::Header => (TokenLocation::Header, TokenLocation::Query),
            TokenLocation::Query => (TokenLocation::Query, TokenLocation::Header),
        }
    }

    /// Whether there is something to read beside rooms: an event of the server's that is a notification.
    pub(crate) fn follows_notifications(&self) -> bool {
        self.socket_io.as_ref().is_some_and(|server| server.events.has_name(EventKind::Notification))
    }

    pub(crate) fn has_proxy(&self) -> bool {
        self.proxy.is_some()
    }
}

fn build_failure(error: &BuildError) -> Failure {
    let code = match error {
        BuildError::Url(_) => "url",
        BuildError::Room { .. } => "room",
        BuildError::Tls(TlsError::ClientCertificate(_)) => "cert",
        BuildError::Tls(_) => "ca",
        BuildError::State(_) => "state",
        BuildError::Header(_) => "header",
        BuildError::Authorization => "token_in",
        BuildError::Subprotocol => "subprotocol",
        BuildError::ConnectTimeout(_) => "connect_timeout",
        _ => "internal",
    };
    let failure = Failure::usage(code, error.to_string());
    match error {
        BuildError::Authorization => failure.hint("add --token-in query"),
        _ => failure,
    }
}

/// Whether it is something to say, or a word, and nothing like a URL: so it has no token in it either.
fn is_text(given: &str) -> bool {
    !given.trim().is_empty() && !given.contains([':', '/', '?', '=', '&', '@', '#', '.', '[', '%'])
}

/// A text stands where a URL is expected.
fn no_url(text: &str) -> Failure {
    let text = sanitise::name(text, QUOTED);
    Failure::usage("url", format!("no URL: \"{text}\" was taken for it; set REJOIN_URL or --profile"))
        .hint("a URL looks like wss://host/path; if a command was meant, rejoin --help lists them all")
}

/// As [`parse_url`], for streams of events.
pub(crate) fn parse_feed_url(text: &str) -> Result<(Endpoint, Option<Token>), Failure> {
    Endpoint::parse_http(text).map_err(|error| {
        let failure = Failure::usage("url", error.to_string());
        match error {
            // The path of the WebSocket is not that of the streams, so it is left out.
            EndpointError::NotHttp(scheme) if matches!(&*scheme, "ws" | "wss") => match Endpoint::parse(text)
            {
                Ok((chat, _)) => {
                    let secure = if chat.is_secure() { "s" } else { "" };
                    failure.hint(format!("try http{secure}://{}/", chat.authority()))
                }
                Err(_) => failure,
            },
            _ => failure,
        }
    })
}

/// Reads a URL; the error never quotes it, because a token may be in it.
pub(crate) fn parse_url(text: &str, protocol: Protocol) -> Result<(Endpoint, Option<Token>), Failure> {
    let parsed = match protocol {
        Protocol::SocketIo => Endpoint::parse_socket_io(text),
        Protocol::Auto | Protocol::Plain => Endpoint::parse(text),
    };
    if parsed.is_err() && is_text(text) {
        return Err(no_url(text));
    }
    parsed.map_err(|error| {
        let failure = Failure::usage("url", error.to_string());
        match error {
            EndpointError::Scheme(scheme) if matches!(&*scheme, "http" | "https") => {
                let shown = without_secrets(&sanitise::line(text.trim()));
                let rest = shown.split_once("://").map_or("", |(_, rest)| rest);
                let wanted = if &*scheme == "http" { "ws" } else { "wss" };
                failure.hint(format!(
                    "give {}, or, to a Socket.IO server, {} --protocol socketio",
                    quoted(&format!("{wanted}://{rest}")),
                    quoted(&shown)
                ))
            }
            EndpointError::Malformed(_) => {
                failure.hint("if a command was meant: rejoin --help lists them all")
            }
            _ => failure,
        }
    })
}

/// Checks a room name given on the command line or in a profile.
pub(crate) fn check_room(room: &str) -> Result<(), Failure> {
    check_room_name(room).map_err(|error| {
        Failure::usage("room", format!("\"{}\" is no room name: {error}", sanitise::name(room, QUOTED)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_http_url_is_refused_with_the_one_to_try() {
        let failure = parse_url("http://h/?token=s3cret", Protocol::Auto).unwrap_err();
        assert_eq!((failure.exit.code(), failure.code), (2, "url"));
        assert!(!failure.render().contains("s3cret"));
        assert!(
            failure.render().contains(
                "give 'ws://h/?token=…', or, to a Socket.IO server, 'http://h/?token=…' --protocol socketio"
            ),
            "{}",
            failure.render()
        );
        let plain = parse_url("https://h:8443/ws", Protocol::Auto).unwrap_err().render();
        assert!(plain.contains("give wss://h:8443/ws, or,"), "{plain}");
        assert!(parse_url("https://h/", Protocol::Plain).unwrap_err().render().contains("wss://"));
    }

    #[test]
    fn a_websockets_url_is_refused_for_a_stream_with_the_one_to_try() {
        let failure = parse_feed_url("wss://h:8443/ws?token=s3cret").unwrap_err();
        assert_eq!((failure.exit.code(), failure.code), (2, "url"));
        assert!(failure.render().contains("try https://h:8443/\n"), "{}", failure.render());
        assert!(!failure.render().contains("s3cret"));
        assert!(parse_feed_url("ws://[::1]/ws").unwrap_err().render().contains("http://[::1]/"));
        assert!(parse_feed_url("http://h/?token=t").unwrap().1.is_some());
    }

    #[test]
    fn no_error_about_a_url_quotes_its_token() {
        for url in [
            "ht!tp://h?token=s3cret",
            "ws://?token=s3cret",
            "ws://u:s3cret@h/",
            "h/s3cret",
            "u:s3cret@h",
            "?token=s3cret",
            "ws://h:99999/?token=s3cret",
        ] {
            for protocol in [Protocol::Auto, Protocol::SocketIo] {
                if let Err(failure) = parse_url(url, protocol) {
                    assert!(!failure.render().contains("s3cret"), "{url}");
                }
            }
        }
    }

    #[test]
    fn a_text_in_the_place_of_the_url_is_told_as_what_it_is() {
        let failure = parse_url("hello there\u{1b}", Protocol::Auto).unwrap_err().render();
        assert!(
            failure.starts_with(
                "rejoin: no URL: \"hello there^[\" was taken for it; set REJOIN_URL or --profile [url]"
            ),
            "{failure}"
        );
        for url in ["example.org/ws", "localhost:8080", "h?token=t", ""] {
            assert!(
                !parse_url(url, Protocol::Auto).unwrap_err().render().contains("was taken for it"),
                "{url}"
            );
        }
    }

    #[test]
    fn a_room_name_that_is_none_is_quoted_harmlessly() {
        let failure = check_room("a\u{1b}[2J").unwrap_err();
        assert_eq!(failure.code, "room");
        assert!(!failure.render().contains('\u{1b}'));
    }
}
