//! The room server without sockets: one input in, any number of outputs out, one deadline.
//!
//! [`Hub`] is deterministic. It reads no clock ([`ClockReading`] comes with every input), does no I/O, draws its random
//! ids from the seed it was given and iterates no hash map, so the same inputs give the same outputs. The shell in
//! this crate and the simulation in `tests` drive the same code:
//!
//! ```
//! use rejoin::machine::ClockReading;
//! use rejoin::Name;
//! use rejoin_server::hub::{ConnId, Hub, HubConfig, Input, Output};
//!
//! let mut hub = Hub::new(HubConfig::default(), 1);
//! let (conn, now) = (ConnId(1), ClockReading::default());
//! hub.handle(now, Input::Connected { conn, user: Name::from("ada"), extended: false, expires: None });
//! hub.handle(now, Input::Frame { conn, text: r#"{"type":"join_room","roomId":"lobby"}"# });
//! hub.handle(now, Input::Frame { conn, text: r#"{"type":"send_message","roomId":"lobby","content":"hi"}"# });
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
//!
//! Some connections speak the extended protocol (protocol.md §2): what they send is numbered and answered, what
//! they missed is replayed from the room's [`Log`]. A replay is read from the log as the connection takes it:
//! after each part the hub says [`Output::NotifyQueueDrained`], and [`Input::QueueDrained`] brings the next one. Readers
//! ([`Input::OpenFeed`], protocol.md §4) are always served that way, the newest message too. What must outlive the process
//! is in the [`Store`].
//!
//! With [`HubConfig::node`] set the hub is one node of several on a store that they share. Its own [`Store`] is then a
//! copy of the rooms that somebody here is in. It asks by [`Output::Store`] and goes on; [`Input::StoreResponse`] brings the
//! answer, [`Input::StoreNotice`] what other nodes did. A join waits until the room was read, a send until it is stored; a
//! driver that cannot hand a request over says at once that it has failed. See [`shared`] for what is asked. One
//! [`Input::StoreResponse`] can let many go on who waited for the same read: 256 at a time, the others at the next ticks.

pub mod shared;

mod bans;
mod config;
mod connection;
mod dispatch;
mod drain;
mod eviction;
mod fair_share;
mod feed_request;
mod handshake;
mod history;
mod inspect;
mod io;
mod join;
mod log;
mod mutation;
mod names;
mod nodes;
mod permissions;
mod presence;
mod producers;
mod publish;
mod rate_limit;
mod replay;
mod restore;
mod rights;
mod room;
mod send;
mod signals;
mod sse_cursor;
mod sse_feed;
mod store;
#[cfg(test)]
mod tests;
mod token_expiry;
mod user;

pub use config::HubConfig;
pub use connection::is_retryable_close;
pub use feed_request::{FeedRequest, Since};
pub use inspect::{ConnectionInfo, Protocol, RoomInfo, UserInfo};
pub use io::{ConnId, DrainReason, Input, Output, RoomPosition, Text};
pub use log::{Log, LogEntry};
#[cfg(feature = "bugs")]
pub use mutation::Mutation;
#[cfg(feature = "bugs")]
pub use nodes::mutation::Mutation as NodeMutation;
pub(crate) use rights::Pattern;
pub(crate) use rights::{Permission, Permissions};
pub use rights::{Right, Rights, RightsError};
pub use store::Store;

pub use crate::limits::{Limit, RefusalCounts};

pub(crate) use publish::KIND_BYTES;
pub(crate) use sse_cursor::{KEEP_ALIVE, event_without_id};

pub(crate) use dispatch::{describe_decode_error, millis};
pub(crate) use names::{PERSONAL_ROOM, stream_of};

use bans::Bans;
use connection::Conn;
use mutation::mutation;
use nodes::Nodes;
use publish::NewMessage;
use rejoin::machine::ClockReading;
use rejoin::messages::Code;
use rejoin::{Id, Name, Timestamp};
use room::Room;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;
use user::User;

/// A tick this late says that the whole process stood still. What came in meanwhile is still unread, so a
/// silent peer gets a new ping instead of an end, and a line of sends counts as used so much later.
const LATE_TICK: Duration = Duration::from_secs(3);

