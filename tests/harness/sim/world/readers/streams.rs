//! Streams between the hub and the readers: bytes that can be slow, lost, cut or changed on the way.

use super::{Asked, ReaderEvent};
use crate::sim::action::{Trigger, TriggerSource};
use crate::sim::coverage::Sometimes;
use crate::sim::net::{Packet, Pipe};
use crate::sim::readers::{LONGEST_EVENT, LineEnd, Stream, written};
use crate::sim::server::Process;
use crate::sim::world::{SimEvent, World};
use crate::sim::{Micros, SECOND};
use fastrand::Rng;
use rejoin::feed::{EventStream, FeedItem};
use rejoin::machine::{ConnId, Disconnect, FeedInput, ServerMessage};
use rejoin::messages::json::encode_server;
use rejoin::{DialError, DialErrorKind, Message, Name, Position};
use rejoin_server::hub;
use std::collections::VecDeque;

/// The hub's numbers of readers begin here.
pub(super) const FIRST: u64 = 1 << 32;

/// The hub says something to a reader that takes what it is told at least so often, a comment at worst.
pub(super) const COMMENTS: Micros = 15 * SECOND;

/// Events of a feed that the hub sends before it waits, in this world.
const CHUNK: u32 = 8;

/// The data of an event that is no message.
pub(super) const WEATHER: &str = "rain\nand wind";

impl World {
    /// The request has reached the server.
    pub(super) fn reader_asks(
        &mut self,
        reader: usize,
        process: u64,
        id: ConnId,
        latency: Micros,
        asked: &Asked,
    ) {
        let answer = |world: &mut Self, result| {
            let answered = ReaderEvent::Answered { reader, process, id, result };
            world.later(latency, SimEvent::ReaderEvent(answered));
        };
        let draining = self.nodes[0].draining_until.is_some();
        let refusal = match self.nodes[0].process {
            Process::Frozen(_) => return,
            Process::Down(_) => Some(DialErrorKind::Refused),
            Process::Up if draining => Some(DialErrorKind::Http(503)),
            Process::Up if asked.token != Some(self.readers[reader].token()) => {
                Some(DialErrorKind::Http(401))
            }
            Process::Up => None,
        };
        if let Some(kind) = refusal {
            return answer(self, Err(DialError::new(kind, "")));
        }
        let plan = self.readers[reader].plan.clone();
        let (index, room) = (self.streams.len(), Self::room(plan.room));
        let mut rng = Rng::with_seed(self.readers[reader].rng.u64(..));
        let line_end = LineEnd::draw(rng.u8(..));
        let mut down = Pipe::default();
        // The answer's head is first.
        down.hold(self.now + latency + 1);
        self.streams.push(Stream {
            reader,
            id,
            latency,
            rng,
            down,
            up_vanishes: false,
            parser: EventStream::new(LONGEST_EVENT),
            client_open: false,
            closed: false,
            server_open: true,
            opened: self.now,
            refused: None,
            begun: false,
            begins: None,
            sent_last: None,
            waiting_since: None,
            sent: 0,
            spoke: self.now,
            unread: VecDeque::new(),
            cut_in_event: None,
            line_end,
            rewinds: std::mem::take(&mut self.readers[reader].rewinds),
            drops: 0,
            again: false,
            weather: false,
            previous: None,
            damages: false,
        });
        let since = asked.last_event_id.as_deref().map_or(hub::Since::Nothing, hub::Since::from);
        let fresh = since == hub::Since::Nothing;
        let history = asked.history.unwrap_or(0);
        let request = hub::FeedRequest { room: room.clone(), since, history, announces_join: false };
        let user = self.readers[reader].name.clone();
        self.hub(hub::Input::OpenFeed {
            conn: hub::ConnId(FIRST + index as u64),
            user,
            expires: None,
            request,
        });
        self.observe();
        if let Some(code) = self.streams[index].refused {
            let status = match code {
                4003 => 403,
                1008 => 404,
                4008 | 4011 => 429,
                _ => 503,
            };
            return answer(self, Err(DialError::new(DialErrorKind::Http(status), "")));
        }
        if fresh && let Some(log) = self.nodes[0].hub.store().room(&room) {
            let end = log.head() + 1;
            let first = log.messages().next().map_or(end, |entry| entry.seq);
            let begins = end.saturating_sub(history).max(first);
            self.streams[index].begins = Some((log.epoch().clone(), begins));
        }
        answer(self, Ok(index));
    }

