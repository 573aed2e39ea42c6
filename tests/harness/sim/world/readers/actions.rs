//! Acts of a schedule on readers: faults of their network, their process, their application and their server. When, `readers/draw`
//! has drawn; what must hold of it, the checker knows.

use super::ReaderEvent;
use crate::sim::Micros;
use crate::sim::net::Packet;
use crate::sim::readers::{LONGEST_EVENT, ReaderAction, Tampering};
use crate::sim::server::Process;
use crate::sim::world::{SimEvent, World};
use rejoin::machine::FeedInput;
use rejoin::{Message, Name, State};

impl World {
    /// The stream of a reader, if it has one.
    fn stream_of(&self, reader: usize) -> Option<usize> {
        self.readers[reader].stream
    }

    /// The same if the server can say something on it.
    fn served_stream(&self, reader: usize) -> Option<usize> {
        let serves = self.nodes[0].process == Process::Up;
        self.stream_of(reader).filter(|stream| serves && self.streams[*stream].server_open)
    }

    pub(in crate::sim::world) fn reader_act(&mut self, reader: usize, what: ReaderAction) {
        if reader >= self.readers.len() {
            return;
        }
        match what {
            ReaderAction::Cut(luck) => {
                if let Some(stream) = self.stream_of(reader) {
                    self.stream_cut(stream, luck, 0);
                }
            }
            ReaderAction::CutInEvent(luck) => {
                if let Some(stream) = self.served_stream(reader) {
                    self.streams[stream].cut_in_event = Some(luck);
                }
            }
            ReaderAction::Vanish => {
                if let Some(stream) = self.stream_of(reader) {
                    self.streams[stream].down.vanishing = true;
                    self.streams[stream].up_vanishes = true;
                }
            }
            ReaderAction::Hold(time) => {
                if let Some(stream) = self.stream_of(reader) {
                    let until = self.now + time;
                    self.streams[stream].down.hold(until);
                }
            }
            ReaderAction::Busy(time) if self.readers[reader].reads() => {
                self.readers[reader].busy_until = Some(self.now + time);
                self.feed(reader, FeedInput::Backpressure(true));
                self.later(time, SimEvent::ReaderEvent(ReaderEvent::Takes { reader }));
            }
            ReaderAction::Freeze(time) => self.reader_freezes(reader, time, false, false),
            ReaderAction::Sleep(time, die) => self.reader_freezes(reader, time, true, die),
            ReaderAction::Crash(down) if self.readers[reader].is_running() => {
                if let Some(stream) = self.stream_of(reader) {
                    self.reader_hangs_up(stream);
                }
                self.readers[reader].dies();
                self.later(down, SimEvent::ReaderEvent(ReaderEvent::Starts { reader }));
            }
            ReaderAction::End => {
                if let Some(stream) = self.served_stream(reader) {
                    self.stream_writes(stream, Packet::Close(1000));
                    self.stream_gone(stream);
                }
            }
            ReaderAction::Revoke if self.plan.token_source.is_some() => {
                self.readers[reader].token_serial += 1;
            }
            ReaderAction::Tamper(tampering) => self.reader_tampered(reader, tampering),
            _ if self.readers[reader].is_running() => self.reader_asked(reader, what),
            _ => {}
        }
    }

    /// What its user, its platform and its driver do.
    fn reader_asked(&mut self, reader: usize, what: ReaderAction) {
        let link = self.clients.len() + reader;
        match what {
            ReaderAction::Hint(hint) => {
                self.checker.counts_anew(link);
                self.checker.reader_stirred(reader);
                self.feed(reader, FeedInput::Hint(hint));
            }
            ReaderAction::Reconnect if !self.readers[reader].is_closed => {
                self.checker.revived(link);
                self.checker.reader_stirred(reader);
                self.feed(reader, FeedInput::Reconnect);
            }
            ReaderAction::Close(time) if !self.readers[reader].is_closed => {
                self.readers[reader].is_closed = true;
                self.feed(reader, FeedInput::Close);
                self.later(time, SimEvent::ReaderEvent(ReaderEvent::Reopens { reader }));
            }
            ReaderAction::StaleFrame => {
                if let Some(before) = self.readers[reader].before {
                    let (room, user) = (Name::from("x"), Name::from("nobody"));
                    let message = Message::plain(room, user, String::from("late"), String::new());
                    let id = self.readers[reader].disk.clone();
                    let arrival = rejoin::feed::FeedItem::Message { id, message };
                    self.feed(reader, FeedInput::Received(before, arrival));
                    self.feed(reader, FeedInput::Closed(before, rejoin::machine::Disconnect::Lost));
                }
            }
            _ => {}
        }
    }

    fn reader_tampered(&mut self, reader: usize, tampering: Tampering) {
        if let Tampering::Rewind(count) = tampering {
            self.readers[reader].rewinds = count;
            return;
        }
        let Some(index) = self.served_stream(reader).filter(|index| self.streams[*index].begun) else {
            return;
        };
        let stream = &mut self.streams[index];
        match tampering {
            Tampering::Again => stream.again = true,
            Tampering::Drop(count) => stream.drops = count,
            Tampering::Damage => stream.damages = true,
            Tampering::Weather => stream.weather = true,
            Tampering::Oversized => {
                let text = format!("event: weather\ndata: {}\n\n", "x".repeat(LONGEST_EVENT));
                self.stream_sends(index, &text);
            }
            Tampering::Retry => self.stream_sends(index, "retry: 3000\nretry: soon\nretry: -1\n"),
            Tampering::Rewind(_) => {}
        }
    }

