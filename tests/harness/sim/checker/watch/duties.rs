//! Checks the immediate obligations that an input creates.

use super::super::bounds::Queue;
use super::{CauseCode, Checker, ConnId, Key, Name, place};
use rejoin::machine::{Command, Disconnect, Input, Session};
use rejoin::messages::{Code, ServerMessage as Message};
use rejoin::{Mode, RoomState};
use std::collections::BTreeSet;

/// Something that has to follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Obligation {
    /// A connection is given up that nobody waited for.
    Abandons(ConnId),
    /// The application is told that the server said `error`.
    TellsError,
    /// The application is told that it is out of a room.
    TellsOutOf(Name),
    /// The application is told that a room is refused for now.
    TellsRefused(Name, Code),
    /// The server is asked for a sign of life.
    Asks,
    /// The next dial is brought forward, for this reason.
    Hurries(CauseCode),
    /// The token source is asked.
    Fetches,
    /// It is the end.
    Ends,
    /// It dials.
    Dials,
    /// The server is shown a token.
    Shows(Box<str>),
    /// A send has its outcome.
    Settles(Key),
    /// The application is told why the connection, or the dial, came to nothing.
    TellsWhy(CauseCode),
}

/// What a client has done about the present input.
#[derive(Debug, Default)]
pub(super) struct Did {
    pub(super) abandons: Vec<ConnId>,
    pub(super) told_error: bool,
    /// A connection is given up as by a user who leaves.
    pub(super) farewell: bool,
    /// Something came on the connection in use.
    pub(super) heard: bool,
    /// Rooms that are refused for now.
    pub(super) refused: Vec<(Name, Code)>,
    /// It has dialled.
    pub(super) dials: bool,
    /// A question of its was answered after so long.
    pub(super) rtt: Option<crate::sim::Micros>,
    /// The reasons that were told.
    pub(super) causes: Vec<CauseCode>,
    /// A frame of the application's own is given up.
    pub(super) blames_own: bool,
    pub(super) out_of: Vec<Name>,
    pub(super) asks: bool,
    pub(super) fetches: bool,
    pub(super) shows: Option<Box<str>>,
    /// Rooms of which it was told that something was missed.
    pub(super) gaps: Vec<Name>,
    /// The server is a plain one: something may have been missed in these.
    pub(super) missed: BTreeSet<Name>,
    /// The old one of two connections is closed before its time is over.
    pub(super) retires: Option<ConnId>,
}

/// Whether an ending is told as such: a refused token is the end as one, and so is the last attempt.
fn is_told(why: CauseCode, told: CauseCode) -> bool {
    let ends = matches!(told, CauseCode::GaveUp)
        || matches!((why, told), (CauseCode::Closed(code), CauseCode::Unauthorized(as_)) if code == as_)
        || matches!((why, told), (CauseCode::Dial(_), CauseCode::Unauthorized(_)));
    why == told || ends
}

