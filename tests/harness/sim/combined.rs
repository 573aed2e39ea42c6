//! Draws combinations of faults: several actions in a row, each at a trigger after the previous one. They have their own random stream,
//! so that the rest of a seed stays the same.

use super::action::{Action, Fate, FixedAnswer, Forgotten, LogOwner, Step, Trigger, TriggerSource};
use super::net::Way;
use super::plan::Plan;
use super::{Micros, SECOND};
use fastrand::Rng;
use rejoin::messages::Code;

/// Some of them in one of four seeds.
pub(super) fn draw(plan: &Plan, steps: &mut Vec<Step>) {
    let mut rng = Rng::with_seed(plan.chaos.rotate_left(29) ^ steps.len() as u64);
    if rng.u8(..3) > 0 {
        return;
    }
    for _ in 0..rng.usize(1..4) {
        let client = rng.usize(..plan.clients.len());
        let at = rng.u64(..plan.chaos);
        let mut add =
            |after: Micros, act: Action| steps.push(Step { at: (at + after).min(plan.chaos - 1), act });
        one(&mut rng, plan, client, &mut add);
    }
}

fn sends(client: usize, room: usize, count: u8, padding: u32, timeout: Option<Micros>) -> Action {
    Action::Send { client, room, count, padding, data: false, timeout }
}

/// A fault that strikes at a trigger of this client.
fn aimed(client: usize, moment: Trigger, after: Micros, act: Box<Action>) -> Action {
    Action::Aimed { of: TriggerSource::Client(client), moment, after, act }
}

fn one(rng: &mut Rng, plan: &Plan, client: usize, add: &mut impl FnMut(Micros, Action)) {
    let (room, other) = (rng.usize(..plan.rooms), rng.usize(..plan.clients.len()));
    let soon = |rng: &mut Rng| rng.u64(SECOND / 10..4 * SECOND);
    match rng.u8(..11) {
        // Acks are lost; before it is asked about the log begins anew.
        0 => {
            add(0, Action::Forget { client, what: Forgotten::Ack, count: 3 });
            add(SECOND / 100, sends(client, room, 3, 0, None));
            add(rng.u64(SECOND..24 * SECOND), Action::NewEpoch { log: LogOwner::Room(room) });
        }
        // Some sends of different sizes fly, and one of them is too large for something.
        1 => {
            let act = Box::new(Action::CloseCode { client, code: 1009, new_token: false });
            add(0, aimed(client, Trigger::Transmits, 1, act));
            for (n, padding) in [700, 30, 900, 5].into_iter().enumerate() {
                let timeout = rng.bool().then(|| rng.u64(2 * SECOND..9 * SECOND));
                add(1 + n as Micros, sends(client, room, 1, padding, timeout));
            }
            let (down, fate) = (rng.u64(SECOND..25 * SECOND), Fate::Kept);
            add(soon(rng), Action::CrashServer { down, fate, at_commit: false, speaks_extended: None });
        }
        // Hole behind hole, and nothing that fills them.
        2 => {
            add(0, Action::FixedAnswer { client, what: FixedAnswer::NoHistory, time: 20 * SECOND });
            add(0, Action::Forget { client, what: Forgotten::Alternate, count: 6 });
            add(SECOND / 100, sends(other, room, 12, 0, None));
        }
        // Refused for now, again and again, with an answer between.
        3 => {
            let code = [Code::RateLimited, Code::Overloaded, Code::Internal][rng.usize(..3)];
            for n in 0..3 {
                let time = rng.u64(SECOND / 2..9 * SECOND);
                add(
                    n * 12 * SECOND,
                    Action::FixedAnswer { client, what: FixedAnswer::NackInTurn(code), time },
                );
                let timeout = rng.bool().then(|| rng.u64(SECOND..6 * SECOND));
                add(n * 12 * SECOND + 1, sends(client, room, rng.u8(1..5), 0, timeout));
            }
        }
        // What waits is taken back.
        4 => {
            let what = FixedAnswer::Nack(Code::RateLimited, Some(7_000));
            add(0, Action::FixedAnswer { client, what, time: 6 * SECOND });
            add(1, sends(client, room, 4, 0, None));
            for back in 0..4 {
                add(rng.u64(SECOND / 2..3 * SECOND), Action::Cancel { client, back });
            }
        }
        // A log loses its end while it is shown to somebody, and goes on.
        5 => {
            let act = Box::new(Action::Crop { log: LogOwner::Room(room), count: rng.u64(1..4) });
            add(0, aimed(client, Trigger::Replay, 0, act));
            let act = Box::new(sends(other, room, rng.u8(1..4), 0, None));
            add(0, aimed(client, Trigger::Replay, rng.u64(1..SECOND / 20), act));
            add(1, Action::Cut { client, luck: 0 });
            add(2, sends(other, room, 9, 0, None));
        }
        // The server stands still for longer than it remembers lines.
        6 => {
            add(0, Action::CutAtAck { client });
            add(1, sends(client, room, 2, 0, None));
            let time = plan.server.dedupe_window / 100 * rng.u64(60..120);
            add(soon(rng), Action::FreezeServer { time: time.min(100 * SECOND) });
        }
        // Pages are refused for now, or do not come.
        7 => {
            let what = FixedAnswer::History(Code::RateLimited, Some(rng.u64(2_000..7_000)));
            add(0, Action::FixedAnswer { client, what, time: 4 * SECOND });
            add(0, Action::Forget { client, what: Forgotten::Alternate, count: 3 });
            add(SECOND / 100, sends(other, room, 6, 0, None));
        }
        8 => {
            add(0, Action::Forget { client, what: Forgotten::Message, count: 1 });
            add(SECOND / 100, sends(other, room, 1, 0, None));
            let act = Box::new(Action::Forget { client, what: Forgotten::History, count: 1 });
            add(SECOND / 50, aimed(client, Trigger::Asks, 0, act));
            add(SECOND, Action::Forget { client, what: Forgotten::History, count: 1 });
            add(SECOND + 1, sends(other, room, 1, 0, None));
        }
        // The end of a replay does not come.
        9 => {
            add(0, Action::Cut { client, luck: 0 });
            add(1, sends(other, room, 6, 0, None));
            let act = Box::new(Action::Forget { client, what: Forgotten::Message, count: 6 });
            add(2, aimed(client, Trigger::Replay, 0, act));
        }
        // Somebody takes too little of what is said.
        _ => {
            let time = rng.u64(6 * SECOND..14 * SECOND);
            add(
                0,
                if rng.bool() {
                    Action::Freeze { client, time }
                } else {
                    Action::Hold { client, way: Way::Down, time }
                },
            );
            add(SECOND / 10, sends(other, room, 30, 2_900, None));
            add(SECOND, sends(client, room, 30, 2_900, None));
        }
    }
}
