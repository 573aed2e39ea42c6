//! Draws faults that strike at a moment, for a time around one of the constants of the protocol.

use super::act::{Act, Fate, Forgotten, Moment, Who};
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
pub(super) fn draw(rng: &mut Rng, plan: &Plan) -> Act {
    let moments = [
        Moment::Ack,
        Moment::Ack,
        Moment::Nack,
        Moment::Joined,
        Moment::Joined,
        Moment::History,
        Moment::Replay,
        Moment::Replay,
        Moment::Asks,
        Moment::Transmits,
        Moment::Save,
        Moment::Save,
        Moment::Handover,
        Moment::Handover,
    ];
    let client = client(rng, plan);
    let moment = moments[rng.usize(..moments.len())];
    let after = if rng.u8(..3) == 0 { rng.u64(..=3 * plan.latency.1) } else { 0 };
    let act = Box::new(strike(rng, plan, client));
    Act::Aimed { of: Who::Client(client), moment, after, act }
}

fn strike(rng: &mut Rng, plan: &Plan, client: usize) -> Act {
    match rng.u8(..22) {
        0 | 1 => Act::Cut { client, luck: rng.u64(..) },
        2 => Act::Vanish { client, up: true, down: rng.bool() },
        3 => Act::Vanish { client, up: false, down: true },
        4 => Act::Hold { client, way: Way::Up, time: shortly(rng, plan) },
        5 => Act::Hold { client, way: Way::Down, time: shortly(rng, plan) },
        6 | 7 => Act::Sleep { client, time: around(rng, plan), sockets_die: rng.bool() },
        8 => Act::Freeze { client, time: around(rng, plan) },
        9..=11 => {
            let down = if rng.bool() { around(rng, plan) } else { rng.u64(..SECOND) };
            Act::CrashClient { client, outputs: rng.u8(..6), down, power: rng.bool() }
        }
        12 | 13 => Act::NewEpoch { log: log(rng, plan) },
        14 => Act::Crop { log: log(rng, plan), count: rng.u64(1..5) },
        15 => Act::Trim { log: log(rng, plan), keep: rng.usize(..3) },
        16 => {
            let fate = [Fate::Kept, Fate::Lost, Fate::Cropped(2)][rng.usize(..3)];
            Act::CrashServer { down: shortly(rng, plan), fate, at_commit: rng.bool(), speaks_extended: None }
        }
        17 => Act::FreezeServer { time: shortly(rng, plan) },
        18 => {
            let window = rng.u64(..6 * SECOND);
            Act::Handover { client, window, url: false, patience: rng.u64(window / 2..window + 20 * SECOND) }
        }
        19 => {
            let kinds = [Forgotten::Ack, Forgotten::Joined, Forgotten::History, Forgotten::Message];
            Act::Forget { client, what: kinds[rng.usize(..kinds.len())], count: rng.u8(1..4) }
        }
        20 => Act::Reconnect { client },
        _ => Act::CloseCode { client, code: [1001, 1011, 4010, 4012][rng.usize(..4)], new_token: false },
    }
}
