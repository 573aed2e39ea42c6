//! The status of an own message and its wording.

use crate::describe;
use rejoin::SendFailure;
use std::sync::Arc;

/// What is known of an own message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SendStatus {
    /// No outcome yet.
    Pending,
    Delivered,
    /// All that a plain server lets one know.
    Written,
    Unknown,
    /// With the server's words for it, made harmless.
    Failed(SendFailure, Option<Arc<str>>),
    /// Sent by the same user, and not from here.
    OtherSession,
    /// Part of what was said before.
    RestoredOutcomes,
}

impl SendStatus {
    /// For the end of the message itself; empty where there is nothing to add.
    pub(crate) fn label(&self) -> String {
        match self {
            Self::Pending => "pending".to_owned(),
            Self::Delivered => "delivered".to_owned(),
            Self::Written => "written".to_owned(),
            Self::Unknown => "nobody can say whether this arrived".to_owned(),
            Self::Failed(why, said) => {
                format!("not sent: {}", describe::send_failure_with(*why, said.as_deref()))
            }
            Self::OtherSession => "sent elsewhere".to_owned(),
            Self::RestoredOutcomes => String::new(),
        }
    }

    /// For later, when the message has been shown as pending. `quote` is clean and short.
    pub(crate) fn update_line(&self, quote: &str) -> String {
        let again = if *self == Self::Unknown { " (send it again if needed)" } else { "" };
        format!("{}: {quote}{again}", self.label())
    }
}
