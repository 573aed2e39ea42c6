//! The counters of `/metrics`, by the Prometheus project's own library. No label names a room or a user.

#[cfg(feature = "cli")]
use crate::log;
use crate::process::Process;
use prometheus_client::encoding::prometheus_text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::atomic::Ordering;
#[cfg(feature = "redis")]
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A number that only grows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metric(Counter);

impl Metric {
    pub(crate) fn add(&self, count: u64) {
        self.0.inc_by(count);
    }

    pub(crate) fn one_more(&self) {
        self.0.inc();
    }
}

/// A number that grows and shrinks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Level(Gauge);

impl Level {
    pub(crate) fn one_more(&self) {
        self.0.inc();
    }

    pub(crate) fn one_less(&self) {
        self.0.dec();
    }

    pub(crate) fn set(&self, value: usize) {
        self.0.set(i64::try_from(value).unwrap_or(i64::MAX));
    }
}

/// Counts under a label.
type Labelled = Family<[(&'static str, &'static str); 1], Counter>;

pub(crate) struct Metrics {
    pub(crate) sockets: Level,
    pub(crate) lost_sessions: Level,
    pub(crate) lost_session_bytes: Level,
    pub(crate) upgrades: Metric,
    pub(crate) sessions: Metric,
    pub(crate) feeds: Metric,
    pub(crate) refreshes: Metric,
    pub(crate) signals_dropped: Metric,
    pub(crate) published: Metric,
    pub(crate) unauthorized: Metric,
    pub(crate) refused_busy: Metric,
    pub(crate) refused_origin: Metric,
    pub(crate) accept_failed: Metric,
    pub(crate) frames_in: Metric,
    pub(crate) frames_out: Metric,
    pub(crate) bytes_in: Metric,
    pub(crate) bytes_out: Metric,
    pub(crate) closed_slow: Metric,
    pub(crate) closed_violation: Metric,
    pub(crate) closed_by_rule: Metric,
    pub(crate) terminated_silent: Metric,
    pub(crate) cut_stuck: Metric,
    pub(crate) queues_dropped: Metric,
    pub(crate) panics: Metric,
    refused: Labelled,
    limited: Labelled,
    evicted: Metric,
    log_dropped: Metric,
    latency: Histogram,
    kept: SnapshotLevels,
    started: Instant,
    registry: Registry,
    #[cfg(feature = "redis")]
    store: Mutex<Registry>,
}

/// The levels that a [`Snapshot`] sets.
#[derive(Default)]
struct SnapshotLevels {
    rooms: Level,
    logs: Level,
    log_bytes: Level,
    lines: Level,
    queued_frames: Level,
    queued_bytes: Level,
    longest_queue: Level,
    memory_budget: Level,
    memory_used: Level,
    handshakes: Level,
    early_sessions: Level,
    ready: Level,
    uptime: Level,
}

/// What the hub and the send queues hold, in numbers.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct StoreStats {
    pub(crate) rooms: usize,
    pub(crate) logs: usize,
    pub(crate) bytes: usize,
    pub(crate) lines: usize,
    pub(crate) evicted: u64,
    pub(crate) queued_frames: usize,
    pub(crate) queued_bytes: usize,
    /// Bytes in the longest queue.
    pub(crate) longest_queue: usize,
}