    /// What the hub says to a reader; gives back what is for others.
    pub(in crate::sim::world) fn stream_output(&mut self, output: hub::Output) -> Option<hub::Output> {
        let Some(index) = addressee(&output) else { return Some(output) };
        match &output {
            hub::Output::Send { text, .. } => {
                self.stream_says(index, text);
            }
            hub::Output::Ping { .. } => {
                if self.streams[index].waiting_since.is_some() {
                    self.checker
                        .violated(format!("a comment waits behind what reader {index} does not take"));
                }
                self.stream_speaks(index);
                self.stream_writes(index, Packet::Text(hub::Text::from(String::from(":\n\n"))));
            }
            hub::Output::NotifyQueueDrained { .. } => {
                self.streams[index].waiting_since = Some(self.now);
                self.look_stream_drained(index);
            }
            hub::Output::Close { code, .. } => {
                let stream = &mut self.streams[index];
                stream.server_open = false;
                if stream.begun {
                    self.stream_writes(index, Packet::Close(*code));
                } else {
                    stream.refused = Some(*code);
                }
            }
            hub::Output::Terminate { .. } => {
                let since = self.streams[index].waiting_since;
                if since.is_none_or(|since| self.now < since + 3 * COMMENTS) {
                    self.checker
                        .violated(format!("reader {index} is given up, and has waited since {since:?}"));
                }
                self.checker.cover.reach(Sometimes::ReaderGivenUp);
                self.streams[index].server_open = false;
                self.stream_writes(index, Packet::Reset);
            }
            _ => return Some(output),
        }
        None
    }

    /// The hub says something, or might have: not too late after the last time.
    fn stream_speaks(&mut self, index: usize) {
        let stream = &mut self.streams[index];
        let spoke = std::mem::replace(&mut stream.spoke, self.now).max(self.nodes[0].thawed);
        if stream.waiting_since.is_none() && self.now > spoke + COMMENTS + 4 * SECOND {
            self.checker.violated(format!("9: nothing was said to reader {index} since {spoke}"));
        }
    }

    fn stream_says(&mut self, index: usize, text: &str) {
        self.stream_speaks(index);
        let reader = self.streams[index].reader;
        if self.trace.is_readable() {
            self.trace.note(self.now, "server", format_args!("to reader{reader}'s {index}: {text:?}"));
        }
        if !std::mem::replace(&mut self.streams[index].begun, true) {
            self.stream_begins(index, text);
            return self.moment(TriggerSource::Reader(reader), Trigger::Opens);
        }
        self.streams[index].sent += 1;
        let sent = self.streams[index].sent;
        if sent > CHUNK || self.streams[index].waiting_since.is_some() && sent == 0 {
            self.checker.violated(format!("8: {sent} events wait for reader {index}"));
        }
        let is_gap = text.starts_with("event: gap");
        if !is_gap {
            self.moment(TriggerSource::Reader(reader), Trigger::Message);
        }
        self.stream_names_its_gap(index, text, is_gap);
        if is_gap && self.readers[reader].plan.silent {
            self.streams[index].previous = None;
            return;
        }
        self.stream_tampers(index, text, is_gap);
    }

    /// A hole that the hub tells in a stream under way begins behind the last message that it has sent there.
    fn stream_names_its_gap(&mut self, index: usize, text: &str, is_gap: bool) {
        let at = text.lines().find_map(|line| Position::from_event_id(line.strip_prefix("id: ")?));
        let after: Option<u64> =
            text.split_once("\"after\":").and_then(|(_, rest)| rest.split([',', '}']).next()?.parse().ok());
        let stream = &mut self.streams[index];
        let sent = if is_gap {
            stream.sent_last.take()
        } else {
            std::mem::replace(&mut stream.sent_last, at.map(|at| at.seq))
        };
        if is_gap
            && let (Some(sent), Some(after)) = (sent, after)
            && sent != after
        {
            let text: String = text.chars().take(200).collect();
            self.checker.violated(format!("4: reader {index} was sent {sent} and is told {text}"));
        }
    }

