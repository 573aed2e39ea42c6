//! Detects a server that no longer answers (reconnecting.md, "Liveness"). Sends nothing itself.

use crate::mutation::mutation;
use crate::time::{Nanos, Timestamp};
use core::time::Duration;

/// When to probe the server, and how long to wait for an answer.
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LivenessConfig {
    /// Silence after which the server is probed: 25 s by default. Many proxies cut a connection that is silent for 30 s.
    pub heartbeat: Duration,
    /// How long it may take to answer: 10 s by default.
    pub answer_timeout: Duration,
    /// How long it may take to answer after a wake or a network change: 3 s by default.
    pub probe_timeout: Duration,
    /// Whether the driver can ping. A browser on a plain server cannot: there a half-open connection is not
    /// found by asking, and after a long sleep the connection is replaced instead.
    pub can_ping: bool,
    /// For a stream that can only be listened to, but in which the server is never silent for long: silence after
    /// which it is dead, without a probe. `None` by default. Used where the driver cannot ping.
    pub idle_timeout: Option<Duration>,
}

impl Default for LivenessConfig {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(25),
            answer_timeout: Duration::from_secs(10),
            probe_timeout: Duration::from_secs(3),
            can_ping: true,
            idle_timeout: None,
        }
    }
}

/// A timer this late was buffered: the process was stopped, or the machine slept.
pub(crate) const TIMER_SLACK: Nanos = Nanos::from_secs(2);

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProbeResult {
    /// Nothing.
    Fine,
    /// Send a ping.
    Ask,
    /// It is gone. `local`: it went while this side slept or changed networks.
    Dead { local: bool },
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Idle,
    Probing { at: Timestamp, until: Timestamp, probe: bool },
}

/// The watch over one connection.
#[derive(Debug, Clone)]
pub(crate) struct Liveness {
    config: LivenessConfig,
    last_activity: Timestamp,
    /// What the server has announced of its silences, instead of the configuration's. The server announces no schedule within that interval, so a probe
    /// cannot shorten the deadline.
    silence: Option<Nanos>,
    phase: Phase,
}

impl Liveness {
    pub(crate) fn new(config: LivenessConfig, now: Timestamp) -> Self {
        Self { config, last_activity: now, silence: None, phase: Phase::Idle }
    }

    /// The server has announced its heartbeat interval, and answers pings.
    pub(crate) fn set_heartbeat(&mut self, heartbeat: Nanos) {
        self.config.heartbeat =
            if mutation!(HeartbeatUnlearnt) { self.config.heartbeat } else { heartbeat.duration() };
        self.config.can_ping = true;
    }

    /// The server sends something unasked at least this often.
    #[cfg(any(feature = "socketio", test))]
    pub(crate) fn set_idle_timeout(&mut self, silence: Nanos) {
        self.silence = Some(silence);
    }

    /// A longer silence means a dead connection; nothing is probed.
    fn silence(&self) -> Option<Nanos> {
        self.silence.or(self.config.idle_timeout.filter(|_| !self.config.can_ping).map(Nanos::from))
    }

    /// Whether this connection can be probed.
    pub(crate) fn can_probe(&self) -> bool {
        self.config.can_ping
    }

    /// Probes now, before the heartbeat is due.
    pub(crate) fn probe_now(&mut self, now: Timestamp) -> bool {
        let quiet = matches!(self.phase, Phase::Idle) && self.config.can_ping;
        if quiet {
            self.phase = Phase::Probing { at: now, until: now + self.config.answer_timeout, probe: false };
        }
        quiet
    }

    /// Anything was received: the server is alive.
    pub(crate) fn activity(&mut self, now: Timestamp) {
        self.last_activity = if mutation!(HeartbeatUnmoved) { self.last_activity } else { now };
        if !mutation!(LifeUnnoticed) {
            self.phase = Phase::Idle;
        }
    }

