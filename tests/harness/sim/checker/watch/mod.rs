//! Checks a client's connection layer against reconnecting.md: dials and their times, tokens, offers, probes, migrations and old
//! connections. An independent model, fed with the inputs and outputs of one client.

mod clients;
mod delays;
mod duties;
mod liveness;
mod moves;
mod tokens;

use super::ground_truth::Key;
use super::{Checker, Micros, place};
use crate::sim::SECOND;
use delays::Delays;
pub use delays::Waits;
use duties::{Did, Obligation};
use moves::{Next, OldConnection};
use rejoin::machine::{ClientMessage, Command, ConnId, Disconnect, Input, Output, ServerMessage};
use rejoin::messages::Hello;
use rejoin::{CauseCode, Event, Hint, Id, Mode, Name, RoomChange, RoomState, State, StateChange};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tokens::Tokens;

/// As exactly as a machine that counts in milliseconds can be held to.
const MS: Micros = 1_000;

/// The clocks of a client.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock {
    /// Stands while the machine sleeps.
    pub monotonic: Micros,
    /// Does not, and is set now and then.
    pub wall: Micros,
}

/// What a client's process begins with.
#[derive(Debug, Clone, Copy, Default)]
pub struct Begins {
    /// It offers the extended protocol.
    pub offers: bool,
    /// It has a source of tokens.
    pub source: bool,
    /// It follows the legacy rule.
    pub legacy: bool,
    /// Its store knows that the address has worked.
    pub worked: bool,
    /// The reconnect window in its store, if that server was an extended one.
    pub window: Micros,
    /// How long a server remembers a line, from its store; 0: nothing stored.
    pub dedupe: Micros,
    /// What is stored of the server is of an extended one.
    pub extended: bool,
}

/// The connection in use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Open {
    pub(super) id: ConnId,
    since: Micros,
    heard: Micros,
    /// The question is about a doubt.
    is_doubted: bool,
    /// Something has come.
    has_spoken: bool,
    asked: Option<Micros>,
    /// When it was asked last, answered or not.
    asked_last: Micros,
    /// That question was not overtaken by what came with it.
    is_timed: bool,
    heartbeat: Micros,
    /// The largest content that its server takes, as far as it has said.
    pub(super) content: usize,
}

/// One client, in its current process.
#[derive(Debug, Default)]
pub(super) struct Watch {
    clock: Option<Clock>,
    pub(super) now: Micros,
    /// How much its own clock was behind the world's at its last input.
    pub(super) behind: Micros,
    /// The larger of both clocks, summed up: it counts sleep.
    pub(super) lived: Micros,
    pub(super) open: Option<Open>,
    retiring: Option<OldConnection>,
    next: Option<Next>,
    dialling: Option<ConnId>,
    /// Since when.
    dialled_at: Micros,
    dials: VecDeque<Micros>,
    opening: Option<ConnId>,
    pub(super) ended: bool,
    failed: bool,
    closing: bool,
    is_hinted: bool,
    /// Inputs so far.
    pub(super) inputs: u64,
    /// The driver has told in the present input that a connection is gone.
    is_told_of_end: bool,
    /// The connection was lost in the present input.
    pub(super) lost: bool,
    pub(super) suspended: bool,
    /// How long a server remembers a line, as this client was told.
    pub(super) dedupe: Micros,
    /// Since when there is no connection, and how long the machine slept since then.
    loss: Option<(Micros, Micros)>,
    suspend_after: Micros,
    offers: bool,
    offer: bool,
    offered: bool,
    /// A server there is extended: what refuses a dial is not the offer.
    knows_extended: bool,
    pub(super) ticks: bool,
    /// The connection of the 1009 that is being dealt with.
    pub(super) too_large: bool,
    delays: Delays,
    tokens: Tokens,
    duties: Vec<Obligation>,
    did: Did,
    /// The rooms that were joined, on whatever connection.
    stayed: BTreeSet<Name>,
    /// The last join of each room.
    asked: BTreeMap<Name, Id>,
    /// The last refusal for now of each room, since it was joined last.
    refused: BTreeMap<Name, rejoin::messages::Code>,
    wrong: Vec<String>,
}

