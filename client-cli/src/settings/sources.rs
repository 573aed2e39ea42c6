//! Resolves each setting: from the command line, and where that is silent from the environment, then from a profile. Connects to
//! nothing.

use super::Settings;
use super::given::{check_room, is_like_url, is_text, no_url, parse_feed_url, parse_url};
use crate::args::{ConnectionArgs, PolicyName, Protocol};
use crate::error::{Failure, eprint_line};
use crate::profile::{self, Profile};
use crate::proxy_env::proxy_for;
use crate::token::{self, TokenFrom};
use crate::{request_options, sanitise, socket_io, suggested_options};
use rejoin::backoff::Policy;
use rejoin::{Config, Endpoint, Token};
use std::time::Duration;

const URL_VARIABLE: &str = "REJOIN_URL";

/// The settings that do not need a URL yet.
pub(crate) struct Sources<'a> {
    pub(crate) arguments: &'a ConnectionArgs,
    pub(crate) profile: Profile,
    /// What is wrong with the profile that is used when none is named. It stops who needs it.
    profile_failure: Option<Failure>,
}

/// A URL, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedUrl {
    pub(crate) text: String,
    /// It is the profile's, and so is a token in it: the environment goes before both.
    is_profiles: bool,
}

impl NamedUrl {
    /// One that no profile has.
    pub(crate) fn given(text: String) -> Self {
        Self { text, is_profiles: false }
    }
}

/// What stands in the place of the URL, and the options. One word that is no URL and names a profile stands for `--profile`;
/// so does the environment's, where nothing else is given.
pub(crate) fn named<'a>(
    word: Option<&'a str>,
    arguments: &ConnectionArgs,
) -> (Option<&'a str>, ConnectionArgs) {
    let mut arguments = arguments.clone();
    match word.filter(|word| arguments.profile.is_none() && is_profile(word)) {
        Some(name) => {
            arguments.profile = Some(name.to_owned());
            (None, arguments)
        }
        None => (word, named_in_environment(word, arguments)),
    }
}

/// The options, where the place of the URL has a text or nothing: the environment's word may name a profile.
pub(crate) fn named_in_environment(word: Option<&str>, mut arguments: ConnectionArgs) -> ConnectionArgs {
    if arguments.profile.is_none() && !word.is_some_and(is_like_url) {
        arguments.profile = variable(URL_VARIABLE).filter(|word| is_profile(word));
    }
    arguments
}

