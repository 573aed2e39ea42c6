//! Draws faults that strike at a moment of a reader or of a client that speaks Socket.IO, for a time around one of the
//! constants of the protocol. They are drawn apart, so that everything else of a seed stays what it is.

use super::act::{Act, Fate, Moment, Step, Who};
use super::aimed::{around, shortly};
use super::plan::Plan;
use super::readers::ReaderAct;
use super::schedule::{Mix, log};
use super::socketio::SioAct;
use super::{Micros, SECOND};
use fastrand::Rng;
use rejoin::messages::Code;

const APART: u64 = 0x6265_7369_6465_2121;

/// What of a reader a fault can be aimed at.
const OF_READERS: [Moment; 6] =
    [Moment::Dials, Moment::Opens, Moment::Message, Moment::Message, Moment::Save, Moment::Gap];

/// The same of a client that speaks Socket.IO.
const OF_SIOS: [Moment; 14] = [
    Moment::Dials,
    Moment::Opens,
    Moment::Opens,
    Moment::Restored,
    Moment::Restored,
    Moment::Message,
    Moment::Ack,
    Moment::Nack,
    Moment::Joined,
    Moment::Asks,
    Moment::Leaves,
    Moment::Transmits,
    Moment::Save,
    Moment::Gap,
];

/// The aimed faults of a seed.
pub(super) fn acts(seed: u64, plan: &Plan, mix: Mix) -> Vec<Step> {
    let mut rng = Rng::with_seed(seed.rotate_left(41) ^ APART);
    let readers = (0..plan.readers.len()).map(Who::Reader);
    let all: Vec<Who> = readers.chain((0..plan.socketio.len()).map(Who::Sio)).collect();
    let most = match mix {
        Mix::Usual if rng.bool() => 6,
        Mix::Usual => 1,
        Mix::Aimed => 30,
    };
    let mut steps = Vec::new();
    for _ in 0..rng.usize(..most) * all.len() {
        let of = all[rng.usize(..all.len())];
        let moment = match of {
            Who::Sio(_) => OF_SIOS[rng.usize(..OF_SIOS.len())],
            _ => OF_READERS[rng.usize(..OF_READERS.len())],
        };
        let after = if rng.u8(..3) == 0 { rng.u64(..=3 * plan.latency.1) } else { 0 };
        let act = match of {
            _ if rng.u8(..4) == 0 => of_server(&mut rng, plan),
            Who::Sio(client) => Act::Sio { client, what: of_sio(&mut rng, plan) },
            Who::Reader(reader) | Who::Client(reader) => {
                Act::Reader { reader, what: of_reader(&mut rng, plan) }
            }
        };
        let act = Act::Aimed { of, moment, after, act: Box::new(act) };
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
    let mut add = |after: Micros, act: Act| steps.push(Step { at: begin + after, act });
    let hold = Act::Sio { client, what: SioAct::Hold { up: false, time: rng.u64(105..120) * SECOND / 10 } };
    let of = Who::Sio(client);
    add(0, Act::Sio { client, what: SioAct::RefuseJoin(Code::Overloaded) });
    add(0, Act::Sio { client, what: SioAct::Leave(room) });
    add(1, Act::Aimed { of, moment: Moment::Asks, after: 0, act: Box::new(hold) });
    add(SECOND / 5, Act::Sio { client, what: SioAct::Join(room) });
    add(SECOND / 5 + 10 * SECOND + rng.u64(..SECOND / 2), Act::Sio { client, what: SioAct::Leave(room) });
}

/// Somebody sends before it is known what the server speaks, is asked to move, and the new connection is refused.
fn first_contact(rng: &mut Rng, plan: &Plan, steps: &mut Vec<Step>) {
    let (client, room) = (0, rng.usize(..plan.rooms));
    let (window, patience) = (rng.u64(..SECOND), 20 * SECOND);
    let act = Box::new(Act::Handover { client, window, url: false, patience });
    let mut add = |at: Micros, act: Act| steps.push(Step { at, act });
    let (count, padding, data, timeout) = (rng.u8(1..4), 0, false, None);
    add(1, Act::Send { client, room, count, padding, data, timeout });
    let (of, moment) = (Who::Client(client), Moment::Transmits);
    add(1, Act::Aimed { of, moment, after: rng.u64(..=plan.latency.1), act });
    add(rng.u64(2 * plan.latency.0..=4 * plan.latency.1), Act::Revoke { client });
}

fn of_server(rng: &mut Rng, plan: &Plan) -> Act {
    match rng.u8(..8) {
        0..=2 => Act::NewEpoch { log: log(rng, plan) },
        3 => Act::Crop { log: log(rng, plan), count: rng.u64(1..5) },
        4 => Act::Trim { log: log(rng, plan), keep: rng.usize(..3) },
        5 | 6 => {
            let fate = [Fate::Kept, Fate::Lost, Fate::Cropped(2)][rng.usize(..3)];
            Act::CrashServer { down: shortly(rng, plan), fate, at_commit: rng.bool(), speaks_extended: None }
        }
        _ => Act::FreezeServer { time: shortly(rng, plan) },
    }
}

fn of_reader(rng: &mut Rng, plan: &Plan) -> ReaderAct {
    match rng.u8(..16) {
        0 | 1 => ReaderAct::Cut(rng.u64(..)),
        2 | 3 => ReaderAct::CutInEvent(rng.u64(..)),
        4 => ReaderAct::Vanish,
        5 => ReaderAct::Hold(shortly(rng, plan)),
        6 => ReaderAct::Busy(shortly(rng, plan)),
        7 => ReaderAct::Freeze(around(rng, plan)),
        8 => ReaderAct::Sleep(around(rng, plan), rng.bool()),
        9..=11 => ReaderAct::Crash(short(rng)),
        12 => ReaderAct::Reconnect,
        13 => ReaderAct::Close(short(rng)),
        14 => ReaderAct::End,
        _ => ReaderAct::Stale,
    }
}

fn of_sio(rng: &mut Rng, plan: &Plan) -> SioAct {
    match rng.u8(..20) {
        0..=2 => SioAct::Cut { luck: rng.u64(..), unseen: rng.u8(..4) == 0 },
        3 => SioAct::Vanish { up: true, down: rng.bool() },
        4 => SioAct::Vanish { up: false, down: true },
        5 => SioAct::Hold { up: rng.bool(), time: shortly(rng, plan) },
        6 | 7 => SioAct::Freeze(around(rng, plan)),
        8 => SioAct::Sleep(around(rng, plan)),
        9..=12 => SioAct::Crash(short(rng)),
        13 => SioAct::Reconnect,
        14 => SioAct::Close(short(rng)),
        15 => SioAct::Forget,
        16 => SioAct::Leave(rng.usize(..plan.rooms)),
        17 => SioAct::Join(rng.usize(..plan.rooms)),
        18 => SioAct::End,
        _ => SioAct::NoAnswer(1),
    }
}

fn short(rng: &mut Rng) -> Micros {
    let longest = if rng.u8(..4) == 0 { 40 } else { 3 };
    rng.u64(..longest * SECOND)
}
