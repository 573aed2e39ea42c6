//! The positions and outcomes of the events that an application has read, to be committed when it reads on.

use crate::event::{Event, SendId};
use crate::messages::Position;
use crate::name::{Name, PERSONAL_ROOM};

/// The last position of each room, and the outcomes.
#[derive(Debug, Default)]
pub(super) struct AutoCommit {
    outcomes: Vec<SendId>,
    /// Few rooms speak in one batch, and mostly the one that spoke before.
    rooms: Vec<(Name, Position)>,
}

impl AutoCommit {
    pub(super) fn add(&mut self, event: &Event) {
        let (room, position) = match event {
            Event::Message(message) => match message.position() {
                Some(position) => (message.room.clone(), position),
                None => return,
            },
            Event::Notification(notification) => match &notification.entry {
                Some(meta) => (Name::from(PERSONAL_ROOM), meta.position()),
                None => return,
            },
            Event::Delivery(delivery) => return self.outcomes.push(delivery.id),
            _ => return,
        };
        match self.rooms.iter_mut().rev().find(|(known, _)| *known == room) {
            Some((_, last)) => *last = position,
            None => self.rooms.push((room, position)),
        }
    }

    pub(super) fn commit(&mut self, mut commit: impl FnMut(Name, Position)) {
        self.rooms.drain(..).for_each(|(room, position)| commit(room, position));
    }

    pub(super) fn outcomes(&mut self) -> Option<impl Iterator<Item = SendId>> {
        (!self.outcomes.is_empty()).then(|| self.outcomes.drain(..))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;
    use crate::messages::{EntryMeta, Message, Notification};

    fn meta(seq: u64) -> EntryMeta {
        let id = Id::new("x").unwrap();
        EntryMeta { id: id.clone(), epoch: id, seq, replay: false, producer: None }
    }

    fn message(room: &str, seq: Option<u64>) -> Event {
        let plain = Message::plain(room.into(), "u".into(), String::new(), String::new());
        Event::Message(Message { entry: seq.map(meta).map(Box::new), ..plain })
    }

    #[test]
    fn the_last_position_of_each_room_is_committed_once() {
        let mut taken = AutoCommit::default();
        let notification = Notification { entry: Some(meta(5)), kind: "k".into(), data: None };
        for event in [
            message("a", Some(1)),
            message("b", Some(7)),
            message("a", Some(2)),
            message("plain", None),
            Event::Notification(Box::new(notification)),
        ] {
            taken.add(&event);
        }
        let mut committed = Vec::new();
        taken.commit(|room, position| committed.push((room.to_string(), position.seq)));
        assert_eq!(committed, [("a".to_owned(), 2), ("b".to_owned(), 7), ("@me".to_owned(), 5)]);
        taken.commit(|_, _| panic!("committed twice"));
    }
}
