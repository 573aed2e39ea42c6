//! Upgrades an HTTP request to a WebSocket: the checks, their order, and the refusals.

use crate::admission::Wait;
use crate::auth::Identity;
use crate::http_connection::{AcceptedUpgrade, HttpConnection, UpgradeSlot};
use crate::origin;
use crate::query::{field, token};
use crate::state::{AdmissionError, AppState, AuthUnavailable, ConnectionPermit};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    CONNECTION, ORIGIN, RETRY_AFTER, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;
use std::sync::Arc;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Seconds that a client refused for lack of room should wait.
pub(crate) const BUSY_SECONDS: u16 = 5;

/// A WebSocket of the plain or the extended protocol, with which its connection's task goes on.
pub(crate) struct RoomsUpgrade {
    /// Who it is, with a place. Nobody is accepted too, without one: a browser can read a close code, not an HTTP status.
    pub(crate) known: Option<(Identity, ConnectionPermit)>,
    /// It offered the extended protocol.
    pub(crate) extended: bool,
    /// Whose request it was.
    pub(crate) client: IpAddr,
}

/// `GET` on the WebSocket path.
pub(crate) async fn upgrade(State(app): State<Arc<AppState>>, mut request: Request) -> Response {
    match accept(&app, &mut request).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    }
}

async fn accept(app: &Arc<AppState>, request: &mut Request) -> Result<Response, Refusal> {
    let headers = request.headers();
    let accept = key(request.version(), headers)?;
    let http = request.extensions().get::<HttpConnection>().ok_or(Refusal::NotWebSocket)?;
    let slot = request.extensions().get::<UpgradeSlot<RoomsUpgrade>>().ok_or(Refusal::NotWebSocket)?.clone();
    let client = http.client(&app.gate.proxies, headers);
    app.check_admission(&client)?;
    if !app.allows_origin(request) {
        return Err(Refusal::Origin);
    }
    let query = request.uri().query();
    let extended = field(query, "ext").is_some_and(|value| value == "1");
    let (shown, origin) = (token(headers, query), headers.get(ORIGIN).cloned());
    let identity = app.identify(client, shown.as_deref(), origin.as_ref()).await?;
    if let Some(status) = app.faults.refusal(identity.as_ref().map(|identity| &identity.user)) {
        return Err(Refusal::Fault(status));
    }
    // Only now: while it is asked whose a token is, and while nobody is told so, it takes no place from those who are known.
    let known = match identity {
        Some(identity) => Some((identity, app.admit(&client)?)),
        None => None,
    };
    let on_upgrade = Some(hyper::upgrade::on(request));
    app.metrics.upgrades.one_more();
    slot.put(AcceptedUpgrade {
        on_upgrade,
        upgrade: RoomsUpgrade { known, extended, client: client.address },
    });
    Ok(switch(accept))
}

/// What `Sec-WebSocket-Accept` says to these headers, if they ask for a WebSocket.
pub(crate) fn key(version: Version, headers: &HeaderMap) -> Result<HeaderValue, Refusal> {
    // A 101 to it would be one that its proxy cannot pass on.
    if version < Version::HTTP_11 {
        return Err(Refusal::Http);
    }
    if !has_token(headers, &CONNECTION, "upgrade") || !has_token(headers, &UPGRADE, "websocket") {
        return Err(Refusal::NotWebSocket);
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(Refusal::Version);
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes).filter(|key| is_key(key));
    HeaderValue::try_from(derive_accept_key(key.ok_or(Refusal::Key)?)).map_err(|_| Refusal::Key)
}

/// The 101.
pub(crate) fn switch(accept: HeaderValue) -> Response {
    let headers = [
        (UPGRADE, HeaderValue::from_static("websocket")),
        (CONNECTION, HeaderValue::from_static("Upgrade")),
        (SEC_WEBSOCKET_ACCEPT, accept),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers, Body::empty()).into_response()
}

