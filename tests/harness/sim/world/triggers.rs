//! Faults that wait for their trigger.

use super::{SimEvent, World};
use crate::sim::Micros;
use crate::sim::action::{Action, LogOwner, StaleFrame, Trigger, TriggerSource};
use crate::sim::client::Death;
use crate::sim::coverage::Sometimes;
use rejoin::machine::{ConnId, Disconnect, Input};
use rejoin::{DialError, DialErrorKind, Name};

impl World {
    /// From now on an act waits for a moment of somebody.
    pub(super) fn aim(&mut self, of: TriggerSource, moment: Trigger, after: Micros, act: &Action) {
        self.aims.push((of, moment, after, act.clone()));
    }

    /// It is that moment. A process dies in the midst of what it does; everything else happens when that is done.
    pub(super) fn moment(&mut self, who: TriggerSource, moment: Trigger) {
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
                Action::CrashClient { client: victim, outputs, down, power }
                    if TriggerSource::Client(victim) == who && after == 0 =>
                {
                    self.clients[victim].death = Some(Death { outputs, down, power });
                }
                act => self.later(after, SimEvent::Strikes { of, act: Box::new(act) }),
            }
        }
    }

    pub(super) fn strikes(&mut self, of: TriggerSource, act: &Action) {
        if !self.calm {
            self.checker.cover.reach(match of {
                TriggerSource::Client(_) => Sometimes::Struck,
                TriggerSource::Reader(_) => Sometimes::StruckReader,
                TriggerSource::Sio(_) => Sometimes::StruckSio,
            });
            self.act(act);
        }
    }

    /// The name that a log has in the store.
    pub(super) fn log_name(&self, log: LogOwner) -> Name {
        match log {
            LogOwner::Room(room) => Self::room(room),
            LogOwner::Stream(client) => Name::from(format!("@{}", self.clients[client].name)),
        }
    }

    /// The driver tells something of a connection that is no more.
    pub(super) fn stale(&mut self, client: usize, what: StaleFrame) {
        let newest = self.clients[client].newest();
        let present =
            newest.map(|index| self.conns[index].id).or(self.clients[client].dialing.last().copied());
        let Some(earlier) = present.and_then(|id| id.0.checked_sub(1)).filter(|id| *id > 0) else { return };
        let conn = ConnId(earlier);
        if self.socket(client, conn).is_some() || self.clients[client].dialing.contains(&conn) {
            return;
        }
        let input = match what {
            StaleFrame::Opened => Input::Opened(conn),
            StaleFrame::DialFailed => Input::DialFailed(conn, DialError::new(DialErrorKind::Refused, "")),
            StaleFrame::Pong => Input::Pong(conn),
            StaleFrame::Heard => Input::Activity(conn),
            StaleFrame::Flushed => Input::Flushed(conn, 1_000),
            StaleFrame::Closed => {
                Input::Closed(conn, Disconnect::Closed { code: 1000, reason: "bye".into() })
            }
            StaleFrame::Message => {
                let Some(text) = newest.and_then(|index| self.conns[index].last_message.clone()) else {
                    return;
                };
                let Ok(message) = self.decoder.decode(&text) else { return };
                Input::Received(conn, message)
            }
        };
        self.input(client, input);
    }
}
