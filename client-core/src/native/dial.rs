//! One dial: name, TCP, proxy, TLS, upgrade. Its deadline is the session's, which drops the future.

use super::endpoint::Endpoint;
use super::proxy::{self, Proxy};
use super::transport::Transport;
use crate::cause::{DialError, DialErrorKind};
use crate::token::Token;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Response, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, handshake};

/// Everything a dial needs besides the address and the token.
#[derive(Debug, Clone)]
pub(crate) struct Dialer {
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) proxy: Option<Proxy>,
    pub(crate) token_in_query: bool,
    pub(crate) websocket: WebSocketConfig,
}

/// The wait before the next address is tried beside the first (RFC 8305 §5).
const NEXT_ADDRESS: Duration = Duration::from_millis(250);

impl Dialer {
    pub(crate) async fn dial(
        &self,
        endpoint: &Endpoint,
        token: Option<&Token>,
        extended: bool,
    ) -> Result<WebSocketStream<Transport>, DialError> {
        let request = self.request(endpoint, token, extended)?;
        let tcp = match &self.proxy {
            Some(proxy) => {
                let tcp = connect(proxy.host(), proxy.port()).await?;
                proxy::tunnel(tcp, proxy, endpoint).await?
            }
            None => connect(endpoint.host(), endpoint.port()).await?,
        };
        // Small frames, written in batches: waiting for more of them is the driver's business.
        tcp.set_nodelay(true).map_err(|error| unreachable(&error))?;
        let transport =
            if endpoint.is_secure() { self.secure(endpoint, tcp).await? } else { Transport::Plain(tcp) };
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
        let agent = concat!("rejoin/", env!("CARGO_PKG_VERSION"));
        request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static(agent));
        if let Some(token) = token.filter(|_| !self.token_in_query) {
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose())).map_err(|_| {
                DialError::new(DialErrorKind::Http(401), "the token has characters a header cannot carry")
            })?;
            value.set_sensitive(true);
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        Ok(request)
    }

    async fn secure(&self, endpoint: &Endpoint, tcp: TcpStream) -> Result<Transport, DialError> {
        let Some(config) = &self.tls else {
            return Err(DialError::new(DialErrorKind::Tls, "TLS is not set up"));
        };
        let name = ServerName::try_from(endpoint.host().to_owned()).map_err(|_| {
            DialError::new(DialErrorKind::Certificate, "the host is no name a certificate can have")
        })?;
        match TlsConnector::from(Arc::clone(config)).connect(name, tcp).await {
            Ok(stream) => Ok(Transport::Tls(Box::new(stream))),
            Err(error) => {
                let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
                let kind = match cause {
                    Some(rustls::Error::InvalidCertificate(_)) => DialErrorKind::Certificate,
                    _ => DialErrorKind::Tls,
                };
                Err(DialError::new(kind, error.to_string()))
            }
        }
    }
}

/// Connects to the first address that answers, starting with one and adding the next a moment later.
async fn connect(host: &str, port: u16) -> Result<TcpStream, DialError> {
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port))
        .await
        .map_err(|error| DialError::new(DialErrorKind::Dns, format!("{host} does not resolve: {error}")))?
        .collect();
    let mut attempts: FuturesUnordered<_> = addresses
        .into_iter()
        .zip(0_u32..)
        .map(|(address, position)| async move {
            if position > 0 {
                // A head start for the one before, which may be all that is needed.
                tokio::time::sleep(NEXT_ADDRESS * position).await;
            }
            TcpStream::connect(address).await.map_err(|error| (address, error))
        })
        .collect();
    let mut last = DialError::new(DialErrorKind::Dns, format!("{host} has no address"));
    while let Some(result) = attempts.next().await {
        match result {
            Ok(tcp) => return Ok(tcp),
            Err((address, error)) => {
                let kind = match error.kind() {
                    io::ErrorKind::ConnectionRefused => DialErrorKind::Refused,
                    io::ErrorKind::TimedOut => DialErrorKind::Timeout,
                    _ => DialErrorKind::Unreachable,
                };
                last = DialError::new(kind, format!("{address}: {error}"));
            }
        }
    }
    Err(last)
}

pub(crate) fn unreachable(error: &io::Error) -> DialError {
    DialError::new(DialErrorKind::Unreachable, error.to_string())
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
    // Only the form in seconds: the date form would need a clock that agrees with the server's.
    let retry_after =
        text(header::RETRY_AFTER).and_then(|value| value.trim().parse().ok()).map(Duration::from_secs);
    let hint = match status.as_u16() {
        200..=299 if text(header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with("text/html")) => {
            ": this is a web page, not a room server"
        }
        200..=299 => ": this is not a WebSocket address",
        300..=399 => ": redirects are not followed",
        404 => ": no room server at this path",
        _ => "",
    };
    DialError { retry_after, ..DialError::new(kind, format!("the server answered HTTP {status}{hint}")) }
}
