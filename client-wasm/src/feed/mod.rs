//! The exported machine of a feed over server-sent events.
//!
//! The page passes bytes as they arrive and parses the JSON of events. Messages are not stored
//! here: an emitted message is always the one that the page has just parsed.

mod codes;

use crate::codes::kinds;
use crate::config;
use crate::convert::{clock_reading, count, float, handle};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
#[cfg(not(target_family = "wasm"))]
pub(crate) use codes::causes;
use core::time::Duration;
use rejoin::feed::{EventStream, FeedItem, StreamItem};
use rejoin::machine::{ConnId, Disconnect, Feed, FeedInput, FeedOutput};
use rejoin::{
    DialError, DialErrorKind, FeedConfig, FeedEvent, Gap, GapReason, Hint, Id, Message, Position, State,
    StateChange, Token, TokenError,
};
use wasm_bindgen::prelude::wasm_bindgen;

kinds!(
    /// Inputs, with their fields.
    InputKind, INPUTS:
    Connect, Reconnect, Close, SetToken,
    // 1 a token, 2 a temporary failure, 3 a permanent failure
    Token,
    // connection
    Opened,
    // connection, HTTP status or 0 for no response and 1 for a response that is no stream, seconds of `Retry-After` or −1
    Failed,
    // connection, 1 if the body ended as HTTP prescribes
    Ended,
    // 1 online, 2 offline, 3 another network, 4 woke
    Hint,
    Tick,
);

kinds!(
    /// Outputs, with their fields and ids.
    OutputKind, OUTPUTS:
    // rejected
    FetchToken,
    // connection, whether to send the token, history or −1
    Dial,
    // connection
    Abort,
    // state, attempt, when in ms or −1, cause, the cause's number, whether it will retry, the last attempt's cause
    State,
    Began,
    // seq or −1; epoch, id
    Message,
    // reason, after or −1, before or −1; epoch
    Gap,
    Malformed,
    // whether it has an id of its own; that id
    Event,
);

/// The largest number of fields of an output.
const SLOTS: usize = 7;

/// Default limit of an event's size in bytes.
const LARGEST: usize = 1 << 20;

/// A feed of one room, with numbers for everything but ids.
#[wasm_bindgen]
#[derive(Debug)]
pub struct FeedMachine {
    feed: Feed<(), ()>,
    /// The parser of the open stream.
    stream: EventStream,
    most: usize,
    conn: ConnId,
    /// Bytes not parsed yet, from `at` on.
    piece: Vec<u8>,
    at: usize,
    /// The event that the page is parsing.
    kind: String,
    data: String,
    id: Option<Box<str>>,
    slots: [f64; SLOTS],
    ids: [String; 2],
    last_event_id: String,
}

#[wasm_bindgen]
impl FeedMachine {
    /// An idle machine. `seed` is any number below 2^53; `credentials`: 0 none, 1 a fixed token,
    /// 2 a token source; zeros and an empty `since` stand for defaults; `history` −1 means none.
    #[wasm_bindgen(constructor)]
    pub fn new(
        seed: f64,
        credentials: u32,
        legacy: bool,
        max_attempts: u32,
        history: f64,
        max_event: f64,
        since: &str,
    ) -> Self {
        let mut config = FeedConfig::default();
        config::configure(&mut config.link, credentials, legacy, max_attempts);
        config.since = (!since.is_empty()).then(|| since.into());
        config.history = (history >= 0.0).then(|| count(history));
        let most =
            if max_event > 0.0 { usize::try_from(count(max_event)).unwrap_or(LARGEST) } else { LARGEST };
        Self {
            feed: Feed::new(config, (), count(seed)),
            stream: EventStream::new(most),
            most,
            conn: ConnId(0),
            piece: Vec::new(),
            at: 0,
            kind: String::new(),
            data: String::new(),
            id: None,
            slots: [0.0; SLOTS],
            ids: [const { String::new() }; 2],
            last_event_id: since.into(),
        }
    }

    /// Feeds an input at this time of the monotonic and the wall clock: a number of `FeedInput` and its fields.
    pub fn input(&mut self, kind: u32, monotonic: f64, wall: f64, a: f64, b: f64, c: f64) {
        if let Some(input) = self.read_input(kind, [a, b, c]) {
            self.feed.handle(clock_reading(monotonic, wall), input);
        }
    }

    /// Passes bytes of a stream, to be parsed by [`FeedMachine::read`] before the next call.
    pub fn give(&mut self, conn: f64, monotonic: f64, wall: f64, piece: Vec<u8>) {
        let conn = ConnId(count(conn));
        if conn == self.conn {
            (self.piece, self.at) = (piece, 0);
        }
        self.feed.handle(clock_reading(monotonic, wall), FeedInput::Activity(conn));
    }

