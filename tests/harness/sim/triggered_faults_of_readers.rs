//! Draws triggered faults of readers and of Socket.IO clients. They have their own random stream, so that the rest of a seed stays
//! the same.

use super::action::{Action, Fate, Step, Trigger, TriggerSource};
use super::plan::Plan;
use super::readers::ReaderAction;
use super::schedule::{Mix, log};
use super::socketio::SioAction;
use super::triggered_faults::{around, shortly};
use super::{Micros, SECOND};
use fastrand::Rng;
use rejoin::messages::Code;

const APART: u64 = 0x6265_7369_6465_2121;

/// What of a reader a fault can be aimed at.
const OF_READERS: [Trigger; 6] =
    [Trigger::Dials, Trigger::Opens, Trigger::Message, Trigger::Message, Trigger::Save, Trigger::Gap];

/// The same of a client that speaks Socket.IO.
const OF_SIOS: [Trigger; 14] = [
    Trigger::Dials,
    Trigger::Opens,
    Trigger::Opens,
    Trigger::Restored,
    Trigger::Restored,
    Trigger::Message,
    Trigger::Ack,
    Trigger::Nack,
    Trigger::Joined,
    Trigger::Asks,
    Trigger::Leaves,
    Trigger::Transmits,
    Trigger::Save,
    Trigger::Gap,
];

/// The aimed faults of a seed.
pub(super) fn acts(seed: u64, plan: &Plan, mix: Mix) -> Vec<Step> {
    let mut rng = Rng::with_seed(seed.rotate_left(41) ^ APART);
    let readers = (0..plan.readers.len()).map(TriggerSource::Reader);
    let all: Vec<TriggerSource> = readers.chain((0..plan.socketio.len()).map(TriggerSource::Sio)).collect();
    let most = match mix {
        Mix::Usual if rng.bool() => 6,
        Mix::Usual => 1,
        Mix::Aimed => 30,
    };
    let mut steps = Vec::new();
    for _ in 0..rng.usize(..most) * all.len() {
        let of = all[rng.usize(..all.len())];
        let moment = match of {
            TriggerSource::Sio(_) => OF_SIOS[rng.usize(..OF_SIOS.len())],
            _ => OF_READERS[rng.usize(..OF_READERS.len())],
        };
        let after = if rng.u8(..3) == 0 { rng.u64(..=3 * plan.latency.1) } else { 0 };
        let act = match of {
            _ if rng.u8(..4) == 0 => of_server(&mut rng, plan),
            TriggerSource::Sio(client) => Action::Sio { client, what: of_sio(&mut rng, plan) },
            TriggerSource::Reader(reader) | TriggerSource::Client(reader) => {
                Action::Reader { reader, what: of_reader(&mut rng, plan) }
            }
        };
        let act = Action::Aimed { of, moment, after, act: Box::new(act) };
        steps.push(Step { at: rng.u64(..plan.chaos), act });
    }
    for client in 0..plan.socketio.len() {
        if rng.u8(..6) == 0 {
            late_refusal(&mut rng, plan, client, &mut steps);
        }
    }
    if plan.nodes.is_none() && plan.clients[0].offers && rng.u8(..24) == 0 {
        first_contact(&mut rng, plan, &mut steps);
    }
    steps.retain(|step| step.at < plan.chaos);
    steps
}

/// A room's refusal comes when the room has counted as joined for long, and has been left.
fn late_refusal(rng: &mut Rng, plan: &Plan, client: usize, steps: &mut Vec<Step>) {
    let (begin, room) = (rng.u64(..plan.chaos), rng.usize(..plan.rooms));
    let mut add = |after: Micros, act: Action| steps.push(Step { at: begin + after, act });
    let hold =
        Action::Sio { client, what: SioAction::Hold { up: false, time: rng.u64(105..120) * SECOND / 10 } };
    let of = TriggerSource::Sio(client);
    add(0, Action::Sio { client, what: SioAction::RefuseJoin(Code::Overloaded) });
    add(0, Action::Sio { client, what: SioAction::Leave(room) });
    add(1, Action::Aimed { of, moment: Trigger::Asks, after: 0, act: Box::new(hold) });
    add(SECOND / 5, Action::Sio { client, what: SioAction::Join(room) });
    add(
        SECOND / 5 + 10 * SECOND + rng.u64(..SECOND / 2),
        Action::Sio { client, what: SioAction::Leave(room) },
    );
}

