//! Causes of disconnects and failed dials: what a driver reports, and what an application receives. Decides nothing.

use crate::name::is_invisible;
use alloc::boxed::Box;
use core::fmt::{self, Write as _};
use core::time::Duration;

/// The close code sent to a server that does not answer.
pub const DEAD_PEER: u16 = 4900;

/// How an open connection ended, as the driver saw it.
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disconnect {
    /// The server sent a close frame.
    Closed {
        /// Its code; 1005 if it had none (RFC 6455 §7.1.5).
        code: u16,
        /// Its reason, at most 123 bytes on the wire. Hostile text.
        reason: Box<str>,
    },
    /// The transport ended without a close frame (1006).
    Lost,
    /// The server broke the WebSocket protocol (1002).
    Protocol,
    /// A frame was larger than this client accepts (1009, found on our side): its size and the limit, where they are known.
    TooLarge(Box<str>),
    /// The server ended a stream of events as HTTP ends an answer.
    Ended,
}

/// Why a dial failed.
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}{}", Detail(text))]
#[non_exhaustive]
pub struct DialError {
    /// The kind, which decides what happens next.
    pub kind: DialErrorKind,
    /// What the server requested with `Retry-After`.
    pub retry_after: Option<Duration>,
    /// The error's text, without the token. Hostile text where a server had a part in it.
    pub text: Box<str>,
    /// What is known of a way out beside what `kind` lets one guess.
    #[cfg(feature = "native")]
    pub remedy: Option<Remedy>,
    /// Socket.IO: the server has said that it does not take the transport that was dialled.
    #[cfg(feature = "socketio")]
    pub refuses_transport: bool,
}

/// What to do about a failed dial, where that is known.
#[cfg(feature = "native")]
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// The text of the error or the cause contains it.
    InMessage,
    /// A Socket.IO server answers at the address: its protocol is the one to use.
    SocketIo,
}

impl DialError {
    /// An error of `kind` with its text.
    pub fn new(kind: DialErrorKind, text: impl Into<Box<str>>) -> Self {
        Self {
            kind,
            retry_after: None,
            text: text.into(),
            #[cfg(feature = "native")]
            remedy: None,
            #[cfg(feature = "socketio")]
            refuses_transport: false,
        }
    }

    /// The same, of a server that does not take the transport that was dialled.
    #[cfg(feature = "socketio")]
    pub fn refusing_transport(self) -> Self {
        Self { refuses_transport: true, ..self }
    }

    /// The same, with what is to be done about it.
    #[cfg(feature = "native")]
    pub fn with_remedy(self, remedy: Remedy) -> Self {
        Self { remedy: Some(remedy), ..self }
    }

    /// The same, with what the server requested with `Retry-After`.
    pub fn with_retry_after(self, retry_after: Option<Duration>) -> Self {
        Self { retry_after, ..self }
    }
}

/// The kinds of failed dial; [`Display`](fmt::Display) is a short description of each.
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DialErrorKind {
    /// The host's name did not resolve.
    Dns,
    /// Nothing listens there.
    Refused,
    /// No route, a reset, or another transport error before the upgrade.
    Unreachable,
    /// The whole dial took longer than its deadline.
    Timeout,
    /// The certificate did not verify.
    Certificate,
    /// TLS failed for another reason.
    Tls,
    /// The server answered the upgrade with this HTTP status.
    Http(u16),
    /// The answer was no WebSocket upgrade: HTTP 200, HTML, or not HTTP at all.
    NotWebSocket,
    /// The answer to a request for a stream of events was none: HTML, another type, or not HTTP at all.
    NotEventStream,
    /// The proxy refused.
    Proxy,
    /// The application's own function made no header fields for the request.
    Headers,
}

impl fmt::Display for DialErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dns => "the host's name does not resolve",
            Self::Refused => "nothing listens at the address",
            Self::Unreachable => "the server cannot be reached",
            Self::Timeout => "no answer in time",
            Self::Certificate => "the certificate does not verify",
            Self::Tls => "TLS failed",
            Self::Http(status) => return write!(f, "the server answered with HTTP status {status}"),
            Self::NotWebSocket => "the answer is no WebSocket upgrade",
            Self::NotEventStream => "the answer is no event stream",
            Self::Proxy => "the proxy refused",
            Self::Headers => "the headers for the request could not be made",
        })
    }
}

