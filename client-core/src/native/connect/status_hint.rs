//! Hints for HTTP statuses: the probable cause, and what to do about it. Does no I/O.

use hyper::StatusCode;
use hyper::header::{self, HeaderMap};

/// Words that continue "the server answered HTTP 502 Bad Gateway"; nothing where the status says all there is.
/// `may_want_tls`: the connection has none, and nothing speaks against it that the server wants it.
pub(super) fn status_hint(status: StatusCode, headers: &HeaderMap, may_want_tls: bool) -> &'static str {
    match status.as_u16() {
        400 if may_want_tls => ": if it speaks TLS on this port, use wss:// or https://",
        401 if wants_password(headers) => {
            ": it wants a user and a password (Basic), as proxies do that have accounts of their own: put \
             USER:PASSWORD@ before the URL's host"
        }
        403 => ": if it checks where pages come from, send the Origin header that it expects",
        407 => ": the proxy wants a user and a password",
        413 | 414 | 431 => ": the request is too large for it: shorten the token, the cookies or the headers",
        426 => {
            ": the upgrade did not reach it: a proxy on the way must pass the headers Upgrade and Connection on"
        }
        429 => ": too many attempts",
        502 | 504 => ": a proxy answers, and the server behind it does not: check that it runs",
        503 => ": it is busy or restarting",
        _ => "",
    }
}

/// Whether `WWW-Authenticate` offers the scheme Basic.
pub(super) fn wants_password(headers: &HeaderMap) -> bool {
    let mut schemes =
        headers.get_all(header::WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    schemes.any(|value| value.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("basic")))
}

/// Whether bytes are the beginning of a TLS record that a server sends first: an alert, or its part of a handshake.
pub(super) fn is_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [0x15 | 0x16, 0x03, 0x00..=0x04, ..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn of(status: u16, may_want_tls: bool) -> &'static str {
        status_hint(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), may_want_tls)
    }

    #[test]
    fn each_status_that_a_proxy_answers_with_says_what_to_look_at() {
        for (status, expected) in [
            (426, "pass the headers Upgrade and Connection on"),
            (502, "server behind it does not"),
            (504, "server behind it does not"),
            (503, "busy"),
            (429, "too many"),
            (413, "too large"),
            (431, "too large"),
            (403, "Origin"),
        ] {
            assert!(of(status, true).contains(expected), "{status}: {}", of(status, true));
        }
        assert_eq!(of(418, true), "");
    }

    #[test]
    fn a_bad_request_may_be_one_without_tls_and_is_not_with_it() {
        assert!(of(400, true).contains("wss://"));
        assert_eq!(of(400, false), "");
    }

    #[test]
    fn a_login_that_is_not_the_tokens_is_told_from_it() {
        let with = |value: &'static str| {
            let headers = HeaderMap::from_iter([(header::WWW_AUTHENTICATE, HeaderValue::from_static(value))]);
            status_hint(StatusCode::UNAUTHORIZED, &headers, false)
        };
        assert!(with("basic realm=\"proxy\"").contains("USER:PASSWORD@"));
        assert_eq!((with("Bearer"), with("Bas")), ("", ""));
    }

    #[test]
    fn an_answer_in_tls_is_known_by_its_first_bytes() {
        assert!(is_tls(b"\x15\x03\x03\0\x02\x02\x46") && is_tls(b"\x15\x03\x01"));
        assert!(!is_tls(b"HTTP/1.1 400") && !is_tls(b"SSH-2.0") && !is_tls(b"\x15\x03") && !is_tls(b""));
    }
}
