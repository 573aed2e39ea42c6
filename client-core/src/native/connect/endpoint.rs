//! A server's address, validated once, without secrets.

use super::basic::Basic;
use crate::token::Token;
use core::fmt;
use std::iter::{once, repeat};
use url::{Position, Url};

/// A `ws://` or `wss://` address, or for streams of events an `http://` or `https://` one. The token, if one was in the
/// query, has been taken out of it, and a user name and password are kept apart: neither `Display` nor `Debug` shows
/// them, nor the values of other parameters that sound like secrets (`access_token`, `api_key`).
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    url: Url,
    host: Box<str>,
    port: u16,
    basic: Option<Basic>,
}

/// Why a text is no address of a room server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// Not a URL.
    #[error("not a URL: {0}; it should look like wss://host/path")]
    Malformed(Box<str>),
    /// Another scheme, such as `http` where no Socket.IO is spoken.
    #[error("the scheme is \"{0}\": use ws:// or wss:// (http:// and https:// are for Socket.IO)")]
    Scheme(Box<str>),
    /// Another scheme than the two of HTTP, such as `ws`.
    #[error("the scheme is \"{0}\": a stream of events is read over http:// or https://")]
    NotHttp(Box<str>),
    /// No host.
    #[error("the URL names no host")]
    NoHost,
}

impl Endpoint {
    /// Checks `text`; a `token` in its query is taken out and returned apart, so that the address can be shown.
    pub fn parse(text: &str) -> Result<(Self, Option<Token>), EndpointError> {
        Self::check(parse_url(text)?, ["ws", "wss"], EndpointError::Scheme)
    }

    /// As [`Endpoint::parse`], for an `http://` or `https://` address.
    pub fn parse_http(text: &str) -> Result<(Self, Option<Token>), EndpointError> {
        Self::check(parse_url(text)?, ["http", "https"], EndpointError::NotHttp)
    }

