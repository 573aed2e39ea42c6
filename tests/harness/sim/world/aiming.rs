//! Faults that wait for their moment.

use super::{Happening, World};
use crate::sim::Micros;
use crate::sim::act::{Act, Moment, Stale, Who, Whose};
use crate::sim::client::Death;
use crate::sim::coverage::Sometimes;
use rejoin::machine::{ConnId, Disconnect, Input};
use rejoin::{DialError, DialErrorKind, Name};

impl World {
    /// From now on an act waits for a moment of somebody.
    pub(super) fn aim(&mut self, of: Who, moment: Moment, after: Micros, act: &Act) {
        self.aims.push((of, moment, after, act.clone()));
    }

    /// It is that moment. A process dies in the midst of what it does; everything else happens when that is done.
    pub(super) fn moment(&mut self, who: Who, moment: Moment) {
        if self.aims.is_empty() {
            return;
        }
        let aims = std::mem::take(&mut self.aims);
        for (of, at, after, act) in aims {
            if (of, at) != (who, moment) {
                self.aims.push((of, at, after, act));
                continue;
            }
            match act {
                Act::CrashClient { client: victim, outputs, down, power }
                    if Who::Client(victim) == who && after == 0 =>
                {
                    self.clients[victim].death = Some(Death { outputs, down, power });
                }
                act => self.later(after, Happening::Strikes { of, act: Box::new(act) }),
            }
        }
    }

    pub(super) fn strikes(&mut self, of: Who, act: &Act) {
        if !self.calm {
            self.checker.cover.reach(match of {
                Who::Client(_) => Sometimes::Struck,
                Who::Reader(_) => Sometimes::StruckReader,
                Who::Sio(_) => Sometimes::StruckSio,
            });
            self.act(act);
        }
    }

    /// The name that a log has in the store.
    pub(super) fn log_name(&self, log: Whose) -> Name {
        match log {
            Whose::Room(room) => Self::room(room),
            Whose::Stream(client) => Name::from(format!("@{}", self.clients[client].name)),
        }
    }

    /// The driver tells something of a connection that is no more.
    pub(super) fn stale(&mut self, client: usize, what: Stale) {
        let Some(index) = self.clients[client].newest() else { return };
        let Some(earlier) = self.conns[index].id.0.checked_sub(1).filter(|id| *id > 0) else { return };
        let conn = ConnId(earlier);
        if self.socket(client, conn).is_some() || self.clients[client].dialing.contains(&conn) {
            return;
        }
        let input = match what {
            Stale::Opened => Input::Opened(conn),
            Stale::DialFailed => Input::DialFailed(conn, DialError::new(DialErrorKind::Refused, "")),
            Stale::Pong => Input::Pong(conn),
            Stale::Heard => Input::Activity(conn),
            Stale::Flushed => Input::Flushed(conn, 1_000),
            Stale::Closed => Input::Closed(conn, Disconnect::Closed { code: 1000, reason: "bye".into() }),
            Stale::Message => {
                let Some(text) = self.conns[index].last_message.clone() else { return };
                let Ok(message) = self.decoder.decode(&text) else { return };
                Input::Received(conn, message)
            }
        };
        self.input(client, input);
    }
}