    /// The first block, with the time to stay away; in a tampered stream some old messages behind it.
    fn stream_begins(&mut self, index: usize, text: &str) {
        let wait = text.strip_prefix("retry: ").and_then(|rest| rest.lines().next()?.parse::<u64>().ok());
        let longest =
            1000 + 1250 * (self.clients.len() + self.readers.len() + 3 * self.sios.len() + 4) as u64 * 2;
        match wait {
            Some(wait) if (1000..=longest.max(2000)).contains(&wait) => self.waits.push(wait),
            _ => self.checker.violated(format!("4: a reader is told to stay away for {wait:?} ms")),
        }
        self.stream_sends(index, text);
        let rewinds = std::mem::take(&mut self.streams[index].rewinds);
        let at = text.lines().find_map(|line| Position::from_event_id(line.strip_prefix("id: ")?));
        let reader = self.streams[index].reader;
        let (Some(at), true) = (at, rewinds > 0) else { return };
        self.checker.reader_rewound(reader);
        let room = Self::room(self.readers[reader].plan.room);
        for text in self.old_events(&room, &at, rewinds) {
            self.stream_sends(index, &text);
        }
    }

    /// The last so many events up to a place, as the server has sent them.
    fn old_events(&self, room: &Name, at: &Position, count: u8) -> Vec<String> {
        let Some(log) = self.nodes[0].hub.store().room(room) else { return Vec::new() };
        let from = at.seq.saturating_sub(u64::from(count));
        let old = log.messages().filter(|entry| entry.seq > from && entry.seq <= at.seq);
        let text = |entry: &hub::LogEntry| {
            let (user, content) = (entry.user.clone(), entry.content.clone());
            let message = Message::plain(room.clone(), user, content, entry.timestamp.clone());
            let message = encode_server(&ServerMessage::Message(message)).unwrap_or_default();
            format!("id: {}:{}:{}\ndata: {message}\n\n", log.epoch(), entry.seq, entry.id)
        };
        old.map(text).collect()
    }

    fn stream_tampers(&mut self, index: usize, text: &str, is_gap: bool) {
        let stream = &mut self.streams[index];
        let reader = stream.reader;
        let at = text.lines().find_map(|line| Position::from_event_id(line.strip_prefix("id: ")?));
        if let (Some(at), false) = (at, is_gap) {
            if stream.drops > 0 {
                stream.drops -= 1;
                return self.checker.reader_misses(reader, &at.epoch, at.seq);
            }
            // Before anything has shown that a server is of this contract, an event that cannot be read is another one's.
            if self.readers[reader].knows_contract && std::mem::take(&mut stream.damages) {
                self.checker.reader_misses(reader, &at.epoch, at.seq);
                return self.stream_sends(index, &text.replace("\"content\"", "\"kontent\""));
            }
        }
        if let Some(luck) = self.streams[index].cut_in_event.take() {
            // The cut comes before what follows, and behind a part of this.
            self.stream_sends(index, text);
            return self.stream_cut(index, luck, text.len() as u64);
        }
        let stream = &mut self.streams[index];
        let (again, weather) = (std::mem::take(&mut stream.again), std::mem::take(&mut stream.weather));
        self.stream_sends(index, text);
        if again && !is_gap {
            let before = self.streams[index].previous.take();
            self.stream_sends(index, before.as_deref().unwrap_or(text));
        }
        self.streams[index].previous = (!is_gap).then(|| text.to_owned());
        if weather {
            let stray = self.streams[index].rng.bool();
            let id = if stray { self.stray_id(reader) } else { String::new() };
            let (one, two) = WEATHER.split_once('\n').unwrap_or_default();
            let text = format!("event: weather\n{id}data: {one}\n: a comment\ndata: {two}\n\n");
            self.stream_sends(index, &text);
        }
    }

    /// Writes a text as this server does.
    pub(super) fn stream_sends(&mut self, index: usize, text: &str) {
        let plan = &self.readers[self.streams[index].reader].plan;
        let text = written(text, self.streams[index].line_end, plan.without_ids);
        self.stream_writes(index, Packet::Text(text));
    }

    pub(super) fn stream_writes(&mut self, index: usize, packet: Packet) {
        if let Packet::Text(text) = &packet {
            self.trace.mix_text(text);
        }
        let stream = &mut self.streams[index];
        let latency = stream.latency + stream.rng.u64(..=stream.latency / 4);
        if let Some((end, at)) = stream.down.write(self.now, latency, &packet) {
            self.at(at, SimEvent::ReaderEvent(ReaderEvent::Arrives { stream: index, end, packet }));
        }
    }

