//! Opens a polled session by its first GET. Has no deadline of its own: the session drops the future.

use super::Polling;
use super::cookies::Cookies;
use super::engine::Engine;
use super::receiver::{Receiver, is_packets};
use super::sender::Sender;
use super::upgrade::Upgrade;
use crate::cause::{DialError, DialErrorKind};
use crate::native::connect::endpoint::Endpoint;
use crate::native::connect::engine_hint::explain;
use crate::native::connect::http::{ExpectedServer, HttpResponse, exchange};
use crate::native::connect::http_error::{http_error, media_type};
use crate::native::connect::redact::Secrets;
use crate::native::connect::websocket::WebSocketConnector;
use crate::socketio::payload::{PayloadDecoder, PayloadPacket};
use crate::socketio::{EnginePacket, EngineTransport};
use crate::token::Token;
use hyper::StatusCode;
use hyper::body::{Buf as _, Bytes};
use hyper::header::{self, HeaderValue};
use serde::Deserialize;
use std::future::poll_fn;
use std::time::Duration;

/// Bytes of a POST where the server does not say how many it takes, and at most.
const MAX_BODY: usize = 1_000_000;
const MIN_BODY: usize = 1 << 10;
/// Most characters of a session's id.
const MAX_SID: usize = 256;

/// What the opening packet says, as far as the transport needs it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Opening {
    sid: String,
    #[serde(default)]
    upgrades: Vec<String>,
    ping_interval: u64,
    ping_timeout: u64,
    max_payload: Option<u64>,
}

impl Opening {
    fn read(packet: &str) -> Option<Self> {
        let Ok(EnginePacket::Open(json)) = EnginePacket::decode(packet) else { return None };
        let opening: Self = serde_json::from_str(json).ok()?;
        ((1..=MAX_SID).contains(&opening.sid.len())).then_some(opening)
    }

    /// A server says something at least this often.
    fn silence(&self) -> Duration {
        let within = |ms: u64| Duration::from_millis(ms.clamp(1_000, 120_000));
        within(self.ping_interval) + within(self.ping_timeout)
    }

    fn max_body(&self) -> usize {
        let most = self.max_payload.and_then(|most| usize::try_from(most).ok());
        most.unwrap_or(MAX_BODY).clamp(MIN_BODY, MAX_BODY)
    }
}

impl Polling {
    /// Opens a session. `upgrades`: it may move to a WebSocket.
    pub(crate) async fn dial(
        connector: WebSocketConnector,
        endpoint: &Endpoint,
        token: Option<&Token>,
        upgrades: bool,
    ) -> Result<Self, DialError> {
        let opened = open(connector, endpoint, token, upgrades).await;
        opened.map_err(|error| match endpoint.engine_path() {
            Some(path) => explain(error, path, EngineTransport::Polling),
            None => error,
        })
    }
}

async fn open(
    dialer: WebSocketConnector,
    endpoint: &Endpoint,
    token: Option<&Token>,
    upgrades: bool,
) -> Result<Polling, DialError> {
    let mut in_query = None;
    let target = |token: Option<&Token>| {
        in_query = token.cloned();
        endpoint.engine_target(token, "polling", None)
    };
    let (mut request, mut secrets) = dialer.options.get(endpoint, token, target).await?;
    request.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let headers = request.headers().clone();
    let transport = dialer.connector.open(endpoint).await?;
    let expected = ExpectedServer::at(endpoint, dialer.connector.was_reached(), DialErrorKind::NotWebSocket);
    let mut answer = exchange(transport, request, expected).await?;
    dialer.connector.mark_reached();
    if answer.response.status() != StatusCode::OK || !is_packets(&answer) {
        return Err(refused(answer, endpoint, &secrets).await);
    }
    let mut cookies = Cookies::default();
    cookies.take(answer.response.headers());
    cookies.values().for_each(|value| secrets.add(value));
    let max_packet = dialer.websocket.max_message_size.unwrap_or(usize::MAX);
    let mut decoder = PayloadDecoder::new(max_packet);
    let (packet, piece) = first_packet(&mut answer, &mut decoder).await?;
    let opening = Opening::read(&packet).ok_or_else(not_engine)?;
    secrets.add(&opening.sid);
    let silence = opening.silence();
    let sender = Sender::new(dialer.websocket.max_write_buffer_size, opening.max_body(), silence);
    let engine = Engine {
        connector: dialer.connector.clone(),
        endpoint: endpoint.clone(),
        token: in_query,
        headers,
        secrets,
        cookies,
        sid: opening.sid.into(),
    };
    let upgrades = upgrades && opening.upgrades.iter().any(|transport| transport == "websocket");
    let upgrade = if upgrades { Upgrade::probe(dialer, &engine) } else { Upgrade::None };
    let receiver = Receiver::new(answer, piece, decoder, silence);
    Ok(Polling { engine, opening: Some(packet), receiver, sender, upgrade, broken: None })
}