    /// Parses until there is an event for the page, which answers with [`FeedMachine::arrived`] or
    /// [`FeedMachine::gap`]; returns false when all bytes are parsed. Other stream items are handled here.
    pub fn read(&mut self, monotonic: f64, wall: f64) -> bool {
        loop {
            let mut rest = self.piece.get(self.at..).unwrap_or_default();
            let Some(item) = self.stream.read(&mut rest) else {
                self.piece = Vec::new();
                return false;
            };
            self.at = self.piece.len() - rest.len();
            let arrival = match item {
                StreamItem::Event(event) => {
                    (self.kind, self.data) = (event.kind, event.data);
                    self.id = event.id.map(String::into_boxed_str);
                    return true;
                }
                StreamItem::Id(id) => FeedItem::Id(id.into()),
                StreamItem::Retry(millis) => FeedItem::Retry(Duration::from_millis(millis)),
                _ => FeedItem::Oversized { error: "".into() },
            };
            self.feed.handle(clock_reading(monotonic, wall), FeedInput::Received(self.conn, arrival));
        }
    }

    /// The kind of the event to be parsed.
    pub fn kind(&mut self) -> String {
        core::mem::take(&mut self.kind)
    }

    /// Its data.
    pub fn data(&mut self) -> String {
        core::mem::take(&mut self.data)
    }

    /// The result of parsing: 1 a message, 2 named like a message only, 0 another event. A gap is passed to
    /// [`FeedMachine::gap`].
    pub fn arrived(&mut self, what: u32, monotonic: f64, wall: f64) {
        let id = self.id.take();
        let arrival = match what {
            1 => FeedItem::Message { id, message: Message::plain((), (), (), ()) },
            _ => FeedItem::Event { id, name: (), data: (), error: (what == 2).then(|| "".into()) },
        };
        self.feed.handle(clock_reading(monotonic, wall), FeedInput::Received(self.conn, arrival));
    }

    /// Reports the event as a gap; −1 and the empty text mean absent fields.
    pub fn gap(&mut self, monotonic: f64, wall: f64, epoch: &str, after: f64, before: f64, reason: &str) {
        let maybe = |number: f64| (number >= 0.0).then(|| count(number));
        let gap =
            Gap::new((), Id::new(epoch).ok(), maybe(after), maybe(before), GapReason::from_wire(reason));
        let arrival = FeedItem::Gap { id: self.id.take(), gap };
        self.feed.handle(clock_reading(monotonic, wall), FeedInput::Received(self.conn, arrival));
    }

    /// The next output, a number of `FeedOutput`; 0 if there is none.
    pub fn poll(&mut self) -> u32 {
        let Some(output) = self.feed.poll() else { return 0 };
        self.slots = [0.0; SLOTS];
        self.ids = [const { String::new() }; 2];
        self.write(output) as u32 + 1
    }

    /// A field of the last output.
    pub fn field(&self, which: usize) -> f64 {
        self.slots.get(which).copied().unwrap_or(0.0)
    }

    /// An id of it.
    pub fn text(&self, which: usize) -> String {
        self.ids.get(which).cloned().unwrap_or_default()
    }

    /// The event id to resume from after everything emitted so far; empty if there is none.
    pub fn last_event_id(&self) -> String {
        self.last_event_id.clone()
    }

    /// The next deadline, in milliseconds of the monotonic clock; −1 if there is none.
    pub fn deadline(&self) -> f64 {
        // Rounded up: an early tick would change nothing and be repeated.
        self.feed.next_deadline().map_or(-1.0, |at| float(at.millis_up()))
    }
}

