//! The record of a session for a store that several servers share, and where its client is by the record and its offset.

use super::{Deliveries, Room};
use crate::hub::RoomPosition;
use crate::shared_sessions::{RecordedRoom, SessionRecord};
use crate::socketio::offset::{self, Offset};
use std::collections::{BTreeMap, BTreeSet};

/// Rooms that may stand in each offset before the store is told how far they are.
const MANY_PLACES: usize = 4;

impl Deliveries {
    pub(in crate::socketio) fn session(&self) -> u64 {
        self.session
    }

    /// Whether the store's record of it leads to other rooms, or to what cannot be gone on from.
    pub(in crate::socketio) fn is_changed(&self) -> bool {
        self.changed
    }

    /// Whether the store would say more of it than it does.
    pub(in crate::socketio) fn is_ahead(&self) -> bool {
        self.unrecorded.len() > MANY_PLACES || self.rooms.values().any(|room| room.passed > room.after)
    }

    /// What the store is to know now; `None` if it cannot be gone on from.
    pub(in crate::socketio) fn record(
        &mut self,
        sid: &str,
        begun_with: Option<u64>,
    ) -> Option<SessionRecord> {
        self.changed = false;
        if self.broken {
            return None;
        }
        self.version += 1;
        let unsettled: BTreeSet<u32> = self.runs.iter().map(|run| run.slot).collect();
        let recorded = |(name, room): (&rejoin::Name, &Room)| {
            let is_known = room.known_from.is_some_and(|from| from <= self.settled);
            let passed = if unsettled.contains(&room.slot) { 0 } else { room.passed };
            RecordedRoom {
                slot: room.slot,
                room: name.clone(),
                epoch: room.epoch.clone(),
                after: is_known.then(|| room.after.max(passed)),
            }
        };
        Some(SessionRecord {
            session: self.session,
            version: self.version,
            sid: String::from(sid),
            begun_with,
            settled: self.settled,
            last_slot: self.slots,
            elsewhere: self.elsewhere,
            rooms: self.rooms.iter().map(recorded).collect(),
        })
    }

    /// The store has this: offsets need not say it any more.
    pub(in crate::socketio) fn recorded(&mut self, record: &SessionRecord) {
        for room in &record.rooms {
            if let Some(after) = room.after
                && self.unrecorded.get(&room.slot).is_some_and(|seq| *seq <= after)
            {
                self.unrecorded.remove(&room.slot);
            }
        }
    }

    /// Rooms that have been taken out of the store's record are left.
    pub(in crate::socketio) fn agree(&mut self, record: &SessionRecord) {
        let kept: BTreeSet<u32> = record.rooms.iter().map(|room| room.slot).collect();
        self.rooms.retain(|_, room| room.slot > record.last_slot || kept.contains(&room.slot));
    }
}