    fn reader_freezes(&mut self, reader: usize, time: Micros, asleep: bool, sockets_die: bool) {
        if !self.readers[reader].is_running() {
            return;
        }
        self.readers[reader].frozen_until = Some(self.now + time);
        if asleep {
            self.readers[reader].sleeps(time);
        }
        if let Some(stream) = self.stream_of(reader).filter(|_| sockets_die) {
            self.streams[stream].down.vanishing = true;
            self.streams[stream].up_vanishes = true;
        }
        self.readers[reader].look_at_deadline();
        self.later(time, SimEvent::ReaderEvent(ReaderEvent::Thaws { reader }));
    }

    pub(super) fn reader_thaws(&mut self, reader: usize) {
        let Some(until) = self.readers[reader].frozen_until.filter(|until| *until <= self.now) else {
            return;
        };
        debug_assert!(until <= self.now);
        self.readers[reader].frozen_until = None;
        // It may be in a hurry after that.
        self.checker.counts_anew(self.clients.len() + reader);
        self.checker.reader_stirred(reader);
        self.stream_reads_on(reader);
        self.feed(reader, FeedInput::Tick);
    }

    pub(super) fn reader_takes(&mut self, reader: usize) {
        let state = &mut self.readers[reader];
        if state.busy_until.is_none_or(|until| until > self.now) {
            return;
        }
        if let Some(until) = state.frozen_until {
            return self.at(until + 1, SimEvent::ReaderEvent(ReaderEvent::Takes { reader }));
        }
        state.busy_until = None;
        let monotonic = state.monotonic(self.now);
        self.checker.reader_hears(reader, monotonic);
        self.feed(reader, FeedInput::Backpressure(false));
        self.stream_reads_on(reader);
    }

    pub(super) fn reader_reopens(&mut self, reader: usize) {
        if let Some(until) = self.readers[reader].frozen_until {
            return self.at(until + 1, SimEvent::ReaderEvent(ReaderEvent::Reopens { reader }));
        }
        if std::mem::take(&mut self.readers[reader].is_closed) && self.readers[reader].feed.is_some() {
            self.checker.revived(self.clients.len() + reader);
            self.checker.reader_stirred(reader);
            self.feed(reader, FeedInput::Connect);
        }
    }

    /// The faults stop for them too.
    pub(in crate::sim::world) fn calm_readers(&mut self) {
        for stream in &mut self.streams {
            stream.cut_in_event = None;
            (stream.drops, stream.again, stream.damages) = (0, false, false);
        }
        for reader in 0..self.readers.len() {
            self.reader_starts_again(reader);
        }
    }

    fn reader_starts_again(&mut self, reader: usize) {
        self.reading(ReaderEvent::Starts { reader });
        if self.readers[reader].busy_until.is_some() {
            self.readers[reader].busy_until = Some(self.now);
            self.reader_takes(reader);
        }
        self.reader_reopens(reader);
        let state = self.readers[reader].feed.as_ref().map(rejoin::machine::Feed::state);
        if state == Some(State::Failed) && self.readers[reader].is_running() {
            self.checker.revived(self.clients.len() + reader);
            self.checker.reader_stirred(reader);
            let token = self.readers[reader].token();
            self.feed(reader, FeedInput::SetToken(token));
        }
    }

    pub(in crate::sim::world) fn readers_are_back(&mut self) {
        for reader in 0..self.readers.len() {
            let state = self.readers[reader].feed.as_ref().map(rejoin::machine::Feed::state);
            // Two tokens that are refused within a minute are the end.
            let refused = state == Some(State::Failed) && self.readers[reader].token_serial > 1;
            if state != Some(State::Connected) && !refused {
                self.checker.violated(format!("9: reader{reader} is not back: {state:?}"));
            }
        }
        self.streams_are_well();
    }

    pub(in crate::sim::world) fn readers_leave(&mut self) {
        for reader in 0..self.readers.len() {
            if self.readers[reader].feed.as_ref().map(rejoin::machine::Feed::state) == Some(State::Connected)
            {
                self.checker.reader_caught_up(reader);
            }
            self.feed(reader, FeedInput::Close);
        }
        for index in 0..self.streams.len() {
            // That it is gone is learnt when nothing is taken any more, which takes longer than there is.
            if self.streams[index].server_open && self.streams[index].up_vanishes {
                self.stream_gone(index);
            }
        }
    }

    pub(in crate::sim::world) fn readers_have_left(&mut self) {
        for reader in 0..self.readers.len() {
            let state = self.readers[reader].feed.as_ref().map(rejoin::machine::Feed::state);
            if state != Some(State::Closed) {
                self.checker.violated(format!("14: reader{reader} is {state:?} after close"));
            }
        }
        for room in self.nodes[0].hub.stored_rooms(None, 100).0 {
            if room.readers > 0 {
                self.checker.violated(format!("14: {} has readers after all have left", room.room));
            }
        }
    }
}
