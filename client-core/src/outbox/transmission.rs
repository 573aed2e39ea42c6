//! Selects the next send to transmit, and its form.

use super::Outbox;
use super::room_queue::{QueuedSend, Transmission, Unanswered};
use super::unnumbered::{ACK_TIMEOUT, Unflushed, Unnumbered};
use crate::change_log::record;
use crate::event::{Delivery, DeliveryStatus, SendFailure};
use crate::id::Id;
use crate::link::ConnId;
use crate::messages::{Code, Epoch, ProducerTag, SendTag};
use crate::mutation::mutation;
use crate::outbound::OutboundMessage;
use crate::payload::Payload;
#[cfg(feature = "journal")]
use crate::persisted::Transmitted;
use crate::time::Timestamp;
use alloc::boxed::Box;
use alloc::vec::Vec;
use fastrand::Rng;

/// The state of a room that has something to send.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Readiness<'a> {
    /// Joined; new producer begin in this epoch.
    Ready(&'a Epoch),
    /// Not joined yet.
    AwaitingJoin,
    /// Not wanted.
    NotWanted,
}

/// What a connection lets through.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SendWindow {
    pub(crate) conn: ConnId,
    /// Maximum unanswered sends.
    pub(crate) in_flight: usize,
    /// Maximum bytes of content and data of one.
    pub(crate) content: usize,
    /// Maximum bytes that are not flushed.
    pub(crate) unflushed: usize,
}

/// One send to be written.
#[derive(Debug)]
pub(crate) struct OutboundFrame<P, N> {
    pub(crate) room: N,
    pub(crate) content: P,
    pub(crate) data: Option<P>,
    pub(crate) tag: Option<Box<SendTag>>,
    /// It has just been numbered: the number has to be stored first.
    pub(crate) fresh: bool,
}

impl<P: Payload, N: Clone + Ord> Outbox<P, N> {
    /// Hands the next send to a plain connection as its frame number `frame`. With `tagged` it requests an answer,
    /// in case the server turns out to give one. `asked`: whether the connection has been asked to join the room.
    pub(crate) fn transmit_plain(
        &mut self,
        now: Timestamp,
        frame: u64,
        gate: &SendWindow,
        tagged: bool,
        asked: impl Fn(&N) -> bool,
    ) -> Option<OutboundFrame<P, N>> {
        if self.unflushed_bytes >= gate.unflushed {
            return None;
        }
        let oldest = self.pop_oldest()?;
        #[cfg(feature = "frames")]
        let tagged = tagged && !self.custom.is(&oldest.send.room);
        // Where it is refused as no member's, so is all that follows it until the room is joined.
        let kept = (tagged && asked(&oldest.send.room)).then(|| oldest.clone());
        let send_no = oldest.send_no;
        let send = self.transmit_unnumbered(oldest, (gate.conn, frame), now + ACK_TIMEOUT, kept);
        let tag = tagged
            .then(|| Box::new(SendTag { reference: Id::numbered('s', send_no, Some(0)), producer: None }));
        Some(OutboundFrame { room: send.room, content: send.content, data: send.data, tag, fresh: false })
    }

    /// Returns a send that is made once to a connection, as its frame with this number. An answer is waited for until `until`.
    pub(super) fn transmit_unnumbered(
        &mut self,
        oldest: QueuedSend<P, N>,
        (conn, frame): (ConnId, u64),
        until: Timestamp,
        kept: Option<QueuedSend<P, N>>,
    ) -> OutboundMessage<P, N> {
        let QueuedSend { send, send_no, expires_at: expires, expiry_failure: late, .. } = oldest;
        let size = send.queued_len();
        self.unflushed_bytes += size;
        self.changes += 1;
        if !mutation!(WriteAgain) {
            record!(self.change_log, SentOnce { key: send.id });
        }
        let expires = if late == SendFailure::Timeout { expires } else { Timestamp::NEVER };
        self.next_expiry = self.next_expiry.min(expires);
        let plain = Some(Unnumbered {
            id: send.id,
            room: send.room.clone(),
            send_no,
            size,
            #[cfg(feature = "native")]
            content: self.limited_content(&send),
            conn,
            frame,
            answer_deadline: until,
            expires_at: expires,
            requeueable: kept,
        });
        self.unflushed_frames.push(Unflushed { frame, size, unnumbered: plain });
        send
    }

    /// Whether [`Outbox::transmit`] may have something to do.
    pub(crate) fn has_work(&self) -> bool {
        self.queued > 0 || self.queues.iter().any(|queue| queue.needs_retransmit)
    }

