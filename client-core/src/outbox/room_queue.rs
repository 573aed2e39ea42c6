//! The sends to one room: queued, unanswered, unrecoverable. Each list is in the order of the sends.
//!
//! The numbers that make a send repeatable are given at the first transmission; a queue has one producer at a time
//! (protocol.md §2.3).

use crate::backoff::retry_delay;
use crate::event::SendFailure;
use crate::id::Id;
use crate::link::ConnId;
use crate::messages::Epoch;
use crate::messages::{Code, ServerCode};
use crate::mutation::mutation;
use crate::outbound::OutboundMessage;
use crate::time::{Nanos, Timestamp};
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// A send that has not been transmitted.
#[derive(Debug, Clone)]
pub(super) struct QueuedSend<P, N> {
    pub(super) send: OutboundMessage<P, N>,
    pub(super) send_no: u64,
    pub(super) expires_at: Timestamp,
    pub(super) expiry_failure: SendFailure,
    /// How often it has been transmitted under a number that the server did not know.
    pub(super) attempts: u32,
}

/// One transmission of a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Transmission {
    pub(super) conn: ConnId,
    pub(super) frame: u64,
    pub(super) at: Timestamp,
}

/// A send that the server may have, and has not answered.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the transmissions")]
pub(super) struct Unanswered<P, N> {
    pub(super) send: OutboundMessage<P, N>,
    pub(super) send_no: u64,
    pub(super) pseq: u64,
    pub(super) epoch: Epoch,
    /// When that was, on the clock that also counts sleep.
    pub(super) first_sent_at: Timestamp,
    /// How often it has been transmitted.
    pub(super) attempts: u32,
    /// The latest transmission, if its answer may still come; `None`: to be transmitted again.
    pub(super) latest: Option<Transmission>,
    /// The server may have taken an earlier transmission: one that was not answered before the next, of an earlier connection
    /// or run. Without one, what the latest is refused for is certain.
    pub(super) earlier_unresolved: bool,
    /// The latest transmission has been refused for now, by its own name.
    pub(super) refused: bool,
    /// Not every transmission has been refused: the server may have taken one. Unlike `stray` it is no reason to give a
    /// number up.
    pub(super) possibly_accepted: bool,
    /// Its outcome has been reported as unknown, because its time was over. It is not transmitted again, but keeps its number for
    /// as long as it need not be.
    pub(super) resolved: bool,
    /// When its time is over, if the application has set one.
    pub(super) expires_at: Timestamp,
    /// What it fails with then.
    pub(super) expiry_failure: SendFailure,
}

impl<P, N> Unanswered<P, N> {
    /// The server has refused it for now, so that it certainly has not appended it.
    pub(super) fn is_refused(&self) -> bool {
        self.latest.is_none() && !self.possibly_accepted
    }

    /// It is not transmitted again. What becomes of it is waited for until then, or until its own time is over.
    pub(super) fn into_unrecoverable(self, pid: Id, until: Timestamp) -> Unrecoverable<P, N> {
        let own = self.expiry_failure == SendFailure::Timeout && !mutation!(OwnTimeForgotten);
        let until = if own { until.min(self.expires_at) } else { until };
        let Self { send, send_no, pseq, epoch, .. } = self;
        Unrecoverable { send, send_no, pid, pseq, epoch, until }
    }
}

/// A send that is not transmitted again: only the replay of its room can still tell the outcome of it.
#[derive(Debug)]
pub(super) struct Unrecoverable<P, N> {
    pub(super) send: OutboundMessage<P, N>,
    pub(super) send_no: u64,
    pub(super) pid: Id,
    pub(super) pseq: u64,
    #[cfg_attr(not(feature = "stored"), expect(dead_code, reason = "read when it is stored"))]
    pub(super) epoch: Epoch,
    /// Not waited for beyond this.
    pub(super) until: Timestamp,
}

/// Why the server has refused a send for now.
#[derive(Debug, Clone)]
pub(super) struct TransientRefusal<P> {
    pub(super) code: Code,
    pub(super) message: P,
    pub(super) server_code: ServerCode,
}

/// A room without an answer for so long is silent.
const UNANSWERED_TIMEOUT: Nanos = Nanos::from_secs(5);

