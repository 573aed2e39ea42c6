//! All the ways in which many seeds fail, each with its first seeds.

use harness::sim::Setup;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

#[test]
#[ignore = "for a developer who wants to know more than the first failure"]
fn survey() {
    let seeds = super::number("REJOIN_SEEDS").unwrap_or(2_000);
    let from = super::number("REJOIN_FROM").unwrap_or(0);
    let next = AtomicU64::new(from);
    let found: Mutex<BTreeMap<String, Vec<(u64, String)>>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + seeds {
                        return;
                    }
                    if let Some(first) = Setup::of_seed(seed).play().violations.first() {
                        let kind: String = first.chars().filter(|c| !c.is_ascii_digit()).take(40).collect();
                        let number = first.split(':').next().unwrap_or("");
                        found
                            .lock()
                            .unwrap()
                            .entry(format!("{number} {kind}"))
                            .or_default()
                            .push((seed, first.clone()));
                    }
                }
            });
        }
    });
    for (kind, mut seeds) in found.into_inner().unwrap() {
        seeds.sort();
        let first: Vec<u64> = seeds.iter().take(8).map(|(seed, _)| *seed).collect();
        println!(
            "{:>5} {kind} {first:?}\n        {}",
            seeds.len(),
            seeds[0].1.chars().take(300).collect::<String>()
        );
    }
}
