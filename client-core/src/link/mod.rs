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

mod action;
mod activity;
mod auth;
#[cfg(feature = "socketio")]
mod carrier;
mod config;
mod dialling;
mod ending;
#[cfg(feature = "socketio")]
mod handshake;
#[cfg(feature = "native")]
mod idle;
mod migration;
mod network;
mod retry;
mod state;
mod tokens;
#[cfg(any(feature = "socketio", feature = "sse"))]
mod transports;

pub(crate) use action::Action;
pub use config::LinkConfig;
pub use network::Hint;
pub use state::{ConnId, State, StateChange};
#[cfg(feature = "sse")]
pub use transports::EventStreams;
#[cfg(feature = "socketio")]
pub use transports::{EngineTransport, Transports};

use crate::backoff::{Backoff, RetryTrigger};
use crate::cause::{Cause, CauseCode, DialError, DialErrorKind};
use crate::close_code;
use crate::limiter::DialLimiter;
use crate::liveness::{Liveness, ProbeResult};
use crate::mutation::mutation;
use crate::time::{ClockReading, Nanos, Timestamp};
use alloc::vec::Vec;
use auth::Auth;
#[cfg(feature = "socketio")]
use carrier::Carrier;
use fastrand::Rng;
use migration::{OldConnection, Replacement};
use state::Outage;

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
    /// A server there has said that it has it: no gateway on the way refuses the offer for good.
    knows_extended: bool,
    /// The connection to move to.
    replacement: Option<Replacement>,
    /// The connection moved away from.
    old: Option<OldConnection>,
    /// A fresh token is being fetched for the connection in use, until then.
    refreshing: Option<Timestamp>,
    #[cfg(feature = "socketio")]
    carrier: Carrier,
    #[cfg(any(feature = "socketio", feature = "sse"))]
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
            knows_extended: false,
            replacement: None,
            old: None,
            refreshing: None,
            #[cfg(feature = "socketio")]
            carrier: Carrier::Own,
            #[cfg(any(feature = "socketio", feature = "sse"))]
            transports: transports::TransportChoice::default(),
            actions: Vec::new(),
            config,
        }
    }

    /// What is to be done next. There are a few at most.
    pub(crate) fn next_action(&mut self) -> Option<Action> {
        (!self.actions.is_empty()).then(|| self.actions.remove(0))
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

    /// Whether `conn` is the connection in use; anything else about another one is ignored.
    pub(crate) fn is_current(&self, conn: ConnId) -> bool {
        matches!(self.phase, Phase::Open { conn: current, .. } if current == conn)
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

    /// What an earlier run knew of the server.
    #[cfg(feature = "stored")]
    pub(crate) fn restore_timings(&mut self, window: Nanos, recoverable: Nanos) {
        self.backoff.set_window(window);
        self.suspend_after = recoverable;
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
