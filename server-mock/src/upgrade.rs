//! Upgrades an HTTP request to a WebSocket: the checks, their order, and the refusals.

use crate::admission::{Client, Proxies, Wait};
use crate::auth::{Identity, Tickets};
use crate::faults::FaultState;
use crate::origin;
use crate::socketio::Opening;
use crate::state::{AdmissionError, AppState, AuthUnavailable, ConnectionPermit};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    AUTHORIZATION, CONNECTION, ORIGIN, RETRY_AFTER, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};
use axum::response::{IntoResponse, Response};
use hyper::upgrade::OnUpgrade;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Seconds that a client refused for lack of room should wait.
pub(crate) const BUSY_SECONDS: u16 = 5;

/// A request after which the connection's task goes on.
pub(crate) struct AcceptedUpgrade {
    /// It was answered with 101.
    pub(crate) on_upgrade: Option<OnUpgrade>,
    pub(crate) upgrade: Upgrade,
}

/// What it goes on with.
pub(crate) enum Upgrade {
    /// A WebSocket of the plain or the extended protocol.
    Rooms {
        /// Nobody's token is accepted too: a browser can read a close code, not an HTTP status.
        identity: Option<Identity>,
        /// It offered the extended protocol.
        extended: bool,
        /// Whose request it was.
        client: IpAddr,
        place: ConnectionPermit,
    },
    SocketIo(Opening),
}

/// What a handler and the task that owns the TCP connection have in common.
#[derive(Clone, Default)]
pub(crate) struct UpgradeSlot(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// Left here by the handler, so that a WebSocket needs no task of its own.
    accepted: Mutex<Option<AcceptedUpgrade>>,
    /// What the faults say about the connection.
    fault_state: Arc<FaultState>,
    /// Who is at its other end.
    peer: Option<IpAddr>,
    /// The connection stays after the next answer.
    keeps: AtomicBool,
    /// Bytes of HTTP come: TLS is done, or there is none.
    secure: AtomicBool,
    /// Requests whose header has come.
    asked: AtomicU32,
    /// Those of them that have an answer.
    answered: AtomicU32,
    /// The answer is a feed, whose end is nobody's to wait for.
    feeds: Notify,
    /// The answer is to a poll, which waits for something else than its peer, but not for ever.
    polls: Notify,
}

impl UpgradeSlot {
    pub(crate) fn new(fault_state: Arc<FaultState>, peer: IpAddr) -> Self {
        Self(Arc::new(Shared { fault_state, peer: Some(peer), ..Shared::default() }))
    }

    /// Whom a request with these headers comes from.
    pub(crate) fn client(&self, proxies: &Proxies, headers: &HeaderMap) -> Client {
        proxies.client(self.peer(), headers)
    }

    /// The host that a trusted proxy says was asked for.
    pub(crate) fn forwarded_host<'a>(&self, proxies: &Proxies, headers: &'a HeaderMap) -> Option<&'a str> {
        proxies.host(self.0.peer?, headers)
    }

    /// Who is at the other end.
    pub(crate) fn peer(&self) -> IpAddr {
        self.0.peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }

    /// From now on HTTP is waited for.
    pub(crate) fn secured(&self) {
        self.0.secure.store(true, Ordering::Relaxed);
    }

    /// Whether HTTP is waited for, and not TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.0.secure.load(Ordering::Relaxed)
    }

    /// The header of a request has come. It has its answer when the guard is dropped.
    pub(crate) fn begin_request(&self) -> Answering {
        self.0.asked.fetch_add(1, Ordering::Relaxed);
        Answering(self.clone())
    }

    /// Whether a request is being answered.
    pub(crate) fn is_busy(&self) -> bool {
        self.0.asked.load(Ordering::Relaxed) > self.0.answered.load(Ordering::Relaxed)
    }

    /// Whether every request has been answered, and there was one.
    pub(crate) fn is_idle(&self) -> bool {
        let asked = self.0.asked.load(Ordering::Relaxed);
        asked > 0 && asked == self.0.answered.load(Ordering::Relaxed)
    }

    pub(crate) fn take(&self) -> Option<AcceptedUpgrade> {
        self.0.accepted.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn put(&self, accepted: AcceptedUpgrade) {
        *self.0.accepted.lock().unwrap_or_else(PoisonError::into_inner) = Some(accepted);
    }

    pub(crate) fn fault_state(&self) -> Arc<FaultState> {
        Arc::clone(&self.0.fault_state)
    }

    /// The connection stays after this answer.
    pub(crate) fn keep_alive(&self) {
        self.0.keeps.store(true, Ordering::Relaxed);
    }

    /// Whether it stays after the answer that is about to go.
    pub(crate) fn keeps(&self) -> bool {
        self.0.keeps.swap(false, Ordering::Relaxed)
    }

    /// The handler has begun a feed.
    pub(crate) fn feed(&self) {
        self.0.feeds.notify_one();
    }

    /// Until a handler begins a feed.
    pub(crate) async fn feeds(&self) {
        self.0.feeds.notified().await;
    }

    /// The handler has understood a poll, or a POST beside one.
    pub(crate) fn poll(&self) {
        self.0.polls.notify_one();
    }

    /// Until a handler has.
    pub(crate) async fn polls(&self) {
        self.0.polls.notified().await;
    }
}

