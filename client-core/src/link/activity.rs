//! The signs of life of the connection in use, and the probes that ask for one.

use super::{Action, Link, Phase};
use crate::mutation::mutation;
use crate::time::{Nanos, Timestamp};

impl Link {
    /// Something came in on the current connection.
    pub(crate) fn activity(&mut self, now: Timestamp) {
        #[cfg(feature = "native")]
        self.traffic(now);
        if let Phase::Open { liveness, .. } = &mut self.phase {
            liveness.activity(now);
        }
    }

    pub(crate) fn ponged(&mut self, now: Timestamp) {
        #[cfg(feature = "native")]
        self.traffic(now);
        if let Phase::Open { liveness, .. } = &mut self.phase {
            let rtt = liveness.pong(now);
            self.rtt = if mutation!(RttUnmeasured) { self.rtt } else { rtt.or(self.rtt) };
        }
    }

    /// The last measured round trip.
    pub(crate) fn rtt(&self) -> Option<Nanos> {
        self.rtt
    }

    /// Something came in, or is on its way out, on the current connection.
    #[cfg(feature = "native")]
    pub(crate) fn traffic(&mut self, now: Timestamp) {
        self.idle.traffic(now);
    }

    /// The first frame of an extended server is its `hello`: silence decides the mode only where a pong has shown that
    /// somebody is there.
    pub(super) fn probe_for_hello(&mut self, now: Timestamp) {
        self.probe(now);
    }

    /// Probes the server, where that is possible; without an answer in time the connection ends.
    pub(crate) fn probe(&mut self, now: Timestamp) {
        #[cfg(feature = "socketio")]
        if let Phase::Open { conn, .. } = self.phase
            && self.is_carried()
        {
            return self.actions.push(Action::Ping(conn));
        }
        if let Phase::Open { conn, liveness, .. } = &mut self.phase
            && liveness.probe_now(now)
        {
            self.actions.push(Action::Ping(*conn));
        }
    }
}
