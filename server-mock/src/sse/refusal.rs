//! Refusals of a feed: for each its status, its words and when to try again.

use super::METHODS;
use crate::admission::Wait;
use crate::json_refusal::{JsonRefusal, WAIT_AND_TRY_AGAIN};
use crate::limits::Limit;
use crate::origin;
use crate::upgrade::BUSY_SECONDS;
use axum::http::header::ALLOW;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use rejoin::RoomNameError;

/// When to try again for want of a room of the user's own: none is forgotten sooner.
const ROOMS_SECONDS: u16 = 60;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Method,
    Origin,
    /// What is wrong with the room's name.
    Room(&'static str),
    Accept,
    History,
    Token,
    Busy,
    Draining,
    /// The address comes too often, or with too many wrong tokens.
    Often(Wait),
    /// Whoever knows whose the token is does not answer.
    AuthUnavailable,
    /// Whoever knows what is allowed does not answer.
    Unknown,
    /// A limit of the user or of the room.
    Limit(Limit),
    /// The token gives no right to be in the room.
    Forbidden,
    /// The hub's close code.
    Closed(u16),
    Fault(StatusCode),
}

impl Refusal {
    pub(super) fn bad_room(error: RoomNameError) -> Self {
        Self::Room(match error {
            RoomNameError::Empty => "it is empty",
            RoomNameError::TooLong => "it is longer than 128 characters",
            RoomNameError::Invisible => "it has control, bidirectional or zero-width characters",
            RoomNameError::Reserved => "it starts with the reserved @",
            _ => "it is not a room name",
        })
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Origin | Self::Forbidden | Self::Closed(4003) => StatusCode::FORBIDDEN,
            Self::Room(_) | Self::Closed(1008) => StatusCode::NOT_FOUND,
            Self::Accept => StatusCode::NOT_ACCEPTABLE,
            Self::History => StatusCode::BAD_REQUEST,
            Self::Token => StatusCode::UNAUTHORIZED,
            Self::Limit(Limit::Rooms | Limit::MembersOfRoom)
            | Self::Busy
            | Self::AuthUnavailable
            | Self::Unknown
            | Self::Draining
            | Self::Closed(_) => StatusCode::SERVICE_UNAVAILABLE,
            // What the user has too much of.
            Self::Often(_) | Self::Limit(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Fault(status) => *status,
        }
    }

    /// What happened.
    pub(super) fn why(&self) -> &'static str {
        self.words().1
    }

    /// The code, what happened, and what to do.
    fn words(&self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Method => {
                ("method_not_allowed", "a feed is read only", "read it with GET; send over the WebSocket")
            }
            Self::Origin => ("forbidden_origin", origin::REFUSED, origin::HINT),
            Self::Room(what) => (
                "bad_room",
                what,
                "a room's name has 1-128 visible characters, does not start with @ and is percent-encoded in the path",
            ),
            Self::Closed(1008) => ("bad_room", "it is not a room name", "name another room"),
            Self::Accept => (
                "not_acceptable",
                "a feed is text/event-stream, which the Accept header leaves out",
                "add text/event-stream to the Accept header, or leave the header out",
            ),
            Self::History => (
                "bad_request",
                "history is not a whole number between 0 and 9007199254740991",
                "give the number of messages to begin with, for example ?history=20",
            ),
            Self::Token => (
                "unauthorized",
                "the token is missing, wrong or has ended",
                "send a valid token as 'Authorization: Bearer TOKEN' or as ?token=TOKEN",
            ),
            Self::AuthUnavailable => {
                ("overloaded", "it cannot be found out now whose the token is", WAIT_AND_TRY_AGAIN)
            }
            Self::Unknown => {
                ("overloaded", "it cannot be found out now whether this is allowed", WAIT_AND_TRY_AGAIN)
            }
            Self::Forbidden => (
                "forbidden",
                "no right to join in this room",
                "use a token that allows it: the claim rooms says what one allows",
            ),
            Self::Closed(4003) => {
                ("forbidden", "the operator has removed this user", "ask the operator of the server")
            }
            Self::Limit(Limit::ConnectionsOfUser) => (
                "too_many_connections",
                "this user has as many connections as one may have",
                "close another one of this user first",
            ),
            Self::Limit(Limit::RoomsOfUser) => (
                "too_many_rooms",
                "this user has made as many rooms as one user may",
                "read a room that exists, or try again when one of this user's rooms has been silent for a while",
            ),
            Self::Limit(Limit::RoomRate) => {
                ("rate_limited", "this user makes rooms too fast", WAIT_AND_TRY_AGAIN)
            }
            Self::Limit(Limit::Rooms) => (
                "overloaded",
                "the server has as many rooms as it can keep",
                "wait as Retry-After says, then try again, or read a room that exists",
            ),
            Self::Limit(Limit::MembersOfRoom) => {
                ("room_full", "the room has as many readers as one may have", WAIT_AND_TRY_AGAIN)
            }
            Self::Limit(_) => ("rate_limited", "this user opens feeds too fast", WAIT_AND_TRY_AGAIN),
            Self::Often(_) => (
                "rate_limited",
                "this address comes too often, or with too many wrong tokens",
                WAIT_AND_TRY_AGAIN,
            ),
            Self::Draining | Self::Closed(1012) => (
                "draining",
                "the server is going away",
                "wait as Retry-After says, then try again: another one takes over",
            ),
            Self::Busy | Self::Closed(_) => {
                ("overloaded", "the server takes no more feeds now", WAIT_AND_TRY_AGAIN)
            }
            Self::Fault(_) => ("fault", "a fault on purpose", "it ends when it is used up or cleared"),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = self.status();
        let (code, message, hint) = self.words();
        let seconds = match self {
            Self::Fault(_) => 1,
            Self::Often(wait) => wait.seconds(),
            Self::Limit(Limit::RoomsOfUser) => ROOMS_SECONDS,
            _ => BUSY_SECONDS,
        };
        let for_now = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE].contains(&status);
        let retry_after = for_now.then_some(seconds);
        let mut response = JsonRefusal { status, code, message, hint, retry_after }.into_response();
        if status == StatusCode::METHOD_NOT_ALLOWED {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(METHODS));
        }
        response
    }
}
