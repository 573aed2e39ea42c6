//! How far the reader has come: a message is dealt with when its line has left this process.

use rejoin::{Event, Name, PERSONAL_ROOM, Position};
use std::collections::VecDeque;

/// The positions of messages on their way out.
#[derive(Debug, Default)]
pub(crate) struct Commits {
    /// Of lines not handed to the outlet yet, the last of each room.
    unprinted: Vec<(Name, Position)>,
    /// Of chunks that the outlet has, by their numbers.
    handed: VecDeque<(u64, Vec<(Name, Position)>)>,
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
        match self.unprinted.iter_mut().rev().find(|(known, _)| *known == room) {
            Some((_, last)) => *last = position,
            None => self.unprinted.push((room, position)),
        }
    }

    /// The outlet has taken the buffer, as its chunk of this number.
    pub(crate) fn handed_over(&mut self, chunk: u64) {
        if !self.unprinted.is_empty() {
            self.handed.push_back((chunk, std::mem::take(&mut self.unprinted)));
        }
    }

    /// The outlet has written and flushed its chunks up to this number.
    pub(crate) fn flushed(&mut self, through: u64, mut commit: impl FnMut(Name, Position)) {
        while self.handed.front().is_some_and(|(chunk, _)| *chunk <= through)
            && let Some((_, positions)) = self.handed.pop_front()
        {
            for (room, position) in positions {
                commit(room, position);
            }
        }
    }

    /// The number of the next chunk whose flush is worth knowing.
    pub(crate) fn awaited(&self) -> Option<u64> {
        self.handed.front().map(|(chunk, _)| *chunk)
    }

    /// Whether everything printed has been committed.
    pub(crate) fn is_empty(&self) -> bool {
        self.unprinted.is_empty() && self.handed.is_empty()
    }
}

/// The place of an event that a later run can go on behind.
pub(crate) fn position(event: &Event) -> Option<(Name, Position)> {
    match event {
        Event::Message(message) => Some((message.room.clone(), message.position()?)),
        Event::Notification(notification) => {
            notification.stamp.as_ref().map(|stamp| (PERSONAL_ROOM.into(), stamp.position()))
        }
        _ => None,
    }
}
