//! The session for plain and extended servers: link, rooms and outbox behind one `handle`, one `poll` and one deadline.
//! Does no I/O.

mod connection;
#[cfg(feature = "frames")]
mod custom;
mod io;
mod joining;
#[cfg(feature = "journal")]
mod journaling;
mod mode;
mod receiving;
#[cfg(feature = "stored")]
mod restoring;
mod sending;
mod unreferenced;

pub use io::{Command, Diagnostics, Input, Join, Output};

#[cfg(feature = "journal")]
use crate::change_log::record;
use crate::config::Config;
use crate::event::{Delivery, Event, Mode, RoomChange, RoomState};
use crate::link::{Action, ConnId, Link, State};
use crate::messages::ClientMessage;
use crate::mutation::mutation;
use crate::name::Name;
use crate::outbox::Outbox;
use crate::payload::Payload;
use crate::persisted::SavedPosition;
#[cfg(feature = "stored")]
use crate::persisted::{SavedProducer, SavedSend};
use crate::rooms::{Membership, Rooms};
use crate::time::{ClockReading, Nanos, Timestamp};
#[cfg(feature = "frames")]
use crate::{event::SendId, kept_frames::KeptFrames};
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use connection::ActiveConnection;
use fastrand::Rng;

/// The whole client without its socket. See the crate's first page for the loop that drives it.
#[derive(Debug)]
pub struct Session<P = String, N = Name> {
    link: Link,
    rooms: Rooms<P, N>,
    outbox: Outbox<P, N>,
    #[cfg(feature = "frames")]
    kept_frames: KeptFrames<P, N>,
    /// Sends that are dropped unless they go now.
    #[cfg(feature = "frames")]
    volatile: Vec<SendId>,
    connection: Option<ActiveConnection>,
    server: ServerInfo<N>,
    /// Committed positions of an earlier run, in rooms that have not been joined yet.
    stored: Vec<SavedPosition<N>>,
    rng: Rng,
    now: ClockReading,
    /// Grows with the larger of both clocks, so that it counts sleep. Begins far from zero: sends of an earlier run
    /// are older than this one.
    uptime: Timestamp,
    /// Requests are numbered over all connections, so that a late answer is never taken for another's.
    requests: u64,
    /// Some room waits to be left: looked for after each input only then.
    leaving: bool,
    /// The application takes nothing now.
    backpressured: bool,
    /// A connection of this run was plain.
    #[cfg(feature = "journal")]
    was_plain: bool,
    settings: Settings,
    outputs: VecDeque<Output<P, N>>,
    outcomes: Vec<Delivery<P, N>>,
    /// So many of them have been noted, or are not to be.
    recorded: usize,
    changes: u64,
    /// Changes of the outbox that a stored state does not show.
    unstored_changes: u64,
    /// What the end has resolved: told to the application, and still worth storing for another run.
    #[cfg(feature = "stored")]
    final_sends: Option<PersistedSends<P, N>>,
    /// Both clocks when notes were taken last.
    #[cfg(feature = "journal")]
    recorded_at: (Timestamp, Timestamp),
    diagnostics: Diagnostics,
}

/// Lines and sends as they are stored.
#[cfg(feature = "stored")]
type PersistedSends<P, N> = (Vec<SavedProducer<N>>, Vec<SavedSend<P, N>>);

/// The part of [`Config`] that the session itself looks at.
#[derive(Debug, Clone, Copy)]
struct Settings {
    max_content: usize,
    max_unflushed: usize,
    max_buffered: usize,
    max_buffered_bytes: usize,
    dial_timeout: Nanos,
    can_ping: bool,
}

/// What is known of the server from whatever connection, and kept with the state.
#[derive(Debug)]
struct ServerInfo<N> {
    /// It has said `hello`.
    extended: bool,
    /// There has been a connection, in this run or an earlier one.
    #[cfg(feature = "stored")]
    was_reached: bool,
    user: Option<N>,
    /// Nobody has announced it in this run.
    from_store: bool,
    window: Nanos,
    dedupe: Nanos,
}

