//! The task of one WebSocket.
//!
//! Each time it runs it reads a batch, hands it to the hub in one go, writes everything its send queue has, and
//! flushes once. Writing before flushing is worth a factor of eight in a fan-out.

use crate::close_reason::CloseReason;
use crate::faults::{DelayQueue, FaultState};
use crate::limits::Limit;
use crate::metrics::Metrics;
use crate::ping_limit::PingLimit;
use crate::send_queue::{Drained, Outbound, SendQueue, Shutdown};
use crate::session_log::SessionEnd;
use crate::shared_hub::HubConnection;
use crate::transport::Transport;
use futures_util::{Sink as _, SinkExt as _, Stream as _, StreamExt as _};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message, Utf8Bytes};

/// Most frames read before the others get their turn.
const BATCH: usize = 32;

/// Most bytes of such a batch, but for its last frame.
const BATCH_BYTES: usize = 64 << 10;

/// How long the close frame and what is before it may take to be written, and the peer's close to be answered.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the peer may take to end its side after that.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// A connection, its queue and what it still has to write.
pub(crate) struct Socket {
    stream: WebSocketStream<Transport>,
    send_queue: Arc<SendQueue>,
    fault_state: Arc<FaultState>,
    /// Read and not yet handed to the hub.
    batch: Vec<Utf8Bytes>,
    /// Taken from the send queue and not yet written.
    out: VecDeque<Outbound>,
    /// Waiting before it goes to `out`.
    delay_queue: DelayQueue,
    /// Written since the last flush.
    dirty: bool,
    /// How it has ended, while frames of before wait for what they may do.
    ended: Option<Box<CloseReason>>,
    /// The first words are in the stream's own buffer.
    hello_written: bool,
    pings: PingLimit,
}

impl Socket {
    pub(crate) fn new(
        stream: WebSocketStream<Transport>,
        send_queue: Arc<SendQueue>,
        fault_state: Arc<FaultState>,
    ) -> Self {
        Self {
            stream,
            send_queue,
            fault_state,
            batch: Vec::new(),
            out: VecDeque::new(),
            delay_queue: DelayQueue::default(),
            dirty: false,
            ended: None,
            hello_written: false,
            pings: PingLimit::new(),
        }
    }

    /// Serves the connection to its end. Dropping the future cuts it.
    pub(crate) async fn serve(mut self, hub_conn: HubConnection, metrics: &Metrics) {
        let mut ending = poll_fn(|cx| self.poll(&hub_conn, cx)).await;
        // The rooms are free of it before the farewells, which may take their time.
        if let CloseReason::Over(limit, ..) = ending {
            hub_conn.record_limit(limit);
        }
        hub_conn.leave(SessionEnd::by(&ending, &self.fault_state));
        if let CloseReason::Violation(code, reason) | CloseReason::Over(_, code, reason) = ending
            && let hang_up @ Shutdown::HangUp { .. } = self.send_queue.shutdown_for(code, reason)
        {
            metrics.closed_violation.one_more();
            ending = CloseReason::Requested(hang_up);
        }
        // Boxed: what it needs at its end is not to lie in the task of an open connection.
        Box::pin(end(self.stream, &self.fault_state, self.send_queue.is_aborting(), ending, metrics)).await;
    }

    fn poll(&mut self, hub_conn: &HubConnection, cx: &mut Context<'_>) -> Poll<CloseReason> {
        if self.send_queue.is_aborting() {
            self.out.clear();
            self.delay_queue.clear();
            return self.write(hub_conn, cx);
        }
        if !self.hello_written {
            // What the hub has to say first goes first: an automatic pong would pass for a plain server's first word.
            self.hello_written = true;
            if let Poll::Ready(ending) = self.write(hub_conn, cx) {
                return Poll::Ready(ending);
            }
        }
        let ending = match self.ended.take() {
            Some(ended) => Some(*ended),
            // More is read when that is handed on, and the task is woken for it.
            None if hub_conn.waits() && self.batch.len() >= BATCH => None,
            // The hub has closed it and hears nothing of it any more, while the peer may take long to hear that.
            None if self.send_queue.end().is_some() => None,
            None => {
                let ending = self.read(hub_conn, cx);
                hub_conn.continuations(self.stream.get_mut().take_continuations());
                ending
            }
        };
        while !self.batch.is_empty() {
            let cleared = hub_conn.cleared(&self.batch, cx);
            if cleared.is_empty() {
                self.ended = ending.map(Box::new);
                return if self.ended.is_some() { Poll::Pending } else { self.write(hub_conn, cx) };
            }
            self.send_queue.mark_awake();
            let taken = hub_conn.handle_frames(cleared);
            self.batch.drain(..taken.min(self.batch.len()));
            if ending.is_none() && !self.batch.is_empty() {
                // Somebody's queue is long: let the others write before this one goes on.
                cx.waker().wake_by_ref();
                break;
            }
        }
        ending.map_or_else(|| self.write(hub_conn, cx), Poll::Ready)
    }

