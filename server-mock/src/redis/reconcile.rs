//! Compares the heads of open rooms with the store every 10 s, so that a lost notice is detected. Owns which rooms are
//! compared when.

use super::StoreListener;
use super::positions::{Position, Positions};
use super::replies;
use crate::hub::shared::StoreNotice;
use redis::Value;
use rejoin::Name;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// From one round to the next.
const EVERY: Duration = Duration::from_secs(10);

/// Rooms in one pipeline.
const BATCH: usize = 200;

/// A notice that is under way is not lost yet.
const UNDER_WAY: Duration = Duration::from_secs(1);

pub(super) struct Reconcile {
    peer: Arc<dyn StoreListener>,
    positions: Arc<Positions>,
    /// When the next round begins.
    due: Instant,
    /// The last room that was asked for in this round.
    after: Option<Name>,
    asking: bool,
    /// Rooms that differed, which are asked for again.
    suspects: BTreeMap<Name, Suspect>,
}

/// What was told and what was found, when they differed.
#[derive(Debug)]
struct Suspect {
    told: Position,
    found: Position,
    again: Instant,
}

impl Reconcile {
    pub(super) fn new(peer: Arc<dyn StoreListener>, positions: Arc<Positions>) -> Self {
        let due = Instant::now() + EVERY;
        Self { peer, positions, due, after: None, asking: false, suspects: BTreeMap::new() }
    }

    /// The rooms to ask for now; none while an answer is missing.
    pub(super) fn next(&mut self, now: Instant) -> Vec<Name> {
        if self.asking {
            return Vec::new();
        }
        let again = self.suspects.iter().filter(|(_, suspect)| suspect.again <= now);
        let mut rooms: Vec<Name> = again.map(|(room, _)| room.clone()).take(BATCH).collect();
        if rooms.is_empty() && now >= self.due {
            rooms = self.positions.after(self.after.as_ref(), BATCH);
            self.after = rooms.last().filter(|_| rooms.len() == BATCH).cloned();
            if self.after.is_none() {
                self.due = now + EVERY;
            }
        }
        self.asking = !rooms.is_empty();
        rooms
    }

    /// What the store has of them; `None` if it has not said so.
    pub(super) fn found(&mut self, rooms: &[Name], heads: Option<&[Value]>, now: Instant) {
        self.asking = false;
        for (room, head) in rooms.iter().zip(heads.unwrap_or_default()) {
            let suspect = self.suspects.remove(room);
            let Some(told) = self.positions.get(room) else { continue };
            let Some(found) = read(head, &told) else { continue };
            match suspect {
                None if told == found => {}
                None => {
                    let suspect = Suspect { told, found, again: now + UNDER_WAY };
                    self.suspects.insert(room.clone(), suspect);
                }
                Some(suspect) if suspect.shows_a_loss(&told, &found) => {
                    let Position { epoch, head } = found;
                    self.peer.on_notices(vec![StoreNotice::Head { room: room.clone(), epoch, head }]);
                }
                Some(_) => {}
            }
        }
    }

    pub(super) fn closed(&mut self, room: &Name) {
        self.suspects.remove(room);
    }
}

impl Suspect {
    /// Whether the hub lacks what the store had a while ago, or the store what the hub was told by then.
    fn shows_a_loss(&self, told: &Position, found: &Position) -> bool {
        told.epoch != found.epoch
            || (self.found.epoch == told.epoch && told.head < self.found.head)
            || (self.told.epoch == found.epoch && found.head < self.told.head)
    }
}

/// A head as the store has it.
fn read(value: &Value, told: &Position) -> Option<Position> {
    let Value::Array(parts) = value else { return None };
    match parts.as_slice() {
        // A room that is gone has lost everything.
        [Value::Nil, Value::Nil, _] => Some(Position { head: 0, ..told.clone() }),
        [epoch, head, safe] => {
            let head = replies::number(safe).or_else(|| replies::number(head))?;
            Some(Position { epoch: replies::id(epoch)?, head })
        }
        _ => None,
    }
}

/// Whether there are entries that nobody is shown, as too few replicas have confirmed them.
pub(super) fn has_tail(value: &Value) -> bool {
    let Value::Array(parts) = value else { return false };
    let [_, head, safe] = parts.as_slice() else { return false };
    replies::number(safe).zip(replies::number(head)).is_some_and(|(safe, head)| safe < head)
}
