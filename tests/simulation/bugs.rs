//! The checker's proof: mistakes on purpose, in the clients and in the server. Each must be found.

use harness::sim::Setup;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A mistake and who makes it.
#[derive(Debug, Clone, Copy)]
enum Mistake {
    Client(rejoin::Bug),
    Server(rejoin_server::hub::Bug),
}

impl Mistake {
    fn all() -> Vec<Self> {
        let clients = rejoin::Bug::ALL.into_iter().map(Self::Client);
        clients.chain(rejoin_server::hub::Bug::ALL.into_iter().map(Self::Server)).collect()
    }

    /// The first seed in which it shows, and what it violates.
    fn first(self, seeds: u64) -> Option<(u64, String)> {
        (0..seeds).find_map(|seed| {
            let mut setup = Setup::of_seed(seed);
            match self {
                Self::Client(bug) => setup.client_bug = Some(bug),
                Self::Server(bug) => setup.server_bug = Some(bug),
            }
            Some((seed, setup.play().violations.into_iter().next()?))
        })
    }
}

#[test]
fn every_mistake_on_purpose_is_found() {
    let seeds = super::number("REJOIN_BUG_SEEDS").unwrap_or(2_000);
    let mistakes = Mistake::all();
    let next = AtomicUsize::new(0);
    let found = std::sync::Mutex::new(vec![None; mistakes.len()]);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(mistake) = mistakes.get(index) else { return };
                    let first = mistake.first(seeds);
                    found.lock().unwrap()[index] = first;
                }
            });
        }
    });
    let found = found.into_inner().unwrap();
    for (mistake, first) in mistakes.iter().zip(&found) {
        match first {
            Some((seed, what)) => println!("{:>6}  {mistake:?}: {what}", seed + 1),
            None => println!("  none  {mistake:?}"),
        }
    }
    let missed: Vec<&Mistake> =
        mistakes.iter().zip(&found).filter(|(_, first)| first.is_none()).map(|(m, _)| m).collect();
    println!("{} mistakes, each found by the seed named", mistakes.len());
    assert!(missed.is_empty(), "not found in {seeds} seeds: {missed:?}");
    assert!(mistakes.len() >= 20);
}
