//! Applies the server's answers to the sends that they are about (protocol.md §2.3).

use super::refusal::{Rejoin, add_message, retry_pause, unknown};
use super::room_queue::{TransientRefusal, Unanswered, Unrecoverable};
use super::{Outbox, REPLAY_TIMEOUT, Readiness};
use crate::event::{Delivery, DeliveryStatus, SendFailure};
use crate::id::Id;
use crate::link::ConnId;
use crate::messages::{Ack, Code, Nack, ProducerSeq};
use crate::mutation::mutation;
use crate::payload::Payload;
use crate::time::{Nanos, Timestamp};
use alloc::vec::Vec;

impl<P: Payload, N: Clone + Ord> Outbox<P, N> {
    /// An answer always counts, whichever transmission it is for.
    pub(crate) fn acked(&mut self, ack: &Ack<N>, out: &mut Vec<Delivery<P, N>>) {
        self.answers += 1;
        if mutation!(ForgetAnswer) && self.answers.is_multiple_of(10) {
            return;
        }
        let Some((send_no, _)) = ack.reference.parse_numbered('s') else { return };
        let status = DeliveryStatus::Acked { id: ack.id.clone(), seq: ack.seq };
        let oldest = mutation!(AnswerResolvesOldest);
        if let Some(queue) = self.queue_mut(&ack.room) {
            let at =
                if oldest { (!queue.unanswered.is_empty()).then_some(0) } else { queue.position(send_no) };
            if let Some(sent) = at.and_then(|at| queue.take_unanswered(at)) {
                queue.answered();
                return self.resolve_unanswered(sent, status, out);
            }
            if let Some(at) = queue
                .unrecoverable
                .iter()
                .position(|unrecoverable| unrecoverable.send_no == send_no && !mutation!(LateAckIgnored))
            {
                let Unrecoverable { send, .. } = queue.unrecoverable.remove(at);
                return self.resolve_send(send, status, out);
            }
        }
        self.resolve_unconfirmed(send_no, status, out);
    }

    /// The own message came by in its room: as good as an answer.
    pub(crate) fn seen(
        &mut self,
        room: &N,
        origin: &ProducerSeq,
        id: &Id,
        seq: u64,
        out: &mut Vec<Delivery<P, N>>,
    ) {
        if mutation!(EchoIgnored) {
            return;
        }
        let Some(queue) = self.queue_mut(room) else { return };
        let status = DeliveryStatus::Acked { id: id.clone(), seq };
        let here =
            queue.producer.as_ref().is_some_and(|(pid, _)| *pid == origin.pid || mutation!(EchoOfAnyLine));
        let at = queue.unanswered.iter().position(|sent| here && sent.pseq == origin.pseq);
        if let Some(sent) = at.and_then(|at| queue.take_unanswered(at)) {
            queue.answered();
            return self.resolve_unanswered(sent, status, out);
        }
        // A producer can continue without the sends of it that are given up.
        let same = |unrecoverable: &Unrecoverable<P, N>| {
            unrecoverable.pid == origin.pid && unrecoverable.pseq == origin.pseq && !mutation!(EchoOfGivenUp)
        };
        if let Some(at) = queue.unrecoverable.iter().position(same) {
            let Unrecoverable { send, .. } = queue.unrecoverable.remove(at);
            self.resolve_send(send, status, out);
        }
    }

