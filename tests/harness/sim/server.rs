//! The simulated server: the real hub in a process that can freeze, die and restart with what its store kept.

use super::Micros;
use super::action::Fate;
use super::client::EPOCH;
use super::plan::{Fleet, ServerPlan};
use super::small_limits::SmallLimits;
use rejoin::machine::ClockReading;
use rejoin::{Id, Timestamp};
use rejoin_server::hub::{Hub, HubConfig, Store};
use std::time::Duration;

/// What the process is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Process {
    /// It serves.
    Up,
    /// It stands still until then; its sockets stay.
    Frozen(Micros),
    /// It is not there until then.
    Down(Micros),
}

/// A crash that has been decided.
#[derive(Debug, Clone, Copy)]
pub(super) struct Crash {
    /// For so long.
    pub(super) down: Micros,
    /// What becomes of the logs.
    pub(super) fate: Fate,
    /// What it speaks afterwards, if that changes.
    pub(super) speaks_extended: Option<bool>,
}

/// The server.
#[derive(Debug)]
pub(super) struct Server {
    /// The real hub.
    pub(super) hub: Hub,
    /// What its process is doing.
    pub(super) process: Process,
    /// It dies when its last connection is closed, or then.
    pub(super) draining_until: Option<Micros>,
    /// The time that a drain has, and when it last closed a plain connection.
    pub(super) drain_window: Micros,
    pub(super) drained_at: Micros,
    /// It dies with the next commit.
    pub(super) dies_at_commit: Option<Crash>,
    /// When the hub wants a tick.
    pub(super) due: Option<Micros>,
    /// When it last began to serve, or to serve again.
    pub(super) thawed: Micros,
    /// The first of its deadlines that it has missed while it stood still.
    pub(super) overdue: Micros,
    config: HubConfig,
    seed: u64,
}

impl Server {
    /// The first process. `node`: its name, if it is one of several.
    pub(super) fn new(plan: &ServerPlan, seed: u64, node: Option<Id>, limits: SmallLimits) -> Self {
        let mut config = HubConfig::default();
        config.extended = plan.fleet != Fleet::Plain;
        config.history = plan.history;
        config.dedupe_window = Duration::from_micros(plan.dedupe_window);
        config.in_flight = usize::try_from(plan.in_flight).unwrap_or(1);
        config.replay = usize::try_from(plan.replay).unwrap_or(1);
        config.replay_chunk = 8;
        config.rate = plan.rate;
        config.content_bytes = plan.content_bytes;
        config.frame_bytes = 16 << 10;
        config.producers = plan.lines;
        config.members_listed = plan.members_listed;
        config.heartbeat = Duration::from_micros(plan.heartbeat);
        config.reconnect_rate = plan.reconnect_rate;
        config.node = node;
        config.history_bytes = limits.history_bytes.unwrap_or(config.history_bytes);
        config.sockets_per_user = limits.sockets.unwrap_or(config.sockets_per_user);
        config.members_per_room = limits.members.unwrap_or(config.members_per_room);
        config.rooms_per_conn = limits.rooms.unwrap_or(config.rooms_per_conn);
        let hub = Hub::new(config.clone(), seed);
        Self {
            hub,
            process: Process::Up,
            draining_until: None,
            drain_window: 0,
            drained_at: Micros::MAX,
            dies_at_commit: None,
            due: None,
            thawed: 0,
            overdue: 0,
            config,
            seed,
        }
    }

    /// Whether the hub speaks the extended protocol to those who offer it.
    pub(super) fn speaks_extended(&self) -> bool {
        self.config.extended
    }

    /// Its clocks.
    pub(super) fn moment(now: Micros) -> ClockReading {
        let since_start = Duration::from_micros(now);
        ClockReading::new(Timestamp::new(since_start), EPOCH + since_start)
    }

    /// Looks up when the hub's deadline comes.
    pub(super) fn look_at_deadline(&mut self) {
        let deadline = self.hub.next_deadline().filter(|_| self.process == Process::Up);
        self.due = deadline.map(|deadline| {
            u64::try_from(deadline.since_start().as_nanos().div_ceil(1000)).unwrap_or(u64::MAX)
        });
    }

    /// Its name among several.
    pub(super) fn node(&self) -> Option<&Id> {
        self.config.node.as_ref()
    }

    /// The process dies until `back`; the next one finds what the store has kept, and has another name.
    pub(super) fn die(&mut self, back: Micros, crash: Crash) {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        if let Some(speaks_extended) = crash.speaks_extended {
            self.config.extended = speaks_extended;
        }
        if self.config.node.is_some() {
            // What it knew was a copy, and the next process has another name.
            self.config.node = Some(Id::from_bits(self.seed, 1));
            self.hub = Hub::new(self.config.clone(), self.seed);
            return self.is_down(back);
        }
        let next = Hub::new(self.config.clone(), self.seed);
        let mut store = std::mem::replace(&mut self.hub, next).into_store();
        match crash.fate {
            Fate::Kept => {}
            Fate::Lost => store = Store::new(),
            Fate::Cropped(count) => {
                let names: Vec<_> = store.rooms().map(|(name, _)| name.clone()).collect();
                for name in names {
                    store.truncate_newest(&name, usize::try_from(count).unwrap_or(0));
                }
            }
        }
        self.hub = Hub::with_store(self.config.clone(), self.seed, store);
        self.is_down(back);
    }

    fn is_down(&mut self, back: Micros) {
        self.process = Process::Down(back);
        (self.draining_until, self.drain_window) = (None, 0);
        self.dies_at_commit = None;
        self.due = None;
    }
}
