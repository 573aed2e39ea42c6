//! Opens a connection by streams: asks the server whether a room can be read so. Has no deadline of its own: the session drops
//! the future.

use super::{EventStreams, answers};
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
    /// Asks for the stream of `room`, one of those to be read. A WebSocket is tried again after
    /// `next_move`, and then later and later.
    pub(crate) async fn dial(
        dialer: WebSocketConnector,
        endpoint: &Endpoint,
        token: Option<Token>,
        room: Option<Name>,
        next_move: Option<Duration>,
    ) -> Result<Self, DialError> {
        let no_room = || DialError::new(DialErrorKind::NotEventStream, "there is no room to be read");
        let WebSocketConnector { connector, options, websocket, .. } = dialer;
        let (endpoint, room) = (endpoint.streams(), room.ok_or_else(no_room)?);
        let request =
            StreamRequest { connector, options, endpoint, room, is_at_url: false, announces_join: true };
        let user = match request.check(token.clone()).await {
            Ok(user) => user.ok_or_else(|| {
                let text =
                    "the server has streams of events, but does not say whose, as this fallback needs it";
                DialError::new(DialErrorKind::NotEventStream, text)
            })?,
            Err(Refused { error, .. }) => return Err(error),
        };
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
