//! Chooses the send that is transmitted next, and in which form.

use super::lane::{Transmission, Unanswered, Waiting};
use super::limits::Payload;
use super::{FIRST_CONTACT, InHand, OutboundMessage, Outbox, Plain};
use crate::bug::{Bug, made};
use crate::change_log::note;
use crate::event::{Delivery, DeliveryStatus, SendFailure};
use crate::id::Id;
use crate::link::ConnId;
use crate::messages::{Code, Epoch, ProducerTag, SendTag};
#[cfg(feature = "journal")]
use crate::persisted::Transmitted;
use crate::time::Timestamp;
use alloc::boxed::Box;
use alloc::vec::Vec;
use fastrand::Rng;

/// How it stands with a room that has something to send.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Access<'a> {
    /// Joined; new lines begin in this epoch.
    Open(&'a Epoch),
    /// Not joined yet.
    Later,
    /// Not wanted.
    Closed,
}

/// What a connection lets through.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gate {
    pub(crate) conn: ConnId,
    /// Most unanswered sends.
    pub(crate) in_flight: usize,
    /// Most bytes of content and data of one.
    pub(crate) content: usize,
    /// Most bytes that are not flushed.
    pub(crate) unflushed: usize,
}

/// One send to be written.
#[derive(Debug)]
pub(crate) struct Transmit<P, N> {
    pub(crate) room: N,
    pub(crate) content: P,
    pub(crate) data: Option<P>,
    pub(crate) tag: Option<Box<SendTag>>,
    /// It has just been numbered: the number has to be stored first.
    pub(crate) fresh: bool,
}

impl<P: Payload, N: Clone + Ord> Outbox<P, N> {
    /// Hands the next send to a plain connection as its frame number `frame`. With `tagged` it asks for an answer,
    /// in case the server turns out to give one. `asked`: whether the connection has been asked to join the room.
    pub(crate) fn transmit_plain(
        &mut self,
        now: Timestamp,
        frame: u64,
        gate: &Gate,
        tagged: bool,
        asked: impl Fn(&N) -> bool,
    ) -> Option<Transmit<P, N>> {
        if self.unflushed >= gate.unflushed {
            return None;
        }
        let oldest = self.pop_oldest()?;
        #[cfg(feature = "frames")]
        let tagged = tagged && !self.own.is(&oldest.send.room);
        // Where it is refused as no member's, so is all that follows it until the room is joined.
        let kept = (tagged && asked(&oldest.send.room)).then(|| oldest.clone());
        let serial = oldest.serial;
        let send = self.hand_over(oldest, (gate.conn, frame), now + FIRST_CONTACT, kept);
        let tag = tagged
            .then(|| Box::new(SendTag { reference: Id::numbered('s', serial, Some(0)), producer: None }));
        Some(Transmit { room: send.room, content: send.content, data: send.data, tag, fresh: false })
    }

    /// Gives a send that is made once to a connection, as its frame with this number. An answer is waited for until `until`.
    pub(super) fn hand_over(
        &mut self,
        oldest: Waiting<P, N>,
        (conn, frame): (ConnId, u64),
        until: Timestamp,
        kept: Option<Waiting<P, N>>,
    ) -> OutboundMessage<P, N> {
        let Waiting { send, serial, until: expires, late, .. } = oldest;
        let weight = send.weight();
        self.unflushed += weight;
        self.changes += 1;
        if !made(Bug::WriteAgain) {
            note!(self.notes, SentOnce { key: send.id });
        }
        let expires = if late == SendFailure::Timeout { expires } else { Timestamp::NEVER };
        self.next_expiry = self.next_expiry.min(expires);
        let plain = Some(Plain {
            id: send.id,
            room: send.room.clone(),
            serial,
            weight,
            #[cfg(feature = "native")]
            content: self.limited_content(&send),
            conn,
            frame,
            until,
            expires,
            kept,
        });
        self.in_hand.push(InHand { frame, weight, plain });
        send
    }

    /// Whether [`Outbox::transmit`] may have something to do.
    pub(crate) fn has_work(&self) -> bool {
        self.waiting > 0 || self.lanes.iter().any(|lane| lane.again)
    }

