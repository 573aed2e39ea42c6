//! The open sockets: one, or two during a migration.

use super::codec::{Codec, InputOf};
use super::socket::Socket;
use crate::link::ConnId;
use crate::session::Input;
#[cfg(feature = "socketio")]
use futures_util::future::BoxFuture;
use std::task::{Context, Poll};

/// More are never open: the session abandons one before it dials a third.
const MAX_SOCKETS: usize = 2;

pub(crate) struct Sockets<C> {
    /// The oldest first.
    open: Vec<Socket<C>>,
    /// Whose turn it is to be read first, so that neither starves the other.
    turn: usize,
    /// The close packet of the connection that was given up last, where that takes a request of its own.
    #[cfg(feature = "socketio")]
    close: Option<BoxFuture<'static, ()>>,
}

impl<C> Default for Sockets<C> {
    fn default() -> Self {
        Self {
            open: Vec::new(),
            turn: 0,
            #[cfg(feature = "socketio")]
            close: None,
        }
    }
}

impl<C: Codec> Sockets<C> {
    pub(crate) fn add(&mut self, socket: Socket<C>) {
        if self.open.len() == MAX_SOCKETS {
            self.open.remove(0);
        }
        // Nearly always the only one.
        self.open.reserve_exact(1);
        self.open.push(socket);
    }

    pub(crate) fn get(&mut self, conn: ConnId) -> Option<&mut Socket<C>> {
        self.open.iter_mut().find(|socket| socket.conn == conn)
    }

    fn remove(&mut self, conn: ConnId) -> Option<Socket<C>> {
        let at = self.open.iter().position(|socket| socket.conn == conn)?;
        Some(self.open.remove(at))
    }

    /// Closes a connection of which nothing more counts, without waiting for that.
    pub(crate) fn abandon(&mut self, conn: ConnId, code: u16, cx: &mut Context<'_>) {
        let Some(mut socket) = self.remove(conn) else { return };
        socket.close(code);
        socket.poll_flush(cx);
        #[cfg(feature = "socketio")]
        if let Some(close) = socket.into_close() {
            self.close = Some(close);
            // Polled with the next flush.
            cx.waker().wake_by_ref();
        }
    }

    /// The next thing that came in. A socket whose end this is, is gone.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<InputOf<C>> {
        let count = self.open.len();
        for step in 0..count {
            let at = (self.turn + step) % count;
            let Some(socket) = self.open.get_mut(at) else { continue };
            let Poll::Ready(input) = socket.poll_read(cx) else { continue };
            if matches!(input, Input::Closed(..)) {
                // One try to get the answer to a close frame out: nothing more of the connection is waited for.
                socket.poll_flush(cx);
                self.open.remove(at);
            }
            self.turn = at + 1;
            return Poll::Ready(input);
        }
        Poll::Pending
    }

    /// Flushes all of them; gives the news of one that has some.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Option<(ConnId, u64)> {
        #[cfg(feature = "socketio")]
        self.close.take_if(|close| close.as_mut().poll(cx).is_ready());
        self.open.iter_mut().find_map(|socket| {
            let conn = socket.conn;
            socket.poll_flush(cx).map(|through| (conn, through))
        })
    }
}
