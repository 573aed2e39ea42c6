//! A feed on a hand-driven clock, and a driver that reads text.

use super::super::{EventStream, Feed, FeedConfig, FeedEvent, FeedInput, FeedItem, FeedOutput, StreamItem};
use crate::cause::{Cause, CauseCode, DialError, DialErrorKind, Disconnect};
use crate::id::Id;
use crate::link::{ConnId, State};
use crate::messages::Message;
use crate::messages::{Gap, GapReason};
use crate::name::Name;
use crate::time::{ClockReading, Timestamp};
use crate::token::Token;
use alloc::borrow::ToOwned;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

pub(super) type Told = FeedEvent;

/// Maximum bytes of an event here.
pub(super) const MOST: usize = 1000;

/// A dial that the feed asks for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) conn: ConnId,
    pub(super) token: Option<Token>,
    pub(super) last_event_id: Option<Arc<str>>,
    pub(super) history: Option<u64>,
}

pub(super) struct Rig {
    pub(super) feed: Feed,
    pub(super) now: Timestamp,
    /// The stream in use.
    pub(super) conn: ConnId,
    stream: EventStream,
    dials: VecDeque<Asked>,
    tokens: usize,
    pub(super) abandoned: Vec<ConnId>,
    pub(super) events: Vec<(Told, Option<Arc<str>>)>,
    /// Events that have been looked at.
    seen: usize,
}

/// As the server writes a message.
pub(super) fn message(epoch: &str, seq: u64) -> String {
    format!("id: {epoch}:{seq}:m{seq}\ndata: {epoch}:{seq}\n\n")
}

/// As the server writes a gap.
pub(super) fn gap(
    id: Option<&str>,
    epoch: &str,
    after: Option<u64>,
    before: Option<u64>,
    reason: &str,
) -> String {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    let number = |number: Option<u64>| number.map_or("-".to_owned(), |number| number.to_string());
    format!("event: gap\n{id}data: {epoch} {} {} {reason}\n\n", number(after), number(before))
}

fn read_gap(data: &str) -> Gap {
    let words: Vec<&str> = data.split(' ').collect();
    let reason = match words[3] {
        "trimmed" => GapReason::Trimmed,
        "forked" => GapReason::Forked,
        "epoch_changed" => GapReason::EpochChanged,
        _ => GapReason::Unavailable,
    };
    let number = |at: usize| words[at].parse().ok();
    Gap { room: "?".into(), epoch: Id::new(words[0]).ok(), after: number(1), before: number(2), reason }
}

pub(super) fn arrival(item: StreamItem) -> FeedItem {
    match item {
        StreamItem::Event(event) => {
            let id = event.id.map(String::into_boxed_str);
            match (&*event.kind, &*event.data) {
                ("gap", data) => FeedItem::Gap { id, gap: read_gap(data) },
                ("message", "unreadable") => {
                    let error = Some("it is not".into());
                    FeedItem::Event { id, name: event.kind.into(), data: event.data, error }
                }
                ("message", _) => {
                    let (room, user) = (Name::from("whatever"), Name::from("ada"));
                    FeedItem::Message { id, message: Message::plain(room, user, event.data, String::new()) }
                }
                _ => FeedItem::Event { id, name: event.kind.into(), data: event.data, error: None },
            }
        }
        StreamItem::Id(id) => FeedItem::Id(id.into()),
        StreamItem::Retry(millis) => FeedItem::Retry(Duration::from_millis(millis)),
        StreamItem::TooLarge => FeedItem::Oversized { error: "it is too large".into() },
    }
}

impl Rig {
    pub(super) fn new(config: FeedConfig) -> Self {
        Self::seeded(config, 1)
    }

    pub(super) fn seeded(config: FeedConfig, seed: u64) -> Self {
        let mut rig = Self {
            feed: Feed::new(config, Name::from("lobby"), seed),
            now: Timestamp::ZERO,
            conn: ConnId(0),
            stream: EventStream::new(MOST),
            dials: VecDeque::new(),
            tokens: 0,
            abandoned: Vec::new(),
            events: Vec::new(),
            seen: 0,
        };
        rig.input(FeedInput::Connect);
        rig
    }

    pub(super) fn connected() -> Self {
        let mut rig = Self::new(FeedConfig::default());
        let asked = rig.dial();
        rig.open(asked.conn);
        rig
    }

    pub(super) fn input(&mut self, input: FeedInput) {
        let now = ClockReading::new(self.now, self.now.since_start());
        self.feed.handle(now, input);
        while let Some(output) = self.feed.poll() {
            match output {
                FeedOutput::FetchToken { .. } => self.tokens += 1,
                FeedOutput::Dial { conn, attempt: _, token, last_event_id, history } => {
                    self.dials.push_back(Asked { conn, token, last_event_id, history });
                }
                FeedOutput::Abort { conn } => self.abandoned.push(conn),
                FeedOutput::Event { event, last_event_id } => self.events.push((event, last_event_id)),
            }
        }
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.input(FeedInput::Tick);
    }

