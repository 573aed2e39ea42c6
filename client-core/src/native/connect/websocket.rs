//! Opens one WebSocket: transport and upgrade. Has no deadline of its own: the session drops the future.

use super::endpoint::Endpoint;
#[cfg(feature = "socketio")]
use super::engine_hint::explain;
use super::http::{ExpectedServer, HttpResponse, exchange};
use super::http_error::{http_error, is_too_old, media_type};
use super::redact::Secrets;
use super::request::{RequestOptions, TokenLocation};
use super::transport::Connector;
use super::transport::Transport;
use super::upgrade::Offer;
use crate::cause::{DialError, DialErrorKind};
#[cfg(feature = "socketio")]
use crate::socketio::EngineTransport;
use crate::token::Token;
use futures_util::SinkExt as _;
use hyper::{Request, StatusCode};
use std::sync::Arc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

/// Everything a dial needs besides the address and the token.
#[derive(Debug, Clone)]
pub(crate) struct WebSocketConnector {
    pub(crate) connector: Connector,
    pub(crate) options: RequestOptions,
    pub(crate) subprotocols: Arc<[Box<str>]>,
    pub(crate) websocket: WebSocketConfig,
}

impl WebSocketConnector {
    pub(crate) async fn dial(
        &self,
        endpoint: &Endpoint,
        token: Option<&Token>,
        extended: bool,
    ) -> Result<WebSocketStream<Transport>, DialError> {
        let dialed = self.request(endpoint, token, extended).await;
        #[cfg(feature = "socketio")]
        let dialed = dialed.map_err(|error| match endpoint.engine_path() {
            Some(path) => explain(error, path, EngineTransport::WebSocket),
            None => error,
        });
        dialed
    }

    async fn request(
        &self,
        endpoint: &Endpoint,
        token: Option<&Token>,
        extended: bool,
    ) -> Result<WebSocketStream<Transport>, DialError> {
        let target = |token: Option<&Token>| endpoint.upgrade_target(token, extended);
        let (request, secrets) = self.options.get(endpoint, token, target).await?;
        let mut socket = self.upgrade(endpoint, request, &secrets).await?;
        if self.options.token_location == Some(TokenLocation::Message)
            && endpoint.engine_path().is_none()
            && let Some(token) = token
        {
            socket.send(Message::text(auth_frame(token))).await.map_err(|_| {
                let text = "the connection was lost before the first message was written";
                DialError::new(DialErrorKind::Unreachable, text)
            })?;
        }
        Ok(socket)
    }

    /// Sends a request that has all but the fields of the upgrade. `secrets` are what an error must not show.
    pub(super) async fn upgrade(
        &self,
        endpoint: &Endpoint,
        mut request: Request<String>,
        secrets: &Secrets,
    ) -> Result<WebSocketStream<Transport>, DialError> {
        let offer = Offer::write(&self.subprotocols, request.headers_mut())?;
        let transport = self.connector.open(endpoint).await?;
        let expected =
            ExpectedServer::at(endpoint, self.connector.was_reached(), DialErrorKind::NotWebSocket);
        let answer = exchange(transport, request, expected).await?;
        self.connector.mark_reached();
        if answer.response.status() != StatusCode::SWITCHING_PROTOCOLS || is_too_old(&answer) {
            return Err(refused(answer, endpoint, secrets).await);
        }
        offer.verify(&answer.response)?;
        let (transport, read) = answer.connection.into_upgraded().await;
        let config = Some(self.websocket);
        Ok(WebSocketStream::from_partially_read(transport, read.into(), Role::Client, config).await)
    }
    /// Whether TLS can be spoken.
    pub(crate) fn has_tls(&self) -> bool {
        self.connector.tls.is_some()
    }
}

/// The first frame, for servers that look at the token there (protocol.md §1).
fn auth_frame(token: &Token) -> String {
    serde_json::json!({ "type": "auth", "token": token.expose() }).to_string()
}

/// The error that an answer without an upgrade means.
async fn refused(answer: HttpResponse, endpoint: &Endpoint, secrets: &Secrets) -> DialError {
    let is_page = media_type(answer.response.headers()).as_deref() == Some("text/html");
    let (kind, hint) = match answer.response.status().as_u16() {
        status @ ..=199 => (DialErrorKind::Http(status), ": this is not a WebSocket address"),
        200..=299 if is_page => (DialErrorKind::NotWebSocket, ": this is a web page, not a room server"),
        200..=299 => (DialErrorKind::NotWebSocket, ": this is not a WebSocket address"),
        status @ 300..=399 => (DialErrorKind::Http(status), ": redirects are not followed"),
        404 => (DialErrorKind::Http(404), ": no room server at this path"),
        status => (DialErrorKind::Http(status), ""),
    };
    http_error(answer, kind, hint, endpoint, secrets).await
}
