//! Reading rooms from the store: one read per room at a time, and what it changes of the copy.
//!
//! Whoever asks while a read is under way waits for the next one, because the one under way may have been carried out
//! before the question. All who wait share it: however many join, a room is read twice.

use super::super::log::Log;
use super::super::shared::{KnownHead, RoomState, StoreRequest};
use super::super::{Due, Hub, Limit};
use super::bug::{Bug, made};
use super::copies::Waiting;
use super::flights::Errand;
use rejoin::machine::ClockReading;
use rejoin::messages::Epoch;
use rejoin::{Name, Timestamp};
use std::time::Duration;

/// So many rooms are read at a time that nobody waits for.
const PACE: usize = 64;

/// So many who waited for a read go on before others get their turn.
const SETTLED: usize = 256;

const SETTLE_PAUSE: Duration = Duration::from_millis(10);

/// So many reads in a row may leave something to be read before there is a pause.
const IN_VAIN: u32 = 4;

/// After a read that has failed the next one waits so long, and twice as long after each further one.
const AGAIN: Duration = Duration::from_secs(1);

/// The longest such pause is this many doublings.
const DOUBLINGS: u32 = 3;

impl Hub {
    /// What this node has of a room.
    pub(super) fn held(&self, room: &Name) -> Option<KnownHead> {
        let log = self.store.room(room).filter(|_| !made(Bug::HeldUnsaid))?;
        let head = log.head();
        Some(KnownHead { epoch: log.epoch().clone(), head, id: log.id_at(head).cloned() })
    }

    /// Has the room read, by a read that begins from now on. `user`: whom it counts for.
    pub(super) fn read_room(
        &mut self,
        now: Timestamp,
        room: &Name,
        waiting: Option<Waiting>,
        user: Option<&Name>,
    ) -> Result<(), Limit> {
        let Some(nodes) = &mut self.nodes else { return Ok(()) };
        if let Some(copy) = nodes.copies.get_mut(room).filter(|copy| copy.reading) {
            match waiting {
                Some(waiting) if made(Bug::JoinSharesEarlierRead) => copy.waiting.push(waiting),
                Some(waiting) => copy.next.push(waiting),
                None => copy.again = true,
            }
            return Ok(());
        }
        if let Err(limit) = nodes.flights.place(&self.config, user, room.len()) {
            self.refused.record(limit);
            return Err(limit);
        }
        let copy = nodes.copies.entry(room.clone()).or_default();
        (copy.reading, copy.again) = (true, false);
        copy.waiting = std::mem::take(&mut copy.next);
        copy.waiting.extend(waiting);
        nodes.unread.remove(room);
        let (held, fresh) = (self.held(room), self.new_epoch());
        let errand = Errand::Open { room: room.clone() };
        if let Some(request_id) = self.fly(now, user.cloned(), room.len(), errand) {
            self.ask(StoreRequest::Open {
                request_id,
                room: room.clone(),
                known_head: held,
                new_epoch: fresh,
            });
        }
        Ok(())
    }

    /// Has a room read that nobody waits for, when there is time.
    pub(super) fn reread(&mut self, now: Timestamp, room: &Name) {
        let Some(nodes) = &mut self.nodes else { return };
        let Some(copy) = nodes.copies.get_mut(room) else { return };
        if copy.reading {
            copy.again = true;
            return;
        }
        nodes.unread.insert(room.clone());
        self.read_unread(now);
    }

    /// Reads rooms that nobody waits for, a bounded number at a time.
    fn read_unread(&mut self, now: Timestamp) {
        while let Some(nodes) = &mut self.nodes
            && !nodes.pauses
            && nodes.paced < PACE
            && let Some(room) = nodes.unread.pop_first()
        {
            let Some(copy) = nodes.copies.get_mut(&room) else { continue };
            if copy.reading {
                copy.again = true;
                continue;
            }
            (copy.paced, nodes.paced) = (true, nodes.paced + 1);
            if self.read_room(now, &room, None, None).is_err() {
                self.unpaced(&room);
                self.read_later(now, room);
            }
        }
    }

    fn unpaced(&mut self, room: &Name) {
        let Some(nodes) = &mut self.nodes else { return };
        if let Some(copy) = nodes.copies.get_mut(room)
            && std::mem::take(&mut copy.paced)
        {
            nodes.paced -= 1;
        }
    }

