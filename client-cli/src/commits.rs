//! Tracks what the reader of stdout has received: a message or outcome is committed when its line has left this process.

use rejoin::{Client, Event, Name, PERSONAL_ROOM, Position, SendId};
use std::collections::VecDeque;

/// The positions of messages, and the outcomes, on their way out.
#[derive(Debug, Default)]
pub(crate) struct Commits {
    /// Of lines not handed to the outlet yet.
    buffered: PrintedItems,
    /// Of chunks that the outlet has, by their numbers.
    written: VecDeque<(u64, PrintedItems)>,
}

/// What some lines tell.
#[derive(Debug, Default)]
struct PrintedItems {
    /// The last position of each room.
    positions: Vec<(Name, Position)>,
    outcomes: Vec<SendId>,
}

/// What a reader has, and a later run need not tell again.
#[derive(Debug)]
pub(crate) enum ReadMark {
    Position(Name, Position),
    Outcome(SendId),
}

impl Commits {
    /// The event has been printed into the buffer.
    pub(crate) fn printed(&mut self, event: &Event) {
        if let Some((room, position)) = position(event) {
            self.read_to(room, position);
        }
    }

    /// As [`Commits::printed`], for what an event of another kind has reached.
    pub(crate) fn read_to(&mut self, room: Name, position: Position) {
        let positions = &mut self.buffered.positions;
        match positions.iter_mut().rev().find(|(known, _)| *known == room) {
            Some((_, last)) => *last = position,
            None => positions.push((room, position)),
        }
    }

    /// The outcome of a send has been printed into the buffer.
    pub(crate) fn outcome_printed(&mut self, id: SendId) {
        self.buffered.outcomes.push(id);
    }

    /// The outlet has taken the buffer, as its chunk of this number.
    pub(crate) fn chunk_written(&mut self, chunk: u64) {
        if !self.buffered.positions.is_empty() || !self.buffered.outcomes.is_empty() {
            self.written.push_back((chunk, std::mem::take(&mut self.buffered)));
        }
    }

    /// The outlet has written and flushed its chunks up to this number.
    pub(crate) fn flushed(&mut self, through: u64, mut commit: impl FnMut(ReadMark)) {
        while self.written.front().is_some_and(|(chunk, _)| *chunk <= through)
            && let Some((_, PrintedItems { positions, outcomes })) = self.written.pop_front()
        {
            for (room, position) in positions {
                commit(ReadMark::Position(room, position));
            }
            for id in outcomes {
                commit(ReadMark::Outcome(id));
            }
        }
    }

    /// As [`Commits::flushed`], said to a client.
    pub(crate) fn flushed_to(&mut self, client: &Client, through: u64) {
        self.flushed(through, |read| match read {
            ReadMark::Position(room, position) => client.commit(&room, position),
            ReadMark::Outcome(id) => client.confirm(id),
        });
    }

    /// The number of the next chunk whose flush is worth knowing.
    pub(crate) fn pending_chunk(&self) -> Option<u64> {
        self.written.front().map(|(chunk, _)| *chunk)
    }

    /// Whether everything printed has been committed.
    pub(crate) fn is_empty(&self) -> bool {
        self.buffered.positions.is_empty() && self.buffered.outcomes.is_empty() && self.written.is_empty()
    }
}

/// The place of an event that a later run can go on behind.
pub(crate) fn position(event: &Event) -> Option<(Name, Position)> {
    match event {
        Event::Message(message) => Some((message.room.clone(), message.position()?)),
        Event::Notification(notification) => {
            notification.entry.as_ref().map(|stamp| (PERSONAL_ROOM.into(), stamp.position()))
        }
        _ => None,
    }
}