#[derive(Debug)]
pub(super) struct RoomQueue<P, N> {
    pub(super) room: N,
    /// The producer in use, and the number of its next send.
    pub(super) producer: Option<(Id, u64)>,
    pub(super) queued: VecDeque<QueuedSend<P, N>>,
    pub(super) unanswered: VecDeque<Unanswered<P, N>>,
    /// Some of the unanswered may have to be transmitted again: looked for only then.
    pub(super) needs_retransmit: bool,
    pub(super) unrecoverable: Vec<Unrecoverable<P, N>>,
    /// Sends that are transmitted and neither answered nor refused.
    pub(super) in_flight: usize,
    /// Nothing is transmitted before.
    pub(super) resume_at: Option<Timestamp>,
    /// Answers in a row that led to sending again.
    pub(super) refusals: u32,
    /// Why the last of them did.
    pub(super) transient_refusal: Option<TransientRefusal<P>>,
    /// Maximum sends in flight: one after a refusal, one more with each answer. What follows a refused send is refused too.
    window: usize,
    /// The server sent that the connection is no member: nothing goes before the next `joined`.
    pub(super) needs_join: bool,
    /// What is unanswered was transmitted on a connection that has been moved away from, and may still be answered there:
    /// nothing continues the new one before.
    pub(super) awaiting_old_connection: bool,
    /// For the mistakes about it.
    #[cfg(feature = "bugs")]
    hint: Option<Nanos>,
}

impl<P, N> RoomQueue<P, N> {
    pub(super) fn new(room: N) -> Self {
        Self {
            room,
            producer: None,
            queued: VecDeque::new(),
            unanswered: VecDeque::new(),
            needs_retransmit: false,
            unrecoverable: Vec::new(),
            in_flight: 0,
            resume_at: None,
            refusals: 0,
            transient_refusal: None,
            window: usize::MAX,
            needs_join: false,
            awaiting_old_connection: false,
            #[cfg(feature = "bugs")]
            hint: None,
        }
    }

    /// The wait that a server requests, as a mistake has it.
    #[cfg(feature = "bugs")]
    fn mutated_hint(&mut self, least: Nanos) -> Nanos {
        let before = self.hint.unwrap_or(Nanos::ZERO);
        if mutation!(FirstHintKept) && least > Nanos::ZERO {
            return *self.hint.get_or_insert(least);
        }
        if mutation!(LargestHintKept) || mutation!(HintOutlivesAnswer) {
            self.hint = Some(before.max(least));
        }
        let keeps = mutation!(LargestHintKept) || mutation!(HintOutlivesAnswer) && self.refusals == 0;
        if keeps { before.max(least) } else { least }
    }

    /// The number of the next send to transmit for the first time.
    pub(super) fn head(&self) -> Option<u64> {
        self.queued.front().map(|waiting| waiting.send_no)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queued.is_empty() && self.unanswered.is_empty() && self.unrecoverable.is_empty()
    }

    /// How many numbers lie between the oldest unanswered send and the next one.
    pub(super) fn span(&self) -> usize {
        let oldest = self.unanswered.front().map(|sent| sent.pseq);
        let span =
            self.producer.as_ref().zip(oldest).map_or(0, |((_, next), oldest)| next.saturating_sub(oldest));
        if mutation!(SpanUnbounded) { 0 } else { usize::try_from(span).unwrap_or(usize::MAX) }
    }

    /// Whether it waits for answers on the connection that was moved away from.
    pub(super) fn is_awaiting_old_connection(&self) -> bool {
        self.awaiting_old_connection && !self.unanswered.is_empty()
    }

    pub(super) fn is_paused(&self, now: Timestamp) -> bool {
        self.is_awaiting_old_connection()
            || self.needs_join
            || self.in_flight >= self.window
            || self.resume_at.is_some_and(|at| at > now)
    }

    pub(super) fn is_pending(&self, send_no: u64) -> bool {
        // Each queue is in order, and what is in a later stage has a lower number.
        self.unrecoverable.iter().any(|unrecoverable| unrecoverable.send_no <= send_no)
            || self.unanswered.iter().find(|sent| !sent.resolved).is_some_and(|sent| sent.send_no <= send_no)
            || self.head().is_some_and(|head| head <= send_no)
    }

    pub(super) fn position(&self, send_no: u64) -> Option<usize> {
        let at = self.unanswered.partition_point(|sent| sent.send_no < send_no);
        self.unanswered.get(at).is_some_and(|sent| sent.send_no == send_no).then_some(at)
    }