    /// The next send for an extended connection as its frame number `frame`: first what has to be transmitted again,
    /// then what is new, each lane in its order.
    #[expect(
        clippy::too_many_arguments,
        reason = "one caller; the clocks, the generator and the bounds come from it"
    )]
    pub(crate) fn transmit<'a>(
        &mut self,
        now: Timestamp,
        lived: Timestamp,
        frame: u64,
        gate: &Gate,
        rng: &mut Rng,
        access: impl Fn(&N) -> Access<'a>,
        out: &mut Vec<Delivery<P, N>>,
    ) -> Option<Transmit<P, N>> {
        let in_flight = self.lanes.iter().map(|lane| lane.holds_back(now)).sum::<usize>();
        let is_flight_full = in_flight >= gate.in_flight + usize::from(made(Bug::FlightOneMore));
        if is_flight_full || self.unflushed >= gate.unflushed && !made(Bug::UnflushedUnbounded) {
            return None;
        }
        let again = self.transmit_again(now, frame, gate, &access);
        #[cfg(feature = "frames")]
        if again.is_none()
            && let Some(own) = self.transmit_own(now, frame, gate, &access)
        {
            return Some(own);
        }
        let (transmit, weight) = match again {
            Some(again) => again,
            None => self.transmit_new(now, lived, frame, gate, rng, &access, out)?,
        };
        self.unflushed += weight;
        self.in_hand.push(InHand { frame, weight, plain: None });
        Some(transmit)
    }

    fn transmit_again<'a>(
        &mut self,
        now: Timestamp,
        frame: u64,
        gate: &Gate,
        access: &impl Fn(&N) -> Access<'a>,
    ) -> Option<(Transmit<P, N>, usize)> {
        for lane in self.lanes.iter_mut().filter(|lane| lane.again) {
            let full = lane.in_flight >= gate.in_flight;
            if full
                || lane.is_paused(now)
                || matches!(access(&lane.room), Access::Later) && !made(Bug::AgainBeforeJoin)
            {
                continue;
            }
            let next = lane.unanswered.iter_mut().find(|sent| sent.latest.is_none());
            let Some((sent, (pid, _))) = next.zip(lane.line.as_ref()) else {
                lane.again = false;
                continue;
            };
            sent.attempts = sent.attempts.saturating_add(1);
            sent.latest = Some(Transmission { conn: gate.conn, frame, at: now });
            sent.refused = false;
            lane.in_flight += 1;
            return Some((sent.transmit(&lane.room, pid, false), sent.send.weight()));
        }
        None
    }

    #[expect(clippy::too_many_arguments, reason = "as above")]
    fn transmit_new<'a>(
        &mut self,
        now: Timestamp,
        lived: Timestamp,
        frame: u64,
        gate: &Gate,
        rng: &mut Rng,
        access: &impl Fn(&N) -> Access<'a>,
        out: &mut Vec<Delivery<P, N>>,
    ) -> Option<(Transmit<P, N>, usize)> {
        loop {
            if self.waiting == 0 {
                return None;
            }
            let lanes = self.lanes.iter_mut();
            #[cfg(feature = "frames")]
            let lanes = lanes.filter(|lane| !self.own.is(&lane.room));
            let lane = lanes
                .filter(|lane| lane.head().is_some() && !lane.is_paused(now))
                .filter(|lane| !matches!(access(&lane.room), Access::Later))
                // The server keeps as many answers of a line, counted from its newest.
                .filter(|lane| lane.span() < gate.in_flight)
                .min_by_key(|lane| lane.head())?;
            let epoch = match access(&lane.room) {
                Access::Open(epoch) => Some(epoch.clone()),
                _ => None,
            };
            let Waiting { send, serial, attempts, until, late } = lane.waiting.pop_front()?;
            self.waiting -= 1;
            let why = match &epoch {
                None => Some(SendFailure::Refused(Code::NotJoined)),
                Some(_) if send.payload() > gate.content && !made(Bug::OversizedSent) => {
                    Some(SendFailure::TooLarge)
                }
                Some(_) => None,
            };
            let Some(epoch) = epoch.filter(|_| why.is_none()) else {
                let why = why.unwrap_or(SendFailure::TooLarge);
                self.settle_send(send, DeliveryStatus::Failed(why), out);
                continue;
            };
            let (pid, next) = lane.line.get_or_insert_with(|| (Id::random(rng), 1));
            let (pid, pseq) = (pid.clone(), *next);
            *next += 1;
            let weight = send.weight();
            note!(
                self.notes,
                Transmitted {
                    key: send.id,
                    // On the session's own clock: who takes the notes knows the other one.
                    transmitted: Transmitted {
                        pid: pid.clone(),
                        pseq,
                        epoch: epoch.clone(),
                        at_ms: lived.millis(),
                    }
                }
            );
            let sent = Unanswered {
                send,
                serial,
                pseq,
                epoch,
                born: lived,
                attempts: attempts.saturating_add(1),
                latest: Some(Transmission { conn: gate.conn, frame, at: now }),
                stray: false,
                refused: false,
                doubtful: false,
                resolved: false,
                until,
                late,
            };
            lane.in_flight += 1;
            let transmit = sent.transmit(&lane.room, &pid, true);
            lane.held = false;
            lane.unanswered.push_back(sent);
            self.changes += 1;
            return Some((transmit, weight));
        }
    }
}

impl<P: Clone, N: Clone> Unanswered<P, N> {
    fn transmit(&self, room: &N, pid: &Id, fresh: bool) -> Transmit<P, N> {
        let reference = Id::numbered('s', self.serial, Some(self.attempts));
        let line = Some(ProducerTag {
            pid: pid.clone(),
            pseq: self.pseq,
            epoch: if made(Bug::OldEpochNamed) && !fresh { pid.clone() } else { self.epoch.clone() },
        });
        Transmit {
            room: room.clone(),
            content: self.send.content.clone(),
            data: if made(Bug::DataLostOnRepeat) && !fresh { None } else { self.send.data.clone() },
            tag: Some(Box::new(SendTag { reference, producer: line })),
            fresh,
        }
    }
}
