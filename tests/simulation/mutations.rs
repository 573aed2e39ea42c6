//! Proves the checker by mutation testing: deliberate mistakes in client and server, each of which it must find.

use harness::sim::{Mix, Setup};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// So many of a hundred mistakes show in the first seeds.
const MOST: usize = 95;
/// Seeds in which the rest have to show.
const PATIENCE: u64 = 20_000;

/// Mistakes that show late, each with a seed in which it has shown: that one is tried before all others, which halves the
/// time of the run. A line that is wrong or missing costs time only. `REJOIN_LATE_MISTAKES=FILE` looks without them and
/// writes them anew.
const LATE_MISTAKES: &str = include_str!("late_mistakes.txt");
const WRITE_LATE: &str = "REJOIN_LATE_MISTAKES";
/// What shows later than in this seed is one of them.
const LATE: u64 = 50;

/// Mistakes that are not surely found within those seeds, and why. They are looked for in a long run only, and whatever a
/// check finds leaves this list.
const UNSEEN: &[(&str, &str)] = &[
    ("WrongKept", "needs two wrong answers five minutes apart on one client, with a connection between them"),
    ("ResentCertain", "needs an epoch to end in the seconds between a question and the second transmission"),
    ("RewindForgotten", "needs a log that loses its end within one part of a replay"),
    ("RepeatAgesLine", "needs a line whose only use for half a window is a repetition"),
    (
        "GapGoesBackTooLittle",
        "the server says again what it misses, and the send before goes with the next refusal",
    ),
    ("PutBackLast", "needs a first contact that is refused while others wait behind it"),
    ("HistoryOfOtherLife", "needs an epoch to end while a page of it is on its way"),
    ("AnswersShift", "needs a final refusal whose answer is lost, with the line going on"),
    ("NamespacesStayOpen", "seen in one seed of many thousands: a test of the manager holds it"),
    ("MomentUnnoticed", "every client of the world can ping: a test of the session holds it"),
    ("RoomUnnoticed", "costs ten seconds: then the place that stands still is noticed by itself"),
    ("OwnWaitsForMessages", "costs time only: when an own frame goes is not judged"),
    ("KeptBackwards", "the order of kept frames is not judged"),
    ("LimitCountsLeft", "needs as many rooms as may be, one of them left on the same connection"),
    ("WindowToldOnce", "needs many more clients than there are in a world"),
    ("UnreadableUntold", "that an event was too large is not judged"),
    ("SioRefusalUntold", "what is told of a Socket.IO room that is refused for now is not judged"),
    (
        "JoinSharesEarlierRead",
        "not found in 2,000 seeds: the notices that follow repair what the read lacked",
    ),
    ("EarlyNoticeLost", "costs ten seconds at most: the next comparison of heads finds what is missing"),
    ("InterruptionIgnored", "costs ten seconds at most: the next comparison of heads finds what was lost"),
    ("HeadIgnored", "needs a lost notice that no other one follows until the run ends"),
    ("HoleUnfilled", "costs ten seconds at most: the next comparison of heads finds the hole"),
    (
        "ForkUnnoticed",
        "not found in 2,000 seeds: the store begins another life when it is told what a node has",
    ),
    (
        "RefusalUnremembered",
        "needs a refusal of a send that was carried out before and whose answer was lost",
    ),
    ("SignalKept", "whether a signal reaches everybody is not judged"),
    (
        "FeedAnnouncedKept",
        "needs a stream that ends between a hole and what follows it, and a loss on the next that nobody names",
    ),
    (
        "RefusalOfNewForOld",
        "needs a first contact, a move and a refused token at once: the aimed mix has that (seed 7383)",
    ),
    (
        "LeftStillWaits",
        "needs a room that is left while it is to be joined again: the aimed mix has that (seed 54475)",
    ),
    (
        "FirstRefusalFinal",
        "whether another send could overtake the one that was refused is not judged here, but in a test of the session",
    ),
    (
        "RecentOutlivesEpoch",
        "a log that began anew is taken from its first message, which replaces each place before it is compared",
    ),
    (
        "UsageUnreported",
        "no user of a world comes near a limit: tests of the hub hold what is used on other nodes",
    ),
    ("RemoteConnectionsUncounted", "no user of a world has as many connections"),
    ("RemoteUsageUncounted", "the servers of a world with several nodes have no rate"),
    ("HoldsBackUnnoticed", "needs three rooms, two of them silent: in a test of the session"),
    (
        "OldClosedLate",
        "needs the last room that is waited for to be left in a move: in a test of the session",
    ),
    (
        "SentSinceFailsLate",
        "the last send before a leave has to go while the join is awaited: in a test of the session",
    ),
    ("FetchOutlivesLoss", "costs ten seconds at most: then the page counts as one that does not come"),
    (
        "NamespacesOversleep",
        "needs a sleep during an outage that ends as another namespace hears something: the aimed mix has that (seed 739771)",
    ),
    (
        "LostNoticeKept",
        "needs a late answer of a store that has lost what it tells of: in a test of the hub (nodes seed 237717)",
    ),
    (
        "UnsureBelieves",
        "needs a lost end of a log, and a read of it that fails just then: in a test of the hub (nodes seed 438245)",
    ),
    ("SioRecoveredTwice", "the server of this world keeps the newest place of a session, and no older one"),
];

fn is_unseen(name: &str) -> bool {
    UNSEEN.iter().any(|(unseen, _)| *unseen == name)
}