/// Why there is no WebSocket.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    NotWebSocket,
    /// HTTP/1.0 has no upgrade.
    Http,
    Version,
    Key,
    Busy,
    /// The address comes too often, or with too many wrong tokens.
    Often(Wait),
    /// Whoever knows whose the token is does not answer.
    AuthUnavailable,
    Origin,
    Fault(StatusCode),
}

impl From<AuthUnavailable> for Refusal {
    fn from(why: AuthUnavailable) -> Self {
        match why {
            AuthUnavailable::RateLimited(wait) => Self::Often(wait),
            AuthUnavailable::NoAnswer => Self::AuthUnavailable,
        }
    }
}

impl From<AdmissionError> for Refusal {
    fn from(denied: AdmissionError) -> Self {
        match denied {
            AdmissionError::Busy => Self::Busy,
            AdmissionError::RateLimited(wait) => Self::Often(wait),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Self::NotWebSocket => (
                StatusCode::UPGRADE_REQUIRED,
                "This is a WebSocket endpoint: open it with a WebSocket client, for example `rejoin chat ws://…`. If you did, a \
                 proxy has left out the headers Upgrade and Connection (nginx: proxy_set_header Upgrade $http_upgrade; \
                 proxy_set_header Connection \"upgrade\";).\n",
            ),
            Self::Http => (
                StatusCode::UPGRADE_REQUIRED,
                "HTTP/1.0 has no WebSocket: let the proxy speak HTTP/1.1 (nginx: proxy_http_version 1.1; proxy_set_header \
                 Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\";).\n",
            ),
            Self::Version => (StatusCode::UPGRADE_REQUIRED, "This endpoint speaks WebSocket version 13.\n"),
            Self::Key => (StatusCode::BAD_REQUEST, "Sec-WebSocket-Key is missing or malformed.\n"),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "The server takes no more connections now.\n"),
            Self::Often(_) => (StatusCode::TOO_MANY_REQUESTS, "This address comes too often.\n"),
            Self::AuthUnavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "It cannot be found out now whose the token is: try again.\n",
            ),
            Self::Origin => {
                return (StatusCode::FORBIDDEN, format!("{}: {}.\n", origin::REFUSED, origin::HINT))
                    .into_response();
            }
            Self::Fault(status) => (status, "A fault on purpose.\n"),
        };
        let mut response = (status, text).into_response();
        let headers = response.headers_mut();
        match self {
            Self::NotWebSocket | Self::Http => {
                headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            }
            Self::Version => {
                headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            }
            Self::Busy | Self::AuthUnavailable => {
                headers.insert(RETRY_AFTER, HeaderValue::from(BUSY_SECONDS));
            }
            Self::Often(wait) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(wait.seconds()));
            }
            Self::Fault(StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Self::Key | Self::Origin | Self::Fault(_) => {}
        }
        response
    }
}

/// Whether a comma-separated header, given once or several times, has this token.
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|part| part.trim().eq_ignore_ascii_case(token))
}

/// 16 bytes in base64 (RFC 6455 4.2.1): 22 characters and two of padding.
fn is_key(key: &[u8]) -> bool {
    key.len() == 24
        && key.ends_with(b"==")
        && key.iter().take(22).all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn an_upgrade_header_is_a_list_in_any_case() {
        let list = headers(&[("connection", "keep-alive, Upgrade")]);
        assert!(has_token(&list, &CONNECTION, "upgrade"));
        assert!(!has_token(&list, &CONNECTION, "close"));
        assert!(!has_token(&list, &UPGRADE, "websocket"));
    }

    #[test]
    fn a_key_is_sixteen_bytes_of_base64() {
        assert!(is_key(b"dGhlIHNhbXBsZSBub25jZQ=="));
        for bad in
            [&b""[..], b"dGhlIHNhbXBsZSBub25jZQ", b"dGhlIHNhbXBsZSBub25jZQ=a", b"dGhlIHNhbXBsZSBub2 jZQ=="]
        {
            assert!(!is_key(bad));
        }
    }
}
