//! The URL and the rooms as they were given on the command line or in a profile: reads them, and says what is wrong with
//! one that is none.

use crate::args::Protocol;
use crate::error::{Failure, without_secrets};
use crate::sanitise;
use crate::suggested_options::quoted;
use rejoin::{Endpoint, EndpointError, Token, check_room_name};

/// Columns of a quoted value in an error.
const QUOTED: usize = 40;

/// Whether it is something to say, or a word, and nothing like a URL: so it has no token in it either.
pub(super) fn is_text(given: &str) -> bool {
    !given.trim().is_empty() && !given.contains([':', '/', '?', '=', '&', '@', '#', '.', '[', '%'])
}

/// Whether it may be a URL: it has a scheme, and no space. A text with a link in it is none.
pub(crate) fn is_like_url(given: &str) -> bool {
    given.contains("://") && !given.trim().contains(char::is_whitespace)
}

/// Whether it is `HOST:PORT`, and a path perhaps: all that a URL wants but its scheme. What has a token or a password is not.
fn is_host_and_port(given: &str) -> bool {
    let address = given.trim();
    let (host, rest) = address.split_once(':').unwrap_or_default();
    let (port, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    !host.is_empty()
        && host.chars().all(is_host)
        && port.parse::<u16>().is_ok()
        && !path.starts_with("//")
        && !path.contains(['?', '#', '@'])
}

/// Whether it is a host's name with a dot in it, and a path perhaps, as [`is_host_and_port`] without the port.
fn is_host_name(given: &str) -> bool {
    let address = given.trim();
    let (host, path) = address.split_at(address.find('/').unwrap_or(address.len()));
    host.contains('.') && !host.contains(':') && is_host_and_port(&format!("{host}:1{path}"))
}

/// A text stands where a URL is expected.
pub(super) fn no_url(text: &str) -> Failure {
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
            _ if is_host_and_port(text) => {
                let secure = if protocol == Protocol::SocketIo { "http" } else { "ws" };
                failure
                    .hint(format!("give {}", quoted(&format!("{secure}://{}", sanitise::line(text.trim())))))
            }
            EndpointError::Malformed(_) if is_host_name(text) => {
                let secure = if protocol == Protocol::SocketIo { "https" } else { "wss" };
                let host = sanitise::line(text.trim());
                Failure::usage("url", format!("no URL: \"{host}\" has no {secure}:// before it"))
                    .hint(format!("give {}", quoted(&format!("{secure}://{host}"))))
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
    fn a_host_without_a_scheme_is_answered_with_the_url_to_try() {
        for (text, protocol, wanted) in [
            ("chat.example.com", Protocol::Auto, "wss://chat.example.com"),
            ("chat.example.com/ws", Protocol::Plain, "wss://chat.example.com/ws"),
            ("chat.example.com", Protocol::SocketIo, "https://chat.example.com"),
        ] {
            let told = parse_url(text, protocol).unwrap_err().render();
            assert!(told.contains(&format!("give {wanted}")) && !told.contains("relative"), "{told}");
        }
        for secret in ["h.example/?token=s3cret", "ada:s3cret@h.example"] {
            assert!(!parse_url(secret, Protocol::Auto).unwrap_err().render().contains("s3cret"));
        }
    }

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
    fn an_address_without_a_scheme_is_refused_with_the_url_to_try() {
        for (text, protocol, url) in [
            ("localhost:8080", Protocol::Auto, "give ws://localhost:8080\n"),
            ("chat.example:8080/ws", Protocol::Plain, "give ws://chat.example:8080/ws\n"),
            ("127.0.0.1:3000", Protocol::SocketIo, "give http://127.0.0.1:3000\n"),
        ] {
            let failure = parse_url(text, protocol).unwrap_err().render();
            assert!(failure.contains(url), "{failure}");
        }
        let failure = parse_url("h:1?token=s3cret", Protocol::Auto).unwrap_err().render();
        assert!(!failure.contains("s3cret"), "{failure}");
    }

    #[test]
    fn a_room_name_that_is_none_is_quoted_harmlessly() {
        let failure = check_room("a\u{1b}[2J").unwrap_err();
        assert_eq!(failure.code, "room");
        assert!(!failure.render().contains('\u{1b}'));
    }
}
