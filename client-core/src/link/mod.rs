//! The reconnecting connection: decides when to dial, when to give a connection up, and with which cause. Knows nothing
//! of rooms or messages, so that other protocols use it too.
//!
//! ```text
//!            connect()            token            opened
//!  Idle ───────────────► AwaitingToken ──► AwaitingOpen ──► Open ───────┐ close()
//!                             ▲                │ failed      │ lost     ▼
//!                             │                ▼             │     AwaitingClose ──► Closed
//!                             └────────── AwaitingRetry ◄────┘
//!                                              │ terminal code
//!                                              ▼
//!                                            Failed
//! ```

mod auth;
#[cfg(feature = "socketio")]
mod carrier;
mod config;
#[cfg(feature = "socketio")]
mod handshake;
#[cfg(feature = "native")]
mod idle;
mod migration;
mod network;
mod retry;
mod state;
mod tokens;
#[cfg(feature = "socketio")]
mod transports;

pub use config::LinkConfig;
pub use network::Hint;
pub use state::{ConnId, State, StateChange};
#[cfg(feature = "socketio")]
pub use transports::{EngineTransport, Transports};

use crate::backoff::{Backoff, RetryTrigger};
use crate::cause::{Cause, CauseCode, DialError, DialErrorKind, Disconnect};
use crate::close_code;
use crate::limiter::DialLimiter;
use crate::liveness::{Liveness, ProbeResult};
use crate::mutation::mutation;
use crate::time::{ClockReading, Nanos, Timestamp};
use crate::token::Token;
use alloc::boxed::Box;
use alloc::vec::Vec;
use auth::Auth;
#[cfg(feature = "socketio")]
use carrier::Carrier;
use fastrand::Rng;
use migration::{OldConnection, Replacement};
use state::Outage;

/// What the link wants done. The session turns it into its own outputs.
#[derive(Debug)]
pub(crate) enum Action {
    FetchToken {
        rejected: bool,
    },
    Dial {
        conn: ConnId,
        endpoint: usize,
        attempt: u32,
        token: Option<Token>,
        extended: bool,
        url: Option<Box<str>>,
    },
    /// A fresh token for the connection in use.
    Authenticate(Token),
    Ping(ConnId),
    /// Begin the close handshake; the end is reported as `closed`, or the link stops waiting.
    Close {
        conn: ConnId,
        code: u16,
    },
    /// Close without waiting: nothing more of this connection counts.
    Abort {
        conn: ConnId,
        code: u16,
    },
    /// A connection is open.
    Up {
        conn: ConnId,
        offered: bool,
    },
    /// The open connection is gone.
    Down,
    /// The open connection is another one from now on; answers may still come on the old one.
    Moved {
        conn: ConnId,
        offered: bool,
    },
    Changed(StateChange),
}

/// Named after what is awaited; each holds only what is valid while waiting for it.
#[derive(Debug)]
enum Phase {
    Idle,
    AwaitingToken { until: Timestamp },
    AwaitingRetry { at: Timestamp },
    AwaitingOpen { conn: ConnId, until: Timestamp, offered: bool },
    Open { conn: ConnId, since: Timestamp, liveness: Liveness },
    AwaitingClose { conn: ConnId, until: Timestamp },
    Closed,
    Failed,
}

