//! Checks how a client migrates from a server that goes away, and what becomes of the old connection.

use super::{MS, Watch};
use crate::sim::{Micros, SECOND};
use rejoin::machine::ConnId;
use rejoin::messages::GoingAway;

/// The move to come.
#[derive(Debug)]
pub(super) struct Next {
    /// Where the next try goes.
    url: Option<Box<str>>,
    tries: u8,
    /// The next try is not later.
    due: Micros,
    /// It is not tried again before, after a try that has failed.
    not_before: Micros,
    pub(super) dialling: Option<ConnId>,
}

impl Next {
    pub(super) fn fails(&mut self, now: Micros) {
        self.dialling = None;
        self.url = None;
        self.due = now + 5 * SECOND;
        self.not_before = now + SECOND;
    }

    /// It has been tried often enough.
    pub(super) fn is_over(&self) -> bool {
        self.tries >= 3
    }
}

/// The connection that was moved away from.
#[derive(Debug, Clone, Copy)]
pub(super) struct OldConnection {
    pub(super) conn: ConnId,
    since: Micros,
    closing: Option<Micros>,
}

impl Watch {
    pub(super) fn going_away(&mut self, going: &GoingAway) {
        if self.next.is_none() {
            let window = 1_000 * going.window_ms.min(600_000);
            let due = self.now + window - (window / 4).min(5 * SECOND);
            self.next = Some(Next { url: going.url.clone(), tries: 0, due, not_before: 0, dialling: None });
        }
    }

    pub(super) fn dials_next(&mut self, conn: ConnId, url: Option<&str>) {
        let Some(next) = &mut self.next else {
            return self.wrong(format!("dial {} beside a connection that stays", conn.0));
        };
        next.tries += 1;
        next.dialling = Some(conn);
        let right = next.url.as_deref() == url;
        let early = self.now + 2 * MS < next.not_before;
        if !right {
            self.wrong(format!("dial {} of a move goes to {url:?}", conn.0));
        }
        if early {
            self.wrong(format!("dial {} of a move follows at once on one that has failed", conn.0));
        }
        if self.retiring.is_some() {
            self.wrong(format!("dial {} is for a third connection", conn.0));
        }
    }

    pub(super) fn moves_over(&mut self, conn: ConnId) {
        self.next = None;
        if let Some(old) = self.open.replace(self.connection(conn)) {
            self.retiring = Some(OldConnection { conn: old.id, since: self.now, closing: None });
        }
    }

    pub(super) fn closes(&mut self, conn: ConnId, code: u16) {
        let now = self.now;
        if let Some(retiring) = self.retiring.as_mut().filter(|retiring| retiring.conn == conn) {
            retiring.closing = Some(now);
            let early = now < retiring.since + 5 * SECOND;
            if code == 1000 {
                self.did.retires = Some(conn);
            } else if early {
                self.wrong(format!("the old connection {} is closed with {code}", conn.0));
            }
        }
    }

    /// Whether there are two connections, or will be.
    pub(in crate::sim::checker) fn moves(&self) -> bool {
        self.retiring.is_some()
    }

    /// A timer has fired: nothing of a move is late.
    pub(super) fn moves_in_time(&mut self) {
        let now = self.now;
        if !self.ticks {
            return;
        }
        if let Some(retiring) = self.retiring {
            let late = match retiring.closing {
                None => now > retiring.since + 5 * SECOND + 2 * MS,
                Some(since) => now > since + 3 * SECOND + 2 * MS,
            };
            if late {
                self.wrong(format!("connection {} was moved away from and stays", retiring.conn.0));
            }
            // A third connection waits for the end of the first one's time, though it may be gone earlier.
            let until = retiring.closing.map_or(retiring.since + 5 * SECOND, |since| since + 3 * SECOND);
            if let Some(next) = &mut self.next {
                next.due = next.due.max(until);
            }
        } else if let Some(next) = &self.next
            && self.open.is_some()
            && next.dialling.is_none()
            && now > next.due + 2 * MS
            && self.earliest(now) == now
        {
            self.wrong("its server is about to go, and it does not move".to_owned());
        }
    }
}
