//! Sends made without a number: at most once. Settled by the flush on a plain connection, and by the answer where the mode
//! was not known yet.

use super::Outbox;
use super::refusal::{Rejoin, add_message, retry_pause};
use super::room_queue::QueuedSend;
use crate::change_log::record;
use crate::event::{Delivery, DeliveryStatus, SendFailure, SendId};
use crate::link::ConnId;
use crate::messages::{Code, Nack};
use crate::mutation::mutation;
use crate::payload::Payload;
#[cfg(feature = "journal")]
use crate::persisted::SavedSend;
use crate::time::{Nanos, Timestamp};
use alloc::vec::Vec;

/// How long a send that was made before the mode was known waits for its answer.
pub(super) const ACK_TIMEOUT: Nanos = Nanos::from_secs(30);

/// Frames in the hands of the connection, whose flush is not reported yet.
#[derive(Debug)]
pub(super) struct Unflushed<P, N> {
    pub(super) frame: u64,
    pub(super) size: usize,
    /// A send that the flush may settle; none for one that waits for an answer.
    pub(super) unnumbered: Option<Unnumbered<P, N>>,
}

/// A send made without a number: at most once.
#[derive(Debug)]
pub(super) struct Unnumbered<P, N> {
    pub(super) id: SendId,
    pub(super) room: N,
    pub(super) send_no: u64,
    pub(super) size: usize,
    /// Bytes of its text.
    #[cfg(feature = "native")]
    pub(super) content: usize,
    /// The connection that it was given to, which may have been moved away from since.
    pub(super) conn: ConnId,
    pub(super) frame: u64,
    /// Its answer is not waited for beyond this.
    pub(super) answer_deadline: Timestamp,
    /// When its time is over, if the application has set one.
    pub(super) expires_at: Timestamp,
    /// The send itself, where a server that turns out to be an extended one may refuse it.
    pub(super) requeueable: Option<QueuedSend<P, N>>,
}

impl<P: Payload, N: Clone + Ord> Outbox<P, N> {
    /// The operating system took every frame up to `through`. What was sent at most once is settled by it, if the
    /// connection is known to be `plain`; otherwise it waits for the mode, or for its answer.
    pub(crate) fn flushed(&mut self, through: u64, plain: bool, mut out: impl FnMut(Delivery<P, N>)) {
        let taken = self
            .unflushed_frames
            .partition_point(|hand| hand.frame <= through + u64::from(mutation!(WrittenTooEarly)));
        for hand in self.unflushed_frames.drain(..taken) {
            self.unflushed_bytes -= if mutation!(FlushedBytesKept) { 0 } else { hand.size };
            #[cfg(feature = "frames")]
            let plain = plain || hand.unnumbered.as_ref().is_some_and(|sent| self.custom.is(&sent.room));
            match hand.unnumbered {
                Some(sent) if plain => {
                    self.len -= 1;
                    self.bytes -= sent.size;
                    record!(self.change_log, Resolved { key: sent.id, status: DeliveryStatus::Written });
                    out(Delivery::new(sent.id, sent.room, DeliveryStatus::Written));
                }
                Some(sent) => self.unconfirmed.push(sent),
                None => {}
            }
        }
    }

    /// The connection turned out to be plain: what is flushed is as settled as it can be.
    pub(crate) fn confirm_plain(&mut self, out: &mut Vec<Delivery<P, N>>) {
        let sent = core::mem::take(&mut self.unconfirmed);
        self.resolve_unnumbered(sent, &DeliveryStatus::Written, out);
    }

    /// The server at the other end of `conn` takes no content that is longer. What was sent to it before it said so, and is,
    /// has been refused already or will be.
    #[cfg(feature = "native")]
    pub(crate) fn apply_content_limit(
        &mut self,
        conn: ConnId,
        content: usize,
        out: &mut Vec<Delivery<P, N>>,
    ) {
        let is_over = |sent: &mut Unnumbered<P, N>| sent.conn == conn && sent.content > content;
        let mut over: Vec<_> = self.unconfirmed.extract_if(.., is_over).collect();
        over.extend(self.unflushed_frames.iter_mut().filter_map(|hand| hand.unnumbered.take_if(is_over)));
        self.resolve_unnumbered(over, &DeliveryStatus::Failed(SendFailure::TooLarge), out);
    }

    /// What was sent at most once is no longer the outbox's.
    pub(super) fn resolve_unnumbered(
        &mut self,
        sent: Vec<Unnumbered<P, N>>,
        status: &DeliveryStatus,
        out: &mut Vec<Delivery<P, N>>,
    ) {
        for sent in sent {
            self.resolve(sent.id, sent.room, sent.size, status.clone(), out);
        }
    }

