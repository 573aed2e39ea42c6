//! Resolves the futures that wait for a state of the session: ready, a room joined, earlier sends resolved. Inspects
//! the session after each round of the driver; changes nothing in it.

use super::client::ClosedError;
use super::command_queue::CommandQueue;
use super::driven_session::ObservedSession;
use super::permit::Reservation;
use crate::cause::Cause;
use crate::config::Config;
use crate::event::{Event, JoinedRoom, Mode, RoomChange, RoomState};
use crate::link::State;
use crate::messages::{Code, ServerCode};
use crate::name::{Name, PERSONAL_ROOM, RoomNameError};
use crate::outbound::OVERHEAD;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::oneshot::Sender;

/// Why a room was not joined.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The room's name is none.
    #[error("\"{}\" is no room name", .0.escape_debug())]
    BadRoom(String, #[source] RoomNameError),
    /// There are as many rooms as the client's configuration allows.
    #[error("the client is in as many rooms as its configuration allows")]
    TooManyRooms,
    /// The server refused it permanently, or has removed the user.
    #[error("the server refused the join ({}): {}", code.as_str(), refusal(*code, message.as_deref()))]
    Refused {
        /// Why, as far as it is a known reason.
        code: Code,
        /// The server's words, if there are some. Hostile text.
        message: Option<String>,
        /// The server's own code, where the protocol does not name the reason. Hostile text.
        server_code: ServerCode,
    },
    /// It was left before it was joined.
    #[error("the room was left before it was joined")]
    Left,
    /// The client has ended.
    #[error(transparent)]
    Closed(#[from] ClosedError),
}

impl JoinError {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadRoom(..) => "bad_room",
            Self::TooManyRooms => "too_many_rooms",
            Self::Refused { code, .. } => code.as_str(),
            Self::Left => "left",
            Self::Closed(_) => "closed",
        }
    }
}

/// The server's words, and what can be done.
fn refusal(code: Code, message: Option<&str>) -> String {
    match (message.filter(|words| !words.is_empty()), advice(code)) {
        (Some(words), Some(advice)) => format!("{words}; {advice}"),
        (Some(words), None) => words.to_owned(),
        (None, advice) => String::from(advice.unwrap_or("it gives no reason")),
    }
}

/// What can be done about a refused join.
fn advice(code: Code) -> Option<&'static str> {
    match code {
        Code::Forbidden => Some("ask the server's operator for the right"),
        Code::TooManyRooms => Some("leave a room first"),
        Code::RoomFull => Some("try again when somebody has left"),
        Code::RateLimited | Code::Overloaded => Some("try again later"),
        Code::BadRequest => Some("the server does not take such a name: choose another one"),
        _ => None,
    }
}

/// What a handle waits for. A waiter that is dropped has the answer "the client has ended".
#[derive(Debug)]
pub(crate) enum Waiter {
    /// The mode is decided and every wanted room is joined.
    Ready(Sender<Result<Mode, ClosedError>>),
    /// A room is joined.
    Joined(Name, Sender<Result<JoinedRoom, JoinError>>),
    /// Every send taken so far has its outcome.
    Flushed(Sender<Result<(), ClosedError>>),
    /// The outbox has room for one more message.
    Reserved(Sender<Result<Reservation, ClosedError>>),
}

/// The outbox's bounds, and what is set aside in it.
#[derive(Debug)]
pub(crate) struct OutboxCapacity {
    count: usize,
    bytes: usize,
    /// The largest message.
    largest: usize,
    /// Permits that are out.
    granted: usize,
}

impl OutboxCapacity {
    pub(super) fn new(config: &Config) -> Self {
        let (count, bytes) = (config.outbox.count, config.outbox.bytes);
        // Where one message may be larger than all of them together, one at a time.
        let largest = config.max_content.saturating_add(OVERHEAD).min(bytes);
        Self { count, bytes, largest, granted: 0 }
    }

    /// Whether there is room for one more permit beside so many sends.
    fn has_room(&self, sends: usize, bytes: usize) -> bool {
        let set_aside = self.granted.saturating_add(1).saturating_mul(self.largest);
        sends.saturating_add(self.granted) < self.count && bytes.saturating_add(set_aside) <= self.bytes
    }
}

/// Those that wait, and what they have to know of the time since they began.
#[derive(Debug)]
pub(crate) struct Waiters {
    ready: Vec<Sender<Result<Mode, ClosedError>>>,
    rooms: Vec<RoomWaiter>,
    flushed: Vec<(u64, Sender<Result<(), ClosedError>>)>,
    reserved: VecDeque<Sender<Result<Reservation, ClosedError>>>,
    room: OutboxCapacity,
}

#[derive(Debug)]
struct RoomWaiter {
    room: Name,
    /// The server's own account of the membership, where it gives one.
    joined: Option<JoinedRoom>,
    failed: Option<JoinError>,
    done: Sender<Result<JoinedRoom, JoinError>>,
}

impl Waiters {
    pub(super) fn new(room: OutboxCapacity) -> Self {
        Self { ready: Vec::new(), rooms: Vec::new(), flushed: Vec::new(), reserved: VecDeque::new(), room }
    }

    /// So many permits have been used or dropped; what they were used for has reached the session.
    pub(super) fn permits_released(&mut self, permits: usize) {
        self.room.granted = self.room.granted.saturating_sub(permits);
    }