/// What is looked up when somebody asks.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) store: StoreStats,
    /// Bytes; 0 without a budget.
    pub(crate) memory_budget: u64,
    pub(crate) memory_used: u64,
    pub(crate) handshakes: usize,
    pub(crate) early_sessions: usize,
    /// New connections are taken.
    pub(crate) is_ready: bool,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut all = Registry::default();
        all.register_collector(Box::new(Process));
        let registry = all.sub_registry_with_prefix("rejoin");
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "What runs", build);
        let (refused, limited) = (Labelled::default(), Labelled::default());
        registry.register(
            "limited",
            "What users and sessions were refused or closed for, by limit",
            limited.clone(),
        );
        registry.register("refused", "Who was not let in, by cause", refused.clone());
        // From a tenth of a millisecond to three seconds.
        let latency = Histogram::new(exponential_buckets(0.000_1, 2.0, 16));
        let what = "Time from reading frames until the last member's queue has what came of them";
        registry.register("delivery_seconds", what, latency.clone());
        let kept = SnapshotLevels::default();
        for (name, help, level) in [
            ("rooms", "Rooms with at least one member", &kept.rooms),
            ("logs", "Rooms and personal streams with a log", &kept.logs),
            ("log_bytes", "Bytes of messages kept, about", &kept.log_bytes),
            ("lines", "Lines of sends remembered", &kept.lines),
            ("queued_frames", "Frames that wait for a connection to take them", &kept.queued_frames),
            ("queued_bytes", "Bytes that wait for a connection to take them", &kept.queued_bytes),
            ("longest_queue_bytes", "Bytes in the longest of these queues", &kept.longest_queue),
            ("memory_budget_bytes", "What --memory-budget allows; 0 without one", &kept.memory_budget),
            ("memory_used_bytes", "What is used of the budget; 0 without one", &kept.memory_used),
            ("handshakes", "Connections that are no WebSocket, feed or waiting poll yet", &kept.handshakes),
            ("early_sessions", "Socket.IO sessions before their CONNECT", &kept.early_sessions),
            ("ready", "1 while new connections are taken", &kept.ready),
            ("uptime_seconds", "Time since the server's start", &kept.uptime),
        ] {
            registry.register(name, help, level.0.clone());
        }
        let mut level = |name: &str, help: &str| {
            let level = Level::default();
            registry.register(name, help, level.0.clone());
            level
        };
        let sockets = level("sockets", "Open WebSockets, feeds and Socket.IO sessions");
        let lost_sessions =
            level("socketio_lost_sessions", "Socket.IO sessions that were lost and can be recovered");
        let lost_session_bytes =
            level("socketio_lost_session_bytes", "Bytes of Socket.IO sessions that can be recovered, about");
        let mut total = |name: &str, help: &str| {
            let metric = Metric::default();
            registry.register(name, help, metric.0.clone());
            metric
        };
        Self {
            upgrades: total("upgrades", "Upgrades answered with 101"),
            sessions: total("socketio_sessions", "Socket.IO sessions begun"),
            feeds: total("feeds", "Feeds begun"),
            refreshes: total("refreshes", "Tokens shown on an open connection"),
            signals_dropped: total("signals_dropped", "Signals for which a queue had no room"),
            published: total("published", "Posts and notifications taken"),
            frames_in: total("frames_received", "Text frames received"),
            frames_out: total("frames_sent", "Frames handed to connections"),
            bytes_in: total("bytes_received", "Bytes of text frames received"),
            bytes_out: total("bytes_sent", "Bytes of frames handed to connections"),
            closed_slow: total("closed_slow", "Slow consumers closed with 4012"),
            closed_violation: total("closed_violation", "Connections closed for a frame that is not allowed"),
            closed_by_rule: total("closed_by_rule", "Connections closed by a rule of the hub or a drain"),
            terminated_silent: total("terminated_silent", "Connections cut because nothing was heard"),
            cut_stuck: total("cut_stuck", "Connections cut because their peer took nothing"),
            queues_dropped: total("queues_dropped", "Connections closed with 4012 because memory is short"),
            panics: total("panics", "Connections ended by a bug"),
            unauthorized: total(
                "unauthorized",
                "Upgrades closed with 4001, feeds refused with 401, Socket.IO CONNECTs refused",
            ),
            refused_busy: total("refused_busy", "Connections refused with 503"),
            refused_origin: total(
                "refused_origin",
                "Upgrades, feeds and Socket.IO requests refused by Origin",
            ),
            accept_failed: total("accept_failed", "Connections that could not be accepted"),
            sockets,
            lost_sessions,
            lost_session_bytes,
            log_dropped: total(
                "log_lines_dropped",
                "Lines of the log that were dropped, because whoever reads it does not keep up",
            ),
            evicted: total("rooms_evicted", "Rooms forgotten before their time, to make room for others"),
            refused,
            limited,
            latency,
            kept,
            started: Instant::now(),
            registry: all,
            #[cfg(feature = "redis")]
            store: Mutex::default(),
        }
    }
}

impl Metrics {
    /// Shows what a shared store counts, too: `register` adds it.
    #[cfg(feature = "redis")]
    pub(crate) fn watch_store(&self, register: impl FnOnce(&mut Registry)) {
        let mut all = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        register(all.sub_registry_with_prefix("rejoin_store"));
    }

    /// Frames were read this long ago, and whatever came of them is in the queues.
    pub(crate) fn delivered(&self, after: Duration) {
        self.latency.observe(after.as_secs_f64());
    }

    /// The Prometheus text format, version 0.0.4. `refused`, `limited`: counts by cause, and by limit.
    pub(crate) fn text(
        &self,
        now: &Snapshot,
        refused: impl Iterator<Item = (&'static str, u64)>,
        limited: impl Iterator<Item = (&'static str, u64)>,
    ) -> String {
        let (levels, kept) = (&self.kept, &now.store);
        let number = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        for (level, value) in [
            (&levels.rooms, kept.rooms),
            (&levels.logs, kept.logs),
            (&levels.log_bytes, kept.bytes),
            (&levels.lines, kept.lines),
            (&levels.queued_frames, kept.queued_frames),
            (&levels.queued_bytes, kept.queued_bytes),
            (&levels.longest_queue, kept.longest_queue),
            (&levels.memory_budget, number(now.memory_budget)),
            (&levels.memory_used, number(now.memory_used)),
            (&levels.handshakes, now.handshakes),
            (&levels.early_sessions, now.early_sessions),
            (&levels.ready, usize::from(now.is_ready)),
            (&levels.uptime, number(self.started.elapsed().as_secs())),
        ] {
            level.set(value);
        }
        for (cause, count) in refused {
            self.refused.get_or_create(&[("cause", cause)]).inner().store(count, Ordering::Relaxed);
        }
        for (limit, count) in limited {
            self.limited.get_or_create(&[("limit", limit)]).inner().store(count, Ordering::Relaxed);
        }
        self.evicted.0.inner().store(kept.evicted, Ordering::Relaxed);
        #[cfg(feature = "cli")]
        self.log_dropped.0.inner().store(log::dropped(), Ordering::Relaxed);
        let mut text = String::new();
        // Writing to a String does not fail.
        #[cfg(feature = "redis")]
        let _ =
            prometheus_text::encode(&mut text, &self.store.lock().unwrap_or_else(PoisonError::into_inner));
        let _ = prometheus_text::encode(&mut text, &self.registry);
        text
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("sockets", &self.sockets).finish_non_exhaustive()
    }
}
