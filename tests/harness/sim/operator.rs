//! Draws what an operator and a backend do: users are disconnected and kept out for a while, and messages are posted. Drawn
//! apart: a seed without them stays as it is.

use super::action::{Action, Step, Trigger, TriggerSource};
use super::plan::Plan;
use super::{Micros, SECOND};
use fastrand::Rng;

const APART: u64 = 0x6f70_6572_6174_6f72;

/// Posts are written by nobody who has a connection: the number of their author.
pub(super) const POSTER: usize = 9_000;

/// Draws the acts of a seed.
pub(super) fn acts(seed: u64, plan: &Plan) -> Vec<Step> {
    let mut rng = Rng::with_seed(seed ^ APART);
    let mut steps = Vec::new();
    let mut add = |at: Micros, act: Action| steps.push(Step { at: at.min(plan.chaos - 1), act });
    // What is changed on the way to a reader is judged by what clients say.
    if rng.u8(..3) == 0 && plan.readers.is_empty() {
        for _ in 0..rng.usize(1..8) {
            let room = rng.usize(..plan.rooms);
            add(
                rng.u64(..plan.chaos),
                Action::Post { room, again: rng.u8(..3) == 0, keyed: rng.u8(..4) > 0 },
            );
        }
    }
    if rng.u8(..5) == 0 {
        // In the middle of what is shown to somebody.
        let (client, room) = (rng.usize(..plan.clients.len()), rng.usize(..plan.rooms));
        let act = Box::new(Action::Remove { client, room });
        let of = TriggerSource::Client(client);
        let at = rng.u64(..plan.chaos);
        add(at, Action::Aimed { of, moment: Trigger::Replay, after: 0, act });
        add(at + 1, Action::Cut { client, luck: 0 });
        let talker = rng.usize(..plan.clients.len());
        let talk = Action::Send { client: talker, room, count: 24, padding: 0, data: false, timeout: None };
        add(at + 2, talk);
    }
    if rng.u8(..10) == 0 {
        let (client, at) = (rng.usize(..plan.clients.len()), rng.u64(..plan.chaos));
        for n in 0..4 {
            add(at + n * SECOND / 2, Action::SetToken { client, good: false });
        }
        add(at + 20 * SECOND, Action::SetToken { client, good: true });
    }
    // A reader is kept out too, and is told so in other words.
    if rng.u8(..8) == 0 && plan.readers.is_empty() {
        let (client, at) = (rng.usize(..plan.clients.len()), rng.u64(..plan.chaos));
        let ban = if rng.bool() { rng.u64(..plan.chaos / 4) } else { 0 };
        add(at, Action::Kick { client, ban });
        for _ in 0..3 {
            add(at + rng.u64(SECOND / 10..2 * ban + 2 * SECOND), Action::Connect { client });
        }
    }
    steps
}