    /// What is not flushed counts as flushed from now on: its connection is not the one in use.
    pub(super) fn treat_as_flushed(&mut self) {
        for hand in core::mem::take(&mut self.unflushed_frames) {
            if let Some(sent) = hand.unnumbered {
                self.unconfirmed.push(sent);
            }
        }
        self.unflushed_bytes = if mutation!(UnflushedOutlivesLoss) { self.unflushed_bytes } else { 0 };
    }

    /// The answer to a send that was made before the mode was known.
    pub(super) fn resolve_unconfirmed(
        &mut self,
        send_no: u64,
        status: DeliveryStatus,
        out: &mut Vec<Delivery<P, N>>,
    ) {
        if let Some(sent) = self.take_unconfirmed(send_no) {
            self.resolve(sent.id, sent.room, sent.size, status, out);
        }
    }

    pub(super) fn take_unconfirmed(&mut self, send_no: u64) -> Option<Unnumbered<P, N>> {
        match self.unconfirmed.iter().position(|sent| sent.send_no == send_no) {
            Some(at) => Some(self.unconfirmed.remove(at)),
            // The answer was faster than the report of the flush.
            None => self
                .unflushed_frames
                .iter_mut()
                .find_map(|hand| hand.unnumbered.take_if(|sent| sent.send_no == send_no)),
        }
    }

    /// A send that was made before the mode was known is refused. That is certain, so it can wait again where its room is
    /// still to be joined, or where it was refused for now and nothing of its room went out behind it: that would overtake
    /// it. Elsewhere it has failed.
    pub(super) fn unconfirmed_refused(
        &mut self,
        now: Timestamp,
        send_no: u64,
        nack: &Nack<P>,
        wanted: impl Fn(&N) -> bool,
        out: &mut Vec<Delivery<P, N>>,
    ) -> Option<Rejoin<N>> {
        let sent = self.take_unconfirmed(send_no)?;
        let code = nack.code;
        let unjoined = code == Code::NotJoined;
        let later = self.has_later(&sent.room, send_no) && !mutation!(FirstContactOvertaken);
        // Of those without a number the later ones are not taken either then; those with one are.
        let overtaken = if unjoined { self.has_numbered(&sent.room) } else { later };
        let may_wait = !overtaken && if unjoined { wanted(&sent.room) } else { nack.retry };
        match if may_wait && !mutation!(FirstRefusalFinal) { self.requeue(sent) } else { Err(sent) } {
            Ok(room) if unjoined => Some(Rejoin(room)),
            Ok(room) => {
                self.queue_mut(&room)?.pause(now, retry_pause(nack));
                None
            }
            Err(sent) => {
                let status = DeliveryStatus::Failed(SendFailure::Refused(code));
                self.resolve(sent.id, sent.room, sent.size, status, out);
                add_message(out, &nack.message, &nack.server_code);
                None
            }
        }
    }

    /// Whether a send to the room that is under way was made after this one.
    pub(super) fn has_later(&self, room: &N, send_no: u64) -> bool {
        let unflushed = self.unflushed_frames.iter().filter_map(|frame| frame.unnumbered.as_ref());
        self.unconfirmed.iter().chain(unflushed).any(|sent| sent.send_no > send_no && sent.room == *room)
            || self.has_numbered(room)
    }

    /// Whether sends to the room have numbers, and no answers.
    fn has_numbered(&self, room: &N) -> bool {
        self.queues.iter().any(|queue| queue.room == *room && !queue.unanswered.is_empty())
    }

    /// A send that was made before the mode was known has certainly not been taken: it waits again, if it has been kept for
    /// that.
    pub(super) fn requeue(&mut self, mut sent: Unnumbered<P, N>) -> Result<N, Unnumbered<P, N>> {
        let Some(again) = sent.requeueable.take() else { return Err(sent) };
        let until = again.expires_at;
        #[cfg(feature = "journal")]
        let saved = SavedSend::waiting(&again.send);
        if let Some(queue) = self.queue_for(&sent.room) {
            queue.requeue(again);
        }
        record!(self.change_log, Added { key: sent.id, send: saved });
        self.next_expiry = self.next_expiry.min(until);
        self.queued += 1;
        self.changes += 1;
        Ok(sent.room)
    }

    /// The connection was refused before it was answered anything: nothing that was sent on it has been taken. What was
    /// sent on the one before, which has been moved away from, may have been.
    pub(crate) fn connection_refused(&mut self, conn: ConnId) {
        self.treat_as_flushed();
        for sent in core::mem::take(&mut self.unconfirmed) {
            let refused = if sent.conn == conn || mutation!(RefusalOfNewForOld) {
                self.requeue(sent)
            } else {
                Err(sent)
            };
            if let Err(sent) = refused {
                self.unconfirmed.push(sent);
            }
        }
    }
}
