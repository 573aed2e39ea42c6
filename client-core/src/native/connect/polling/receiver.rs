//! Receives by long polling: one GET at a time, whose answer is taken apart as it comes. Sends nothing else.

use super::engine::Engine;
use crate::cause::{DialError, Disconnect};
use crate::native::connect::http::{HttpConnection, HttpResponse};
use crate::native::connect::http_error::{is_encoded, media_type};
use crate::socketio::payload::{PayloadDecoder, PayloadError, PayloadPacket};
use futures_util::future::BoxFuture;
use hyper::StatusCode;
use hyper::body::{Buf as _, Bytes};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// The side that is read.
pub(super) struct Receiver {
    state: State,
    decoder: PayloadDecoder,
    /// What has come and not been taken apart.
    piece: Bytes,
    /// Longest silence while a request is under way.
    silence: Duration,
    deadline: Pin<Box<Sleep>>,
}

enum State {
    /// No request is under way.
    Idle(Option<HttpConnection>),
    Asking(BoxFuture<'static, Result<HttpResponse, DialError>>),
    Answered(Box<HttpResponse>),
}

impl Receiver {
    /// Goes on with the first answer, of which `piece` has come and not been taken apart; `None`: that was all.
    pub(super) fn new(
        first: HttpResponse,
        piece: Option<Bytes>,
        decoder: PayloadDecoder,
        silence: Duration,
    ) -> Self {
        Self {
            state: match piece {
                Some(_) => State::Answered(Box::new(first)),
                None => State::Idle(first.into_connection()),
            },
            decoder,
            piece: piece.unwrap_or_default(),
            silence,
            deadline: Box::pin(tokio::time::sleep(silence)),
        }
    }

    /// Whether no request is under way, and all that has come has been taken.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle(_))
    }

    /// The next packet. Asks the server for more only if `may_ask`.
    pub(super) fn poll_packet(
        &mut self,
        engine: &mut Engine,
        may_ask: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Result<PayloadPacket, Disconnect>> {
        loop {
            if let Some(packet) = self.read().map_err(disconnect)? {
                return Poll::Ready(Ok(packet));
            }
            match &mut self.state {
                State::Idle(_) if !may_ask => return Poll::Pending,
                State::Idle(kept) => {
                    let Some(request) = engine.get() else {
                        return Poll::Ready(Err(Disconnect::Protocol));
                    };
                    self.state = State::Asking(Box::pin(engine.send(kept.take(), request)));
                    self.set_deadline();
                }
                State::Asking(answer) => match answer.as_mut().poll(cx) {
                    Poll::Pending => return self.poll_silence(cx),
                    Poll::Ready(Err(error)) => {
                        tracing::debug!(%error, "long polling has failed");
                        return Poll::Ready(Err(Disconnect::Lost));
                    }
                    Poll::Ready(Ok(answer)) => {
                        engine.answered(answer.response.headers());
                        check(&answer)?;
                        self.state = State::Answered(Box::new(answer));
                        self.set_deadline();
                    }
                },
                State::Answered(answer) => match answer.poll_piece(cx) {
                    Poll::Pending => return self.poll_silence(cx),
                    Poll::Ready(Some(Ok(piece))) => {
                        self.piece = piece;
                        self.set_deadline();
                    }
                    Poll::Ready(Some(Err(error))) => {
                        tracing::debug!(%error, "an answer to long polling broke off");
                        return Poll::Ready(Err(Disconnect::Lost));
                    }
                    Poll::Ready(None) => {
                        let packet = self.decoder.finish().map_err(disconnect)?;
                        let State::Answered(answer) = std::mem::replace(&mut self.state, State::Idle(None))
                        else {
                            return Poll::Ready(Err(Disconnect::Protocol));
                        };
                        self.state = State::Idle(answer.into_connection());
                        return Poll::Ready(Ok(packet));
                    }
                },
            }
        }
    }

    /// The next packet of what has come.
    fn read(&mut self) -> Result<Option<PayloadPacket>, PayloadError> {
        let mut rest: &[u8] = &self.piece;
        if rest.is_empty() {
            return Ok(None);
        }
        let packet = self.decoder.read(&mut rest)?;
        let read = self.piece.len() - rest.len();
        self.piece.advance(read);
        Ok(packet)
    }

    fn set_deadline(&mut self) {
        self.deadline.as_mut().reset(Instant::now() + self.silence);
    }

    /// A server that says nothing for so long is gone.
    fn poll_silence<T>(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Disconnect>> {
        self.deadline.as_mut().poll(cx).map(|()| Err(Disconnect::Lost))
    }
}

/// Whether an answer can have packets in it.
fn check(answer: &HttpResponse) -> Result<(), Disconnect> {
    let status = answer.response.status();
    if status != StatusCode::OK {
        tracing::debug!(%status, "long polling was refused");
        return Err(Disconnect::Lost);
    }
    if is_packets(answer) { Ok(()) } else { Err(Disconnect::Protocol) }
}

/// Whether the body may be a payload: no page, and nothing compressed, for which nobody has asked.
pub(super) fn is_packets(answer: &HttpResponse) -> bool {
    let headers = answer.response.headers();
    media_type(headers).as_deref() != Some("text/html") && !is_encoded(headers)
}

pub(super) fn disconnect(error: PayloadError) -> Disconnect {
    tracing::debug!(%error, "an answer to long polling cannot be read");
    match error {
        PayloadError::TooLarge => Disconnect::TooLarge(Box::default()),
        _ => Disconnect::Protocol,
    }
}
