//! The move from long polling to a WebSocket: the probe, and the announcement once both requests have ended.

use super::engine::Engine;
use crate::cause::{DialError, DialErrorKind};
use crate::native::connect::transport::Transport;
use crate::native::connect::websocket::WebSocketConnector;
use futures_util::future::BoxFuture;
use futures_util::{Sink as _, SinkExt as _, Stream as _, StreamExt as _};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

/// How long the WebSocket may take to open and to show that it lets packets through.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// The engine's packets of the move.
const PROBE: &str = "2probe";
const PROBED: &str = "3probe";
const UPGRADE: &str = "5";

/// A WebSocket that is open.
pub(super) type Opened = Box<WebSocketStream<Transport>>;

/// How far the move is.
pub(super) enum Upgrade {
    /// There will be none.
    None,
    Probing(BoxFuture<'static, Result<Opened, DialError>>),
    /// The WebSocket works. Nothing more is sent by long polling, and what is under way is waited for.
    Pausing(Opened),
    /// No request is under way, and the server is being told.
    Announcing(Opened),
}

impl Upgrade {
    /// Begins the probe.
    pub(super) fn probe(connector: WebSocketConnector, engine: &Engine) -> Self {
        let Some(request) = engine.upgrade() else { return Self::None };
        let endpoint = engine.endpoint.clone();
        let secrets = engine.secrets.clone();
        let probe = async move {
            let mut stream = connector.upgrade(&endpoint, request, &secrets).await?;
            stream.send(text(PROBE)).await.map_err(|error| failed(&error))?;
            loop {
                match stream.next().await {
                    Some(Ok(Message::Text(answer))) if answer == PROBED => return Ok(Box::new(stream)),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    _ => {
                        let text = "the server did not answer the probe";
                        return Err(DialError::new(DialErrorKind::NotWebSocket, text));
                    }
                }
            }
        };
        Self::Probing(Box::pin(async move {
            let late = || DialError::new(DialErrorKind::Timeout, "the probe took too long");
            timeout(PROBE_TIMEOUT, probe).await.unwrap_or_else(|_| Err(late()))
        }))
    }

    /// Whether a POST may begin.
    pub(super) fn lets_post_begin(&self) -> bool {
        matches!(self, Self::None | Self::Probing(_))
    }

    /// Whether a GET may begin. Before the move a server may answer a POST only when something has been taken from it.
    pub(super) fn lets_get_begin(&self, is_posting: bool) -> bool {
        self.lets_post_begin() || (is_posting && matches!(self, Self::Pausing(_)))
    }

    /// Goes on as far as it can. `is_idle`: no request is under way. Gives the WebSocket when the server has been told.
    ///
    /// # Errors
    /// When it broke after the server may have been told.
    pub(super) fn poll(&mut self, is_idle: bool, cx: &mut Context<'_>) -> Poll<Result<Opened, ()>> {
        loop {
            match std::mem::replace(self, Self::None) {
                Self::None => return Poll::Pending,
                Self::Probing(mut probe) => match probe.as_mut().poll(cx) {
                    Poll::Pending => {
                        *self = Self::Probing(probe);
                        return Poll::Pending;
                    }
                    Poll::Ready(Err(error)) => tracing::debug!(%error, "long polling goes on: no WebSocket"),
                    Poll::Ready(Ok(stream)) => *self = Self::Pausing(stream),
                },
                Self::Pausing(mut stream) => {
                    if is_idle {
                        // The server has not been told before this.
                        if Pin::new(&mut *stream).start_send(text(UPGRADE)).is_ok() {
                            *self = Self::Announcing(stream);
                            continue;
                        }
                    } else {
                        match Pin::new(&mut *stream).poll_next(cx) {
                            Poll::Pending => {
                                *self = Self::Pausing(stream);
                                return Poll::Pending;
                            }
                            Poll::Ready(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => {
                                *self = Self::Pausing(stream);
                                continue;
                            }
                            Poll::Ready(_) => {}
                        }
                    }
                    tracing::debug!("long polling goes on: the WebSocket broke before it was used");
                    // Requests may begin again.
                    cx.waker().wake_by_ref();
                }
                Self::Announcing(mut stream) => {
                    return match Pin::new(&mut *stream).poll_flush(cx) {
                        Poll::Pending => {
                            *self = Self::Announcing(stream);
                            Poll::Pending
                        }
                        Poll::Ready(Ok(())) => Poll::Ready(Ok(stream)),
                        Poll::Ready(Err(_)) => Poll::Ready(Err(())),
                    };
                }
            }
        }
    }
}

fn text(packet: &'static str) -> Message {
    Message::Text(Utf8Bytes::from_static(packet))
}

fn failed(error: &tokio_tungstenite::tungstenite::Error) -> DialError {
    DialError::new(DialErrorKind::Unreachable, error.to_string())
}
