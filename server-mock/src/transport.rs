//! The byte stream of a connection: plain, or TLS over the same wire. Once it is a WebSocket, the frames of each message
//! are counted. Whoever sends without a pause gives way to the others now and then: a WebSocket is read until there is a
//! whole message, or nothing more to read, and neither need ever come.

use crate::faults::FaultyStream;
use crate::fragments::{Fragments, TooManyFragments};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

/// Reads that find something before the others get their turn.
const READS: u8 = 8;

#[derive(Debug)]
pub(crate) struct Transport {
    stream: Stream,
    /// Reads that have found something since the last that did not.
    reads: u8,
    /// Of what is read from now on.
    fragments: Option<Fragments>,
}

#[derive(Debug)]
enum Stream {
    Plain(FaultyStream),
    /// Boxed: a TLS session is large, and a plain connection should not carry its size.
    Tls(Box<TlsStream<FaultyStream>>),
}

impl Transport {
    pub(crate) fn plain(wire: FaultyStream) -> Self {
        Self { stream: Stream::Plain(wire), reads: 0, fragments: None }
    }

    pub(crate) fn tls(stream: TlsStream<FaultyStream>) -> Self {
        Self { stream: Stream::Tls(Box::new(stream)), reads: 0, fragments: None }
    }

    /// How many frames have come since the last call that continue a message.
    pub(crate) fn take_continuations(&mut self) -> u32 {
        self.fragments.as_mut().map_or(0, Fragments::take_continuations)
    }

    /// It is a WebSocket from here on, and these bytes of it have been read already.
    pub(crate) fn upgraded(&mut self, read: &[u8]) -> Result<(), TooManyFragments> {
        self.fragments.insert(Fragments::default()).pass(read)
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.reads >= READS {
            this.reads = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let polled = match &mut this.stream {
            Stream::Plain(wire) => Pin::new(wire).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        };
        this.reads = if polled.is_ready() { this.reads + 1 } else { 0 };
        ready!(polled)?;
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
