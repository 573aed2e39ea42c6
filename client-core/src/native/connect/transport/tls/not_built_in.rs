//! Replaces the module `client` where no TLS is built in: no TLS stream can exist, and an address that needs one is
//! refused when a client is built.

use super::TlsError;
use crate::cause::{DialError, DialErrorKind};
use crate::native::connect::transport::stream::RawStream;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Nothing can be said about TLS.
#[derive(Clone, Default)]
pub(crate) struct TlsOptions;

impl TlsOptions {
    #[allow(clippy::unused_self, reason = "the same signature as with TLS")]
    pub(crate) fn resolve(self, is_needed: bool) -> Result<Option<Tls>, TlsError> {
        if is_needed { Err(TlsError::NotBuiltIn) } else { Ok(None) }
    }
}

/// There is none.
#[derive(Clone)]
pub(crate) enum Tls {}

/// There is none.
#[derive(Debug)]
pub(crate) enum TlsStream {}

impl Tls {
    #[allow(clippy::unused_async, reason = "the same signature as with TLS")]
    pub(crate) async fn connect(&self, _host: &str, _stream: RawStream) -> Result<TlsStream, DialError> {
        Err(DialError::new(DialErrorKind::Tls, TlsError::NotBuiltIn.to_string()))
    }
}

pub(crate) fn broken(_error: &io::Error, _was_reached: bool) -> Option<DialError> {
    None
}

impl AsyncRead for TlsStream {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match *self.get_mut() {}
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        match *self.get_mut() {}
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match *self.get_mut() {}
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match *self.get_mut() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_needs_tls_is_refused_with_the_feature_that_gives_it() {
        let error = TlsOptions.resolve(true).err().unwrap();
        assert!(matches!(error, TlsError::NotBuiltIn));
        assert!(error.to_string().contains("feature tls of the crate rejoin"));
        assert!(TlsOptions.resolve(false).unwrap().is_none());
    }
}
