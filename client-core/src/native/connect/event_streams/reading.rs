//! One room's stream, as the frames of an extended server. Does not come back after its end.

use super::answers::{self, Refusal};
use crate::cause::DialErrorKind;
use crate::feed::{EventStream, FeedItem, StreamItem};
use crate::messages::json::ServerDecoder;
use crate::messages::{
    Code, EntryMeta, History, HistoryRequest, JoinReason, JoinRequest, Message, Position, Ref, ServerMessage,
};
use crate::name::Name;
use crate::native::connect::stream_request::{Refused, StreamBody, StreamRequest};
use crate::token::Token;
use futures_util::future::BoxFuture;
use hyper::body::{Buf as _, Bytes};
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// A server says something every 15 s, if only a comment.
const IDLE_TIMEOUT: Duration = Duration::from_secs(40);
/// How long the opening of a stream may take, and its first event.
const OPEN_TIMEOUT: Duration = Duration::from_secs(20);
/// When a room is asked for again that the server has no place for now, and gives no time.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// What a stream has brought.
pub(super) enum Received {
    Frame(ServerMessage),
    /// There is no stream: the answer to the join.
    Refused(ServerMessage),
    TokenRefused,
    /// The connection of the stream has ended: as a WebSocket would have.
    Lost,
}

pub(super) struct Reading {
    /// The join's.
    reference: Ref,
    room: Name,
    /// The session has shown a position to continue from.
    has_since: bool,
    /// The page of the log that the session waits for.
    page: Option<HistoryRequest>,
    max_event: usize,
    step: Step,
    /// When a silence has lasted too long.
    deadline: Pin<Box<Sleep>>,
}

enum Step {
    Opening(BoxFuture<'static, Result<StreamBody, Refused>>),
    /// The answer to the join is the first event.
    Open(Box<OpenStream>),
}

struct OpenStream {
    body: StreamBody,
    reader: EventStream,
    /// What has come and not been read.
    piece: Bytes,
    /// Once the join is confirmed.
    joined: Option<Replay>,
}

/// What comes before the live messages.
#[derive(Debug, Clone, Copy)]
struct Replay {
    /// The log's head at the join.
    head: u64,
    /// The number of the last message that came.
    last: u64,
    /// The session does not continue from it: it asks for these messages page by page, as of a log that was trimmed.
    is_asked_for: bool,
}

impl Replay {
    fn is_over(self) -> bool {
        self.last >= self.head
    }
}

impl OpenStream {
    /// Whether what comes next is a page that the session asks for.
    fn is_asked_for(&self) -> bool {
        self.joined.is_some_and(|replay| replay.is_asked_for && !replay.is_over())
    }
}

impl Reading {
    /// Begins to read what `request` asks for.
    pub(super) fn open(
        dial: StreamRequest,
        token: Option<Token>,
        request: JoinRequest,
        max_event: usize,
    ) -> Self {
        let JoinRequest { reference, since, history } = request;
        let room = dial.room.clone();
        let has_since = since.is_some();
        let since = since.map(|since| Arc::from(since.to_event_id()));
        let opening = async move { dial.dial(token, since, history).await };
        let deadline = Box::pin(tokio::time::sleep(OPEN_TIMEOUT));
        let step = Step::Opening(Box::pin(opening));
        Self { reference, room, has_since, page: None, max_event, step, deadline }
    }

    /// The session asks for messages of the log: answered with the next one of the replay, or refused where there is none.
    pub(super) fn ask(&mut self, request: HistoryRequest) -> Option<ServerMessage> {
        match &self.step {
            Step::Open(open) if open.is_asked_for() => {
                self.page = Some(request);
                // While nothing was asked for, nothing was read.
                self.deadline.as_mut().reset(Instant::now() + IDLE_TIMEOUT);
                None
            }
            _ => Some(answers::no_history(request.reference, request.room)),
        }
    }

    pub(super) fn room(&self) -> &Name {
        &self.room
    }

