//! Draws the namespaces beside the first that a Socket.IO client has over its one connection: each a client of its own in the world,
//! with its own user, rooms, sends and session, but with the process and the connection of its carrier. Drawn apart and last: a
//! seed without them stays as it is.

use super::SioAction;
use super::draw::{SioPlan, SioTrigger, own, user};
use crate::sim::SECOND;
use crate::sim::action::{Action, Step, Trigger, TriggerSource};
use crate::sim::plan::Plan;
use fastrand::Rng;
use rejoin::messages::Code;

const APART: u64 = 0x6e61_6d65_7370_6163;

/// The clients in other namespaces, after all others.
pub(in crate::sim) fn carried(seed: u64, plan: &Plan) -> Vec<SioPlan> {
    let mut rng = Rng::with_seed(seed ^ APART);
    let mut all = Vec::new();
    for (carrier, main) in plan.socketio.iter().enumerate() {
        for _ in 0..[0, 0, 1, 1, 2][rng.usize(..5)] {
            all.push(SioPlan {
                carrier: Some(carrier),
                answers: rng.u8(..6) > 0,
                recovers: (rng.u8(..4) > 0).then(|| rng.u64(20 * SECOND..120 * SECOND)),
                missed_first: rng.bool(),
                personal: rng.bool(),
                // What another run would go on with is not kept of these.
                stores: false,
                ..main.clone()
            });
        }
    }
    all
}

/// What happens to them, beside what happens to their carriers.
pub(in crate::sim) fn carried_acts(seed: u64, plan: &Plan) -> Vec<Step> {
    let mut rng = Rng::with_seed(seed.rotate_left(37) ^ APART);
    let mut steps = Vec::new();
    for (client, carried) in plan.socketio.iter().enumerate().filter(|(_, one)| one.carrier.is_some()) {
        let most = (plan.chaos / SECOND / 2).clamp(6, 50) as usize;
        for _ in 0..rng.usize(3..most) {
            let what = match rng.u8(..6) {
                0..=2 => user(&mut rng, plan),
                3 if carried.own => own(&mut rng),
                _ => fault(&mut rng),
            };
            let act = Action::Sio { client, what };
            let at = rng.u64(..plan.chaos);
            if rng.u8(..4) > 0 {
                steps.push(Step { at, act });
                continue;
            }
            let moments = [
                Trigger::Opens,
                Trigger::Restored,
                Trigger::Message,
                Trigger::Ack,
                Trigger::Joined,
                Trigger::Asks,
            ];
            let (of, moment) = (TriggerSource::Sio(client), moments[rng.usize(..moments.len())]);
            let after = if rng.bool() { rng.u64(..=2 * plan.latency.1) } else { 0 };
            steps.push(Step { at, act: Action::Aimed { of, moment, after, act: Box::new(act) } });
        }
    }
    steps
}

fn fault(rng: &mut Rng) -> SioAction {
    let moment = [SioTrigger::Ack, SioTrigger::Message, SioTrigger::Consent][rng.usize(..3)];
    let longest = if rng.bool() { SECOND / 4 } else { 20 * SECOND };
    match rng.u8(..12) {
        0..=2 => SioAction::Close(rng.u64(..longest)),
        3 | 4 => SioAction::Reconnect,
        5 => SioAction::Dismiss,
        6 => SioAction::CutAt(moment, rng.u64(..)),
        7 => SioAction::RefuseJoin([Code::RateLimited, Code::Overloaded][rng.usize(..2)]),
        8 => SioAction::NoAnswer(rng.u8(1..4)),
        9 => SioAction::Revoke,
        10 => SioAction::Forget,
        _ => SioAction::Ask,
    }
}
