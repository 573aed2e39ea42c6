//! The transport of a session: a WebSocket, or polls.

use super::packet::{CLOSE, Incoming};
use super::payload::{SEPARATOR, append, attach};
use super::write_queue::{WriteItem, WriteQueue};
use crate::close_reason::CloseReason;
use crate::limits::Limit;
use crate::ping_limit::PingLimit;
use crate::transport::Transport;
use futures_util::{Sink as _, Stream as _};
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::oneshot;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// Most packets read before the others get their turn.
const BATCH: usize = 32;

/// Most bytes of such a batch, but for its last frame.
const BATCH_BYTES: usize = 64 << 10;

/// An answer of long-polling takes no more packets once it has so many bytes.
const BODY: usize = 256 << 10;

pub(super) enum EngineTransport {
    Polling(Polling),
    WebSocket {
        stream: Box<WebSocketStream<Transport>>,
        /// Written since the last flush.
        dirty: bool,
        pings: PingLimit,
    },
}

#[derive(Default)]
pub(super) struct Polling {
    /// The GET that waits.
    waiting: Option<oneshot::Sender<String>>,
    /// The answer to a GET whose peer was gone when it came.
    undelivered: Option<String>,
    /// What the GET that waits is answered with.
    body: String,
    /// A WebSocket is about to take over: whoever polls is sent away at once.
    pub(super) probing: bool,
}

/// What came of writing.
pub(super) enum Written {
    /// All of it: there is room for more.
    All,
    /// No more can be taken now.
    Blocked,
    Lost,
}

impl EngineTransport {
    pub(super) fn websocket(stream: Box<WebSocketStream<Transport>>) -> Self {
        Self::WebSocket { stream, dirty: false, pings: PingLimit::new() }
    }

    /// Reads until there is nothing more or the batch is full; in that case it asks to be run again. Gives whether
    /// there was a sign of life other than a packet, and why the conversation is over, if it is.
    pub(super) fn read(
        &mut self,
        incoming: &mut VecDeque<Incoming>,
        cx: &mut Context<'_>,
    ) -> (bool, Option<CloseReason>) {
        let Self::WebSocket { stream, pings, .. } = self else { return (false, None) };
        let (mut bytes, mut alive) = (0, false);
        while incoming.len() < BATCH && bytes < BATCH_BYTES {
            match Pin::new(&mut **stream).poll_next(cx) {
                Poll::Pending => return (alive, None),
                Poll::Ready(Some(Ok(message))) => match message {
                    Message::Text(text) => {
                        bytes += text.len();
                        incoming.push_back(Incoming::Packet(text));
                    }
                    Message::Binary(data) => {
                        bytes += data.len();
                        incoming.push_back(Incoming::Attachment(data));
                    }
                    Message::Ping(_) | Message::Pong(_) if pings.exceeds() => {
                        return (true, Some(CloseReason::Over(Limit::PingRate, 4008, "Rate limited")));
                    }
                    Message::Ping(_) | Message::Pong(_) => alive = true,
                    Message::Close(frame) => {
                        let clean = frame.is_some_and(|frame| frame.code == CloseCode::Normal);
                        return (alive, Some(CloseReason::ClosedByPeer { clean }));
                    }
                    // Reading never gives raw frames.
                    Message::Frame(_) => {}
                },
                Poll::Ready(Some(Err(error))) => return (alive, Some(CloseReason::of_error(&error))),
                Poll::Ready(None) => return (alive, Some(CloseReason::ClosedByPeer { clean: false })),
            }
        }
        cx.waker().wake_by_ref();
        (alive, None)
    }

    /// How many WebSocket frames have come since the last call that continue a message.
    pub(super) fn take_continuations(&mut self) -> u32 {
        match self {
            Self::Polling(_) => 0,
            Self::WebSocket { stream, .. } => stream.get_mut().take_continuations(),
        }
    }

