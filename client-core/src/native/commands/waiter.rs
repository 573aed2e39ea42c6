//! The waits of a handle, and the error of a room that was not joined. Sends nothing.

use super::reservation::Reservation;
use crate::event::{JoinedRoom, Mode};
use crate::messages::{Code, ServerCode};
use crate::name::{Name, RoomNameError};
use crate::native::status::ClosedError;
use tokio::sync::oneshot::Sender;

/// What a handle waits for. A waiter that is dropped has the answer "the client has ended".
#[derive(Debug)]
pub(crate) enum Waiter {
    /// The mode is decided and every wanted room is joined.
    Ready(Sender<Result<Mode, ClosedError>>),
    /// A room is joined.
    Joined(Name, Sender<Result<JoinedRoom, JoinError>>),
    /// Every send taken so far has its outcome.
    Flushed(Sender<Result<(), ClosedError>>),
    /// The outbox has room for one more message.
    Reserved(Sender<Result<Reservation, ClosedError>>),
}

/// Why a room was not joined.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The room's name is none.
    #[error("\"{}\" is no room name", .0.escape_debug())]
    BadRoom(String, #[source] RoomNameError),
    /// There are as many rooms as the client's configuration allows.
    #[error("the client is in as many rooms as its configuration allows")]
    TooManyRooms,
    /// The server refused it permanently, or has removed the user.
    #[error("the server refused the join ({}): {}", code.as_str(), refusal(*code, message.as_deref()))]
    Refused {
        /// Why, as far as it is a known reason.
        code: Code,
        /// The server's words, if there are some. Hostile text.
        message: Option<String>,
        /// The server's own code, where the protocol does not name the reason. Hostile text.
        server_code: ServerCode,
    },
    /// It was left before it was joined.
    #[error("the room was left before it was joined")]
    Left,
    /// The client has ended.
    #[error(transparent)]
    Closed(#[from] ClosedError),
}

impl JoinError {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadRoom(..) => "bad_room",
            Self::TooManyRooms => "too_many_rooms",
            Self::Refused { code, .. } => code.as_str(),
            Self::Left => "left",
            Self::Closed(_) => "closed",
        }
    }
}

/// The server's words, and what can be done.
fn refusal(code: Code, message: Option<&str>) -> String {
    match (message.filter(|words| !words.is_empty()), advice(code)) {
        (Some(words), Some(advice)) => format!("{words}; {advice}"),
        (Some(words), None) => words.to_owned(),
        (None, advice) => String::from(advice.unwrap_or("it gives no reason")),
    }
}

/// What can be done about a refused join.
fn advice(code: Code) -> Option<&'static str> {
    match code {
        Code::Forbidden => Some("ask the server's operator for the right"),
        Code::TooManyRooms => Some("leave a room first"),
        Code::RoomFull => Some("try again when somebody has left"),
        Code::RateLimited | Code::Overloaded => Some("try again later"),
        Code::BadRequest => Some("the server does not take such a name: choose another one"),
        _ => None,
    }
}
