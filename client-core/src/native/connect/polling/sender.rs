//! Sends by long polling: a bounded queue of packets, and one POST at a time with as many of them as one may have. Reads no
//! packets.

use super::engine::Engine;
use crate::cause::Disconnect;
use crate::native::connect::http::{HttpConnection, HttpResponse};
use crate::socketio::payload::{append_binary, append_text};
use futures_util::future::BoxFuture;
use hyper::StatusCode;
use hyper::header::HeaderMap;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Message;

/// Most packets in one POST: servers bound them, python-engineio at 16.
const MAX_PACKETS: usize = 16;
/// Most packets in the queue.
const MAX_QUEUED: usize = 1 << 17;
/// What a packet takes in the queue beside its bytes.
const OVERHEAD: usize = 32;
/// Most bytes of the answer to a POST, which is `ok`.
const MAX_ANSWER: usize = 64 << 10;
/// A connection that has been idle for longer may be closed by the server at any moment, and is not used again.
const REUSE_WITHIN: Duration = Duration::from_secs(1);

/// The engine's own packets.
const CLOSE: &str = "1";
const PONG: &str = "3";

/// The side that is written.
pub(super) struct Sender {
    queue: VecDeque<Message>,
    queued_bytes: usize,
    max_queued_bytes: usize,
    /// Most bytes of a POST.
    max_body: usize,
    /// How long a POST may take.
    patience: Duration,
    state: State,
    ping: Ping,
    close: ClosePacket,
}

/// A sign of life, which the answer to a POST is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ping {
    None,
    Wanted,
    Answered,
}

/// The end of the session.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ClosePacket {
    None,
    /// In the queue.
    Queued,
    /// In the POST under way.
    Sent,
    /// The server has it.
    Taken,
}

enum State {
    Idle(Option<(HttpConnection, Instant)>),
    Posting(BoxFuture<'static, Posted>),
}

/// The fields of an answer, and the connection if it can be used again.
type Posted = Result<(HeaderMap, Option<HttpConnection>), Disconnect>;

impl Sender {
    pub(super) fn new(max_queued_bytes: usize, max_body: usize, patience: Duration) -> Self {
        Self {
            queue: VecDeque::new(),
            queued_bytes: 0,
            max_queued_bytes,
            max_body,
            patience,
            state: State::Idle(None),
            ping: Ping::None,
            close: ClosePacket::None,
        }
    }

    /// Queues a frame.
    pub(super) fn push(&mut self, message: Message) -> Result<(), Disconnect> {
        if matches!(message, Message::Ping(_)) {
            self.ping = Ping::Wanted;
            return Ok(());
        }
        if message.is_close() {
            self.close = ClosePacket::Queued;
        }
        self.queued_bytes += message.len() + OVERHEAD;
        if self.queued_bytes > self.max_queued_bytes || self.queue.len() >= MAX_QUEUED {
            return Err(Disconnect::Lost);
        }
        self.queue.push_back(message);
        Ok(())
    }

    /// Whether no POST is under way.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle(_))
    }

    /// Whether the server has answered since it was asked for a sign of life.
    pub(super) fn take_pong(&mut self) -> bool {
        let is_answered = self.ping == Ping::Answered;
        if is_answered {
            self.ping = Ping::None;
        }
        is_answered
    }

    /// Whether the server has taken the close packet.
    pub(super) fn is_closed(&self) -> bool {
        self.close == ClosePacket::Taken
    }

    /// Whether the end has been queued.
    pub(super) fn is_closing(&self) -> bool {
        self.close != ClosePacket::None
    }

    /// Forgets what has not been sent.
    pub(super) fn clear(&mut self) {
        self.queue.clear();
        self.queued_bytes = 0;
        self.ping = Ping::None;
    }