/// The code of a [`Cause`]: stable, for programs; [`CauseCode::as_str`] is what `pipe` and logs print, and
/// [`Display`](fmt::Display) is a short description for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CauseCode {
    /// The application asked: to close, or to connect at once, also while the next attempt is waited for.
    Requested,
    /// The server closed the connection with this code.
    Closed(u16),
    /// The connection broke without a close frame.
    ConnectionLost,
    /// The server ended the stream of events.
    StreamEnded,
    /// The server did not answer a ping: the connection was closed with 4900. A stream of events was silent for too
    /// long.
    DeadPeer,
    /// The server answers pings, but not the sends it has been given.
    Unanswered,
    /// The network changed or the machine slept, and the connection did not survive it.
    NetworkChanged,
    /// The server sent what WebSocket forbids.
    ProtocolError,
    /// A frame was larger than this client accepts.
    FrameTooLarge,
    /// The dial failed.
    Dial(DialErrorKind),
    /// The server rejected the token with this close code or HTTP status, and there is no other to be had.
    Unauthorized(u16),
    /// Socket.IO: the server has no such namespace.
    UnknownNamespace,
    /// The server uses another version of the protocol.
    Incompatible,
    /// The token source failed or did not answer in time.
    TokenUnavailable,
    /// `maxAttempts` or `maxElapsed` is used up.
    GaveUp,
}

impl CauseCode {
    /// The code as text, in snake case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Closed(1000) => "server_closed",
            Self::Closed(_) => "closed",
            Self::ConnectionLost => "connection_lost",
            Self::StreamEnded => "stream_ended",
            Self::DeadPeer => "dead_peer",
            Self::Unanswered => "unanswered",
            Self::NetworkChanged => "network_changed",
            Self::ProtocolError => "protocol_error",
            Self::FrameTooLarge => "frame_too_large",
            Self::Dial(kind) => match kind {
                DialErrorKind::Dns => "dns",
                DialErrorKind::Refused => "refused",
                DialErrorKind::Unreachable => "unreachable",
                DialErrorKind::Timeout => "dial_timeout",
                DialErrorKind::Certificate => "certificate",
                DialErrorKind::Tls => "tls",
                DialErrorKind::Http(_) => "http",
                DialErrorKind::NotWebSocket => "not_websocket",
                DialErrorKind::NotEventStream => "not_event_stream",
                DialErrorKind::Proxy => "proxy",
                DialErrorKind::Headers => "headers",
            },
            Self::Unauthorized(_) => "unauthorized",
            Self::UnknownNamespace => "unknown_namespace",
            Self::Incompatible => "incompatible",
            Self::TokenUnavailable => "token_unavailable",
            Self::GaveUp => "gave_up",
        }
    }

    /// The number that came with it, if one did: a close code or an HTTP status.
    pub fn number(self) -> Option<u16> {
        match self {
            Self::Closed(code) | Self::Unauthorized(code) | Self::Dial(DialErrorKind::Http(code)) => {
                Some(code)
            }
            Self::ConnectionLost => Some(1006),
            Self::DeadPeer => Some(DEAD_PEER),
            Self::ProtocolError => Some(1002),
            Self::FrameTooLarge => Some(1009),
            _ => None,
        }
    }
}

impl fmt::Display for CauseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Requested => "the application asked for it",
            Self::Closed(1000) => "the server closed the connection",
            // No codes that are ever sent: they stand for none (RFC 6455 §7.4.1).
            Self::Closed(1005 | 1006) => "the server closed the connection without a reason",
            Self::Closed(1001) => "the server is going away",
            Self::Closed(1012 | 4010) => "the server is restarting",
            Self::Closed(4403) => "the server does not allow this connection (4403)",
            Self::Closed(1013 | 4008 | 4011 | 4429) => "the server is overloaded",
            Self::Closed(4002) => "the token has expired",
            Self::Closed(code) => return write!(f, "the server closed the connection ({code})"),
            Self::ConnectionLost => "connection lost",
            Self::StreamEnded => "the server ended the stream",
            Self::DeadPeer | Self::Unanswered => "the server does not answer",
            Self::NetworkChanged => "the network changed",
            Self::ProtocolError => "the server broke the WebSocket protocol",
            Self::FrameTooLarge => "the server sent a frame that is too large",
            Self::Dial(kind) => return write!(f, "cannot connect: {kind}"),
            // HTTP's 403 is as often about the Host, the Origin or the address as about the token.
            Self::Unauthorized(403) => "the server refused the connection",
            Self::Unauthorized(_) => "the server refused the token",
            Self::UnknownNamespace => "the server has no such namespace",
            Self::Incompatible => "the server speaks another version of the protocol",
            Self::TokenUnavailable => "no token",
            Self::GaveUp => "gave up after the last attempt allowed",
        })
    }
}

