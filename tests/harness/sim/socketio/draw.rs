//! Draws from a seed the plan of clients that speak Socket.IO.

use super::Blockade;
use crate::sim::action::{Action, Step};
use crate::sim::plan::{Fleet, Plan};
use crate::sim::{Micros, SECOND};
use fastrand::Rng;
use rejoin::Hint;
use rejoin::messages::Code;
use rejoin::socketio::Transports;

/// They take nothing from what a seed decides otherwise.
const APART: u64 = 0x736f_636b_6574_696f;
const TRANSPORTS: u64 = 0x7472_616e_7370_6f72;
const OWN: u64 = 0x6f77_6e73_6f63_6b73;

/// What holds for one of them and its server.
#[derive(Debug, Clone)]
pub struct SioPlan {
    /// It asks for answers.
    pub acks: bool,
    /// Its server calls the acks that it is given.
    pub answers: bool,
    /// Its server recovers sessions, for so long.
    pub recovers: Option<Micros>,
    /// What a recovered session has missed comes before the consent, and not after it.
    pub missed_first: bool,
    /// How often its server asks whether it is there, and how long the answer may take.
    pub ping: (Micros, Micros),
    /// Most bytes of a message that its server takes.
    pub max_payload: u64,
    /// It has a disk.
    pub stores: bool,
    /// It wants to know of notifications that it has missed.
    pub personal: bool,
    /// Sends its queue holds.
    pub outbox: usize,
    /// Events that it holds before the consent.
    pub held: usize,
    /// Its application has events of its own.
    pub own: bool,
    /// It answers those of the server's by itself.
    pub manual: bool,
    /// Some of its sends may come twice.
    pub idempotent: bool,
    /// The transports that it may use.
    pub transports: Transports,
    /// Something lets no WebSocket through for a while.
    pub blockade: Option<Blockade>,
    /// The client whose connection it has, in another namespace.
    pub carrier: Option<usize>,
}

/// When a fault strikes that is aimed at something its server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SioTrigger {
    /// The answer to a send or a join.
    Ack,
    /// A message.
    Message,
    /// The consent.
    Consent,
}

/// What happens to one of them.
#[allow(missing_docs, reason = "room, time and luck say what they are")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SioAction {
    /// Its user joins a room.
    Join(usize),
    /// Its user leaves a room.
    Leave(usize),
    /// Its user sends some messages.
    Send { room: usize, count: u8, padding: u32, data: bool, timeout: Option<Micros> },
    /// Its user takes one of the last sends back.
    Cancel(u64),
    /// Its connection is reset; each direction loses what lies beyond some packet. Its server may learn of it only by
    /// silence.
    Cut { luck: u64, unseen: bool },
    /// The same at the next thing of this kind that its server says.
    CutAt(SioTrigger, u64),
    /// Packets vanish.
    Vanish { up: bool, down: bool },
    /// Packets of one direction stay where they are for a while.
    Hold { up: bool, time: Micros },
    /// Its process stands still.
    Freeze(Micros),
    /// Its machine sleeps.
    Sleep(Micros),
    /// Its process dies, for so long.
    Crash(Micros),
    /// The platform hints at something.
    Hint(Hint),
    /// Its user wants a fresh connection.
    Reconnect,
    /// Its user ends it, and begins anew after a while.
    Close(Micros),
    /// Something for this user alone.
    Notify(u8),
    /// Its server forgets the sessions that were lost.
    Forget,
    /// Its server refuses the next join.
    RefuseJoin(Code),
    /// Its server does not answer so many events.
    NoAnswer(u8),
    /// The token is no good any more.
    Revoke,
    /// Its server says something that wants an answer.
    Ask,
    /// Its server throws it out.
    Dismiss,
    /// Its server's engine says that it is about to close.
    End,
    /// Its application says events of its own, which may want an answer.
    OwnSend { count: u8, padding: u16, asks: bool, timeout: Option<Micros> },
    /// The same of one that goes at once or never.
    OwnVolatile,
    /// Has each connection begin with an event.
    OwnKeep { key: u8 },
    /// Has none begin with it any more.
    OwnDrop { key: u8 },
    /// Its server says events of the application's own, which may want an answer.
    OwnEvent { count: u8, asks: bool },
    /// Its application answers one of them, maybe twice.
    OwnAnswer { luck: usize, again: bool },
}

/// Who speaks Socket.IO in this seed: nobody in two of three. Their servers speak the extended protocol with the hub, so
/// that there are none where a server forgets it.
pub(in crate::sim) fn plans(seed: u64, plan: &Plan, schedule: &[Step]) -> Vec<SioPlan> {
    let mut rng = Rng::with_seed(seed ^ APART);
    let forgets =
        schedule.iter().any(|step| matches!(step.act, Action::CrashServer { speaks_extended: Some(_), .. }));
    let count = [0, 0, 0, 0, 1, 2][rng.usize(..6)];
    if plan.server.fleet == Fleet::Plain || forgets {
        return Vec::new();
    }
    let slowest = 4 * plan.latency.1;
    let one = |_| SioPlan {
        acks: rng.u8(..5) > 0,
        answers: rng.u8(..6) > 0,
        recovers: (rng.u8(..4) > 0).then(|| rng.u64(20 * SECOND..120 * SECOND)),
        missed_first: rng.bool(),
        ping: (rng.u64(3 * SECOND..15 * SECOND), slowest.max(rng.u64(3 * SECOND..10 * SECOND))),
        max_payload: if rng.u8(..4) == 0 { 1100 } else { 1_000_000 },
        stores: rng.bool(),
        personal: rng.bool(),
        outbox: if rng.u8(..4) == 0 { rng.usize(1..6) } else { 1000 },
        held: if rng.u8(..6) == 0 { rng.usize(1..4) } else { 1024 },
        own: false,
        manual: false,
        idempotent: false,
        transports: Transports::Auto,
        blockade: None,
        carrier: None,
    };
    let mut plans: Vec<SioPlan> = (0..count).map(one).collect();
    let mut rng = Rng::with_seed(seed ^ OWN);
    for plan in &mut plans {
        // A small outbox is for messages alone: who is refused because it is full is counted there.
        (plan.own, plan.manual) = (plan.outbox >= 1000 && rng.u8(..3) > 0, rng.bool());
    }
    let mut rng = Rng::with_seed(seed ^ TRANSPORTS);
    for sio in &mut plans {
        sio.idempotent = sio.outbox >= 1000 && rng.u8(..3) > 0;
        sio.transports = match rng.u8(..6) {
            0 => Transports::WebSocket,
            1 => Transports::Polling,
            _ => Transports::Auto,
        };
        sio.blockade = rng.bool().then(|| Blockade::draw(&mut rng, plan.chaos));
    }
    plans
}

