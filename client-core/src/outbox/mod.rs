//! Sends on their way: bounded in count and bytes, each resolved exactly once (protocol.md §2.3, invariant 7).
//!
//! A send waits in the [`Lane`] of its room. A plain connection takes the oldest of all lanes and needs nothing more
//! than to be flushed. An extended one numbers it, and keeps it until the server has answered.

mod answers;
mod lane;
mod limits;
#[cfg(feature = "frames")]
mod own;
#[cfg(feature = "stored")]
mod stored;
mod transmission;
mod waiting;

pub(crate) use answers::Rejoin;
#[cfg(feature = "native")]
pub(crate) use limits::OVERHEAD;
pub use limits::{OutboundMessage, OutboxLimits, Overflow, Payload};
#[cfg(feature = "stored")]
pub(crate) use stored::RESTORED;
pub(crate) use transmission::{Access, Gate, Transmit};

use crate::bug::{Bug, made};
use crate::change_log::{Notes, note};
use crate::event::{Delivery, DeliveryStatus, SendFailure, SendId};
use crate::id::Id;
use crate::link::ConnId;
#[cfg(feature = "journal")]
use crate::persisted::SavedSend;
use crate::time::{Nanos, Timestamp};
use alloc::vec::Vec;
use lane::{Lane, Unanswered, Waiting};
use waiting::Withdrawn;

/// How long a given-up send waits for the replay that may still show it.
const LAST_CHANCE: Nanos = Nanos::from_secs(300);
/// How long a send that was made before the mode was known waits for its answer.
const FIRST_CONTACT: Nanos = Nanos::from_secs(30);

/// Frames in the hands of the connection, whose flush is not reported yet.
#[derive(Debug)]
struct InHand<P, N> {
    frame: u64,
    weight: usize,
    /// A send that the flush may settle; none for one that waits for an answer.
    plain: Option<Plain<P, N>>,
}

/// A send made without a number: at most once.
#[derive(Debug)]
struct Plain<P, N> {
    id: SendId,
    room: N,
    serial: u64,
    weight: usize,
    /// Bytes of its text.
    #[cfg(feature = "native")]
    content: usize,
    /// The connection that it was given to, which may have been moved away from since.
    conn: ConnId,
    frame: u64,
    /// Its answer is not waited for beyond this.
    until: Timestamp,
    /// When its time is over, if the application has set one.
    expires: Timestamp,
    /// The send itself, where a server that turns out to be an extended one may refuse it.
    kept: Option<Waiting<P, N>>,
}

#[derive(Debug)]
pub(crate) struct Outbox<P, N> {
    limits: OutboxLimits,
    #[cfg(feature = "frames")]
    pub(crate) own: own::OwnLane<N>,
    /// By room.
    lanes: Vec<Lane<P, N>>,
    in_hand: Vec<InHand<P, N>>,
    /// Flushed before the mode was known.
    unconfirmed: Vec<Plain<P, N>>,
    len: usize,
    waiting: usize,
    bytes: usize,
    unflushed: usize,
    serials: u64,
    /// No waiting send expires before this.
    next_expiry: Timestamp,
    /// Grows with everything that a stored state would show.
    changes: u64,
    answers: u64,
    /// What has changed, for a store that keeps changes.
    #[cfg_attr(not(feature = "journal"), expect(dead_code, reason = "nothing is noted"))]
    pub(crate) notes: Notes<P, N>,
}