/// A mistake and who makes it.
#[derive(Debug, Clone, Copy)]
enum Mistake {
    Client(rejoin::machine::Mutation),
    Server(rejoin_server::hub::Mutation),
    /// Made by a server of several nodes.
    Node(rejoin_server::hub::NodeMutation),
}

/// The first seed in which a mistake shows, and what it violates.
type Found = Option<(u64, String)>;

impl Mistake {
    fn all() -> Vec<Self> {
        let clients = rejoin::machine::Mutation::ALL.iter().copied().map(Self::Client);
        let servers = rejoin_server::hub::Mutation::ALL.iter().copied().map(Self::Server);
        let nodes = rejoin_server::hub::NodeMutation::ALL.iter().copied().map(Self::Node);
        clients.chain(servers).chain(nodes).collect()
    }

    fn first(self, seeds: &std::ops::Range<u64>) -> Found {
        let known = self.known_seed().filter(|seed| seeds.contains(seed));
        known.into_iter().chain(seeds.clone()).find_map(|seed| {
            let mut setup = match self {
                Self::Node(_) => Setup::of_nodes(seed, Mix::Usual),
                _ => Setup::of_seed(seed),
            };
            match self {
                Self::Client(bug) => setup.client_mutation = Some(bug),
                Self::Server(bug) => setup.server_mutation = Some(bug),
                Self::Node(bug) => setup.node_mutation = Some(bug),
            }
            Some((seed, setup.play().violations.into_iter().next()?))
        })
    }

    fn known_seed(self) -> Option<u64> {
        if std::env::var_os(WRITE_LATE).is_some() {
            return None;
        }
        let this = format!("{} {}", self.file(), self.name());
        let seed = LATE_MISTAKES.lines().find_map(|line| line.strip_suffix(&this))?;
        seed.trim_end().parse().ok()
    }

    fn name(self) -> String {
        match self {
            Self::Client(bug) => format!("{bug:?}"),
            Self::Server(bug) => format!("{bug:?}"),
            Self::Node(bug) => format!("{bug:?}"),
        }
    }

    fn file(self) -> &'static str {
        match self {
            Self::Client(bug) => bug.file(),
            Self::Server(bug) => bug.file(),
            Self::Node(bug) => bug.file(),
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Client(bug) => bug.text(),
            Self::Server(bug) => bug.text(),
            Self::Node(bug) => bug.text(),
        }
    }
}

/// Looks for those mistakes that are not found yet, on all cores.
fn look(mistakes: &[Mistake], found: &mut [Found], seeds: &std::ops::Range<u64>) {
    let missing: Vec<usize> = (0..mistakes.len()).filter(|index| found[*index].is_none()).collect();
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(index) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let first = mistakes[*index].first(seeds);
                    results.lock().unwrap().push((*index, first));
                }
            });
        }
    });
    for (index, first) in results.into_inner().unwrap() {
        found[index] = first;
    }
}

/// The lines of those that show late.
fn late(mistakes: &[Mistake], found: &[Found]) -> String {
    let mut lines = String::new();
    for (mistake, first) in mistakes.iter().zip(found) {
        if let Some((seed, _)) = first
            && *seed > LATE
        {
            lines += &format!("{seed} {} {}\n", mistake.file(), mistake.name());
        }
    }
    lines
}

#[test]
fn every_mistake_on_purpose_is_found() {
    let seeds = super::number("REJOIN_BUG_SEEDS").unwrap_or(2_000);
    let mut mistakes = Mistake::all();
    if let Ok(name) = std::env::var("REJOIN_BUG") {
        let is_named = |mistake: &Mistake| {
            name.split(',').any(|name| mistake.name() == name || mistake.file().contains(name))
        };
        mistakes.retain(is_named);
    } else if std::env::var_os("REJOIN_LONG").is_none() {
        mistakes.retain(|mistake| !is_unseen(&mistake.name()));
        for (name, why) in UNSEEN {
            println!("not looked for: {name}: {why}");
        }
    }
    let mut found = vec![None; mistakes.len()];
    look(&mistakes, &mut found, &(0..seeds));
    let at_once = found.iter().flatten().count();
    if super::number("REJOIN_BUG_SEEDS").is_none() {
        look(&mistakes, &mut found, &(seeds..PATIENCE));
    }
    println!("{:>6}  {:<24} {:<26} {:<70} it violates", "seeds", "file", "mistake", "what is wrong");
    for (mistake, first) in mistakes.iter().zip(&found) {
        let (seeds, violates) = match first {
            Some((seed, what)) => ((seed + 1).to_string(), what.chars().take(90).collect::<String>()),
            None => ("none".to_owned(), String::new()),
        };
        println!(
            "{seeds:>6}  {:<24} {:<26} {:<70} {violates}",
            mistake.file(),
            mistake.name(),
            mistake.text()
        );
    }
    if let Some(file) = std::env::var_os(WRITE_LATE) {
        std::fs::write(file, late(&mistakes, &found)).unwrap();
    }
    let missed: Vec<String> =
        mistakes.iter().zip(&found).filter(|(_, first)| first.is_none()).map(|(m, _)| m.name()).collect();
    let missed: Vec<String> = missed.into_iter().filter(|name| !is_unseen(name)).collect();
    println!("{} mistakes, {at_once} found in {seeds} seeds, {} not at all", mistakes.len(), missed.len());
    assert!(missed.is_empty(), "not found: {missed:?}");
    assert!(
        at_once * 100 >= mistakes.len() * MOST,
        "{at_once} found in {seeds} seeds, of {}",
        mistakes.len()
    );
}
