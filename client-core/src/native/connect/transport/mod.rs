//! The byte stream under HTTP and WebSocket: how it is opened, TLS on it, and the error of one that broke.

mod connector;
#[cfg(feature = "proxy")]
mod proxy;
mod stream;
mod tls;

pub(crate) use connector::{Connector, CustomConnector};
#[cfg(feature = "proxy")]
pub use proxy::{Proxy, ProxyError};
pub(crate) use stream::{ByteStream, hung_up};
pub use tls::TlsError;
pub(crate) use tls::TlsOptions;

use crate::cause::{DialError, DialErrorKind};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use stream::{RawStream, delegate};
use tls::TlsStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What HTTP and WebSocket are spoken over.
#[derive(Debug)]
pub(crate) enum Transport {
    Plain(RawStream),
    Tls(TlsStream),
}

delegate!(Transport, Plain, Tls);

/// The transport broke. `was_reached`: a server has answered at its other end before.
pub(super) fn dial_error(error: &io::Error, was_reached: bool) -> DialError {
    tls::broken(error, was_reached)
        .unwrap_or_else(|| DialError::new(DialErrorKind::Unreachable, error.to_string()))
}
