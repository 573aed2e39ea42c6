//! Several nodes on one modelled store (harness/sim/nodes): the same clients, the same network, the same checker.
//!
//! `REJOIN_NODES_SEEDS`: how many, 4,000 if it is not set. `REJOIN_NODES_SEED`: only this one, with its story; the other
//! names of the simulation mean the same here.

use super::{judged, number};
use harness::sim::Setup;

/// The setup of a seed with several nodes.
fn of_seed(seed: u64) -> Setup {
    Setup::of_nodes(seed, super::mix())
}

/// How to play a seed again.
fn again(seed: u64) -> String {
    format!("REJOIN_NODES_SEED={seed} tests/run simulation no_seed_with_several_nodes")
}

#[test]
fn no_seed_with_several_nodes_violates_what_the_protocol_promises() {
    let long = std::env::var_os("REJOIN_LONG").is_some();
    let seeds = number("REJOIN_NODES_SEEDS").unwrap_or(if long { 100_000 } else { 4_000 });
    let Some(result) = judged(of_seed, again, number("REJOIN_NODES_SEED"), seeds) else { return };
    result.report_amid(seeds);
    if seeds >= 4_000 {
        let missing = result.missing_amid();
        assert!(missing.is_empty(), "never reached in {seeds} seeds: {missing:#?}");
    }
}

#[test]
fn the_same_seed_with_several_nodes_gives_the_same_run() {
    for seed in 0..50 {
        let (first, second) = (Setup::of_nodes(seed, super::mix()), Setup::of_nodes(seed, super::mix()));
        assert_eq!(first.play().hash, second.play().hash, "seed {seed}");
    }
}
