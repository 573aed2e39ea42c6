//! The way to a server: name, TCP, proxy, TLS.

use super::endpoint::Endpoint;
use super::proxy::{self, Proxy};
use super::transport::Transport;
use crate::cause::{DialError, DialErrorKind};
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

/// What the way needs besides the address.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) proxy: Option<Proxy>,
}

/// The wait before the next address is tried beside the first (RFC 8305 §5).
const NEXT_ADDRESS: Duration = Duration::from_millis(250);

impl Route {
    pub(crate) async fn open(&self, endpoint: &Endpoint) -> Result<Transport, DialError> {
        let tcp = match &self.proxy {
            Some(proxy) => {
                let tcp = connect(proxy.host(), proxy.port()).await?;
                proxy::tunnel(tcp, proxy, endpoint).await?
            }
            None => connect(endpoint.host(), endpoint.port()).await?,
        };
        // Small frames, written in batches: waiting for more of them is the driver's business.
        tcp.set_nodelay(true).map_err(|error| unreachable(&error))?;
        if endpoint.is_secure() { self.secure(endpoint, tcp).await } else { Ok(Transport::Plain(tcp)) }
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