impl<N> ServerInfo<N> {
    /// How long a send is transmitted again (protocol.md §2.3).
    fn horizon(&self) -> Nanos {
        if mutation!(HorizonTooLong) { self.dedupe } else { self.dedupe.half() }
    }
}

/// Older than the longest dedupe window.
const EPOCH_OFFSET: Timestamp = Timestamp::from_millis(2 * 3_600_000);

impl<P: Payload, N: Clone + Ord> Session<P, N> {
    /// A session that is idle. Two sessions with equal configuration, seed and inputs give equal outputs.
    pub fn new(config: Config, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut link = config.link;
        link.extended = config.extended;
        let settings = Settings {
            max_content: config.max_content,
            max_unflushed: config.max_unflushed,
            max_buffered: config.max_buffered,
            max_buffered_bytes: config.max_buffered_bytes,
            dial_timeout: link.dial_timeout.into(),
            can_ping: link.liveness.can_ping,
        };
        Self {
            link: Link::new(link, rng.u64(..)),
            rooms: Rooms::new(config.max_rooms),
            outbox: Outbox::new(config.outbox),
            #[cfg(feature = "frames")]
            kept_frames: KeptFrames::default(),
            #[cfg(feature = "frames")]
            volatile: Vec::new(),
            connection: None,
            server: ServerInfo {
                extended: false,
                #[cfg(feature = "stored")]
                was_reached: false,
                user: None,
                from_store: false,
                window: Nanos::ZERO,
                dedupe: DEFAULT_DEDUPE,
            },
            stored: Vec::new(),
            rng,
            now: ClockReading::default(),
            uptime: EPOCH_OFFSET,
            requests: 0,
            leaving: false,
            backpressured: false,
            #[cfg(feature = "journal")]
            was_plain: false,
            settings,
            outputs: VecDeque::new(),
            outcomes: Vec::new(),
            recorded: 0,
            changes: 0,
            unstored_changes: 0,
            #[cfg(feature = "stored")]
            final_sends: None,
            #[cfg(feature = "journal")]
            recorded_at: (Timestamp::ZERO, Timestamp::ZERO),
            diagnostics: Diagnostics::default(),
        }
    }

    /// Takes one input. Never fails, never blocks, never panics: what was wrong with an input comes out as an
    /// event. Call [`Session::poll`] until it is empty afterwards; several inputs may come before that.
    pub fn handle(&mut self, now: ClockReading, input: Input<P, N>) {
        self.link.observe(now);
        self.advance_clock(now);
        let now = now.monotonic;
        match input {
            Input::Received(conn, message) => self.received(now, conn, message),
            Input::Malformed(conn, error) => {
                if self.activity(now, conn) {
                    self.diagnostics.malformed_frames += 1;
                    // Whatever it is, it is no `hello`.
                    self.first_frame(now);
                    let count =
                        self.connection.as_mut().and_then(|connection| connection.malformed.add(&error));
                    if let Some(count) = count.or(mutation!(DamageToldEachTime).then_some(1)) {
                        self.event(Event::Malformed { error, count });
                    }
                }
            }
            Input::Activity(conn) => {
                self.activity(now, conn);
            }
            Input::Pong(conn) => {
                if self.link.is_current(conn) {
                    self.link.ponged(now);
                    self.ponged(now);
                }
            }
            Input::Flushed(conn, through) => self.flushed(conn, through),
            Input::Command(command) => self.command(now, command),
            Input::Opened(conn) => self.link.opened(now, conn),
            Input::DialFailed(conn, error) => self.link.dial_failed(now, conn, error),
            Input::Closed(conn, how) => {
                if self.link.is_current(conn) && self.link.is_frame_too_large(&how) {
                    #[cfg(feature = "frames")]
                    let is_kept = self.drop_oversized_kept_frame(conn);
                    #[cfg(not(feature = "frames"))]
                    let is_kept = false;
                    if !is_kept {
                        self.outbox.too_large(now, conn, &mut self.outcomes);
                    }
                }
                if self.is_refused(conn, &how) {
                    self.outbox.connection_refused(conn);
                }
                self.link.closed(now, conn, how);
            }
            Input::Token(result) => self.link.token(now, result),
            // Such a server has one transport.
            #[cfg(feature = "socketio")]
            Input::Upgraded(_) => {}
            Input::Hint(hint) => self.link.hint(now, hint),
            Input::Backpressure(busy) => self.set_backpressure(now, busy),
            #[cfg(feature = "stored")]
            Input::Restore(saved) => self.restore(*saved),
            Input::Tick => self.tick(now),
        }
        self.process_actions();
    }

