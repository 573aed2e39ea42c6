//! The WebSocket handshake (RFC 6455 §4): builds the request and validates the response. Does no I/O.

use crate::cause::{DialError, DialErrorKind, Remedy};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// What an answer is compared with.
#[derive(Debug)]
pub(super) struct Offer {
    /// The value that `Sec-WebSocket-Accept` must have.
    accept: String,
    /// The subprotocols offered.
    subprotocols: Vec<Box<str>>,
}

impl Offer {
    /// Writes the fields of an upgrade request.
    pub(super) fn write(subprotocols: &[Box<str>], headers: &mut HeaderMap) -> Result<Self, DialError> {
        let key = generate_key();
        let accept = derive_accept_key(key.as_bytes());
        let value = |text: String| {
            HeaderValue::try_from(text).map_err(|_| not_websocket("a subprotocol's name is not one"))
        };
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        headers.insert(header::SEC_WEBSOCKET_KEY, value(key)?);
        if !subprotocols.is_empty() {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, value(subprotocols.join(", "))?);
        }
        Ok(Self { accept, subprotocols: subprotocols.to_vec() })
    }

    /// Whether an answer with status 101 accepts what was offered (RFC 6455 §4.1).
    pub(super) fn verify<B>(&self, response: &Response<B>) -> Result<(), DialError> {
        let headers = response.headers();
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(not_websocket("the answer is no WebSocket upgrade"));
        }
        if !has_token(headers, header::UPGRADE, "websocket") {
            return Err(not_websocket("the answer upgrades to something other than a WebSocket"));
        }
        if !has_token(headers, header::CONNECTION, "upgrade") {
            return Err(not_websocket(
                "the answer is no WebSocket upgrade: its Connection field does not say so",
            ));
        }
        let accepts: Vec<&HeaderValue> = headers.get_all(header::SEC_WEBSOCKET_ACCEPT).iter().collect();
        if !matches!(accepts[..], [accept] if trimmed(accept) == self.accept.as_bytes()) {
            let text = "the answer does not belong to this request (Sec-WebSocket-Accept): a cache or a proxy on the \
                        way may have given it";
            return Err(not_websocket(text));
        }
        // None is offered.
        if tokens(headers, header::SEC_WEBSOCKET_EXTENSIONS).next().is_some() {
            return Err(not_websocket("the server uses a WebSocket extension that was not offered"));
        }
        self.verify_subprotocol(headers)
    }

    /// The server chooses one of those offered, and chooses none where none was. A browser gives a connection up too
    /// when the server chooses none of those offered.
    fn verify_subprotocol(&self, headers: &HeaderMap) -> Result<(), DialError> {
        let chosen: Vec<&HeaderValue> = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().collect();
        let is_offered = |value: &HeaderValue| {
            self.subprotocols.iter().any(|offered| offered.as_bytes() == trimmed(value))
        };
        match chosen[..] {
            [] if self.subprotocols.is_empty() => Ok(()),
            [] => {
                let text = format!(
                    "the server speaks none of the subprotocols offered: {}",
                    self.subprotocols.join(", ")
                );
                Err(not_websocket(text).with_remedy(Remedy::InMessage))
            }
            [value] if is_offered(value) => Ok(()),
            _ => Err(not_websocket("the server chose a subprotocol that was not offered")),
        }
    }
}

fn not_websocket(text: impl Into<Box<str>>) -> DialError {
    DialError::new(DialErrorKind::NotWebSocket, text)
}

fn trimmed(value: &HeaderValue) -> &[u8] {
    value.as_bytes().trim_ascii()
}

/// The members of a field that is a list, which may be spread over several lines (RFC 9110 §5.6.1).
fn tokens(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    let lines = headers.get_all(name).into_iter();
    lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|token| !token.is_empty())
}

/// Whether a list has a member, in any case.
fn has_token(headers: &HeaderMap, name: HeaderName, wanted: &str) -> bool {
    tokens(headers, name).any(|token| token.eq_ignore_ascii_case(wanted.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an answer with these fields is refused for, beside the right `Sec-WebSocket-Accept`.
    fn refused(subprotocols: &[&str], fields: &[(&str, &str)]) -> Option<String> {
        let subprotocols: Vec<Box<str>> = subprotocols.iter().map(|name| (*name).into()).collect();
        let offer = Offer::write(&subprotocols, &mut HeaderMap::new()).unwrap();
        let mut response = Response::builder().status(101).header("Sec-WebSocket-Accept", &offer.accept);
        for (name, value) in fields {
            response = response.header(*name, *value);
        }
        offer.verify(&response.body(()).unwrap()).err().map(|error| error.text.into())
    }

    #[test]
    fn connection_and_upgrade_are_lists_in_any_case_and_order() {
        for (connection, upgrade) in [
            ("Upgrade", "websocket"),
            ("keep-alive, Upgrade", "WebSocket"),
            ("upgrade , close", "h2c,WEBSOCKET"),
            (",UPGRADE,", "websocket"),
        ] {
            assert_eq!(refused(&[], &[("Connection", connection), ("Upgrade", upgrade)]), None);
        }
        let spread = [("Connection", "keep-alive"), ("Connection", "Upgrade"), ("Upgrade", "websocket")];
        assert_eq!(refused(&[], &spread), None);
    }

    #[test]
    fn an_answer_that_is_no_upgrade_is_refused() {
        for fields in [
            &[("Connection", "Upgrade")][..],
            &[("Upgrade", "websocket")],
            &[("Connection", "keep-alive"), ("Upgrade", "websocket")],
            &[("Connection", "upgrades"), ("Upgrade", "websocket")],
            &[("Connection", "Upgrade"), ("Upgrade", "h2c")],
            &[("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Accept", "another")],
            &[
                ("Connection", "Upgrade"),
                ("Upgrade", "websocket"),
                ("Sec-WebSocket-Extensions", "permessage-deflate"),
            ],
        ] {
            assert!(refused(&[], fields).is_some(), "{fields:?}");
        }
    }

    #[test]
    fn the_server_chooses_one_of_the_subprotocols_offered() {
        let with = |name: &'static str| {
            [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Protocol", name)]
        };
        assert_eq!(refused(&["chat", "v2.chat"], &with("v2.chat")), None);
        assert!(refused(&["chat"], &with("Chat")).is_some());
        assert!(refused(&["chat", "b"], &with("chat, b")).is_some());
        assert!(refused(&[], &with("chat")).is_some());
        let none = refused(&["chat"], &[("Connection", "Upgrade"), ("Upgrade", "websocket")]).unwrap();
        assert!(none.contains("chat"), "{none}");
    }
}
