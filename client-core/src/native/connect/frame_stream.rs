//! The frames of one connection in order, whichever transport carries them. Does not look into them.

#[cfg(feature = "sse")]
use super::event_streams::EventStreams;
#[cfg(feature = "socketio")]
use super::polling::Polling;
use super::transport::Transport;
use crate::cause::Disconnect;
use futures_core::Stream as _;
use futures_util::Sink as _;
#[cfg(feature = "socketio")]
use futures_util::future::BoxFuture;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};

/// A WebSocket, or what stands for one.
pub(crate) enum FrameStream {
    WebSocket(Box<WebSocketStream<Transport>>),
    #[cfg(feature = "socketio")]
    Polling(Box<Polling>),
    #[cfg(feature = "sse")]
    EventStreams(Box<EventStreams>),
}

impl FrameStream {
    /// Ready once, when the connection has moved to a WebSocket.
    #[cfg(feature = "socketio")]
    pub(crate) fn poll_upgrade(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Disconnect>> {
        let Self::Polling(polling) = self else { return Poll::Pending };
        polling.poll_upgrade(cx).map(|(stream, unsent)| {
            *self = Self::WebSocket(Box::new(stream));
            unsent.into_iter().try_for_each(|message| self.start_send(message))
        })
    }

    /// The next frame, or how the connection ended.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, Disconnect>> {
        match self {
            Self::WebSocket(stream) => Pin::new(&mut **stream).poll_next(cx).map(|item| match item {
                Some(frame) => frame.map_err(|error| disconnect(&error)),
                None => Err(Disconnect::Lost),
            }),
            #[cfg(feature = "socketio")]
            Self::Polling(polling) => polling.poll_next(cx),
            #[cfg(feature = "sse")]
            Self::EventStreams(streams) => streams.poll_next(cx),
        }
    }

    /// Buffers a frame.
    pub(crate) fn start_send(&mut self, message: Message) -> Result<(), Disconnect> {
        match self {
            Self::WebSocket(stream) => {
                Pin::new(&mut **stream).start_send(message).map_err(|error| disconnect(&error))
            }
            #[cfg(feature = "socketio")]
            Self::Polling(polling) => polling.start_send(message),
            #[cfg(feature = "sse")]
            Self::EventStreams(streams) => streams.start_send(message),
        }
    }

    /// Ready when every frame is with the operating system, or with the server.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Disconnect>> {
        match self {
            Self::WebSocket(stream) => {
                Pin::new(&mut **stream).poll_flush(cx).map_err(|error| disconnect(&error))
            }
            #[cfg(feature = "socketio")]
            Self::Polling(polling) => polling.poll_flush(cx),
            #[cfg(feature = "sse")]
            Self::EventStreams(_) => Poll::Ready(Ok(())),
        }
    }

    /// What tells the server that the connection is given up, where a close frame that is written does not.
    #[cfg(feature = "socketio")]
    pub(crate) fn into_close(self) -> Option<BoxFuture<'static, ()>> {
        match self {
            Self::WebSocket(_) => None,
            #[cfg(feature = "sse")]
            Self::EventStreams(_) => None,
            Self::Polling(polling) => Some(Box::pin(polling.send_close())),
        }
    }
}

fn disconnect(error: &Error) -> Disconnect {
    use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
    match error {
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake | ProtocolError::SendAfterClosing) => {
            Disconnect::Lost
        }
        Error::Protocol(_) | Error::Utf8(_) => Disconnect::Protocol,
        Error::Capacity(CapacityError::MessageTooLong { size, max_size }) => Disconnect::TooLarge(
            format!("it has {size} bytes, and this client takes at most {max_size}").into(),
        ),
        Error::Capacity(_) => Disconnect::TooLarge(Box::default()),
        _ => Disconnect::Lost,
    }
}