/// The first packet of an answer, and what has come behind it; `None` at the answer's end.
async fn first_packet(
    answer: &mut HttpResponse,
    decoder: &mut PayloadDecoder,
) -> Result<(String, Option<Bytes>), DialError> {
    loop {
        let piece = poll_fn(|cx| answer.poll_piece(cx)).await;
        let (packet, rest) = match piece {
            None => (Some(decoder.finish().map_err(|_| not_engine())?), None),
            Some(Err(error)) => return Err(DialError::new(DialErrorKind::Unreachable, error.to_string())),
            Some(Ok(mut piece)) => {
                let mut rest: &[u8] = &piece;
                let packet = decoder.read(&mut rest).map_err(|_| not_engine())?;
                let read = piece.len() - rest.len();
                piece.advance(read);
                (packet, Some(piece))
            }
        };
        match packet {
            Some(PayloadPacket::Text(packet)) => return Ok((packet, rest)),
            Some(PayloadPacket::Binary(_)) => return Err(not_engine()),
            None => {}
        }
    }
}

fn not_engine() -> DialError {
    DialError::new(DialErrorKind::Http(200), "the answer to long polling is not that of a Socket.IO server")
}

/// The error that an answer without packets means.
async fn refused(answer: HttpResponse, endpoint: &Endpoint, secrets: &Secrets) -> DialError {
    let is_page = media_type(answer.response.headers()).as_deref() == Some("text/html");
    let status = answer.response.status().as_u16();
    let hint = match status {
        200..=299 if is_page => ": this is a web page, not a Socket.IO server",
        ..=299 => ": this is not the address of a Socket.IO server",
        300..=399 => ": redirects are not followed",
        404 => ": no Socket.IO server at this path",
        // No upgrade was asked for: it takes nothing else.
        426 => {
            ": a WebSocket server answers here, and no Socket.IO server: if it is a plain one, use ws:// or wss:// \
             (without --protocol socketio)"
        }
        _ => "",
    };
    http_error(answer, DialErrorKind::Http(status), hint, endpoint, secrets).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_opening_says_is_kept_within_bounds() {
        let opening = Opening::read(
            r#"0{"sid":"a","upgrades":["websocket"],"pingInterval":1,"pingTimeout":999999999,"maxPayload":7}"#,
        );
        let opening = opening.unwrap();
        assert_eq!(opening.silence(), Duration::from_secs(121));
        assert_eq!(opening.max_body(), MIN_BODY);
        let bare = Opening::read(r#"0{"sid":"a","pingInterval":25000,"pingTimeout":20000}"#).unwrap();
        assert_eq!((bare.silence(), bare.max_body()), (Duration::from_secs(45), MAX_BODY));
        for other in [
            "",
            "2",
            "40",
            "0",
            "0{}",
            r#"96:0{"sid":"a","pingInterval":1,"pingTimeout":1}"#,
            r#"0{"sid":"","pingInterval":1,"pingTimeout":1}"#,
        ] {
            assert!(Opening::read(other).is_none(), "{other}");
        }
    }
}
