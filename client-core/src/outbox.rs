//! Sends on their way: bounded in count and bytes, each resolved exactly once (protocol.md §2.3, invariant 7).
//!
//! Two queues: `waiting` has not been given to a connection, `written` has and waits for the operating system
//! to take it. Both are in the order of the sends, so a plain connection keeps it too.

use crate::event::{Delivery, DeliveryStatus, SendFailure, SendId};
use crate::time::Timestamp;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

/// What an application writes: the machine passes it through and only asks for its size.
pub trait Payload {
    /// Its size on the wire, about, in bytes.
    fn weight(&self) -> usize;
}

impl Payload for String {
    fn weight(&self) -> usize {
        self.len()
    }
}

/// What a full outbox does with one more send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overflow {
    /// The new one fails with [`SendFailure::QueueFull`]. The default.
    #[default]
    Reject,
    /// The oldest waiting ones fail with [`SendFailure::QueueFull`] until the new one fits.
    DropOldest,
}

/// The bounds of an outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxLimits {
    /// Most unresolved sends: 4,096 by default.
    pub count: usize,
    /// Most bytes of unresolved sends: 4 MiB by default.
    pub bytes: usize,
    /// What happens beyond.
    pub overflow: Overflow,
    /// How long a send may wait for a connection: 10 min by default.
    pub ttl: Duration,
}

impl Default for OutboxLimits {
    fn default() -> Self {
        Self { count: 4096, bytes: 4 << 20, overflow: Overflow::Reject, ttl: Duration::from_secs(600) }
    }
}

/// A send as the application gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing<P, N> {
    /// The caller's number for it.
    pub id: SendId,
    /// Where it goes.
    pub room: N,
    /// What it says.
    pub content: P,
    /// Extended: any JSON beside the text; natively its text.
    pub data: Option<P>,
    /// The caller's own name for it, stored with it.
    pub reference: Option<Box<str>>,
    /// How long it may wait for a connection, if shorter than the outbox's limit.
    pub timeout: Option<Duration>,
}

impl<P, N> Outgoing<P, N> {
    /// A send with nothing but its text.
    pub fn new(id: SendId, room: N, content: P) -> Self {
        Self { id, room, content, data: None, reference: None, timeout: None }
    }
}

#[derive(Debug)]
struct Waiting<P, N> {
    send: Outgoing<P, N>,
    serial: u64,
    until: Timestamp,
    late: SendFailure,
}

#[derive(Debug)]
struct Written<N> {
    id: SendId,
    room: N,
    serial: u64,
    weight: usize,
    frame: u64,
}

/// What a send costs beside its content.
const OVERHEAD: usize = 64;

#[derive(Debug)]
pub(crate) struct Outbox<P, N> {
    limits: OutboxLimits,
    waiting: VecDeque<Waiting<P, N>>,
    written: VecDeque<Written<N>>,
    bytes: usize,
    written_bytes: usize,
    serials: u64,
    /// No waiting send expires before this.
    next_expiry: Option<Timestamp>,
}

