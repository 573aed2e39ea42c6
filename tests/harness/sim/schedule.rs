//! Draws the schedule of a seed: which actions, and when. A random subset of the faults, each with its own weight.

use super::action::{Action, ByzantineFrame, Fate, FixedAnswer, Forgotten, LogOwner, StaleFrame, Step};
use super::combined;
use super::net::Way;
use super::own;
use super::plan::{Fleet, Plan};
use super::triggered_faults;
use super::{Micros, SECOND};
use fastrand::Rng;
use rejoin::Hint;
use rejoin::messages::Code;

/// A way to draw a fault of some kind.
type Draw = fn(&mut Rng, &Plan) -> Action;

const FAULTS: [Draw; 33] = [
    |rng, plan| Action::Remove { client: client(rng, plan), room: rng.usize(..plan.rooms) },
    |rng, plan| Action::Stray { client: client(rng, plan), room: rng.usize(..plan.rooms) },
    cut,
    cut,
    |rng, plan| Action::Vanish { client: client(rng, plan), up: true, down: rng.bool() },
    |rng, plan| Action::Vanish { client: client(rng, plan), up: false, down: true },
    |rng, plan| Action::Hold { client: client(rng, plan), way: Way::Up, time: rng.u64(..20 * SECOND) },
    |rng, plan| Action::Hold { client: client(rng, plan), way: Way::Down, time: rng.u64(..20 * SECOND) },
    close_code,
    |rng, plan| Action::Garbage { client: client(rng, plan), which: rng.usize(..100) },
    lie,
    forget,
    forget,
    |rng, plan| Action::CutAtAck { client: client(rng, plan) },
    |rng, _| Action::FreezeServer { time: rng.u64(SECOND / 10..60 * SECOND) },
    crash_server,
    crash_server,
    |rng, _| Action::DrainServer { window: rng.u64(..10 * SECOND) },
    handover,
    |rng, plan| Action::Crop { log: log(rng, plan), count: rng.u64(1..6) },
    |rng, plan| Action::Trim { log: log(rng, plan), keep: rng.usize(..5) },
    |rng, plan| Action::NewEpoch { log: log(rng, plan) },
    |rng, plan| Action::Notify { client: client(rng, plan), count: 1 },
    |rng, plan| Action::Notify { client: client(rng, plan), count: rng.u8(2..30) },
    stale,
    stubborn,
    |rng, plan| Action::OtherUser { client: client(rng, plan), down: rng.u64(..SECOND) },
    |rng, plan| Action::Revoke { client: client(rng, plan) },
    sleep,
    |rng, plan| Action::Freeze { client: client(rng, plan), time: rng.u64(SECOND / 10..90 * SECOND) },
    |rng, plan| Action::WallJump { client: client(rng, plan), millis: rng.i64(-3_600_000..=3_600_000) },
    hint,
    crash_client,
];

/// How much of what is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mix {
    /// Faults at random, and a few aimed ones in some seeds.
    Usual,
    /// Aimed faults at full rate in every seed.
    Aimed,
}