    /// The next thing to do, in order; `None` when there is nothing until the next input.
    pub fn poll(&mut self) -> Option<Output<P, N>> {
        self.outputs.pop_front()
    }

    /// Returns back the memory of queues that are empty: most connections are quiet most of the time. For a driver that
    /// is about to wait.
    pub fn shrink_to_fit(&mut self) {
        if self.outputs.is_empty() {
            self.outputs = VecDeque::new();
        }
        if self.outcomes.is_empty() {
            self.outcomes = Vec::new();
        }
    }

    /// When to say [`Input::Tick`], if nothing else happens before. Ticks that come early do nothing.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let now = self.now.monotonic;
        let outbox = self.outbox.deadline(now, self.uptime, self.server.horizon());
        let connection = self.connection.as_ref().map_or(Timestamp::NEVER, |connection| {
            let undecided =
                connection.mode.is_none() && (connection.mode_deadline > now || self.may_decide(connection));
            let decision = if undecided { connection.mode_deadline } else { Timestamp::NEVER };
            decision.min(self.rooms_deadline(connection)).min(self.stall_deadline(connection))
        });
        self.link.deadline().min(outbox).min(connection).into_option()
    }

    /// The state of the connection.
    pub fn state(&self) -> State {
        self.link.state()
    }

    /// Whether the mode is decided and every wanted room joined (plain: the joins are written).
    pub fn is_ready(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.ready)
    }

    /// What the current connection can promise, once that is known.
    pub fn mode(&self) -> Option<Mode> {
        self.connection.as_ref().and_then(|connection| connection.mode)
    }

    /// The wanted rooms and how it stands with them, by name.
    pub fn rooms(&self) -> impl Iterator<Item = (&N, RoomState)> {
        self.rooms.iter().filter(|room| room.is_wanted()).map(|room| {
            let joined = room.membership == Membership::Member;
            (&room.name, if joined { RoomState::Joined } else { RoomState::Joining })
        })
    }

    /// The number of the last send taken, for [`Self::has_open_sends`].
    #[cfg(feature = "native")]
    pub(crate) fn last_send(&self) -> u64 {
        self.outbox.last_send_no()
    }

    /// Whether a send up to that number has no outcome.
    #[cfg(feature = "native")]
    pub(crate) fn has_open_sends(&self, through: u64) -> bool {
        self.outbox.has_pending(through)
    }

    /// The user that the server takes the token for, as the last extended server sent.
    pub fn user(&self) -> Option<&N> {
        self.server.user.as_ref()
    }

    /// Who is in a room, by name, as far as an extended server reports: `None` when it does not.
    pub fn members(&self, room: &N) -> Option<&[N]> {
        self.rooms.get(room)?.members.as_deref()
    }

    /// Grows whenever there is something else to store.
    pub fn changes(&self) -> u64 {
        self.changes + self.outbox.changes() - self.unstored_changes
    }

    /// What has been counted so far.
    pub fn diagnostics(&self) -> Diagnostics {
        let (held, held_bytes) = self.rooms.buffered();
        Diagnostics {
            outbox_len: self.outbox.len(),
            outbox_bytes: self.outbox.bytes(),
            buffered: held,
            buffered_bytes: held_bytes,
            rtt: self.link.rtt().map(Nanos::duration),
            content_limit: {
                let peer =
                    self.connection.as_ref().map_or(usize::MAX, |connection| connection.limits.content);
                // What the last connection was told holds until the next one is reported something.
                #[cfg(feature = "native")]
                let peer = match self.diagnostics.content_limit {
                    told if peer == usize::MAX && told > 0 => told,
                    _ => peer,
                };
                self.settings.max_content.min(peer)
            },
            ..self.diagnostics
        }
    }

    fn advance_clock(&mut self, now: ClockReading) {
        if self.now != ClockReading::default() {
            let wall = now.wall.after(self.now.wall);
            let awake = now.monotonic.after(self.now.monotonic);
            self.uptime = self.uptime + if mutation!(SleepAgesNothing) { awake } else { wall.max(awake) };
        }
        self.now = now;
    }

    fn event(&mut self, event: Event<P, N>) {
        self.outputs.push_back(Output::Event(event));
    }

    fn room_changed(&mut self, room: N, state: RoomState) {
        self.event(Event::Room(RoomChange::new(room, state)));
    }

    fn activity(&mut self, now: Timestamp, conn: ConnId) -> bool {
        let current = self.link.is_current(conn);
        if current {
            self.diagnostics.frames_in += 1;
            self.link.activity(now);
            if let Some(connection) = &mut self.connection {
                connection.silent_since = Timestamp::NEVER;
            }
        }
        current
    }

    fn command(&mut self, now: Timestamp, command: Command<P, N>) {
        match command {
            Command::Connect => self.link.connect(now),
            Command::Reconnect => self.link.reconnect(now),
            Command::Close => self.link.close(now),
            Command::Join(join) => self.join(now, join),
            Command::Leave(room) => self.leave(&room),
            Command::Send(send) => self.send(now, send),
            #[cfg(feature = "frames")]
            Command::SendVolatile(send) => self.send_volatile(now, send),
            #[cfg(feature = "frames")]
            Command::Keep { key, frame } => self.keep_frame(key, frame),
            #[cfg(feature = "frames")]
            Command::DropKept(key) => self.drop_kept(&key),
            #[cfg(feature = "frames")]
            Command::Answer { ack, .. } => {
                self.event(Event::NotAnswered { ack, why: crate::event::SendFailure::Unsupported });
            }
            Command::Cancel(id) => self.outbox.cancel(id, &mut self.outcomes),
            Command::SetToken(token) => self.link.set_token(now, token),
            Command::Commit { room, position } => self.commit(&room, position),
            Command::Signal { room, kind, data } => {
                self.send_to_room(&room, |room| ClientMessage::Signal { room, kind, data });
            }
            Command::Presence(room) => self.send_to_room(&room, |room| ClientMessage::Presence { room }),
        }
    }

    fn tick(&mut self, now: Timestamp) {
        self.link.tick(now);
        self.apply_mode_deadline(now);
        self.tick_rooms(now);
        self.tick_sends(now);
    }

    /// The number of a new request.
    fn next_request(&mut self) -> u64 {
        self.requests += 1;
        self.requests
    }

    fn write(&mut self, message: ClientMessage<P, N>) {
        let Some(connection) = &mut self.connection else { return };
        connection.last_frame += 1;
        self.diagnostics.frames_out += 1;
        let (conn, frame) = (connection.conn, connection.last_frame);
        #[cfg(feature = "native")]
        self.link.traffic(self.now.monotonic);
        self.outputs.push_back(Output::Send { conn, frame, message });
    }

    /// Turns what the link wants and what has become possible into outputs.
    fn process_actions(&mut self) {
        let now = self.now.monotonic;
        self.perform_actions(now);
        // After a sleep the first input need not be a tick, and what is too old must not go out with it.
        self.outbox.tick(now, self.uptime, self.server.horizon(), &mut self.outcomes);
        if self.connection.as_ref().is_some_and(ActiveConnection::is_extended) && !mutation!(DoomedWait) {
            self.resolve_unrecoverable();
        }
        // What is resolved is reported before a state without it can be stored.
        self.emit_deliveries();
        self.send_and_report(now);
        // That a room is left is reported after the last outcome of what was sent to it.
        while self.leaving {
            let any_left = self.finish_leaving();
            if !mutation!(OldClosedLate) {
                // Without the rooms that are being left the connection that was moved away from may be useless.
                self.perform_actions(now);
            }
            if !any_left || mutation!(SentSinceFailsLate) {
                break;
            }
            // What was sent to it since fails.
            self.send_and_report(now);
        }
    }

    fn send_and_report(&mut self, now: Timestamp) {
        self.transmit(now);
        #[cfg(feature = "frames")]
        self.drop_volatile();
        self.emit_deliveries();
    }

    /// Does what the link wants.
    fn perform_actions(&mut self, now: Timestamp) {
        while let Some(action) = self.link.next_action() {
            self.perform(now, action);
        }
    }

    /// Outcomes are stored before they are reported.
    fn record_outcomes(&mut self) {
        #[cfg(feature = "journal")]
        for Delivery { id, status, .. } in self.outcomes.iter().skip(self.recorded) {
            record!(self.outbox.change_log, Resolved { key: *id, status: status.clone() });
        }
        self.recorded = self.outcomes.len();
    }

    fn emit_deliveries(&mut self) {
        self.record_outcomes();
        self.recorded = 0;
        if self.outcomes.is_empty() {
            return;
        }
        for delivery in self.outcomes.drain(..) {
            self.outputs.push_back(Output::Event(Event::Delivery(delivery)));
        }
    }

    /// The end resolves every send. For another run they are what they were before: that is no change.
    fn end_sends(&mut self) {
        #[cfg(feature = "stored")]
        self.snapshot_sends();
        self.record_outcomes();
        #[cfg(feature = "journal")]
        let notes = self.outbox.change_log.len();
        let before = self.outbox.changes();
        self.outbox.close(&mut self.outcomes);
        self.recorded = self.outcomes.len();
        #[cfg(feature = "journal")]
        self.outbox.change_log.truncate(notes);
        self.unstored_changes += self.outbox.changes() - before;
    }

    /// After the end it begins anew.
    #[cfg(feature = "stored")]
    fn reopen(&mut self) {
        if self.final_sends.take().is_some() {
            self.changes += 1;
            #[cfg(feature = "journal")]
            self.record_all();
        }
    }

    fn perform(&mut self, now: Timestamp, action: Action) {
        let output = match action {
            Action::FetchToken { rejected } => Output::FetchToken { rejected },
            Action::Dial { conn, endpoint, attempt, token, extended, url } => {
                self.diagnostics.dials += 1;
                Output::Dial { conn, endpoint, attempt, token, extended, url }
            }
            Action::Authenticate(token) => {
                if self
                    .connection
                    .as_ref()
                    .is_some_and(|connection| connection.is_extended() || mutation!(TokenToPlain))
                {
                    let reference = crate::id::Id::numbered('a', self.next_request(), None);
                    self.write(ClientMessage::Auth { reference, token });
                    self.add_untracked_request();
                }
                return;
            }
            Action::Ping(conn) => {
                if self
                    .connection
                    .as_ref()
                    .is_some_and(|connection| connection.conn == conn && connection.is_extended())
                {
                    self.write(ClientMessage::Ping { t: 0 });
                    if let Some(connection) = &mut self.connection {
                        connection.last_ping_frame = connection.last_frame;
                    }
                    return;
                }
                Output::Ping { conn }
            }
            Action::Close { conn, code } => Output::Close { conn, code },
            Action::Abort { conn, code } => Output::Abort { conn, code },
            Action::Up { conn, offered } => return self.connection_opened(now, conn, offered),
            Action::Down => return self.connection_closed(),
            Action::Moved { conn, offered } => return self.connection_migrated(now, conn, offered),
            Action::Changed(change) => {
                match change.state {
                    State::Closing | State::Closed | State::Failed => self.end_sends(),
                    State::Suspended { .. } => self.outbox.give_up(&mut self.outcomes),
                    _ => {
                        #[cfg(feature = "stored")]
                        self.reopen();
                    }
                }
                Output::Event(Event::State(change))
            }
        };
        self.outputs.push_back(output);
    }
}

/// Until a server has announced otherwise (protocol.md §2.3).
const DEFAULT_DEDUPE: Nanos = Nanos::from_secs(600);

#[cfg(test)]
mod tests;