    /// The store cannot be read now: the room is read again after a pause.
    fn read_later(&mut self, now: Timestamp, room: Name) {
        let Some(nodes) = &mut self.nodes else { return };
        nodes.unread.insert(room);
        if std::mem::replace(&mut nodes.pauses, true) {
            return;
        }
        let pause = AGAIN * 2_u32.pow(nodes.failures.min(DOUBLINGS));
        nodes.failures = nodes.failures.saturating_add(1);
        // Nodes that were cut off together do not come back in the same moment.
        let pause = pause + pause.mul_f64(self.rng.f64() / 4.0);
        self.due.insert((now + pause, Due::Unread));
    }

    /// The pause is over.
    pub(in super::super) fn unread_due(&mut self, now: Timestamp) {
        if let Some(nodes) = &mut self.nodes {
            nodes.pauses = false;
        }
        self.read_unread(now);
    }

    /// Notices may have been lost: every room is read again.
    pub(super) fn interrupted(&mut self, now: Timestamp) {
        if made(Bug::InterruptionIgnored) {
            return;
        }
        let Some(nodes) = &mut self.nodes else { return };
        for (room, copy) in &mut nodes.copies {
            copy.says = true;
            if copy.reading {
                copy.again = true;
            } else {
                nodes.unread.insert(room.clone());
            }
        }
        self.read_unread(now);
    }

    /// A room has been read.
    pub(super) fn opened(&mut self, now: ClockReading, room: &Name, state: RoomState) {
        let at = now.monotonic;
        self.unpaced(room);
        let Some(nodes) = &mut self.nodes else { return };
        nodes.failures = 0;
        let Some(copy) = nodes.copies.get_mut(room) else { return };
        copy.reading = false;
        copy.ready.extend(std::mem::take(&mut copy.waiting));
        self.bring_up(at, room, state);
        self.settle_some(now, room);
    }

    /// Lets those go on for whom the room was read: some of them, and the others soon.
    pub(in super::super) fn settle_some(&mut self, now: ClockReading, room: &Name) {
        for _ in 0..SETTLED {
            let Some(waiting) = self.copy_mut(room).and_then(|copy| copy.ready.pop_front()) else { break };
            self.settle(now, waiting, room);
        }
        if self.copy_mut(room).is_some_and(|copy| !copy.ready.is_empty()) {
            self.due.insert((now.monotonic + SETTLE_PAUSE, Due::Settle(room.clone())));
        }
        self.after_read(now.monotonic, room);
    }

    /// A room could not be read.
    pub(super) fn unopened(&mut self, now: ClockReading, room: &Name) {
        let at = now.monotonic;
        self.unpaced(room);
        let Some(nodes) = &mut self.nodes else { return };
        let Some(copy) = nodes.copies.get_mut(room) else { return };
        copy.reading = false;
        let mut waiting = std::mem::take(&mut copy.waiting);
        waiting.append(&mut copy.next);
        let mut patient = Vec::new();
        for waiting in waiting {
            if self.fail(now, waiting, room) {
                patient.push(waiting);
            }
        }
        let has_copy = self.store.room(room).is_some();
        let Some(nodes) = &mut self.nodes else { return };
        let Some(copy) = nodes.copies.get_mut(room) else { return };
        // What was noticed meanwhile cannot be judged before the next read.
        let (_, _) = copy.early.take(&mut nodes.flights);
        for (node, users, is_snapshot) in copy.said.take().0 {
            self.attends(at, room, &node, users, is_snapshot);
        }
        let Some(copy) = self.copy_mut(room) else { return };
        if copy.reading {
            copy.next.append(&mut patient);
            return;
        }
        copy.next.append(&mut patient);
        if !copy.next.is_empty() || has_copy && self.rooms.contains_key(room) {
            self.read_later(at, room.clone());
        } else {
            self.abandon_if_idle(room);
        }
        self.read_unread(at);
    }

    /// Reads the room again, or forgets it, or neither.
    fn after_read(&mut self, now: Timestamp, room: &Name) {
        let Some(nodes) = &mut self.nodes else { return };
        let next = nodes.copies.get_mut(room).map(|copy| std::mem::take(&mut copy.next)).unwrap_or_default();
        let next: Vec<_> = next.into_iter().filter(|waiting| self.still_waiting(waiting, room)).collect();
        let Some(nodes) = &mut self.nodes else { return };
        if let Some(copy) = nodes.copies.get_mut(room) {
            copy.next = next;
        }
        if let Some(copy) = nodes.copies.get_mut(room).filter(|copy| !copy.reading) {
            let says = std::mem::take(&mut copy.says);
            let wanted = !copy.next.is_empty();
            let again = copy.again && self.rooms.contains_key(room);
            copy.vain = if again { copy.vain + 1 } else { 0 };
            // A store that contradicts itself is not asked without end.
            let in_vain = again && copy.vain.is_multiple_of(IN_VAIN);
            if says {
                self.say_who_is_here(room);
            }
            if wanted {
                if self.read_room(now, room, None, None).is_err() {
                    self.read_later(now, room.clone());
                }
            } else if in_vain {
                self.read_later(now, room.clone());
            } else if again {
                self.reread(now, room);
            } else {
                self.abandon_if_idle(room);
            }
        }
        self.read_unread(now);
    }

