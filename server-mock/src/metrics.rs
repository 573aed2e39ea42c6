//! Counters for `/metrics`: plain atomics, no labels that name a room or a user.

use crate::gate::Gate;
use crate::switchboard::Kept;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

/// One number. Relaxed ordering: nothing is decided by it.
#[derive(Debug, Default)]
pub(crate) struct Metric(AtomicU64);

impl Metric {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn one_more(&self) {
        self.add(1);
    }

    pub(crate) fn one_less(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) sockets: Metric,
    pub(crate) upgrades: Metric,
    pub(crate) sessions: Metric,
    pub(crate) feeds: Metric,
    pub(crate) refreshes: Metric,
    pub(crate) signals_dropped: Metric,
    pub(crate) published: Metric,
    pub(crate) unauthorized: Metric,
    pub(crate) refused_busy: Metric,
    pub(crate) refused_origin: Metric,
    pub(crate) frames_in: Metric,
    pub(crate) frames_out: Metric,
    pub(crate) closed_slow: Metric,
    pub(crate) closed_violation: Metric,
    pub(crate) closed_by_rule: Metric,
    pub(crate) terminated_silent: Metric,
    pub(crate) panics: Metric,
}

impl Metrics {
    /// The Prometheus text format, version 0.0.4.
    pub(crate) fn text(&self, kept: Kept, gate: &Gate, ready: bool) -> String {
        let mut text = String::new();
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        for (name, kind, help, value) in [
            ("sockets", "gauge", "Open WebSockets, feeds and Socket.IO sessions.", self.sockets.get()),
            ("rooms", "gauge", "Rooms with at least one member.", number(kept.rooms)),
            (
                "handshakes",
                "gauge",
                "Connections that are no WebSocket, feed or waiting poll yet.",
                number(gate.handshakes.count()),
            ),
            (
                "early_sessions",
                "gauge",
                "Socket.IO sessions before their CONNECT.",
                number(gate.sessions.count()),
            ),
            ("logs", "gauge", "Rooms and personal streams with a log.", number(kept.logs)),
            ("log_bytes", "gauge", "Bytes of messages kept, about.", number(kept.bytes)),
            ("lines", "gauge", "Lines of sends remembered.", number(kept.lines)),
            ("ready", "gauge", "1 while new connections are taken, 0 in a drain.", u64::from(ready)),
            ("upgrades_total", "counter", "Upgrades answered with 101.", self.upgrades.get()),
            ("feeds_total", "counter", "Feeds begun.", self.feeds.get()),
            ("socketio_sessions_total", "counter", "Socket.IO sessions begun.", self.sessions.get()),
            ("refreshes_total", "counter", "Tokens shown on an open connection.", self.refreshes.get()),
            ("published_total", "counter", "Posts and notifications taken.", self.published.get()),
            (
                "signals_dropped_total",
                "counter",
                "Signals for which a queue had no room.",
                self.signals_dropped.get(),
            ),
            (
                "unauthorized_total",
                "counter",
                "Upgrades closed with 4001, feeds refused with 401, Socket.IO CONNECTs refused.",
                self.unauthorized.get(),
            ),
            ("refused_busy_total", "counter", "Connections refused with 503.", self.refused_busy.get()),
            (
                "refused_origin_total",
                "counter",
                "Upgrades, feeds and Socket.IO requests refused by Origin.",
                self.refused_origin.get(),
            ),
            ("frames_received_total", "counter", "Text frames received.", self.frames_in.get()),
            ("frames_sent_total", "counter", "Frames handed to connections.", self.frames_out.get()),
            ("closed_slow_total", "counter", "Slow consumers closed with 4012.", self.closed_slow.get()),
            (
                "closed_violation_total",
                "counter",
                "Connections closed for a frame that is not allowed.",
                self.closed_violation.get(),
            ),
            (
                "closed_by_rule_total",
                "counter",
                "Connections closed by a rule of the hub or a drain.",
                self.closed_by_rule.get(),
            ),
            (
                "terminated_silent_total",
                "counter",
                "Connections cut because nothing was heard.",
                self.terminated_silent.get(),
            ),
            ("panics_total", "counter", "Connections ended by a bug.", self.panics.get()),
        ] {
            // Writing to a String does not fail.
            let _ = write!(
                text,
                "# HELP rejoin_{name} {help}\n# TYPE rejoin_{name} {kind}\nrejoin_{name} {value}\n"
            );
        }
        text.push_str("# HELP rejoin_refused_total Who was not let in, by cause.\n# TYPE rejoin_refused_total counter\n");
        for (cause, count) in gate.refusals.counts() {
            let _ = writeln!(text, "rejoin_refused_total{{cause=\"{cause}\"}} {count}");
        }
        text
    }
}
