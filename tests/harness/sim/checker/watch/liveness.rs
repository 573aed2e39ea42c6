//! Checks when a client probes a connection and when it gives one up (reconnecting.md, "Liveness").

use super::{CauseCode, MS, Open, Watch};
use crate::sim::{Micros, SECOND};

impl Watch {
    /// Something came on the connection in use.
    pub(super) fn heard(&mut self) {
        let now = self.now;
        self.did.heard = true;
        if let Some(open) = &mut self.open {
            open.heard = now;
            open.has_spoken = true;
            open.asked = None;
        }
    }

    /// What was asked for comes.
    pub(super) fn is_answered(&mut self) {
        self.did.rtt = self.open.filter(|open| open.is_timed).and_then(|open| Some(self.now - open.asked?));
    }

    pub(super) fn asks(&mut self) {
        self.did.asks = true;
        let (now, is_timed) = (self.now, !self.did.heard);
        let hinted = self.is_hinted;
        let Some(open) = &mut self.open else { return };
        let again = open.asked.is_some() && hinted && open.is_doubted;
        open.is_doubted = hinted;
        if again {
            return self.wrong("a server that is asked already is given its time anew by a hint".to_owned());
        }
        open.is_timed = is_timed;
        open.asked = Some(now);
        open.asked_last = now;
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

    /// Whether the server has been asked for a sign of life since then, or is to answer one.
    pub(in crate::sim::checker) fn has_asked_since(&self, then: Micros) -> bool {
        self.open.is_none_or(|open| open.asked.is_some() || open.asked_last >= then)
    }

    /// What it has forgotten to look after, when nothing has happened for long.
    pub(in crate::sim::checker) fn is_forgetful(&self) -> Option<String> {
        let open = self.open?;
        let silence = self.now.saturating_sub(open.heard);
        match open.asked {
            None if silence > open.heartbeat + SECOND => {
                Some(format!("has heard nothing for {silence} µs and does not ask"))
            }
            Some(asked) if self.now > asked + 13 * SECOND => {
                Some(format!("was not answered for {} µs and stays", self.now - asked))
            }
            _ => None,
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
