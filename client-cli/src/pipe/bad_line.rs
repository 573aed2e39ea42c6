//! The reasons for refusing an input line of `pipe`, each with its stable code. Reads no input.

use crate::lines::{BadText, LONGEST_LINE};
use rejoin::SendFailure;

/// Columns of a quoted value in an error.
pub(super) const QUOTED: usize = 40;

/// Why a line is none. The answer is an `error` event.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadLine {
    /// Stable, in snake case.
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) reference: Option<String>,
}

impl BadLine {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), reference: None }
    }

    /// Of a frame that cannot be kept.
    pub(super) fn not_kept(why: SendFailure) -> Self {
        Self::new(why.as_str(), format!("the frame is not kept: {why}"))
    }

    /// Of a line for a namespace that is not open.
    pub(super) fn other_namespace(reference: Option<String>) -> Self {
        let message = "the line is for a namespace that is not open: name it with --namespace, or leave \"namespace\" out";
        Self { reference, ..Self::new("bad_namespace", message) }
    }

    /// Of a line behind the one that closes the connection.
    pub(super) fn behind_close(reference: Option<String>) -> Self {
        let message = "the connection is closed by an earlier line; nothing is done";
        Self { reference, ..Self::new("closed", message) }
    }

    /// Of an answer that cannot be given.
    pub(super) fn not_answered(why: SendFailure) -> Self {
        Self::new(why.as_str(), format!("the event is not answered: {why}"))
    }

    /// Of a send whose `ref` is that of another one.
    pub(super) fn reused(reference: &str) -> Self {
        let message = "this ref is that of a send with another content or room; it is not sent: give it a ref of its own";
        Self { reference: Some(reference.to_owned()), ..Self::new("ref_reused", message) }
    }
}

impl From<BadText> for BadLine {
    fn from(bad: BadText) -> Self {
        match bad {
            BadText::TooLong => Self::new(
                "line_too_long",
                format!("the line is longer than {LONGEST_LINE} bytes; split the message"),
            ),
            BadText::NotUtf8 => Self::new("not_utf8", "the line is not UTF-8"),
            BadText::Unreadable(why) => Self::new("stdin", format!("stdin cannot be read: {why}")),
        }
    }
}
