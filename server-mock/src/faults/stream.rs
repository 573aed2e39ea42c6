//! The TCP stream of a connection, with the faults that act on bytes.

use super::{Direction, FaultState};
use crate::write_timeout::WriteTimeout;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// A stream that freezes, swallows or drips when its [`FaultState`] says so. It lies below TLS.
#[derive(Debug)]
pub(crate) struct FaultyStream {
    stream: WriteTimeout,
    fault_state: Arc<FaultState>,
    read_pause: Pause,
    write_pause: Pause,
    /// When the next drop of a dripping connection may go.
    next_drip: Option<Instant>,
}

impl FaultyStream {
    pub(crate) fn new(stream: WriteTimeout, fault_state: Arc<FaultState>) -> Self {
        Self { stream, fault_state, read_pause: Pause(None), write_pause: Pause(None), next_drip: None }
    }

    fn read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buf));
        Poll::Ready(self.record_timeout(read))
    }

    fn write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf));
        Poll::Ready(self.record_timeout(written))
    }

    /// Tells the task why it loses the connection.
    fn record_timeout<T>(&self, outcome: io::Result<T>) -> io::Result<T> {
        outcome.inspect_err(|error| {
            if error.kind() == io::ErrorKind::TimedOut {
                self.fault_state.takes_nothing();
            }
        })
    }
}

/// A timer made when it is first needed: a healthy connection has none.
#[derive(Debug)]
struct Pause(Option<Pin<Box<Sleep>>>);

impl Pause {
    fn poll_until(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if at <= Instant::now() {
            self.0 = None;
            return Poll::Ready(());
        }
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if sleep.deadline() != at {
            sleep.as_mut().reset(at);
        }
        sleep.as_mut().poll(cx)
    }
}

impl AsyncRead for FaultyStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(at) = this.fault_state.frozen_until() {
            ready!(this.read_pause.poll_until(at, cx));
        }
        while this.fault_state.dead() == Some(Direction::Both) {
            let mut scratch = [0; 2048];
            let mut lost = ReadBuf::new(&mut scratch);
            ready!(this.read(cx, &mut lost))?;
            if lost.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
        this.read(cx, buf)
    }
}

impl AsyncWrite for FaultyStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Some(at) = this.fault_state.frozen_until() {
            ready!(this.write_pause.poll_until(at, cx));
        }
        if this.fault_state.dead().is_some() {
            return Poll::Ready(Ok(buf.len()));
        }
        let Some((bytes, pause)) = this.fault_state.drip() else {
            return this.write(cx, buf);
        };
        if let Some(at) = this.next_drip {
            ready!(this.write_pause.poll_until(at, cx));
        }
        let drop = buf.get(..bytes).unwrap_or(buf);
        let written = ready!(this.write(cx, drop))?;
        this.next_drip = Some(Instant::now() + pause);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.fault_state.dead().is_some() {
            // The end would be seen by the peer.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}