/// Why the state changed. Every change has one; "disconnected" without a reason does not exist here.
///
/// [`Display`](fmt::Display) is one line, the server's message in it at most 300 characters long and without
/// control characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}{}", Detail(text))]
#[non_exhaustive]
pub struct Cause {
    /// What happened.
    pub code: CauseCode,
    /// The detail: a close reason or an error's text. Hostile where a server had a part in it.
    pub text: Box<str>,
    /// Socket.IO: the `data` of the error with which the server's middleware refused, as JSON. Hostile text.
    pub data: Option<Box<str>>,
    /// This connection and the one before it broke after the same time without traffic, about this long: an idle timeout
    /// on the way, a proxy's most likely.
    #[cfg(feature = "native")]
    pub idle_timeout: Option<Duration>,
    /// Of a failed dial: what is known of a way out beside what `code` lets one guess.
    #[cfg(feature = "native")]
    pub remedy: Option<Remedy>,
    /// Of [`CauseCode::GaveUp`]: why the last attempt failed.
    pub last: Option<CauseCode>,
    /// Whether the machine continues trying by itself.
    pub will_retry: bool,
}

impl Cause {
    /// A cause after which the machine continues trying.
    pub fn new(code: CauseCode, text: impl Into<Box<str>>) -> Self {
        Self {
            code,
            text: text.into(),
            data: None,
            #[cfg(feature = "native")]
            idle_timeout: None,
            #[cfg(feature = "native")]
            remedy: None,
            last: None,
            will_retry: true,
        }
    }

    /// The same, after which the machine does not continue by itself.
    pub fn without_retry(self) -> Self {
        Self { will_retry: false, ..self }
    }

    /// The end of the attempts, the last of which failed for this.
    pub(crate) fn give_up(self) -> Self {
        Self { code: CauseCode::GaveUp, last: Some(self.code), ..self }
    }

    /// The same, with the `data` of a refusal.
    pub fn with_data(self, data: Option<Box<str>>) -> Self {
        Self { data, ..self }
    }

    /// The same, with what is to be done about it.
    #[cfg(feature = "native")]
    pub fn with_remedy(self, remedy: Option<Remedy>) -> Self {
        Self { remedy, ..self }
    }

    pub(crate) fn bare(code: CauseCode) -> Self {
        Self::new(code, "")
    }
}

/// Maximum characters of a text that is shown.
const SHOWN_CHARS: usize = 300;

/// A detail after a message, shown on one line: bounded, and what would act on a terminal is escaped.
struct Detail<'a>(&'a str);

impl fmt::Display for Detail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        f.write_str(": ")?;
        for c in self.0.chars().take(SHOWN_CHARS) {
            if c.is_control() || is_invisible(c) {
                write!(f, "{}", c.escape_unicode())?;
            } else {
                f.write_char(c)?;
            }
        }
        if self.0.chars().nth(SHOWN_CHARS).is_some() { f.write_str("…") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString as _;

    #[test]
    fn a_cause_is_told_in_words_and_with_the_servers_made_harmless_and_short() {
        let told = |code, text: &str| Cause::new(code, text).to_string();
        assert_eq!(
            told(CauseCode::Unauthorized(4001), "no guests"),
            "the server refused the token: no guests"
        );
        assert_eq!(told(CauseCode::ConnectionLost, ""), "connection lost");
        assert_eq!(told(CauseCode::Closed(1005), ""), "the server closed the connection without a reason");
        assert_eq!(
            told(CauseCode::Closed(4400), "\u{1b}]0;x\n"),
            "the server closed the connection (4400): \\u{1b}]0;x\\u{a}"
        );
        assert!(told(CauseCode::GaveUp, &"x".repeat(10_000)).chars().count() < 350);
        let refused = DialError::new(DialErrorKind::Refused, "127.0.0.1:1");
        assert_eq!(refused.to_string(), "nothing listens at the address: 127.0.0.1:1");
    }
}
