//! The messages that one client was sent in one namespace, by room and number, so that a recovered session can continue
//! where its client stopped receiving. Knows no socket, no clock and no log.

mod record;

pub(super) use record::positions;

use super::offset;
use crate::hub::RoomPosition;
use rejoin::messages::{Epoch, Joined};
use rejoin::{Id, Name};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Runs of events remembered beyond those that the client is known to have.
const MOST: usize = 2_048;

/// So many are forgotten at a time when there are more.
const MAX_FORGOTTEN: usize = 256;

/// What a room costs beside its name, and a run of events.
const ROOM: usize = 3 * size_of::<Room>() + size_of::<Id>();
const RUN: usize = size_of::<Run>();
const PLACE: usize = 2 * size_of::<(u32, u64)>();

/// An offset is `SESSION-EVENT`: which session, and the number of the event among those of it that can be recovered. The positions that
/// this means are kept here, since a client may be in hundreds of rooms.
#[derive(Debug)]
pub(super) struct Deliveries {
    session: u64,
    rooms: BTreeMap<Name, Room>,
    /// The events after `settled`.
    runs: VecDeque<Run>,
    /// How many these are.
    unsettled: u64,
    /// Events that the client has, or of which it is not remembered any more what they were.
    settled: u64,
    /// Events before the last ping.
    before_ping: u64,
    slots: u32,
    /// Something was sent that cannot be gone on from.
    broken: bool,
    /// The personal stream comes to another namespace of the client.
    elsewhere: bool,
    /// The newest message of each room that has said something which the store may not know of, by slot.
    unrecorded: BTreeMap<u32, u64>,
    /// Rooms have come or gone since the last record was made.
    changed: bool,
    /// Records made.
    version: u64,
}

#[derive(Debug)]
struct Room {
    /// Tells it from a membership in the same room that ended.
    slot: u32,
    epoch: Epoch,
    /// As far as the settled events go.
    after: u64,
    /// Entries up to here came elsewhere, once everything that was sent here has come.
    passed: u64,
    /// The first event that tells where the room is; before it nothing can be gone on from.
    known_from: Option<u64>,
    /// Whether no number may be left out.
    whole: bool,
    /// The last one that was sent.
    last: u64,
}

/// Events one after the other that are entries one after the other of one log: a replay is one.
#[derive(Debug, Clone, Copy)]
struct Run {
    slot: u32,
    first: u64,
    count: u64,
}

/// A message is missing before this one, and will not come.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Hole;

pub(super) type SharedDeliveries = Arc<Mutex<Deliveries>>;

