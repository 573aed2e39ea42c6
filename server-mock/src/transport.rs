//! The byte stream of a connection: plain, or TLS over the same wire. Once it is a WebSocket, the frames of each message
//! are counted.

use crate::faults::Wire;
use crate::fragments::{Fragments, TooManyFragments};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

#[derive(Debug)]
pub(crate) struct Transport {
    stream: Stream,
    /// Of what is read from now on.
    fragments: Option<Fragments>,
}

#[derive(Debug)]
enum Stream {
    Plain(Wire),
    /// Boxed: a TLS session is large, and a plain connection should not carry its size.
    Tls(Box<TlsStream<Wire>>),
}

impl Transport {
    pub(crate) fn plain(wire: Wire) -> Self {
        Self { stream: Stream::Plain(wire), fragments: None }
    }

    pub(crate) fn tls(stream: TlsStream<Wire>) -> Self {
        Self { stream: Stream::Tls(Box::new(stream)), fragments: None }
    }

    /// It is a WebSocket from here on, and these bytes of it have been read already.
    pub(crate) fn upgraded(&mut self, read: &[u8]) -> Result<(), TooManyFragments> {
        self.fragments.insert(Fragments::default()).pass(read)
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(match &mut this.stream {
            Stream::Plain(wire) => Pin::new(wire).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        })?;
        let read = buf.filled().get(before..).unwrap_or_default();
        if let Some(Err(error)) = this.fragments.as_mut().map(|fragments| fragments.pass(read)) {
            // What comes after it is only read to be thrown away.
            this.fragments = None;
            return Poll::Ready(Err(error.into()));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().stream {
            Stream::Plain(wire) => Pin::new(wire).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(wire) => Pin::new(wire).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(wire) => Pin::new(wire).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