impl Watch {
    fn begins(begins: Begins) -> Self {
        let dedupe = if begins.dedupe == 0 { 600 * SECOND } else { begins.dedupe };
        Self {
            ended: true,
            dedupe,
            suspend_after: if begins.extended { dedupe / 2 } else { 120 * SECOND },
            offers: begins.offers,
            offer: begins.offers,
            knows_extended: begins.offers && begins.extended,
            delays: Delays::begins(begins),
            tokens: Tokens::begins(begins.source),
            ..Self::default()
        }
    }

    fn wrong(&mut self, what: String) {
        self.wrong.push(what);
    }

    /// The moment at which the limit of dials allows the next one.
    fn earliest(&self, now: Micros) -> Micros {
        match self.dials.len().checked_sub(6).and_then(|at| self.dials.get(at)) {
            Some(sixth) => now.max(sixth + 30 * SECOND + MS),
            None => now,
        }
    }

    fn is_current(&self, conn: ConnId) -> bool {
        self.open.is_some_and(|open| open.id == conn)
    }

    fn before(&mut self, clock: Clock, input: &Input) {
        let last = self.clock.replace(clock).unwrap_or(clock);
        let (wall, awake) =
            (clock.wall.saturating_sub(last.wall), clock.monotonic.saturating_sub(last.monotonic));
        self.lived += wall.max(awake);
        let slept = wall.saturating_sub(awake);
        self.now = clock.monotonic;
        self.inputs += 1;
        self.ticks = matches!(input, Input::Tick);
        self.is_hinted = matches!(input, Input::Hint(_)) && slept < 5 * SECOND;
        self.is_told_of_end = matches!(input, Input::Closed(..));
        self.did = Did::default();
        self.lost = false;
        if slept >= 5 * SECOND {
            if let Some((_, all)) = &mut self.loss {
                *all += slept;
            }
            // One that is asked already need not be asked again.
            let unasked = self.open.is_some_and(|open| open.asked.is_none());
            if unasked && !matches!(input, Input::Closed(..)) {
                self.duties.push(Obligation::Asks);
            }
        }
        let why = match input {
            // A sleep is noticed before any input.
            _ if slept >= 5 * SECOND => Some(CauseCode::NetworkChanged),
            Input::Command(Command::Connect | Command::Reconnect) => Some(CauseCode::Requested),
            Input::Hint(Hint::Online | Hint::NetworkChanged | Hint::Woke) => Some(CauseCode::NetworkChanged),
            _ => None,
        };
        if let Some(why) = why.filter(|_| self.may_hurry()) {
            self.duties.push(Obligation::Hurries(why));
        }
        match input {
            Input::Received(conn, message) if self.is_current(*conn) => {
                if matches!(message, ServerMessage::Pong { .. }) {
                    self.is_answered();
                }
                self.heard();
                self.received(message);
            }
            Input::Pong(conn) if self.is_current(*conn) => {
                self.is_answered();
                self.heard();
            }
            Input::Received(conn, _) | Input::Malformed(conn, _) | Input::Activity(conn)
                if self.is_current(*conn) =>
            {
                self.heard();
            }
            Input::Opened(conn) => self.opens(*conn),
            Input::DialFailed(conn, error) => {
                if self.dialling == Some(*conn) && self.next.is_none() {
                    self.duties.push(Obligation::TellsWhy(CauseCode::Dial(error.kind)));
                }
                self.dial_fails(*conn, error);
            }
            Input::Closed(conn, how) => {
                self.retiring.take_if(|retiring| retiring.conn == *conn);
                if self.is_current(*conn) {
                    self.duties.push(Obligation::TellsWhy(match how {
                        Disconnect::Closed { code, .. } => CauseCode::Closed(*code),
                        _ => CauseCode::ConnectionLost,
                    }));
                }
            }
            Input::Token(result) => self.token_comes(result),
            Input::Tick => {
                self.tokens.refreshing.take_if(|until| *until <= clock.monotonic);
            }
            Input::Hint(_) if self.open.is_some() => self.duties.push(Obligation::Asks),
            Input::Command(Command::Connect | Command::Reconnect) if self.ended && !self.closing => {
                self.anew();
            }
            Input::Command(Command::SetToken(token)) => {
                self.token_is_set(token);
                if self.failed {
                    self.anew();
                }
            }
            _ => {}
        }
    }