impl FeedMachine {
    fn read_input(&mut self, kind: u32, [a, b, c]: [f64; 3]) -> Option<FeedInput<(), ()>> {
        let conn = ConnId(count(a));
        Some(match InputKind::ALL.get(usize::try_from(kind).ok()?.checked_sub(1)?)? {
            InputKind::Connect => FeedInput::Connect,
            InputKind::Reconnect => FeedInput::Reconnect,
            InputKind::Close => FeedInput::Close,
            // Tokens stay in the page: the machine knows only whether there is one.
            InputKind::SetToken => FeedInput::SetToken(Token::new("")),
            InputKind::Token => FeedInput::Token(match handle(a) {
                1 => Ok(Token::new("")),
                2 => Err(TokenError::temporary("")),
                _ => Err(TokenError::permanent("")),
            }),
            InputKind::Opened => {
                self.conn = conn;
                self.stream = EventStream::new(self.most);
                (self.piece, self.at) = (Vec::new(), 0);
                FeedInput::Opened(conn)
            }
            InputKind::Failed => {
                let kind = match u16::try_from(handle(b)) {
                    // A page does not learn why there was no response.
                    Ok(0) | Err(_) => DialErrorKind::Unreachable,
                    Ok(1) => DialErrorKind::NotEventStream,
                    Ok(status) => DialErrorKind::Http(status),
                };
                let retry_after = (c >= 0.0).then(|| Duration::from_secs(u64::from(handle(c))));
                FeedInput::DialFailed(conn, DialError::new(kind, "").with_retry_after(retry_after))
            }
            InputKind::Ended if b > 0.0 => FeedInput::Closed(conn, Disconnect::Ended),
            InputKind::Ended => FeedInput::Closed(conn, Disconnect::Lost),
            InputKind::Hint => FeedInput::Hint(match handle(a) {
                1 => Hint::Online,
                2 => Hint::Offline,
                3 => Hint::NetworkChanged,
                _ => Hint::Woke,
            }),
            InputKind::Tick => FeedInput::Tick,
        })
    }

    fn put(&mut self, fields: &[f64]) {
        for (slot, field) in self.slots.iter_mut().zip(fields) {
            *slot = *field;
        }
    }

    fn put_ids(&mut self, epoch: &Id, id: Option<&Id>) {
        self.ids = [epoch.as_str().into(), id.map_or("", |id| id.as_str()).into()];
    }

    fn write(&mut self, output: FeedOutput<(), ()>) -> OutputKind {
        match output {
            FeedOutput::FetchToken { rejected } => {
                self.put(&[f64::from(u8::from(rejected))]);
                OutputKind::FetchToken
            }
            FeedOutput::Dial { conn, token, last_event_id, history, .. } => {
                self.put(&[float(conn.0), f64::from(u8::from(token.is_some())), history.map_or(-1.0, float)]);
                self.last_event_id = last_event_id.as_deref().unwrap_or_default().into();
                OutputKind::Dial
            }
            FeedOutput::Abort { conn } => {
                self.put(&[float(conn.0)]);
                OutputKind::Abort
            }
            FeedOutput::Event { event, last_event_id } => {
                self.last_event_id = last_event_id.as_deref().unwrap_or_default().into();
                self.event(event)
            }
            _ => OutputKind::Malformed,
        }
    }

    fn event(&mut self, event: FeedEvent<(), ()>) -> OutputKind {
        match event {
            FeedEvent::State(change) => {
                self.put(&state(&change));
                OutputKind::State
            }
            FeedEvent::Started => OutputKind::Began,
            FeedEvent::Message(message) => {
                match message.position() {
                    Some(Position { epoch, seq, id }) => {
                        self.put(&[float(seq)]);
                        self.put_ids(&epoch, Some(&id));
                    }
                    None => self.put(&[-1.0]),
                }
                OutputKind::Message
            }
            FeedEvent::Gap(gap) => {
                let reason = f64::from(crate::codes::gap_reason(&gap.reason));
                self.put(&[reason, gap.after.map_or(-1.0, float), gap.before.map_or(-1.0, float)]);
                if let Some(epoch) = &gap.epoch {
                    self.put_ids(epoch, None);
                }
                OutputKind::Gap
            }
            FeedEvent::Event { id, .. } => {
                self.put(&[f64::from(u8::from(id.is_some()))]);
                self.ids = [id.unwrap_or_default().into(), String::new()];
                OutputKind::Event
            }
            _ => OutputKind::Malformed,
        }
    }
}

fn state(change: &StateChange) -> [f64; SLOTS] {
    let (attempt, retry_at) = match change.state {
        State::Reconnecting { attempt, retry_at } | State::Suspended { attempt, retry_at } => {
            (attempt, retry_at)
        }
        _ => (0, None),
    };
    let (cause, number, will_retry, last) = change.cause.as_ref().map_or((0, 0, false, 0), |cause| {
        let last = cause.last.as_ref();
        let number = last.unwrap_or(&cause.code).number().unwrap_or(0);
        (codes::cause(&cause.code), number, cause.will_retry, last.map_or(0, codes::cause))
    });
    [
        f64::from(crate::codes::state(&change.state)),
        f64::from(attempt),
        retry_at.map_or(-1.0, |at| float(at.millis())),
        f64::from(cause),
        f64::from(number),
        f64::from(u8::from(will_retry)),
        f64::from(last),
    ]
}

#[cfg(test)]
mod tests;