    /// An answer to a ping came in. Returns the round trip, if one was under way.
    pub(crate) fn pong(&mut self, now: Timestamp) -> Option<Nanos> {
        let rtt = match self.phase {
            Phase::Probing { at, .. } => Some(now.after(at)),
            Phase::Idle => None,
        };
        self.activity(now);
        rtt
    }

    /// Something on this side makes the connection suspect: probe now, with a short deadline.
    pub(crate) fn probe(&mut self, now: Timestamp) -> ProbeResult {
        let soon = now
            + if mutation!(DoubtPatient) { self.config.answer_timeout } else { self.config.probe_timeout };
        match (self.phase, self.config.idle_timeout) {
            (Phase::Probing { probe: true, .. }, _) if !mutation!(DoubtRestarts) => ProbeResult::Fine,
            _ if mutation!(DoubtUnasked) => ProbeResult::Fine,
            _ if self.config.can_ping => self.start_probe(now, soon),
            (_, None) => ProbeResult::Fine,
            // What should have come by now is missing, or is still to come.
            (_, Some(silence)) => {
                self.start_probe(now, soon.max(self.last_activity + Nanos::from(silence).half()))
            }
        }
    }

    /// Expects activity until then, and pings where that is possible.
    fn start_probe(&mut self, now: Timestamp, until: Timestamp) -> ProbeResult {
        self.phase = Phase::Probing { at: now, until, probe: true };
        if self.config.can_ping { ProbeResult::Ask } else { ProbeResult::Fine }
    }

    pub(crate) fn deadline(&self) -> Timestamp {
        match self.phase {
            Phase::Probing { until, .. } => until,
            Phase::Idle => match self.silence() {
                Some(silence) => self.last_activity + silence,
                None if self.config.can_ping && !mutation!(SilenceUnasked) => {
                    self.last_activity + self.config.heartbeat
                }
                None => Timestamp::NEVER,
            },
        }
    }

