//! One room, read from a stream of server-sent events (protocol.md §4): a second kind of session over the same link.
//!
//! [`Feed`] is the machine: deterministic, without I/O, one [`FeedInput`] in, [`FeedOutput`]s out, one deadline, as
//! [`Session`](crate::machine::Session) is. A driver reads bytes with an [`EventStream`], turns the data of its events into
//! messages, and hands them over. Nothing is written: there is nothing to lose upwards, and no way to ask the server
//! whether it is there.
//!
//! Where the ids of the events are the server's `epoch:seq:id`, messages are delivered in order, each once, and a gap
//! is reported before what comes behind it, whether announced or inferred from sequence numbers. Ids of another form are passed back to the
//! server as they are, and after each reconnect a gap of unknown size reports what cannot be known. So are ids of that form until a
//! message, a gap or a position alone has come, as the contract has them: other servers have such ids too (`topic:partition:offset`). An event that is no
//! message of the contract is reported with its name, its data and its id.

mod cursor;
mod event_stream;
mod io;
#[cfg(feature = "json")]
mod parse;

pub use event_stream::{EventStream, StreamEvent, StreamItem};
pub use io::{FeedConfig, FeedEvent, FeedInput, FeedItem, FeedOutput};

use crate::cause::Disconnect;
use crate::link::{Action, ConnId, Link, State};
use crate::messages::{EntryMeta, Message, Position};
use crate::mutation::mutation;
use crate::name::Name;
use crate::time::{ClockReading, Timestamp};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use cursor::{Cursor, LogGap};

/// The reader of one room without its socket.
#[derive(Debug)]
pub struct Feed<P = String, N = Name> {
    link: Link,
    room: N,
    cursor: Cursor,
    history: Option<u64>,
    busy: bool,
    outputs: VecDeque<FeedOutput<P, N>>,
}

impl<P, N: Clone> Feed<P, N> {
    /// A feed of `room` that is idle. Two feeds with equal configuration, seed and inputs give equal outputs.
    pub fn new(config: FeedConfig, room: N, seed: u64) -> Self {
        let FeedConfig { link, since, history } = config;
        let mut link = Link::new(link, seed);
        if since.is_some() {
            // An event with that id has come from there.
            link.mark_reachable();
        }
        Self {
            link,
            room,
            cursor: Cursor::new(since.as_deref()),
            history,
            busy: false,
            outputs: VecDeque::new(),
        }
    }

    /// Takes one input. Never fails, never blocks, never panics. Call [`Feed::poll`] until it is empty afterwards;
    /// several inputs may come before that.
    pub fn handle(&mut self, now: ClockReading, input: FeedInput<P, N>) {
        self.link.observe(now);
        let now = now.monotonic;
        if self.busy && !mutation!(OwnSilenceCounts) {
            // What the server has announced meanwhile is in the socket.
            self.link.activity(now);
        }
        match input {
            FeedInput::Connect => self.link.connect(now),
            FeedInput::Reconnect => self.link.reconnect(now),
            FeedInput::Close => self.link.close(now),
            FeedInput::SetToken(token) => self.link.set_token(now, token),
            FeedInput::Token(result) => self.link.token(now, result),
            FeedInput::Opened(conn) => self.link.opened(now, conn),
            FeedInput::DialFailed(conn, error) => self.link.dial_failed(now, conn, error),
            FeedInput::Activity(conn) => {
                self.activity(now, conn);
            }
            FeedInput::Received(conn, arrival) => {
                if self.activity(now, conn) {
                    self.received(arrival);
                }
            }
            FeedInput::Closed(conn, how) => self.link.closed(now, conn, how),
            FeedInput::Backpressure(busy) => self.busy = busy || self.busy && mutation!(FeedBusyForEver),
            FeedInput::Hint(hint) => self.link.hint(now, hint),
            FeedInput::Tick => self.link.tick(now),
        }
        self.process_actions(now);
    }

    /// The next thing to do, in order; `None` when there is nothing until the next input.
    pub fn poll(&mut self) -> Option<FeedOutput<P, N>> {
        self.outputs.pop_front()
    }