    /// Writes what can be written, and calls `drained` with a namespace's number where the hub wants to know that its turn
    /// has come.
    pub(super) fn write(
        &mut self,
        write_queue: &mut WriteQueue,
        mut drained: impl FnMut(u32),
        cx: &mut Context<'_>,
    ) -> Written {
        match self {
            Self::Polling(polling) => {
                if !polling.is_waiting() {
                    return Written::Blocked;
                }
                while polling.body.len() < BODY {
                    match write_queue.pop() {
                        Some(WriteItem::Packet(packet)) => append(&mut polling.body, &packet),
                        Some(WriteItem::Attachment(bytes)) => attach(&mut polling.body, &bytes),
                        Some(WriteItem::Fence(member)) => drained(member),
                        None => return Written::All,
                    }
                }
                Written::Blocked
            }
            Self::WebSocket { stream, dirty, .. } => {
                while !write_queue.is_empty() {
                    match Pin::new(&mut **stream).poll_ready(cx) {
                        Poll::Ready(Ok(())) => {}
                        Poll::Ready(Err(_)) => return Written::Lost,
                        Poll::Pending => return Written::Blocked,
                    }
                    let message = match write_queue.pop() {
                        Some(WriteItem::Packet(packet)) => Message::Text(packet),
                        Some(WriteItem::Attachment(bytes)) => Message::Binary(bytes),
                        Some(WriteItem::Fence(member)) => {
                            drained(member);
                            continue;
                        }
                        None => break,
                    };
                    *dirty = true;
                    if Pin::new(&mut **stream).start_send(message).is_err() {
                        return Written::Lost;
                    }
                }
                Written::All
            }
        }
    }

    /// Sends what was written on its way.
    pub(super) fn flush(&mut self, cx: &mut Context<'_>) -> Written {
        match self {
            Self::Polling(polling) => {
                polling.answer();
                Written::All
            }
            Self::WebSocket { stream, dirty, .. } => {
                if *dirty {
                    match Pin::new(&mut **stream).poll_flush(cx) {
                        Poll::Ready(Ok(())) => *dirty = false,
                        Poll::Ready(Err(_)) => return Written::Lost,
                        Poll::Pending => return Written::Blocked,
                    }
                }
                Written::All
            }
        }
    }
}

impl Polling {
    /// A GET has come. `false`: another one waits already, which no client does. That one is told that all is over, and
    /// this one gets no answer.
    pub(super) fn poll(&mut self, answer: oneshot::Sender<String>) -> bool {
        if self.is_waiting() {
            self.send_away(CLOSE);
            return false;
        }
        self.waiting = Some(answer);
        self.body = self.undelivered.take().unwrap_or_default();
        true
    }

    /// Whether a GET that comes now is no answer to something: it is sent away at once, or the last one was given up.
    pub(super) fn is_idle(&self) -> bool {
        self.probing || self.waiting.is_some() || self.undelivered.is_some()
    }

    /// Whether a GET waits whose peer is still there.
    fn is_waiting(&self) -> bool {
        self.waiting.as_ref().is_some_and(|answer| !answer.is_closed())
    }

    /// Answers the GET with what there is, if there is something.
    fn answer(&mut self) {
        if !self.body.is_empty()
            && let Some(answer) = self.waiting.take()
            && let Err(body) = answer.send(std::mem::take(&mut self.body))
        {
            self.undelivered = Some(body);
        }
    }

    /// Answers the GET with this if there is nothing else.
    pub(super) fn send_away(&mut self, packet: &str) {
        if self.is_waiting() {
            append(&mut self.body, packet);
            self.answer();
        }
    }

    /// Whether the GET that waits has been told this as the last thing.
    pub(super) fn finish(&mut self, write_queue: &mut WriteQueue, packet: &str) -> bool {
        if !self.is_waiting() {
            return false;
        }
        while let Some(line) = write_queue.pop() {
            match line {
                WriteItem::Packet(packet) => append(&mut self.body, &packet),
                WriteItem::Attachment(bytes) => attach(&mut self.body, &bytes),
                WriteItem::Fence(_) => {}
            }
        }
        append(&mut self.body, packet);
        self.answer();
        self.undelivered.is_none()
    }