    /// Reads until there is nothing more or the batch is full; in that case it asks to be run again.
    fn read(&mut self, hub_conn: &HubConnection, cx: &mut Context<'_>) -> Option<CloseReason> {
        let (mut frames, mut bytes) = (0, 0);
        while self.batch.len() < BATCH && frames < BATCH && bytes < BATCH_BYTES {
            frames += 1;
            match Pin::new(&mut self.stream).poll_next(cx) {
                Poll::Pending => return None,
                Poll::Ready(Some(Ok(message))) => match message {
                    Message::Text(text) => {
                        bytes += text.len();
                        self.batch.push(text);
                    }
                    Message::Ping(_) => {
                        hub_conn.activity();
                        if self.pings.exceeds() {
                            return Some(CloseReason::Over(Limit::PingRate, 4008, "Rate limited"));
                        }
                    }
                    Message::Pong(_) => hub_conn.activity(),
                    // Clients in some languages send their JSON so.
                    Message::Binary(data) => match Utf8Bytes::try_from(data) {
                        Ok(text) => {
                            bytes += text.len();
                            self.batch.push(text);
                        }
                        Err(_) => return Some(CloseReason::Violation(1003, "Not UTF-8")),
                    },
                    Message::Close(frame) => {
                        let clean = frame.is_some_and(|frame| frame.code == CloseCode::Normal);
                        return Some(CloseReason::ClosedByPeer { clean });
                    }
                    // Reading never gives raw frames.
                    Message::Frame(_) => {}
                },
                Poll::Ready(Some(Err(error))) => return Some(CloseReason::of_error(&error)),
                Poll::Ready(None) => return Some(CloseReason::ClosedByPeer { clean: false }),
            }
        }
        cx.waker().wake_by_ref();
        None
    }

    /// Writes all there is, then flushes. Ready only when the conversation is over.
    fn write(&mut self, hub_conn: &HubConnection, cx: &mut Context<'_>) -> Poll<CloseReason> {
        loop {
            self.delay_queue.release(&self.fault_state, &mut self.out, cx);
            while !self.out.is_empty() {
                match Pin::new(&mut self.stream).poll_ready(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(_)) => return Poll::Ready(CloseReason::Lost),
                    Poll::Pending => {
                        self.send_queue.mark_blocked();
                        return Poll::Pending;
                    }
                }
                let Some(item) = self.out.pop_front() else { break };
                match item {
                    // The socket has taken what was before it, but for a buffer: time for more of a replay.
                    Outbound::Fence => hub_conn.queue_drained(),
                    Outbound::Ping => {
                        if self.start(Message::Ping(Bytes::new())).is_err() {
                            return Poll::Ready(CloseReason::Lost);
                        }
                    }
                    Outbound::Text(text) | Outbound::Garbage(text) => {
                        // A second one behind the first needs no second look at readiness: what does not fit into
                        // the socket waits in the write buffer, which has room for several of the largest frames.
                        let twice = self.fault_state.duplicate().then(|| text.clone());
                        for text in twice.into_iter().chain([text]) {
                            if self.start(Message::Text(text.into_bytes())).is_err() {
                                return Poll::Ready(CloseReason::Lost);
                            }
                        }
                    }
                }
            }
            match self.send_queue.take(&mut self.out, self.delay_queue.backlog(), cx.waker()) {
                Drained::Items => self.delay_queue.hold(&self.fault_state, &mut self.out),
                Drained::Closed(end) if self.delay_queue.is_empty() => {
                    return Poll::Ready(CloseReason::Requested(end));
                }
                Drained::Closed(_) | Drained::Empty => break,
            }
        }
        if self.dirty {
            match Pin::new(&mut self.stream).poll_flush(cx) {
                Poll::Ready(Ok(())) => self.dirty = false,
                Poll::Ready(Err(_)) => return Poll::Ready(CloseReason::Lost),
                Poll::Pending => self.send_queue.mark_blocked(),
            }
        }
        Poll::Pending
    }

    fn start(&mut self, message: Message) -> Result<(), Error> {
        self.dirty = true;
        Pin::new(&mut self.stream).start_send(message)
    }
}

