//! A TCP stream that fails when its peer reads nothing for too long.

use crate::metrics::Metrics;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

#[derive(Debug)]
pub(crate) struct WriteTimeout {
    stream: TcpStream,
    /// Whose it is. The operating system forgets that when the connection has ended.
    address: Option<SocketAddr>,
    limit: Duration,
    /// Runs while nothing can be written. Made when it is first needed: a healthy connection has none.
    blocked: Option<Pin<Box<Sleep>>>,
    metrics: Arc<Metrics>,
    told: bool,
}

impl WriteTimeout {
    /// What lies in the operating system's own buffer counts too, where it can be told so.
    pub(crate) fn new(stream: TcpStream, limit: Duration, metrics: Arc<Metrics>) -> Self {
        #[cfg(target_os = "linux")]
        {
            let millis = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX);
            if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(&stream, millis) {
                tracing::debug!(%error, "cannot set TCP_USER_TIMEOUT");
            }
        }
        let address = stream.peer_addr().ok();
        Self { stream, address, limit, blocked: None, metrics, told: false }
    }

    fn poll_blocked(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let limit = self.limit;
        ready!(self.blocked.get_or_insert_with(|| Box::pin(sleep(limit))).as_mut().poll(cx));
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "the peer takes nothing"))
    }

    /// Counts and tells the end, if it is the one for which this type is made. The kernel's own limit ends reading too.
    fn note<T>(&mut self, outcome: io::Result<T>) -> io::Result<T> {
        let stuck = outcome.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::TimedOut);
        if stuck && !std::mem::replace(&mut self.told, true) {
            self.metrics.cut_stuck.one_more();
            let address = self.address.map(tracing::field::display);
            let limit_ms = u64::try_from(self.limit.as_millis()).unwrap_or(u64::MAX);
            tracing::info!(address, limit_ms, "cut a connection whose peer took nothing");
        }
        outcome
    }
}

impl AsyncRead for WriteTimeout {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        Pin::new(&mut this.stream).poll_read(cx, buf).map(|outcome| this.note(outcome))
    }
}

impl AsyncWrite for WriteTimeout {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = match Pin::new(&mut this.stream).poll_write(cx, buf) {
            Poll::Ready(written) => {
                this.blocked = None;
                written
            }
            Poll::Pending => Err(ready!(this.poll_blocked(cx))),
        };
        Poll::Ready(this.note(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