    /// When to say [`FeedInput::Tick`], if nothing else happens before. Ticks that come early do nothing.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.link.deadline().into_option()
    }

    /// The state of the connection.
    pub fn state(&self) -> State {
        self.link.state()
    }

    /// What a reader that has processed everything told so far continues from.
    pub fn last_event_id(&self) -> Option<&str> {
        self.cursor.last_id().map(|id| &**id)
    }

    fn activity(&mut self, now: Timestamp, conn: ConnId) -> bool {
        let current = self.link.is_current(conn) || mutation!(OldStreamHeard);
        if current {
            self.link.activity(now);
        }
        current
    }

    fn received(&mut self, arrival: FeedItem<P, N>) {
        match arrival {
            FeedItem::Message { id, message } => self.message(id.as_deref(), message),
            FeedItem::Gap { id, gap } => {
                let gap = self.cursor.gap(gap, id.as_deref());
                let last_event_id = self.last();
                self.emit_gap(gap, last_event_id);
            }
            FeedItem::Event { id, name, data, error } => {
                if let Some(id) = &id {
                    let before = self.last();
                    let gap = self.cursor.skip_event(id);
                    self.emit_gap(gap, before);
                }
                // Where ids are places in a log, each message is one of the contract.
                let damaged = error.filter(|_| self.cursor.has_position() && !mutation!(DamageUntold));
                self.event(match damaged {
                    Some(error) => FeedEvent::Malformed { error },
                    None => FeedEvent::Event { name, data, id },
                });
            }
            FeedItem::Id(id) => self.mark(&id),
            FeedItem::Retry(_) if mutation!(RetryIgnored) => {}
            FeedItem::Retry(wait) => self.link.wait_at_least(wait.into()),
            FeedItem::Oversized { error } => {
                if !mutation!(UnreadableUntold) {
                    self.event(FeedEvent::Malformed { error });
                }
                let gap = self.cursor.event_dropped();
                let last_event_id = self.last();
                self.emit_gap(gap, last_event_id);
            }
        }
    }

    fn mark(&mut self, id: &str) {
        let had_none = self.cursor.last_id().is_none();
        self.cursor.move_to_id(id);
        if had_none && self.cursor.last_id().is_some() && !mutation!(BeginUntold) {
            self.event(FeedEvent::Started);
        }
    }

    fn message(&mut self, id: Option<&str>, message: Message<P, N>) {
        // The message is not processed when the gap before it is.
        let before = self.last();
        let step = self.cursor.take(id);
        let before = if mutation!(FeedPlaceAhead) { self.last() } else { before };
        self.emit_gap(step.gap, before);
        if step.is_new {
            let stamp = id.and_then(Position::from_event_id).map(|Position { epoch, seq, id }| {
                Box::new(EntryMeta { id, epoch, seq, replay: false, producer: None })
            });
            self.event(FeedEvent::Message(Message {
                room: self.room.clone(),
                entry: stamp.filter(|_| !mutation!(FeedStampLost)),
                ..message
            }));
        }
    }

    fn emit_gap(&mut self, gap: Option<LogGap>, last_event_id: Option<Arc<str>>) {
        if let Some(gap) = gap {
            let event = FeedEvent::Gap(gap.into_gap(self.room.clone()));
            self.outputs.push_back(FeedOutput::Event { event, last_event_id });
        }
    }

    fn last(&self) -> Option<Arc<str>> {
        self.cursor.last_id().map(Arc::clone)
    }

    fn event(&mut self, event: FeedEvent<P, N>) {
        let last_event_id = self.last();
        self.outputs.push_back(FeedOutput::Event { event, last_event_id });
    }

    /// Turns what the link wants into outputs.
    fn process_actions(&mut self, now: Timestamp) {
        while let Some(action) = self.link.next_action() {
            self.perform(now, action);
        }
    }

    fn perform(&mut self, now: Timestamp, action: Action) {
        match action {
            Action::FetchToken { rejected } => self.outputs.push_back(FeedOutput::FetchToken { rejected }),
            Action::Dial { conn, attempt, token, .. } => {
                let last_event_id = self.last().filter(|_| !mutation!(FeedSinceForgotten));
                let history = self.history.filter(|_| !mutation!(FeedPastUnasked));
                let token = token.filter(|_| !mutation!(FeedTokenLost));
                self.outputs.push_back(FeedOutput::Dial { conn, attempt, token, last_event_id, history });
            }
            Action::Abort { .. } if mutation!(FeedAbandonsNothing) => {}
            Action::Abort { conn, .. } => self.outputs.push_back(FeedOutput::Abort { conn }),
            Action::Close { conn, .. } => {
                // A stream has no close handshake.
                self.outputs.push_back(FeedOutput::Abort { conn });
                if !mutation!(FeedNeverClosed) {
                    self.link.closed(now, conn, Disconnect::Ended);
                }
            }
            Action::Up { .. } => {
                let gap = self.cursor.opened();
                let last_event_id = self.last();
                self.emit_gap(gap, last_event_id);
            }
            Action::Changed(change) => self.event(FeedEvent::State(change)),
            // Nothing can be said on a stream, and it is never moved.
            Action::Authenticate(_) | Action::Ping(_) | Action::Moved { .. } | Action::Down => {}
        }
    }
}

#[cfg(test)]
mod tests;
