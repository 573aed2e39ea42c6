//! Records whether Redis can be used now, with the counters and log lines about it. Decides nothing.

use super::error::StoreError;
use crate::log_throttle::{LOG_INTERVAL, LogThrottle, LogThrottleByCause};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A server whose Redis is away for so long takes nobody new. A connection that is made anew is back sooner.
const OUTAGE_THRESHOLD: Duration = Duration::from_millis(1_500);

/// The same of one that does not answer a question that costs it nothing.
const SILENCE_THRESHOLD: Duration = Duration::from_secs(2);

/// Whoever was found to be away is so for this long at least: balancers are not told one thing and the other in turn.
const UNREADY_HOLD: Duration = Duration::from_secs(2);

/// Outages that follow each other faster are told together: a Redis that takes every connection and drops it fills no log.
const PAUSE: Duration = Duration::from_secs(5);

/// Which of the two connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ConnectionKind {
    Requests,
    Notices,
}

/// What is counted.
#[derive(Debug, Clone)]
struct RedisMetrics {
    requests: Counter,
    failures: Counter,
    reconnects: Counter,
    rooms: Gauge,
    latency: Histogram,
}

impl Default for RedisMetrics {
    fn default() -> Self {
        Self {
            requests: Counter::default(),
            failures: Counter::default(),
            reconnects: Counter::default(),
            rooms: Gauge::default(),
            // From a tenth of a millisecond to six seconds.
            latency: Histogram::new(exponential_buckets(0.000_1, 2.0, 17)),
        }
    }
}

/// What is known of the Redis. Shared by everything that uses it.
#[derive(Debug, Default)]
pub struct Health {
    state: Mutex<State>,
    counts: RedisMetrics,
}

#[derive(Debug, Default)]
struct State {
    away: BTreeSet<ConnectionKind>,
    since: Option<Instant>,
    /// Since when a question is unanswered.
    asked: BTreeMap<ConnectionKind, Instant>,
    unready_until: Option<Instant>,
    why: String,
    /// The outage that goes on has been told, and so its end is.
    is_logged: bool,
    /// When one was told last.
    told: Option<Instant>,
    /// Outages that have begun since then.
    begun: u64,
    refusals: LogThrottleByCause,
    foreign: LogThrottle,
    stray: LogThrottle,
}

impl State {
    /// A connection is lost, or still is. How many outages have begun that no line has told, if one is to be told now: each
    /// when it begins, those that follow at once together, and one that lasts again every minute.
    fn lost(&mut self, part: ConnectionKind, now: Instant) -> Option<u64> {
        self.away.insert(part);
        self.begun += u64::from(self.since.is_none());
        self.since.get_or_insert(now);
        let pause = if self.is_logged { LOG_INTERVAL } else { PAUSE };
        if self.told.is_some_and(|told| now.saturating_duration_since(told) < pause) {
            return None;
        }
        self.is_logged = true;
        self.told = Some(now);
        Some(std::mem::take(&mut self.begun))
    }

    /// A connection is there again. How long the outage was, if it is over and was told.
    fn found(&mut self, part: ConnectionKind, now: Instant) -> Option<Duration> {
        if !self.away.remove(&part) || !self.away.is_empty() {
            return None;
        }
        let since = self.since.take()?;
        std::mem::take(&mut self.is_logged).then(|| now.saturating_duration_since(since))
    }
}

