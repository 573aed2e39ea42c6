//! One client of the herd: a real session, or a formula for the delay.

use super::{Herd, Millis, Refusal, Windows};
use fastrand::Rng;
use rejoin::machine::{ClockReading, Command, ConnId, Disconnect, Input, Output, ServerMessage, Session};
use rejoin::messages::{Hello, Limits, ReconnectHint};
use rejoin::{Config, DialError, DialErrorKind, Event, Name, State, StateChange, Timestamp};
use rejoin_server::hub::HubConfig;
use std::time::Duration;

/// By which rule the clients wait.
#[derive(Debug, Clone)]
pub enum Policy {
    /// Real sessions with a delay policy of the library.
    Sessions(rejoin::backoff::Policy),
    /// The delay after so many failures in a row, in milliseconds.
    Formula(fn(u32, &mut Rng) -> Millis),
    /// Real sessions that make a mistake.
    #[cfg(feature = "bugs")]
    Mistaken(rejoin::machine::Mutation),
}

/// Why a dial came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    NothingListens,
    Refused(Refusal),
}

/// What the run needs of a client.
pub(super) trait Client {
    /// The open connection is lost.
    fn lost(&mut self, now: Millis);
    /// The deadline has come.
    fn tick(&mut self, now: Millis);
    /// The dial is a connection.
    fn opened(&mut self, now: Millis);
    /// The dial has failed.
    fn failed(&mut self, now: Millis, why: Failure);
    /// The number of the dial under way.
    fn dial(&self) -> Option<u64>;
    /// When it wants a tick.
    fn deadline(&self) -> Option<Millis>;
    /// It does not try any more.
    fn gave_up(&self) -> bool;
}

/// A session and its driver.
#[derive(Debug)]
pub(super) struct SessionClient {
    session: Session,
    dial: Option<ConnId>,
    open: Option<ConnId>,
    gave_up: bool,
}

impl SessionClient {
    /// One that has connected at the beginning of time, as the `index`th, and has been told what `hello` tells.
    pub(super) fn new(herd: &Herd, seed: u64, index: u32, policy: &Policy) -> Self {
        let mut config = Config::default();
        match policy {
            Policy::Sessions(policy) => config.link.policy = policy.clone(),
            #[cfg(feature = "bugs")]
            Policy::Mistaken(_) => {}
            Policy::Formula(_) => {}
        }
        // Without a word of the server's, a client does not know more than on a plain one.
        config.extended = herd.windows != Windows::Unknown;
        let mut client = Self { session: Session::new(config, seed), dial: None, open: None, gave_up: false };
        client.take(0, Input::Command(Command::Connect));
        client.opened(0);
        if let Some(conn) = client.open
            && client.session.mode().is_none()
        {
            let few = matches!(herd.windows, Windows::Growing | Windows::Grown);
            client.take(
                0,
                Input::Received(conn, hello(herd, index, if few { index + 1 } else { herd.clients })),
            );
            if herd.windows == Windows::Grown {
                client.take(0, Input::Received(conn, hello(herd, index, herd.clients)));
            }
        }
        client.session.shrink_to_fit();
        client
    }

    fn take(&mut self, now: Millis, input: Input) {
        // The wall clock goes as fast: nobody sleeps here.
        let since_start = Duration::from_millis(now);
        self.session.handle(ClockReading::new(Timestamp::new(since_start), since_start), input);
        while let Some(output) = self.session.poll() {
            match output {
                Output::Dial { conn, .. } => self.dial = Some(conn),
                Output::Abort { conn, .. } => {
                    self.dial.take_if(|dial| *dial == conn);
                    self.open.take_if(|open| *open == conn);
                }
                Output::Event(Event::State(StateChange { state: State::Failed, .. })) => self.gave_up = true,
                // There are no rooms, and a server that is back answers every ping.
                _ => {}
            }
        }
    }
}

impl Client for SessionClient {
    fn lost(&mut self, now: Millis) {
        if let Some(conn) = self.open.take() {
            self.take(now, Input::Closed(conn, Disconnect::Lost));
        }
    }

    fn tick(&mut self, now: Millis) {
        self.take(now, Input::Tick);
    }

    fn opened(&mut self, now: Millis) {
        if let Some(conn) = self.dial.take() {
            self.open = Some(conn);
            self.take(now, Input::Opened(conn));
        }
    }