    pub(crate) fn tick(&mut self, now: Timestamp) -> ProbeResult {
        let deadline = self.deadline();
        if deadline > now {
            return ProbeResult::Fine;
        }
        if now.after(deadline) > TIMER_SLACK && !mutation!(LateTimerKills) {
            // The answer may be waiting in a buffer that nobody has read: ask again, never kill.
            return self.start_probe(now, now + self.config.probe_timeout);
        }
        match self.phase {
            Phase::Idle if self.silence().is_some() => ProbeResult::Dead { local: false },
            Phase::Idle => {
                let until = now + self.config.answer_timeout;
                let until = if mutation!(AnswerTooLong) { until + self.config.answer_timeout } else { until };
                self.phase = Phase::Probing { at: now, until, probe: false };
                ProbeResult::Ask
            }
            Phase::Probing { probe, .. } => ProbeResult::Dead { local: probe },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn fresh() -> Liveness {
        let config = LivenessConfig { heartbeat: Duration::from_secs(25), ..LivenessConfig::default() };
        Liveness::new(config, at(0))
    }

    #[test]
    fn silence_is_asked_about_and_no_answer_is_death() {
        let mut live = fresh();
        assert_eq!(live.tick(at(24)), ProbeResult::Fine);
        assert_eq!(live.tick(at(25)), ProbeResult::Ask);
        assert_eq!(live.tick(at(34)), ProbeResult::Fine);
        assert_eq!(live.tick(at(35)), ProbeResult::Dead { local: false });
    }

    #[test]
    fn any_frame_proves_life_and_an_answer_gives_the_round_trip() {
        let mut live = fresh();
        live.tick(at(25));
        assert_eq!(live.pong(at(26)), Some(Nanos::from_secs(1)));
        assert_eq!(live.deadline(), at(51));
        live.activity(at(40));
        assert_eq!(live.deadline(), at(65));
    }

    #[test]
    fn a_late_timer_asks_again_and_never_kills() {
        let mut live = fresh();
        live.tick(at(25));
        assert_eq!(live.tick(at(3600)), ProbeResult::Ask);
        assert_eq!(live.deadline(), at(3603));
        assert_eq!(live.tick(at(3603)), ProbeResult::Dead { local: true });
    }

    #[test]
    fn doubt_asks_once_and_waits_three_seconds() {
        let mut live = fresh();
        assert_eq!(live.probe(at(1)), ProbeResult::Ask);
        assert_eq!(live.probe(at(2)), ProbeResult::Fine);
        assert_eq!(live.deadline(), at(4));
    }

    #[test]
    fn the_silence_of_a_server_that_speaks_by_itself_is_death() {
        let mut live = fresh();
        live.set_idle_timeout(Nanos::from_secs(45));
        live.activity(at(10));
        assert_eq!(live.tick(at(54)), ProbeResult::Fine);
        assert_eq!(live.tick(at(55)), ProbeResult::Dead { local: false });
        // A late timer asks; where it cannot, it waits for what must be in a buffer by now.
        assert_eq!(live.tick(at(58)), ProbeResult::Ask);
        let config = LivenessConfig { can_ping: false, ..LivenessConfig::default() };
        let mut mute = Liveness::new(config, at(0));
        mute.set_idle_timeout(Nanos::from_secs(45));
        assert_eq!(mute.tick(at(48)), ProbeResult::Fine);
        assert_eq!(mute.deadline(), at(51));
        assert_eq!(mute.tick(at(51)), ProbeResult::Dead { local: true });
    }

    #[test]
    fn a_driver_that_cannot_ping_has_no_deadline() {
        let config = LivenessConfig { can_ping: false, ..LivenessConfig::default() };
        let mut live = Liveness::new(config, at(0));
        assert_eq!(live.deadline(), Timestamp::NEVER);
        assert_eq!(live.probe(at(1)), ProbeResult::Fine);
        assert_eq!(live.deadline(), Timestamp::NEVER);
    }

    fn listener() -> Liveness {
        let silence = Some(Duration::from_secs(40));
        let config = LivenessConfig { can_ping: false, idle_timeout: silence, ..LivenessConfig::default() };
        Liveness::new(config, at(0))
    }

    #[test]
    fn a_stream_that_can_only_be_listened_to_is_dead_after_its_silence_without_a_question() {
        let mut live = listener();
        live.activity(at(10));
        assert_eq!(live.tick(at(49)), ProbeResult::Fine);
        assert_eq!(live.tick(at(50)), ProbeResult::Dead { local: false });
    }

    #[test]
    fn where_there_is_a_way_to_ask_a_configured_silence_kills_nobody() {
        let silence = Some(Duration::from_secs(20));
        let mut live = Liveness::new(LivenessConfig { idle_timeout: silence, ..fresh().config }, at(0));
        assert_eq!(live.tick(at(20)), ProbeResult::Fine);
        assert_eq!(live.tick(at(25)), ProbeResult::Ask);
    }

    #[test]
    fn a_late_timer_on_such_a_stream_leaves_time_to_read_what_is_there() {
        let mut live = listener();
        assert_eq!(live.tick(at(3600)), ProbeResult::Fine);
        assert_eq!(live.deadline(), at(3603));
        assert_eq!(live.tick(at(3603)), ProbeResult::Dead { local: true });
        let mut live = listener();
        live.tick(at(3600));
        live.activity(at(3601));
        assert_eq!(live.deadline(), at(3641));
    }

    #[test]
    fn doubt_about_such_a_stream_waits_for_the_sign_that_is_due_and_not_for_the_whole_silence() {
        let mut live = listener();
        live.activity(at(10));
        assert_eq!(live.probe(at(12)), ProbeResult::Fine);
        assert_eq!(live.deadline(), at(30));
        let mut live = listener();
        assert_eq!(live.probe(at(38)), ProbeResult::Fine);
        assert_eq!(live.tick(at(41)), ProbeResult::Dead { local: true });
    }
}