/// Between two steps of a sweep.
const SWEEP_PAUSE: Duration = Duration::from_millis(10);

/// The rooms, their members and the rules. See the [module](self) for its loop.
#[derive(Debug)]
pub struct Hub {
    config: HubConfig,
    rng: fastrand::Rng,
    store: Store,
    conns: BTreeMap<ConnId, Conn>,
    /// Those with a member, or with somebody who may be back any moment. Personal streams are rooms named `@` and
    /// the user's name, which no room's name can be.
    rooms: BTreeMap<Name, Room>,
    /// Those of them with a member, personal streams aside: kept as they change, so that asking for it costs nothing.
    occupied_rooms: usize,
    users: BTreeMap<Name, User>,
    bans: Bans,
    refusal_counts: RefusalCounts,
    /// Connections that may not do everything.
    restricted: usize,
    due: BTreeSet<(Timestamp, Timer)>,
    /// When the last input came.
    last_input: Timestamp,
    /// Whether a sweep of the store is due some time.
    sweep_scheduled: bool,
    draining: Option<DrainReason>,
    outputs: VecDeque<Output>,
    /// Of the newest connection.
    generation: u64,
    /// What only a hub has that is one node of several.
    nodes: Option<Box<Nodes>>,
}

/// What a deadline is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Heartbeat(ConnId),
    Drain(ConnId),
    Forget(Name),
    /// The user's grace in the room ends.
    GraceEnd(Name, Name),
    TokenWarning(ConnId),
    TokenEnds(ConnId),
    /// The user's ban ends.
    Unban(Name),
    Sweep,
    /// The store has not answered in time.
    StoreTimeout,
    /// More of those go on for whom the room was read.
    ResumeParked(Name),
    /// Rooms that nobody waits for are read again.
    ReadRooms,
    /// It is said again who is in the room.
    RepeatPresence(Name),
    /// The other node has nobody in the room, unless it has said so lately.
    RemoteExpiry(Name, Id),
    /// Other nodes are told what users have used.
    ReportUsage,
}

impl Hub {
    /// An empty hub. Ids come from the seed: two hubs that follow each other must not have the same one.
    pub fn new(config: HubConfig, seed: u64) -> Self {
        Self::with_store(config, seed, Store::new())
    }

    /// A hub without connections that goes on where another one ended.
    /// One node of several has nothing of its own to go on with.
    pub fn with_store(config: HubConfig, seed: u64, mut store: Store) -> Self {
        if config.node.is_some() {
            store = Store::new();
        }
        store.vacate_all();
        let nodes = config.node.clone().map(|id| Box::new(Nodes::new(id)));
        Self {
            config,
            rng: fastrand::Rng::with_seed(seed),
            store,
            conns: BTreeMap::new(),
            rooms: BTreeMap::new(),
            occupied_rooms: 0,
            users: BTreeMap::new(),
            bans: Bans::default(),
            refusal_counts: RefusalCounts::default(),
            restricted: 0,
            due: BTreeSet::new(),
            last_input: Timestamp::default(),
            sweep_scheduled: false,
            draining: None,
            outputs: VecDeque::new(),
            generation: 0,
            nodes,
        }
    }