/// Somebody sends before it is known what the server speaks, is asked to move, and the new connection is refused.
fn first_contact(rng: &mut Rng, plan: &Plan, steps: &mut Vec<Step>) {
    let (client, room) = (0, rng.usize(..plan.rooms));
    let (window, patience) = (rng.u64(..SECOND), 20 * SECOND);
    let act = Box::new(Action::Handover { client, window, url: false, patience });
    let mut add = |at: Micros, act: Action| steps.push(Step { at, act });
    let (count, padding, data, timeout) = (rng.u8(1..4), 0, false, None);
    add(1, Action::Send { client, room, count, padding, data, timeout });
    let (of, moment) = (TriggerSource::Client(client), Trigger::Transmits);
    add(1, Action::Aimed { of, moment, after: rng.u64(..=plan.latency.1), act });
    add(rng.u64(2 * plan.latency.0..=4 * plan.latency.1), Action::Revoke { client });
}

fn of_server(rng: &mut Rng, plan: &Plan) -> Action {
    match rng.u8(..8) {
        0..=2 => Action::NewEpoch { log: log(rng, plan) },
        3 => Action::Crop { log: log(rng, plan), count: rng.u64(1..5) },
        4 => Action::Trim { log: log(rng, plan), keep: rng.usize(..3) },
        5 | 6 => {
            let fate = [Fate::Kept, Fate::Lost, Fate::Cropped(2)][rng.usize(..3)];
            Action::CrashServer {
                down: shortly(rng, plan),
                fate,
                at_commit: rng.bool(),
                speaks_extended: None,
            }
        }
        _ => Action::FreezeServer { time: shortly(rng, plan) },
    }
}

fn of_reader(rng: &mut Rng, plan: &Plan) -> ReaderAction {
    match rng.u8(..16) {
        0 | 1 => ReaderAction::Cut(rng.u64(..)),
        2 | 3 => ReaderAction::CutInEvent(rng.u64(..)),
        4 => ReaderAction::Vanish,
        5 => ReaderAction::Hold(shortly(rng, plan)),
        6 => ReaderAction::Busy(shortly(rng, plan)),
        7 => ReaderAction::Freeze(around(rng, plan)),
        8 => ReaderAction::Sleep(around(rng, plan), rng.bool()),
        9..=11 => ReaderAction::Crash(short(rng)),
        12 => ReaderAction::Reconnect,
        13 => ReaderAction::Close(short(rng)),
        14 => ReaderAction::End,
        _ => ReaderAction::StaleFrame,
    }
}

fn of_sio(rng: &mut Rng, plan: &Plan) -> SioAction {
    match rng.u8(..20) {
        0..=2 => SioAction::Cut { luck: rng.u64(..), unseen: rng.u8(..4) == 0 },
        3 => SioAction::Vanish { up: true, down: rng.bool() },
        4 => SioAction::Vanish { up: false, down: true },
        5 => SioAction::Hold { up: rng.bool(), time: shortly(rng, plan) },
        6 | 7 => SioAction::Freeze(around(rng, plan)),
        8 => SioAction::Sleep(around(rng, plan)),
        9..=12 => SioAction::Crash(short(rng)),
        13 => SioAction::Reconnect,
        14 => SioAction::Close(short(rng)),
        15 => SioAction::Forget,
        16 => SioAction::Leave(rng.usize(..plan.rooms)),
        17 => SioAction::Join(rng.usize(..plan.rooms)),
        18 => SioAction::End,
        _ => SioAction::NoAnswer(1),
    }
}

fn short(rng: &mut Rng) -> Micros {
    let longest = if rng.u8(..4) == 0 { 40 } else { 3 };
    rng.u64(..longest * SECOND)
}
