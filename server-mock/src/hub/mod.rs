//! The room server without sockets: one input in, any number of outputs out, one deadline.
//!
//! [`Hub`] is deterministic. It reads no clock ([`Moment`] comes with every input), does no I/O, draws no
//! random number and iterates no hash map, so the same inputs give the same outputs. The shell in this crate
//! and the simulation in `tests` drive the same code:
//!
//! ```
//! use rejoin::{Moment, Name};
//! use rejoin_server::hub::{ConnId, Hub, HubConfig, Input, Output};
//!
//! let mut hub = Hub::new(HubConfig::default());
//! let (ada, now) = (ConnId(1), Moment::default());
//! hub.handle(now, Input::Connected { conn: ada, user: Name::from("ada") });
//! hub.handle(now, Input::Frame { conn: ada, text: r#"{"type":"join_room","roomId":"lobby"}"# });
//! hub.handle(now, Input::Frame { conn: ada, text: r#"{"type":"send_message","roomId":"lobby","content":"hi"}"# });
//! let Some(Output::Send { text, .. }) = hub.poll() else { panic!("the sender gets its own message") };
//! assert_eq!(
//!     &*text,
//!     r#"{"type":"message","roomId":"lobby","userId":"ada","content":"hi","timestamp":"1970-01-01T00:00:00.000Z"}"#
//! );
//! ```
//!
//! A driver calls [`Hub::handle`], takes everything [`Hub::poll`] has, and comes back with [`Input::Tick`] when
//! [`Hub::next_deadline`] has come. The outputs wait in a queue that one input can lengthen by at most the
//! members of one room (a frame), or the number of connections (a tick), so a driver that empties it each time
//! bounds it.

mod allowance;
mod config;
mod io;
mod room;
mod rules;
#[cfg(test)]
mod tests;
mod user;
mod utc;

pub use config::HubConfig;
pub use io::{ConnId, Input, Output, Text};

use rejoin::{Moment, Name, Timestamp};
use room::Room;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;
use user::User;

/// A tick this late says that the whole process stood still. What came in meanwhile is still unread, so a
/// silent peer gets a new ping instead of an end.
const LATE_TICK: Duration = Duration::from_secs(3);

/// The rooms, their members and the rules. See the [module](self) for its loop.
#[derive(Debug)]
pub struct Hub {
    config: HubConfig,
    conns: BTreeMap<ConnId, Conn>,
    rooms: BTreeMap<Name, Room>,
    users: BTreeMap<Name, User>,
    due: BTreeSet<(Timestamp, Due)>,
    draining: bool,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
struct Conn {
    user: Name,
    rooms: BTreeSet<Name>,
    /// Whether anything came since the last ping.
    heard: bool,
    /// Its entry in `due`.
    heartbeat: Timestamp,
    /// Its second entry in `due`, once a drain has begun.
    drain: Option<Timestamp>,
}

/// What a deadline is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Heartbeat(ConnId),
    Drain(ConnId),
    Forget(Name),
}

impl Hub {
    /// An empty hub.
    pub fn new(config: HubConfig) -> Self {
        Self {
            config,
            conns: BTreeMap::new(),
            rooms: BTreeMap::new(),
            users: BTreeMap::new(),
            due: BTreeSet::new(),
            draining: false,
            outputs: VecDeque::new(),
        }
    }

    /// Takes one input. An input for a connection the hub does not know is ignored: it may have been closed
    /// while the input was on its way.
    pub fn handle(&mut self, now: Moment, input: Input<'_>) {
        match input {
            Input::Connected { conn, user } => self.connected(now.monotonic, conn, user),
            Input::Frame { conn, text } => self.frame(now, conn, text),
            Input::Heard { conn } => {
                if let Some(state) = self.conns.get_mut(&conn) {
                    state.heard = true;
                }
            }
            Input::Disconnected { conn } => self.forget(now.monotonic, conn),
            Input::Drain { window } => self.drain(now.monotonic, window),
            Input::Tick => self.tick(now.monotonic),
        }
    }

    /// The next thing to do, in order; `None` when all is done.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When the hub wants an [`Input::Tick`], by the monotonic clock.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The connections in a room and whose they are, in the order of [`ConnId`].
    pub fn members(&self, room: &str) -> impl Iterator<Item = (ConnId, &Name)> {
        self.rooms.get(room).into_iter().flat_map(Room::members)
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.conns.len()
    }

