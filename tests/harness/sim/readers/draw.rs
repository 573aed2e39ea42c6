//! Draws the readers of a seed, and the acts on them, from a random stream of their own, so that the rest of the seed stays as
//! it is.

use crate::sim::action::{Action, Step};
use crate::sim::plan::Plan;
use crate::sim::{Micros, SECOND};
use fastrand::Rng;
use rejoin::Hint;

/// Readers take nothing from what a seed decides otherwise.
const APART: u64 = 0x7265_6164_6572_7321;

/// What holds for one reader.
#[derive(Debug, Clone)]
pub struct ReaderPlan {
    /// The room that it reads.
    pub room: usize,
    /// It begins with so many messages.
    pub history: Option<u64>,
    /// Its place outlives its process.
    pub stores: bool,
    /// Something between it and the server changes what the server says.
    pub tampered: bool,
    /// Its server numbers nothing: no event has an id.
    pub without_ids: bool,
    /// Its server names no holes.
    pub silent: bool,
}

/// What happens to what a server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tampering {
    /// The next event comes twice.
    Again,
    /// So many messages do not come.
    Drop(u8),
    /// The next message is damaged.
    Damage,
    /// An event of another make follows the next one.
    Weather,
    /// An event that is larger than is taken.
    Oversized,
    /// So many messages from before come again at the beginning of the next stream.
    Rewind(u8),
    /// A time to come back that nobody can keep.
    Retry,
}

/// What happens to a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReaderAction {
    /// Its stream is reset; it loses what lies beyond some byte.
    Cut(u64),
    /// Its stream is reset in the middle of the next event, which loses what lies beyond some byte of it.
    CutInEvent(u64),
    /// Bytes vanish: of what it is told, and that its end is closed.
    Vanish,
    /// What it is told stays where it is for a while.
    Hold(Micros),
    /// Its application takes nothing for a while.
    Busy(Micros),
    /// Its process stands still.
    Freeze(Micros),
    /// Its machine sleeps, and its sockets may not survive that.
    Sleep(Micros, bool),
    /// Its process dies, for so long.
    Crash(Micros),
    /// The platform hints at something.
    Hint(Hint),
    /// Its user wants a fresh stream.
    Reconnect,
    /// Its user ends it, and begins anew after a while.
    Close(Micros),
    /// Its server's proxy ends the answer.
    End,
    /// The token is no good any more.
    Revoke,
    /// What it is told is changed on the way.
    Tamper(Tampering),
    /// What an older stream says is told late.
    StaleFrame,
}

/// Who reads in this seed: nobody in half of them.
pub(in crate::sim) fn plans(seed: u64, rooms: usize) -> Vec<ReaderPlan> {
    let mut rng = Rng::with_seed(seed ^ APART);
    let count = [0, 1, 1, 2][rng.usize(..4)];
    let plan = |_| {
        let without_ids = rng.u8(..12) == 0;
        ReaderPlan {
            room: rng.usize(..rooms),
            history: (rng.u8(..3) == 0).then(|| rng.u64(1..20)),
            stores: rng.bool(),
            // What was dropped shows in the numbers alone.
            tampered: !without_ids && rng.u8(..3) == 0,
            without_ids,
            silent: !without_ids && rng.u8(..8) == 0,
        }
    };
    (0..count).map(plan).collect()
}

/// What happens to them.
pub(in crate::sim) fn acts(seed: u64, plan: &Plan) -> Vec<Step> {
    let mut rng = Rng::with_seed(seed.rotate_left(17) ^ APART);
    let mut steps = Vec::new();
    for (reader, own) in plan.readers.iter().enumerate() {
        let most = (plan.chaos / SECOND / 4).clamp(2, 24) as usize;
        for _ in 0..rng.usize(0..most) {
            let what = act(&mut rng, own);
            steps.push(Step { at: rng.u64(..plan.chaos), act: Action::Reader { reader, what } });
        }
    }
    steps
}

fn act(rng: &mut Rng, plan: &ReaderPlan) -> ReaderAction {
    if plan.tampered && rng.bool() {
        return ReaderAction::Tamper(match rng.u8(..12) {
            0..=2 => Tampering::Again,
            3..=5 => Tampering::Drop(rng.u8(1..4)),
            6 | 7 => Tampering::Damage,
            8 => Tampering::Weather,
            9 => Tampering::Oversized,
            10 => Tampering::Rewind(rng.u8(1..6)),
            _ => Tampering::Retry,
        });
    }
    let short = rng.u64(..20 * SECOND);
    match rng.u8(..24) {
        0..=3 => ReaderAction::Cut(rng.u64(..)),
        4..=6 => ReaderAction::CutInEvent(rng.u64(..)),
        7 | 8 => ReaderAction::Vanish,
        9 => ReaderAction::Hold(short),
        10..=12 => ReaderAction::Busy(if rng.u8(..4) == 0 { 5 * short } else { short }),
        13 => ReaderAction::Freeze(3 * short),
        14 => ReaderAction::Sleep(if rng.bool() { 3 * short } else { 60 * short }, rng.bool()),
        15 | 16 => ReaderAction::Crash(short / 4),
        17 => ReaderAction::Hint(
            [Hint::Online, Hint::Offline, Hint::NetworkChanged, Hint::Woke][rng.usize(..4)],
        ),
        18 => ReaderAction::Reconnect,
        19 => ReaderAction::Close(short),
        20 | 21 => ReaderAction::End,
        22 => ReaderAction::Revoke,
        _ => ReaderAction::StaleFrame,
    }
}
