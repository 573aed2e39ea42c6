//! Drains the hub: moves clients away within a window, then ends what is left.

use super::dispatch::{encode, millis};
use super::mutation::mutation;
use super::{DrainReason, Output};
use super::{Hub, Timer};
use rejoin::machine::{ClockReading, ServerMessage};
use rejoin::messages::GoingAway;
use std::time::Duration;

/// A client that moves at the end of the window needs this long to join on its new connection and to get the last answers
/// on the old one.
const GRACE: Duration = Duration::from_secs(2);

impl Hub {
    /// Plain connections are closed one after another over the window. Extended ones are asked to move within it;
    /// they choose the moment, which spreads them too, and those that are still there [`GRACE`] after it are closed. Of a server
    /// that goes for good both are closed alike.
    pub(super) fn drain(&mut self, moment: ClockReading, window: Duration, reason: DrainReason) {
        let now = moment.monotonic;
        self.draining = Some(reason);
        let going = ServerMessage::GoingAway(Box::new(GoingAway {
            window_ms: millis(window) * if mutation!(DrainWindowMisstated) { 4 } else { 1 },
            url: None,
        }));
        // Where the server goes for good there is nothing to move to.
        let moves = reason == DrainReason::Restart;
        let (going, grace) = if window.is_zero() || !moves || mutation!(DrainUntold) {
            (None, Duration::ZERO)
        } else {
            (encode(&going), GRACE)
        };
        let closed = self.conns.values().filter(|state| state.extended.is_none() || !moves).count();
        let count = u32::try_from(closed).unwrap_or(u32::MAX).max(1);
        let mut index = 0;
        for (conn, state) in &mut self.conns {
            let at = if state.extended.is_some() && moves {
                let told = going.clone().map(|text| Output::Send { conn: *conn, text });
                self.outputs.extend(told);
                now + window + if mutation!(DrainLate) { Duration::from_secs(60) } else { grace }
            } else {
                index += 1;
                now + if mutation!(DrainAtOnce) { Duration::ZERO } else { window / count * (index - 1) }
                    + if mutation!(DrainEndless) { Duration::from_secs(60) } else { Duration::ZERO }
            };
            if let Some(earlier) = state.drain.replace(at) {
                self.due.remove(&(earlier, Timer::Drain(*conn)));
            }
            self.due.insert((at, Timer::Drain(*conn)));
        }
        self.tick(moment);
    }
}
