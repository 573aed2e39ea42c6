//! Faults on purpose: what a network or a server does wrong, on request.
//!
//! A [`Fault`] is added through [`Faults`] (in process), `POST /faults` on the admin listener (JSON) or
//! `--fault KIND:k=v,…`. `user` limits any kind to that user's connections.
//!
//! | kind | what happens | `count` | other fields |
//! |---|---|---|---|
//! | `refuse` | the upgrade is answered with an HTTP status, 503 and 429 with `Retry-After: 1` | upgrades, default 1 | `code` 400–599, default 503 |
//! | `drop` | the TCP connection is cut without a close frame; what is queued is lost | strikes | |
//! | `freeze` | nothing is read or written for `ms`; then all goes on, unless the heartbeat or a full queue (4012) has ended it meanwhile | strikes | `ms`, default 10,000 |
//! | `half_open` | what either side sends disappears; with `way` `down` only what the server sends. TCP stays open until the peer ends it, also after the heartbeat has given up on the peer | strikes | `way` `both` or `down`, default `both` |
//! | `close` | what is queued is written, then a close frame | strikes | `code` 1000–4999, default 1011 |
//! | `garbage` | a text frame that is not JSON | strikes | `bytes`, its length, default 16 |
//! | `delay` | each frame toward the client waits `ms`; the order stays | connections, default all until cleared | `ms`, default 1,000 |
//! | `drip` | toward the client at most `bytes` bytes go out every `ms` | connections, default all until cleared | `bytes`, default 1; `ms`, default 100 |
//! | `duplicate` | the next text frames toward clients go out twice | frames, default 1 | |
//!
//! **Strikes** hit one connection each. With `count` there are exactly that many: open connections first, oldest
//! first, then connections to come, as soon as they are open. Without it every open connection is hit, or, if
//! there is none, the next one to come. `refuse` and the kinds that stay hit connections to come in the order
//! in which the faults were added; several may hit the same one.
//!
//! They hit feeds of server-sent events too, where `refuse` is the answer to the request, `close` ends the answer as if it
//! were complete, whatever the `code`, and `garbage` is an event whose data is not JSON.
//!
//! A pong is the WebSocket library's own answer to a ping: `delay` does not hold it, `drip` and the others do.
//! A fault never slows down anybody whom it does not hit.
//!
//! A Socket.IO session is hit like a WebSocket, with these differences. Whose it is, is known only after its CONNECT: a
//! `refuse` with a `user` cuts it there. `close` ends its transport, with the code if that is a WebSocket. While it
//! polls, `freeze`, `half_open` and `drip` do nothing to it, since each request has a connection of its own.

mod delay_queue;
mod registry;
mod state;
mod stream;

pub(crate) use delay_queue::DelayQueue;
pub(crate) use registry::FaultGuard;
pub use registry::Faults;
pub(crate) use state::FaultState;
pub(crate) use stream::FaultyStream;

use serde::{Deserialize, Serialize};
use std::str::FromStr;
use std::time::Duration;

/// Longest `ms`: ten minutes.
const MOST_MS: u64 = 600_000;

/// Most `bytes`.
const MOST_BYTES: usize = 64 << 10;

/// What goes wrong. See the [module](self) for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FaultKind {
    /// The upgrade is refused.
    Refuse,
    /// Frames toward the client are late.
    Delay,
    /// The connection is cut.
    Drop,
    /// The connection stands still for a while.
    Freeze,
    /// The connection is dead and nobody is told.
    HalfOpen,
    /// The server closes.
    Close,
    /// The server sends nonsense.
    Garbage,
    /// The server sends things twice.
    Duplicate,
    /// The server's bytes come slowly.
    Drip,
}

impl FaultKind {
    fn name(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Delay => "delay",
            Self::Drop => "drop",
            Self::Freeze => "freeze",
            Self::HalfOpen => "half_open",
            Self::Close => "close",
            Self::Garbage => "garbage",
            Self::Duplicate => "duplicate",
            Self::Drip => "drip",
        }
    }
}

/// Which way a half-open connection is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Direction {
    /// Both.
    Both,
    /// From the server to the client.
    Down,
}