    /// Takes one input. An input for a connection the hub does not know is ignored: it may have been closed
    /// while the input was on its way.
    pub fn handle(&mut self, now: ClockReading, input: Input<'_>) {
        self.detect_standstill(now.monotonic);
        match input {
            Input::Connected { conn, user, extended, expires } => {
                self.connected(now, conn, &user, extended, expires);
            }
            Input::OpenFeed { conn, user, expires, request } => {
                self.open_feed(now, conn, &user, expires, request);
            }
            Input::Frame { conn, text } => self.handle_frame(now, conn, text),
            Input::Activity { conn } => self.activity(now.monotonic, conn),
            Input::Continuations { conn, count } => {
                self.count_frames(now.monotonic, conn, count);
            }
            Input::Restore { conn, rooms } if self.nodes.is_some() => self.park_restore(now, conn, rooms),
            Input::Restore { conn, rooms } => self.restore(now.monotonic, conn, rooms),
            Input::QueueDrained { conn } => self.queue_drained(conn),
            Input::Disconnected { conn, clean } => self.disconnect(now.monotonic, conn, clean),
            Input::Authenticated { conn, reference, user, expires } => {
                self.authenticated(now.monotonic, conn, reference, user, expires);
            }
            Input::AuthenticationFailed { conn, reference, code: why } => {
                let message = match why {
                    Code::RateLimited => "too many wrong tokens came from this address",
                    _ => "it cannot be found out now whose the token is",
                };
                self.send_refusal(conn, Some(reference), None, why, message);
            }
            Input::Revoked { conn } => {
                if self.conns.contains_key(&conn) {
                    self.close(now.monotonic, conn, 4001, "Unauthorized");
                }
            }
            Input::SetRights { conn, rights } => self.set_rights(now.monotonic, conn, rights),
            Input::Notify { call, user, kind, data } => self.notify(now, call, user, kind, data),
            Input::Post { call, room, user, content, data, key } => {
                self.post(now, call, room, NewMessage { user, content, data }, key);
            }
            Input::Remove { room, user } => self.remove(now.monotonic, &room, &user),
            Input::EmptyRoom { room } => self.empty_room(&room),
            Input::Kick { user, ban } => self.kick(now.monotonic, &user, ban),
            Input::Drain { window, reason } => self.drain(now, window, reason),
            Input::StoreResponse { request_id, response: answer } => {
                self.handle_response(now, request_id, answer);
            }
            Input::StoreNotice(notice) => self.handle_notice(now, notice),
            Input::Tick => self.tick(now),
        }
        if !self.sweep_scheduled && self.store.wants_sweep(self.conns.len()) {
            self.sweep_scheduled = true;
            self.due.insert((now.monotonic + self.sweep_interval(), Timer::Sweep));
        }
    }