pub(super) fn lock(deliveries: &SharedDeliveries) -> MutexGuard<'_, Deliveries> {
    deliveries.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Deliveries {
    /// Of a session with this number, which none has had.
    pub(super) fn new(session: u64) -> Self {
        Self {
            session,
            rooms: BTreeMap::new(),
            runs: VecDeque::new(),
            unsettled: 0,
            settled: 0,
            before_ping: 0,
            slots: 0,
            broken: false,
            elsewhere: false,
            unrecorded: BTreeMap::new(),
            changed: false,
            version: 0,
        }
    }

    /// Of one that goes on at these places.
    pub(super) fn resumed(session: u64, rooms: &[RoomPosition]) -> Self {
        let mut deliveries = Self::new(session);
        for RoomPosition { room, epoch, after } in rooms {
            deliveries.enter(room.clone(), epoch.clone(), *after, Some(0), true);
        }
        deliveries
    }

    fn last(&self) -> u64 {
        self.settled + self.unsettled
    }

    fn enter(&mut self, room: Name, epoch: Epoch, after: u64, known_from: Option<u64>, whole: bool) {
        self.slots = self.slots.wrapping_add(1);
        let room_state = Room { slot: self.slots, epoch, after, passed: 0, known_from, whole, last: after };
        self.changed = true;
        if let Some(before) = self.rooms.insert(room, room_state) {
            self.unrecorded.remove(&before.slot);
        }
    }

    /// Whether the personal stream comes to another namespace of the client.
    pub(super) fn is_elsewhere(&self) -> bool {
        self.elsewhere
    }

    pub(super) fn set_elsewhere(&mut self, elsewhere: bool) {
        self.changed |= self.elsewhere != elsewhere;
        self.elsewhere = elsewhere;
    }

    pub(super) fn is_in(&self, room: &str) -> bool {
        self.rooms.contains_key(room)
    }

    /// The client has joined a room, maybe again, and maybe asked for its past.
    pub(super) fn joined(&mut self, room: Name, joined: &Joined) {
        let is_in = self.rooms.get(&room).is_some_and(|known| known.epoch == joined.epoch);
        if is_in && joined.replay == 0 {
            return;
        }
        // A replay after `since` may stop early; where it begins shows with its first message. Any other one reaches the
        // head. One in a room that the client was in already repeats what has come.
        let unknown = joined.replay > 0 && (joined.recovered || is_in);
        let after = if unknown { 0 } else { joined.seq.saturating_sub(joined.replay) };
        self.enter(room, joined.epoch.clone(), after, (!unknown).then_some(0), false);
    }

    pub(super) fn left(&mut self, room: &str) {
        if let Some(left) = self.rooms.remove(room) {
            self.unrecorded.remove(&left.slot);
            self.changed = true;
        }
    }

    /// A message or a notification is sent. Gives its offset, if there is one.
    pub(super) fn sent(&mut self, room: &str, epoch: &Epoch, seq: u64) -> Result<Option<String>, Hole> {
        let event = self.last() + 1;
        let mut slot = 0;
        // One of a room that the client has just left counts as an event, and for nothing else.
        if let Some(known) = self.rooms.get_mut(room) {
            let is_other = known.epoch != *epoch;
            if is_other || (known.whole && seq > known.last + 1) {
                (self.broken, self.changed) = (true, true);
                return if is_other { Ok(None) } else { Err(Hole) };
            }
            (known.last, slot) = (seq, known.slot);
            known.known_from.get_or_insert(event);
            let newest = self.unrecorded.entry(slot).or_default();
            *newest = seq.max(*newest);
        }
        match self.runs.back_mut().filter(|run| run.slot == slot && run.first + run.count == seq) {
            Some(run) => run.count += 1,
            None => self.runs.push_back(Run { slot, first: seq, count: 1 }),
        }
        self.unsettled += 1;
        if self.runs.len() > MOST {
            let oldest: u64 = self.runs.iter().take(MAX_FORGOTTEN).map(|run| run.count).sum();
            self.settle(self.settled + oldest);
        }
        Ok((!self.broken).then(|| offset::write(self.session, event, &self.unrecorded)))
    }

    /// A notification comes to another namespace instead.
    pub(super) fn passed(&mut self, room: &str, seq: u64) {
        if let Some(known) = self.rooms.get_mut(room) {
            (known.passed, known.last) = (seq, known.last.max(seq));
        }
    }

    /// The engine's ping is sent.
    pub(super) fn pinged(&mut self) {
        self.before_ping = self.last();
    }

    /// Its answer has come: what was sent before it has come too, for the transport keeps the order.
    pub(super) fn ponged(&mut self) {
        self.settle(self.before_ping);
        if self.runs.is_empty() {
            self.runs = VecDeque::new();
        }
    }

    fn settle(&mut self, through: u64) {
        let mut newest: BTreeMap<u32, u64> = BTreeMap::new();
        while self.settled < through {
            let Some(run) = self.runs.front_mut() else { break };
            let count = run.count.min(through - self.settled);
            let seq = newest.entry(run.slot).or_default();
            *seq = (run.first + count - 1).max(*seq);
            (run.first, run.count) = (run.first + count, run.count - count);
            if run.count == 0 {
                self.runs.pop_front();
            }
            (self.settled, self.unsettled) = (self.settled + count, self.unsettled - count);
        }
        if newest.is_empty() {
            return;
        }
        for room in self.rooms.values_mut() {
            room.after = room.after.max(newest.get(&room.slot).copied().unwrap_or(0));
        }
    }

    /// Where the client is that has this as its last offset; `None` if that is not known. Without an offset, or with one
    /// of another session, it has received nothing in this one.
    pub(super) fn positions(&self, offset: Option<&str>) -> Option<Vec<RoomPosition>> {
        let offset = offset.map(|text| offset::read(text).ok_or(())).transpose().ok()?;
        let event = offset.filter(|offset| offset.session == self.session).map_or(0, |offset| offset.event);
        if self.broken || !(self.settled..=self.last()).contains(&event) {
            return None;
        }
        let mut has = event - self.settled;
        let mut after: BTreeMap<u32, (u64, bool)> =
            self.rooms.values().map(|room| (room.slot, (room.after, true))).collect();
        for run in &self.runs {
            let count = run.count.min(has);
            has -= count;
            if let Some((after, all)) = after.get_mut(&run.slot) {
                if count > 0 {
                    *after = (*after).max(run.first + count - 1);
                }
                *all &= count == run.count;
            }
        }
        let position = |(name, room): (&Name, &Room)| {
            room.known_from.filter(|from| *from <= event)?;
            let (after, all) = *after.get(&room.slot)?;
            let after = if all { after.max(room.passed) } else { after };
            Some(RoomPosition { room: name.clone(), epoch: room.epoch.clone(), after })
        };
        self.rooms.iter().map(position).collect()
    }

    /// What it costs to keep.
    pub(super) fn bytes(&self) -> usize {
        let rooms: usize = self.rooms.keys().map(|name| ROOM + name.len()).sum();
        size_of::<Self>() + rooms + self.runs.capacity() * RUN + self.unrecorded.len() * PLACE
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use rejoin::messages::Ref;

    fn epoch() -> Epoch {
        Id::new("e").unwrap()
    }

    /// The session has joined a room, and is answered so.
    pub(in crate::socketio) fn join(
        deliveries: &mut Deliveries,
        room: &str,
        seq: u64,
        replay: u64,
        recovered: bool,
    ) {
        let joined = Joined {
            reference: Ref::new("0").unwrap(),
            room: Name::from(room),
            epoch: epoch(),
            seq,
            replay,
            recovered,
            reason: None,
            members: None,
            member_count: None,
        };
        deliveries.joined(Name::from(room), &joined);
    }

    fn session(rooms: &[(&str, u64)]) -> Deliveries {
        let mut deliveries = Deliveries::new(7);
        for (room, head) in rooms {
            join(&mut deliveries, room, *head, 0, false);
        }
        deliveries
    }

    fn send(deliveries: &mut Deliveries, room: &str, seq: u64) -> String {
        deliveries.sent(room, &epoch(), seq).unwrap().unwrap()
    }

    fn places(deliveries: &Deliveries, offset: Option<&str>) -> Option<Vec<(String, u64)>> {
        let positions = deliveries.positions(offset)?;
        Some(positions.into_iter().map(|place| (place.room.to_string(), place.after)).collect())
    }

    fn at(rooms: &[(&str, u64)]) -> Vec<(String, u64)> {
        rooms.iter().map(|(room, after)| (String::from(*room), *after)).collect()
    }

    #[test]
    fn an_offset_means_a_place_in_each_room() {
        let mut deliveries = session(&[("a", 4), ("b", 0)]);
        assert_eq!(send(&mut deliveries, "a", 5), "7-1");
        assert_eq!(send(&mut deliveries, "b", 1), "7-2");
        assert_eq!(send(&mut deliveries, "a", 6), "7-3");
        assert_eq!(places(&deliveries, None), Some(at(&[("a", 4), ("b", 0)])));
        assert_eq!(places(&deliveries, Some("7-1")), Some(at(&[("a", 5), ("b", 0)])));
        assert_eq!(places(&deliveries, Some("7-2")), Some(at(&[("a", 5), ("b", 1)])));
        assert_eq!(places(&deliveries, Some("7-3")), Some(at(&[("a", 6), ("b", 1)])));
        for beyond in ["7-4", "7-", "7-x", "7-99999999999999999999"] {
            assert_eq!(places(&deliveries, Some(beyond)), None, "{beyond}");
        }
        // The last one of a session before, as a client sends it that has received nothing since.
        assert_eq!(places(&deliveries, Some("6-100")), Some(at(&[("a", 4), ("b", 0)])));
        deliveries.left("b");
        assert_eq!(send(&mut deliveries, "b", 2), "7-4");
        assert_eq!(places(&deliveries, Some("7-4")), Some(at(&[("a", 6)])));
    }

    #[test]
    fn what_a_ping_was_answered_after_is_not_remembered_any_more() {
        let mut deliveries = session(&[("a", 0)]);
        send(&mut deliveries, "a", 1);
        deliveries.pinged();
        send(&mut deliveries, "a", 2);
        deliveries.ponged();
        assert_eq!(deliveries.runs.len(), 1);
        assert_eq!(places(&deliveries, None), None, "it has the first one");
        assert_eq!(places(&deliveries, Some("7-1")), Some(at(&[("a", 1)])));
        assert_eq!(places(&deliveries, Some("7-2")), Some(at(&[("a", 2)])));
    }

    #[test]
    fn only_so_many_runs_are_remembered_and_a_long_one_is_one() {
        let mut deliveries = session(&[("a", 0), ("b", 0)]);
        for seq in 1..=10_000 {
            send(&mut deliveries, "a", seq);
        }
        assert_eq!(deliveries.runs.len(), 1);
        assert_eq!(places(&deliveries, Some("7-9000")), Some(at(&[("a", 9_000), ("b", 0)])));
        let mut deliveries = session(&[("a", 0), ("b", 0)]);
        for seq in 1..=MOST as u64 / 2 {
            send(&mut deliveries, "a", seq);
            send(&mut deliveries, "b", seq);
        }
        send(&mut deliveries, "a", 7_000);
        assert_eq!(deliveries.runs.len(), MOST + 1 - MAX_FORGOTTEN);
        assert_eq!(places(&deliveries, Some("7-255")), None);
        assert_eq!(places(&deliveries, Some("7-256")), Some(at(&[("a", 128), ("b", 128)])));
    }

    #[test]
    fn a_room_joined_again_is_where_its_client_has_got_to() {
        let mut deliveries = session(&[("a", 4)]);
        send(&mut deliveries, "a", 5);
        join(&mut deliveries, "a", 5, 0, false);
        assert_eq!(places(&deliveries, None), Some(at(&[("a", 4)])), "its answer may not have come");
        // Once more, with its past: that the client has it is sure with the first message of it.
        join(&mut deliveries, "a", 5, 3, false);
        assert_eq!(places(&deliveries, Some("7-1")), None);
        send(&mut deliveries, "a", 3);
        assert_eq!(places(&deliveries, Some("7-1")), None);
        assert_eq!(places(&deliveries, Some("7-2")), Some(at(&[("a", 3)])));
    }

    #[test]
    fn a_join_with_history_begins_before_it_and_one_after_since_with_its_first_message() {
        let mut deliveries = Deliveries::new(7);
        join(&mut deliveries, "a", 9, 3, false);
        assert_eq!(places(&deliveries, None), Some(at(&[("a", 6)])));
        let mut deliveries = Deliveries::new(7);
        join(&mut deliveries, "a", 900, 200, true);
        assert_eq!(places(&deliveries, None), None);
        send(&mut deliveries, "a", 501);
        assert_eq!(places(&deliveries, Some("7-1")), Some(at(&[("a", 501)])));
    }

    #[test]
    fn a_resumed_session_bears_no_hole() {
        let position = RoomPosition { room: Name::from("a"), epoch: epoch(), after: 4 };
        let mut deliveries = Deliveries::resumed(8, &[position]);
        // The client still has the offset of before.
        assert_eq!(places(&deliveries, Some("7-3")), Some(at(&[("a", 4)])));
        assert_eq!(send(&mut deliveries, "a", 5), "8-1");
        assert_eq!(deliveries.sent("a", &epoch(), 7), Err(Hole));
        assert_eq!(places(&deliveries, Some("8-1")), None);
    }

    #[test]
    fn what_came_elsewhere_does_not_come_again() {
        let mut deliveries = session(&[("@ada", 0)]);
        send(&mut deliveries, "@ada", 1);
        deliveries.passed("@ada", 3);
        assert_eq!(places(&deliveries, Some("7-1")), Some(at(&[("@ada", 3)])));
        assert_eq!(places(&deliveries, None), Some(at(&[("@ada", 0)])));
    }

    #[test]
    fn a_log_of_another_life_cannot_be_gone_on_from() {
        let mut deliveries = session(&[("a", 0)]);
        send(&mut deliveries, "a", 1);
        assert_eq!(deliveries.sent("a", &Id::new("f").unwrap(), 2), Ok(None));
        assert_eq!(places(&deliveries, Some("7-1")), None);
    }
}