    /// The next send for an extended connection as its frame number `frame`: first what has to be transmitted again,
    /// then what is new, each queue in its order.
    #[expect(
        clippy::too_many_arguments,
        reason = "one caller; the clocks, the generator and the bounds come from it"
    )]
    pub(crate) fn transmit<'a>(
        &mut self,
        now: Timestamp,
        uptime: Timestamp,
        frame: u64,
        gate: &SendWindow,
        rng: &mut Rng,
        access: impl Fn(&N) -> Readiness<'a>,
        out: &mut Vec<Delivery<P, N>>,
    ) -> Option<OutboundFrame<P, N>> {
        let in_flight = self.queues.iter().map(|queue| queue.holds_back(now)).sum::<usize>();
        let is_flight_full = in_flight >= gate.in_flight + usize::from(mutation!(FlightOneMore));
        if is_flight_full || self.unflushed_bytes >= gate.unflushed && !mutation!(UnflushedUnbounded) {
            return None;
        }
        let again = self.transmit_again(now, frame, gate, &access);
        #[cfg(feature = "frames")]
        if again.is_none()
            && let Some(own) = self.transmit_custom(now, frame, gate, &access)
        {
            return Some(own);
        }
        #[cfg(feature = "frames")]
        let told = out.len();
        let next = match again {
            Some(again) => Some(again),
            None => self.transmit_new(now, uptime, frame, gate, rng, &access, out),
        };
        let Some((transmit, size)) = next else {
            // What has failed instead of going holds no custom frame back any more.
            #[cfg(feature = "frames")]
            if out.len() > told && !mutation!(OwnBehindFailed) {
                return self.transmit_custom(now, frame, gate, &access);
            }
            return None;
        };
        self.unflushed_bytes += size;
        self.unflushed_frames.push(Unflushed { frame, size, unnumbered: None });
        Some(transmit)
    }

    fn transmit_again<'a>(
        &mut self,
        now: Timestamp,
        frame: u64,
        gate: &SendWindow,
        access: &impl Fn(&N) -> Readiness<'a>,
    ) -> Option<(OutboundFrame<P, N>, usize)> {
        for queue in self.queues.iter_mut().filter(|queue| queue.needs_retransmit) {
            let full = queue.in_flight >= gate.in_flight;
            if full
                || queue.is_paused(now)
                || matches!(access(&queue.room), Readiness::AwaitingJoin) && !mutation!(AgainBeforeJoin)
            {
                continue;
            }
            let next = queue.unanswered.iter_mut().find(|sent| sent.latest.is_none());
            let Some((sent, (pid, _))) = next.zip(queue.producer.as_ref()) else {
                queue.needs_retransmit = false;
                continue;
            };
            sent.attempts = sent.attempts.saturating_add(u32::from(!mutation!(SameNameAgain)));
            sent.latest = Some(Transmission { conn: gate.conn, frame, at: now });
            sent.refused = false;
            queue.in_flight += 1;
            return Some((sent.transmit(&queue.room, pid, false), sent.send.queued_len()));
        }
        None
    }

    #[expect(clippy::too_many_arguments, reason = "as above")]
    fn transmit_new<'a>(
        &mut self,
        now: Timestamp,
        uptime: Timestamp,
        frame: u64,
        gate: &SendWindow,
        rng: &mut Rng,
        access: &impl Fn(&N) -> Readiness<'a>,
        out: &mut Vec<Delivery<P, N>>,
    ) -> Option<(OutboundFrame<P, N>, usize)> {
        loop {
            if self.queued == 0 {
                return None;
            }
            let queues = self.queues.iter_mut();
            #[cfg(feature = "frames")]
            let queues = queues.filter(|queue| !self.custom.is(&queue.room));
            let queue = queues
                .filter(|queue| queue.head().is_some() && !queue.is_paused(now))
                .filter(|queue| !matches!(access(&queue.room), Readiness::AwaitingJoin))
                // The server keeps as many answers of a producer, counted from its newest.
                .filter(|queue| queue.span() < gate.in_flight)
                .min_by_key(|queue| queue.head())?;
            let epoch = match access(&queue.room) {
                Readiness::Ready(epoch) => Some(epoch.clone()),
                _ => None,
            };
            let QueuedSend { send, send_no, attempts, expires_at: until, expiry_failure: late } =
                queue.queued.pop_front()?;
            self.queued -= 1;
            let why = match &epoch {
                None => Some(SendFailure::Refused(Code::NotJoined)),
                Some(_) if send.payload_len() > gate.content && !mutation!(OversizedSent) => {
                    Some(SendFailure::TooLarge)
                }
                Some(_) => None,
            };
            let Some(epoch) = epoch.filter(|_| why.is_none()) else {
                let why = why.unwrap_or(SendFailure::TooLarge);
                self.resolve_send(send, DeliveryStatus::Failed(why), out);
                continue;
            };
            let (pid, next) = queue.producer.get_or_insert_with(|| (Id::random(rng), 1));
            let (pid, pseq) = (pid.clone(), *next);
            *next += 1;
            let size = send.queued_len();
            record!(
                self.change_log,
                Transmitted {
                    key: send.id,
                    // On the session's own clock: who takes the notes knows the other one.
                    transmitted: Transmitted {
                        pid: pid.clone(),
                        pseq,
                        epoch: epoch.clone(),
                        at_ms: uptime.millis(),
                    }
                }
            );
            let sent = Unanswered {
                send,
                send_no,
                pseq,
                epoch,
                first_sent_at: uptime,
                attempts: attempts.saturating_add(1),
                latest: Some(Transmission { conn: gate.conn, frame, at: now }),
                earlier_unresolved: false,
                refused: false,
                possibly_accepted: false,
                resolved: false,
                expires_at: until,
                expiry_failure: late,
            };
            queue.in_flight += 1;
            let transmit = sent.transmit(&queue.room, &pid, true);
            queue.awaiting_old_connection = false;
            queue.unanswered.push_back(sent);
            self.changes += 1;
            return Some((transmit, size));
        }
    }
}

impl<P: Clone, N: Clone> Unanswered<P, N> {
    fn transmit(&self, room: &N, pid: &Id, fresh: bool) -> OutboundFrame<P, N> {
        let reference = Id::numbered('s', self.send_no, Some(self.attempts));
        let producer = Some(ProducerTag {
            pid: pid.clone(),
            pseq: self.pseq,
            epoch: if mutation!(OldEpochNamed) && !fresh { pid.clone() } else { self.epoch.clone() },
        });
        OutboundFrame {
            room: room.clone(),
            content: self.send.content.clone(),
            data: if mutation!(DataLostOnRepeat) && !fresh { None } else { self.send.data.clone() },
            tag: Some(Box::new(SendTag { reference, producer })),
            fresh,
        }
    }
}
