//! The task around a feed: moves bytes and events. Decides nothing.

use super::stream::{EventSender, PendingEvent};
use crate::cause::{DialError, Disconnect};
use crate::feed::{EventStream, Feed, FeedEvent, FeedInput, FeedItem, FeedOutput};
use crate::link::{ConnId, State};
use crate::messages::json::ServerDecoder;
use crate::native::clock::Clock;
use crate::native::connect::{StreamBody, StreamRequest};
use crate::native::options::TokenSource;
use crate::native::trace;
use crate::token::{Token, TokenError};
use futures_util::future::BoxFuture;
use hyper::body::{Buf as _, Bytes};
use std::collections::VecDeque;
use std::future::{pending, poll_fn};
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::Receiver;

/// Items read before other tasks of the runtime get their turn.
const MAX_ITEMS_PER_TURN: usize = 256;

pub(crate) struct FeedDriver {
    feed: Feed,
    request: Arc<StreamRequest>,
    source: Option<TokenSource>,
    clock: Clock,
    max_event: usize,
    sender: EventSender,
    requests: Receiver<FeedInput>,
    decoder: ServerDecoder,
    dialing: Option<(ConnId, BoxFuture<'static, Result<StreamBody, DialError>>)>,
    fetching: Option<BoxFuture<'static, Result<Token, TokenError>>>,
    open: Option<Open>,
    /// Envelope as soon as there is room; until then nothing is read.
    waiting: VecDeque<PendingEvent>,
    busy: bool,
}

/// The stream in use.
struct Open {
    conn: ConnId,
    body: StreamBody,
    reader: EventStream,
    /// What has come and not been read.
    piece: Bytes,
}

/// What the task waits for.
enum Wakeup {
    Request(Option<FeedInput>),
    Room(Option<OwnedSemaphorePermit>),
    Token(Result<Token, TokenError>),
    Dialed(Result<StreamBody, DialError>),
    Piece(Result<Bytes, Disconnect>),
    Time,
}

impl FeedDriver {
    pub(crate) fn new(
        feed: Feed,
        request: StreamRequest,
        source: Option<TokenSource>,
        clock: Clock,
        max_event: usize,
        sender: EventSender,
        requests: Receiver<FeedInput>,
    ) -> Self {
        Self {
            feed,
            request: Arc::new(request),
            source,
            clock,
            max_event,
            sender,
            requests,
            decoder: ServerDecoder::default(),
            dialing: None,
            fetching: None,
            open: None,
            waiting: VecDeque::new(),
            busy: false,
        }
    }

    pub(crate) async fn run(mut self) {
        self.input(FeedInput::Connect);
        loop {
            self.read();
            match self.next().await {
                Wakeup::Request(Some(input)) => self.input(input),
                Wakeup::Request(None) => return self.end(),
                Wakeup::Room(permit) => {
                    if let Some(waiting) = self.waiting.pop_front() {
                        self.sender.send(waiting, permit);
                    }
                    self.publish();
                }
                Wakeup::Token(result) => {
                    self.fetching = None;
                    self.input(FeedInput::Token(result));
                }
                Wakeup::Dialed(result) => self.dialed(result),
                Wakeup::Piece(Ok(piece)) => {
                    if let Some(open) = &mut self.open {
                        open.piece = piece;
                        let conn = open.conn;
                        self.input(FeedInput::Activity(conn));
                    }
                }
                Wakeup::Piece(Err(how)) => {
                    if let Some(open) = self.open.take() {
                        self.input(FeedInput::Closed(open.conn, how));
                    }
                }
                Wakeup::Time => self.input(FeedInput::Tick),
            }
        }
    }

    /// Says what happened, and does what the feed wants.
    fn input(&mut self, input: FeedInput) {
        self.feed.handle(self.clock.now(), input);
        while let Some(output) = self.feed.poll() {
            match output {
                FeedOutput::FetchToken { rejected: _ } => {
                    trace::fetching_token();
                    self.fetching = self.source.as_ref().map(|source| source());
                }
                FeedOutput::Dial { conn, attempt, token, last_event_id, history } => {
                    trace::requesting(attempt);
                    let request = Arc::clone(&self.request);
                    let dial = async move {
                        request.dial(token, last_event_id, history).await.map_err(|refused| refused.error)
                    };
                    self.dialing = Some((conn, Box::pin(dial)));
                }
                FeedOutput::Abort { conn } => {
                    self.dialing.take_if(|(dialing, _)| *dialing == conn);
                    self.open.take_if(|open| open.conn == conn);
                }
                FeedOutput::Event { event, last_event_id } => {
                    let waiting = self.envelope(event, last_event_id);
                    self.waiting.push_back(waiting);
                }
            }
        }
        self.publish();
    }