    /// What has not been sent, for the transport that comes next.
    pub(super) fn take_queue(&mut self) -> VecDeque<Message> {
        self.queued_bytes = 0;
        if self.ping == Ping::Wanted {
            self.queue.push_back(Message::Ping(Vec::new().into()));
        }
        std::mem::take(&mut self.queue)
    }

    /// Ready when the server has taken everything. Begins a POST only if `may_post`.
    pub(super) fn poll_flush(
        &mut self,
        engine: &mut Engine,
        may_post: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Disconnect>> {
        loop {
            match &mut self.state {
                State::Idle(_) if self.queue.is_empty() && self.ping != Ping::Wanted => {
                    return Poll::Ready(Ok(()));
                }
                State::Idle(_) if !may_post => return Poll::Pending,
                State::Idle(kept) => {
                    let kept = kept.take();
                    let kept = kept.filter(|(_, since)| since.elapsed() < REUSE_WITHIN);
                    let body = self.body();
                    let Some(request) = engine.post(body) else {
                        return Poll::Ready(Err(Disconnect::Protocol));
                    };
                    let answer = engine.send(kept.map(|(connection, _)| connection), request);
                    let patience = self.patience;
                    self.state = State::Posting(Box::pin(async move {
                        let posted = async {
                            match answer.await {
                                Ok(answer) => finish(answer).await,
                                Err(error) => {
                                    tracing::debug!(%error, "a POST of long polling has failed");
                                    Err(Disconnect::Lost)
                                }
                            }
                        };
                        timeout(patience, posted).await.unwrap_or(Err(Disconnect::Lost))
                    }));
                }
                State::Posting(posted) => {
                    let (headers, kept) = ready!(posted.as_mut().poll(cx))?;
                    engine.answered(&headers);
                    self.state = State::Idle(kept.map(|kept| (kept, Instant::now())));
                    if self.ping == Ping::Wanted {
                        self.ping = Ping::Answered;
                    }
                    if self.close == ClosePacket::Sent {
                        self.close = ClosePacket::Taken;
                    }
                    // Whoever reads may have waited for this.
                    cx.waker().wake_by_ref();
                }
            }
        }
    }

    /// The next packets, as many as one POST takes.
    fn body(&mut self) -> String {
        let mut body = String::new();
        let mut packets = 0;
        while packets < MAX_PACKETS
            && let Some(next) = self.queue.pop_front()
        {
            // A separator, the sign of an attachment, and base64.
            let length = next.len().div_ceil(3) * if next.is_binary() { 4 } else { 3 } + 2;
            if packets > 0 && body.len() + length > self.max_body {
                self.queue.push_front(next);
                break;
            }
            self.queued_bytes = self.queued_bytes.saturating_sub(next.len() + OVERHEAD);
            packets += 1;
            match next {
                Message::Text(text) => append_text(&mut body, &text),
                Message::Binary(bytes) => append_binary(&mut body, &bytes),
                Message::Close(_) => {
                    append_text(&mut body, CLOSE);
                    self.close = ClosePacket::Sent;
                }
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
        if body.is_empty() {
            // Nothing is to be said, and yet an answer is wanted: of all packets this one means nothing to a server.
            append_text(&mut body, PONG);
        }
        body
    }
}

/// Reads the answer to a POST to its end.
async fn finish(mut answer: HttpResponse) -> Posted {
    let status = answer.response.status();
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        return Err(Disconnect::Closed {
            code: 1009,
            reason: "the server takes no message of this size".into(),
        });
    }
    if status != StatusCode::OK {
        tracing::debug!(%status, "a POST of long polling was refused");
        return Err(Disconnect::Lost);
    }
    let mut bytes = 0;
    while let Some(piece) = poll_fn(|cx| answer.poll_piece(cx)).await {
        bytes += piece.map_err(|_| Disconnect::Lost)?.len();
        if bytes > MAX_ANSWER {
            return Err(Disconnect::Protocol);
        }
    }
    let headers = answer.response.headers().clone();
    Ok((headers, answer.into_connection()))
}