/// Draws the schedule of a seed.
pub(super) fn draw(rng: &mut Rng, plan: &Plan, mix: Mix) -> Vec<Step> {
    let share = rng.u8(8..70);
    let kinds: Vec<Draw> = FAULTS.into_iter().filter(|_| rng.u8(..100) < share).collect();
    let mut steps = Vec::new();
    let mut at_random = |rng: &mut Rng, act: Action| steps.push(Step { at: rng.u64(..plan.chaos), act });
    for _ in 0..rng.usize(5..120) {
        let act = user(rng, plan);
        at_random(rng, act);
    }
    let faults = rng.usize(1..=(plan.chaos / SECOND / 4).max(2) as usize);
    for _ in 0..faults {
        if let Some(kind) = rng.choice(&kinds) {
            let act = kind(rng, plan);
            at_random(rng, act);
        }
    }
    if rng.u8(..3) == 0 {
        for _ in 0..rng.usize(1..6) {
            let act = interference(rng, plan);
            at_random(rng, act);
        }
    }
    if rng.u8(..3) == 0 {
        for _ in 0..rng.usize(1..6) {
            let (time, pace) = (rng.u64(..30 * SECOND), rng.u64(..SECOND / 2));
            let act = Action::SlowApp { client: client(rng, plan), time, pace };
            at_random(rng, act);
        }
    }
    if rng.u8(..10) == 0 {
        // Somebody who does not like to wait.
        let (client, begin) = (client(rng, plan), rng.u64(..plan.chaos));
        for n in 0..12 {
            steps.push(Step { at: begin + n * 2 * SECOND, act: Action::Reconnect { client } });
        }
    }
    let mut at_random = |rng: &mut Rng, act: Action| steps.push(Step { at: rng.u64(..plan.chaos), act });
    if plan.server.content_bytes < 4000 {
        // Clients are told another limit and make sends that are refused for good.
        for _ in 0..12 {
            let (client, room) = (client(rng, plan), rng.usize(..plan.rooms));
            let count = rng.u8(1..4);
            at_random(rng, Action::Send { client, room, count, padding: 1100, data: false, timeout: None });
            at_random(rng, Action::Send { client, room, count, padding: 0, data: false, timeout: None });
        }
    }
    let most = match mix {
        Mix::Usual if rng.u8(..4) == 0 => 6,
        Mix::Usual => 1,
        Mix::Aimed => 60,
    };
    for _ in 0..rng.usize(..most) {
        let at = rng.u64(..plan.chaos);
        steps.push(Step { at, act: triggered_faults::draw(rng, plan) });
    }
    own::draw(plan, &mut steps);
    combined::draw(plan, &mut steps);
    steps.sort_by_key(|step| step.at);
    steps
}

pub(super) fn client(rng: &mut Rng, plan: &Plan) -> usize {
    rng.usize(..plan.clients.len())
}

/// Mostly a room's.
pub(super) fn log(rng: &mut Rng, plan: &Plan) -> LogOwner {
    match rng.u8(..6) {
        0 => LogOwner::Stream(client(rng, plan)),
        _ => LogOwner::Room(rng.usize(..plan.rooms)),
    }
}

fn stubborn(rng: &mut Rng, plan: &Plan) -> Action {
    let codes = [
        Code::UnknownProducer,
        Code::SequenceGap,
        Code::NotJoined,
        Code::RateLimited,
        Code::Overloaded,
        Code::Internal,
    ];
    let after = [None, Some(0), Some(1), Some(2_500), Some(7_000)][rng.usize(..5)];
    let later = codes[rng.usize(3..codes.len())];
    let what = match rng.u8(..12) {
        10 | 11 => FixedAnswer::NackInTurn(later),
        8 => FixedAnswer::Refuse(Code::Forbidden),
        0..=2 => FixedAnswer::Nack(codes[rng.usize(..codes.len())], after),
        3 | 9 => FixedAnswer::Join(later, after),
        4 => FixedAnswer::NoHistory,
        5 => FixedAnswer::OtherEpoch,
        6 => FixedAnswer::History(later, after),
        _ => FixedAnswer::Close([1001, 1011, 1012, 4002, 4010, 4013][rng.usize(..6)]),
    };
    Action::FixedAnswer { client: client(rng, plan), what, time: rng.u64(SECOND..60 * SECOND) }
}

fn stale(rng: &mut Rng, plan: &Plan) -> Action {
    use StaleFrame::{Closed, DialFailed, Flushed, Heard, Message, Opened, Pong};
    let kinds = [Opened, DialFailed, Pong, Heard, Message, Flushed, Closed];
    let what = kinds[rng.usize(..kinds.len())];
    Action::StaleFrame { client: client(rng, plan), what }
}

fn user(rng: &mut Rng, plan: &Plan) -> Action {
    let (client, room) = (client(rng, plan), rng.usize(..plan.rooms));
    let timeout = (rng.u8(..10) == 0).then(|| rng.u64(..10 * SECOND));
    let padding = if rng.u8(..16) == 0 { rng.u32(..3000) } else { 0 };
    let data = rng.u8(..8) == 0;
    match rng.u8(..24) {
        0 | 1 => Action::Join { client, room, history: None, own_position: rng.u8(..4) == 0 },
        2 => Action::Leave { client, room },
        3 => Action::Cancel { client, back: rng.u64(..5) },
        4 => Action::Send { client, room, count: rng.u8(2..25), padding, data, timeout },
        5 => Action::Signal { client, room, count: if rng.bool() { 1 } else { rng.u8(2..40) } },
        6 => Action::AskPresence { client, room },
        _ => Action::Send { client, room, count: 1, padding, data, timeout },
    }
}