    /// Takes out the unanswered send there. Almost always it is the first one; another is brought to the front, because a
    /// queue's own way from the middle is half a kilobyte of a page's machine.
    pub(super) fn take_unanswered(&mut self, at: usize) -> Option<Unanswered<P, N>> {
        if at >= self.unanswered.len() {
            return None;
        }
        for at in (1..=at).rev() {
            self.unanswered.swap(at, at - 1);
        }
        let sent = self.unanswered.pop_front()?;
        self.in_flight -= usize::from(sent.latest.is_some());
        Some(sent)
    }

    /// A send waits again, in the order of the sends: almost always the last one is its neighbour.
    pub(super) fn requeue(&mut self, waiting: QueuedSend<P, N>) {
        let send_no = waiting.send_no;
        self.queued.push_back(waiting);
        let mut at = self.queued.len() - 1;
        while at > 0
            && !mutation!(PutBackLast)
            && self.queued.get(at - 1).is_some_and(|before| before.send_no > send_no)
        {
            self.queued.swap(at, at - 1);
            at -= 1;
        }
    }

    /// All of the unanswered, taken out.
    pub(super) fn take_all_unanswered(&mut self) -> VecDeque<Unanswered<P, N>> {
        self.in_flight = 0;
        core::mem::take(&mut self.unanswered)
    }

    /// The server has refused something for now: nothing goes before the backoff, or before `least`.
    pub(super) fn pause(&mut self, now: Timestamp, least: Nanos) {
        #[cfg(feature = "bugs")]
        let least = self.mutated_hint(least);
        let until = now + retry_delay(self.refusals, least);
        self.refusals = self.refusals.saturating_add(1);
        self.window = 1;
        if until > now && !mutation!(NoPause) {
            self.resume_at = self.resume_at.max(Some(until));
        }
    }

    /// The server has decided about a send.
    pub(super) fn answered(&mut self) {
        self.refusals = if mutation!(RefusalsKept) { self.refusals } else { 0 };
        self.transient_refusal = None;
        self.window = if mutation!(WindowOpensAtOnce) { usize::MAX } else { self.window.saturating_add(1) };
        #[cfg(feature = "bugs")]
        if mutation!(FirstHintKept) || mutation!(LargestHintKept) {
            self.hint = None;
        }
    }

    /// Sends in flight, as far as they hold other rooms back: those of a room that has been silent for long do not.
    pub(super) fn holds_back(&self, now: Timestamp) -> usize {
        if self.is_quiet(now) { 0 } else { self.in_flight }
    }

    /// Whether its oldest transmission has been unanswered for long.
    pub(super) fn is_quiet(&self, now: Timestamp) -> bool {
        self.quiet_at().is_some_and(|at| at <= now)
    }

    /// From when on it is so, if nothing is answered until then.
    pub(super) fn quiet_at(&self) -> Option<Timestamp> {
        let oldest = self.unanswered.front().and_then(|sent| sent.latest);
        oldest.map(|latest| latest.at + UNANSWERED_TIMEOUT)
    }

    /// Everything from `pseq` on has to be transmitted again, in order: `refused`, so that the server certainly has none of it,
    /// or not answered. Where the server misses a number that is given up, it announces it.
    pub(super) fn go_back(&mut self, pseq: u64, refused: bool) {
        self.needs_retransmit = true;
        for sent in self.unanswered.iter().filter(|sent| sent.pseq >= pseq && sent.resolved) {
            self.in_flight -= usize::from(sent.latest.is_some());
        }
        self.unanswered.retain(|sent| sent.pseq < pseq || !sent.resolved);
        let from = pseq + u64::from(mutation!(GoesBackTooLate));
        for sent in self.unanswered.iter_mut().filter(|sent| sent.pseq >= from) {
            let on_its_way = sent.latest.take().is_some();
            self.in_flight -= usize::from(on_its_way);
            sent.earlier_unresolved |= on_its_way && !refused;
            sent.possibly_accepted |= on_its_way && !refused;
        }
    }

    /// The server has refused the send `pseq` for now: of the latest transmissions it has taken neither that one nor any
    /// behind it, and they have to be made again.
    pub(super) fn refused_from(&mut self, now: Timestamp, pseq: u64, least: Nanos) {
        self.go_back(pseq, true);
        self.pause(now, least);
    }

    /// Whatever was refused or in flight on the connection goes again on the next one.
    pub(super) fn connection_lost(&mut self) {
        self.go_back(0, false);
        self.needs_join = false;
        for sent in &mut self.unanswered {
            // Behind a refused one the server may still come to it.
            sent.earlier_unresolved = true;
            sent.possibly_accepted |= !sent.refused;
        }
    }
}
