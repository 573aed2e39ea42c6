//! The transport to a server: name resolution, TCP, proxy and TLS; or the application's own stream in place of the
//! first three.

#[cfg(feature = "proxy")]
use super::proxy;
#[cfg(feature = "proxy")]
use super::proxy::Proxy;
use super::stream::{ByteStream, RawStream};
use super::tls::Tls;
use super::{Transport, dial_error};
use crate::cause::{DialError, DialErrorKind};
use crate::native::connect::endpoint::Endpoint;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Opens the application's own stream.
pub(crate) type CustomConnector =
    Arc<dyn Fn(Endpoint) -> BoxFuture<'static, io::Result<Box<dyn ByteStream>>> + Send + Sync>;

/// What the way needs besides the address.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) tls: Option<Tls>,
    #[cfg(feature = "proxy")]
    pub(crate) proxy: Option<Proxy>,
    pub(crate) custom: Option<CustomConnector>,
    /// A server has answered at the end of it.
    pub(crate) was_reached: Arc<AtomicBool>,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Route");
        #[cfg(feature = "proxy")]
        shown.field("proxy", &self.proxy);
        shown.finish_non_exhaustive()
    }
}

/// How long an address may be silent before the next one is tried beside it (RFC 8305 §5).
const CONNECTION_ATTEMPT_DELAY: Duration = Duration::from_millis(250);

impl Connector {
    /// Whether a server has answered at the end of it.
    pub(crate) fn was_reached(&self) -> bool {
        // What somebody else connects needs no advice about addresses.
        self.custom.is_some() || self.was_reached.load(Ordering::Relaxed)
    }

    /// A server has answered.
    pub(crate) fn mark_reached(&self) {
        self.was_reached.store(true, Ordering::Relaxed);
    }

    pub(crate) async fn open(&self, endpoint: &Endpoint) -> Result<Transport, DialError> {
        let stream = match &self.custom {
            Some(connect) => {
                let stream = connect(endpoint.clone()).await;
                RawStream::Own(stream.map_err(|error| DialError::new(kind(&error), error.to_string()))?)
            }
            None => RawStream::Tcp(self.connect(endpoint).await?),
        };
        if endpoint.is_secure() { self.secure(endpoint, stream).await } else { Ok(Transport::Plain(stream)) }
    }

    async fn connect(&self, endpoint: &Endpoint) -> Result<TcpStream, DialError> {
        let tcp = self.connect_tcp(endpoint).await?;
        // Small frames, written in batches: waiting for more of them is the driver's business.
        tcp.set_nodelay(true).map_err(|error| dial_error(&error, true))?;
        Ok(tcp)
    }

    /// Directly, or by the proxy if there is one.
    async fn connect_tcp(&self, endpoint: &Endpoint) -> Result<TcpStream, DialError> {
        #[cfg(feature = "proxy")]
        if let Some(proxy) = &self.proxy {
            let of_proxy = |error: DialError| DialError {
                text: format!("the proxy is not reached: {}", error.text).into(),
                ..error
            };
            let tcp = connect(proxy.host(), proxy.port()).await.map_err(of_proxy)?;
            return proxy::tunnel(tcp, proxy, endpoint).await;
        }
        connect(endpoint.host(), endpoint.port()).await
    }

    async fn secure(&self, endpoint: &Endpoint, stream: RawStream) -> Result<Transport, DialError> {
        let Some(tls) = &self.tls else {
            return Err(DialError::new(DialErrorKind::Tls, "TLS is not set up"));
        };
        Ok(Transport::Tls(tls.connect(endpoint.host(), stream).await?))
    }
}

/// Connects to a host, whose addresses are tried in the order of the system's resolver.
async fn connect(host: &str, port: u16) -> Result<TcpStream, DialError> {
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port))
        .await
        .map_err(|error| DialError::new(DialErrorKind::Dns, format!("{host} does not resolve: {error}")))?
        .collect();
    let none = DialError::new(DialErrorKind::Dns, format!("{host} has no address"));
    first(addresses, CONNECTION_ATTEMPT_DELAY, TcpStream::connect).await.unwrap_or(Err(none))
}

/// The first address that answers. The next one is tried at once when one refuses, and beside it when one has been
/// silent for `head_start`. `None` without an address.
async fn first<T, F: Future<Output = io::Result<T>>>(
    addresses: Vec<SocketAddr>,
    head_start: Duration,
    connect: impl Fn(SocketAddr) -> F,
) -> Option<Result<T, DialError>> {
    let mut addresses = addresses.into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut last = None;
    loop {
        if let Some(address) = addresses.next() {
            let attempt = connect(address);
            attempts.push(async move { attempt.await.map_err(|error| (address, error)) });
        }
        let outcome = if addresses.len() == 0 {
            attempts.next().await
        } else {
            match timeout(head_start, attempts.next()).await {
                Ok(outcome) => outcome,
                Err(_) => continue,
            }
        };
        match outcome {
            None => return last.map(Err),
            Some(Ok(stream)) => return Some(Ok(stream)),
            Some(Err((address, error))) => {
                last = Some(DialError::new(kind(&error), format!("{address}: {error}")));
            }
        }
    }
}

/// What the failure of a connection attempt is called.
fn kind(error: &io::Error) -> DialErrorKind {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => DialErrorKind::Refused,
        io::ErrorKind::TimedOut => DialErrorKind::Timeout,
        _ => DialErrorKind::Unreachable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::future::pending;

    /// What becomes of an address, by its port.
    async fn answer(address: SocketAddr) -> io::Result<u16> {
        match address.port() {
            1 => Err(io::ErrorKind::ConnectionRefused.into()),
            2 => pending().await,
            port => Ok(port),
        }
    }

    fn addresses(ports: &[u16]) -> Vec<SocketAddr> {
        ports.iter().map(|port| SocketAddr::from(([127, 0, 0, 1], *port))).collect()
    }

    #[tokio::test]
    async fn the_next_address_is_tried_at_once_when_one_refuses() {
        let for_ever = Duration::from_secs(1 << 32);
        assert_eq!(first(addresses(&[1, 1, 1, 7]), for_ever, answer).await, Some(Ok(7)));
        // Also when the one that refuses is not the latest: nobody but it has been tried.
        let error = first(addresses(&[1, 1]), for_ever, answer).await.unwrap().unwrap_err();
        assert_eq!((error.kind, &*error.text), (DialErrorKind::Refused, "127.0.0.1:1: connection refused"));
    }

    #[tokio::test]
    async fn a_silent_address_does_not_hold_up_the_next_and_goes_on_beside_it() {
        let tried = RefCell::new(Vec::new());
        let connect = |address: SocketAddr| {
            tried.borrow_mut().push(address.port());
            answer(address)
        };
        assert_eq!(first(addresses(&[2, 1, 2, 7, 8]), Duration::from_millis(1), connect).await, Some(Ok(7)));
        assert_eq!(*tried.borrow(), [2, 1, 2, 7]);
    }

    #[tokio::test]
    async fn without_an_address_there_is_nothing_to_try() {
        assert_eq!(first(Vec::new(), Duration::ZERO, answer).await, None);
    }
}
