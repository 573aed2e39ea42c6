//! From the wish to be connected to an open connection: when to dial, and what the answer of a dial means.

#[cfg(feature = "socketio")]
use super::carrier::Carrier;
use super::state::Outage;
use super::{Action, ConnId, Link, Phase, State};
use crate::cause::{Cause, CauseCode, DialError, DialErrorKind};
use crate::close_code;
use crate::liveness::Liveness;
use crate::mutation::mutation;
use crate::time::Timestamp;

impl Link {
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

    /// Dials now, or as soon as the limiter and the token allow.
    pub(super) fn dial(&mut self, now: Timestamp) {
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
        #[cfg(any(feature = "socketio", feature = "sse"))]
        self.transports.dial();
        let conn = ConnId(self.last_conn);
        let offered = self.offer;
        // Streams of events exist only in the extended protocol.
        #[cfg(feature = "sse")]
        let offered = offered || self.dials_streams();
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
                #[cfg(any(feature = "socketio", feature = "sse"))]
                self.transports.opened();
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

    pub(crate) fn dial_failed(&mut self, now: Timestamp, failed: ConnId, error: DialError) {
        if self.is_replacement_failure(now, failed) {
            return;
        }
        let Phase::AwaitingOpen { conn, offered, .. } = self.phase else { return };
        if conn != failed && !mutation!(StaleFailureCounts) {
            return;
        }
        #[cfg(feature = "sse")]
        let by_websocket = !self.dials_streams();
        #[cfg(not(feature = "sse"))]
        let by_websocket = true;
        let may_refuse_offer = self.config.extended && !self.knows_extended && by_websocket;
        if may_refuse_offer && matches!(error.kind, DialErrorKind::Http(400 | 404)) {
            // Some gateways refuse a parameter they do not know.
            self.offer = !offered && !mutation!(OfferNeverAgain) || mutation!(OfferKept);
        }
        #[cfg(any(feature = "socketio", feature = "sse"))]
        self.transports.dial_failed(&error);
        #[cfg(feature = "sse")]
        let error = self.transports.judged_as_websocket(error);
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

    /// A server there has the extended protocol: whatever refuses a dial now, it is not the offer.
    pub(crate) fn offer_always(&mut self) {
        self.knows_extended = true;
        self.offer = self.config.extended;
    }

    /// An earlier run was connected: the address is right.
    pub(crate) fn mark_reachable(&mut self) {
        self.worked = u64::MAX;
    }

    /// The bit of the URL of the dial under way.
    pub(super) fn endpoint_bit(&self) -> u64 {
        1 << (self.endpoint % 64)
    }
}
