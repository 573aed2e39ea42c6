//! A Socket.IO connection by Engine.IO's long polling, seen from outside as a WebSocket: frames in order, and its end. Moves to
//! a WebSocket by itself, losing and doubling nothing. Does not decide when it is used.

mod cookies;
mod dial;
mod engine;
mod receiver;
mod sender;
mod upgrade;

use crate::cause::Disconnect;
use crate::native::connect::transport::Transport;
use crate::socketio::payload::PayloadPacket;
use engine::Engine;
use receiver::Receiver;
use sender::Sender;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use upgrade::Upgrade;

/// How long the server may take to take the close packet of a connection that is given up.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(3);

/// A polled session.
pub(crate) struct Polling {
    engine: Engine,
    /// The packet that opened the session.
    opening: Option<String>,
    receiver: Receiver,
    sender: Sender,
    upgrade: Upgrade,
    /// Why writing is over.
    broken: Option<Disconnect>,
}

impl Polling {
    /// The next frame, or how the connection ended.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, Disconnect>> {
        if let Some(packet) = self.opening.take() {
            return Poll::Ready(Ok(Message::Text(packet.into())));
        }
        if let Some(how) = self.broken.take() {
            return Poll::Ready(Err(how));
        }
        if self.sender.is_closed() {
            let frame = CloseFrame { code: 1000.into(), reason: "".into() };
            return Poll::Ready(Ok(Message::Close(Some(frame))));
        }
        if self.sender.take_pong() {
            return Poll::Ready(Ok(Message::Pong(Bytes::new())));
        }
        let may_ask = self.upgrade.lets_get_begin(!self.sender.is_idle()) && !self.sender.is_closing();
        let packet = self.receiver.poll_packet(&mut self.engine, may_ask, cx)?;
        packet.map(|packet| {
            Ok(match packet {
                PayloadPacket::Text(text) => Message::Text(text.into()),
                PayloadPacket::Binary(bytes) => Message::Binary(bytes.into()),
            })
        })
    }

    /// The WebSocket that the session has moved to, and what is to be written there: nothing else comes from here then.
    pub(crate) fn poll_upgrade(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<(WebSocketStream<Transport>, Vec<Message>)> {
        if self.sender.is_closing() && !matches!(self.upgrade, Upgrade::Announcing(_)) {
            self.upgrade = Upgrade::None;
        }
        let is_idle = self.opening.is_none() && self.receiver.is_idle() && self.sender.is_idle();
        match self.upgrade.poll(is_idle, cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(stream)) => Poll::Ready((*stream, self.sender.take_queue().into())),
            Poll::Ready(Err(())) => {
                self.broken = Some(Disconnect::Lost);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    /// Queues a frame.
    pub(crate) fn start_send(&mut self, message: Message) -> Result<(), Disconnect> {
        self.sender.push(message)
    }

    /// Ready when the server has taken everything.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Disconnect>> {
        let may_post = self.upgrade.lets_post_begin();
        let is_idle = self.sender.is_idle();
        let flushed = self.sender.poll_flush(&mut self.engine, may_post, cx);
        if !is_idle && self.sender.is_idle() {
            // The move may have waited for this.
            cx.waker().wake_by_ref();
        }
        flushed
    }

    /// Tells the server that the session is over, of which nothing more counts.
    pub(crate) async fn send_close(mut self) {
        self.upgrade = Upgrade::None;
        self.sender.clear();
        if self.sender.is_closed() || self.sender.push(Message::Close(None)).is_err() {
            return;
        }
        let told = std::future::poll_fn(|cx| self.poll_flush(cx));
        // Whether it has been told makes no difference here.
        let _ = tokio::time::timeout(GOODBYE_TIMEOUT, told).await;
    }
}
