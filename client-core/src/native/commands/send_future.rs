//! The future of a send, and its outcome.

use super::pending_sends::Resolved;
use super::queue::CommandQueue;
use crate::event::{DeliveryStatus, SendFailure, SendId, SendReply};
use crate::id::Id;
use crate::messages::{Code, ServerCode};
use crate::session::{Command, Input};
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::fmt;
use std::sync::Arc;

/// What is known of a send that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Receipt {
    /// The operating system took every byte: all that a plain connection can say.
    Written,
    /// The message is in the room's log, once.
    Acked {
        /// Its id.
        id: Id,
        /// Its number in the room's log.
        seq: u64,
    },
    /// Socket.IO: the server's handler has answered.
    Answered {
        /// The id in its answer, if there is one.
        id: Option<Id>,
        /// The number in its answer, if there is one.
        seq: Option<u64>,
        /// The whole answer as JSON, if it is not empty: one argument as it is, several as a list; of more than 16 KiB
        /// the first 1,000 characters, as a text. Hostile text.
        answer: Option<String>,
    },
}

impl Receipt {
    /// The message's id; none on a plain connection.
    pub fn id(&self) -> Option<&Id> {
        match self {
            Self::Acked { id, .. } => Some(id),
            Self::Answered { id, .. } => id.as_ref(),
            Self::Written => None,
        }
    }

    /// The message's number in the room's log; none on a plain connection.
    pub fn seq(&self) -> Option<u64> {
        match self {
            Self::Acked { seq, .. } => Some(*seq),
            Self::Answered { seq, .. } => *seq,
            Self::Written => None,
        }
    }

    /// What a Socket.IO server's handler answered, as JSON. Hostile text.
    pub fn answer(&self) -> Option<&str> {
        match self {
            Self::Answered { answer, .. } => answer.as_deref(),
            _ => None,
        }
    }
}

/// What is known of a send that did not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// Certainly not sent.
    #[error("not sent: {0}")]
    Failed(SendFailure),
    /// The server has refused it: on Socket.IO in its handler's answer, elsewhere with words of its own.
    #[error("not sent: the server refused it: {}", message_or_code(message.as_deref(), *code))]
    Refused {
        /// Why, as far as it is a known reason.
        code: Code,
        /// The server's message, if there are some. Hostile text.
        message: Option<String>,
        /// Socket.IO: the whole answer, as in [`Receipt::Answered`]. Hostile text.
        answer: Option<String>,
        /// Extended: the server's own code, where the protocol does not name the reason. Hostile text.
        server_code: ServerCode,
    },
    /// It was on its way when the connection was lost or nobody answered for it any more: it arrived, or it did not.
    /// Send it again only if the receiver can bear to see it twice.
    #[error("the message was on its way, and nobody knows whether it arrived")]
    Unknown,
}

/// The server's message, or the code that stands in for them.
fn message_or_code(message: Option<&str>, code: Code) -> &str {
    match (message, code) {
        (Some(words), _) => words,
        (None, Code::Other) => "it gives no reason",
        (None, code) => code.as_str(),
    }
}

impl SendError {
    /// A stable code: `unknown`, or that of the failure.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Failed(why) => why.as_str(),
            Self::Refused { code, .. } => code.as_str(),
            Self::Unknown => "unknown",
        }
    }

    /// What a Socket.IO server's handler answered to refuse it, as JSON. Hostile text.
    pub fn answer(&self) -> Option<&str> {
        match self {
            Self::Refused { answer, .. } => answer.as_deref(),
            _ => None,
        }
    }

    /// Whether it was larger than may be, as this client or as the server reports: split it.
    pub fn is_too_large(&self) -> bool {
        match self {
            Self::Failed(why) => why.is_too_large(),
            Self::Refused { code, .. } => SendFailure::Refused(*code).is_too_large(),
            Self::Unknown => false,
        }
    }

    /// Whether the same send may succeed later without being a duplicate.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Failed(why) => why.is_temporary(),
            Self::Refused { code, .. } => SendFailure::Refused(*code).is_temporary(),
            Self::Unknown => false,
        }
    }
}

/// A send that is queued already; resolves exactly once.
///
/// Dropping it neither cancels the send nor loses it: [`SendFuture::cancel`] does that, and only before it is on
/// its way.
#[must_use = "the outcome of a send is worth knowing; Client::submit reports it as an event instead"]
pub struct SendFuture {
    pub(crate) commands: Arc<CommandQueue>,
    pub(crate) state: SendState,
    /// Whoever gets the outcome, or gives it up, has processed it.
    pub(crate) confirms: bool,
}

pub(crate) enum SendState {
    Refused(SendFailure),
    Queued(SendId),
    Resolved,
}

impl SendFuture {
    /// The number of the send, until it resolves.
    ///
    /// # Errors
    /// For one that is not queued, with the reason.
    pub fn id(&self) -> Result<SendId, SendFailure> {
        match &self.state {
            SendState::Queued(id) => Ok(*id),
            SendState::Refused(why) => Err(*why),
            SendState::Resolved => Err(SendFailure::Closed),
        }
    }

    /// Takes the send back if it is not on its way: it then resolves as `failed(cancelled)`. Otherwise nothing
    /// happens and its own outcome comes.
    pub fn cancel(&self) {
        if let SendState::Queued(id) = &self.state {
            self.commands.push(Input::Command(Command::Cancel(*id)));
        }
    }
}

pub(crate) fn outcome(resolved: Resolved) -> Result<Receipt, SendError> {
    match (resolved.status, resolved.reply) {
        (DeliveryStatus::Failed(SendFailure::Refused(code)), Some(reply)) => {
            let SendReply { answer, message, server_code } = *reply;
            Err(SendError::Refused { code, message, answer, server_code })
        }
        (status, reply) => without_refusal(status, reply.and_then(|reply| reply.answer)),
    }
}

fn without_refusal(status: DeliveryStatus, answer: Option<String>) -> Result<Receipt, SendError> {
    match status {
        DeliveryStatus::Written => Ok(Receipt::Written),
        DeliveryStatus::Acked { id, seq } => Ok(Receipt::Acked { id, seq }),
        DeliveryStatus::Answered { id, seq } => Ok(Receipt::Answered { id, seq, answer }),
        DeliveryStatus::Unknown => Err(SendError::Unknown),
        DeliveryStatus::Failed(why) => Err(SendError::Failed(why)),
    }
}

impl Future for SendFuture {
    type Output = Result<Receipt, SendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.state {
            SendState::Refused(why) => Poll::Ready(Err(SendError::Failed(why))),
            SendState::Queued(id) => match self.commands.poll_receipt(id, self.confirms, cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(resolved) => {
                    self.state = SendState::Resolved;
                    Poll::Ready(resolved.map_or(Err(SendError::Unknown), outcome))
                }
            },
            // Polled again after it was ready, which a future need not answer.
            SendState::Resolved => Poll::Pending,
        }
    }
}

impl Drop for SendFuture {
    fn drop(&mut self) {
        if let SendState::Queued(id) = self.state {
            self.commands.unwatch(id, self.confirms);
        }
    }
}

impl fmt::Debug for SendFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendFuture").finish_non_exhaustive()
    }
}
