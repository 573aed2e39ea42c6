//! Resolves the options of requests to a server from command line, environment and profile: token location, header fields, client
//! certificate. Values never appear in an error.

use crate::args::{Protocol, RequestArgs, TokenIn, TransportsName};
use crate::error::Failure;
use crate::files;
use crate::profile::Profile;
use crate::sanitise;
use clap::ValueEnum as _;
use rejoin::{BuildError, EventStreams, HeaderError, Headers, TlsError, TokenLocation};
use std::path::Path;

impl From<TokenIn> for TokenLocation {
    fn from(place: TokenIn) -> Self {
        match place {
            TokenIn::Header => Self::Header,
            TokenIn::Query => Self::Query,
            TokenIn::Message => Self::Message,
        }
    }
}

/// Where the token goes, if anybody says so. `in_url`: the URL has one, which stays there unless the command line
/// itself wants it elsewhere.
pub(crate) fn token_location(
    flag: Option<TokenIn>,
    variable: Option<&str>,
    profile: Option<TokenIn>,
    in_url: bool,
) -> Result<Option<TokenLocation>, Failure> {
    let variable = variable.map(|text| {
        TokenIn::from_str(text, true).map_err(|_| {
            let shown = sanitise::name(text, 40);
            Failure::usage(
                "token_in",
                format!("REJOIN_TOKEN_IN is \"{shown}\": it must be header, query or message"),
            )
        })
    });
    let variable = variable.transpose()?;
    let elsewhere = variable.or(profile).filter(|_| !in_url);
    Ok(flag.or(elsewhere).map(TokenLocation::from))
}

/// What `--transports` means for a room server.
pub(crate) fn event_streams(
    transports: Option<TransportsName>,
    protocol: Protocol,
) -> Result<EventStreams, Failure> {
    if protocol == Protocol::Plain && transports == Some(TransportsName::Sse) {
        return Err(Failure::usage(
            "transports",
            "a plain server has no server-sent events to read rooms by",
        )
        .hint("leave out --protocol plain, or use tail --sse with the http:// address of a stream"));
    }
    transports.map_or(Some(EventStreams::Auto), TransportsName::of_room_server).ok_or_else(|| {
        Failure::usage("transports", "long polling is for Socket.IO only")
            .hint("use auto, websocket or sse, or add --protocol socketio")
    })
}

/// The header fields: those of the command line, and of the profile those that the command line does not name.
pub(crate) fn headers(arguments: &RequestArgs, profile: &Profile) -> Result<Headers, Failure> {
    let mut headers = Headers::new();
    let mut given = Vec::new();
    for text in &arguments.headers {
        let Some((name, value)) = text.split_once(':') else {
            return Err(Failure::usage("header", "a --header has no colon")
                .hint("write it as --header 'Name: value', with the quotes"));
        };
        let (name, value) = (name.trim(), value.trim());
        if value.is_empty() {
            return Err(Failure::usage("header", "a --header has no value")
                .hint("write it as --header 'Name: value', with the quotes"));
        }
        headers.add(name, value).map_err(|error| bad_header(&error))?;
        given.push(name.to_ascii_lowercase());
    }
    for (name, value) in &profile.headers {
        if !given.contains(&name.to_ascii_lowercase()) {
            headers.add(name, value).map_err(|error| bad_header(&error))?;
        }
    }
    Ok(headers)
}

pub(crate) fn bad_header(error: &HeaderError) -> Failure {
    let failure = Failure::usage("header", error.to_string());
    match error {
        HeaderError::Reserved { name } if &**name == "sec-websocket-protocol" => {
            failure.hint("give the subprotocol with --subprotocol")
        }
        _ => failure,
    }
}

/// The certificate authority to trust too, PEM.
pub(crate) fn ca(path: &Path) -> Result<Vec<u8>, Failure> {
    read("ca", "the CA file", path)
}

/// A client certificate with its chain, and its key; both PEM.
#[derive(Clone)]
pub(crate) struct ClientCertificate {
    pub(crate) chain: Vec<u8>,
    pub(crate) key: Vec<u8>,
}

