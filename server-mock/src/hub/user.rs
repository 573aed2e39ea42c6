//! The connections and rate limits of one user.

use super::HubConfig;
use super::mutation::mutation;
use super::rate_limit::TokenBucket;
use rejoin::Timestamp;
use std::time::Duration;

/// Refusals that amount to flooding, in bursts.
const FLOOD_BURSTS: f64 = 10.0;

/// After this time a user who has used up everything can join as many rooms as a connection may be in. A refused join
/// is told to come again then, so that a client with many rooms that reconnects again and again gets in at last.
pub(super) const JOIN_RETRY: Duration = Duration::from_secs(10);

/// After this time a user who has made rooms as fast as one may can make as many as a connection may be in.
const ROOM_REFILL: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct User {
    /// Open connections.
    pub(super) connections: usize,
    limits: Option<RateLimits>,
}

/// The buckets of a user under a rate; a user without one has none.
#[derive(Debug)]
struct RateLimits {
    rate: f64,
    send_burst: f64,
    join_rate: f64,
    join_burst: f64,
    sends: TokenBucket,
    joins: TokenBucket,
    signals: TokenBucket,
    /// Rooms to make.
    rooms: TokenBucket,
    room_rate: f64,
    /// Everything that is sent.
    frames: TokenBucket,
    /// What may still be refused before it counts as flooding.
    error_budget: TokenBucket,
    /// The same for joins.
    join_error_budget: TokenBucket,
}

/// What becomes of something a user wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RateDecision {
    Allow,
    /// Too fast: refuse this one.
    Reject,
    /// Too fast for too long: close the connection.
    Disconnect,
}

impl User {
    pub(super) fn new(config: &HubConfig, now: Timestamp) -> Self {
        let limits = config.rate.filter(|rate| rate.is_finite() && *rate > 0.0).map(|rate| {
            let send_burst = (if mutation!(BurstTooLarge) { 4.0 } else { 2.0 } * rate).max(1.0);
            #[expect(clippy::cast_precision_loss, reason = "a number of rooms is far below 2^52")]
            let rooms = config.rooms_per_conn.max(1) as f64;
            let (join_rate, join_burst) = (rate.max(rooms / JOIN_RETRY.as_secs_f64()), 2.0 * rooms);
            RateLimits {
                rate,
                send_burst,
                join_rate,
                join_burst,
                sends: TokenBucket::full(send_burst, now),
                joins: TokenBucket::full(join_burst, now),
                signals: TokenBucket::full(send_burst, now),
                rooms: TokenBucket::full(join_burst, now),
                room_rate: (rooms / ROOM_REFILL.as_secs_f64()).max(1.0),
                frames: TokenBucket::full(FLOOD_BURSTS * (send_burst + join_burst), now),
                error_budget: TokenBucket::full(FLOOD_BURSTS * send_burst, now),
                join_error_budget: TokenBucket::full(FLOOD_BURSTS * join_burst, now),
            }
        });
        Self { connections: 0, limits }
    }

    pub(super) fn send(&mut self, now: Timestamp) -> RateDecision {
        self.check_rate(now, |limits| limits.sends.try_take(now, limits.rate, limits.send_burst))
    }

    pub(super) fn join(&mut self, now: Timestamp) -> RateDecision {
        let Some(limits) = &mut self.limits else { return RateDecision::Allow };
        if limits.joins.try_take(now, limits.join_rate, limits.join_burst) {
            RateDecision::Allow
        } else if limits.join_error_budget.try_take(now, limits.join_rate, FLOOD_BURSTS * limits.join_burst) {
            RateDecision::Reject
        } else {
            RateDecision::Disconnect
        }
    }

    /// Whether the user may make one more room now.
    pub(super) fn make_room(&mut self, now: Timestamp) -> bool {
        self.limits
            .as_mut()
            .is_none_or(|limits| limits.rooms.try_take(now, limits.room_rate, limits.join_burst))
    }

    /// Counts something that was sent, whatever it is; `false` if it is one too many.
    pub(super) fn frame(&mut self, now: Timestamp) -> bool {
        self.limits.as_mut().is_none_or(|limits| {
            let burst = FLOOD_BURSTS * (limits.send_burst + limits.join_burst);
            limits.frames.try_take(now, limits.rate + limits.join_rate, burst)
        })
    }

    pub(super) fn signal(&mut self, now: Timestamp) -> RateDecision {
        self.check_rate(now, |limits| limits.signals.try_take(now, limits.rate, limits.send_burst))
    }

    /// When the next send is allowed again, after a refusal.
    pub(super) fn send_retry_after(&self) -> Duration {
        self.limits.as_ref().map_or(Duration::ZERO, |limits| limits.sends.next_in(limits.rate))
    }

    /// A frame that was answered by an error: no allowance of its own, but it uses the error budget.
    pub(super) fn protocol_error(&mut self, now: Timestamp) -> RateDecision {
        self.check_rate(now, |_| false)
    }

    fn check_rate(&mut self, now: Timestamp, allowed: impl FnOnce(&mut RateLimits) -> bool) -> RateDecision {
        let Some(limits) = &mut self.limits else { return RateDecision::Allow };
        if allowed(limits) {
            RateDecision::Allow
        } else if limits.error_budget.try_take(now, limits.rate, FLOOD_BURSTS * limits.send_burst) {
            RateDecision::Reject
        } else {
            RateDecision::Disconnect
        }
    }

    /// When the buckets are full again, so that a user without connections can be forgotten without being
    /// given a second burst by reconnecting.
    pub(super) fn idle_at(&self, now: Timestamp) -> Timestamp {
        let Some(limits) = &self.limits else { return now };
        let error_budget = limits.error_budget.full_at(limits.rate, FLOOD_BURSTS * limits.send_burst);
        limits
            .sends
            .full_at(limits.rate, limits.send_burst)
            .max(limits.signals.full_at(limits.rate, limits.send_burst))
            .max(limits.joins.full_at(limits.join_rate, limits.join_burst))
            .max(limits.join_error_budget.full_at(limits.join_rate, FLOOD_BURSTS * limits.join_burst))
            .max(limits.rooms.full_at(limits.room_rate, limits.join_burst))
            .max(limits.frames.full_at(
                limits.rate + limits.join_rate,
                FLOOD_BURSTS * (limits.send_burst + limits.join_burst),
            ))
            .max(error_budget)
    }
}
