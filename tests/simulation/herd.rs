//! Everybody loses the server in the same moment (harness/herd): the figures that the delays are judged by (reconnecting.md, "Delay"), and
//! of others for comparison. `REJOIN_LONG`: with a million clients too.

use fastrand::Rng;
use harness::herd::{Herd, Millis, Policy, Refusal, Windows};
use std::time::Duration;

/// What is asked for: peak, T99 and attempts.
const BOUNDS: Bounds = Bounds { peak: 1.6, t99: 1.75, attempts: 3.0 };
/// Where a refusal costs as much as an accept, a queue that has filled up once takes longer to get going.
const DEAR: Bounds = Bounds { t99: 2.2, ..BOUNDS };

const OURS: Policy = Policy::Sessions(rejoin::backoff::Policy::Standard {
    base: Duration::from_secs(1),
    cap: Duration::from_secs(30),
});
const LEGACY: Policy = Policy::Sessions(rejoin::backoff::Policy::Legacy);
/// 1 s doubling to 5 s, each a half more or less, and the cap after that.
const FIVE_SECONDS: Policy = Policy::Formula(|failures, rng| {
    let step = 1000 << failures.min(10);
    rng.u64(step / 2..=step * 3 / 2).min(5000)
});
/// Full jitter to 30 s.
const FULL_JITTER: Policy = Policy::Formula(|failures, rng: &mut Rng| -> Millis {
    let step = 1000 << failures.min(10);
    rng.u64(0..=step.min(30_000))
});

#[derive(Debug, Clone, Copy)]
struct Bounds {
    peak: f64,
    t99: f64,
    attempts: f64,
}

/// The worst of some seeds.
#[derive(Debug, Clone, Copy)]
struct Figures {
    peak: f64,
    attempts: f64,
    /// `None`: there was a seed in which fewer than 99 of 100 came back in the time played.
    t99: Option<f64>,
    back: f64,
    lost: f64,
}

impl Figures {
    fn of(herd: &Herd, policy: &Policy, seeds: u64) -> Self {
        let best = Self { peak: 0.0, attempts: 0.0, t99: Some(0.0), back: 1.0, lost: 0.0 };
        (0..seeds).map(|seed| herd.play(seed, policy)).fold(best, |worst, outcome| Self {
            peak: worst.peak.max(outcome.peak(herd)),
            attempts: worst.attempts.max(outcome.attempts()),
            t99: worst.t99.zip(outcome.t99(herd)).map(|(worst, t99)| worst.max(t99)),
            back: worst.back.min(outcome.back()),
            lost: worst.lost.max(outcome.lost()),
        })
    }

    fn are_within(&self, bounds: Bounds) -> bool {
        self.peak <= bounds.peak
            && self.attempts <= bounds.attempts
            && self.t99.is_some_and(|t99| t99 <= bounds.t99)
    }

    fn row(&self, herd: &Herd, who: &str, seeds: u64) {
        let t99 = self.t99.map_or_else(
            || format!("never: {:.1} % back, {:.0} % gave up", self.back * 100.0, self.lost * 100.0),
            |t99| format!("{t99:.2}"),
        );
        println!(
            "{:>9} {:>6}/s {:>4} s {:>4.1}  {who:<42} {seeds:>2}  {:>6.2} {:>8.2}   {t99}",
            herd.clients,
            herd.capacity,
            herd.outage.as_secs(),
            herd.refusal_cost as f64 / 1000.0,
            self.peak,
            self.attempts,
        );
    }
}

fn titles() {
    println!("  clients  capacity   down  r   who{:<40}seeds   peak attempts   T99 ÷ ideal", "");
}

/// The herds of the table: 30 s without a server, a refusal costs 0.3 of an accept and says when to come back, as the
/// reference server does. With how many seeds ours is played.
fn sizes() -> Vec<(Herd, u64)> {
    let herd = |clients, capacity| Herd {
        clients,
        capacity,
        outage: Duration::from_secs(30),
        refusal_cost: 300,
        refusal: Refusal::RetryAfter(Duration::from_secs(5)),
        windows: Windows::Whole,
    };
    let mut sizes = vec![(herd(10_000, 500), 20), (herd(100_000, 2_000), 4)];
    if std::env::var_os("REJOIN_LONG").is_some() {
        sizes.push((herd(1_000_000, 10_000), 3));
    }
    sizes
}

fn assert_within(herd: &Herd, who: &str, seeds: u64, bounds: Bounds) {
    let figures = Figures::of(herd, &OURS, seeds);
    figures.row(herd, who, seeds);
    assert!(figures.are_within(bounds), "{figures:?} are beyond {bounds:?}: {herd:?}");
}

#[test]
fn a_herd_that_knows_its_window_comes_back_as_fast_as_the_server_can_take_it() {
    titles();
    for (herd, seeds) in sizes() {
        assert_within(&herd, "ours", seeds, BOUNDS);
        let few = (seeds / 4).max(1);
        let page = Herd { refusal: Refusal::Unexplained, ..herd };
        assert_within(&page, "ours, in a page: no Retry-After", few, BOUNDS);
        let grown = Herd { windows: Windows::Grown, ..herd };
        assert_within(&grown, "ours, grown from none and told again", few, BOUNDS);
        for seconds in [2, 10] {
            let shorter = Herd { outage: Duration::from_secs(seconds), ..herd };
            assert_within(&shorter, "ours", few, BOUNDS);
        }
    }
}

#[test]
fn a_herd_comes_back_even_if_a_refusal_is_as_dear_as_an_accept() {
    titles();
    for (herd, seeds) in sizes() {
        let few = (seeds / 2).max(1);
        for refusal in [herd.refusal, Refusal::Unexplained] {
            let dear = Herd { refusal_cost: 1000, refusal, ..herd };
            let who = if refusal == herd.refusal { "ours" } else { "ours, in a page: no Retry-After" };
            assert_within(&dear, who, few, DEAR);
        }
    }
}

/// That the bounds are there for a reason: nobody keeps them without the window.
#[test]
fn without_the_window_no_policy_keeps_the_bounds() {
    titles();
    for (herd, _) in sizes() {
        let plain = Herd { windows: Windows::Unknown, ..herd };
        let growing = Herd { windows: Windows::Growing, ..herd };
        for (herd, policy, who) in [
            (growing, &OURS, "ours, grown from none and not told again"),
            (plain, &OURS, "ours, no window: a plain server"),
            (plain, &FULL_JITTER, "full jitter, 1 s to 30 s"),
            (plain, &FIVE_SECONDS, "1 s to 5 s, jitter 0.5"),
            (plain, &LEGACY, "legacy"),
        ] {
            let figures = Figures::of(&herd, policy, 1);
            figures.row(&herd, who, 1);
            assert!(
                !figures.are_within(BOUNDS),
                "{who} keeps {BOUNDS:?}, so they prove nothing: {figures:?}"
            );
        }
    }
}

/// Where something in front of a dead server accepts every connection and drops it.
#[cfg(feature = "bugs")]
#[test]
fn a_backoff_that_open_resets_breaks_the_bounds_where_the_right_one_keeps_them() {
    titles();
    let (herd, _) = sizes()[0];
    let herd = Herd { refusal: Refusal::AcceptedThenDropped, ..herd };
    assert_within(&herd, "ours, accepted and dropped", 5, BOUNDS);
    let mistake = Policy::Mistaken(rejoin::machine::Mutation::ResetBackoffOnOpen);
    let figures = Figures::of(&herd, &mistake, 5);
    figures.row(&herd, "ours, reset by open", 5);
    assert!(!figures.are_within(BOUNDS), "{figures:?}");
}
