//! Chooses which empty room is forgotten when there is no place for another one: the longest silent one of the user who has
//! made the most. Each step costs O(log n).

use rejoin::{Name, Timestamp};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Who made a room; nobody, if a backend did.
pub(super) type Creator = Option<Name>;

#[derive(Debug, Clone, Default)]
pub(super) struct EvictionQueue {
    /// Rooms kept, by who made them, those with somebody in them too.
    made: BTreeMap<Creator, usize>,
    /// Rooms in which a send may come again for a while, by when something last happened there.
    cooling: BTreeMap<(Timestamp, Name), Creator>,
    /// Rooms that may be forgotten.
    ready: BTreeMap<Creator, BTreeSet<(Timestamp, Name)>>,
    /// Who has made rooms that may be forgotten, by how many rooms of theirs are kept.
    heaviest: BTreeSet<(usize, Creator)>,
}

impl EvictionQueue {
    /// How many rooms of this user are kept.
    pub(super) fn created_by(&self, user: &Name) -> usize {
        self.made.get(&Some(user.clone())).copied().unwrap_or(0)
    }

    /// A room is made.
    pub(super) fn room_created(&mut self, creator: &Creator) {
        let count = self.made.entry(creator.clone()).or_default();
        *count += 1;
        let now = *count;
        self.reweigh(creator, now - 1, now);
    }

    /// A room is forgotten.
    pub(super) fn room_removed(&mut self, creator: &Creator) {
        let Entry::Occupied(mut count) = self.made.entry(creator.clone()) else { return };
        *count.get_mut() -= 1;
        let now = *count.get();
        if now == 0 {
            count.remove();
        }
        self.reweigh(creator, now + 1, now);
    }

    fn reweigh(&mut self, creator: &Creator, before: usize, now: usize) {
        if self.heaviest.remove(&(before, creator.clone())) {
            self.heaviest.insert((now, creator.clone()));
        }
    }

    /// Nobody is in the room. `unused`: nothing was ever said there.
    pub(super) fn put(&mut self, room: &Name, creator: &Creator, touched: Timestamp, unused: bool) {
        if unused {
            self.make_ready(room.clone(), creator, touched);
        } else {
            self.cooling.insert((touched, room.clone()), creator.clone());
        }
    }

    /// Somebody is in the room, or something happens there.
    pub(super) fn take(&mut self, room: &Name, creator: &Creator, touched: Timestamp) {
        let key = (touched, room.clone());
        if self.cooling.remove(&key).is_some() {
            return;
        }
        let Some(rooms) = self.ready.get_mut(creator) else { return };
        rooms.remove(&key);
        if rooms.is_empty() {
            self.ready.remove(creator);
            let weight = self.made.get(creator).copied().unwrap_or(0);
            self.heaviest.remove(&(weight, creator.clone()));
        }
    }

    /// The room to forget next, of the heaviest user or of this one.
    pub(super) fn next(&mut self, now: Timestamp, window: Duration, of: Option<&Name>) -> Option<Name> {
        while let Some(((touched, room), creator)) = self.cooling.pop_first() {
            if now.since(touched) < window {
                self.cooling.insert((touched, room), creator);
                break;
            }
            self.make_ready(room, &creator, touched);
        }
        let own = of.map(|user| Some(user.clone()));
        let creator = match &own {
            Some(creator) => creator,
            None => self.heaviest.last().map(|(_, creator)| creator)?,
        };
        self.ready.get(creator)?.first().map(|(_, room)| room.clone())
    }

    fn make_ready(&mut self, room: Name, creator: &Creator, touched: Timestamp) {
        self.ready.entry(creator.clone()).or_default().insert((touched, room));
        let weight = self.made.get(creator).copied().unwrap_or(0);
        self.heaviest.insert((weight, creator.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(600);

    fn at(second: u64) -> Timestamp {
        Timestamp::from_millis(second * 1_000)
    }

    fn vacant(rooms: &[(&str, &str, u64)]) -> EvictionQueue {
        let mut vacant = EvictionQueue::default();
        for (creator, room, touched) in rooms {
            let creator = Some(Name::from(*creator));
            vacant.room_created(&creator);
            vacant.put(&Name::from(*room), &creator, at(*touched), false);
        }
        vacant
    }

    fn evict(vacant: &mut EvictionQueue, now: u64, rooms: &[(&str, &str, u64)]) -> Option<String> {
        let room = vacant.next(at(now), WINDOW, None)?;
        let (creator, _, touched) = rooms.iter().find(|(_, name, _)| **name == *room).unwrap();
        let creator = Some(Name::from(*creator));
        vacant.take(&room, &creator, at(*touched));
        vacant.room_removed(&creator);
        Some(room.to_string())
    }

    #[test]
    fn rooms_go_from_the_heaviest_user_first_and_the_longest_silent_of_them() {
        let rooms =
            [("eve", "e3", 3), ("eve", "e1", 1), ("eve", "e2", 2), ("ada", "a0", 0), ("bob", "b4", 4)];
        let mut vacant = vacant(&rooms);
        let mut order = Vec::new();
        while let Some(room) = evict(&mut vacant, 700, &rooms) {
            order.push(room);
        }
        // With one room each, the later name counts.
        assert_eq!(order, ["e1", "e2", "e3", "b4", "a0"]);
        assert!(vacant.made.is_empty() && vacant.heaviest.is_empty() && vacant.ready.is_empty());
    }

    #[test]
    fn a_room_in_which_a_send_may_come_again_stays_whoever_made_it() {
        let rooms = [("eve", "e1", 500), ("eve", "e2", 500), ("ada", "a0", 0)];
        let mut vacant = vacant(&rooms);
        assert_eq!(evict(&mut vacant, 599, &rooms), None);
        assert_eq!(evict(&mut vacant, 700, &rooms).as_deref(), Some("a0"));
        assert_eq!(evict(&mut vacant, 700, &rooms), None);
        assert_eq!(vacant.next(at(1_200), WINDOW, Some(&Name::from("ada"))), None);
        assert_eq!(vacant.next(at(1_200), WINDOW, Some(&Name::from("eve"))), Some(Name::from("e1")));
    }
}
