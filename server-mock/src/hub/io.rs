//! What goes into the hub and what comes out of it.

use rejoin::Name;
use std::fmt;
use std::ops::Deref;
use std::time::Duration;
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// A connection, numbered by whoever feeds the hub. A number may be used again once the hub has forgotten it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// One encoded frame, shared by everybody it goes to: a clone costs a counter.
#[derive(Clone, PartialEq, Eq)]
pub struct Text(Utf8Bytes);

impl Text {
    /// The frame's text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub(crate) fn into_bytes(self) -> Utf8Bytes {
        self.0
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl Deref for Text {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Text {
    /// Only the length: a frame holds what people wrote, and that stays out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({} bytes)", self.0.len())
    }
}

/// What happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Input<'a> {
    /// An authenticated connection opened.
    Connected {
        /// Its number, not in use.
        conn: ConnId,
        /// Whose it is.
        user: Name,
    },
    /// A text frame came in.
    Frame {
        /// From where.
        conn: ConnId,
        /// Its text.
        text: &'a str,
    },
    /// A pong, or any other inbound frame that is not text: a sign of life.
    Heard {
        /// From where.
        conn: ConnId,
    },
    /// The connection is gone, for whatever reason.
    Disconnected {
        /// Which one.
        conn: ConnId,
    },
    /// Close every connection with 1012, spread evenly over `window`, the first one at once, and whoever connects
    /// from now on as well.
    Drain {
        /// How long it may take.
        window: Duration,
    },
    /// Time passed: do what is due.
    Tick,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// Send a text frame.
    Send {
        /// Where.
        conn: ConnId,
        /// The frame.
        text: Text,
    },
    /// Send a WebSocket ping.
    Ping {
        /// Where.
        conn: ConnId,
    },
    /// Write what was sent before, then a close frame, then end the connection. The hub has forgotten it.
    Close {
        /// Which one.
        conn: ConnId,
        /// The close code (protocol.md §2.5).
        code: u16,
        /// The close reason.
        reason: &'static str,
    },
    /// Cut the connection without a close frame: nothing was heard from it. The hub has forgotten it.
    Terminate {
        /// Which one.
        conn: ConnId,
    },
}
