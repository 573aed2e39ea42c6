//! Opens a connection by streams: asks the server whether a room can be read so. Has no deadline of its own: the session drops
//! the future.

use super::{EventStreams, MAX_READINGS, answers};
use crate::cause::{DialError, DialErrorKind};
use crate::messages::json::ServerDecoder;
use crate::name::Name;
use crate::native::connect::endpoint::Endpoint;
use crate::native::connect::stream_request::{Refused, StreamRequest};
use crate::native::connect::websocket::WebSocketConnector;
use crate::token::Token;
use std::collections::VecDeque;
use std::time::Duration;

/// Bytes of an event where the connector has no limit.
const MAX_EVENT: usize = 1 << 20;

impl EventStreams {
    /// Asks for the stream of the first of `rooms` that the server lets this user read. A WebSocket is tried again after
    /// `next_move`, and then later and later.
    pub(crate) async fn dial(
        dialer: WebSocketConnector,
        endpoint: &Endpoint,
        token: Option<Token>,
        rooms: Vec<Name>,
        next_move: Option<Duration>,
    ) -> Result<Self, DialError> {
        let WebSocketConnector { connector, options, websocket, .. } = dialer;
        let (endpoint, room) = (endpoint.streams(), Name::from(""));
        let options = options.without_messages();
        let request =
            StreamRequest { connector, options, endpoint, room, is_at_url: false, announces_join: true };
        let user = user(&request, token.as_ref(), rooms).await?;
        Ok(Self {
            request,
            token,
            max_event: websocket.max_message_size.unwrap_or(MAX_EVENT),
            readings: Vec::new(),
            turn: 0,
            decoder: ServerDecoder::default(),
            frames: VecDeque::from([answers::hello(user)]),
            has_pong: false,
            close: None,
            next_move: next_move.map(|pause| Box::pin(tokio::time::sleep(pause))),
            pause: next_move.unwrap_or_default(),
        })
    }
}

/// The user whom the server takes the token for. A room that is refused says nothing of the others.
async fn user(request: &StreamRequest, token: Option<&Token>, rooms: Vec<Name>) -> Result<Name, DialError> {
    let mut refused = DialError::new(DialErrorKind::NotEventStream, "there is no room to be read");
    for room in rooms.into_iter().take(MAX_READINGS) {
        let request = StreamRequest { room, ..request.clone() };
        match request.check(token.cloned()).await {
            Ok(Some(user)) => return Ok(user),
            Ok(None) => {
                let text =
                    "the server has streams of events, but does not say whose, as this fallback needs it";
                return Err(DialError::new(DialErrorKind::NotEventStream, text));
            }
            Err(Refused { error, is_of_server: true })
                if matches!(error.kind, DialErrorKind::Http(403 | 404 | 429)) =>
            {
                refused = error;
            }
            Err(Refused { error, .. }) => return Err(error),
        }
    }
    Err(refused)
}
