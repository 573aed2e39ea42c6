//! The heartbeat of Engine.IO, from the open packet to the end of the session.

use std::time::Duration;
use tokio::time::Instant;

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HeartbeatAction {
    Nothing,
    /// Send a ping.
    Ask,
    /// Nothing came in answer to the last one.
    Dead,
}

#[derive(Debug)]
pub(super) struct Heartbeat {
    interval: Duration,
    timeout: Duration,
    /// When something is to be done.
    at: Instant,
    /// A ping is unanswered.
    asked: bool,
}

impl Heartbeat {
    pub(super) fn new(interval: Duration, timeout: Duration, now: Instant) -> Self {
        Self { interval, timeout, at: now + interval, asked: false }
    }

    pub(super) fn at(&self) -> Instant {
        self.at
    }

    /// Something came.
    pub(super) fn activity(&mut self, now: Instant) {
        if self.asked {
            (self.asked, self.at) = (false, now + self.interval);
        }
    }

    pub(super) fn next_action(&mut self, now: Instant) -> HeartbeatAction {
        if now < self.at {
            return HeartbeatAction::Nothing;
        }
        if self.asked {
            return HeartbeatAction::Dead;
        }
        (self.asked, self.at) = (true, now + self.timeout);
        HeartbeatAction::Ask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ping_goes_out_once_an_interval_and_has_to_be_answered_within_the_timeout() {
        let (interval, timeout) = (Duration::from_secs(25), Duration::from_secs(20));
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut heartbeat = Heartbeat::new(interval, timeout, start);
        assert_eq!(heartbeat.next_action(at(24)), HeartbeatAction::Nothing);
        assert_eq!((heartbeat.next_action(at(25)), heartbeat.at()), (HeartbeatAction::Ask, at(45)));
        assert_eq!(heartbeat.next_action(at(44)), HeartbeatAction::Nothing);
        heartbeat.activity(at(30));
        heartbeat.activity(at(31));
        assert_eq!(heartbeat.at(), at(55));
        assert_eq!(heartbeat.next_action(at(55)), HeartbeatAction::Ask);
        assert_eq!(heartbeat.next_action(at(75)), HeartbeatAction::Dead);
    }
}
