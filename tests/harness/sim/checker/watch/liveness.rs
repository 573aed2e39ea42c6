//! When a client asks for a sign of life, and when it gives a connection up (reconnecting.md, "Liveness").

use super::{CauseCode, MS, Open, Watch};
use crate::sim::SECOND;

impl Watch {
    /// Something came on the connection in use.
    pub(super) fn heard(&mut self) {
        let now = self.now;
        if let Some(open) = &mut self.open {
            open.heard = now;
            open.asked = None;
        }
    }

    pub(super) fn asks(&mut self) {
        self.did.asks = true;
        let now = self.now;
        if let Some(open) = &mut self.open {
            open.asked = Some(now);
        }
    }

    /// A connection is given up because nothing came: it was asked, there was time to answer, and the timer was not late.
    pub(super) fn is_dead_in_time(&mut self, code: CauseCode, lost: Option<Open>) {
        let Some(open) = lost else { return };
        let patience = match code {
            CauseCode::DeadPeer => 10 * SECOND,
            CauseCode::NetworkChanged => 3 * SECOND,
            _ => return,
        };
        let waited = open.asked.map(|asked| self.now - asked);
        if waited.is_none_or(|waited| waited + 2 * MS < patience || waited > patience + 2 * SECOND + 2 * MS) {
            self.wrong(format!("{code:?} {waited:?} µs after it was asked for a sign of life"));
        }
    }

    /// A silent connection is asked in time.
    pub(super) fn is_alive_in_time(&mut self) {
        let Some(open) = self.open.filter(|_| self.ticks) else { return };
        if open.asked.is_none() && self.now > open.heard + open.heartbeat + 2 * MS {
            let silence = self.now - open.heard;
            self.wrong(format!("a connection is silent for {silence} µs and is not asked"));
        }
    }
}