/// What users do in anger.
fn interference(rng: &mut Rng, plan: &Plan) -> Action {
    let client = client(rng, plan);
    match rng.u8(..6) {
        0 => Action::Close { client },
        1 => Action::SetToken { client, good: rng.bool() },
        2 | 3 => Action::Connect { client },
        _ => Action::Reconnect { client },
    }
}

fn cut(rng: &mut Rng, plan: &Plan) -> Action {
    Action::Cut { client: client(rng, plan), luck: rng.u64(..) }
}

fn close_code(rng: &mut Rng, plan: &Plan) -> Action {
    let codes = [
        1000, 1001, 1001, 1002, 1005, 1008, 1009, 1009, 1011, 1012, 1013, 4000, 4001, 4002, 4003, 4008, 4010,
        4012, 4013, 4500,
    ];
    let code = codes[rng.usize(..codes.len())];
    Action::CloseCode { client: client(rng, plan), code, new_token: rng.bool() }
}

fn lie(rng: &mut Rng, plan: &Plan) -> Action {
    let lies = [
        ByzantineFrame::Again,
        ByzantineFrame::Again,
        ByzantineFrame::Hello,
        ByzantineFrame::Ack,
        ByzantineFrame::Nack,
        ByzantineFrame::Joined,
        ByzantineFrame::History,
        ByzantineFrame::Pong,
        ByzantineFrame::Expiring,
    ];
    Action::ByzantineFrame { client: client(rng, plan), lie: lies[rng.usize(..lies.len())] }
}

fn forget(rng: &mut Rng, plan: &Plan) -> Action {
    let kinds = [
        Forgotten::Message,
        Forgotten::Message,
        Forgotten::Joined,
        Forgotten::Ack,
        Forgotten::History,
        Forgotten::Any,
    ];
    let what = kinds[rng.usize(..kinds.len())];
    Action::Forget { client: client(rng, plan), what, count: rng.u8(1..4) }
}

fn fate(rng: &mut Rng) -> Fate {
    match rng.u8(..6) {
        0 => Fate::Lost,
        1 => Fate::Cropped(rng.u64(1..5)),
        _ => Fate::Kept,
    }
}

fn crash_server(rng: &mut Rng, plan: &Plan) -> Action {
    let deploys = matches!(plan.server.fleet, Fleet::Mixed(_)) && rng.u8(..4) == 0;
    let longest = if rng.u8(..4) == 0 { 40 } else { 4 };
    Action::CrashServer {
        down: rng.u64(SECOND / 10..longest * SECOND),
        fate: fate(rng),
        at_commit: rng.bool(),
        speaks_extended: deploys.then(|| rng.bool()),
    }
}

fn handover(rng: &mut Rng, plan: &Plan) -> Action {
    let window: Micros = rng.u64(..6 * SECOND);
    let patience = rng.u64(window / 2..window + 20 * SECOND);
    Action::Handover { client: client(rng, plan), window, url: rng.u8(..4) == 0, patience }
}

fn sleep(rng: &mut Rng, plan: &Plan) -> Action {
    let longest = if rng.u8(..4) == 0 { 7200 } else { 90 };
    let time = rng.u64(SECOND / 10..longest * SECOND);
    Action::Sleep { client: client(rng, plan), time, sockets_die: rng.u8(..10) < 6 }
}

fn hint(rng: &mut Rng, plan: &Plan) -> Action {
    let hint = [Hint::Online, Hint::Offline, Hint::NetworkChanged, Hint::Woke][rng.usize(..4)];
    Action::Hint { client: client(rng, plan), hint }
}

fn crash_client(rng: &mut Rng, plan: &Plan) -> Action {
    let longest = if rng.u8(..5) == 0 { 60 } else { 3 };
    let down = rng.u64(SECOND / 100..longest * SECOND);
    Action::CrashClient { client: client(rng, plan), outputs: rng.u8(..8), down, power: rng.u8(..4) == 0 }
}
