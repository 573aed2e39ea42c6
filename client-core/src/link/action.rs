//! The actions that a link asks of its session: dials, closes, pings, tokens. Performs none itself.

use super::state::{ConnId, StateChange};
use crate::token::Token;
use alloc::boxed::Box;

/// One thing to be done. The session turns it into its own outputs.
#[derive(Debug)]
pub(crate) enum Action {
    FetchToken {
        rejected: bool,
    },
    Dial {
        conn: ConnId,
        endpoint: usize,
        attempt: u32,
        token: Option<Token>,
        extended: bool,
        url: Option<Box<str>>,
    },
    /// A fresh token for the connection in use.
    Authenticate(Token),
    Ping(ConnId),
    /// Begin the close handshake; the end is reported as `closed`, or the link stops waiting.
    Close {
        conn: ConnId,
        code: u16,
    },
    /// Close without waiting: nothing more of this connection counts.
    Abort {
        conn: ConnId,
        code: u16,
    },
    /// A connection is open.
    Up {
        conn: ConnId,
        offered: bool,
    },
    /// The open connection is gone.
    Down,
    /// The open connection is another one from now on; answers may still come on the old one.
    Moved {
        conn: ConnId,
        offered: bool,
    },
    Changed(StateChange),
}
