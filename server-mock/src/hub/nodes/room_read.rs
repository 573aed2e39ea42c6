//! Reading rooms from the store: one read per room at a time, and what it changes of the copy.
//!
//! Whoever asks while a read is under way waits for the next one, because the one under way may have been carried out
//! before the question. All who wait share it: however many join, a room is read twice.

use super::super::log::Log;
use super::super::shared::{KnownHead, RoomState, StoreRequest};
use super::super::{Hub, Limit, Timer};
use super::mutation::mutation;
use super::replica::ParkedRef;
use super::requests::RequestKind;
use rejoin::machine::ClockReading;
use rejoin::messages::Epoch;
use rejoin::{Name, Timestamp};
use std::time::Duration;

/// So many rooms are read at a time that nobody waits for.
const MAX_BACKGROUND_READS: usize = 64;

/// So many who waited for a read go on before others get their turn.
const RESUME_BATCH: usize = 256;

const RESUME_PAUSE: Duration = Duration::from_millis(10);

/// So many reads in a row may leave something to be read before there is a pause.
const MAX_FUTILE_READS: u32 = 4;

/// After a read that has failed the next one waits so long, and twice as long after each further one.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// The longest such pause is this many doublings.
const MAX_DOUBLINGS: u32 = 3;

impl Hub {
    /// What this node has of a room.
    pub(super) fn known_head(&self, room: &Name) -> Option<KnownHead> {
        let log = self.store.room(room).filter(|_| !mutation!(HeldUnsaid))?;
        let head = log.head();
        Some(KnownHead { epoch: log.epoch().clone(), head, id: log.id_at(head).cloned() })
    }

