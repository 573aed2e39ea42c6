//! The byte stream under HTTP and WebSocket, with or without TLS, and the error of one that broke.

use super::stream::{RawStream, delegate};
use super::tls::{self, TlsStream};
use crate::cause::{DialError, DialErrorKind};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What HTTP and WebSocket are spoken over.
#[derive(Debug)]
pub(crate) enum Transport {
    Plain(RawStream),
    Tls(TlsStream),
}

delegate!(Transport, Plain, Tls);

/// The transport broke.
pub(super) fn dial_error(error: &io::Error) -> DialError {
    tls::broken(error).unwrap_or_else(|| DialError::new(DialErrorKind::Unreachable, error.to_string()))
}
