//! Draws the nodes of a seed, from a random stream of its own, so that the rest of the seed stays the same.

use super::action::NodeAction;
use crate::sim::action::{Action, Step};
use crate::sim::plan::{Fleet, Plan};
use crate::sim::{Micros, SECOND};
use fastrand::Rng;

/// What holds for the nodes of a seed for the whole of it.
#[derive(Debug, Clone)]
pub struct NodesPlan {
    /// How many there are.
    pub count: usize,
    /// From a node to the store, one way.
    pub latency: (Micros, Micros),
}

/// Makes a plan one of several nodes.
pub(in crate::sim) fn plan(seed: u64, plan: &mut Plan) {
    let mut rng = Rng::with_seed(seed.rotate_left(17) ^ 0x6e6f_6465_7321);
    let latency = match rng.u8(..3) {
        0 => (1, 2),
        1 => (100, SECOND / 1000),
        _ => (SECOND / 1000, SECOND / 20),
    };
    plan.nodes = Some(NodesPlan { count: rng.usize(2..=3), latency });
    // Whether there are enough of whom several nodes can be wrong about is decided by the number of clients.
    while plan.clients.len() < 2 {
        plan.clients.extend(plan.clients.first().cloned());
    }
    if plan.server.fleet == Fleet::Plain {
        plan.server.fleet = Fleet::Extended;
    }
    // Each node keeps its lines by itself, and the checker knows of one server.
    plan.server.lines = 200_000;
}

/// The faults of a seed's nodes.
pub(in crate::sim) fn acts(seed: u64, plan: &Plan) -> Vec<Step> {
    let Some(nodes) = &plan.nodes else { return Vec::new() };
    let mut rng = Rng::with_seed(seed.rotate_left(31) ^ 0x7374_6f72_6521);
    let share = rng.u8(15..80);
    let kinds: Vec<u8> = (0..KINDS).filter(|_| rng.u8(..100) < share).collect();
    let faults = rng.usize(1..=usize::try_from(plan.chaos / SECOND / 4).unwrap_or(2).max(2));
    let longest = longest(plan);
    let mut steps = Vec::new();
    for _ in 0..faults {
        let Some(kind) = rng.choice(&kinds) else { break };
        let what = one(&mut rng, *kind, nodes.count, longest);
        steps.push(Step { at: rng.u64(..plan.chaos), act: Action::Node(what) });
    }
    steps
}

/// Nothing waits for longer than this between a node and the store: what was asked before is given up, or it could be
/// carried out when the producer's window is over.
pub(in crate::sim) fn longest(plan: &Plan) -> Micros {
    (plan.server.dedupe_window / 4).min(30 * SECOND)
}

/// How many kinds there are.
const KINDS: u8 = 14;

fn one(rng: &mut Rng, kind: u8, count: usize, longest: Micros) -> NodeAction {
    let node = rng.usize(..count);
    let mut time = |most: Micros| rng.u64(SECOND / 100..most.min(longest));
    let (short, long) = (time(4 * SECOND), time(30 * SECOND));
    let few = rng.u8(1..4);
    match kind {
        0 => NodeAction::Slow { node, by: short / 2, time: long },
        1 => NodeAction::Stall { time: long },
        2 => NodeAction::Refuse { time: short },
        3 => NodeAction::Unknown { node, count: few },
        4 => NodeAction::Dropped { node, count: few },
        5 => NodeAction::Late { node, count: few, by: long },
        6 => NodeAction::Partition { node, time: long },
        7 => NodeAction::LoseNotices { node, count: few },
        8 => NodeAction::DoubleNotices { node, count: few, by: short },
        9 => NodeAction::LateNotices { node, count: few, by: short },
        10 => NodeAction::Failover { count: usize::from(few) },
        11 if rng.bool() => NodeAction::Emptied,
        12 => NodeAction::Interrupted { node },
        _ => NodeAction::DiesAtAppend { node, down: short },
    }
}