    /// Has the room read, by a read that begins from now on. `user`: whom it counts for.
    pub(super) fn read_room(
        &mut self,
        now: Timestamp,
        room: &Name,
        waiting: Option<ParkedRef>,
        user: Option<&Name>,
    ) -> Result<(), Limit> {
        let Some(nodes) = &mut self.nodes else { return Ok(()) };
        if let Some(copy) = nodes.replicas.get_mut(room).filter(|copy| copy.reading) {
            match waiting {
                Some(waiting) if mutation!(JoinSharesEarlierRead) => copy.waiting.push(waiting),
                Some(waiting) => copy.next.push(waiting),
                None => copy.read_again = true,
            }
            return Ok(());
        }
        if let Err(limit) = nodes.requests.check_quota(&self.config, user, room.len()) {
            self.refusal_counts.record(limit);
            return Err(limit);
        }
        let copy = nodes.replicas.entry(room.clone()).or_default();
        (copy.reading, copy.read_again) = (true, false);
        copy.waiting = std::mem::take(&mut copy.next);
        copy.waiting.extend(waiting);
        copy.early.read_begins();
        copy.makes_sure = true;
        nodes.read_queue.remove(room);
        let (held, fresh) = (self.known_head(room), self.new_epoch());
        let kind = RequestKind::Open { room: room.clone() };
        if let Some(request_id) = self.begin_request(now, user.cloned(), room.len(), kind) {
            self.request_store(StoreRequest::Open {
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
        let Some(copy) = nodes.replicas.get_mut(room) else { return };
        if copy.reading {
            copy.read_again = true;
            return;
        }
        nodes.read_queue.insert(room.clone());
        self.read_queued(now);
    }

    /// Reads rooms that nobody waits for, a bounded number at a time.
    fn read_queued(&mut self, now: Timestamp) {
        while let Some(nodes) = &mut self.nodes
            && !nodes.reads_paused
            && nodes.background < MAX_BACKGROUND_READS
            && let Some(room) = nodes.read_queue.pop_first()
        {
            let Some(copy) = nodes.replicas.get_mut(&room) else { continue };
            if copy.reading {
                copy.read_again = true;
                continue;
            }
            (copy.background, nodes.background) = (true, nodes.background + 1);
            if self.read_room(now, &room, None, None).is_err() {
                self.end_background_read(&room);
                self.retry_read(now, room);
            }
        }
    }

    fn end_background_read(&mut self, room: &Name) {
        let Some(nodes) = &mut self.nodes else { return };
        if let Some(copy) = nodes.replicas.get_mut(room)
            && std::mem::take(&mut copy.background)
        {
            nodes.background -= 1;
        }
    }

    /// The store cannot be read now: the room is read again after a pause.
    fn retry_read(&mut self, now: Timestamp, room: Name) {
        let Some(nodes) = &mut self.nodes else { return };
        nodes.read_queue.insert(room);
        if std::mem::replace(&mut nodes.reads_paused, true) {
            return;
        }
        let pause = RETRY_DELAY * 2_u32.pow(nodes.failures.min(MAX_DOUBLINGS));
        nodes.failures = nodes.failures.saturating_add(1);
        // Nodes that were cut off together do not come back in the same moment.
        let pause = pause + pause.mul_f64(self.rng.f64() / 4.0);
        self.due.insert((now + pause, Timer::ReadRooms));
    }

    /// The pause is over.
    pub(in super::super) fn resume_reads(&mut self, now: Timestamp) {
        if let Some(nodes) = &mut self.nodes {
            nodes.reads_paused = false;
        }
        self.read_queued(now);
    }

    /// Notices may have been lost: every room is read again.
    pub(super) fn interrupted(&mut self, now: Timestamp) {
        if mutation!(InterruptionIgnored) {
            return;
        }
        let Some(nodes) = &mut self.nodes else { return };
        for (room, copy) in &mut nodes.replicas {
            copy.publish_presence = true;
            (copy.unsure, copy.makes_sure) = (!mutation!(UnsureBelieves), false);
            if copy.reading {
                copy.read_again = true;
            } else {
                nodes.read_queue.insert(room.clone());
            }
        }
        self.read_queued(now);
    }

    /// A room has been read.
    pub(super) fn read_done(&mut self, now: ClockReading, room: &Name, state: RoomState) {
        let at = now.monotonic;
        self.end_background_read(room);
        let Some(nodes) = &mut self.nodes else { return };
        nodes.failures = 0;
        let Some(copy) = nodes.replicas.get_mut(room) else { return };
        copy.reading = false;
        copy.unsure &= !copy.makes_sure;
        copy.ready.extend(std::mem::take(&mut copy.waiting));
        self.update_replica(at, room, state);
        self.resume_batch(now, room);
    }

    /// Lets those go on for whom the room was read: some of them, and the others soon.
    pub(in super::super) fn resume_batch(&mut self, now: ClockReading, room: &Name) {
        for _ in 0..RESUME_BATCH {
            let Some(waiting) = self.copy_mut(room).and_then(|copy| copy.ready.pop_front()) else { break };
            self.resume(now, waiting, room);
        }
        if self.copy_mut(room).is_some_and(|copy| !copy.ready.is_empty()) {
            self.due.insert((now.monotonic + RESUME_PAUSE, Timer::ResumeParked(room.clone())));
        }
        self.after_read(now.monotonic, room);
    }

    /// A room could not be read.
    pub(super) fn read_failed(&mut self, now: ClockReading, room: &Name) {
        let at = now.monotonic;
        self.end_background_read(room);
        let Some(nodes) = &mut self.nodes else { return };
        let Some(copy) = nodes.replicas.get_mut(room) else { return };
        copy.reading = false;
        let mut waiting = std::mem::take(&mut copy.waiting);
        waiting.append(&mut copy.next);
        let mut patient = Vec::new();
        for waiting in waiting {
            if self.fail_parked(now, waiting, room) {
                patient.push(waiting);
            }
        }
        let has_copy = self.store.room(room).is_some();
        let Some(nodes) = &mut self.nodes else { return };
        let Some(copy) = nodes.replicas.get_mut(room) else { return };
        // What was noticed meanwhile cannot be judged before the next read.
        let (_, _) = copy.early.take(&mut nodes.requests);
        for (node, users, is_snapshot) in copy.pending_presence.take().0 {
            self.handle_remote_presence(at, room, &node, users, is_snapshot);
        }
        let Some(copy) = self.copy_mut(room) else { return };
        if copy.reading {
            copy.next.append(&mut patient);
            return;
        }
        copy.next.append(&mut patient);
        if !copy.next.is_empty() || has_copy && self.rooms.contains_key(room) {
            self.retry_read(at, room.clone());
        } else {
            self.drop_if_idle(room);
        }
        self.read_queued(at);
    }

    /// Reads the room again, or forgets it, or neither.
    fn after_read(&mut self, now: Timestamp, room: &Name) {
        let Some(nodes) = &mut self.nodes else { return };
        let next =
            nodes.replicas.get_mut(room).map(|copy| std::mem::take(&mut copy.next)).unwrap_or_default();
        let next: Vec<_> = next.into_iter().filter(|waiting| self.is_waiting(waiting, room)).collect();
        let Some(nodes) = &mut self.nodes else { return };
        if let Some(copy) = nodes.replicas.get_mut(room) {
            copy.next = next;
        }
        if let Some(copy) = nodes.replicas.get_mut(room).filter(|copy| !copy.reading) {
            let says = std::mem::take(&mut copy.publish_presence);
            let wanted = !copy.next.is_empty();
            let again = copy.read_again && self.rooms.contains_key(room);
            copy.futile_reads = if again { copy.futile_reads + 1 } else { 0 };
            // A store that contradicts itself is not asked without end.
            let in_vain = again && copy.futile_reads.is_multiple_of(MAX_FUTILE_READS);
            if says {
                self.publish_local_presence(room);
            }
            if wanted {
                if self.read_room(now, room, None, None).is_err() {
                    self.retry_read(now, room.clone());
                }
            } else if in_vain {
                self.retry_read(now, room.clone());
            } else if again {
                self.reread(now, room);
            } else {
                self.drop_if_idle(room);
            }
        }
        self.read_queued(now);
    }

    /// The store says that the room is like this.
    pub(super) fn compare_heads(&mut self, now: Timestamp, room: &Name, epoch: &Epoch, head: u64) {
        let Some(log) = self.store.room(room) else { return };
        if log.epoch() != epoch || log.head() != head {
            self.reread(now, room);
        }
    }

    /// Brings the copy up to what the store has, and delivers what is new.
    fn update_replica(&mut self, now: Timestamp, room: &Name, state: RoomState) {
        let RoomState { epoch, head, entries, preceding: gone, remote_members: attendees } = state;
        let is_new = match self.store.room(room) {
            None => {
                let creator = self.copy_mut(room).and_then(|copy| copy.creator.clone());
                self.store.open(room.clone(), creator, epoch.clone(), now);
                self.store.replace(room, Log::after(epoch.clone(), gone));
                false
            }
            Some(log) if *log.epoch() != epoch && !mutation!(EpochIgnored) => {
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
            self.restart(room);
        }
        self.apply_entries(now, room, entries);
        if is_new {
            // Readers are told of the new life even if nothing was said in it yet.
            self.feed_readers(room);
        }
        let is_behind = self.store.room(room).is_some_and(|log| log.head() < head);
        let Some(nodes) = &mut self.nodes else { return };
        let Some(copy) = nodes.replicas.get_mut(room) else { return };
        if !mutation!(LostNoticeKept) {
            copy.early.forget_lost(&epoch, head, &mut nodes.requests);
        }
        let (early, overflowed) = copy.early.take(&mut nodes.requests);
        copy.read_again |= (overflowed || is_behind) && !mutation!(EarlyNoticeLost);
        if !mutation!(EarlyNoticeLost) {
            // What cannot be taken now is not asked for here, but by the next read.
            copy.reading = true;
            for (epoch, entry) in early {
                self.apply_entry(now, room, &epoch, entry);
            }
            let Some(nodes) = &mut self.nodes else { return };
            let Some(copy) = nodes.replicas.get_mut(room) else { return };
            copy.reading = false;
            copy.read_again |= copy.early.keep_only(&epoch, &mut nodes.requests);
        }
        self.merge_remote_presence(now, room, attendees);
        if is_new {
            // With the entries the store may have lost who is here.
            self.publish_local_presence(room);
        }
    }

    /// The log has another life: replays under way go on at its beginning.
    pub(in super::super) fn restart(&mut self, room: &Name) {
        let Some(first) = self.store.room(room).map(Log::first) else { return };
        let members = self.rooms.get(room).into_iter().flat_map(super::super::Room::members);
        for member in members.filter(|member| member.replaying) {
            if let Some(extended) = self.conns.get_mut(&member.conn).and_then(|state| state.extended.as_mut())
            {
                extended.replays.restart(room, first);
            }
        }
    }

    /// Forgets the copy of a room that nobody on this node is in or wants to be in.
    pub(in super::super) fn drop_if_idle(&mut self, room: &Name) {
        let Some(nodes) = &mut self.nodes else { return };
        let is_idle = nodes.replicas.get(room).is_some_and(super::replica::Replica::is_idle);
        if !is_idle || self.rooms.contains_key(room) {
            return;
        }
        nodes.read_queue.remove(room);
        if let Some(mut copy) = nodes.replicas.remove(room) {
            copy.early.take(&mut nodes.requests);
        }
        self.store.forget(room);
        self.request_store(StoreRequest::Close { room: room.clone() });
    }

    pub(super) fn copy_mut(&mut self, room: &Name) -> Option<&mut super::replica::Replica> {
        self.nodes.as_mut()?.replicas.get_mut(room)
    }
}