/// Where the client of a session is that has this as its last offset, by what the store knows; `None` if that is not known.
pub(in crate::socketio) fn positions(
    record: &SessionRecord,
    offset: Option<&str>,
) -> Option<Vec<RoomPosition>> {
    let offset = offset.map(|text| offset::read(text).ok_or(())).transpose().ok()?;
    let places = match offset {
        Some(Offset { session, event, places }) if session == record.session => {
            if event < record.settled {
                return None;
            }
            places?
        }
        // It has received nothing in this one.
        other => {
            let is_the_one_before = other.map(|offset| offset.session) == record.begun_with;
            if record.settled > 0 || !is_the_one_before {
                return None;
            }
            BTreeMap::new()
        }
    };
    // A room in which it is after this record was made.
    if places.keys().any(|slot| *slot > record.last_slot) {
        return None;
    }
    let position = |room: &RecordedRoom| {
        let after = places.get(&room.slot).copied().max(room.after)?;
        Some(RoomPosition { room: room.room.clone(), epoch: room.epoch.clone(), after })
    };
    record.rooms.iter().map(position).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socketio::deliveries::tests::join;
    use rejoin::Id;

    const SESSION: u64 = 123_456_789_012;

    fn session(rooms: &[(&str, u64)]) -> Deliveries {
        let mut deliveries = Deliveries::new(SESSION);
        for (room, head) in rooms {
            join(&mut deliveries, room, *head, 0, false);
        }
        deliveries
    }

    fn send(deliveries: &mut Deliveries, room: &str, seq: u64) -> String {
        deliveries.sent(room, &Id::new("e").unwrap(), seq).unwrap().unwrap()
    }

    fn record(deliveries: &mut Deliveries) -> SessionRecord {
        let record = deliveries.record("sid", Some(7)).unwrap();
        deliveries.recorded(&record);
        record
    }

    /// Where another server takes the client to be.
    fn places(record: &SessionRecord, offset: Option<&str>) -> Option<Vec<(String, u64)>> {
        let places = positions(record, offset)?;
        Some(places.into_iter().map(|place| (place.room.to_string(), place.after)).collect())
    }

    #[expect(clippy::unnecessary_wraps, reason = "it is what `places` gives")]
    fn at(rooms: &[(&str, u64)]) -> Option<Vec<(String, u64)>> {
        Some(rooms.iter().map(|(room, after)| (String::from(*room), *after)).collect())
    }

    #[test]
    fn any_offset_says_with_the_record_of_before_what_the_server_itself_would_have_said() {
        let mut deliveries = session(&[("a", 4), ("b", 0)]);
        let kept = record(&mut deliveries);
        let mut offsets = Vec::new();
        for (room, seq) in [("a", 5), ("b", 1), ("a", 6), ("b", 2), ("a", 7)] {
            offsets.push(send(&mut deliveries, room, seq));
        }
        for (offset, place) in offsets.iter().zip([(5, 0), (5, 1), (6, 1), (6, 2), (7, 2)]) {
            let own = deliveries.positions(Some(offset)).unwrap();
            assert_eq!(positions(&kept, Some(offset)), Some(own), "{offset}");
            assert_eq!(places(&kept, Some(offset)), at(&[("a", place.0), ("b", place.1)]));
        }
        // It has received nothing in this session, and has the offset of the one before.
        assert_eq!(places(&kept, Some("7-3")), at(&[("a", 4), ("b", 0)]));
        for other in [None, Some("8-3"), Some("x"), Some("1234567890129-3")] {
            assert_eq!(places(&kept, other), None, "{other:?}");
        }
    }

    #[test]
    fn what_the_client_has_for_sure_is_recorded_and_stands_in_no_offset_any_more() {
        let mut deliveries = session(&[("a", 4), ("b", 0)]);
        record(&mut deliveries);
        let early = send(&mut deliveries, "a", 5);
        deliveries.pinged();
        let late = send(&mut deliveries, "b", 1);
        deliveries.ponged();
        let kept = record(&mut deliveries);
        assert_eq!(kept.rooms.iter().map(|room| room.after).collect::<Vec<_>>(), [Some(5), Some(0)]);
        // Both were made before that record.
        assert_eq!(places(&kept, Some(&early)), at(&[("a", 5), ("b", 0)]));
        assert_eq!(places(&kept, Some(&late)), at(&[("a", 5), ("b", 1)]));
        let next = send(&mut deliveries, "b", 2);
        assert!(next.len() < late.len(), "{late} {next}");
        assert_eq!(places(&kept, Some(&next)), at(&[("a", 5), ("b", 2)]));
        assert_eq!(places(&kept, Some("7-3")), None, "it has received something in this one");
        assert_eq!(places(&kept, Some("123456789012-0")), None, "it has more than it says");
    }

    #[test]
    fn a_room_that_the_record_does_not_know_is_recovered_by_nobody_and_one_that_was_left_is_no_matter() {
        let mut deliveries = session(&[("a", 0), ("b", 0)]);
        let before = record(&mut deliveries);
        let in_both = send(&mut deliveries, "b", 1);
        join(&mut deliveries, "c", 9, 0, false);
        assert!(deliveries.is_changed());
        let unknown = send(&mut deliveries, "c", 10);
        assert_eq!(places(&before, Some(&unknown)), None);
        deliveries.left("b");
        let kept = record(&mut deliveries);
        assert!(!deliveries.is_changed());
        for (offset, c) in [(&in_both, 9), (&unknown, 10)] {
            assert_eq!(places(&kept, Some(offset)), at(&[("a", 0), ("c", c)]));
        }
    }

    #[test]
    fn a_replay_that_begins_nobody_knows_where_is_gone_on_from_when_an_event_has_told() {
        let mut deliveries = Deliveries::new(SESSION);
        join(&mut deliveries, "a", 900, 200, true);
        let kept = record(&mut deliveries);
        assert_eq!(places(&kept, Some("7-1")), None);
        let told = send(&mut deliveries, "a", 501);
        assert_eq!(places(&kept, Some(&told)), at(&[("a", 501)]));
    }

    #[test]
    fn what_came_elsewhere_is_recorded_when_all_that_was_sent_here_has_come() {
        let mut deliveries = session(&[("@me", 0)]);
        send(&mut deliveries, "@me", 1);
        deliveries.pinged();
        deliveries.passed("@me", 3);
        assert!(deliveries.is_ahead());
        assert_eq!(record(&mut deliveries).rooms[0].after, Some(0));
        deliveries.ponged();
        assert_eq!(record(&mut deliveries).rooms[0].after, Some(3));
    }

    #[test]
    fn a_room_that_somebody_has_taken_out_of_the_record_is_left_and_one_that_is_not_in_it_yet_is_not() {
        let mut deliveries = session(&[("a", 0), ("b", 0)]);
        let mut kept = record(&mut deliveries);
        join(&mut deliveries, "c", 0, 0, false);
        kept.rooms.retain(|room| &*room.room != "a");
        deliveries.agree(&kept);
        assert!(!deliveries.is_in("a") && deliveries.is_in("b") && deliveries.is_in("c"));
    }

    #[test]
    fn what_cannot_be_gone_on_from_has_no_record() {
        let mut deliveries = session(&[("a", 0)]);
        assert_eq!(deliveries.sent("a", &Id::new("f").unwrap(), 1), Ok(None));
        assert!(deliveries.is_changed());
        assert_eq!(deliveries.record("sid", None), None);
    }

    #[test]
    fn rooms_are_recorded_when_many_of_them_speak() {
        let names: Vec<_> = (0..=MANY_PLACES).map(|number| format!("r{number}")).collect();
        let rooms: Vec<_> = names.iter().map(|name| (name.as_str(), 0)).collect();
        let mut deliveries = session(&rooms);
        record(&mut deliveries);
        for name in &names {
            assert!(!deliveries.is_ahead());
            send(&mut deliveries, name, 1);
        }
        assert!(deliveries.is_ahead());
        deliveries.pinged();
        deliveries.ponged();
        record(&mut deliveries);
        assert!(!deliveries.is_ahead());
    }
}