impl Health {
    /// Adds what is counted to what `/metrics` shows.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let counts = self.counts.clone();
        registry.register(
            "requests",
            "Requests that the shared store has answered or failed",
            counts.requests,
        );
        registry.register("failures", "Requests that failed", counts.failures);
        registry.register("reconnects", "Connections to the shared store that were lost", counts.reconnects);
        registry.register("rooms", "Rooms of which notices are wanted", counts.rooms);
        registry.register("latency_seconds", "Time from a request to its answer", counts.latency);
    }

    /// A connection is lost, or could not be made again.
    pub(super) fn away(&self, part: ConnectionKind, why: &str) {
        let mut state = self.lock();
        why.clone_into(&mut state.why);
        if let Some(outages) = state.lost(part, Instant::now()) {
            tracing::warn!(
                why,
                outages,
                "Redis is away: connections stay, but who sends is closed with 1013 and sends again later"
            );
        }
    }

    pub(super) fn away_by(&self, part: ConnectionKind, error: &StoreError) {
        self.away(part, &error.to_string());
    }

    /// A connection is there again.
    pub(super) fn back(&self, part: ConnectionKind) {
        if let Some(after) = self.lock().found(part, Instant::now()) {
            tracing::info!(?after, "Redis is back");
        }
    }

    /// Redis has refused a request.
    pub(super) fn refused(&self, what: &str) {
        self.lock().refusals.record(what, |count| tracing::warn!(count, what, "Redis refuses requests"));
    }

    /// Something that is not ours lies under one of our keys.
    pub(super) fn foreign(&self, key: &str) {
        self.lock().foreign.record(|count| {
            tracing::error!(
                count,
                key,
                "another application's key lies where a room belongs, and is not touched: use another --redis-prefix, or remove it"
            );
        });
    }

    /// Something that no node has written lies in a room's log.
    pub(super) fn stray(&self, room: &str, key: &str) {
        self.lock().stray.record(|count| {
            tracing::error!(
                count,
                room,
                key,
                "an entry in a room's log is of no server of this version: it and what lies before it is not shown; look with XRANGE who has written it"
            );
        });
    }

    /// A question that costs nothing is on its way.
    pub(super) fn asked(&self, part: ConnectionKind) {
        self.lock().asked.entry(part).or_insert_with(Instant::now);
    }

    /// It was answered, or its connection is given up.
    pub(super) fn heard(&self, part: ConnectionKind) {
        self.lock().asked.remove(&part);
    }

    /// Why nobody new is to be let in: Redis has been away, or silent, for some two seconds.
    pub fn unready_reason(&self) -> Option<String> {
        self.unready_at(Instant::now())
    }

    fn unready_at(&self, now: Instant) -> Option<String> {
        let mut state = self.lock();
        let longer = |since: &Instant, than| now.saturating_duration_since(*since) >= than;
        if state.since.as_ref().is_some_and(|since| longer(since, OUTAGE_THRESHOLD)) {
            state.unready_until = Some(now + UNREADY_HOLD);
        } else if state.asked.values().any(|asked| longer(asked, SILENCE_THRESHOLD)) {
            "Redis does not answer".clone_into(&mut state.why);
            state.unready_until = Some(now + UNREADY_HOLD);
        }
        state.unready_until.filter(|until| now < *until).map(|_| state.why.clone())
    }

    /// A request was answered, or is not any more.
    pub(super) fn answered(&self, after: Duration, failed: bool) {
        self.counts.requests.inc();
        self.counts.failures.inc_by(u64::from(failed));
        self.counts.latency.observe(after.as_secs_f64());
    }

    /// A connection was lost, and is made again.
    pub(super) fn reconnected(&self) {
        self.counts.reconnects.inc();
    }

    /// Notices of so many rooms are wanted.
    pub(super) fn rooms(&self, count: usize) {
        self.counts.rooms.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redis_that_is_away_or_silent_makes_the_server_unready_soon_and_steadily() {
        let (health, now) = (Health::default(), Instant::now());
        let at = |ms| health.unready_at(now + Duration::from_millis(ms)).is_some();
        health.away(ConnectionKind::Requests, "gone");
        health.back(ConnectionKind::Requests);
        assert!(!at(2_900), "it was back at once");
        health.away(ConnectionKind::Notices, "gone");
        assert!(!at(1_000) && at(2_000));
        health.back(ConnectionKind::Notices);
        assert!(at(2_500) && !at(4_100), "not one thing and the other in turn");
        let (health, now) = (Health::default(), Instant::now());
        let at = |ms| health.unready_at(now + Duration::from_millis(ms)).is_some();
        health.asked(ConnectionKind::Requests);
        health.asked(ConnectionKind::Requests);
        assert!(!at(1_500) && at(2_600));
        health.heard(ConnectionKind::Requests);
        assert!(at(3_000) && !at(60_000));
    }

    #[test]
    fn each_outage_is_told_with_its_end_and_those_that_follow_at_once_are_told_together() {
        let (mut state, start) = (State::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(state.lost(ConnectionKind::Requests, at(0)), Some(1));
        assert_eq!(state.lost(ConnectionKind::Notices, at(1)), None);
        assert_eq!(state.found(ConnectionKind::Requests, at(2)), None);
        assert_eq!(state.found(ConnectionKind::Notices, at(3)), Some(Duration::from_secs(3)));
        // Another one within the minute.
        assert_eq!(state.lost(ConnectionKind::Requests, at(20)), Some(1));
        assert_eq!(state.found(ConnectionKind::Requests, at(21)), Some(Duration::from_secs(1)));
        // One at once after it, and one that stays.
        assert_eq!(state.lost(ConnectionKind::Requests, at(22)), None);
        assert_eq!(state.found(ConnectionKind::Requests, at(23)), None);
        assert_eq!(state.lost(ConnectionKind::Requests, at(24)), None);
        assert_eq!(state.lost(ConnectionKind::Requests, at(25)), Some(2));
        assert_eq!(state.lost(ConnectionKind::Requests, at(84)), None);
        assert_eq!(state.lost(ConnectionKind::Requests, at(85)), Some(0));
        assert_eq!(state.found(ConnectionKind::Requests, at(90)), Some(Duration::from_secs(66)));
    }
}