    pub(super) fn stream_cut(&mut self, index: usize, luck: u64, last: u64) {
        let stream = &mut self.streams[index];
        if last == 0 {
            stream.down.cut(luck);
        } else {
            let written = stream.down.written();
            stream.down.cut_beyond(written - luck % (last + 1).min(written + 1));
        }
        let latency = stream.latency;
        if let Some((_, at)) = stream.down.write(self.now, latency, &Packet::Reset) {
            let packet = Packet::Reset;
            self.at(at, SimEvent::ReaderEvent(ReaderEvent::Arrives { stream: index, end: 0, packet }));
        }
        self.later(latency, SimEvent::ReaderEvent(ReaderEvent::Gone { stream: index }));
    }

    /// The server process is gone, and its streams with it.
    pub(in crate::sim::world) fn streams_break(&mut self) {
        for index in 0..self.streams.len() {
            if self.streams[index].server_open {
                let luck = self.rng.u64(..);
                self.stream_cut(index, luck, 0);
                self.streams[index].server_open = false;
            }
        }
    }

    pub(super) fn stream_arrives(&mut self, index: usize, end: u64, packet: Packet) {
        let reader = self.streams[index].reader;
        if self.streams[index].closed {
            return;
        }
        if !self.streams[index].client_open || !self.readers[reader].reads() {
            // In the socket, until somebody reads.
            self.streams[index].unread.push_back((end, packet));
            return;
        }
        self.stream_read(index, end, packet);
    }

    /// The reader reads a part of its stream.
    fn stream_read(&mut self, index: usize, end: u64, packet: Packet) {
        match packet {
            Packet::Text(text) => {
                let bytes = self.streams[index].down.take_part(end, text.len() as u64) as usize;
                self.look_stream_drained(index);
                let bytes = &text.as_bytes()[..bytes];
                // In two pieces, wherever one ends.
                let middle = self.streams[index].rng.usize(..=bytes.len());
                for piece in [&bytes[..middle], &bytes[middle..]] {
                    self.reader_reads(index, piece);
                }
            }
            Packet::Close(_) if self.streams[index].down.take(end) => {
                self.reader_loses(index, Disconnect::Ended);
            }
            Packet::Reset if !self.streams[index].down.vanishing => {
                self.reader_loses(index, Disconnect::Lost);
            }
            _ => {}
        }
    }

    fn reader_reads(&mut self, index: usize, mut piece: &[u8]) {
        let (reader, id) = (self.streams[index].reader, self.streams[index].id);
        if piece.is_empty() || !self.streams[index].client_open {
            return;
        }
        let monotonic = self.readers[reader].monotonic(self.now);
        self.checker.reader_hears(reader, monotonic);
        self.feed(reader, FeedInput::Activity(id));
        let room = Self::room(self.readers[reader].plan.room);
        while self.streams[index].client_open
            && let Some(item) = self.streams[index].parser.read(&mut piece)
        {
            let arrival = FeedItem::read(item, &room, &mut self.decoder);
            if let FeedItem::Retry(wait) = &arrival {
                self.checker.reader_told_to_wait(reader, wait.as_micros().try_into().unwrap_or(u64::MAX));
            }
            self.readers[reader].hears(&arrival);
            self.feed(reader, FeedInput::Received(id, arrival));
        }
    }

    /// What waits in the sockets of a reader that reads again.
    pub(super) fn stream_reads_on(&mut self, reader: usize) {
        while let Some(index) = self.readers[reader].stream
            && self.readers[reader].reads()
            && let Some((end, packet)) = self.streams[index].unread.pop_front()
        {
            self.stream_read(index, end, packet);
        }
    }

    /// An id that is told beside what is no message.
    fn stray_id(&self, reader: usize) -> String {
        let room = Self::room(self.readers[reader].plan.room);
        let log = self.nodes[0].hub.store().room(&room);
        log.map_or_else(String::new, |log| format!("id: {}:{}:stray\n", log.epoch(), log.head() + 2))
    }
}

/// The stream to which the hub says something.
fn addressee(output: &hub::Output) -> Option<usize> {
    let (hub::Output::Send { conn, .. }
    | hub::Output::Ping { conn }
    | hub::Output::NotifyQueueDrained { conn }
    | hub::Output::Close { conn, .. }
    | hub::Output::Terminate { conn }) = output
    else {
        return None;
    };
    conn.0.checked_sub(FIRST).and_then(|index| usize::try_from(index).ok())
}