    /// Until the next deadline.
    fn step(&mut self) {
        let deadline = self.feed.next_deadline().expect("something to wait for");
        self.pass(deadline - self.now);
    }

    pub(super) fn dial(&mut self) -> Asked {
        for _ in 0..100 {
            if let Some(asked) = self.dials.pop_front() {
                return asked;
            }
            self.step();
        }
        panic!("no dial");
    }

    pub(super) fn until_token(&mut self) {
        for _ in 0..100 {
            if self.tokens > 0 {
                self.tokens -= 1;
                return;
            }
            self.step();
        }
        panic!("no question for a token");
    }

    pub(super) fn open(&mut self, conn: ConnId) {
        self.conn = conn;
        self.stream = EventStream::new(MOST);
        self.input(FeedInput::Opened(conn));
    }

    /// Bytes come in.
    pub(super) fn bytes(&mut self, mut bytes: &[u8]) {
        self.input(FeedInput::Activity(self.conn));
        while let Some(item) = self.stream.read(&mut bytes) {
            self.input(FeedInput::Received(self.conn, arrival(item)));
        }
    }

    pub(super) fn says(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(super) fn ended(&mut self, how: Disconnect) {
        self.input(FeedInput::Closed(self.conn, how));
    }

    /// Loses the stream and opens the next one.
    pub(super) fn reconnect(&mut self, how: Disconnect) -> Asked {
        self.ended(how);
        let asked = self.dial();
        self.open(asked.conn);
        asked
    }

    pub(super) fn failed(&mut self, conn: ConnId, kind: DialErrorKind) {
        self.input(FeedInput::DialFailed(conn, DialError::new(kind, "")));
    }

    /// What has been reported since the last look, apart from states.
    pub(super) fn told(&mut self) -> Vec<String> {
        let told = self.events.iter().skip(self.seen).filter_map(|(told, _)| line(told)).collect();
        self.seen = self.events.len();
        told
    }

    /// What is resumed from after each of those.
    pub(super) fn ids(&self) -> Vec<Option<String>> {
        let told = self.events.iter().filter(|(told, _)| line(told).is_some());
        told.map(|(_, id)| id.as_deref().map(str::to_owned)).collect()
    }

    pub(super) fn states(&self) -> Vec<&'static str> {
        let state = |told: &Told| match told {
            FeedEvent::State(change) => Some(change.state.as_str()),
            _ => None,
        };
        self.events.iter().filter_map(|(told, _)| state(told)).collect()
    }

    fn last_change(&self) -> Option<(State, Option<&Cause>)> {
        self.events.iter().rev().find_map(|(told, _)| match told {
            FeedEvent::State(change) => Some((change.state, change.cause.as_ref())),
            _ => None,
        })
    }

    /// Why it is reconnecting, if it is.
    pub(super) fn lost(&self) -> Option<CauseCode> {
        match self.last_change()? {
            (State::Reconnecting { .. }, cause) => cause.map(|cause| cause.code),
            _ => None,
        }
    }

    /// Why it has failed, if it has.
    pub(super) fn failure(&self) -> Option<Cause> {
        match self.last_change()? {
            (State::Failed, cause) => cause.cloned(),
            _ => None,
        }
    }

    /// How long it is until the next dial.
    pub(super) fn wait(&self) -> Duration {
        match self.feed.state() {
            State::Reconnecting { retry_at: Some(at), .. } | State::Suspended { retry_at: Some(at), .. } => {
                at - self.now
            }
            other => panic!("{other:?}"),
        }
    }
}

fn line(told: &Told) -> Option<String> {
    match told {
        FeedEvent::State(_) => None,
        FeedEvent::Message(message) => Some(message.content.clone()),
        FeedEvent::Started => Some("began".to_owned()),
        FeedEvent::Malformed { .. } => Some("garbled".to_owned()),
        FeedEvent::Event { name, data, id } => {
            Some(format!("event {name} {data:?} {}", id.as_deref().unwrap_or("-")))
        }
        FeedEvent::Gap(gap) => {
            let reason = gap.reason.as_str();
            Some(match (&gap.epoch, gap.after, gap.before) {
                (Some(epoch), Some(after), Some(before)) => {
                    format!("gap {} {after}..{before} {reason}", epoch.as_str())
                }
                (Some(epoch), Some(after), None) => format!("gap {} {after}.. {reason}", epoch.as_str()),
                _ => format!("gap ? {reason}"),
            })
        }
    }
}
