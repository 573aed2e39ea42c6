//! Reactions to hints of the platform: wakes and network changes. Hints trigger a liveness probe; they never close a
//! connection.

use super::{Action, Link, Phase};
use crate::cause::CauseCode;
use crate::liveness::ProbeResult;
use crate::mutation::mutation;
use crate::time::{ClockReading, Nanos, Timestamp};

/// An event of the network or the page, as the platform reports it. Hints trigger a liveness probe; they never close a connection.
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hint {
    /// The platform reports that it is online again.
    Online,
    /// The platform reports that it is offline. Never trusted: only a reason for a probe.
    Offline,
    /// The route changed: another Wi-Fi, from Wi-Fi to mobile.
    NetworkChanged,
    /// A page came to the front or out of the back/forward cache, or the machine woke.
    Woke,
}

/// How long a sleep may be before a driver that cannot ping replaces the connection unasked.
const LONG_SLEEP: Nanos = Nanos::from_secs(30);
/// The wall clock this much ahead of the monotonic one: the machine slept.
const SLEEP_THRESHOLD: Nanos = Nanos::from_secs(5);

impl Link {
    /// Both clocks, before each input: a wall clock that ran ahead means a sleep.
    pub(crate) fn observe(&mut self, now: ClockReading) {
        if self.last_seen == Some(now) {
            return;
        }
        let Some(last) = self.last_seen.replace(now) else { return };
        let wall = now.wall.after(last.wall);
        let slept = wall.minus(now.monotonic.after(last.monotonic));
        if slept < SLEEP_THRESHOLD || mutation!(SleepUnnoticed) {
            return;
        }
        #[cfg(feature = "native")]
        self.idle.slept();
        if let Some(loss) = &mut self.outage {
            loss.slept = if mutation!(SleepNoOutage) { loss.slept } else { loss.slept.plus(slept) };
        }
        #[cfg(feature = "socketio")]
        if self.is_carried() {
            return;
        }
        self.woke(now.monotonic, slept);
    }

    fn woke(&mut self, now: Timestamp, slept: Nanos) {
        match &mut self.phase {
            Phase::Open { liveness, conn, .. } => {
                if !liveness.can_probe() && slept > LONG_SLEEP {
                    self.replace(now, CauseCode::NetworkChanged);
                } else if liveness.probe(now) == ProbeResult::Ask {
                    self.actions.push(Action::Ping(*conn));
                }
            }
            Phase::AwaitingRetry { .. } if mutation!(WakeUnheard) => {}
            Phase::AwaitingRetry { .. } => self.retry_soon(now, CauseCode::NetworkChanged),
            _ => {}
        }
    }

    pub(crate) fn hint(&mut self, now: Timestamp, hint: Hint) {
        #[cfg(feature = "sse")]
        if hint == Hint::NetworkChanged {
            // What blocks WebSockets there may be nothing here.
            self.transports.prefer_websocket();
        }
        match hint {
            Hint::NetworkChanged if mutation!(NetworkUnheard) => {}
            Hint::Online | Hint::NetworkChanged => self.woke(now, Nanos::MAX),
            Hint::Woke => self.woke(now, Nanos::ZERO),
            Hint::Offline if mutation!(OfflineBelieved) => self.replace(now, CauseCode::NetworkChanged),
            Hint::Offline => {
                if matches!(self.phase, Phase::Open { .. }) {
                    self.woke(now, Nanos::ZERO);
                }
            }
        }
    }
}
