//! Thousands of seeds of the simulated world (harness/sim). A failing seed is made short and printed with its story
//! and the command that plays it again.
//!
//! `REJOIN_SEEDS`: how many, 20,000 if it is not set. `REJOIN_SEED`: only this one, with its story.
//! `REJOIN_WHOLE`: the story of that one as it is, not made short.
//! `REJOIN_FIRST`: the first of them. `REJOIN_FAILURES`: go on until so many fail, and list them.
//! `REJOIN_LONG`: the mix with the aimed faults at full rate.
//! `REJOIN_HASHES`: where to write the hashes of the first seeds, so that two builds can be compared.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test"
)]
#![allow(clippy::cast_precision_loss, reason = "rates for a reader")]

mod cuts;
mod endings;
mod herd;
#[cfg(feature = "bugs")]
mod mutations;
mod nodes;
mod sweep;

use harness::sim::{Mix, Setup, shrink};
use std::fmt::Write as _;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// The mix that was asked for.
fn mix() -> Mix {
    let long = std::env::var_os("REJOIN_LONG").is_some();
    if long { Mix::Aimed } else { Mix::Usual }
}

/// The setup of a seed in that mix.
fn of_seed(seed: u64) -> Setup {
    Setup::of_mix(seed, mix())
}

/// How to play a seed again.
fn again(seed: u64) -> String {
    let long = if std::env::var_os("REJOIN_LONG").is_some() { " --long" } else { "" };
    format!("tests/run simulation{long} --seed {seed}")
}

/// Prints the story of a run.
fn tell(setup: &Setup) {
    let outcome = setup.play_readable();
    for line in &outcome.lines {
        println!("{line}");
    }
    println!("{} happenings, trace {:016x}", outcome.happenings, outcome.hash);
    println!("violated: {:#?}", outcome.violations);
}

/// Prints the story of the shortest run that fails as this one does, and fails.
fn fail(setup: &Setup, again: &str) -> ! {
    let outcome = setup.play();
    let short = shrink(setup);
    tell(&short);
    println!("the schedule, {} of {} acts:", short.schedule.len(), setup.schedule.len());
    for step in &short.schedule {
        println!("  {:>12} {:?}", step.at, step.act);
    }
    println!("play the whole run again with: {again}");
    panic!("{:#?}", outcome.violations);
}

/// Plays seeds and fails with the story of the first that violates something. With `only`, plays that one and tells its story.
fn judged(
    of_seed: fn(u64) -> Setup,
    again: fn(u64) -> String,
    only: Option<u64>,
    seeds: u64,
) -> Option<sweep::Sweep> {
    if let Some(seed) = only {
        let setup = of_seed(seed);
        if std::env::var_os("REJOIN_WHOLE").is_some() || setup.play().violations.is_empty() {
            tell(&setup);
        } else {
            fail(&setup, &again(seed));
        }
        return None;
    }
    let first = number("REJOIN_FIRST").unwrap_or(0);
    let failures = number("REJOIN_FAILURES").map_or(1, |most| usize::try_from(most).unwrap_or(1));
    let result = sweep::play(of_seed, first, seeds, failures);
    for (seed, violated) in result.bad.iter().filter(|_| failures > 1) {
        println!("{seed:>8}  {}", violated.chars().take(300).collect::<String>());
    }
    if let Some(seed) = result.bad.keys().next() {
        fail(&of_seed(*seed), &again(*seed));
    }
    Some(result)
}

#[test]
fn no_seed_violates_what_the_protocol_promises() {
    let seeds = number("REJOIN_SEEDS").unwrap_or(20_000);
    let Some(result) = judged(of_seed, again, number("REJOIN_SEED"), seeds) else { return };
    result.report(seeds);
    assert!(result.moves_are_spread(), "clients do not move at a random moment");
    assert!(result.waits_are_spread(), "clients do not wait for a random time");
    if seeds >= 20_000 {
        let missing = result.missing();
        assert!(missing.is_empty(), "never reached in {seeds} seeds: {missing:#?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let mut hashes = String::new();
    for seed in 0..200 {
        let first = Setup::of_seed(seed).play().hash;
        let second = Setup::of_seed(seed).play().hash;
        assert_eq!(first, second, "seed {seed}");
        let _ = writeln!(hashes, "{seed} {first:016x}");
    }
    if let Some(path) = std::env::var_os("REJOIN_HASHES") {
        std::fs::write(path, hashes).unwrap();
    }
}
