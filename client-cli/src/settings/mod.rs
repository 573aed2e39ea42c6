//! Resolves the options of command line, environment and profile into the settings of a client. Opens no connection until
//! asked.

mod given;
mod opening;
mod sources;

pub(crate) use given::{check_room, is_like_url, parse_feed_url, parse_url};
pub(crate) use sources::{NamedUrl, Sources, named, named_in_environment};

use crate::args::RecordArgs;
use crate::hints::{Hints, Login};
use crate::request_options::ClientCertificate;
use crate::socket_io::room_in;
use crate::suggested_options::{quoted, suggested_text};
use crate::token::TokenFrom;
use crate::token_notices::TokenNotices;
use crate::{sanitise, suggested_urls};
use rejoin::recording::RecordedContent;
use rejoin::socketio::{EventKind, Namespace};
use rejoin::{Config, Endpoint, EventStreams, Headers, SocketIo, Token, TokenLocation};
use serde_json::{Map, Value};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

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
    /// Whether rooms are read by server-sent events where no WebSocket opens.
    pub(crate) event_streams: EventStreams,
    /// Where unresolved messages and what has been read are kept.
    pub(crate) state: Option<PathBuf>,
    /// Where it is recorded what happens, and whether with the content of messages.
    recording: Option<(PathBuf, RecordedContent)>,
    /// What has been read is said with `Client::commit`, not by asking for the next event.
    pub(crate) manual_commit: bool,
    /// The URL is that of a stream itself, not of a server with rooms below it.
    pub(crate) is_stream_url: bool,
    /// What the server sends beside the protocol is handed out.
    pub(crate) frames: bool,
    /// So many messages of each room to begin with.
    pub(crate) history: Option<u64>,
    /// Namespaces beside that of `socket_io`, over the same connection.
    pub(crate) namespaces: Vec<String>,
    /// Rooms in those, each with its namespace.
    pub(crate) rooms_in: Vec<(String, String)>,
    /// Fields of the `auth` object beside the token, for each namespace.
    auth: Option<Map<String, Value>>,
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

    /// Events of the application's own are handed out where other namespaces are open, which may have nothing else.
    pub(crate) fn show_events_elsewhere(&mut self) {
        self.frames = !self.namespaces.is_empty();
    }

    /// The rooms as people read them: those of other namespaces with these.
    pub(crate) fn shown_rooms(&self) -> Vec<String> {
        let inside = self.rooms_in.iter().map(|(namespace, room)| room_in(namespace, room));
        self.rooms.iter().cloned().chain(inside).collect()
    }

    /// For a command that needs the namespace of its one room and no other: that becomes the first.
    pub(crate) fn stay_in_one_namespace(&mut self) {
        if self.rooms.is_empty()
            && let [(namespace, room)] = &self.rooms_in[..]
            && let Some(server) = &mut self.socket_io
            && let Ok(namespace) = Namespace::new(namespace)
        {
            server.namespace = namespace;
            self.rooms.push(room.clone());
        }
        self.namespaces.clear();
        self.rooms_in.clear();
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

    /// What to say when something is wrong; `command` is the one that is running.
    pub(crate) fn hints(&self, command: &str) -> Hints {
        self.hints_of(command, None)
    }

    /// As [`Settings::hints`], for a command with a text, which a suggested command has too.
    pub(crate) fn hints_of(&self, command: &str, text: Option<&str>) -> Hints {
        let text = text.map(suggested_text).unwrap_or_default();
        let mut rooms = String::new();
        for room in &self.rooms {
            rooms.extend([" -r ", &quoted(room)]);
        }
        let is_socket_io = self.socket_io.is_some();
        let socket_io = (!is_socket_io).then(|| {
            let url = quoted(&suggested_urls::socket_io(&self.endpoint));
            format!("rejoin {command} {url}{rooms} --protocol socketio{}{text}", self.repeated)
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
        } else if self.headers.contains("Authorization") {
            Login::Authorization
        } else if self.endpoint.has_user() {
            Login::Password
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

    /// Records what happens, if that is wanted.
    pub(crate) fn record_in(&mut self, arguments: &RecordArgs) {
        let content =
            if arguments.record_content { RecordedContent::Kept } else { RecordedContent::Replaced };
        self.recording = arguments.record.clone().map(|file| (file, content));
    }

    /// Keeps the state in this file, if one is given.
    pub(crate) fn keep_in(&mut self, state: Option<&PathBuf>) {
        if let Some(path) = state {
            self.state = Some(path.clone());
        }
    }

    /// The place where the token goes.
    pub(crate) fn token_place(&self) -> TokenLocation {
        let default = if self.token_in_url { TokenLocation::Query } else { TokenLocation::Header };
        self.token_location.unwrap_or(default)
    }

    /// Whether there is something to read beside rooms: an event of the server's that is a notification.
    pub(crate) fn follows_notifications(&self) -> bool {
        self.socket_io.as_ref().is_some_and(|server| server.events.has_name(EventKind::Notification))
    }

    pub(crate) fn has_proxy(&self) -> bool {
        self.proxy.is_some()
    }
}
