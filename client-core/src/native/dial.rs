//! One dial: the route to the server, and the upgrade. Its deadline is the session's, which drops the future.

use super::endpoint::Endpoint;
use super::route::{Route, unreachable};
use super::transport::Transport;
use crate::cause::{DialError, DialErrorKind};
use crate::token::Token;
use std::time::Duration;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderValue, Response, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, handshake};

/// Everything a dial needs besides the address and the token.
#[derive(Debug, Clone)]
pub(crate) struct Dialer {
    pub(crate) route: Route,
    pub(crate) token_in_query: bool,
    pub(crate) websocket: WebSocketConfig,
}

impl Dialer {
    pub(crate) async fn dial(
        &self,
        endpoint: &Endpoint,
        token: Option<&Token>,
        extended: bool,
    ) -> Result<WebSocketStream<Transport>, DialError> {
        let request = self.request(endpoint, token, extended)?;
        let transport = self.route.open(endpoint).await?;
        match tokio_tungstenite::client_async_with_config(request, transport, Some(self.websocket)).await {
            Ok((socket, _)) => Ok(socket),
            Err(error) => Err(upgrade_error(error)),
        }
    }

    fn request(
        &self,
        endpoint: &Endpoint,
        token: Option<&Token>,
        extended: bool,
    ) -> Result<handshake::client::Request, DialError> {
        let in_query = token.filter(|_| self.token_in_query);
        let malformed = |_| DialError::new(DialErrorKind::NotWebSocket, "the URL makes no HTTP request");
        let url = endpoint.to_dial(in_query, extended);
        let mut request = url.into_client_request().map_err(malformed)?;
        request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static(AGENT));
        if let Some(token) = token.filter(|_| !self.token_in_query) {
            request.headers_mut().insert(header::AUTHORIZATION, bearer(token)?);
        }
        Ok(request)
    }
}

/// How this client names itself.
pub(super) const AGENT: &str = concat!("rejoin/", env!("CARGO_PKG_VERSION"));

/// A token as `Authorization` has it.
pub(super) fn bearer(token: &Token) -> Result<HeaderValue, DialError> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose())).map_err(|_| {
        DialError::new(DialErrorKind::Http(401), "the token has characters a header cannot carry")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// What `Retry-After` says. Only the form in seconds: the date form would need a clock that agrees with the server's.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

fn upgrade_error(error: tungstenite::Error) -> DialError {
    match error {
        tungstenite::Error::Http(response) => http_error(&response),
        tungstenite::Error::Io(error) => unreachable(&error),
        tungstenite::Error::ConnectionClosed
        | tungstenite::Error::AlreadyClosed
        | tungstenite::Error::Protocol(
            ProtocolError::HandshakeIncomplete | ProtocolError::ResetWithoutClosingHandshake,
        ) => DialError::new(DialErrorKind::Unreachable, "the server hung up during the upgrade"),
        other => DialError::new(
            DialErrorKind::NotWebSocket,
            format!("the answer is no WebSocket upgrade: {other}"),
        ),
    }
}

fn http_error<B>(response: &Response<B>) -> DialError {
    let status = response.status();
    let kind = match status.as_u16() {
        200..=299 => DialErrorKind::NotWebSocket,
        status => DialErrorKind::Http(status),
    };
    let text = |name| response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let hint = match status.as_u16() {
        200..=299 if text(header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with("text/html")) => {
            ": this is a web page, not a room server"
        }
        200..=299 => ": this is not a WebSocket address",
        300..=399 => ": redirects are not followed",
        404 => ": no room server at this path",
        _ => "",
    };
    let retry_after = retry_after(response.headers());
    DialError { retry_after, ..DialError::new(kind, format!("the server answered HTTP {status}{hint}")) }
}