    /// The store says that the room is like this.
    pub(super) fn compare_heads(&mut self, now: Timestamp, room: &Name, epoch: &Epoch, head: u64) {
        let Some(log) = self.store.room(room) else { return };
        if log.epoch() != epoch || log.head() != head {
            self.reread(now, room);
        }
    }

    /// Brings the copy up to what the store has, and delivers what is new.
    fn bring_up(&mut self, now: Timestamp, room: &Name, state: RoomState) {
        let RoomState { epoch, head, entries, preceding: gone, remote_members: attendees } = state;
        let is_new = match self.store.room(room) {
            None => {
                let maker = self.copy_mut(room).and_then(|copy| copy.maker.clone());
                self.store.open(room.clone(), maker, epoch.clone(), now);
                self.store.replace(room, Log::after(epoch.clone(), gone));
                false
            }
            Some(log) if *log.epoch() != epoch && !made(Bug::EpochIgnored) => {
                self.store.replace(room, Log::after(epoch.clone(), gone));
                true
            }
            // What lies between is kept nowhere any more.
            Some(log) if gone.0 > log.head() => {
                self.store.replace(room, Log::after(log.epoch().clone(), gone));
                false
            }
            Some(_) => false,
        };
        if is_new {
            self.begin_anew(room);
        }
        self.take_entries(now, room, entries);
        if is_new {
            // Readers are told of the new life even if nothing was said in it yet.
            self.feed(room);
        }
        let is_behind = self.store.room(room).is_some_and(|log| log.head() < head);
        let Some(nodes) = &mut self.nodes else { return };
        let Some(copy) = nodes.copies.get_mut(room) else { return };
        let (early, overflowed) = copy.early.take(&mut nodes.flights);
        copy.again |= (overflowed || is_behind) && !made(Bug::EarlyNoticeLost);
        if !made(Bug::EarlyNoticeLost) {
            // What cannot be taken now is not asked for here, but by the next read.
            copy.reading = true;
            for (epoch, entry) in early {
                self.learn(now, room, &epoch, entry);
            }
            let Some(nodes) = &mut self.nodes else { return };
            let Some(copy) = nodes.copies.get_mut(room) else { return };
            copy.reading = false;
            copy.again |= copy.early.keep_only(&epoch, &mut nodes.flights);
        }
        self.attended(now, room, attendees);
        if is_new {
            // With the entries the store may have lost who is here.
            self.say_who_is_here(room);
        }
    }

    /// The log has another life: replays under way go on at its beginning.
    fn begin_anew(&mut self, room: &Name) {
        let Some(first) = self.store.room(room).map(Log::first) else { return };
        let members = self.rooms.get(room).into_iter().flat_map(super::super::Room::members);
        for member in members.filter(|member| member.replaying) {
            if let Some(extended) = self.conns.get_mut(&member.conn).and_then(|state| state.extended.as_mut())
            {
                extended.replays.begin_anew(room, first);
            }
        }
    }

    /// Forgets the copy of a room that nobody on this node is in or wants to be in.
    pub(in super::super) fn abandon_if_idle(&mut self, room: &Name) {
        let Some(nodes) = &mut self.nodes else { return };
        let is_idle = nodes.copies.get(room).is_some_and(super::copies::Copied::is_idle);
        if !is_idle || self.rooms.contains_key(room) {
            return;
        }
        nodes.unread.remove(room);
        if let Some(mut copy) = nodes.copies.remove(room) {
            copy.early.take(&mut nodes.flights);
        }
        self.store.forget(room);
        self.ask(StoreRequest::Close { room: room.clone() });
    }

    pub(super) fn copy_mut(&mut self, room: &Name) -> Option<&mut super::copies::Copied> {
        self.nodes.as_mut()?.copies.get_mut(room)
    }
}