    /// An event for the application; a change of state is seen at once.
    fn envelope(&self, event: FeedEvent, last_event_id: Option<Arc<str>>) -> PendingEvent {
        trace::feed_event(&event, self.clock.monotonic());
        if let FeedEvent::State(change) = &event {
            self.sender.state.send_replace(change.clone());
        }
        PendingEvent::new(event, last_event_id)
    }

    /// Returns the application what there is room for. A silence while there is none is this side's own.
    fn publish(&mut self) {
        while let Some(waiting) = self.waiting.pop_front() {
            if let Some(waiting) = self.sender.try_send(waiting) {
                self.waiting.push_front(waiting);
                break;
            }
        }
        let busy = !self.waiting.is_empty();
        if std::mem::replace(&mut self.busy, busy) != busy {
            self.feed.handle(self.clock.now(), FeedInput::Backpressure(busy));
        }
    }

    fn dialed(&mut self, result: Result<StreamBody, DialError>) {
        let Some((conn, _)) = self.dialing.take() else { return };
        match result {
            Ok(body) => {
                let reader = EventStream::new(self.max_event);
                self.open = Some(Open { conn, body, reader, piece: Bytes::new() });
                self.input(FeedInput::Opened(conn));
            }
            Err(error) => self.input(FeedInput::DialFailed(conn, error)),
        }
    }

    /// Reads what has come, as far as the application has room for it.
    fn read(&mut self) {
        for _ in 0..MAX_ITEMS_PER_TURN {
            let Some(open) = self.open.as_mut().filter(|open| !self.busy && !open.piece.is_empty()) else {
                return;
            };
            let mut rest: &[u8] = &open.piece;
            let item = open.reader.read(&mut rest);
            let read = open.piece.len() - rest.len();
            open.piece.advance(read);
            if let Some(item) = item {
                let conn = open.conn;
                let arrival = FeedItem::read(item, &self.request.room, &mut self.decoder);
                self.input(FeedInput::Received(conn, arrival));
            }
        }
    }

    async fn next(&mut self) -> Wakeup {
        let deadline =
            self.feed.next_deadline().map(|deadline| self.clock.instant_at(self.clock.monotonic(), deadline));
        let unread = self.open.as_ref().is_some_and(|open| !open.piece.is_empty());
        let first = self.waiting.front();
        // Looked at in this order: what has arrived is activity that a late deadline must not overlook.
        tokio::select! {
            biased;
            request = self.requests.recv() => Wakeup::Request(request),
            permit = room(&self.sender, first), if first.is_some() => Wakeup::Room(permit),
            result = done(self.fetching.as_mut()) => Wakeup::Token(result),
            result = done(self.dialing.as_mut().map(|(_, dialing)| dialing)) => Wakeup::Dialed(result),
            // Other tasks first, then the rest of what has come.
            () = tokio::task::yield_now(), if unread && first.is_none() => Wakeup::Time,
            piece = piece(self.open.as_mut()), if !unread && first.is_none() => Wakeup::Piece(piece),
            () = time(deadline) => Wakeup::Time,
        }
    }

    /// The application wants no more. Final events bypass backpressure; queued ones are dropped.
    fn end(mut self) {
        self.waiting.clear();
        self.feed.handle(self.clock.now(), FeedInput::Close);
        while let Some(output) = self.feed.poll() {
            if let FeedOutput::Event { event, last_event_id } = output {
                let waiting = self.envelope(event, last_event_id);
                self.sender.send(waiting, None);
            }
        }
        debug_assert!(self.feed.state() == State::Closed);
    }
}

async fn room(sender: &EventSender, waiting: Option<&PendingEvent>) -> Option<OwnedSemaphorePermit> {
    match waiting {
        Some(waiting) => sender.reserve(waiting).await,
        None => pending().await,
    }
}

async fn done<T>(future: Option<&mut BoxFuture<'static, T>>) -> T {
    match future {
        Some(future) => future.await,
        None => pending().await,
    }
}

async fn piece(open: Option<&mut Open>) -> Result<Bytes, Disconnect> {
    match open {
        Some(open) => poll_fn(|cx| open.body.poll_piece(cx)).await,
        None => pending().await,
    }
}

async fn time(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => pending().await,
    }
}