/// Ends a connection whose conversation is over. `is_aborting`: it was told to end at once.
pub(crate) async fn end(
    mut stream: WebSocketStream<Transport>,
    fault_state: &FaultState,
    is_aborting: bool,
    ending: CloseReason,
    metrics: &Metrics,
) {
    if fault_state.dead().is_some() {
        return abandon(stream, fault_state).await;
    }
    match ending {
        CloseReason::Lost | CloseReason::Silent | CloseReason::Requested(Shutdown::Abort(_)) => {}
        // What was read after a cut was ordered says nothing about the peer, and a queue that overflowed has nothing
        // left to say.
        CloseReason::Violation(..)
        | CloseReason::Over(..)
        | CloseReason::Requested(Shutdown::HangUp { .. })
            if is_aborting => {}
        CloseReason::ClosedByPeer { .. } => {
            // The answer is queued inside; reading on sends it.
            let answered = async { while let Some(Ok(_)) = stream.next().await {} };
            let _ = timeout(CLOSE_TIMEOUT, answered).await;
        }
        CloseReason::Violation(code, reason) | CloseReason::Over(_, code, reason) => {
            metrics.closed_violation.one_more();
            close(stream, code, reason).await;
        }
        CloseReason::Requested(Shutdown::Close { code, reason }) => close(stream, code, reason).await,
        CloseReason::Requested(Shutdown::HangUp { .. }) => hang_up(stream).await,
    }
}

/// Says goodbye: the close frame, the end of our side, then whatever the peer still sends until it ends its side.
/// Closing at once would reset the connection if something is unread, and take the close frame with it.
pub(crate) async fn close(mut stream: WebSocketStream<Transport>, code: u16, reason: &'static str) {
    let frame = CloseFrame { code: CloseCode::from(code), reason: Utf8Bytes::from_static(reason) };
    let closing = async {
        stream.send(Message::Close(Some(frame))).await?;
        stream.get_mut().shutdown().await?;
        Ok::<_, Error>(())
    };
    let said = timeout(CLOSE_TIMEOUT, closing).await;
    linger(stream, matches!(said, Ok(Ok(())))).await;
}

/// Ends our side without a close frame, after what was written before.
async fn hang_up(mut stream: WebSocketStream<Transport>) {
    let closing = async {
        stream.flush().await?;
        stream.get_mut().shutdown().await?;
        Ok::<_, Error>(())
    };
    let said = timeout(CLOSE_TIMEOUT, closing).await;
    linger(stream, matches!(said, Ok(Ok(())))).await;
}

/// Reads on until the peer ends its side. Whether it takes part or not: after this the connection is gone.
async fn linger(mut stream: WebSocketStream<Transport>, said: bool) {
    if said {
        let transport = stream.get_mut();
        // On the heap: an array would lie in the task of every connection from its beginning.
        let mut scratch = vec![0; 2048];
        let rest = async { while transport.read(&mut scratch).await.is_ok_and(|count| count > 0) {} };
        let _ = timeout(LINGER_TIMEOUT, rest).await;
    }
}

/// Keeps a half-open connection as it is until the peer ends it or the fault is cleared.
async fn abandon(mut stream: WebSocketStream<Transport>, fault_state: &FaultState) {
    let transport = stream.get_mut();
    poll_fn(|cx| {
        let mut scratch = [0; 2048];
        while fault_state.dead().is_some() {
            let mut lost = ReadBuf::new(&mut scratch);
            match Pin::new(&mut *transport).poll_read(cx, &mut lost) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) if !lost.filled().is_empty() => {}
                Poll::Ready(_) => break,
            }
        }
        Poll::Ready(())
    })
    .await;
}
