//! One open connection with typed frames.

use super::codec::{Codec, InputOf};
use crate::cause::Disconnect;
use crate::link::ConnId;
use crate::native::connect::FrameStream;
use crate::session::Input;
#[cfg(feature = "socketio")]
use futures_util::future::BoxFuture;
use std::task::{Context, Poll};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Bytes, Message, Utf8Bytes};

/// A larger buffer is given back after its frame.
const KEPT_CAPACITY: usize = 4 << 10;

/// A connection whose writes are buffered until [`Socket::poll_flush`].
pub(crate) struct Socket<C> {
    pub(crate) conn: ConnId,
    stream: FrameStream,
    codec: C,
    /// Where frames are encoded: a copy of the exact size is cheaper than a buffer that is given away.
    scratch: Vec<u8>,
    /// The last frame written into the buffer.
    written: u64,
    /// The last frame known to be with the operating system.
    flushed: u64,
    unflushed: bool,
    broken: Option<Disconnect>,
}

impl<C: Codec> Socket<C> {
    pub(crate) fn new(conn: ConnId, stream: FrameStream, codec: C) -> Self {
        Self {
            conn,
            stream,
            codec,
            scratch: Vec::new(),
            written: 0,
            flushed: 0,
            unflushed: false,
            broken: None,
        }
    }

    /// What came in, as the session takes it; [`Input::Closed`] is the last.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<InputOf<C>> {
        let conn = self.conn;
        if let Some(how) = self.broken.take() {
            return Poll::Ready(Input::Closed(conn, how));
        }
        #[cfg(feature = "socketio")]
        if let Poll::Ready(moved) = self.stream.poll_upgrade(cx) {
            self.broken = moved.err();
            self.unflushed = true;
            return Poll::Ready(Input::Upgraded(conn));
        }
        self.stream.poll_next(cx).map(|frame| match frame {
            Ok(Message::Text(text)) => self.codec.text(conn, &text),
            Ok(Message::Binary(bytes)) => self.codec.binary(conn, &bytes),
            Ok(Message::Pong(_)) => Input::Pong(conn),
            Ok(Message::Close(frame)) => {
                // The answer to a close frame is in the buffer already (RFC 6455 §5.5.1).
                self.unflushed = true;
                let (code, reason) = match frame {
                    Some(frame) => (frame.code.into(), frame.reason.as_str().into()),
                    None => (1005, "".into()),
                };
                Input::Closed(conn, Disconnect::Closed { code, reason })
            }
            Ok(Message::Ping(_) | Message::Frame(_)) => {
                // The answer to a ping is in the buffer already.
                self.unflushed = true;
                Input::Activity(conn)
            }
            Err(how) => Input::Closed(conn, how),
        })
    }

    pub(crate) fn write(&mut self, frame: u64, message: &C::Sent) {
        let attachments = self.codec.encode(message, &mut self.scratch);
        match Utf8Bytes::try_from(Bytes::copy_from_slice(&self.scratch)) {
            Ok(text) => self.send(Message::Text(text)),
            // Cannot happen: what is encoded is UTF-8.
            Err(_) => drop(self.broken.get_or_insert(Disconnect::Protocol)),
        }
        for bytes in attachments {
            self.send(Message::Binary(bytes.into()));
        }
        self.written = frame;
        if self.scratch.capacity() > KEPT_CAPACITY {
            self.scratch = Vec::new();
        }
    }

    /// Writes a frame whose number is not to be reported: it overtakes others.
    pub(crate) fn write_beside(&mut self, message: &C::Sent) {
        self.write(self.written, message);
    }

    pub(crate) fn ping(&mut self) {
        self.send(Message::Ping(Bytes::new()));
    }

    pub(crate) fn close(&mut self, code: u16) {
        self.send(Message::Close(Some(CloseFrame { code: code.into(), reason: "".into() })));
    }

    /// What tells the server that the connection is given up, where a close frame that is written does not.
    #[cfg(feature = "socketio")]
    pub(crate) fn into_close(self) -> Option<BoxFuture<'static, ()>> {
        self.stream.into_close()
    }

    fn send(&mut self, message: Message) {
        self.unflushed = true;
        if let Err(how) = self.stream.start_send(message) {
            self.broken.get_or_insert(how);
        }
    }

    /// Flushes everything written; gives the number of the last frame that is with the operating system, if
    /// that is news.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Option<u64> {
        if !self.unflushed {
            return None;
        }
        match self.stream.poll_flush(cx) {
            Poll::Pending => None,
            Poll::Ready(Ok(())) => {
                self.unflushed = false;
                let news = self.flushed < self.written;
                self.flushed = self.written;
                news.then_some(self.flushed)
            }
            Poll::Ready(Err(how)) => {
                self.unflushed = false;
                self.broken.get_or_insert(how);
                cx.waker().wake_by_ref();
                None
            }
        }
    }
}