impl Checker {
    /// What more an input obliges to, by what the client has sent and is a member of.
    pub(super) fn owes(&mut self, client: usize, input: &Input, session: &Session) {
        let extended = session.mode() == Some(Mode::Extended);
        let watch = &mut self.watches[client];
        watch.duties.retain(|duty| extended || !matches!(duty, Obligation::Fetches | Obligation::Shows(_)));
        watch.too_large = false;
        let is_in = |room: &Name, state| session.rooms().any(|(name, is)| name == room && is == state);
        match input {
            Input::Command(Command::Send(send)) => {
                let now = watch.now;
                self.made(client, send.id, now, send.timeout);
            }
            Input::Command(Command::Cancel(id)) => {
                let key = self.sends.numbers.get(&(client, *id)).copied();
                if let Some(key) =
                    key.filter(|key| self.sends.all.get(key).is_some_and(super::super::sends::Sent::waits))
                {
                    self.watches[client].duties.push(Obligation::Settles(key));
                }
            }
            Input::Closed(conn, Disconnect::Closed { code: 1009, .. }) if watch.is_current(*conn) => {
                watch.too_large = true;
                self.blames_largest(client);
            }
            Input::Received(conn, message) if extended && watch.is_current(*conn) => match message {
                Message::Left(left) if left.reference.is_none() && is_in(&left.room, RoomState::Joined) => {
                    watch.duties.push(Obligation::TellsOutOf(left.room.clone()));
                }
                Message::Error { detail: Some(refusal), .. } if refusal.retry => {
                    if let Some(room) = &refusal.room
                        && watch.asked.get(room) == refusal.reference.as_ref()
                        && is_in(room, RoomState::Joining)
                        && watch.refused.get(room) != Some(&refusal.code)
                    {
                        watch.duties.push(Obligation::TellsRefused(room.clone(), refusal.code));
                    }
                }
                Message::Error { detail: Some(refusal), .. } => {
                    if let Some(room) = &refusal.room
                        && watch.asked.get(room) == refusal.reference.as_ref()
                        && is_in(room, RoomState::Joining)
                    {
                        watch.duties.push(Obligation::TellsOutOf(room.clone()));
                    }
                }
                Message::Message(message) => {
                    let origin = message.entry.as_ref().and_then(|stamp| stamp.producer.as_ref());
                    let key = origin.and_then(|origin| self.line_is_of(&origin.pid, origin.pseq));
                    if let Some(key) = key.filter(|key| key.0 == client && self.is_open(*key)) {
                        self.watches[client].duties.push(Obligation::Settles(key));
                    }
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn blames_largest(&mut self, client: usize) {
        if let Some(key) = self.largest_in_flight(client) {
            self.watches[client].duties.push(Obligation::Settles(key));
        }
    }

    /// An input has been dealt with.
    pub(super) fn has_done(&mut self, client: usize, session: &Session) {
        let watch = &mut self.watches[client];
        let duties = std::mem::take(&mut watch.duties);
        let (did, open) = (std::mem::take(&mut watch.did), watch.open);
        let ended = watch.ended;
        let leaves_unasked = did.farewell && !ended;
        // Then that was the largest.
        let blames_own = watch.too_large && did.blames_own;
        let had_token = duties.iter().any(|duty| matches!(duty, Obligation::Shows(_)));
        for duty in duties {
            let done = match &duty {
                Obligation::Abandons(conn) => did.abandons.contains(conn),
                Obligation::TellsError => did.told_error,
                Obligation::TellsOutOf(room) => did.out_of.contains(room),
                Obligation::Asks => did.asks || open.is_none_or(|open| open.asked.is_some()),
                Obligation::TellsRefused(room, code) => {
                    did.refused.iter().any(|(of, told)| of == room && told == code)
                }
                Obligation::Hurries(why) => did.dials || did.causes.contains(why),
                Obligation::Fetches => did.fetches,
                Obligation::Ends => ended,
                Obligation::Dials => did.dials || ended,
                Obligation::Shows(token) => did.shows.as_ref() == Some(token),
                Obligation::Settles(key) => blames_own || !self.is_open(*key),
                Obligation::TellsWhy(why) => did.causes.iter().any(|cause| is_told(*why, *cause)),
            };
            if !done {
                self.violated(format!("u{client} owes this and does not do it: {duty:?}"));
            }
        }
        if leaves_unasked {
            self.violated(format!(
                "2.5: u{client} gives a connection up with 1000, and its user does not leave"
            ));
        }
        if did.shows.is_some() && !had_token {
            self.violated(format!("2.5: u{client} shows a token, and nobody has brought one"));
        }
        if let Some(room) = did.missed.iter().find(|room| !did.gaps.contains(room)) {
            self.violated(format!("3: u{client} is back in {room} on a plain server, and told of no gap"));
        }
        if let Some(conn) = did.retires {
            if !session.is_ready() {
                self.violated(format!("2.2: u{client} closes connection {} before it is back", conn.0));
            }
            self.is_answered(client, conn);
        }
        let queue = session.diagnostics();
        if let Some(time) = did.rtt.filter(|_| queue.rtt.is_none()) {
            self.violated(format!("u{client} was answered after {time} µs and has measured nothing"));
        }
        let queue = Queue {
            count: queue.outbox_len,
            bytes: queue.outbox_bytes,
            held: (queue.buffered, queue.buffered_bytes),
        };
        self.queue_is(client, queue);
        self.is_in_time(client);
        self.is_prompt(client, session);
        self.knows_members(client, session);
    }

    /// What `members()` says is what was told of who came and went.
    fn knows_members(&mut self, client: usize, session: &Session) {
        let mut wrong = None;
        let user = self.user(client);
        let extended = session.mode() == Some(Mode::Extended);
        for (room, state) in session.rooms() {
            let told = self.told_members(client, place(room, user)).filter(|_| extended);
            let known = session.members(room);
            let same = match (told, known) {
                (Some(told), Some(known)) => told.iter().eq(known),
                // A room that is joined anew.
                (Some(_), None) => state != RoomState::Joined,
                (None, None) => true,
                (None, Some(_)) => false,
            };
            if !same {
                wrong =
                    Some(format!("15: u{client} has {known:?} for the members of {room}, was told {told:?}"));
            }
        }
        if let Some(wrong) = wrong {
            self.violated(wrong);
        }
        for room in (0..2).filter(|room| self.is_out(client, *room)).collect::<Vec<_>>() {
            let name = Name::from(format!("room{room}"));
            if session.members(&name).is_some() && !session.rooms().any(|(wanted, _)| *wanted == name) {
                self.violated(format!("15: u{client} has members of {name}, which it has left"));
            }
        }
        let (rooms, most) = (session.rooms().count(), self.counts.bounds.rooms);
        if rooms > most {
            self.violated(format!("8: u{client} has {rooms} rooms, {most} are allowed"));
        }
    }

    /// Whether a send has no outcome, and its number means it still.
    fn is_open(&self, key: Key) -> bool {
        self.sends.all.get(&key).is_some_and(|sent| sent.alive && sent.outcome.is_none() && !sent.disowned)
    }
}