    pub(super) fn poll(&mut self, decoder: &mut ServerDecoder, cx: &mut Context<'_>) -> Poll<Received> {
        loop {
            match &mut self.step {
                Step::Opening(opening) => match opening.as_mut().poll(cx) {
                    Poll::Pending => {}
                    Poll::Ready(Err(refused)) => return Poll::Ready(self.refused(&refused)),
                    Poll::Ready(Ok(body)) => {
                        let reader = EventStream::new(self.max_event);
                        let open = OpenStream { body, reader, piece: Bytes::new(), joined: None };
                        self.step = Step::Open(Box::new(open));
                        continue;
                    }
                },
                // The replay goes on when it is asked for.
                Step::Open(open) if open.is_asked_for() && self.page.is_none() => return Poll::Pending,
                Step::Open(open) if open.piece.is_empty() => match open.body.poll_piece(cx) {
                    Poll::Pending => {}
                    Poll::Ready(Err(_)) => return Poll::Ready(Received::Lost),
                    Poll::Ready(Ok(next)) => {
                        open.piece = next;
                        if open.joined.is_some() {
                            self.deadline.as_mut().reset(Instant::now() + IDLE_TIMEOUT);
                        }
                        continue;
                    }
                },
                Step::Open(_) => match self.read(decoder) {
                    Some(received) => return Poll::Ready(received),
                    None => continue,
                },
            }
            // Nothing has come.
            ready!(self.deadline.as_mut().poll(cx));
            return Poll::Ready(Received::Lost);
        }
    }

    /// Reads the next item of what has come; `None` where that is nothing for the session.
    fn read(&mut self, decoder: &mut ServerDecoder) -> Option<Received> {
        let Step::Open(open) = &mut self.step else { return None };
        let OpenStream { reader, piece, joined: replay, .. } = &mut **open;
        let mut rest: &[u8] = piece;
        let item = reader.read(&mut rest);
        let read = piece.len() - rest.len();
        piece.advance(read);
        let item = item?;
        if let StreamItem::Event(event) = &item
            && event.kind == "joined"
            && replay.is_none()
            && let Ok(ServerMessage::Joined(mut joined)) = decoder.decode(&event.data)
        {
            let (head, last) = (joined.seq, joined.seq.saturating_sub(joined.replay));
            let is_asked_for = self.has_since
                && match joined.reason {
                    Some(JoinReason::Trimmed | JoinReason::Other) => true,
                    // A new log is received from its beginning, and asked for where that is gone.
                    Some(JoinReason::EpochChanged) => last > 0,
                    _ => false,
                };
            *replay = Some(Replay { head, last, is_asked_for });
            self.deadline.as_mut().reset(Instant::now() + IDLE_TIMEOUT);
            (joined.reference, joined.room) = (self.reference.clone(), self.room.clone());
            return Some(Received::Frame(ServerMessage::Joined(joined)));
        }
        match FeedItem::read(item, &self.room, decoder) {
            FeedItem::Message { id, message } => {
                // Messages come behind the answer to the join, each with its position.
                let Position { epoch, seq, id } = Position::from_event_id(&id?)?;
                let Some(replay) = replay else { return Some(Received::Lost) };
                replay.last = replay.last.max(seq);
                let entry =
                    EntryMeta { id, epoch: epoch.clone(), seq, replay: seq <= replay.head, producer: None };
                let room = self.room.clone();
                let message = Message { room, entry: Some(Box::new(entry)), ..message };
                let frame = match self.page.take() {
                    Some(HistoryRequest { reference, room, after, .. }) => {
                        let complete = seq == after.saturating_add(1);
                        let messages = vec![message];
                        ServerMessage::History(Box::new(History {
                            reference,
                            room,
                            epoch,
                            messages,
                            complete,
                        }))
                    }
                    None => ServerMessage::Message(message),
                };
                Some(Received::Frame(frame))
            }
            // A gap shows itself by the next position, and so does an event that was left out.
            _ => None,
        }
    }

    fn refused(&self, refused: &Refused) -> Received {
        let Refused { error, is_of_server } = refused;
        let (code, retry_after) = match error.kind {
            DialErrorKind::Http(401) => return Received::TokenRefused,
            DialErrorKind::Http(403) if *is_of_server => (Code::Forbidden, None),
            DialErrorKind::Http(404) if *is_of_server => (Code::BadRequest, None),
            // What is wrong with one room's stream is no reason to end the others.
            DialErrorKind::Http(_) | DialErrorKind::NotEventStream => {
                (Code::Overloaded, Some(error.retry_after.unwrap_or(RETRY_AFTER)))
            }
            _ => return Received::Lost,
        };
        let (reference, room) = (self.reference.clone(), self.room.clone());
        Received::Refused(Refusal { code, retry_after }.frame(reference, room, &error.text))
    }
}