impl<P: Payload, N: Clone + Ord> Outbox<P, N> {
    pub(crate) fn new(limits: OutboxLimits) -> Self {
        Self {
            limits,
            #[cfg(feature = "frames")]
            own: own::OwnLane(None),
            lanes: Vec::new(),
            in_hand: Vec::new(),
            unconfirmed: Vec::new(),
            len: 0,
            waiting: 0,
            bytes: 0,
            unflushed: 0,
            serials: 0,
            next_expiry: Timestamp::NEVER,
            changes: 0,
            answers: 0,
            notes: Notes::default(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    fn lane(&mut self, room: &N) -> Option<&mut Lane<P, N>> {
        let at = self.lanes.binary_search_by(|lane| lane.room.cmp(room)).ok()?;
        self.lanes.get_mut(at)
    }

    fn lane_for(&mut self, room: &N) -> Option<&mut Lane<P, N>> {
        let at = match self.lanes.binary_search_by(|lane| lane.room.cmp(room)) {
            Ok(at) => at,
            Err(at) => {
                if self.lanes.is_empty() {
                    // Most clients send to one room, and the vector's own first step is four.
                    self.lanes.reserve_exact(1);
                }
                self.lanes.insert(at, Lane::new(room.clone()));
                at
            }
        };
        self.lanes.get_mut(at)
    }

    /// A send is no longer the outbox's.
    fn settle(
        &mut self,
        id: SendId,
        room: N,
        weight: usize,
        status: DeliveryStatus,
        out: &mut Vec<Delivery<P, N>>,
    ) {
        self.len -= 1;
        self.bytes -= weight;
        self.changes += 1;
        out.push(Delivery::new(id, room, status));
    }

    /// A transmitted send is no longer the outbox's; its outcome may have been told before.
    fn settle_unanswered(
        &mut self,
        sent: Unanswered<P, N>,
        status: DeliveryStatus,
        out: &mut Vec<Delivery<P, N>>,
    ) {
        if !sent.resolved {
            self.settle_send(sent.send, status, out);
        }
    }

    fn settle_send(
        &mut self,
        send: OutboundMessage<P, N>,
        status: DeliveryStatus,
        out: &mut Vec<Delivery<P, N>>,
    ) {
        let weight = send.weight();
        self.settle(send.id, send.room, weight, status, out);
    }

    /// Takes a send, or resolves it (and others) at once. Outcomes go to `out`, and are noted.
    pub(crate) fn push(
        &mut self,
        now: Timestamp,
        send: OutboundMessage<P, N>,
        out: &mut Vec<Delivery<P, N>>,
    ) {
        let weight = send.weight();
        while !self.fits(weight) {
            let oldest = if !self.may_evict(weight) {
                None
            } else if made(Bug::NewestGivesWay) {
                let newest = self.lanes.iter_mut().find_map(|lane| lane.waiting.pop_back());
                self.waiting -= usize::from(newest.is_some());
                newest
            } else {
                self.pop_oldest()
            };
            let Some(oldest) = oldest else {
                out.push(failed(send.id, send.room, SendFailure::QueueFull));
                return;
            };
            let status = DeliveryStatus::Failed(SendFailure::QueueFull);
            // It is gone before its place is taken: a stored state is never over its bounds.
            note!(self.notes, Resolved { key: oldest.send.id, status: status.clone() });
            self.settle_send(oldest.send, status, out);
        }
        self.accept(now, send);
    }

    fn accept(&mut self, now: Timestamp, send: OutboundMessage<P, N>) {
        let (wait, late) = self.limits.ttl(send.timeout);
        let until = now + wait;
        self.next_expiry =
            if made(Bug::TimeoutForgotten) { self.next_expiry } else { self.next_expiry.min(until) };
        self.serials += 1;
        self.bytes += send.weight();
        self.len += 1;
        self.waiting += 1;
        self.changes += 1;
        if !made(Bug::NotedTooLate) {
            note!(self.notes, Added { key: send.id, send: SavedSend::waiting(&send) });
        }
        let serial = self.serials;
        if let Some(lane) = self.lane_for(&send.room.clone()) {
            lane.waiting.push_back(Waiting { send, serial, until, late, attempts: 0 });
        }
    }

    fn fits(&self, weight: usize) -> bool {
        self.len < self.limits.count + usize::from(made(Bug::QueueOneMore))
            && (made(Bug::QueueBytesUnbounded) || self.bytes.saturating_add(weight) <= self.limits.bytes)
    }

    /// Whether there is room once enough that waits has gone: one that never fits evicts nobody.
    fn may_evict(&self, weight: usize) -> bool {
        let waiting = self.lanes.iter().flat_map(|lane| &lane.waiting).map(|waiting| waiting.send.weight());
        self.limits.overflow == Overflow::DropOldest
            && !made(Bug::OverflowRejects)
            && self.limits.count > self.len - self.waiting
            && self.limits.bytes.saturating_sub(self.bytes - waiting.sum::<usize>()) >= weight
            || made(Bug::OverflowEmpties) && self.limits.overflow == Overflow::DropOldest
    }

    fn pop_oldest(&mut self) -> Option<Waiting<P, N>> {
        let lanes = self.lanes.iter_mut().filter(|lane| lane.head().is_some());
        #[cfg(feature = "frames")]
        let lane =
            lanes.min_by_key(|lane| (made(Bug::OwnOvertakes) && !self.own.is(&lane.room), lane.head()))?;
        #[cfg(not(feature = "frames"))]
        let lane = lanes.min_by_key(|lane| lane.head())?;
        let oldest = lane.waiting.pop_front()?;
        self.waiting -= 1;
        Some(oldest)
    }

    /// The operating system took every frame up to `through`. What was sent at most once is settled by it, if the
    /// connection is known to be `plain`; otherwise it waits for the mode, or for its answer.
    pub(crate) fn flushed(&mut self, through: u64, plain: bool, mut out: impl FnMut(Delivery<P, N>)) {
        let taken = self
            .in_hand
            .partition_point(|hand| hand.frame <= through + u64::from(made(Bug::WrittenTooEarly)));
        for hand in self.in_hand.drain(..taken) {
            self.unflushed -= hand.weight;
            #[cfg(feature = "frames")]
            let plain = plain || hand.plain.as_ref().is_some_and(|sent| self.own.is(&sent.room));
            match hand.plain {
                Some(sent) if plain => {
                    self.len -= 1;
                    self.bytes -= sent.weight;
                    note!(self.notes, Resolved { key: sent.id, status: DeliveryStatus::Written });
                    out(Delivery::new(sent.id, sent.room, DeliveryStatus::Written));
                }
                Some(sent) => self.unconfirmed.push(sent),
                None => {}
            }
        }
    }

    /// The connection turned out to be plain: what is flushed is as settled as it can be.
    pub(crate) fn is_plain(&mut self, out: &mut Vec<Delivery<P, N>>) {
        let sent = core::mem::take(&mut self.unconfirmed);
        self.settle_plain(sent, &DeliveryStatus::Written, out);
    }

    /// The server at the other end of `conn` takes no content that is longer. What was sent to it before it said so, and is,
    /// has been refused already or will be.
    #[cfg(feature = "native")]
    pub(crate) fn learnt_limit(&mut self, conn: ConnId, content: usize, out: &mut Vec<Delivery<P, N>>) {
        let is_over = |sent: &mut Plain<P, N>| sent.conn == conn && sent.content > content;
        let mut over: Vec<_> = self.unconfirmed.extract_if(.., is_over).collect();
        over.extend(self.in_hand.iter_mut().filter_map(|hand| hand.plain.take_if(is_over)));
        self.settle_plain(over, &DeliveryStatus::Failed(SendFailure::TooLarge), out);
    }

    /// What was sent at most once is no longer the outbox's.
    fn settle_plain(
        &mut self,
        sent: Vec<Plain<P, N>>,
        status: &DeliveryStatus,
        out: &mut Vec<Delivery<P, N>>,
    ) {
        for sent in sent {
            self.settle(sent.id, sent.room, sent.weight, status.clone(), out);
        }
    }

    /// What is not flushed counts as flushed from now on: its connection is not the one in use.
    pub(super) fn let_go(&mut self) {
        for hand in core::mem::take(&mut self.in_hand) {
            if let Some(sent) = hand.plain {
                self.unconfirmed.push(sent);
            }
        }
        self.unflushed = 0;
    }

    /// The connection is gone: what was sent at most once may or may not have arrived, what is numbered is sent again.
    pub(crate) fn connection_lost(&mut self, out: &mut Vec<Delivery<P, N>>) {
        self.let_go();
        let sent = core::mem::take(&mut self.unconfirmed);
        let lost = if made(Bug::LostSaidWritten) { DeliveryStatus::Written } else { DeliveryStatus::Unknown };
        self.settle_plain(sent, &lost, out);
        for lane in &mut self.lanes {
            lane.connection_lost();
            lane.resume_at = None;
            lane.held = false;
            if made(Bug::NewLineEachConnection)
                && let Some((pid, next)) = &mut lane.line
            {
                *pid = Id::from_bits(u64::MAX / (self.changes + 1), 7);
                *next = 1;
                for sent in &mut lane.unanswered {
                    sent.pseq = *next;
                    *next += 1;
                }
            }
        }
    }

    /// The connection is replaced by another while answers may still come on it.
    pub(crate) fn moved(&mut self) {
        self.let_go();
        for lane in &mut self.lanes {
            lane.connection_lost();
            lane.held = true;
        }
    }

    /// Whether answers are waited for on the connection that was moved away from.
    pub(crate) fn is_held(&self) -> bool {
        self.lanes.iter().any(Lane::is_held)
    }

    /// No answers come on that connection any more: what has none is transmitted again.
    pub(crate) fn release(&mut self) {
        for lane in &mut self.lanes {
            lane.held = false;
        }
    }

    /// Nothing more will be sent: everything resolves.
    pub(crate) fn close(&mut self, out: &mut Vec<Delivery<P, N>>) {
        self.end(SendFailure::Closed, out);
    }

    /// The state belongs to somebody else.
    pub(crate) fn user_changed(&mut self, out: &mut Vec<Delivery<P, N>>) {
        self.end(SendFailure::UserChanged, out);
    }

    /// What an earlier run left belongs to somebody else. Before the first answer of a server: nothing else has been
    /// numbered.
    #[cfg(feature = "stored")]
    pub(crate) fn restored_end(&mut self, out: &mut Vec<Delivery<P, N>>) {
        self.give_up(out);
        self.next_expiry = self.withdraw(Withdrawn::Restored, out);
    }

    fn end(&mut self, why: SendFailure, out: &mut Vec<Delivery<P, N>>) {
        self.give_up(out);
        self.connection_lost(out);
        self.withdraw(Withdrawn::All(why), out);
        self.lanes.clear();
        self.next_expiry = Timestamp::NEVER;
    }

    /// What was transmitted with a number cannot be recovered any more: it resolves as unknown.
    pub(crate) fn give_up(&mut self, out: &mut Vec<Delivery<P, N>>) {
        for at in 0..self.lanes.len() {
            self.retire(at, Timestamp::ZERO, out);
            self.doomed_end(at, Timestamp::NEVER, out);
        }
    }

    /// Takes a send back if it is still waiting.
    pub(crate) fn cancel(&mut self, id: SendId, out: &mut Vec<Delivery<P, N>>) {
        self.withdraw(Withdrawn::One(id), out);
    }

    /// The number of the last send taken: later ones have a higher one.
    pub(crate) fn last_serial(&self) -> u64 {
        self.serials
    }

    /// Whether sends to `room` up to `serial` are unresolved.
    pub(crate) fn is_pending(&self, room: &N, serial: u64) -> bool {
        let lane =
            self.lanes.binary_search_by(|lane| lane.room.cmp(room)).ok().and_then(|at| self.lanes.get(at));
        let here = |sent: &Plain<P, N>| sent.serial <= serial && sent.room == *room;
        lane.is_some_and(|lane| lane.is_pending(serial) && !made(Bug::LeavesTooEarly))
            || self.in_hand.iter().filter_map(|hand| hand.plain.as_ref()).any(here)
            || self.unconfirmed.iter().any(here)
    }

    /// Whether sends to any room up to `serial` are unresolved.
    #[cfg(feature = "native")]
    pub(crate) fn has_pending(&self, serial: u64) -> bool {
        let here = |sent: &Plain<P, N>| sent.serial <= serial;
        self.lanes.iter().any(|lane| lane.is_pending(serial))
            || self.in_hand.iter().filter_map(|hand| hand.plain.as_ref()).any(here)
            || self.unconfirmed.iter().any(here)
    }

    /// The room is joined, in this epoch, or never will be: what waited for that may go, or fail. A line that is used up by
    /// another epoch ends.
    pub(crate) fn join_decided(&mut self, room: &N, new_epoch: bool) {
        if let Some(lane) = self.lane(room) {
            lane.needs_join = false;
            if new_epoch && lane.unanswered.is_empty() {
                lane.line = None;
            }
        }
    }

    /// The room has been left: its line is not needed any more, once nothing is on its way.
    pub(crate) fn left(&mut self, room: &N) {
        if let Some(lane) = self.lane(room).filter(|_| !made(Bug::LeftStillWaits)) {
            // No join is waited for any more: what was sent since fails.
            lane.needs_join = false;
        }
        self.lanes.retain(|lane| lane.room != *room || !lane.is_empty());
    }
}

fn failed<P, N>(id: SendId, room: N, why: SendFailure) -> Delivery<P, N> {
    Delivery::new(id, room, DeliveryStatus::Failed(why))
}