    fn received(&mut self, message: &ServerMessage) {
        match message {
            ServerMessage::Hello(hello) => self.greeted(hello),
            ServerMessage::GoingAway(going) => self.going_away(going),
            ServerMessage::AuthExpiring { .. } => self.expires(),
            ServerMessage::Error { detail: None, .. } => self.duties.push(Obligation::TellsError),
            _ => {}
        }
    }

    fn greeted(&mut self, hello: &Hello) {
        self.delays.window = 1_000 * hello.reconnect.window_ms.min(600_000);
        self.dedupe = 1_000 * hello.dedupe_window_ms.clamp(10_000, 3_600_000);
        self.suspend_after = self.dedupe / 2;
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        if let Some(open) = &mut self.open {
            open.heartbeat = 1_000 * hello.heartbeat_ms.clamp(5_000, 120_000);
            let frame = hello.limits.frame_bytes.clamp(1 << 10, 16 << 20);
            open.content = size(hello.limits.content_bytes.max(1).min(frame));
        }
    }

    /// A failed or closed client begins anew.
    fn anew(&mut self) {
        (self.ended, self.failed) = (false, false);
        self.delays.anew();
        self.tokens.anew();
        self.loss = None;
    }

    fn opens(&mut self, conn: ConnId) {
        if self.open.is_some() && self.next.as_ref().is_some_and(|next| next.dialling == Some(conn)) {
            self.moves_over(conn);
        } else if self.dialling == Some(conn) {
            self.opening = Some(conn);
        } else {
            self.duties.push(Obligation::Abandons(conn));
        }
    }

    fn connection(&self, id: ConnId) -> Open {
        let (since, heartbeat) = (self.now, 25 * SECOND);
        Open {
            id,
            since,
            heard: since,
            is_doubted: false,
            has_spoken: false,
            asked: None,
            asked_last: 0,
            is_timed: false,
            heartbeat,
            content: usize::MAX,
        }
    }

    /// The name of the latest question for a room.
    pub(super) fn asked_of(&self, room: &Name) -> Option<&Id> {
        self.asked.get(room)
    }

    fn did(&mut self, output: &Output) {
        match output {
            Output::Ping { .. } | Output::Send { message: ClientMessage::Ping { .. }, .. } => self.asks(),
            Output::Send { message: ClientMessage::Auth { token, .. }, .. } => {
                self.did.shows = Some(token.expose().into());
            }
            Output::Send { message: ClientMessage::JoinRoom { room, request: Some(request) }, .. } => {
                self.asked.insert(room.clone(), request.reference.clone());
            }
            Output::FetchToken { rejected } => self.fetches(*rejected),
            Output::Dial { conn, attempt, token, extended, url, .. } => {
                self.dials(*conn, *attempt, token.as_ref(), *extended, url.as_deref());
            }
            Output::Close { conn, code } => self.closes(*conn, *code),
            Output::Abort { conn, code } => {
                let is_open = self.is_current(*conn) || self.retiring.is_some_and(|old| old.conn == *conn);
                self.did.farewell |= *code == 1000 && is_open;
                self.did.abandons.push(*conn);
                self.dialling.take_if(|dialling| dialling == conn);
                self.retiring.take_if(|retiring| retiring.conn == *conn);
                self.next_is_given_up(*conn);
            }
            Output::Event(Event::State(change)) => {
                self.did.causes.extend(change.cause.as_ref().map(|cause| cause.code));
                self.state(change);
            }
            Output::Event(Event::ServerError { .. }) => self.did.told_error = true,
            Output::Event(Event::NotKept { .. }) => self.did.blames_own = true,
            Output::Event(Event::Delivery(delivery)) if delivery.room.is_empty() => {
                self.did.blames_own = true;
            }
            Output::Event(Event::Gap(gap)) => self.did.gaps.push(gap.room.clone()),
            Output::Event(Event::Mode(Mode::Extended)) => self.knows_extended = self.offers,
            Output::Event(Event::Mode(Mode::Plain)) => {
                self.did.missed = self.stayed.clone();
                let silent = self.open.is_some_and(|open| !open.has_spoken) && self.offered;
                if silent {
                    self.wrong(
                        "a server is said to be a plain one, and it has shown no sign of life".to_owned(),
                    );
                }
            }
            Output::Event(Event::Room(change)) => self.room(change),
            _ => {}
        }
    }