    /// How many rooms have a member.
    pub fn rooms(&self) -> usize {
        self.rooms.len()
    }

    fn connected(&mut self, now: Timestamp, conn: ConnId, user: Name) {
        self.forget(now, conn);
        if self.draining {
            // It was let in before the drain began.
            self.outputs.push_back(Output::Close { conn, code: 1012, reason: "Service restart" });
            return;
        }
        let open = self.users.get(&user).map_or(0, |state| state.connections);
        if open >= self.config.sockets_per_user {
            self.outputs.push_back(Output::Close { conn, code: 4011, reason: "Too many connections" });
            return;
        }
        self.users.entry(user.clone()).or_insert_with(|| User::new(&self.config, now)).connections += 1;
        let heartbeat = now + self.config.heartbeat;
        self.due.insert((heartbeat, Due::Heartbeat(conn)));
        // Until the first ping there is nothing the peer has failed to answer.
        let state = Conn { user, rooms: BTreeSet::new(), heard: true, heartbeat, drain: None };
        self.conns.insert(conn, state);
    }

    /// Removes every trace of a connection, silently: plain members are not told that somebody left.
    fn forget(&mut self, now: Timestamp, conn: ConnId) {
        let Some(state) = self.conns.remove(&conn) else { return };
        for name in &state.rooms {
            self.remove_member(name, conn);
        }
        self.due.remove(&(state.heartbeat, Due::Heartbeat(conn)));
        if let Some(at) = state.drain {
            self.due.remove(&(at, Due::Drain(conn)));
        }
        if let Some(user) = self.users.get_mut(&state.user) {
            user.connections -= 1;
            if user.connections == 0 {
                let at = user.forgettable_at(now);
                if at > now {
                    self.due.insert((at, Due::Forget(state.user)));
                } else {
                    self.users.remove(&state.user);
                }
            }
        }
    }

    fn remove_member(&mut self, name: &Name, conn: ConnId) {
        if let Some(room) = self.rooms.get_mut(name) {
            room.remove(conn);
            if room.is_empty() {
                self.rooms.remove(name);
            }
        }
    }

    fn close(&mut self, now: Timestamp, conn: ConnId, code: u16, reason: &'static str) {
        self.forget(now, conn);
        self.outputs.push_back(Output::Close { conn, code, reason });
    }

    fn drain(&mut self, now: Timestamp, window: Duration) {
        self.draining = true;
        let count = u32::try_from(self.conns.len()).unwrap_or(u32::MAX).max(1);
        for (index, (conn, state)) in (0_u32..).zip(&mut self.conns) {
            let at = now + window / count * index;
            if let Some(earlier) = state.drain.replace(at) {
                self.due.remove(&(earlier, Due::Drain(*conn)));
            }
            self.due.insert((at, Due::Drain(*conn)));
        }
        self.tick(now);
    }

    fn tick(&mut self, now: Timestamp) {
        // Each pass removes the entry it looks at, and what it adds lies in the future (or, with a heartbeat
        // of zero, is a ping whose answer cannot have come): the walk ends.
        let mut later = Vec::new();
        while let Some((at, due)) = self.due.pop_first() {
            if at > now {
                self.due.insert((at, due));
                break;
            }
            match due {
                Due::Heartbeat(conn) => {
                    let Some(state) = self.conns.get_mut(&conn) else { continue };
                    if !state.heard && now.since(at) < LATE_TICK {
                        self.forget(now, conn);
                        self.outputs.push_back(Output::Terminate { conn });
                        continue;
                    }
                    state.heard = false;
                    state.heartbeat = now + self.config.heartbeat;
                    later.push((state.heartbeat, Due::Heartbeat(conn)));
                    self.outputs.push_back(Output::Ping { conn });
                }
                Due::Drain(conn) => self.close(now, conn, 1012, "Service restart"),
                Due::Forget(user) => {
                    if self.users.get(&user).is_some_and(|user| user.connections == 0) {
                        self.users.remove(&user);
                    }
                }
            }
        }
        self.due.extend(later);
    }
}