    fn failed(&mut self, now: Millis, why: Failure) {
        let error = match why {
            Failure::NothingListens => DialError::new(DialErrorKind::Refused, ""),
            Failure::Refused(Refusal::Unexplained) => DialError::new(DialErrorKind::Unreachable, ""),
            Failure::Refused(Refusal::RetryAfter(time)) => {
                DialError::new(DialErrorKind::Http(503), "").with_retry_after(Some(time))
            }
            Failure::Refused(Refusal::AcceptedThenDropped) => {
                self.opened(now);
                return self.lost(now);
            }
        };
        if let Some(conn) = self.dial.take() {
            self.take(now, Input::DialFailed(conn, error));
        }
    }

    fn dial(&self) -> Option<u64> {
        self.dial.map(|conn| conn.0)
    }

    fn deadline(&self) -> Option<Millis> {
        self.session.next_deadline().map(|at| at.since_start().as_nanos().div_ceil(1_000_000) as Millis)
    }

    fn gave_up(&self) -> bool {
        self.gave_up
    }
}

/// The first word of the reference server to the `index`th of its clients, of which it knows so many.
fn hello(herd: &Herd, index: u32, known: u32) -> ServerMessage {
    let mut config = HubConfig::default();
    config.reconnect_rate = herd.capacity;
    let millis = |time: Duration| time.as_millis() as u64;
    ServerMessage::Hello(Box::new(Hello {
        v: 1,
        user_id: Name::from(format!("u{index}")),
        server_time: 0,
        heartbeat_ms: millis(config.heartbeat),
        dedupe_window_ms: millis(config.dedupe_window),
        limits: Limits {
            frame_bytes: config.frame_bytes as u64,
            content_bytes: config.content_bytes as u64,
            rooms: config.rooms_per_conn as u64,
            in_flight: config.in_flight as u64,
            replay: config.replay as u64,
            send_per_sec: 0,
        },
        reconnect: ReconnectHint { window_ms: millis(config.reconnect_window(known as usize)) },
        auth: None,
    }))
}

/// A client that knows nothing but a formula.
#[derive(Debug)]
pub(super) struct FormulaClient {
    delay: fn(u32, &mut Rng) -> Millis,
    rng: Rng,
    failures: u32,
    dials: u64,
    state: FormulaState,
}

#[derive(Debug, Clone, Copy)]
enum FormulaState {
    Open,
    Waiting(Millis),
    /// Until its patience ends.
    Dialing(Millis),
}

/// The whole dial, as a session has it.
const DIAL_TIMEOUT: Millis = 10_000;

impl FormulaClient {
    pub(super) fn new(delay: fn(u32, &mut Rng) -> Millis, seed: u64) -> Self {
        Self { delay, rng: Rng::with_seed(seed), failures: 0, dials: 0, state: FormulaState::Open }
    }

    fn wait(&mut self, now: Millis) {
        self.state = FormulaState::Waiting(now + (self.delay)(self.failures, &mut self.rng));
        self.failures += 1;
    }
}

impl Client for FormulaClient {
    fn lost(&mut self, now: Millis) {
        self.wait(now);
    }

    fn tick(&mut self, now: Millis) {
        match self.state {
            FormulaState::Waiting(at) if at <= now => {
                self.dials += 1;
                self.state = FormulaState::Dialing(now + DIAL_TIMEOUT);
            }
            FormulaState::Dialing(until) if until <= now => self.wait(now),
            _ => {}
        }
    }

    fn opened(&mut self, _: Millis) {
        self.failures = 0;
        self.state = FormulaState::Open;
    }

    fn failed(&mut self, now: Millis, why: Failure) {
        if why == Failure::Refused(Refusal::AcceptedThenDropped) {
            self.failures = 0;
        }
        self.wait(now);
    }

    fn dial(&self) -> Option<u64> {
        matches!(self.state, FormulaState::Dialing(_)).then_some(self.dials)
    }

    fn deadline(&self) -> Option<Millis> {
        match self.state {
            FormulaState::Open => None,
            FormulaState::Waiting(at) | FormulaState::Dialing(at) => Some(at),
        }
    }

    fn gave_up(&self) -> bool {
        false
    }
}
