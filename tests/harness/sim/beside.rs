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

const APART: u64 = 0x6265_7369_6465_2121;

/// What of a reader a fault can be aimed at.
const OF_READERS: [Moment; 6] =
    [Moment::Dials, Moment::Opens, Moment::Message, Moment::Message, Moment::Save, Moment::Gap];

/// The same of a client that speaks Socket.IO.
const OF_SIOS: [Moment; 13] = [
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
    steps
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
