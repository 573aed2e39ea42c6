//! A hub that is one node of several on a shared store. Owns what only such a hub has: the requests in flight, what waits
//! for them, and who is on other nodes. Without a node's name in the configuration nothing of it exists.
//!
//! The hub's own [`Store`](super::Store) is a copy of the rooms that somebody on this node is in. The rules:
//! - A join is judged by what the store said after it was asked for (`opening`). Until then it is parked, and with it
//!   whatever its connection says about the room (`parking`).
//! - The copy takes entries only in sequence, from a notice or an answer, whichever comes first, and delivers what it
//!   takes. Anything else makes it read the room again (`learning`).
//! - A send is answered when the store has answered (`sends`, `posts`). What the store does not answer in time
//!   ends its connection, because nobody knows what became of it; the client asks again with the same number.
//! - Somebody is in a room who is there on any node (`attendance`).

pub(super) mod bug;

mod attendance;
mod copies;
mod flights;
mod learning;
mod opening;
mod parking;
mod posts;
mod sends;

use super::shared::{Control, RequestId, StoreNotice, StoreRequest, StoreResponse};
use super::{Due, Hub, Output};
use bug::{Bug, made};
use copies::Copied;
use flights::{Errand, Flights, Landed};
use parking::Parked;
use rejoin::machine::ClockReading;
use rejoin::{Id, Name, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// What only a hub has that is one node of several.
#[derive(Debug)]
pub(super) struct Nodes {
    id: Id,
    flights: Flights,
    copies: BTreeMap<Name, Copied>,
    parked: BTreeMap<super::ConnId, Parked>,
    /// Numbers what waits.
    last_serial: u64,
    /// Rooms to be read again, without any hurry.
    unread: BTreeSet<Name>,
    /// Of these are being read.
    paced: usize,
    /// Reads in a row that have failed.
    failures: u32,
    /// The next reads wait for their time.
    pauses: bool,
}

impl Nodes {
    pub(super) fn new(id: Id) -> Self {
        Self {
            id,
            flights: Flights::default(),
            copies: BTreeMap::new(),
            parked: BTreeMap::new(),
            last_serial: 0,
            unread: BTreeSet::new(),
            paced: 0,
            failures: 0,
            pauses: false,
        }
    }

    fn serial(&mut self) -> u64 {
        self.last_serial += 1;
        self.last_serial
    }
}

impl Hub {
    /// How many requests the store has not answered yet.
    pub fn store_requests(&self) -> usize {
        self.nodes.as_ref().map_or(0, |nodes| nodes.flights.len())
    }

    pub(super) fn ask(&mut self, request: StoreRequest) {
        self.outputs.push_back(Output::Store(request));
    }

    /// Numbers a request and sets its deadline.
    fn fly(&mut self, now: Timestamp, user: Option<Name>, bytes: usize, errand: Errand) -> Option<RequestId> {
        let nodes = self.nodes.as_mut()?;
        let request_id = nodes.flights.begin(now, user, bytes, errand);
        if !std::mem::replace(&mut nodes.flights.armed, true) {
            let due = nodes.flights.next_due().unwrap_or(now + flights::ANSWERS_WITHIN);
            self.due.insert((due, Due::Answers));
        }
        Some(request_id)
    }

    /// The store has answered.
    pub(super) fn stored(&mut self, now: ClockReading, request_id: RequestId, answer: StoreResponse) {
        let Some(nodes) = &mut self.nodes else { return };
        match nodes.flights.land(request_id) {
            Landed::InTime(errand) => self.answered(now, errand, answer),
            Landed::Late(room) => self.answered_late(now, &room, answer),
            Landed::Unknown => {}
        }
    }

    fn answered(&mut self, now: ClockReading, errand: Errand, answer: StoreResponse) {
        match (errand, answer) {
            (Errand::Open { room }, StoreResponse::Opened(state)) => self.opened(now, &room, state),
            (Errand::Open { room }, _) => self.unopened(now, &room),
            (Errand::Send(asked), answer) => self.send_answered(now, *asked, answer),
            (Errand::Publish(posted), answer) => self.post_answered(now, *posted, answer),
        }
    }

    /// The hub has given the request up: what the answer says of the room is still true, and nobody is answered.
    fn answered_late(&mut self, now: ClockReading, room: &Name, answer: StoreResponse) {
        match answer {
            StoreResponse::Appended { epoch, entry: Some(entry), .. } => {
                self.learn(now.monotonic, room, &epoch, entry);
            }
            StoreResponse::Opened(state) => {
                self.compare_heads(now.monotonic, room, &state.epoch, state.head);
            }
            _ => {}
        }
    }

    /// Gives up what the store has not answered in time.
    pub(super) fn answers_due(&mut self, now: ClockReading) {
        let at = now.monotonic;
        if made(Bug::NeverGivenUp) {
            return;
        }
        while let Some(errand) = self.nodes.as_mut().and_then(|nodes| nodes.flights.overdue(at)) {
            self.answered(now, errand, StoreResponse::Failed);
        }
        let Some(nodes) = &mut self.nodes else { return };
        let next = nodes.flights.next_due();
        nodes.flights.armed = next.is_some();
        if let Some(due) = next {
            self.due.insert((due, Due::Answers));
        }
    }

    /// Something has happened in the store.
    pub(super) fn noticed(&mut self, now: ClockReading, notice: StoreNotice) {
        let at = now.monotonic;
        if self.nodes.is_none() {
            return;
        }
        match notice {
            StoreNotice::Appended { room, epoch, entry } => self.learn(at, &room, &epoch, entry),
            StoreNotice::Head { room, epoch, head } => {
                if !made(Bug::HeadIgnored) {
                    self.compare_heads(at, &room, &epoch, head);
                }
            }
            StoreNotice::Presence { room, node, users, is_snapshot } => {
                self.attends(at, &room, &node, users, is_snapshot);
            }
            StoreNotice::Signal(signal) => self.pass_signal(signal),
            StoreNotice::Interrupted => self.interrupted(at),
            StoreNotice::Control(control) => {
                if made(Bug::ControlEchoed) {
                    self.ask(StoreRequest::Control(control.clone()));
                }
                match control {
                    Control::Kick { user, ban } => {
                        self.carry_out_kick(at, &user, ban);
                    }
                    Control::Remove { room, user } => self.expel(at, &room, &user),
                }
            }
        }
    }
}