    /// A deadline that has been missed for so long, without an input since, says that the process stood still. What is
    /// read then may have waited for as long, repeated sends among it: lines are remembered for so much longer.
    fn detect_standstill(&mut self, now: Timestamp) {
        let before = std::mem::replace(&mut self.last_input, now);
        let Some((due, _)) = self.due.first() else { return };
        let late = now.since(before.max(*due));
        if late >= LATE_TICK && !mutation!(StandstillAgesLines) {
            self.store.extend_producer_lifetimes(late);
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
        self.rooms.get(room).into_iter().flat_map(Room::members).map(|member| (member.conn, &member.user))
    }

    /// Whose a connection is.
    pub fn user_of(&self, conn: ConnId) -> Option<&Name> {
        self.conns.get(&conn).map(|state| &state.user)
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.conns.len()
    }

    /// How many of them speak the extended protocol.
    pub fn extended_connections(&self) -> usize {
        self.conns.values().filter(|state| state.extended.is_some()).count()
    }

    /// How many rooms have a member.
    pub fn rooms(&self) -> usize {
        self.occupied_rooms
    }

    /// What the hub's limits have refused since the beginning.
    pub fn refusal_counts(&self) -> &RefusalCounts {
        &self.refusal_counts
    }

    /// What must outlive the hub.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The same, to do harm to it in a test.
    pub fn store_mut(&mut self) -> &mut Store {
        &mut self.store
    }

    /// Ends the hub and keeps what must outlive it.
    pub fn into_store(self) -> Store {
        self.store
    }

    /// Removes a connection from everywhere.
    fn disconnect(&mut self, now: Timestamp, conn: ConnId, clean: bool) {
        let Some(state) = self.conns.remove(&conn) else { return };
        self.restricted -= usize::from(!state.rights.is_all());
        for name in &state.rooms {
            self.remove_member(now, name, conn, clean || mutation!(LeavesOnLoss));
        }
        if let Some(reader) = &state.reader {
            self.close_feed(now, conn, reader);
        }
        if self.nodes.is_some() {
            self.unpark(conn);
        }
        self.due.remove(&(state.heartbeat, Timer::Heartbeat(conn)));
        if let Some(at) = state.drain {
            self.due.remove(&(at, Timer::Drain(conn)));
        }
        state.token_expiry.cancel(conn, &mut self.due);
        if let Some(user) = self.users.get_mut(&state.user) {
            user.connections -= 1;
            user.connection_closed(conn);
            if user.connections == 0 {
                let at = user.idle_at(now);
                if at > now {
                    self.due.insert((at, Timer::Forget(state.user.clone())));
                } else {
                    self.users.remove(&state.user);
                }
            }
            self.note_usage(now, &state.user);
        }
    }

    /// Closes a connection whose user goes on and on with what is refused.
    fn close_flooding(&mut self, now: Timestamp, conn: ConnId) {
        self.refusal_counts.record(Limit::Refusals);
        self.close(now, conn, 4008, "Rate limited");
    }

    fn close(&mut self, now: Timestamp, conn: ConnId, code: u16, reason: &'static str) {
        self.disconnect(now, conn, false);
        self.outputs.push_back(Output::Close { conn, code, reason });
    }

    fn tick(&mut self, moment: ClockReading) {
        let now = moment.monotonic;
        // Each pass removes the entry it looks at, and what it adds lies in the future (or, with a heartbeat
        // of zero, is a ping whose answer cannot have come): the walk ends.
        let mut later = Vec::new();
        while let Some((at, due)) = self.due.pop_first() {
            if at > now {
                self.due.insert((at, due));
                break;
            }
            match due {
                Timer::Heartbeat(conn) => {
                    let Some(state) = self.conns.get_mut(&conn) else { continue };
                    let (lives, beat) = match &mut state.reader {
                        Some(reader) => {
                            (reader.keep_alive(conn, &mut self.outputs), self.config.comment_interval)
                        }
                        None => (state.is_active, self.config.heartbeat_interval(state.extended.is_some())),
                    };
                    if !lives && now.since(at) < LATE_TICK && !mutation!(SilentPeerKept) {
                        self.disconnect(now, conn, false);
                        self.outputs.push_back(Output::Terminate { conn });
                        continue;
                    }
                    state.is_active = false;
                    state.heartbeat = now + if mutation!(HeartbeatTooOften) { beat / 2 } else { beat };
                    let (user, is_reader) = (state.user.clone(), state.reader.is_some());
                    later.push((state.heartbeat, Timer::Heartbeat(conn)));
                    self.note_usage(now, &user);
                    if !is_reader {
                        self.outputs.push_back(Output::Ping { conn });
                        self.refresh_hello(moment, conn);
                    }
                }
                Timer::Drain(conn) => {
                    let (code, reason) = self.draining.unwrap_or_default().close();
                    self.close(now, conn, code, reason);
                }
                Timer::Forget(user) => {
                    // An earlier deadline than the one of the last loss: what has been used up since is not full again.
                    let is_over = |user: &User| user.connections == 0 && user.idle_at(now) <= now;
                    if self.users.get(&user).is_some_and(is_over) {
                        self.users.remove(&user);
                    }
                }
                Timer::GraceEnd(room, user) => self.member_left(now, &room, &user),
                Timer::TokenWarning(conn) => self.send_expiry_warning(now, conn),
                Timer::TokenEnds(conn) => self.close(now, conn, 4002, "Token expired"),
                Timer::Unban(user) => self.unban(&user),
                Timer::StoreTimeout => self.expire_requests(moment),
                Timer::ResumeParked(room) => self.resume_batch(moment, &room),
                Timer::ReadRooms => self.resume_reads(now),
                Timer::RepeatPresence(room) => self.repeat_presence(now, at, &room),
                Timer::ReportUsage => self.report_usage(now),
                Timer::RemoteExpiry(room, node) => later.extend(self.expire_remote(now, room, node)),
                Timer::Sweep => {
                    let connections = self.conns.len();
                    let over = self.store.sweep(now, &self.config, connections);
                    self.sweep_scheduled = self.store.wants_sweep(connections);
                    if self.sweep_scheduled {
                        let pause = if over { self.sweep_interval() } else { SWEEP_PAUSE };
                        later.push((now + pause, Timer::Sweep));
                    }
                }
            }
        }
        self.due.extend(later);
    }

    /// Often enough that what is out of use does not stay for much longer.
    fn sweep_interval(&self) -> Duration {
        (self.config.dedupe_window / 10).clamp(Duration::from_secs(1), Duration::from_secs(60))
    }
}
