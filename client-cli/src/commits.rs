//! How far the reader has come: a message or an outcome is dealt with when its line has left this process.

use rejoin::{Client, Event, Name, PERSONAL_ROOM, Position, SendId};
use std::collections::VecDeque;

/// The positions of messages, and the outcomes, on their way out.
#[derive(Debug, Default)]
pub(crate) struct Commits {
    /// Of lines not handed to the outlet yet.
    unprinted: Printed,
    /// Of chunks that the outlet has, by their numbers.
    handed: VecDeque<(u64, Printed)>,
}

/// What some lines tell.
#[derive(Debug, Default)]
struct Printed {
    /// The last position of each room.
    positions: Vec<(Name, Position)>,
    outcomes: Vec<SendId>,
}

/// What a reader has, and a later run need not tell again.
#[derive(Debug)]
pub(crate) enum Read {
    Position(Name, Position),
    Outcome(SendId),
}

impl Commits {
    /// The event has been printed into the buffer.
    pub(crate) fn printed(&mut self, event: &Event) {
        if let Some((room, position)) = position(event) {
            self.reached(room, position);
        }
    }

    /// As [`Commits::printed`], for what an event of another kind has reached.
    pub(crate) fn reached(&mut self, room: Name, position: Position) {
        let positions = &mut self.unprinted.positions;
        match positions.iter_mut().rev().find(|(known, _)| *known == room) {
            Some((_, last)) => *last = position,
            None => positions.push((room, position)),
        }
    }

    /// The outcome of a send has been printed into the buffer.
    pub(crate) fn told(&mut self, id: SendId) {
        self.unprinted.outcomes.push(id);
    }

    /// The outlet has taken the buffer, as its chunk of this number.
    pub(crate) fn handed_over(&mut self, chunk: u64) {
        if !self.unprinted.positions.is_empty() || !self.unprinted.outcomes.is_empty() {
            self.handed.push_back((chunk, std::mem::take(&mut self.unprinted)));
        }
    }

    /// The outlet has written and flushed its chunks up to this number.
    pub(crate) fn flushed(&mut self, through: u64, mut commit: impl FnMut(Read)) {
        while self.handed.front().is_some_and(|(chunk, _)| *chunk <= through)
            && let Some((_, Printed { positions, outcomes })) = self.handed.pop_front()
        {
            for (room, position) in positions {
                commit(Read::Position(room, position));
            }
            for id in outcomes {
                commit(Read::Outcome(id));
            }
        }
    }

    /// As [`Commits::flushed`], said to a client.
    pub(crate) fn flushed_to(&mut self, client: &Client, through: u64) {
        self.flushed(through, |read| match read {
            Read::Position(room, position) => client.commit(&room, position),
            Read::Outcome(id) => client.confirm(id),
        });
    }

    /// The number of the next chunk whose flush is worth knowing.
    pub(crate) fn awaited(&self) -> Option<u64> {
        self.handed.front().map(|(chunk, _)| *chunk)
    }

    /// Whether everything printed has been committed.
    pub(crate) fn is_empty(&self) -> bool {
        self.unprinted.positions.is_empty() && self.unprinted.outcomes.is_empty() && self.handed.is_empty()
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