/// The machine. Inputs carry the time, actions are drained by the session after each of them.
#[derive(Debug)]
pub(crate) struct Link {
    config: LinkConfig,
    rng: Rng,
    phase: Phase,
    backoff: Backoff,
    limiter: DialLimiter,
    auth: Auth,
    outage: Option<Outage>,
    /// How long a loss may last on this server before the state is `suspended`.
    suspend_after: Nanos,
    /// When the last suspicious endings were.
    suspicious_closes: [Option<Timestamp>; 2],
    /// One bit for each URL that has been connected to, in this process or an earlier one.
    worked: u64,
    /// Since when a URL that has worked is answered in a way that a wrong address would be.
    misconfigured_since: Option<Timestamp>,
    last_local_retry: Option<Timestamp>,
    /// Left out of the browser's file, where every byte counts.
    #[cfg(feature = "native")]
    idle: idle::IdleTimeoutDetector,
    last_seen: Option<ClockReading>,
    last_conn: u64,
    endpoint: usize,
    rtt: Option<Nanos>,
    /// Whether the next dial offers the extended protocol.
    offer: bool,
    /// The connection to move to.
    replacement: Option<Replacement>,
    /// The connection moved away from.
    old: Option<OldConnection>,
    /// A fresh token is being fetched for the connection in use, until then.
    refreshing: Option<Timestamp>,
    #[cfg(feature = "socketio")]
    carrier: Carrier,
    #[cfg(feature = "socketio")]
    transports: transports::TransportChoice,
    actions: Vec<Action>,
}

impl Link {
    pub(crate) fn new(config: LinkConfig, seed: u64) -> Self {
        let offer = config.extended;
        Self {
            backoff: Backoff::new(config.policy.clone(), config.window.into()),
            auth: Auth::new(config.credentials.clone()),
            rng: Rng::with_seed(seed),
            phase: Phase::Idle,
            limiter: DialLimiter::default(),
            outage: None,
            suspend_after: config.suspend_after.into(),
            suspicious_closes: [None; 2],
            worked: 0,
            misconfigured_since: None,
            last_local_retry: None,
            #[cfg(feature = "native")]
            idle: idle::IdleTimeoutDetector::default(),
            last_seen: None,
            last_conn: 0,
            endpoint: 0,
            rtt: None,
            offer,
            replacement: None,
            old: None,
            refreshing: None,
            #[cfg(feature = "socketio")]
            carrier: Carrier::Own,
            #[cfg(feature = "socketio")]
            transports: transports::TransportChoice::default(),
            actions: Vec::new(),
            config,
        }
    }

    /// What is to be done next. There are a few at most.
    pub(crate) fn next_action(&mut self) -> Option<Action> {
        (!self.actions.is_empty()).then(|| self.actions.remove(0))
    }

    /// The last measured round trip.
    pub(crate) fn rtt(&self) -> Option<Nanos> {
        self.rtt
    }