/// The client certificate and its key, which may be in one file.
pub(crate) fn client_certificate(
    arguments: &RequestArgs,
    profile: &Profile,
) -> Result<Option<ClientCertificate>, Failure> {
    let (cert, key) = match &arguments.cert {
        Some(cert) => (cert, arguments.key.as_ref()),
        None => match &profile.cert {
            Some(cert) => (cert, profile.key.as_ref()),
            None => return Ok(None),
        },
    };
    let chain = read("cert", "the client certificate", cert)?;
    let has_key = chain.windows(KEY_MARK.len()).any(|part| part == KEY_MARK);
    if key.is_none() && !has_key {
        let failure = Failure::usage("cert", format!("there is no key in {}", cert.display()));
        return Err(failure.hint("add --key FILE, with the key of this certificate"));
    }
    let key = read("key", "the key of the client certificate", key.unwrap_or(cert))?;
    Ok(Some(ClientCertificate { chain, key }))
}

/// Stands in the first line of each kind of private key.
const KEY_MARK: &[u8] = b"PRIVATE KEY-----";

fn read(code: &'static str, what: &str, path: &Path) -> Result<Vec<u8>, Failure> {
    files::read(path, files::MOST)
        .map_err(|error| Failure::usage(code, format!("cannot read {what} {}: {error}", path.display())))
}

/// What is wrong with the options of a connection.
pub(crate) fn build_failure(error: &BuildError) -> Failure {
    let code = match error {
        BuildError::Url(_) => "url",
        BuildError::Room { .. } => "room",
        BuildError::Tls(TlsError::ClientCertificate(_)) => "cert",
        BuildError::Tls(_) => "ca",
        BuildError::State(_) => "state",
        BuildError::Header(_) => "header",
        BuildError::Authorization => "token_in",
        BuildError::Subprotocol => "subprotocol",
        BuildError::Recording(_) => "record",
        BuildError::ConnectTimeout(_) => "connect_timeout",
        _ => "internal",
    };
    let failure = Failure::usage(code, error.to_string());
    match error {
        BuildError::Authorization => failure.hint("add --token-in query"),
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Arguments, Command};
    use clap::Parser as _;

    #[test]
    fn a_token_in_the_url_stays_there_unless_the_command_line_says_otherwise() {
        let (header, query) = (Some(TokenIn::Header), Some(TokenIn::Query));
        let chosen =
            |flag, variable, profile, in_url| token_location(flag, variable, profile, in_url).unwrap();
        assert_eq!(chosen(header, Some("query"), query, true), Some(TokenLocation::Header));
        assert_eq!(chosen(None, Some("header"), header, true), None);
        assert_eq!(chosen(None, Some("header"), query, false), Some(TokenLocation::Header));
        assert_eq!(chosen(None, None, query, false), Some(TokenLocation::Query));
        assert_eq!(chosen(None, None, None, false), None);
        assert_eq!(token_location(None, Some("cookie"), None, false).unwrap_err().code, "token_in");
    }

    fn given(words: &[&str], profile: &Profile) -> Result<String, Failure> {
        let all = ["rejoin", "pipe", "ws://h/"].iter().chain(words);
        let Some(Command::Pipe(arguments)) = Arguments::try_parse_from(all).unwrap().command else {
            panic!()
        };
        headers(&arguments.connection.request, profile).map(|headers| format!("{headers:?}"))
    }

    #[test]
    fn the_command_lines_headers_replace_the_profiles_of_the_same_name() {
        let headers = [("X-Key".to_owned(), "p".to_owned()), ("Y".to_owned(), "p".to_owned())].into();
        let profile = Profile { headers, ..Profile::default() };
        let found = given(&["--header", "x-key: 1", "--header=Cookie:a=b; c=d"], &profile).unwrap();
        assert_eq!(found, r#"Headers(["x-key", "cookie", "y"])"#);
    }

    #[test]
    fn a_header_that_is_none_is_refused_without_its_value() {
        let none = Profile::default();
        for words in ["s3cret", "X:", "X Y: s3cret", "X: s3cret\n", "Connection: s3cret", ": s3cret"] {
            match given(&["--header", words], &none) {
                Ok(found) => assert_eq!(words.trim(), "X: s3cret", "{found}"),
                Err(failure) => {
                    assert_eq!((failure.exit.code(), failure.code), (2, "header"));
                    assert!(!failure.render().contains("s3cret"), "{}", failure.render());
                }
            }
        }
        let failure = given(&["--header", "Sec-WebSocket-Protocol: chat"], &none).unwrap_err();
        assert!(failure.render().contains("--subprotocol"), "{}", failure.render());
    }
}
