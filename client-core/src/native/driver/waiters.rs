//! Resolves the futures that wait for a state of the session: ready, a room joined, earlier sends resolved. Inspects
//! the session after each round of the driver; changes nothing in it.

use super::driven_session::ObservedSession;
use crate::cause::Cause;
use crate::config::Config;
use crate::event::{Event, JoinedRoom, Mode, RoomChange, RoomState};
use crate::link::State;
use crate::name::{Name, PERSONAL_ROOM};
use crate::native::commands::{JoinError, ReleasedReservations, Reservation, Waiter};
use crate::native::status::ClosedError;
use crate::outbound::OVERHEAD;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;
use tokio::sync::oneshot::Sender;

/// The outbox's bounds, and what is set aside in it.
#[derive(Debug)]
pub(crate) struct OutboxCapacity {
    count: usize,
    bytes: usize,
    /// The largest message.
    largest: usize,
    /// Reservations that are out.
    granted: usize,
    released: Arc<ReleasedReservations>,
}

impl OutboxCapacity {
    pub(crate) fn new(config: &Config) -> Self {
        let (count, bytes) = (config.outbox.count, config.outbox.bytes);
        // Where one message may be larger than all of them together, one at a time.
        let largest = config.max_content.saturating_add(OVERHEAD).min(bytes);
        Self { count, bytes, largest, granted: 0, released: Arc::default() }
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
    pub(crate) fn new(room: OutboxCapacity) -> Self {
        Self { ready: Vec::new(), rooms: Vec::new(), flushed: Vec::new(), reserved: VecDeque::new(), room }
    }

    /// Takes back the reservations that have been used or dropped; the driver is woken by the next one. Called before the
    /// commands are taken, so that what a reservation was used for reaches the session before its room is granted again.
    pub(crate) fn take_released(&mut self, driver: &Waker) {
        let released = self.room.released.take(driver);
        self.room.granted = self.room.granted.saturating_sub(released);
    }

    /// A new one. Whatever its handle has requested before has reached the session.
    pub(crate) fn add<M: ObservedSession>(&mut self, waiter: Waiter, session: &M) {
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

    pub(crate) fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.rooms.is_empty() && self.flushed.is_empty() && self.reserved.is_empty()
    }

    /// What the application is reported concerns those who wait, too.
    pub(crate) fn observe(&mut self, event: &Event) {
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
    pub(crate) fn answer<M: ObservedSession>(&mut self, session: &M, cause: Option<&Cause>) {
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
        self.grant(session, ended.as_ref());
    }

    /// Gives permits, in the order in which they were requested, as far as there is room.
    fn grant<M: ObservedSession>(&mut self, session: &M, ended: Option<&ClosedError>) {
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
                Ok(Reservation::new(&self.room.released))
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
        head: None,
    }
}