    /// Whether the application ended it, or a terminal code did.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::AwaitingClose { .. } | Phase::Closed | Phase::Failed)
    }

    pub(crate) fn state(&self) -> State {
        match &self.phase {
            Phase::Idle => State::Idle,
            Phase::Open { .. } => State::Connected,
            Phase::AwaitingClose { .. } => State::Closing,
            Phase::Closed => State::Closed,
            Phase::Failed => State::Failed,
            Phase::AwaitingToken { .. } | Phase::AwaitingOpen { .. } | Phase::AwaitingRetry { .. } => {
                let retry_at = match self.phase {
                    // Another link dials, sooner or later.
                    #[cfg(feature = "socketio")]
                    Phase::AwaitingRetry { at: Timestamp::NEVER } => None,
                    Phase::AwaitingRetry { at } => Some(at),
                    _ => None,
                };
                // Waiting for a fresh token is an attempt too, though the backoff does not count it.
                let attempt = self.backoff.attempt().max(u32::from(!mutation!(AttemptFromZero)));
                match &self.outage {
                    None => State::Connecting,
                    Some(loss) if loss.suspended => State::Suspended { attempt, retry_at },
                    Some(_) => State::Reconnecting { attempt, retry_at },
                }
            }
        }
    }

    /// Dials unless something is under way. Out of `failed` and `closed` it starts anew.
    pub(crate) fn connect(&mut self, now: Timestamp) {
        match self.phase {
            Phase::Idle | Phase::Closed | Phase::Failed => {
                self.backoff.reset();
                self.auth.start_anew();
                self.suspicious_closes = [None; 2];
                self.misconfigured_since = None;
                self.outage = None;
                self.dial(now);
                #[cfg(feature = "socketio")]
                let waits = matches!(self.phase, Phase::AwaitingRetry { at: Timestamp::NEVER });
                #[cfg(not(feature = "socketio"))]
                let waits = false;
                if waits || matches!(self.phase, Phase::AwaitingToken { .. } | Phase::AwaitingOpen { .. }) {
                    self.changed(State::Connecting, None);
                }
            }
            Phase::AwaitingRetry { .. } if mutation!(ConnectUnheard) => {}
            Phase::AwaitingRetry { .. } => {
                let said_otherwise = mutation!(AskedSaidNetwork);
                let cause = if said_otherwise { CauseCode::NetworkChanged } else { CauseCode::Requested };
                self.retry_soon(now, cause);
            }
            _ => {}
        }
    }

    /// The user requests a fresh connection.
    pub(crate) fn reconnect(&mut self, now: Timestamp) {
        match self.phase {
            Phase::Open { .. } => self.replace(now, CauseCode::Requested),
            _ => self.connect(now),
        }
    }

    pub(crate) fn close(&mut self, now: Timestamp) {
        match self.phase {
            Phase::Open { conn, .. } => {
                if !mutation!(CloseLeavesOther) {
                    self.drop_others();
                }
                self.refreshing = None;
                self.phase = Phase::AwaitingClose {
                    conn,
                    until: if mutation!(CloseWaitEndless) {
                        Timestamp::NEVER
                    } else {
                        now + self.config.close_timeout
                    },
                };
                self.actions.push(Action::Close { conn, code: close_code::NORMAL });
                let cause = Cause { will_retry: false, ..Cause::bare(CauseCode::Requested) };
                self.changed(State::Closing, Some(cause));
                self.actions.push(Action::Down);
            }
            Phase::AwaitingOpen { conn, .. } => {
                if !mutation!(CloseLeavesDial) {
                    self.actions.push(Action::Abort { conn, code: close_code::NORMAL });
                }
                self.end();
            }
            Phase::Idle | Phase::AwaitingToken { .. } | Phase::AwaitingRetry { .. } | Phase::Failed => {
                self.end();
            }
            Phase::AwaitingClose { .. } | Phase::Closed => {}
        }
    }

    fn end(&mut self) {
        self.phase = Phase::Closed;
        if !mutation!(TimerAfterClose) {
            self.outage = None;
        }
        self.changed(State::Closed, Some(Cause { will_retry: false, ..Cause::bare(CauseCode::Requested) }));
    }

    pub(crate) fn opened(&mut self, now: Timestamp, opened: ConnId) {
        match self.phase {
            Phase::AwaitingOpen { conn, offered, .. } if conn == opened || mutation!(StaleOpenCounts) => {
                self.backoff.opened();
                if mutation!(ResetBackoffOnOpen) {
                    self.backoff.reset();
                }
                if !mutation!(LossKept) {
                    self.outage = None;
                }
                self.worked |= self.endpoint_bit();
                if !mutation!(WrongKept) {
                    self.misconfigured_since = None;
                }
                let liveness = Liveness::new(self.config.liveness, now);
                self.phase = Phase::Open { conn, since: now, liveness };
                #[cfg(feature = "native")]
                self.traffic(now);
                self.changed(State::Connected, None);
                self.actions.push(Action::Up { conn, offered });
                if offered {
                    self.probe_for_hello(now);
                }
            }
            _ if self.is_replacement(opened) => self.replacement_opened(now, opened),
            _ if mutation!(LateDialKept) => {}
            // The late success of a dial that was given up.
            _ => self.actions.push(Action::Abort { conn: opened, code: close_code::NORMAL }),
        }
    }

    /// Whether `conn` is the connection in use; anything else about another one is ignored.
    pub(crate) fn is_current(&self, conn: ConnId) -> bool {
        matches!(self.phase, Phase::Open { conn: current, .. } if current == conn)
    }

    /// Whether a connection ended because a frame of ours was too large for the server.
    pub(crate) fn is_frame_too_large(&self, how: &Disconnect) -> bool {
        matches!(how, Disconnect::Closed { .. })
            && self.config.close_codes.disconnect(how) == close_code::CloseAction::TooLarge
    }

    /// Something came in on the current connection.
    pub(crate) fn activity(&mut self, now: Timestamp) {
        #[cfg(feature = "native")]
        self.traffic(now);
        if let Phase::Open { liveness, .. } = &mut self.phase {
            liveness.activity(now);
        }
    }

    pub(crate) fn ponged(&mut self, now: Timestamp) {
        #[cfg(feature = "native")]
        self.traffic(now);
        if let Phase::Open { liveness, .. } = &mut self.phase {
            let rtt = liveness.pong(now);
            self.rtt = if mutation!(RttUnmeasured) { self.rtt } else { rtt.or(self.rtt) };
        }
    }

    /// Something came in, or is on its way out, on the current connection.
    #[cfg(feature = "native")]
    pub(crate) fn traffic(&mut self, now: Timestamp) {
        self.idle.traffic(now);
    }

    /// The first frame of an extended server is its `hello`: silence decides the mode only where a pong has shown that
    /// somebody is there.
    fn probe_for_hello(&mut self, now: Timestamp) {
        self.probe(now);
    }

    /// Probes the server, where that is possible; without an answer in time the connection ends.
    pub(crate) fn probe(&mut self, now: Timestamp) {
        #[cfg(feature = "socketio")]
        if let Phase::Open { conn, .. } = self.phase
            && self.is_carried()
        {
            return self.actions.push(Action::Ping(conn));
        }
        if let Phase::Open { conn, liveness, .. } = &mut self.phase
            && liveness.probe_now(now)
        {
            self.actions.push(Action::Ping(*conn));
        }
    }

    /// What an extended server has announced of itself.
    pub(crate) fn apply_hello(&mut self, heartbeat: Nanos, window: Nanos, recoverable: Nanos) {
        self.backoff.set_window(window);
        self.suspend_after = if mutation!(SuspendAfterKept) { self.suspend_after } else { recoverable };
        if let Phase::Open { liveness, .. } = &mut self.phase {
            liveness.set_heartbeat(heartbeat);
        }
    }

    /// The server has announced how long to wait before each return.
    pub(crate) fn wait_at_least(&mut self, least: Nanos) {
        self.backoff.set_least(least);
    }

    /// An earlier run was connected: the address is right.
    pub(crate) fn mark_reachable(&mut self) {
        self.worked = u64::MAX;
    }

    /// The bit of the URL of the dial under way.
    fn endpoint_bit(&self) -> u64 {
        1 << (self.endpoint % 64)
    }

    /// What an earlier run knew of the server.
    #[cfg(feature = "stored")]
    pub(crate) fn restore_timings(&mut self, window: Nanos, recoverable: Nanos) {
        self.backoff.set_window(window);
        self.suspend_after = recoverable;
    }

    /// The connection in use is given up because the server does not do its work on it.
    pub(crate) fn give_up(&mut self, now: Timestamp, code: CauseCode) {
        let Phase::Open { conn, since, .. } = self.phase else { return };
        self.actions.push(Action::Abort { conn, code: close_code::DEAD_PEER });
        self.down(now, since);
        self.retry(now, RetryTrigger::Remote, Cause::bare(code));
    }

    pub(crate) fn dial_failed(&mut self, now: Timestamp, failed: ConnId, error: DialError) {
        if self.is_replacement_failure(now, failed) {
            return;
        }
        let Phase::AwaitingOpen { conn, offered, .. } = self.phase else { return };
        if conn != failed && !mutation!(StaleFailureCounts) {
            return;
        }
        if self.config.extended && matches!(error.kind, DialErrorKind::Http(400 | 404)) {
            // Some gateways refuse a parameter they do not know.
            self.offer = !offered && !mutation!(OfferNeverAgain) || mutation!(OfferKept);
        }
        #[cfg(feature = "socketio")]
        self.transports.dial_failed(&error);
        let worked = self.worked & self.endpoint_bit() != 0;
        self.next_endpoint();
        let verdict = self.config.close_codes.dial_error(error.kind);
        let code = match error.kind {
            DialErrorKind::Http(204) => CauseCode::Closed(close_code::NORMAL),
            kind => CauseCode::Dial(kind),
        };
        let cause = Cause::new(code, error.text);
        #[cfg(feature = "native")]
        let cause = cause.with_remedy(error.remedy);
        if worked
            && verdict == close_code::CloseAction::RetryLimited
            && error.kind != DialErrorKind::Http(410)
        {
            return self.unexpected_answer(now, cause);
        }
        self.misconfigured_since = None;
        self.apply_close_action(now, verdict, cause, error.retry_after);
    }

    pub(crate) fn closed(&mut self, now: Timestamp, closed: ConnId, how: Disconnect) {
        if self.old_closed(closed) {
            return;
        }
        match self.phase {
            Phase::Open { conn, since, .. } if conn == closed || mutation!(StaleEndCounts) => {
                let verdict = self.close_action(&how);
                self.down(now, since);
                let cause = retry::cause(how);
                #[cfg(feature = "native")]
                let cause = match cause.code {
                    CauseCode::ConnectionLost => {
                        Cause { idle_timeout: self.idle.lost(now, conn).map(Nanos::duration), ..cause }
                    }
                    _ => cause,
                };
                self.apply_close_action(now, verdict, cause, None);
            }
            Phase::AwaitingClose { conn, .. } if conn == closed => self.end(),
            _ => {}
        }
    }

    /// What the end of a connection means.
    fn close_action(&self, how: &Disconnect) -> close_code::CloseAction {
        #[cfg(feature = "socketio")]
        if self.is_carried() {
            // It is the other link that judges it.
            return close_code::CloseAction::Retry;
        }
        self.config.close_codes.disconnect(how)
    }

    fn down(&mut self, now: Timestamp, since: Timestamp) {
        if !mutation!(RefreshOutlives) {
            self.refreshing = None;
        }
        if let Some(retiring) = self.old.take() {
            // Not the end of a stay: the next connection continues with it.
            let code = if mutation!(OldAsLeaving) { close_code::NORMAL } else { close_code::REPLACED };
            self.actions.push(Action::Abort { conn: retiring.conn, code });
        }
        self.backoff.lost(if mutation!(StabilityUnnoticed) { Nanos::ZERO } else { now.after(since) });
        self.actions.push(Action::Down);
    }

    /// Returns the open connection up for a reason on this side and dials again.
    fn replace(&mut self, now: Timestamp, code: CauseCode) {
        let Phase::Open { conn, since, .. } = self.phase else { return };
        let wire_code = if code == CauseCode::DeadPeer {
            close_code::DEAD_PEER
        } else if mutation!(ReplacedAsLeaving) {
            close_code::NORMAL
        } else {
            close_code::REPLACED
        };
        self.actions.push(Action::Abort { conn, code: wire_code });
        self.down(now, since);
        self.retry(now, RetryTrigger::Local, Cause::bare(code));
    }

    /// Dials now, or as soon as the limiter and the token allow.
    fn dial(&mut self, now: Timestamp) {
        #[cfg(feature = "socketio")]
        if self.carrier == Carrier::Down {
            self.phase = Phase::AwaitingRetry { at: Timestamp::NEVER };
            return;
        }
        let earliest = if mutation!(NoDialLimit) { now } else { self.limiter.earliest(now) };
        if earliest > now {
            self.outage.get_or_insert(Outage::new(now));
            self.phase = Phase::AwaitingRetry { at: earliest };
            self.changed(self.state(), Some(Cause::bare(CauseCode::Requested)));
            return;
        }
        if let Some(rejected) = self.auth.needs_token() {
            self.phase = Phase::AwaitingToken {
                until: if mutation!(TokenWaitEndless) {
                    Timestamp::NEVER
                } else {
                    now + self.config.token_timeout
                },
            };
            self.actions.push(Action::FetchToken { rejected });
            return;
        }
        if !mutation!(DialsTwice) || self.backoff.attempt() > 0 {
            self.limiter.count(now);
        }
        self.last_conn += 1;
        #[cfg(feature = "socketio")]
        self.transports.dial();
        let conn = ConnId(self.last_conn);
        let offered = self.offer;
        self.phase = Phase::AwaitingOpen { conn, until: now + self.config.dial_timeout, offered };
        if let Phase::AwaitingOpen { until, .. } = &mut self.phase
            && mutation!(DialTooLong)
        {
            *until += self.config.dial_timeout;
        }
        self.actions.push(Action::Dial {
            conn,
            endpoint: self.endpoint,
            attempt: self.backoff.attempt(),
            token: self.auth.token().cloned(),
            extended: offered,
            url: None,
        });
    }

    pub(crate) fn tick(&mut self, now: Timestamp) {
        self.suspend(now);
        self.tick_replacement(now);
        self.refreshing.take_if(|until| *until <= now && !mutation!(RefreshWaitsForEver));
        match &mut self.phase {
            Phase::AwaitingToken { until } if *until <= now => {
                let text = "the token source did not answer in time";
                self.retry(now, RetryTrigger::Remote, Cause::new(CauseCode::TokenUnavailable, text));
            }
            Phase::AwaitingRetry { at } if *at <= now => self.dial(now),
            #[cfg(feature = "socketio")]
            Phase::AwaitingOpen { until, .. } if *until <= now && self.carrier != Carrier::Own => {
                self.carrier_timeout(now);
            }
            Phase::AwaitingOpen { conn, until, .. } if *until <= now => {
                let conn = *conn;
                self.actions.push(Action::Abort { conn, code: close_code::NORMAL });
                let text = "the server did not answer in time";
                self.dial_failed(now, conn, DialError::new(DialErrorKind::Timeout, text));
            }
            Phase::Open { conn, since, liveness } => match liveness.tick(now) {
                ProbeResult::Fine => {}
                ProbeResult::Ask => self.actions.push(Action::Ping(*conn)),
                ProbeResult::Dead { local: true } => self.replace(now, CauseCode::NetworkChanged),
                ProbeResult::Dead { local: false } => {
                    let (conn, since) = (*conn, *since);
                    self.actions.push(Action::Abort { conn, code: close_code::DEAD_PEER });
                    self.down(now, since);
                    let code = if mutation!(DeadPeerSaidLost) {
                        CauseCode::ConnectionLost
                    } else {
                        CauseCode::DeadPeer
                    };
                    self.retry(now, RetryTrigger::Remote, Cause::bare(code));
                }
            },
            Phase::AwaitingClose { conn, until } if *until <= now => {
                self.actions.push(Action::Abort { conn: *conn, code: close_code::NORMAL });
                self.end();
            }
            _ => {}
        }
    }

    /// Reports once that the loss has outlasted what can be recovered.
    fn suspend(&mut self, now: Timestamp) {
        let Some(loss) = &mut self.outage else { return };
        if !loss.suspended && loss.age(now) >= self.suspend_after {
            loss.suspended = true;
            if !mutation!(SuspendUntold) {
                self.changed(self.state(), None);
            }
        }
    }

    pub(crate) fn deadline(&self) -> Timestamp {
        let phase = match &self.phase {
            Phase::Idle | Phase::Closed | Phase::Failed => Timestamp::NEVER,
            Phase::AwaitingToken { until }
            | Phase::AwaitingOpen { until, .. }
            | Phase::AwaitingClose { until, .. } => *until,
            Phase::AwaitingRetry { at } => *at,
            Phase::Open { liveness, .. } => liveness.deadline(),
        };
        let suspend = match &self.outage {
            Some(loss) if !loss.suspended => loss.reaches(self.suspend_after),
            _ => Timestamp::NEVER,
        };
        phase.min(suspend).min(self.replacement_deadline()).min(self.refreshing.unwrap_or(Timestamp::NEVER))
    }

    fn changed(&mut self, state: State, cause: Option<Cause>) {
        self.actions.push(Action::Changed(StateChange { state, cause }));
    }
}

#[cfg(test)]
mod tests;