/// What happens to them.
pub(in crate::sim) fn acts(seed: u64, plan: &Plan) -> Vec<Step> {
    let mut rng = Rng::with_seed(seed.rotate_left(23) ^ APART);
    let mut steps = Vec::new();
    for client in 0..plan.socketio.len() {
        let most = (plan.chaos / SECOND / 2).clamp(6, 50) as usize;
        for _ in 0..rng.usize(3..most) {
            let what = if rng.u8(..5) < 3 { user(&mut rng, plan) } else { fault(&mut rng) };
            steps.push(Step { at: rng.u64(..plan.chaos), act: Action::Sio { client, what } });
        }
    }
    let mut rng = Rng::with_seed(seed.rotate_left(31) ^ TRANSPORTS);
    for client in 0..plan.socketio.len() {
        if rng.u8(..6) == 0 {
            let what = SioAction::Dismiss;
            steps.push(Step { at: rng.u64(..plan.chaos), act: Action::Sio { client, what } });
        }
    }
    let mut rng = Rng::with_seed(seed.rotate_left(29) ^ OWN);
    for (client, _) in plan.socketio.iter().enumerate().filter(|(_, own)| own.own) {
        for _ in 0..rng.usize(2..40) {
            let what = own(&mut rng);
            steps.push(Step { at: rng.u64(..plan.chaos), act: Action::Sio { client, what } });
        }
    }
    steps
}

pub(super) fn own(rng: &mut Rng) -> SioAction {
    let (asks, key) = (rng.bool(), rng.u8(..3));
    match rng.u8(..16) {
        0..=3 => SioAction::OwnSend {
            count: rng.u8(1..6),
            padding: if rng.u8(..6) == 0 { rng.u16(..1500) } else { 0 },
            asks,
            timeout: (rng.u8(..6) == 0).then(|| rng.u64(..20 * SECOND)),
        },
        4 => SioAction::OwnVolatile,
        5 | 6 => SioAction::OwnKeep { key },
        7 => SioAction::OwnDrop { key },
        8..=11 => SioAction::OwnEvent { count: if rng.u8(..12) == 0 { 255 } else { rng.u8(1..5) }, asks },
        _ => SioAction::OwnAnswer { luck: rng.usize(..8), again: rng.u8(..6) == 0 },
    }
}

pub(super) fn user(rng: &mut Rng, plan: &Plan) -> SioAction {
    let room = rng.usize(..plan.rooms);
    match rng.u8(..16) {
        0..=2 => SioAction::Join(room),
        3 => SioAction::Leave(room),
        4 => SioAction::Cancel(rng.u64(..3)),
        5 => SioAction::Notify(rng.u8(1..4)),
        _ => SioAction::Send {
            room,
            count: rng.u8(1..5),
            padding: if rng.u8(..8) == 0 { 1200 } else { 0 },
            data: rng.u8(..4) == 0,
            timeout: (rng.u8(..8) == 0).then(|| rng.u64(..20 * SECOND)),
        },
    }
}

fn fault(rng: &mut Rng) -> SioAction {
    let (short, luck) = (rng.u64(..20 * SECOND), rng.u64(..));
    let moment = [SioTrigger::Ack, SioTrigger::Message, SioTrigger::Consent][rng.usize(..3)];
    match rng.u8(..28) {
        0..=4 => SioAction::Cut { luck, unseen: rng.u8(..4) == 0 },
        5..=8 => SioAction::CutAt(moment, luck),
        9 => SioAction::Vanish { up: true, down: rng.bool() },
        10 => SioAction::Vanish { up: false, down: true },
        11 => SioAction::Hold { up: rng.bool(), time: short },
        12 => SioAction::Freeze(3 * short),
        13 => SioAction::Sleep(if rng.bool() { 3 * short } else { 40 * short }),
        14 | 15 => SioAction::Crash(short / 4),
        16 => {
            SioAction::Hint([Hint::Online, Hint::Offline, Hint::NetworkChanged, Hint::Woke][rng.usize(..4)])
        }
        17 => SioAction::Reconnect,
        18 => SioAction::Close(short),
        19 => SioAction::Forget,
        20 | 21 => SioAction::RefuseJoin([Code::RateLimited, Code::Overloaded][rng.usize(..2)]),
        22 | 23 => SioAction::NoAnswer(rng.u8(1..4)),
        24 => SioAction::Revoke,
        25 => SioAction::End,
        _ => SioAction::Ask,
    }
}
