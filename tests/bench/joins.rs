//! The cost of a join for the hub, and with it everybody who waits for its lock: with few rooms kept, and with as many as the
//! server keeps at most.

use super::{Tally, line};
use rejoin::machine::ClockReading;
use rejoin::{Name, Timestamp};
use rejoin_server::hub::{ConnId, Hub, HubConfig, Input};
use std::time::{Duration, Instant};

/// Rooms kept: a table with room for more, and a full one.
const FEW: usize = 1_000;
const FULL: usize = 100_000;

/// Rooms that one user of the filling makes.
const EACH: usize = 250;

const JOINS: usize = 10_000;

/// A hub on a clock of its own.
struct Bench {
    hub: Hub,
    now: Duration,
    conns: u64,
}

impl Bench {
    /// With so many rooms in which something was said and nobody is any more.
    fn holding(rooms: usize) -> Self {
        Self::with(rooms, false)
    }

    /// As [`Bench::holding`]; somebody `stays` in each room, or nobody.
    fn with(rooms: usize, stays: bool) -> Self {
        let mut config = HubConfig::default();
        config.rooms_per_user = FULL;
        config.rooms_per_conn = config.rooms_per_conn.max(EACH);
        let mut bench = Self { hub: Hub::new(config, 1), now: Duration::from_secs(1), conns: 0 };
        for user in 0..rooms.div_ceil(EACH) {
            let conn = bench.connect(&format!("maker-{user}"));
            for room in user * EACH..((user + 1) * EACH).min(rooms) {
                bench.frame(conn, &format!(r#"{{"type":"join_room","roomId":"kept-{room}"}}"#));
                let send = format!(r#"{{"type":"send_message","roomId":"kept-{room}","content":"hi"}}"#);
                bench.frame(conn, &send);
            }
            if !stays {
                bench.timed(Input::Disconnected { conn, clean: true });
            }
        }
        bench
    }

    fn connect(&mut self, user: &str) -> ConnId {
        self.conns += 1;
        let conn = ConnId(self.conns);
        self.timed(Input::Connected { conn, user: Name::from(user), extended: false, expires: None });
        conn
    }

    fn frame(&mut self, conn: ConnId, text: &str) -> f64 {
        self.timed(Input::Frame { conn, text })
    }

    /// Microseconds of one input and what comes of it.
    fn timed(&mut self, input: Input<'_>) -> f64 {
        let start = Instant::now();
        self.hub.handle(ClockReading::new(Timestamp::new(self.now), self.now), input);
        while self.hub.poll().is_some() {}
        start.elapsed().as_secs_f64() * 1e6
    }

    /// Lets time pass as a driver does; how long each tick takes.
    fn wait(&mut self, time: Duration) -> Tally {
        let end = self.now + time;
        let mut times = Vec::new();
        while let Some(at) = self.hub.next_deadline().filter(|at| at.since(Timestamp::ZERO) <= end) {
            self.now = self.now.max(at.since(Timestamp::ZERO));
            times.push(self.timed(Input::Tick));
        }
        self.now = end;
        Tally::of(times)
    }

    /// Asks for what `/metrics` asks the hub; how long each time takes.
    fn counts(&self) -> Tally {
        let once = || {
            let start = Instant::now();
            let store = self.hub.store();
            let counts = (self.hub.rooms(), store.room_count(), store.byte_len(), store.producer_count());
            std::hint::black_box((counts, store.evicted(), self.hub.refusal_counts()));
            start.elapsed().as_secs_f64() * 1e6
        };
        Tally::of((0..JOINS).map(|_| once()).collect())
    }

    /// Joins rooms that are not there yet and leaves them again; how long each join takes.
    fn joins(&mut self) -> Tally {
        let conn = self.connect("joiner");
        let mut times = Vec::with_capacity(JOINS);
        for room in 0..JOINS {
            times.push(self.frame(conn, &format!(r#"{{"type":"join_room","roomId":"new-{room}"}}"#)));
            self.frame(conn, &format!(r#"{{"type":"leave_room","roomId":"new-{room}"}}"#));
        }
        Tally::of(times)
    }
}

pub(crate) fn run() {
    let (mut few, mut full) = (Bench::holding(FEW), Bench::holding(FULL));
    // Beyond the dedupe window a silent room may be forgotten for another one, and is kept for a day otherwise.
    let sweeps = [&mut few, &mut full].map(|bench| bench.wait(Duration::from_secs(700)));
    let joins = [few.joins(), full.joins()];
    // Where nothing may be forgotten, the join is refused.
    let mut crowded = Bench::holding(FULL);
    let refused = crowded.joins();
    let micros = |figure: f64| format!("{figure:.1} us");
    let print = |what: &str, few: f64, full: f64| line(what, &micros(few), &micros(full), full / few, "");
    print("a join that makes a room, 1,000 rooms to 100,000, p50", joins[0].p50, joins[1].p50);
    print("the same, p99", joins[0].p99, joins[1].p99);
    print("a join refused for want of a place, to one of 1,000, p50", joins[0].p50, refused.p50);
    print("the same, p99", joins[0].p99, refused.p99);
    let counts = [FEW, FULL].map(|rooms| Bench::with(rooms, true).counts());
    print(
        "what /metrics asks for, somebody in each of 1,000 rooms to 100,000, p50",
        counts[0].p50,
        counts[1].p50,
    );
    print("the same, p99", counts[0].p99, counts[1].p99);
    print("a step of the sweep, 1,000 rooms to 100,000, p50", sweeps[0].p50, sweeps[1].p50);
}