/// Whether a word in the place of a URL is the name of a profile.
fn is_profile(word: &str) -> bool {
    !is_like_url(word) && profile::is_known(word)
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
    pub(crate) fn url(&self, given: Option<&str>) -> Result<Option<NamedUrl>, Failure> {
        let environment = || variable(URL_VARIABLE).filter(|word| !is_profile(word));
        match (given.map(str::to_owned).or_else(environment), &self.profile_failure) {
            (Some(url), _) => Ok(Some(NamedUrl::given(url))),
            (None, Some(profile_failure)) => Err(profile_failure.clone()),
            (None, None) => {
                let url = self.profile.url.clone();
                Ok(url.map(|text| NamedUrl { text, is_profiles: true }))
            }
        }
    }

    /// What there is to go by at `url`: the command line, and where that is silent the profile, as far as it is for that
    /// server.
    pub(crate) fn at(mut self, url: NamedUrl) -> ServerOptions {
        if let Some(Failure { message, code, .. }) = &self.profile_failure {
            let message = sanitise::line(message);
            eprint_line(&format!("rejoin: {message}; going on without a profile [{code}]"));
        }
        let is_named = self.arguments.profile.is_some();
        let profile = std::mem::take(&mut self.profile).at(&url.text, is_named);
        let mut arguments = self.arguments.clone();
        let given = arguments.protocol;
        arguments.protocol = given.or(profile.protocol);
        // What a profile says of Socket.IO means nothing where another protocol is asked for.
        if arguments.protocol == Some(Protocol::SocketIo) {
            if arguments.namespace.is_empty() {
                arguments.namespace.clone_from(&profile.namespace);
            }
            if arguments.auth.is_none() && !profile.auth.is_empty() {
                arguments.auth = serde_json::to_string(&profile.auth).ok();
            }
            if arguments.event_map.is_empty() {
                let pairs = profile.event_map.iter().map(|(name, event)| format!("{name}={event}"));
                arguments.event_map = pairs.collect();
            }
        }
        ServerOptions { url, arguments, profile }
    }

    /// As [`Sources::url`], for commands that cannot do without one.
    pub(crate) fn require_url(&self, given: Option<&str>) -> Result<NamedUrl, Failure> {
        if let Some(text) = given.filter(|text| is_text(text)) {
            let failure = no_url(text);
            return Err(match profile::unnamed(text) {
                Some(slip) => failure.hint(slip),
                None => failure,
            });
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
    url: NamedUrl,
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
        let address = parse_url(&self.url.text, self.protocol())?;
        self.settings_at(address, rooms).await
    }

    /// Everything, for streams of events.
    pub(crate) async fn feed_settings(self, rooms: &[String]) -> Result<Settings, Failure> {
        let address = parse_feed_url(&self.url.text)?;
        self.settings_at(address, rooms).await
    }

    async fn settings_at(
        self,
        (endpoint, in_url): (Endpoint, Option<Token>),
        rooms: &[String],
    ) -> Result<Settings, Failure> {
        let protocol = self.protocol();
        let Self { url, arguments, profile } = self;
        let socket_io = socket_io::described(&arguments, profile.ack_text, profile.transports)?;
        let transports = arguments.transports.or(profile.transports).filter(|_| socket_io.is_none());
        let event_streams = request_options::event_streams(transports, protocol)?;
        let namespaces = socket_io::others(&arguments)?;
        let auth = socket_io::auth_fields(&arguments)?;
        let token_in_url = in_url.is_some();
        let variable_in = variable("REJOIN_TOKEN_IN");
        let token_location = request_options::token_location(
            arguments.request.token_in,
            variable_in.as_deref(),
            profile.token_in,
            token_in_url,
        )?;
        let headers = request_options::headers(&arguments.request, &profile)?;
        let client_certificate = request_options::client_certificate(&arguments.request, &profile)?;
        let subprotocols = if arguments.request.subprotocols.is_empty() {
            profile.subprotocols
        } else {
            arguments.request.subprotocols.clone()
        };
        let connect_timeout = arguments.request.connect_timeout.or(profile.connect_timeout);
        let token = if let Some(token) = &arguments.token {
            if token.is_empty() {
                let failure = Failure::usage("token", "the token is empty: nothing was sent");
                return Err(failure.hint("leave out --token where there is none"));
            }
            TokenFrom::Given(token.as_str().into())
        } else if let Some(file) = &arguments.token_file {
            TokenFrom::File(file.clone())
        } else if let Some(command) = &arguments.token_command {
            TokenFrom::Command(command.clone())
        } else if let Some(token) = in_url.filter(|_| !url.is_profiles || variable("REJOIN_TOKEN").is_none())
        {
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
        if let TokenFrom::Given(token) = &token
            && let Some(what) = token::unsendable(token.expose())
        {
            return Err(Failure::usage("token", format!("the token {what}: nothing was sent")));
        }
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
        let config = config(arguments.policy.or(profile.policy), protocol);
        let ca = arguments.request.ca.clone().or(profile.ca);
        let ca = ca.map(|path| request_options::ca(&path)).transpose()?;
        let repeated = suggested_options::options(&arguments, token_in_url);
        let proxy = proxy_for(&endpoint, |name| std::env::var(name).ok())?;
        Ok(Settings {
            endpoint,
            url: url.text.into(),
            token,
            token_location,
            token_in_url,
            rooms,
            config,
            socket_io,
            event_streams,
            namespaces,
            rooms_in,
            state: profile.state,
            recording: None,
            manual_commit: false,
            is_stream_url: false,
            frames: false,
            history: None,
            auth,
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

fn config(policy: Option<PolicyName>, protocol: Protocol) -> Config {
    let mut config = Config::default();
    if policy == Some(PolicyName::Legacy) {
        config.link.policy = Policy::Legacy;
    }
    config.extended = protocol == Protocol::Auto;
    config
}

/// A variable of the environment, if it is set to something.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