    /// A refusal counts only for the latest transmission.
    pub(crate) fn nacked<'a>(
        &mut self,
        now: Timestamp,
        conn: ConnId,
        nack: &Nack<P>,
        access: impl Fn(&N) -> Readiness<'a>,
        out: &mut Vec<Delivery<P, N>>,
    ) -> Option<Rejoin<N>> {
        let (send_no, attempt) = nack.reference.as_ref()?.parse_numbered('s')?;
        let wanted = |room: &N| !matches!(access(room), Readiness::NotWanted);
        let any = mutation!(OldRefusalCounts);
        let found = self.queues.iter().enumerate().find_map(|(index, queue)| {
            let at = queue.position(send_no)?;
            let sent = queue.unanswered.get(at)?;
            let latest = sent.latest.is_some_and(|latest| latest.conn == conn);
            (any || latest && Some(sent.attempts % 1_000_000) == attempt).then_some((index, at))
        });
        if found.is_none() && mutation!(HintOfBehind) {
            let wait = Nanos::from_millis(nack.retry_after_ms.unwrap_or(0));
            for queue in self.queues.iter_mut().filter(|queue| queue.position(send_no).is_some()) {
                queue.resume_at = queue.resume_at.max(Some(now + wait));
            }
        }
        let Some((index, at)) = found else {
            return match attempt {
                Some(0) => self.unconfirmed_refused(now, send_no, nack, wanted, out),
                _ => None,
            };
        };
        let queue = self.queues.get_mut(index)?;
        if nack.retry || nack.code == Code::NotJoined {
            queue.unanswered.get_mut(at)?.refused = true;
            if nack.code != Code::SequenceGap || queue.transient_refusal.is_none() {
                let (words, server_code) = (nack.message.clone(), nack.server_code.clone());
                queue.transient_refusal =
                    Some(TransientRefusal { code: nack.code, message: words, server_code });
            }
        }
        let sent = queue.unanswered.get(at)?;
        let pseq = sent.pseq;
        match nack.code {
            Code::UnknownProducer => {
                // A producer begins in any server that is in its epoch.
                let epoch_is_over = pseq == 1
                    && matches!(access(&queue.room), Readiness::Ready(epoch) if *epoch == sent.epoch);
                self.unknown_producer(now, index, at, pseq);
                let queue = self.queues.get_mut(index)?;
                queue.needs_join |= epoch_is_over;
                return epoch_is_over.then(|| Rejoin(queue.room.clone()));
            }
            Code::SequenceGap => {
                let expected = nack.expected.unwrap_or(pseq);
                if queue.unanswered.iter().any(|sent| sent.pseq == expected) && expected <= pseq {
                    let from = if mutation!(GapGoesBackTooLittle) { pseq } else { expected };
                    queue.refused_from(now, from, Nanos::ZERO);
                } else {
                    // What the server misses has been answered before: it has lost the producer.
                    self.unknown_producer(now, index, at, expected);
                }
            }
            Code::NotJoined if wanted(&queue.room) => {
                queue.refused_from(now, pseq, Nanos::ZERO);
                queue.needs_join = true;
                return Some(Rejoin(queue.room.clone()));
            }
            // Nobody will join the room again. The number is not used up, so the producer ends here.
            Code::NotJoined => {
                self.unknown_producer(now, index, at, pseq);
                // Nothing is to be sent again: what waits fails now, before another connection could take it.
                if let Some(queue) = self.queues.get_mut(index) {
                    queue.resume_at = None;
                }
            }
            _ if nack.retry => {
                queue.refused_from(now, pseq, retry_pause(nack));
            }
            code => {
                let sent = queue.take_unanswered(at)?;
                if mutation!(RefusalTakesNext) && nack.code == Code::TooLarge {
                    queue.take_unanswered(at);
                }
                queue.answered();
                if mutation!(ReuseNumberAfterRefusal)
                    && let Some((_, next)) = &mut queue.producer
                {
                    *next -= 1;
                }
                let code = if mutation!(RefusalOfOtherKind) { Code::Internal } else { code };
                let status = DeliveryStatus::Failed(SendFailure::Refused(code));
                // Its outcome may have been reported before.
                let told = out.len();
                self.resolve_unanswered(sent, status, out);
                if out.len() > told {
                    add_message(out, &nack.message, &nack.server_code);
                }
            }
        }
        None
    }

    /// A frame of ours was too large for the server (1009): the largest one on its way is to blame.
    pub(crate) fn too_large(&mut self, now: Timestamp, conn: ConnId, out: &mut Vec<Delivery<P, N>>) {
        let mut largest: Option<(usize, usize, usize)> = None;
        for (index, queue) in self.queues.iter().enumerate() {
            for (at, sent) in queue.unanswered.iter().enumerate() {
                let size = sent.send.queued_len();
                let on_its_way = sent.latest.is_some_and(|latest| latest.conn == conn);
                if on_its_way
                    && largest.is_none_or(|(_, _, most)| (size > most) != mutation!(SmallestToBlame))
                {
                    largest = Some((index, at, size));
                }
            }
        }
        let Some((index, at, _)) = largest else { return };
        let Some(queue) = self.queues.get_mut(index) else { return };
        let Some(sent) = queue.take_unanswered(at) else { return };
        self.resolve_unanswered(sent, unknown(), out);
        self.end_producer(index, now + REPLAY_TIMEOUT, out);
    }

    /// The send on `conn` that has waited longest for an answer, as its frame's number and its reference; in `room` if that
    /// is given.
    pub(crate) fn oldest_unanswered(&self, conn: ConnId, room: Option<&N>) -> Option<(u64, Id)> {
        let mut oldest: Option<(u64, u64, u32)> = None;
        let mut see = |of: &N, frame: u64, send_no: u64, attempts: u32| {
            let is_older = oldest.is_none_or(|(least, ..)| frame < least);
            if is_older && room.is_none_or(|room| room == of) {
                oldest = Some((frame, send_no, attempts));
            }
        };
        for queue in &self.queues {
            if let Some(sent) = queue.unanswered.iter().find(|sent| sent.latest.is_some())
                && let Some(latest) = sent.latest
                && latest.conn == conn
            {
                see(&queue.room, latest.frame, sent.send_no, sent.attempts);
            }
        }
        for sent in self.unconfirmed.iter().filter(|sent| sent.conn == conn) {
            see(&sent.room, sent.frame, sent.send_no, 0);
        }
        for hand in &self.unflushed_frames {
            #[cfg(feature = "frames")]
            if hand.unnumbered.as_ref().is_some_and(|sent| self.custom.is(&sent.room)) {
                continue;
            }
            if let Some(sent) = &hand.unnumbered {
                see(&sent.room, sent.frame, sent.send_no, 0);
            }
        }
        oldest.map(|(frame, send_no, attempts)| (frame, Id::numbered('s', send_no, Some(attempts))))
    }

    /// When the oldest of what is not answered was transmitted on `conn`.
    pub(crate) fn oldest_transmission(&self, conn: ConnId) -> Timestamp {
        let mut oldest = Timestamp::NEVER;
        for queue in &self.queues {
            // Each queue is transmitted in its order, so its first one is its oldest.
            if let Some(latest) = queue.unanswered.front().and_then(|sent| sent.latest)
                && latest.conn == conn
            {
                oldest = oldest.min(latest.at);
            }
        }
        oldest
    }

    /// What has been unanswered for long is transmitted again on the same connection. What another room has sent since may
    /// still be answered.
    pub(crate) fn resend(&mut self, now: Timestamp) {
        for queue in self.queues.iter_mut().filter(|queue| queue.is_quiet(now)) {
            queue.go_back(0, mutation!(ResentCertain));
        }
    }

    /// A send that the server has refused for now is not made again.
    pub(super) fn refused_for_now(
        &mut self,
        sent: Unanswered<P, N>,
        why: &TransientRefusal<P>,
        out: &mut Vec<Delivery<P, N>>,
    ) {
        self.resolve_send(sent.send, DeliveryStatus::Failed(SendFailure::Refused(why.code)), out);
        add_message(out, &why.message, &why.server_code);
    }
}