    /// As [`Endpoint::parse`], for a Socket.IO server: `http://` and `https://` too, with the path of the engine
    /// (`/socket.io/` if there is none) and its query, so that what is shown is what is dialled.
    pub fn parse_socket_io(text: &str) -> Result<(Self, Option<Token>), EndpointError> {
        let mut url = parse_url(text)?;
        let scheme = match url.scheme() {
            "http" => "ws",
            "https" => "wss",
            other => other,
        }
        .to_owned();
        // From one scheme of the web to another, or to itself: that cannot fail.
        let _ = url.set_scheme(&scheme);
        match url.path() {
            "/" | "" => url.set_path("/socket.io/"),
            path if !path.ends_with('/') => url.set_path(&format!("{path}/")),
            _ => {}
        }
        for (name, value) in [("EIO", "4"), ("transport", "websocket")] {
            if !url.query_pairs().any(|(known, _)| known == name) {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        Self::check(url, ["ws", "wss"], EndpointError::Scheme)
    }

    fn check(
        mut url: Url,
        schemes: [&str; 2],
        other: fn(Box<str>) -> EndpointError,
    ) -> Result<(Self, Option<Token>), EndpointError> {
        if !schemes.contains(&url.scheme()) {
            return Err(other(url.scheme().into()));
        }
        let host = match url.host() {
            None => return Err(EndpointError::NoHost),
            Some(url::Host::Domain(name)) => name.to_owned(),
            Some(url::Host::Ipv4(address)) => address.to_string(),
            Some(url::Host::Ipv6(address)) => address.to_string(),
        };
        let port = url.port_or_known_default().ok_or(EndpointError::NoHost)?;
        url.set_fragment(None);
        let basic = Basic::of(&url);
        // A URL of these schemes has a host, so that cannot fail.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        let token = take_token(&mut url);
        Ok((Self { url, host: host.into(), port, basic }, token))
    }

    /// The path of the engine, of the address of a Socket.IO server.
    pub(super) fn engine_path(&self) -> Option<&str> {
        self.url.query_pairs().any(|(name, _)| name == "EIO").then(|| self.url.path())
    }

    /// The host without brackets, for DNS and TLS.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, 80 or 443 if none is written.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The user name and password that the URL had before its host.
    pub(super) fn basic(&self) -> Option<&Basic> {
        self.basic.as_ref()
    }

    /// Whether a user name or a password stands before the host, which is sent as Basic authentication.
    pub fn has_user(&self) -> bool {
        self.basic.is_some()
    }

    /// Whether it is `wss://` or `https://`.
    pub fn is_secure(&self) -> bool {
        matches!(self.url.scheme(), "wss" | "https")
    }

    /// The scheme of the same address with TLS, as it is given: `None` where it has that.
    pub(super) fn tls_scheme(&self) -> Option<&'static str> {
        match self.url.scheme() {
            // That of a Socket.IO server is given with that of the web.
            "ws" if self.engine_path().is_none() => Some("wss"),
            "ws" | "http" => Some("https"),
            _ => None,
        }
    }

    /// Whether the host is this machine.
    pub fn is_loopback(&self) -> bool {
        match self.url.host() {
            Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }

    /// The path and query of an upgrade request: with the token in the query, for servers that read it there, and with
    /// the offer of the extended protocol.
    pub(crate) fn upgrade_target(&self, token: Option<&Token>, extended: bool) -> String {
        let offers = extended && !self.url.query_pairs().any(|(name, _)| name == "ext");
        let added = token.map(token_pair).into_iter().chain(offers.then(|| "ext=1".to_owned()));
        self.target(self.url.path().to_owned(), added)
    }

    /// The path and query of a request to a Socket.IO server's engine by a transport, in a session if there is one.
    #[cfg(feature = "socketio")]
    pub(super) fn engine_target(&self, token: Option<&Token>, transport: &str, sid: Option<&str>) -> String {
        let own = self.url.query().unwrap_or_default().split('&').filter(|pair| {
            let name = pair.split('=').next().unwrap_or_default();
            !matches!(name, "" | "transport" | "sid")
        });
        let session = sid.map(|sid| pair("sid", sid));
        let own = own.map(str::to_owned);
        let pairs = own.chain([format!("transport={transport}")]).chain(session).chain(token.map(token_pair));
        format!("{}?{}", self.url.path(), pairs.collect::<Vec<_>>().join("&"))
    }

    /// A path with the query of the address and more pairs behind it.
    fn target(&self, mut target: String, added: impl Iterator<Item = String>) -> String {
        let own = self.url.query().filter(|query| !query.is_empty()).map(str::to_owned);
        for (pair, separator) in own.into_iter().chain(added).zip(once('?').chain(repeat('&'))) {
            target.push(separator);
            target.push_str(&pair);
        }
        target
    }

    /// Where an answer with this `Location` sends its client; without credentials and query, which may hold a token.
    pub(crate) fn redirect_target(&self, location: &str) -> Option<String> {
        let mut base = self.url.clone();
        // A server answers in the scheme it was asked in.
        let _ = base.set_scheme(if self.is_secure() { "https" } else { "http" });
        let mut target = base.join(location).ok()?;
        let had_query = target.query().is_some();
        target.set_query(None);
        target.set_fragment(None);
        // Addresses without a host have no credentials either.
        let _ = target.set_username("");
        let _ = target.set_password(None);
        Some(format!("{target}{}", if had_query { "?…" } else { "" }))
    }

    /// The path and query of a stream of events that is at the address itself.
    #[cfg(feature = "sse")]
    pub(crate) fn own_target(&self, token: Option<&Token>) -> String {
        self.target(self.url.path().to_owned(), token.map(token_pair).into_iter())
    }

    /// The path and query of a room's stream of events, under the path of the address.
    #[cfg(feature = "sse")]
    pub(crate) fn stream_target(
        &self,
        room: &str,
        history: Option<u64>,
        announces_join: bool,
        token: Option<&Token>,
    ) -> String {
        let mut target = self.url.path().trim_end_matches('/').to_owned();
        target.push_str("/rooms/");
        percent_encode(room, &mut target);
        target.push_str("/events");
        let history = history.map(|count| format!("history={count}"));
        let joined = announces_join.then(|| "joined=1".to_owned());
        self.target(target, history.into_iter().chain(joined).chain(token.map(token_pair)))
    }

    /// Where the streams of events of the room server at this address are: beside its path `/ws`, or below another path.
    #[cfg(feature = "sse")]
    pub(super) fn streams(&self) -> Self {
        let mut streams = self.clone();
        // From one scheme of the web to another: that cannot fail.
        let _ = streams.url.set_scheme(if self.is_secure() { "https" } else { "http" });
        if let Some(base) = self.url.path().strip_suffix("/ws") {
            streams.url.set_path(base);
        }
        streams
    }

    /// The host, an IPv6 address in brackets, and the port if it is not the scheme's own.
    pub fn authority(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// Where the server here sends its clients, if they may go there: to a host of its own, and never from TLS to plain
    /// text. Token, user name and password are ours alone to give.
    pub(crate) fn successor(&self, url: &str, own: &[Self]) -> Option<Self> {
        let (to, _) = Self::parse(url).ok().filter(|(to, _)| to.basic.is_none())?;
        let known = once(self).chain(own).find(|known| known.host == to.host)?;
        (to.is_secure() || !self.is_secure()).then(|| Self { basic: known.basic.clone(), ..to })
    }
}

fn parse_url(text: &str) -> Result<Url, EndpointError> {
    Url::parse(text.trim()).map_err(|error| EndpointError::Malformed(error.to_string().into()))
}

/// Writes a segment of a path or a value of a query. A dot is encoded too: `..` is a room like any other.
fn percent_encode(segment: &str, target: &mut String) {
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') {
            target.push(char::from(byte));
        } else {
            target.push('%');
            for digit in [byte >> 4, byte & 15] {
                target.push(char::from_digit(digit.into(), 16).unwrap_or('0').to_ascii_uppercase());
            }
        }
    }
}

/// A pair of a query.
fn pair(name: &str, value: &str) -> String {
    let mut pair = format!("{name}=");
    percent_encode(value, &mut pair);
    pair
}

fn token_pair(token: &Token) -> String {
    pair("token", token.expose())
}

/// Removes every `token` pair from the query and gives the first of them, which is the one a server takes. The rest
/// stays as it is written.
fn take_token(url: &mut Url) -> Option<Token> {
    let is_token = |name: &str| name == "token";
    let token = url.query_pairs().find(|(name, _)| is_token(name)).map(|(_, value)| value.into_owned())?;
    let names_token =
        |pair: &&str| url::form_urlencoded::parse(pair.as_bytes()).any(|(name, _)| is_token(&name));
    let pairs = url.query().unwrap_or_default().split('&');
    let rest: Vec<&str> = pairs.filter(|pair| !names_token(pair)).collect();
    let rest = (!rest.is_empty()).then(|| rest.join("&"));
    url.set_query(rest.as_deref());
    Some(Token::new(token))
}

/// Words in the names of query parameters whose values are kept to oneself: other servers call their token otherwise.
const SECRET_NAMES: [&str; 8] = ["token", "secret", "pass", "auth", "key", "jwt", "sig", "ticket"];

/// A pair of a query as it may be shown.
fn shown(pair: &str) -> String {
    let name = pair.split('=').next().unwrap_or_default();
    let folded = name.to_ascii_lowercase();
    if name.len() < pair.len() && SECRET_NAMES.iter().any(|word| folded.contains(word)) {
        format!("{name}=…")
    } else {
        pair.to_owned()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url[..Position::AfterPath])?;
        for (pair, separator) in
            self.url.query().into_iter().flat_map(|query| query.split('&')).zip(once('?').chain(repeat('&')))
        {
            write!(f, "{separator}{}", shown(pair))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_in_the_query_is_taken_out_and_the_rest_stays() {
        let (endpoint, token) = Endpoint::parse("ws://h:81/p?a=1&token=s%20ecret&b=2#frag").unwrap();
        assert_eq!(token.unwrap().expose(), "s ecret");
        assert_eq!(endpoint.to_string(), "ws://h:81/p?a=1&b=2");
        assert!(!format!("{endpoint:?}").contains("ecret"));
        let (endpoint, token) = Endpoint::parse("ws://h/?token=x&a=b%20c+d&e&%74oken=y").unwrap();
        assert_eq!((endpoint.to_string().as_str(), token.unwrap().expose()), ("ws://h/?a=b%20c+d&e", "x"));
        let (endpoint, _) = Endpoint::parse("ws://h/?token=x").unwrap();
        assert_eq!(endpoint.to_string(), "ws://h/");
    }

    #[test]
    fn a_secret_by_another_name_stays_in_the_request_and_is_not_shown() {
        let (endpoint, token) =
            Endpoint::parse("ws://h/ws?access_token=s3cret&a=1&Api_Key=s3cret&key&author=").unwrap();
        assert_eq!(token, None);
        assert_eq!(endpoint.to_string(), "ws://h/ws?access_token=…&a=1&Api_Key=…&key&author=…");
        assert_eq!(
            endpoint.upgrade_target(None, false),
            "/ws?access_token=s3cret&a=1&Api_Key=s3cret&key&author="
        );
    }

    #[test]
    fn a_token_goes_into_the_query_only_when_asked() {
        let (endpoint, _) = Endpoint::parse("wss://example.org/ws?a=1").unwrap();
        assert_eq!(endpoint.upgrade_target(None, false), "/ws?a=1");
        let token = Token::new("a&b c+d");
        assert_eq!(endpoint.upgrade_target(Some(&token), false), "/ws?a=1&token=a%26b%20c%2Bd");
        assert_eq!(endpoint.port(), 443);
    }

    #[test]
    fn the_extended_protocol_is_offered_once() {
        for (url, expected) in [
            ("ws://h/ws", "/ws?ext=1"),
            ("ws://h", "/?ext=1"),
            ("ws://h/ws?a=b", "/ws?a=b&ext=1"),
            ("ws://h/ws?", "/ws?ext=1"),
            ("ws://h/ws?ext=0", "/ws?ext=0"),
        ] {
            assert_eq!(Endpoint::parse(url).unwrap().0.upgrade_target(None, true), expected);
        }
    }

    #[test]
    fn a_redirect_names_its_target_without_what_may_be_a_secret() {
        let (endpoint, _) = Endpoint::parse("wss://h/chat/ws?token=s3cret").unwrap();
        for (location, expected) in [
            ("/login?next=%2Fws%3Ftoken%3Ds3cret#top", "https://h/login?…"),
            ("http://u:pw@other:81/x", "http://other:81/x"),
            ("next", "https://h/chat/next"),
            ("//cdn/", "https://cdn/"),
        ] {
            assert_eq!(endpoint.redirect_target(location).as_deref(), Some(expected));
        }
        assert_eq!(endpoint.redirect_target("http://["), None);
    }

    #[test]
    fn a_server_can_send_its_clients_to_its_own_hosts_only_and_never_out_of_tls() {
        let parse = |url: &str| Endpoint::parse(url).unwrap().0;
        let own = [parse("wss://a.example/ws"), parse("wss://b.example/ws")];
        let to = |url: &str| own[0].successor(url, &own).map(|to| to.to_string());
        assert_eq!(to("wss://a.example:8443/next").as_deref(), Some("wss://a.example:8443/next"));
        assert_eq!(to("wss://b.example/ws?token=x").as_deref(), Some("wss://b.example/ws"));
        for bad in
            ["wss://evil.example/ws", "ws://a.example/ws", "https://a.example/", "wss://u:p@a.example/", ""]
        {
            assert_eq!(to(bad), None, "{bad}");
        }
        let plain = parse("ws://a.example/ws");
        assert!(plain.successor("ws://a.example/next", &[]).is_some());
        assert!(plain.successor("wss://a.example/next", &[]).is_some());
    }

    #[test]
    fn other_schemes_and_texts_are_refused_with_what_to_do() {
        assert_eq!(Endpoint::parse("http://h/"), Err(EndpointError::Scheme("http".into())));
        assert!(matches!(Endpoint::parse("no url"), Err(EndpointError::Malformed(_))));
        assert!(matches!(Endpoint::parse("ws://"), Err(EndpointError::Malformed(_))));
        assert!(matches!(Endpoint::parse(""), Err(EndpointError::Malformed(_))));
    }

    #[cfg(feature = "sse")]
    #[test]
    fn a_rooms_stream_lies_under_the_address_and_its_name_is_one_segment() {
        let target = |url: &str, room: &str, history| {
            Endpoint::parse_http(url).unwrap().0.stream_target(room, history, false, None)
        };
        assert_eq!(target("http://h", "lobby", None), "/rooms/lobby/events");
        assert_eq!(
            target("https://h/chat/?a=b&token=x", "a/b ?é..", Some(5)),
            "/chat/rooms/a%2Fb%20%3F%C3%A9%2E%2E/events?a=b&history=5"
        );
        let authority = |url: &str| Endpoint::parse_http(url).unwrap().0.authority();
        assert_eq!(authority("https://[::1]:443/"), "[::1]");
        assert_eq!(authority("http://h:443"), "h:443");
    }

    #[test]
    fn a_stream_is_not_read_over_a_websockets_address_nor_the_other_way_round() {
        let scheme = |text: &str| Box::<str>::from(text);
        assert_eq!(Endpoint::parse_http("wss://h/"), Err(EndpointError::NotHttp(scheme("wss"))));
        assert_eq!(Endpoint::parse("https://h/"), Err(EndpointError::Scheme(scheme("https"))));
        assert!(Endpoint::parse_http("https://h/").unwrap().0.is_secure());
        assert!(!Endpoint::parse_http("http://h/").unwrap().0.is_secure());
    }

    #[test]
    fn the_address_of_a_socket_io_server_becomes_that_of_its_engine() {
        for (url, expected) in [
            ("http://h", "ws://h/socket.io/?EIO=4&transport=websocket"),
            ("https://h:81/engine?a=b", "wss://h:81/engine/?a=b&EIO=4&transport=websocket"),
            ("ws://h/socket.io/?EIO=4&transport=websocket", "ws://h/socket.io/?EIO=4&transport=websocket"),
        ] {
            assert_eq!(Endpoint::parse_socket_io(url).unwrap().0.to_string(), expected);
        }
        let (endpoint, token) = Endpoint::parse_socket_io("http://h/?token=s3cret").unwrap();
        assert_eq!(endpoint.to_string(), "ws://h/socket.io/?EIO=4&transport=websocket");
        assert_eq!(token.unwrap().expose(), "s3cret");
        assert_eq!(Endpoint::parse_socket_io("ftp://h/"), Err(EndpointError::Scheme("ftp".into())));
        assert!(matches!(Endpoint::parse_socket_io("mailto:a"), Err(EndpointError::Scheme(_))));
    }

    #[cfg(feature = "socketio")]
    #[test]
    fn the_engine_is_requested_by_either_transport_and_in_a_session() {
        let (endpoint, _) = Endpoint::parse_socket_io("http://h/engine?a=b&sid=x").unwrap();
        let token = Token::new("s&t");
        assert_eq!(endpoint.engine_target(None, "polling", None), "/engine/?a=b&EIO=4&transport=polling");
        assert_eq!(
            endpoint.engine_target(Some(&token), "websocket", Some("a/&\r")),
            "/engine/?a=b&EIO=4&transport=websocket&sid=a%2F%26%0D&token=s%26t"
        );
    }

    #[test]
    fn a_user_name_and_password_are_kept_apart_and_shown_nowhere() {
        for (endpoint, _) in [
            Endpoint::parse("ws://me:s3cret@h/ws").unwrap(),
            Endpoint::parse_http("https://me:s3cret@h/").unwrap(),
            Endpoint::parse_socket_io("http://me:s3cret@h/").unwrap(),
        ] {
            assert_eq!(&*endpoint.basic().unwrap().password, "s3cret");
            assert!(
                !format!("{endpoint} {endpoint:?} {}", endpoint.authority()).contains("me"),
                "{endpoint}"
            );
        }
        let own = Endpoint::parse("wss://me:s3cret@h/ws").unwrap().0;
        assert!(own.successor("wss://h/next", &[]).unwrap().basic().is_some());
    }

    #[test]
    fn an_ipv6_host_loses_its_brackets() {
        let (endpoint, _) = Endpoint::parse("ws://[::1]:9/").unwrap();
        assert_eq!((endpoint.host(), endpoint.port()), ("::1", 9));
        assert!(endpoint.is_loopback());
    }
}
