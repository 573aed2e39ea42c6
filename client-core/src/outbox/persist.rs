//! Converts sends to and from their stored form (protocol.md §2.3, last item).

use super::room_queue::{QueuedSend, Unanswered, Unrecoverable};
use super::{Outbox, REPLAY_TIMEOUT};
use crate::event::SendId;
use crate::mutation::mutation;
use crate::outbound::OutboundMessage;
use crate::payload::Payload;
use crate::persisted::{SavedProducer, SavedSend, Transmitted};
use crate::time::Timestamp;
use alloc::vec::Vec;

/// The numbers of sends taken up from a stored state have this bit.
pub(crate) const RESTORED: u64 = 1 << 62;

impl<P: Payload, N: Clone + Ord> Outbox<P, N> {
    /// The sends without an outcome that a later run can continue with, and their producers. `wall` and `uptime` are the same
    /// moment on two clocks.
    pub(super) fn saved(
        &self,
        wall: Timestamp,
        uptime: Timestamp,
    ) -> (Vec<SavedProducer<N>>, Vec<SavedSend<P, N>>) {
        let mut producers = Vec::new();
        let mut sends = Vec::new();
        for queue in &self.queues {
            let mut add = |send_no: u64, send: &OutboundMessage<P, N>, transmitted: Option<Transmitted>| {
                let saved = SavedSend {
                    number: 0,
                    room: queue.room.clone(),
                    content: send.content.clone(),
                    data: send.data.clone().filter(|_| !mutation!(StoredDataLost)),
                    reference: send.reference.clone(),
                    transmitted,
                };
                sends.push((send_no, saved));
            };
            for unrecoverable in queue.unrecoverable.iter().filter(|_| !mutation!(GivenUpUnstored)) {
                // Too old to be transmitted again, whenever it is taken up.
                let (pid, pseq, epoch) =
                    (unrecoverable.pid.clone(), unrecoverable.pseq, unrecoverable.epoch.clone());
                let producer = Transmitted { pid, pseq, epoch, at_ms: 0 };
                add(unrecoverable.send_no, &unrecoverable.send, Some(producer));
            }
            if let Some((pid, next_pseq)) = &queue.producer {
                for sent in queue.unanswered.iter().filter(|sent| !sent.resolved) {
                    let at_ms = (wall - uptime.after(sent.first_sent_at)).millis();
                    let (pid, pseq, epoch) = (pid.clone(), sent.pseq, sent.epoch.clone());
                    add(sent.send_no, &sent.send, Some(Transmitted { pid, pseq, epoch, at_ms }));
                }
                if !queue.unanswered.is_empty() {
                    producers.push(SavedProducer {
                        room: queue.room.clone(),
                        pid: pid.clone(),
                        next_pseq: *next_pseq - u64::from(mutation!(StoredNumberAgain)),
                    });
                }
            }
            for waiting in &queue.queued {
                add(waiting.send_no, &waiting.send, None);
            }
        }
        if !mutation!(StoredUnordered) {
            crate::sort::sort(&mut sends, |(one, _), (other, _)| one < other);
        }
        (producers, sends.into_iter().map(|(_, send)| send).collect())
    }

    /// Takes up what an earlier run left. Returns each send with its number in this run.
    pub(crate) fn restore(
        &mut self,
        now: Timestamp,
        wall: Timestamp,
        uptime: Timestamp,
        producers: Vec<SavedProducer<N>>,
        sends: Vec<SavedSend<P, N>>,
    ) -> Vec<(SendId, SavedSend<P, N>)> {
        for producer in producers {
            if let Some(queue) = self.queue_for(&producer.room) {
                queue.producer = Some((producer.pid, producer.next_pseq));
            }
        }
        let mut taken = Vec::with_capacity(sends.len());
        for saved in sends {
            let (wait, late) = self.limits.ttl(None);
            self.last_send_no += 1;
            let send_no = self.last_send_no;
            let id = SendId(RESTORED | send_no);
            let send = OutboundMessage {
                data: saved.data.clone(),
                reference: saved.reference.clone(),
                ..OutboundMessage::new(id, saved.room.clone(), saved.content.clone())
            };
            let size = send.queued_len();
            let Some(place) = self.queue_for(&saved.room) else { continue };
            match saved.transmitted.clone() {
                None if mutation!(WaitingNotTakenUp) => continue,
                None => {
                    place.queued.push_back(QueuedSend {
                        send,
                        send_no,
                        expires_at: now + wait,
                        expiry_failure: late,
                        attempts: 0,
                    });
                    self.queued += 1;
                    let until = now + wait;
                    self.next_expiry = self.next_expiry.min(until);
                }
                Some(Transmitted { pid, pseq, epoch, at_ms }) => {
                    let at = Timestamp::from_millis(at_ms);
                    let in_line = place
                        .producer
                        .as_ref()
                        .is_some_and(|(producer, next)| *producer == pid && pseq < *next);
                    // A number out of order was not written by us: its producer cannot be gone on with.
                    let in_order = place.unanswered.back().is_none_or(|last| last.pseq < pseq);
                    // A clock set back does not determine the age: as if it were too old.
                    if (at <= wall || mutation!(FutureBelieved)) && in_line && in_order {
                        place.needs_retransmit = true;
                        place.unanswered.push_back(Unanswered {
                            send,
                            send_no,
                            pseq,
                            epoch,
                            first_sent_at: if mutation!(AgeForgotten) {
                                uptime
                            } else {
                                uptime - wall.after(at)
                            },
                            attempts: 0,
                            latest: None,
                            earlier_unresolved: !mutation!(StoredCertain),
                            refused: false,
                            possibly_accepted: true,
                            resolved: false,
                            expires_at: now + wait,
                            expiry_failure: late,
                        });
                    } else {
                        let until = now + REPLAY_TIMEOUT;
                        place.unrecoverable.push(Unrecoverable { send, send_no, pid, pseq, epoch, until });
                    }
                }
            }
            self.len += 1;
            self.bytes += size;
            taken.push((id, saved));
        }
        self.changes += 1;
        taken
    }
}