/// One fault. See the [module](self) for what each field means for each kind.
///
/// ```
/// use rejoin_server::faults::{Fault, FaultKind};
///
/// let fault = Fault::new(FaultKind::Close).user("ada").code(1012);
/// assert_eq!("close:user=ada,code=1012".parse(), Ok(fault));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// Only for this user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// How often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// A time in milliseconds, at most 600,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
    /// An HTTP status or a close code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// A number of bytes, at most 65,536.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<usize>,
    /// Which way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way: Option<Direction>,
}

impl Fault {
    /// A fault of this kind with the defaults of the table.
    pub fn new(kind: FaultKind) -> Self {
        Self { kind, user: None, count: None, ms: None, code: None, bytes: None, way: None }
    }

    /// Only for this user.
    pub fn user(self, user: impl Into<String>) -> Self {
        Self { user: Some(user.into()), ..self }
    }

    /// This often.
    pub fn count(self, count: u32) -> Self {
        Self { count: Some(count), ..self }
    }

    /// For this long, in milliseconds.
    pub fn ms(self, ms: u64) -> Self {
        Self { ms: Some(ms), ..self }
    }

    /// With this HTTP status or close code.
    pub fn code(self, code: u16) -> Self {
        Self { code: Some(code), ..self }
    }

    /// With this many bytes.
    pub fn bytes(self, bytes: usize) -> Self {
        Self { bytes: Some(bytes), ..self }
    }

    /// In this direction.
    pub fn way(self, way: Direction) -> Self {
        Self { way: Some(way), ..self }
    }

    /// Whether every field given means something for the kind and lies in its range.
    pub fn check(&self) -> Result<(), FaultError> {
        use FaultKind as Kind;
        let kind = self.kind;
        let means = |given: bool, field, kinds: &[FaultKind]| {
            if given && !kinds.contains(&kind) {
                return Err(FaultError::Meaningless { kind: kind.name(), field });
            }
            Ok(())
        };
        means(self.ms.is_some(), "ms", &[Kind::Freeze, Kind::Delay, Kind::Drip])?;
        means(self.code.is_some(), "code", &[Kind::Refuse, Kind::Close])?;
        means(self.bytes.is_some(), "bytes", &[Kind::Garbage, Kind::Drip])?;
        means(self.way.is_some(), "way", &[Kind::HalfOpen])?;
        if self.count == Some(0) {
            return Err(FaultError::Range("count is at least 1"));
        }
        if self.ms.is_some_and(|ms| !(1..=MOST_MS).contains(&ms)) {
            return Err(FaultError::Range("ms lies between 1 and 600000"));
        }
        if self.bytes.is_some_and(|bytes| !(1..=MOST_BYTES).contains(&bytes)) {
            return Err(FaultError::Range("bytes lies between 1 and 65536"));
        }
        match (kind, self.code) {
            (Kind::Refuse, Some(code)) if !(400..=599).contains(&code) => {
                Err(FaultError::Range("code is an HTTP status between 400 and 599"))
            }
            // 1004-1006 and 1015 never go over the wire (RFC 6455 7.4.1).
            (Kind::Close, Some(code))
                if !(1000..=4999).contains(&code) || matches!(code, 1004..=1006 | 1015) =>
            {
                Err(FaultError::Range("code is a close code between 1000 and 4999 that may be sent"))
            }
            _ => Ok(()),
        }
    }

    fn duration(&self, default_ms: u64) -> Duration {
        Duration::from_millis(self.ms.unwrap_or(default_ms).min(MOST_MS))
    }

    fn concerns(&self, user: Option<&str>) -> bool {
        self.user.as_deref().is_none_or(|wanted| user == Some(wanted))
    }
}