    /// A WebSocket takes over: what no GET has got goes there.
    pub(super) fn give_up(mut self, write_queue: &mut WriteQueue, packet: &str) {
        if let Some(body) = self.undelivered.take() {
            write_queue.give_back(body.split(SEPARATOR));
        }
        self.send_away(packet);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    fn written(transport: &mut EngineTransport, write_queue: &mut WriteQueue) -> usize {
        let mut marks = 0;
        let cx = &mut Context::from_waker(Waker::noop());
        transport.write(write_queue, |_| marks += 1, cx);
        transport.flush(cx);
        marks
    }

    fn polled(transport: &mut EngineTransport) -> oneshot::Receiver<String> {
        let (answer, answered) = oneshot::channel();
        let EngineTransport::Polling(polling) = transport else { panic!() };
        assert!(polling.poll(answer));
        answered
    }

    #[test]
    fn a_poll_takes_all_there_is_and_one_without_anything_waits() {
        let (mut transport, mut write_queue) =
            (EngineTransport::Polling(Polling::default()), WriteQueue::default());
        write_queue.push("4a");
        write_queue.mark(0);
        write_queue.push("4b");
        assert_eq!((written(&mut transport, &mut write_queue), write_queue.is_empty()), (0, false));
        let mut answer = polled(&mut transport);
        assert_eq!(written(&mut transport, &mut write_queue), 1);
        assert_eq!(answer.try_recv().unwrap(), "4a\u{1e}4b");
        let mut answer = polled(&mut transport);
        written(&mut transport, &mut write_queue);
        assert!(answer.try_recv().is_err());
        write_queue.push("4c");
        written(&mut transport, &mut write_queue);
        assert_eq!(answer.try_recv().unwrap(), "4c");
    }

    #[test]
    fn an_answer_whose_peer_was_gone_is_the_next_ones() {
        let (mut transport, mut write_queue) =
            (EngineTransport::Polling(Polling::default()), WriteQueue::default());
        let gone = polled(&mut transport);
        let EngineTransport::Polling(polling) = &mut transport else { panic!() };
        append(&mut polling.body, "4a");
        drop(gone);
        polling.answer();
        write_queue.push("4b");
        let mut answer = polled(&mut transport);
        written(&mut transport, &mut write_queue);
        assert_eq!(answer.try_recv().unwrap(), "4a\u{1e}4b");
    }

    #[test]
    fn a_long_answer_leaves_the_rest_and_the_replays_to_the_next() {
        let (mut transport, mut write_queue) =
            (EngineTransport::Polling(Polling::default()), WriteQueue::default());
        write_queue.push("4".repeat(BODY));
        write_queue.mark(0);
        write_queue.push("4b");
        let mut answer = polled(&mut transport);
        assert_eq!(written(&mut transport, &mut write_queue), 0);
        assert_eq!(answer.try_recv().unwrap().len(), BODY);
        assert_eq!(write_queue.backlog().0, 2);
    }

    #[test]
    fn of_two_polls_at_a_time_the_first_is_told_that_all_is_over_and_the_other_nothing() {
        let mut polling = Polling::default();
        let (one, mut first) = oneshot::channel();
        let (other, mut second) = oneshot::channel();
        assert!(polling.poll(one));
        assert!(!polling.poll(other));
        assert_eq!(first.try_recv().as_deref(), Ok("1"));
        assert!(second.try_recv().is_err());
    }

    #[test]
    fn what_no_poll_has_got_goes_to_the_websocket_that_takes_over() {
        let mut write_queue = WriteQueue::default();
        write_queue.push("4c");
        let polling = Polling { undelivered: Some(String::from("4a\u{1e}4b")), ..Polling::default() };
        polling.give_up(&mut write_queue, "6");
        let lines: Vec<_> = std::iter::from_fn(|| write_queue.pop()).collect();
        assert_eq!(lines, ["4a", "4b", "4c"].map(|packet| WriteItem::Packet(packet.into())));
    }
}
