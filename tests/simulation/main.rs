//! Thousands of seeds of the simulated world (harness/sim). A failing seed is printed with its story and the
//! command that plays it again.
#![allow(clippy::panic, clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use harness::sim;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Prints the story of a seed and fails if it is a bad one.
fn replay(seed: u64) {
    let outcome = sim::run(seed, true);
    for line in &outcome.tail {
        println!("{line}");
    }
    println!("seed {seed}: {} happenings, trace {:016x}", outcome.happenings, outcome.hash);
    assert!(outcome.violations.is_empty(), "seed {seed}: {:#?}", outcome.violations);
}

#[test]
fn no_seed_violates_what_a_plain_connection_promises() {
    if let Some(seed) = number("REJOIN_SEED") {
        return replay(seed);
    }
    let seeds = number("REJOIN_SEEDS").unwrap_or(5_000);
    let start = Instant::now();
    let next = AtomicU64::new(0);
    let bad = AtomicU64::new(u64::MAX);
    let (happenings, messages) = (AtomicU64::new(0), AtomicUsize::new(0));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds || bad.load(Ordering::Relaxed) != u64::MAX {
                        return;
                    }
                    let outcome = sim::run(seed, false);
                    happenings.fetch_add(outcome.happenings, Ordering::Relaxed);
                    messages.fetch_add(outcome.messages, Ordering::Relaxed);
                    if !outcome.violations.is_empty() {
                        bad.fetch_min(seed, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let bad = bad.into_inner();
    if bad != u64::MAX {
        println!("seed {bad} is a bad one; play it again with: tests/run simulation --seed {bad}");
        replay(bad);
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{seeds} seeds in {seconds:.1} s: {:.0} seeds per second, {} happenings, {} messages",
        f64::from(u32::try_from(seeds).unwrap_or(u32::MAX)) / seconds,
        happenings.into_inner(),
        messages.into_inner()
    );
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 0..200 {
        let first = sim::run(seed, false);
        let second = sim::run(seed, false);
        assert_eq!(first.hash, second.hash, "seed {seed}");
    }
}
