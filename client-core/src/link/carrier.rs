//! A link whose connection belongs to another link, the carrier. It never dials, pings or evaluates close codes itself.

use super::state::Outage;
use super::{Link, Phase};
use crate::cause::{Cause, CauseCode, DialErrorKind};
use crate::time::{Nanos, Timestamp};

/// Who makes the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrier {
    /// This link.
    Own,
    /// Another link, which has one now.
    Up,
    /// Another link, which has none.
    Down,
}

impl Link {
    /// From here on another link makes the connections; whether it has one. Before the first input.
    pub(crate) fn attach_to_carrier(&mut self, is_up: bool) {
        self.carrier = if is_up { Carrier::Up } else { Carrier::Down };
    }

    pub(super) fn is_carried(&self) -> bool {
        self.carrier != Carrier::Own
    }

    /// There is a connection.
    pub(crate) fn carrier_up(&mut self, now: Timestamp) {
        self.carrier = Carrier::Up;
        if matches!(self.phase, Phase::AwaitingRetry { .. }) {
            self.dial(now);
        }
    }

    /// There is none any more. What was done on it is reported beside this.
    pub(crate) fn carrier_lost(&mut self) {
        self.carrier = Carrier::Down;
        if let Phase::AwaitingRetry { at } = &mut self.phase {
            *at = Timestamp::NEVER;
        }
    }

    /// There will be none: the other link has ended, for this reason.
    pub(crate) fn carrier_failed(&mut self, now: Timestamp, cause: Cause) {
        self.carrier = Carrier::Down;
        if self.has_ended() || matches!(self.phase, Phase::Idle) {
            return;
        }
        if let Phase::Open { since, .. } = self.phase {
            self.down(now, since);
        }
        self.fail(cause);
    }

    /// Nobody has answered in time. What was requested must not be requested twice on one connection, so it is waited for,
    /// and requested again on the next one.
    pub(super) fn carrier_timeout(&mut self, now: Timestamp) {
        if let Phase::AwaitingOpen { until, .. } = &mut self.phase {
            *until = Timestamp::NEVER;
        }
        self.outage.get_or_insert(Outage::new(now));
        let code = CauseCode::Dial(DialErrorKind::Timeout);
        let cause = Cause::new(code, "the server has not answered for this namespace yet");
        self.changed(self.state(), Some(cause));
    }

    /// When the next dial of a link begins that would begin it after `delay`.
    pub(super) fn retry_at(&mut self, now: Timestamp, delay: Nanos) -> Timestamp {
        match self.carrier {
            Carrier::Down => Timestamp::NEVER,
            _ => self.limiter.earliest(now + delay),
        }
    }
}
