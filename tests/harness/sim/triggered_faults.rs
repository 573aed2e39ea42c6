//! Draws faults that strike at a trigger, for a duration around one of the protocol's constants.

use super::action::{Action, Fate, Forgotten, Trigger, TriggerSource};
use super::net::Way;
use super::plan::Plan;
use super::schedule::{client, log};
use super::{Micros, SECOND};
use fastrand::Rng;

/// The grace of a member, what a server and a client wait before they ask, and for an answer.
const CONSTANTS: [Micros; 5] = [15 * SECOND, 25 * SECOND, 30 * SECOND, 10 * SECOND, 5 * SECOND];

/// A time from a fifth of a constant to somewhat more than it.
pub(super) fn around(rng: &mut Rng, plan: &Plan) -> Micros {
    let window = plan.server.dedupe_window;
    let constant = match rng.usize(..CONSTANTS.len() + 2) {
        0 => window,
        1 => window / 2,
        other => CONSTANTS[other - 2],
    };
    constant / 100 * rng.u64(20..=140)
}

/// The same for what does not end by itself when the faults stop.
pub(super) fn shortly(rng: &mut Rng, plan: &Plan) -> Micros {
    around(rng, plan).min(40 * SECOND)
}

/// A fault that waits for its moment.
pub(super) fn draw(rng: &mut Rng, plan: &Plan) -> Action {
    let moments = [
        Trigger::Ack,
        Trigger::Ack,
        Trigger::Nack,
        Trigger::Joined,
        Trigger::Joined,
        Trigger::History,
        Trigger::Replay,
        Trigger::Replay,
        Trigger::Asks,
        Trigger::Transmits,
        Trigger::Save,
        Trigger::Save,
        Trigger::Handover,
        Trigger::Handover,
    ];
    let client = client(rng, plan);
    let moment = moments[rng.usize(..moments.len())];
    let after = if rng.u8(..3) == 0 { rng.u64(..=3 * plan.latency.1) } else { 0 };
    let act = Box::new(strike(rng, plan, client));
    Action::Aimed { of: TriggerSource::Client(client), moment, after, act }
}

fn strike(rng: &mut Rng, plan: &Plan, client: usize) -> Action {
    match rng.u8(..22) {
        0 | 1 => Action::Cut { client, luck: rng.u64(..) },
        2 => Action::Vanish { client, up: true, down: rng.bool() },
        3 => Action::Vanish { client, up: false, down: true },
        4 => Action::Hold { client, way: Way::Up, time: shortly(rng, plan) },
        5 => Action::Hold { client, way: Way::Down, time: shortly(rng, plan) },
        6 | 7 => Action::Sleep { client, time: around(rng, plan), sockets_die: rng.bool() },
        8 => Action::Freeze { client, time: around(rng, plan) },
        9..=11 => {
            let down = if rng.bool() { around(rng, plan) } else { rng.u64(..SECOND) };
            Action::CrashClient { client, outputs: rng.u8(..6), down, power: rng.bool() }
        }
        12 | 13 => Action::NewEpoch { log: log(rng, plan) },
        14 => Action::Crop { log: log(rng, plan), count: rng.u64(1..5) },
        15 => Action::Trim { log: log(rng, plan), keep: rng.usize(..3) },
        16 => {
            let fate = [Fate::Kept, Fate::Lost, Fate::Cropped(2)][rng.usize(..3)];
            Action::CrashServer {
                down: shortly(rng, plan),
                fate,
                at_commit: rng.bool(),
                speaks_extended: None,
            }
        }
        17 => Action::FreezeServer { time: shortly(rng, plan) },
        18 => {
            let window = rng.u64(..6 * SECOND);
            Action::Handover {
                client,
                window,
                url: false,
                patience: rng.u64(window / 2..window + 20 * SECOND),
            }
        }
        19 => {
            let kinds = [Forgotten::Ack, Forgotten::Joined, Forgotten::History, Forgotten::Message];
            Action::Forget { client, what: kinds[rng.usize(..kinds.len())], count: rng.u8(1..4) }
        }
        20 => Action::Reconnect { client },
        _ => Action::CloseCode { client, code: [1001, 1011, 4010, 4012][rng.usize(..4)], new_token: false },
    }
}
