//! One user: how many connections, and how much the user may still send.

use super::HubConfig;
use super::allowance::Allowance;
use super::bug::{Bug, made};
use rejoin::Timestamp;
use std::time::Duration;

/// Refusals that amount to flooding, in bursts.
const FLOOD_BURSTS: f64 = 10.0;

/// After this time a user who has used up everything can join as many rooms as a connection may be in. A refused join
/// is told to come again then, so that a client with many rooms that reconnects again and again gets in at last.
pub(super) const JOINS_AGAIN: Duration = Duration::from_secs(10);

/// After this time a user who has made rooms as fast as one may can make as many as a connection may be in.
const ROOMS_AGAIN: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct User {
    /// Open connections.
    pub(super) connections: usize,
    limits: Option<Limits>,
}

/// The buckets of a user under a rate; a user without one has none.
#[derive(Debug)]
struct Limits {
    rate: f64,
    send_burst: f64,
    join_rate: f64,
    join_burst: f64,
    sends: Allowance,
    joins: Allowance,
    signals: Allowance,
    /// Rooms to make.
    rooms: Allowance,
    room_rate: f64,
    /// Everything that is sent.
    frames: Allowance,
    /// What may still be refused before it counts as flooding.
    patience: Allowance,
    /// The same for joins.
    join_patience: Allowance,
}

/// What becomes of something a user wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Fine,
    /// Too fast: refuse this one.
    Refuse,
    /// Too fast for too long: close the connection.
    Flooding,
}

impl User {
    pub(super) fn new(config: &HubConfig, now: Timestamp) -> Self {
        let limits = config.rate.filter(|rate| rate.is_finite() && *rate > 0.0).map(|rate| {
            let send_burst = (if made(Bug::BurstTooLarge) { 4.0 } else { 2.0 } * rate).max(1.0);
            #[expect(clippy::cast_precision_loss, reason = "a number of rooms is far below 2^52")]
            let rooms = config.rooms_per_conn.max(1) as f64;
            let (join_rate, join_burst) = (rate.max(rooms / JOINS_AGAIN.as_secs_f64()), 2.0 * rooms);
            Limits {
                rate,
                send_burst,
                join_rate,
                join_burst,
                sends: Allowance::full(send_burst, now),
                joins: Allowance::full(join_burst, now),
                signals: Allowance::full(send_burst, now),
                rooms: Allowance::full(join_burst, now),
                room_rate: (rooms / ROOMS_AGAIN.as_secs_f64()).max(1.0),
                frames: Allowance::full(FLOOD_BURSTS * (send_burst + join_burst), now),
                patience: Allowance::full(FLOOD_BURSTS * send_burst, now),
                join_patience: Allowance::full(FLOOD_BURSTS * join_burst, now),
            }
        });
        Self { connections: 0, limits }
    }

    pub(super) fn send(&mut self, now: Timestamp) -> Verdict {
        self.judge(now, |limits| limits.sends.take(now, limits.rate, limits.send_burst))
    }

    pub(super) fn join(&mut self, now: Timestamp) -> Verdict {
        let Some(limits) = &mut self.limits else { return Verdict::Fine };
        if limits.joins.take(now, limits.join_rate, limits.join_burst) {
            Verdict::Fine
        } else if limits.join_patience.take(now, limits.join_rate, FLOOD_BURSTS * limits.join_burst) {
            Verdict::Refuse
        } else {
            Verdict::Flooding
        }
    }

    /// Whether the user may make one more room now.
    pub(super) fn make_room(&mut self, now: Timestamp) -> bool {
        self.limits.as_mut().is_none_or(|limits| limits.rooms.take(now, limits.room_rate, limits.join_burst))
    }

    /// Counts something that was sent, whatever it is; `false` if it is one too many.
    pub(super) fn frame(&mut self, now: Timestamp) -> bool {
        self.limits.as_mut().is_none_or(|limits| {
            let burst = FLOOD_BURSTS * (limits.send_burst + limits.join_burst);
            limits.frames.take(now, limits.rate + limits.join_rate, burst)
        })
    }

    pub(super) fn signal(&mut self, now: Timestamp) -> Verdict {
        self.judge(now, |limits| limits.signals.take(now, limits.rate, limits.send_burst))
    }

    /// When the next send is allowed again, after a refusal.
    pub(super) fn sends_again(&self) -> Duration {
        self.limits.as_ref().map_or(Duration::ZERO, |limits| limits.sends.next_in(limits.rate))
    }

    /// A frame that was answered by an error: no allowance of its own, but patience ends.
    pub(super) fn mistake(&mut self, now: Timestamp) -> Verdict {
        self.judge(now, |_| false)
    }

    fn judge(&mut self, now: Timestamp, allowed: impl FnOnce(&mut Limits) -> bool) -> Verdict {
        let Some(limits) = &mut self.limits else { return Verdict::Fine };
        if allowed(limits) {
            Verdict::Fine
        } else if limits.patience.take(now, limits.rate, FLOOD_BURSTS * limits.send_burst) {
            Verdict::Refuse
        } else {
            Verdict::Flooding
        }
    }

    /// When the buckets are full again, so that a user without connections can be forgotten without being
    /// given a second burst by reconnecting.
    pub(super) fn forgettable_at(&self, now: Timestamp) -> Timestamp {
        let Some(limits) = &self.limits else { return now };
        let patience = limits.patience.full_at(limits.rate, FLOOD_BURSTS * limits.send_burst);
        limits
            .sends
            .full_at(limits.rate, limits.send_burst)
            .max(limits.signals.full_at(limits.rate, limits.send_burst))
            .max(limits.joins.full_at(limits.join_rate, limits.join_burst))
            .max(limits.join_patience.full_at(limits.join_rate, FLOOD_BURSTS * limits.join_burst))
            .max(limits.rooms.full_at(limits.room_rate, limits.join_burst))
            .max(limits.frames.full_at(
                limits.rate + limits.join_rate,
                FLOOD_BURSTS * (limits.send_burst + limits.join_burst),
            ))
            .max(patience)
    }
}