impl<P: Payload, N: Clone + PartialEq> Outbox<P, N> {
    pub(crate) fn new(limits: OutboxLimits) -> Self {
        Self {
            limits,
            waiting: VecDeque::new(),
            written: VecDeque::new(),
            bytes: 0,
            written_bytes: 0,
            serials: 0,
            next_expiry: None,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len() + self.written.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes given to a connection that the operating system has not taken.
    pub(crate) fn written_bytes(&self) -> usize {
        self.written_bytes
    }

    /// Takes a send, or resolves it (and others) at once. Outcomes go to `out`.
    pub(crate) fn push(&mut self, now: Timestamp, send: Outgoing<P, N>, out: &mut Vec<Delivery<N>>) {
        let weight = send.content.weight() + OVERHEAD;
        let fits_alone = self.limits.count > self.written.len()
            && self.limits.bytes.saturating_sub(self.written_bytes) >= weight;
        while !self.fits(weight) {
            let oldest = match self.limits.overflow {
                Overflow::DropOldest if fits_alone => self.waiting.pop_front(),
                _ => None,
            };
            let Some(oldest) = oldest else {
                out.push(failed(send.id, send.room, SendFailure::QueueFull));
                return;
            };
            self.bytes -= oldest.send.content.weight() + OVERHEAD;
            out.push(failed(oldest.send.id, oldest.send.room, SendFailure::QueueFull));
        }
        let (wait, late) = match send.timeout {
            Some(timeout) if timeout < self.limits.ttl => (timeout, SendFailure::Timeout),
            _ => (self.limits.ttl, SendFailure::Expired),
        };
        let until = now + wait;
        self.next_expiry = Some(self.next_expiry.map_or(until, |next| next.min(until)));
        self.serials += 1;
        self.bytes += weight;
        self.waiting.push_back(Waiting { send, serial: self.serials, until, late });
    }

    fn fits(&self, weight: usize) -> bool {
        self.len() < self.limits.count && self.bytes.saturating_add(weight) <= self.limits.bytes
    }

    /// The next send, from now on in the hands of the connection as its frame number `frame`.
    pub(crate) fn transmit(&mut self, frame: u64) -> Option<(N, P)> {
        let Waiting { send, serial, .. } = self.waiting.pop_front()?;
        let weight = send.content.weight() + OVERHEAD;
        self.written_bytes += weight;
        let room = send.room.clone();
        self.written.push_back(Written { id: send.id, room: send.room, serial, weight, frame });
        Some((room, send.content))
    }

    pub(crate) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The operating system took every frame up to `through`.
    pub(crate) fn flushed(&mut self, through: u64, mut out: impl FnMut(Delivery<N>)) {
        while self.written.front().is_some_and(|written| written.frame <= through) {
            if let Some(written) = self.written.pop_front() {
                self.bytes -= written.weight;
                self.written_bytes -= written.weight;
                out(Delivery { id: written.id, room: written.room, status: DeliveryStatus::Written });
            }
        }
    }

    /// The connection is gone: what it had in its hands may or may not have left.
    pub(crate) fn connection_lost(&mut self, out: &mut Vec<Delivery<N>>) {
        for written in self.written.drain(..) {
            self.bytes -= written.weight;
            out.push(Delivery { id: written.id, room: written.room, status: DeliveryStatus::Unknown });
        }
        self.written_bytes = 0;
    }

    /// Nothing more will be sent: everything resolves.
    pub(crate) fn close(&mut self, out: &mut Vec<Delivery<N>>) {
        self.connection_lost(out);
        out.extend(self.waiting.drain(..).map(|w| failed(w.send.id, w.send.room, SendFailure::Closed)));
        self.bytes = 0;
        self.next_expiry = None;
    }

    /// Takes a send back if it is still waiting.
    pub(crate) fn cancel(&mut self, id: SendId) -> Option<Delivery<N>> {
        let at = self.waiting.iter().position(|waiting| waiting.send.id == id)?;
        let Waiting { send, .. } = self.waiting.remove(at)?;
        self.bytes -= send.content.weight() + OVERHEAD;
        Some(failed(send.id, send.room, SendFailure::Cancelled))
    }

    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        self.next_expiry
    }

    /// Resolves the waiting sends whose time is over.
    pub(crate) fn expire(&mut self, now: Timestamp, out: &mut Vec<Delivery<N>>) {
        if self.next_expiry.is_none_or(|at| at > now) {
            return;
        }
        self.next_expiry = None;
        for waiting in core::mem::take(&mut self.waiting) {
            if waiting.until <= now {
                self.bytes -= waiting.send.content.weight() + OVERHEAD;
                out.push(failed(waiting.send.id, waiting.send.room, waiting.late));
            } else {
                let until = waiting.until;
                self.next_expiry = Some(self.next_expiry.map_or(until, |next| next.min(until)));
                self.waiting.push_back(waiting);
            }
        }
    }

    /// The number of the last send taken: later ones have a higher one.
    pub(crate) fn last_serial(&self) -> u64 {
        self.serials
    }

    /// Whether sends to `room` up to `serial` are unresolved.
    pub(crate) fn is_pending(&self, room: &N, serial: u64) -> bool {
        self.waiting.iter().any(|w| w.serial <= serial && w.send.room == *room)
            || self.written.iter().any(|w| w.serial <= serial && w.room == *room)
    }
}

fn failed<N>(id: SendId, room: N, why: SendFailure) -> Delivery<N> {
    Delivery { id, room, status: DeliveryStatus::Failed(why) }
}
