//! The connections and rate limits of one user.

use super::mutation::mutation;
use super::rate_limit::TokenBucket;
use super::shared::Consumption;
use super::{ConnId, HubConfig};
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
    unreported: Unreported,
}

/// What other nodes do not know yet.
#[derive(Debug, Default)]
struct Unreported {
    sends: u32,
    joins: u32,
    /// When they were told last.
    reported_at: Timestamp,
    /// Connections that count among those of all nodes only when the store has answered.
    unconfirmed: Vec<ConnId>,
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
        Self { connections: 0, limits, unreported: Unreported::default() }
    }

    pub(super) fn send(&mut self, now: Timestamp) -> RateDecision {
        let decision =
            self.check_rate(now, |limits| limits.sends.try_take(now, limits.rate, limits.send_burst));
        self.unreported.sends += u32::from(decision == RateDecision::Allow);
        decision
    }

    pub(super) fn join(&mut self, now: Timestamp) -> RateDecision {
        let Some(limits) = &mut self.limits else { return RateDecision::Allow };
        if limits.joins.try_take(now, limits.join_rate, limits.join_burst) {
            self.unreported.joins += 1;
            RateDecision::Allow
        } else if limits.join_error_budget.try_take(now, limits.join_rate, FLOOD_BURSTS * limits.join_burst) {
            RateDecision::Reject
        } else {
            RateDecision::Disconnect
        }
    }

    /// Counts bytes of a replay as if pages of `history` had been asked for. What is sent already may leave less than
    /// nothing: the next join or feed waits for longer.
    pub(super) fn replayed(&mut self, now: Timestamp, bytes: usize, page_bytes: usize) {
        let Some(limits) = &mut self.limits else { return };
        let pages = u32::try_from(bytes / page_bytes.max(1)).unwrap_or(u32::MAX);
        limits.joins.take_with_debt(now, limits.join_rate, limits.join_burst, f64::from(pages));
        self.unreported.joins = self.unreported.joins.saturating_add(pages);
    }

    /// Whether the user may make one more room now.
    pub(super) fn make_room(&mut self, now: Timestamp) -> bool {
        self.limits
            .as_mut()
            .is_none_or(|limits| limits.rooms.try_take(now, limits.room_rate, limits.join_burst))
    }

    /// Counts what was sent, whatever it is; `false` if it is too much.
    pub(super) fn frames(&mut self, now: Timestamp, count: u32) -> bool {
        self.limits.as_mut().is_none_or(|limits| {
            let burst = FLOOD_BURSTS * (limits.send_burst + limits.join_burst);
            limits.frames.try_take_many(now, limits.rate + limits.join_rate, burst, f64::from(count))
        })
    }

    pub(super) fn signal(&mut self, now: Timestamp) -> RateDecision {
        if mutation!(SignalsFree) {
            return RateDecision::Allow;
        }
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

    /// A connection of the user has begun. It is not known yet how many there are on other nodes.
    pub(super) fn connection_opened(&mut self, conn: ConnId) {
        self.unreported.unconfirmed.push(conn);
    }

    pub(super) fn connection_closed(&mut self, conn: ConnId) {
        self.unreported.unconfirmed.retain(|unconfirmed| *unconfirmed != conn);
    }

    /// Sends and joins since this was last asked for.
    pub(super) fn take_unreported(&mut self, now: Timestamp) -> (Consumption, Consumption) {
        let (send_rate, join_rate) = match &self.limits {
            Some(limits) => (limits.rate, limits.join_rate),
            None => (0.0, 0.0),
        };
        let sends = std::mem::take(&mut self.unreported.sends);
        let joins = std::mem::take(&mut self.unreported.joins);
        self.unreported.reported_at = now;
        (consumption(sends, send_rate), consumption(joins, join_rate))
    }

    /// What is used on all nodes counts here.
    pub(super) fn apply_shared_usage(&mut self, now: Timestamp, sends_milli: u64, joins_milli: u64) {
        let Some(limits) = &mut self.limits else { return };
        let elapsed = now.since(self.unreported.reported_at).as_secs_f64();
        let left = |burst: f64, rate: f64, used_milli: u64, unreported: u32| {
            burst - from_milli(used_milli) - f64::from(unreported) + rate * elapsed
        };
        let (rate, burst) = (limits.rate, limits.send_burst);
        let sends = left(burst, rate, sends_milli, self.unreported.sends);
        limits.sends.reduce_to(now, rate, burst, sends);
        let (rate, burst) = (limits.join_rate, limits.join_burst);
        let joins = left(burst, rate, joins_milli, self.unreported.joins);
        limits.joins.reduce_to(now, rate, burst, joins);
    }

    /// The connections that have begun since it was last known how many there are on all nodes, the newest first.
    pub(super) fn take_unconfirmed(&mut self) -> impl Iterator<Item = ConnId> + use<> {
        std::mem::take(&mut self.unreported.unconfirmed).into_iter().rev()
    }

    /// When the buckets are full again, so that a user without connections can be forgotten without being
    /// given a second burst by reconnecting.
    pub(super) fn idle_at(&self, now: Timestamp) -> Timestamp {
        let Some(limits) = self.limits.as_ref().filter(|_| !mutation!(BurstByReturning)) else { return now };
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

fn consumption(used: u32, rate: f64) -> Consumption {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate above 0; one too large for the type is cut at its largest value"
    )]
    let refill_milli = (rate * 1_000.0) as u64;
    Consumption { used, refill_milli }
}

fn from_milli(milli: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "what is above 2^52 exceeds every burst")]
    let whole = milli as f64;
    whole / 1_000.0
}
