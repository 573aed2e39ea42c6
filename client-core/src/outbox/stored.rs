//! The sends as they are stored, and as they are taken up again (protocol.md §2.3, last item).

use super::lane::{Doomed, Unanswered, Waiting};
use super::{LAST_CHANCE, OutboundMessage, Outbox, Payload};
use crate::bug::{Bug, made};
use crate::event::SendId;
use crate::persisted::{SavedProducer, SavedSend, Transmitted};
use crate::time::Timestamp;
use alloc::vec::Vec;

/// The numbers of sends taken up from a stored state have this bit.
pub(crate) const RESTORED: u64 = 1 << 62;

impl<P: Payload, N: Clone + Ord> Outbox<P, N> {
    /// The sends without an outcome that a later run can go on with, and their lines. `wall` and `lived` are the same
    /// moment on two clocks.
    pub(crate) fn stored(
        &self,
        wall: Timestamp,
        lived: Timestamp,
    ) -> (Vec<SavedProducer<N>>, Vec<SavedSend<P, N>>) {
        let mut lines = Vec::new();
        let mut sends = Vec::new();
        for lane in &self.lanes {
            let mut add = |serial: u64, send: &OutboundMessage<P, N>, transmitted: Option<Transmitted>| {
                let saved = SavedSend {
                    number: 0,
                    room: lane.room.clone(),
                    content: send.content.clone(),
                    data: send.data.clone(),
                    reference: send.reference.clone(),
                    transmitted,
                };
                sends.push((serial, saved));
            };
            for doomed in lane.doomed.iter().filter(|_| !made(Bug::GivenUpUnstored)) {
                // Too old to be transmitted again, whenever it is taken up.
                let (pid, pseq, epoch) = (doomed.pid.clone(), doomed.pseq, doomed.epoch.clone());
                let line = Transmitted { pid, pseq, epoch, at_ms: 0 };
                add(doomed.serial, &doomed.send, Some(line));
            }
            if let Some((pid, next_pseq)) = &lane.line {
                for sent in lane.unanswered.iter().filter(|sent| !sent.resolved) {
                    let at_ms = (wall - lived.after(sent.born)).millis();
                    let (pid, pseq, epoch) = (pid.clone(), sent.pseq, sent.epoch.clone());
                    add(sent.serial, &sent.send, Some(Transmitted { pid, pseq, epoch, at_ms }));
                }
                if !lane.unanswered.is_empty() {
                    lines.push(SavedProducer {
                        room: lane.room.clone(),
                        pid: pid.clone(),
                        next_pseq: *next_pseq,
                    });
                }
            }
            for waiting in &lane.waiting {
                add(waiting.serial, &waiting.send, None);
            }
        }
        crate::sort::sort(&mut sends, |(one, _), (other, _)| one < other);
        (lines, sends.into_iter().map(|(_, send)| send).collect())
    }

    /// Takes up what an earlier run left. Gives each send with its number in this run.
    pub(crate) fn restore(
        &mut self,
        now: Timestamp,
        wall: Timestamp,
        lived: Timestamp,
        lines: Vec<SavedProducer<N>>,
        sends: Vec<SavedSend<P, N>>,
    ) -> Vec<(SendId, SavedSend<P, N>)> {
        for line in lines {
            if let Some(lane) = self.lane_for(&line.room) {
                lane.line = Some((line.pid, line.next_pseq));
            }
        }
        let mut taken = Vec::with_capacity(sends.len());
        for saved in sends {
            let (wait, late) = self.limits.ttl(None);
            self.serials += 1;
            let serial = self.serials;
            let id = SendId(RESTORED | serial);
            let send = OutboundMessage {
                data: saved.data.clone(),
                reference: saved.reference.clone(),
                ..OutboundMessage::new(id, saved.room.clone(), saved.content.clone())
            };
            let weight = send.weight();
            let Some(place) = self.lane_for(&saved.room) else { continue };
            match saved.transmitted.clone() {
                None if made(Bug::WaitingNotTakenUp) => continue,
                None => {
                    place.waiting.push_back(Waiting { send, serial, until: now + wait, late, attempts: 0 });
                    self.waiting += 1;
                    let until = now + wait;
                    self.next_expiry = self.next_expiry.min(until);
                }
                Some(Transmitted { pid, pseq, epoch, at_ms }) => {
                    let at = Timestamp::from_millis(at_ms);
                    let in_line =
                        place.line.as_ref().is_some_and(|(line, next)| *line == pid && pseq < *next);
                    // A number out of order was not written by us: its line cannot be gone on with.
                    let in_order = place.unanswered.back().is_none_or(|last| last.pseq < pseq);
                    // A clock set back says nothing about the age: as if it were too old.
                    if (at <= wall || made(Bug::FutureBelieved)) && in_line && in_order {
                        place.again = true;
                        place.unanswered.push_back(Unanswered {
                            send,
                            serial,
                            pseq,
                            epoch,
                            born: if made(Bug::AgeForgotten) { lived } else { lived - wall.after(at) },
                            attempts: 0,
                            latest: None,
                            stray: true,
                            refused: false,
                            doubtful: true,
                            resolved: false,
                            until: now + wait,
                            late,
                        });
                    } else {
                        let until = now + LAST_CHANCE;
                        place.doomed.push(Doomed { send, serial, pid, pseq, epoch, until });
                    }
                }
            }
            self.len += 1;
            self.bytes += weight;
            taken.push((id, saved));
        }
        self.changes += 1;
        taken
    }
}
