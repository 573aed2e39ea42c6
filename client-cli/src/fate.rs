//! The words for the outcome of an own message.

use crate::words;
use rejoin::SendFailure;
use std::sync::Arc;

/// What is known of an own message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// No outcome yet.
    Pending,
    Delivered,
    /// All that a plain server lets one know.
    Written,
    Unknown,
    /// With the server's words for it, made harmless.
    Failed(SendFailure, Option<Arc<str>>),
    /// Sent by the same user, and not from here.
    Elsewhere,
    /// Part of what was said before.
    Earlier,
}

impl Fate {
    /// For the end of the message itself; empty where there is nothing to add.
    pub(crate) fn mark(&self) -> String {
        match self {
            Self::Pending => "pending".to_owned(),
            Self::Delivered => "delivered".to_owned(),
            Self::Written => "written".to_owned(),
            Self::Unknown => "nobody can say whether this arrived".to_owned(),
            Self::Failed(why, said) => {
                format!("not sent: {}", words::send_failure_saying(*why, said.as_deref()))
            }
            Self::Elsewhere => "sent elsewhere".to_owned(),
            Self::Earlier => String::new(),
        }
    }

    /// For later, when the message has been shown as pending. `quote` is clean and short.
    pub(crate) fn news(&self, quote: &str) -> String {
        let again = if *self == Self::Unknown { " (send it again if needed)" } else { "" };
        format!("{}: {quote}{again}", self.mark())
    }
}