    /// The dial of a move, if it is that one, has failed.
    fn next_is_given_up(&mut self, conn: ConnId) -> bool {
        let Some(next) = self.next.as_mut().filter(|next| next.dialling == Some(conn)) else { return false };
        next.fails(self.now);
        self.next.take_if(|next| next.is_over());
        true
    }

    fn room(&mut self, change: &RoomChange) {
        if let Some(code) = change.refused {
            if self.refused.get(&change.room) == Some(&code) {
                self.wrong(format!("that {} is refused with {code:?} is told again", change.room));
            }
            self.did.refused.push((change.room.clone(), code));
            // Each reason is told once, and what is told of a room that is being left counts when it is asked for again.
            self.refused.insert(change.room.clone(), code);
        }
        if change.state != RoomState::Joining || change.refused.is_none() {
            self.refused.remove(&change.room);
        }
        match change.state {
            RoomState::Joined if *change.room != *"@me" => {
                self.stayed.insert(change.room.clone());
            }
            RoomState::Joining | RoomState::Joined => {}
            _ => {
                self.stayed.remove(&change.room);
                if change.state != RoomState::Left {
                    self.did.out_of.push(change.room.clone());
                }
            }
        }
    }

    fn state(&mut self, change: &StateChange) {
        let is_news =
            matches!(change.cause.as_ref().map(|cause| cause.code), Some(CauseCode::ConnectionLost));
        if is_news && !self.is_told_of_end {
            self.wrong("a connection is said to be lost, and nobody has told it so".to_owned());
        }
        let lost = match change.state {
            State::Connected | State::Connecting | State::Idle => None,
            _ => self.open.take(),
        };
        self.lost |= lost.is_some();
        self.closing = change.state == State::Closing;
        match change.state {
            State::Connected => {
                if let Some(conn) = self.opening.take() {
                    self.open = Some(self.connection(conn));
                }
                (self.loss, self.dialling, self.suspended) = (None, None, false);
                self.delays.opened();
            }
            State::Closing | State::Closed | State::Failed => {
                if change.state == State::Failed
                    && let Some(cause) = &change.cause
                {
                    self.fails(cause.code, lost);
                }
                (self.ended, self.failed) = (true, change.state == State::Failed);
                (self.loss, self.dialling, self.suspended) = (None, None, false);
                (self.next, self.retiring, self.tokens.refreshing) = (None, None, None);
                self.tokens.asking = false;
                self.delays.retry_at = None;
            }
            State::Reconnecting { attempt, retry_at } | State::Suspended { attempt, retry_at } => {
                self.suspended = matches!(change.state, State::Suspended { .. });
                self.loss.get_or_insert((self.now, 0));
                if lost.is_some() {
                    self.tokens.refreshing = None;
                    self.retiring = None;
                    self.dialling = self.next.take().and_then(|next| next.dialling);
                    self.dialled_at = self.now;
                }
                let refused = change.cause.as_ref().is_some_and(|cause| delays::is_refusal(cause.code));
                if let Some(moving) = self.dialling.take_if(|_| lost.is_some() && refused)
                    && !self.did.abandons.contains(&moving)
                {
                    self.wrong(format!(
                        "dial {} shows a token that was refused, and is not given up",
                        moving.0
                    ));
                }
                if let Some(cause) = &change.cause {
                    self.tokens.asking = false;
                    let at = retry_at.map(super::micros_of);
                    self.waits(cause.code, lost, attempt, at);
                    if at.is_some() {
                        self.dialling = None;
                    }
                }
            }
            _ => {}
        }
    }

    /// A timer has fired: no dial takes too long.
    fn dials_in_time(&mut self) {
        let late = self.now.saturating_sub(self.dialled_at);
        if self.ticks && self.dialling.is_some() && late > 10 * SECOND + 2 * MS {
            self.wrong(format!("a dial is not given up after {late} µs"));
        }
    }

    /// Whether the loss has outlasted what can be recovered is known when a timer has fired.
    fn is_suspended_in_time(&mut self) {
        let Some((since, slept)) = self.loss else { return };
        let age = self.now.saturating_sub(since) + slept;
        let after = self.suspend_after;
        if self.suspended && age + 2 * MS < after || !self.suspended && self.ticks && age > after + 2 * MS {
            let said = self.suspended;
            self.wrong(format!("a loss {age} µs old, suspended after {after}, is said to be: {said}"));
        }
    }
}