/// Why a text or a JSON object is no fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FaultError {
    /// No such kind.
    #[error(
        "the kind of a fault is one of refuse, delay, drop, freeze, half_open, close, garbage, duplicate, drip"
    )]
    Kind,
    /// A part that is not `k=v` with a known key, or given twice, or whose value cannot be read.
    #[error(
        "in a fault, '{0}' is not one of user=, count=, ms=, code=, bytes=, way=both|down with a fitting value"
    )]
    Field(String),
    /// A field that means nothing for the kind.
    #[error("a {kind} fault has no {field}")]
    Meaningless {
        /// The kind.
        kind: &'static str,
        /// The field.
        field: &'static str,
    },
    /// A value out of its range.
    #[error("{0}")]
    Range(&'static str),
}

impl FromStr for Fault {
    type Err = FaultError;

    /// `KIND` or `KIND:k=v,…`, as on the command line.
    fn from_str(text: &str) -> Result<Self, FaultError> {
        use serde::de::IntoDeserializer as _;
        use serde::de::value::{Error, StrDeserializer};
        let (kind, fields) = text.split_once(':').unwrap_or((text, ""));
        let named: StrDeserializer<'_, Error> = kind.into_deserializer();
        let mut fault = Self::new(FaultKind::deserialize(named).map_err(|_| FaultError::Kind)?);
        for field in fields.split(',').filter(|field| !field.is_empty()) {
            let wrong = || FaultError::Field(field.chars().take(80).collect());
            let (key, value) = field.split_once('=').ok_or_else(wrong)?;
            let fresh = match key {
                "user" => fault.user.replace(String::from(value)).is_none(),
                "count" => fault.count.replace(value.parse().map_err(|_| wrong())?).is_none(),
                "ms" => fault.ms.replace(value.parse().map_err(|_| wrong())?).is_none(),
                "code" => fault.code.replace(value.parse().map_err(|_| wrong())?).is_none(),
                "bytes" => fault.bytes.replace(value.parse().map_err(|_| wrong())?).is_none(),
                "way" => {
                    let named: StrDeserializer<'_, Error> = value.into_deserializer();
                    fault.way.replace(Direction::deserialize(named).map_err(|_| wrong())?).is_none()
                }
                _ => false,
            };
            if !fresh {
                return Err(wrong());
            }
        }
        fault.check()?;
        Ok(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_and_json_mean_the_same() {
        for (text, json) in [
            ("drop", r#"{"kind":"drop"}"#),
            ("half_open:user=ada,way=down", r#"{"kind":"half_open","user":"ada","way":"down"}"#),
            ("freeze:ms=500,count=3", r#"{"kind":"freeze","count":3,"ms":500}"#),
            ("drip:bytes=2,ms=10", r#"{"kind":"drip","ms":10,"bytes":2}"#),
        ] {
            let fault: Fault = text.parse().unwrap();
            assert_eq!(fault, serde_json::from_str(json).unwrap());
            assert_eq!(serde_json::to_string(&fault).unwrap(), json);
        }
    }

    #[test]
    fn every_kind_is_written_as_it_is_read() {
        for kind in [
            FaultKind::Refuse,
            FaultKind::Delay,
            FaultKind::Drop,
            FaultKind::Freeze,
            FaultKind::HalfOpen,
            FaultKind::Close,
            FaultKind::Garbage,
            FaultKind::Duplicate,
            FaultKind::Drip,
        ] {
            assert_eq!(kind.name().parse(), Ok(Fault::new(kind)));
        }
    }

    #[test]
    fn a_bad_fault_is_refused_with_the_reason() {
        for (text, part) in [
            ("explode", "refuse, delay"),
            ("", "refuse, delay"),
            ("drop:soon", "'soon'"),
            ("drop:count=x", "'count=x'"),
            ("drop:count=1,count=2", "'count=2'"),
            ("drop:count=0", "at least 1"),
            ("drop:ms=5", "a drop fault has no ms"),
            ("close:code=1005", "close code"),
            ("close:code=99999", "'code=99999'"),
            ("refuse:code=200", "HTTP status"),
            ("freeze:ms=0", "between 1 and"),
            ("garbage:bytes=70000", "65536"),
            ("half_open:way=up", "'way=up'"),
        ] {
            let error = text.parse::<Fault>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(serde_json::from_str::<Fault>(r#"{"kind":"drop","when":1}"#).is_err());
    }
}
