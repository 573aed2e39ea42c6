//! The event loop of a herd run.

use super::client::{Client, Failure, FormulaClient, SessionClient};
use super::server::{Dial, Reception, Server};
use super::{Herd, Millis, Outcome, Policy, Refusal};
use fastrand::Rng;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// When the server is lost: everybody is in sync, and nobody has been silent for long enough to ask.
const LOSS: Millis = 20_000;
/// Not every client hears of it in the same moment.
const NOTICED_WITHIN: Millis = 200;
/// How long a herd may take, in times of the ideal.
const DEADLINE_FACTOR: u32 = 4;

pub(super) fn play(herd: &Herd, seed: u64, policy: &Policy) -> Outcome {
    let mut rng = Rng::with_seed(seed);
    if let Policy::Formula(delay) = policy {
        let clients = (0..herd.clients).map(|_| Some(FormulaClient::new(*delay, rng.u64(..)))).collect();
        return Run::new(herd, clients, rng).play();
    }
    let client = |index| Some(SessionClient::new(herd, rng.u64(..), index, policy));
    let clients = (0..herd.clients).map(client).collect();
    Run::new(herd, clients, rng).play()
}

struct Run<'a, C> {
    herd: &'a Herd,
    server: Server,
    /// Who is not back yet. What happens on a connection that is up again does not matter here.
    away: Vec<Option<C>>,
    turns: BinaryHeap<Reverse<(Millis, u32, Turn)>>,
    end: Millis,
    outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    Lost,
    Tick,
}

impl<'a, C: Client> Run<'a, C> {
    fn new(herd: &'a Herd, away: Vec<Option<C>>, mut rng: Rng) -> Self {
        let mut turn = |client| Reverse((LOSS + rng.u64(..=NOTICED_WITHIN), client, Turn::Lost));
        let millis = |time: std::time::Duration| time.as_millis() as Millis;
        Self {
            server: Server::new(herd, LOSS + millis(herd.outage)),
            away,
            turns: (0..herd.clients).map(&mut turn).collect(),
            end: LOSS + millis(herd.ideal() * DEADLINE_FACTOR),
            outcome: Outcome::new(herd.clients),
            herd,
        }
    }

    fn play(mut self) -> Outcome {
        let mut now = LOSS;
        let mut accepted = Vec::new();
        while now <= self.end && !self.outcome.is_over() {
            while let Some(Reverse((_, client, turn))) = self.next_turn(now) {
                self.turn(now, client, turn);
            }
            self.server.work(&mut accepted);
            for dial in accepted.drain(..) {
                self.accept(now, dial);
            }
            let next = self.turns.peek().map_or(self.end + 1, |Reverse((at, ..))| *at);
            now = if self.server.is_idle() { next } else { now + 1 };
        }
        self.outcome
    }

    fn next_turn(&mut self, now: Millis) -> Option<Reverse<(Millis, u32, Turn)>> {
        self.turns.peek().is_some_and(|Reverse((at, ..))| *at <= now).then(|| self.turns.pop()).flatten()
    }

    fn turn(&mut self, now: Millis, index: u32, turn: Turn) {
        let Some(client) = &mut self.away[index as usize] else { return };
        let before = client.dial();
        match turn {
            Turn::Lost => client.lost(now),
            // A deadline that has moved left its old turn behind.
            Turn::Tick if client.deadline().is_some_and(|due| due <= now) => client.tick(now),
            Turn::Tick => return,
        }
        if let Some(dial) = client.dial()
            && before != Some(dial)
        {
            self.outcome.dialed(now - LOSS);
            match self.server.receive(now, (index, dial)) {
                Reception::Nobody if self.herd.refusal != Refusal::AcceptedThenDropped => {
                    client.failed(now, Failure::NothingListens);
                }
                Reception::Nobody | Reception::Refused => {
                    client.failed(now, Failure::Refused(self.herd.refusal));
                }
                Reception::Waits => {}
            }
        }
        if client.gave_up() {
            self.away[index as usize] = None;
            self.outcome.gave_up();
        } else if let Some(due) = client.deadline() {
            self.turns.push(Reverse((due.max(now), index, Turn::Tick)));
        }
    }

    /// A handshake is done, if its client still waits for it.
    fn accept(&mut self, now: Millis, (index, dial): Dial) {
        let place = &mut self.away[index as usize];
        if let Some(client) = place
            && client.dial() == Some(dial)
        {
            client.opened(now);
            *place = None;
            self.outcome.came_back(now - LOSS);
        }
    }
}