/// A request that is being answered, until it is dropped.
pub(crate) struct Answering(UpgradeSlot);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.0.answered.fetch_add(1, Ordering::Relaxed);
    }
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
    let slot = request.extensions().get::<UpgradeSlot>().cloned().ok_or(Refusal::NotWebSocket)?;
    let client = slot.client(&app.gate.proxies, headers);
    let place = app.admit(&client)?;
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
    let on_upgrade = Some(hyper::upgrade::on(request));
    app.metrics.upgrades.one_more();
    slot.put(AcceptedUpgrade {
        on_upgrade,
        upgrade: Upgrade::Rooms { identity, extended, client: client.address, place },
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

/// The token of the `Authorization` header or, without one, the token or the ticket of the query.
pub(crate) fn token(headers: &HeaderMap, query: Option<&str>) -> Option<String> {
    if let Some(value) = headers.get(AUTHORIZATION) {
        let (scheme, token) = std::str::from_utf8(value.as_bytes()).ok()?.split_once(' ')?;
        return scheme.eq_ignore_ascii_case("bearer").then(|| String::from(token.trim()));
    }
    let token = field(query, "token").and_then(percent_decode);
    // Where a log of URLs leaves tokens out by this name, tickets have one of their own.
    token.or_else(|| field(query, "ticket").and_then(percent_decode).filter(|ticket| Tickets::is_one(ticket)))
}

/// The value of a field of the query, as it is written there.
pub(crate) fn field<'a>(query: Option<&'a str>, name: &str) -> Option<&'a str> {
    let mut fields = query?.split('&').filter_map(|field| field.split_once('='));
    fields.find(|(found, _)| *found == name).map(|(_, value)| value)
}

/// The names of the fields of the query, as they are written there.
pub(crate) fn query_fields(query: Option<&str>) -> impl Iterator<Item = &str> {
    let fields = query.unwrap_or_default().split('&').filter(|field| !field.is_empty());
    fields.map(|field| field.split_once('=').map_or(field, |(name, _)| name))
}

/// Undoes `encodeURIComponent` and `URLSearchParams`; `None` if what comes out is not UTF-8.
pub(crate) fn percent_decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16));
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high << 4 | low).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_token_is_found_in_the_header_or_in_the_query() {
        let bearer = headers(&[("authorization", "bearer  s3cret")]);
        assert_eq!(token(&bearer, Some("token=other")).as_deref(), Some("s3cret"));
        let none = HeaderMap::new();
        assert_eq!(token(&none, Some("ext=1&token=a%20b%2Bc+d%C3%A9")).as_deref(), Some("a b+c dé"));
        for query in [
            None,
            Some(""),
            Some("token"),
            Some("Token=x"),
            Some("token=%"),
            Some("token=%zz"),
            Some("token=%ff"),
        ] {
            assert_eq!(token(&none, query), None, "{query:?}");
        }
        assert_eq!(token(&headers(&[("authorization", "Basic eDp5")]), Some("token=x")), None);
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