    /// A new one. Whatever its handle has requested before has reached the session.
    pub(super) fn add<M: ObservedSession>(&mut self, waiter: Waiter, session: &M) {
        match waiter {
            Waiter::Ready(done) => self.ready.push(done),
            Waiter::Joined(room, done) => {
                // There is no event for it any more.
                let failed = session.room_state(&room).is_none().then_some(JoinError::TooManyRooms);
                self.rooms.push(RoomWaiter { room, joined: None, failed, done });
            }
            Waiter::Flushed(done) => self.flushed.push((session.last_send(), done)),
            Waiter::Reserved(done) => self.reserved.push_back(done),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.rooms.is_empty() && self.flushed.is_empty() && self.reserved.is_empty()
    }

    /// What the application is reported concerns those who wait, too.
    pub(super) fn observe(&mut self, event: &Event) {
        match event {
            Event::Joined(joined) => {
                for waiter in self.rooms.iter_mut().filter(|waiter| waiter.room == joined.room) {
                    waiter.joined = Some(joined.clone());
                }
            }
            Event::Room(RoomChange { room, state, message, server_code, .. }) => {
                let failed = match state {
                    RoomState::Failed(code) | RoomState::Removed(code) => JoinError::Refused {
                        code: *code,
                        message: message.clone(),
                        server_code: server_code.clone(),
                    },
                    RoomState::Left => JoinError::Left,
                    RoomState::Refused => JoinError::TooManyRooms,
                    RoomState::Joining | RoomState::Joined => return,
                };
                for waiter in self.rooms.iter_mut().filter(|waiter| waiter.room == *room) {
                    waiter.failed = Some(failed.clone());
                }
            }
            _ => {}
        }
    }

    /// Answers those whose time has come. `cause` is that of the state.
    pub(super) fn answer<M: ObservedSession>(
        &mut self,
        session: &M,
        cause: Option<&Cause>,
        commands: &Arc<CommandQueue>,
    ) {
        let ended = matches!(session.state(), State::Closing | State::Closed | State::Failed)
            .then(|| ClosedError { cause: cause.cloned() });
        let mode = session.mode().filter(|_| is_settled(session));
        for done in std::mem::take(&mut self.ready) {
            let result = ended.clone().map(Err).or(mode.map(Ok));
            self.ready.extend(answered(done, result));
        }
        for mut waiter in std::mem::take(&mut self.rooms) {
            let ended = ended.clone().map(JoinError::from);
            let result = waiter.failed.clone().or(ended).map(Err).or_else(|| {
                let is_joined = session.room_state(&waiter.room) == Some(RoomState::Joined);
                is_joined
                    .then(|| Ok(waiter.joined.take().unwrap_or_else(|| membership(session, &waiter.room))))
            });
            let RoomWaiter { room, joined, failed, done } = waiter;
            let left = answered(done, result);
            self.rooms.extend(left.map(|done| RoomWaiter { room, joined, failed, done }));
        }
        for (through, done) in std::mem::take(&mut self.flushed) {
            let flushed = (!session.has_open_sends(through)).then_some(Ok(()));
            let left = answered(done, flushed.or(ended.clone().map(Err)));
            self.flushed.extend(left.map(|done| (through, done)));
        }
        self.grant(session, ended.as_ref(), commands);
    }

    /// Gives permits, in the order in which they were requested, as far as there is room.
    fn grant<M: ObservedSession>(
        &mut self,
        session: &M,
        ended: Option<&ClosedError>,
        commands: &Arc<CommandQueue>,
    ) {
        // Who has given up waiting holds up nobody, and is not kept.
        self.reserved.retain(|done| !done.is_closed());
        if self.reserved.is_empty() {
            return;
        }
        let known = session.diagnostics();
        while ended.is_some() || self.room.has_room(known.outbox_len, known.outbox_bytes) {
            let Some(done) = self.reserved.pop_front() else { return };
            let result = if let Some(ended) = ended {
                Err(ended.clone())
            } else {
                self.room.granted += 1;
                Ok(Reservation::new(commands))
            };
            // Nobody may wait any more: then it comes back by being dropped.
            drop(done.send(result));
        }
    }
}

/// Gives an answer, if there is one. Returns back who has to continue waiting.
fn answered<T>(done: Sender<T>, result: Option<T>) -> Option<Sender<T>> {
    match result {
        Some(result) => {
            // Nobody may wait any more.
            let _ = done.send(result);
            None
        }
        None => (!done.is_closed()).then_some(done),
    }
}

/// Whether the session is ready and every room that was requested since is joined, too.
fn is_settled<M: ObservedSession>(session: &M) -> bool {
    let has_personal = session.mode() == Some(Mode::Extended);
    session.is_ready()
        && session
            .all_rooms(|room, state| state == RoomState::Joined || (!has_personal && *room == *PERSONAL_ROOM))
}

/// A membership of which the server has announced nothing since somebody waits for it.
fn membership<M: ObservedSession>(session: &M, room: &Name) -> JoinedRoom {
    JoinedRoom {
        room: room.clone(),
        recovered: false,
        replayed: 0,
        reason: None,
        members: session.members(room),
        member_count: None,
    }
}
