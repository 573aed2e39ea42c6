use super::*;
use crate::backoff::Policy;
use crate::cause::Disconnect;
use crate::close_code::CloseAction;
use crate::token::Credentials;
use crate::token::TokenError;
use alloc::vec::Vec;
use core::time::Duration;

/// A link on a hand-driven clock.
struct Rig {
    link: Link,
    now: Timestamp,
    wall: Duration,
    done: Vec<Action>,
}

const SECOND: Duration = Duration::from_secs(1);

impl Rig {
    fn new(config: LinkConfig) -> Self {
        Self { link: Link::new(config, 1), now: Timestamp::ZERO, wall: Duration::ZERO, done: Vec::new() }
    }

    fn connected() -> Self {
        let mut rig = Self::new(LinkConfig::default());
        rig.open();
        rig
    }

    fn collect(&mut self) {
        self.done.extend(core::iter::from_fn(|| self.link.next_action()));
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.wall += time;
        self.link.observe(ClockReading::new(self.now, self.wall));
        self.link.tick(self.now);
        self.collect();
    }

    fn sleep(&mut self, time: Duration) {
        self.wall += time;
        self.link.observe(ClockReading::new(self.now, self.wall));
        self.collect();
    }

    /// Runs the timers until the next dial, and gives its number.
    fn until_dial(&mut self) -> Option<ConnId> {
        for _ in 0..100 {
            if let Some(conn) = self.take_dial() {
                return Some(conn);
            }
            let deadline = self.link.deadline().into_option()?;
            self.pass(deadline - self.now);
        }
        None
    }

    fn take_dial(&mut self) -> Option<ConnId> {
        self.collect();
        let at = self.done.iter().position(|action| matches!(action, Action::Dial { .. }))?;
        match self.done.remove(at) {
            Action::Dial { conn, .. } => Some(conn),
            _ => None,
        }
    }

    fn open(&mut self) -> ConnId {
        self.link.observe(ClockReading::new(self.now, self.wall));
        self.link.connect(self.now);
        let conn = self.until_dial().expect("a dial");
        self.link.opened(self.now, conn);
        self.collect();
        conn
    }

    fn closed(&mut self, code: u16) {
        let Phase::Open { conn, .. } = self.link.phase else { panic!("not open: {:?}", self.link.phase) };
        self.link.closed(self.now, conn, Disconnect::Closed { code, reason: "".into() });
        self.collect();
    }

    fn reopen(&mut self) {
        let conn = self.until_dial().expect("a dial");
        self.link.opened(self.now, conn);
        self.collect();
    }

    fn wait(&self) -> Duration {
        match self.link.phase {
            Phase::AwaitingRetry { at } => at - self.now,
            _ => panic!("not waiting: {:?}", self.link.phase),
        }
    }

    fn cause(&self) -> &Cause {
        let mut changes = self.done.iter().rev();
        changes
            .find_map(|action| match action {
                Action::Changed(StateChange { cause: Some(cause), .. }) => Some(cause),
                _ => None,
            })
            .expect("a cause")
    }

    fn pings(&mut self) -> usize {
        self.collect();
        let before = self.done.len();
        self.done.retain(|action| !matches!(action, Action::Ping(_)));
        before - self.done.len()
    }
}

fn with_source() -> LinkConfig {
    LinkConfig { credentials: Credentials::Source, ..LinkConfig::default() }
}

#[test]
fn a_dial_that_hangs_is_given_up_after_ten_seconds_and_tried_again() {
    let mut rig = Rig::new(LinkConfig::default());
    rig.link.connect(rig.now);
    let first = rig.until_dial().unwrap();
    rig.pass(10 * SECOND);
    assert!(rig.done.iter().any(|a| matches!(a, Action::Abort { conn, .. } if *conn == first)));
    assert_eq!(rig.cause().code, CauseCode::Dial(DialErrorKind::Timeout));
    assert_ne!(rig.until_dial().unwrap(), first);
}

#[test]
fn the_late_success_of_an_older_dial_is_closed_and_changes_nothing() {
    let mut rig = Rig::new(LinkConfig::default());
    rig.link.connect(rig.now);
    let first = rig.until_dial().unwrap();
    rig.pass(10 * SECOND);
    let second = rig.until_dial().unwrap();
    rig.done.clear();
    rig.link.opened(rig.now, first);
    rig.collect();
    assert!(matches!(rig.done[..], [Action::Abort { conn, .. }] if conn == first));
    rig.link.opened(rig.now, second);
    assert_eq!(rig.link.state(), State::Connected);
    rig.link.closed(rig.now, first, Disconnect::Lost);
    assert_eq!(rig.link.state(), State::Connected);
}

#[test]
fn a_silent_server_is_asked_after_the_heartbeat_and_given_up_ten_seconds_later() {
    let mut rig = Rig::connected();
    rig.pass(25 * SECOND);
    assert_eq!(rig.pings(), 1);
    rig.pass(10 * SECOND);
    assert!(rig.done.iter().any(|a| matches!(a, Action::Abort { code: close_code::DEAD_PEER, .. })));
    assert_eq!(rig.cause().code, CauseCode::DeadPeer);
    assert!(matches!(rig.link.state(), State::Reconnecting { attempt: 1, .. }));
}

#[test]
fn a_wake_from_sleep_asks_the_server_and_believes_the_answer() {
    let mut rig = Rig::connected();
    rig.sleep(3600 * SECOND);
    assert_eq!(rig.pings(), 1);
    rig.pass(SECOND);
    rig.link.ponged(rig.now);
    rig.pass(5 * SECOND);
    assert_eq!(rig.link.state(), State::Connected);
    assert_eq!(rig.link.rtt(), Some(Nanos::from(SECOND)));
}

#[test]
fn a_connection_that_did_not_survive_a_sleep_is_replaced_within_seconds() {
    let mut rig = Rig::connected();
    rig.sleep(3600 * SECOND);
    rig.pass(3 * SECOND);
    assert_eq!(rig.cause().code, CauseCode::NetworkChanged);
    assert!(rig.wait() <= Duration::from_millis(250));
}

#[test]
fn who_asks_to_connect_while_it_waits_is_told_so_and_not_that_the_network_changed() {
    for ask in [Link::connect as fn(&mut Link, Timestamp), Link::reconnect] {
        let mut rig = Rig::connected();
        // Overloaded: the wait is 5 s at least.
        rig.closed(1013);
        ask(&mut rig.link, rig.now);
        rig.collect();
        assert_eq!(rig.cause().code, CauseCode::Requested);
        assert!(rig.wait() <= Duration::from_millis(250));
    }
}

#[test]
fn a_driver_that_cannot_ping_replaces_the_connection_after_a_long_sleep_only() {
    let mut config = LinkConfig::default();
    config.liveness.can_ping = false;
    let mut rig = Rig::new(config);
    rig.open();
    rig.sleep(20 * SECOND);
    assert_eq!(rig.link.state(), State::Connected);
    rig.sleep(31 * SECOND);
    assert!(matches!(rig.link.state(), State::Reconnecting { .. }));
}

#[test]
fn a_driver_that_cannot_ping_asks_all_the_same_once_the_server_has_offered_it() {
    let mut config = LinkConfig::default();
    config.liveness.can_ping = false;
    let mut rig = Rig::new(config);
    rig.open();
    rig.link.apply_hello((25 * SECOND).into(), SECOND.into(), (300 * SECOND).into());
    rig.link.hint(rig.now, Hint::Online);
    rig.collect();
    assert_eq!((rig.link.state(), rig.pings()), (State::Connected, 1));
}

#[test]
fn offline_is_never_trusted_and_online_shortens_the_wait_once_in_ten_seconds() {
    let mut rig = Rig::connected();
    rig.link.hint(rig.now, Hint::Offline);
    assert_eq!(rig.link.state(), State::Connected);
    assert_eq!(rig.pings(), 1);
    for _ in 0..4 {
        rig.closed(1006);
        rig.reopen();
    }
    rig.closed(1006);
    assert!(rig.wait() > Duration::from_millis(250));
    rig.link.hint(rig.now, Hint::Online);
    let at = rig.limiter_or_soon();
    assert!(at);
    rig.reopen();
    rig.closed(1006);
    let before = rig.wait();
    rig.link.hint(rig.now, Hint::Online);
    assert_eq!(rig.wait(), before, "the second shortening within ten seconds");
}

impl Rig {
    fn limiter_or_soon(&self) -> bool {
        let earliest = self.link.limiter.earliest(self.now);
        self.wait() <= Duration::from_millis(250) || self.now + self.wait() == earliest
    }
}

#[test]
fn a_rejected_token_without_a_source_is_terminal() {
    let credentials = Credentials::Fixed("secret".into());
    let mut rig = Rig::new(LinkConfig { credentials, ..LinkConfig::default() });
    rig.open();
    rig.closed(4001);
    assert_eq!(rig.link.state(), State::Failed);
    assert_eq!(rig.cause().code, CauseCode::Unauthorized(4001));
    assert!(!rig.cause().will_retry);
    rig.pass(3600 * SECOND);
    assert_eq!(rig.take_dial(), None, "an attempt after a terminal code");
    rig.link.set_token(rig.now, "better".into());
    assert!(rig.until_dial().is_some());
}

#[test]
fn a_rejected_token_is_refreshed_once_and_the_second_rejection_within_a_minute_is_terminal() {
    let mut rig = Rig::new(with_source());
    let fetched = |rig: &mut Rig| {
        for _ in 0..10 {
            rig.collect();
            if rig.done.iter().any(|a| matches!(a, Action::FetchToken { .. })) {
                rig.done.retain(|a| !matches!(a, Action::FetchToken { .. }));
                rig.link.token(rig.now, Ok("token".into()));
                let conn = rig.take_dial().expect("a dial after the token");
                rig.link.opened(rig.now, conn);
                rig.collect();
                return;
            }
            let deadline = rig.link.deadline().into_option().expect("a deadline");
            rig.pass(deadline - rig.now);
        }
        panic!("no token was asked for");
    };
    rig.link.connect(rig.now);
    fetched(&mut rig);
    rig.closed(4001);
    fetched(&mut rig);
    rig.pass(61 * SECOND);
    rig.closed(1008);
    assert_ne!(rig.link.state(), State::Failed, "the first rejection was more than a minute ago");
    fetched(&mut rig);
    rig.closed(4001);
    assert_eq!(rig.link.state(), State::Failed);
    assert_eq!(rig.cause().code, CauseCode::Unauthorized(4001));
}

#[test]
fn a_token_that_is_refused_during_a_move_is_not_shown_by_the_new_connection_either() {
    for code in [4001, 4002] {
        let mut rig = Rig::new(with_source());
        rig.link.connect(rig.now);
        rig.link.token(rig.now, Ok("old".into()));
        rig.reopen();
        rig.link.going_away(rig.now, Nanos::from_secs(1), None);
        let moving = rig.until_dial().expect("the dial of the move");
        rig.closed(code);
        let given_up = |action: &Action| matches!(action, Action::Abort { conn, .. } if *conn == moving);
        assert!(rig.done.iter().any(given_up), "{:?}", rig.done);
        rig.pass(2 * SECOND);
        assert!(rig.done.iter().any(|action| matches!(action, Action::FetchToken { rejected: true })));
        rig.link.token(rig.now, Ok("new".into()));
        rig.reopen();
        assert_eq!(rig.link.state(), State::Connected);
    }
}

#[test]
fn a_token_source_that_hangs_or_fails_is_asked_again_later_and_a_final_no_is_final() {
    let mut rig = Rig::new(with_source());
    rig.link.connect(rig.now);
    rig.pass(10 * SECOND);
    assert_eq!(rig.cause().code, CauseCode::TokenUnavailable);
    let wait = rig.wait();
    rig.pass(wait);
    rig.link.token(rig.now, Err(TokenError::temporary("busy")));
    let wait = rig.wait();
    rig.pass(wait);
    rig.link.token(rig.now, Err(TokenError::permanent("signed out")));
    assert_eq!(rig.link.state(), State::Failed);
}

#[test]
fn three_suspicious_endings_in_ten_minutes_are_terminal() {
    let mut rig = Rig::connected();
    for left in [2, 1, 0] {
        assert_eq!(rig.link.state(), State::Connected);
        rig.closed(1002);
        if left > 0 {
            rig.reopen();
        }
    }
    assert_eq!(rig.link.state(), State::Failed);
    assert_eq!(rig.cause().code, CauseCode::Closed(1002));
}

#[test]
fn suspicious_endings_far_apart_are_forgiven() {
    let mut rig = Rig::connected();
    for _ in 0..5 {
        rig.closed(1002);
        rig.reopen();
        for _ in 0..31 {
            rig.link.activity(rig.now);
            rig.pass(20 * SECOND);
        }
    }
    assert_eq!(rig.link.state(), State::Connected);
}

#[test]
fn a_normal_close_by_the_server_is_terminal_unless_configured() {
    let mut rig = Rig::connected();
    rig.closed(1000);
    assert_eq!(rig.link.state(), State::Failed);
    let mut config = LinkConfig::default();
    config.close_codes.set(1000, CloseAction::Retry);
    let mut rig = Rig::new(config);
    rig.open();
    rig.closed(1000);
    assert!(matches!(rig.link.state(), State::Reconnecting { .. }));
}

#[test]
fn an_overloaded_server_is_given_five_seconds_or_what_it_asks_for() {
    for code in [1013, 4008, 4011, 4429] {
        let mut rig = Rig::connected();
        rig.closed(code);
        assert!(rig.wait() >= 5 * SECOND, "{code}");
    }
    let mut rig = Rig::new(LinkConfig::default());
    rig.link.connect(rig.now);
    let conn = rig.until_dial().unwrap();
    let mut error = DialError::new(DialErrorKind::Http(503), "");
    error.retry_after = Some(40 * SECOND);
    rig.link.dial_failed(rig.now, conn, error);
    assert!(rig.wait() >= 40 * SECOND);
}

#[test]
fn the_legacy_rule_gives_up_after_ten_attempts() {
    let mut rig = Rig::new(LinkConfig { policy: Policy::Legacy, ..LinkConfig::default() });
    rig.link.connect(rig.now);
    let mut dials = 0;
    while let Some(conn) = rig.until_dial() {
        dials += 1;
        rig.link.dial_failed(rig.now, conn, DialError::new(DialErrorKind::Refused, ""));
    }
    assert_eq!(dials, 11, "the first dial and ten attempts");
    assert_eq!(rig.link.state(), State::Failed);
    assert_eq!(rig.cause().code, CauseCode::GaveUp);
    #[cfg(feature = "native")]
    assert_eq!(rig.cause().last, Some(CauseCode::Dial(DialErrorKind::Refused)));
}

#[test]
fn no_schedule_of_requests_and_losses_makes_seven_dials_in_thirty_seconds() {
    let mut rig = Rig::connected();
    let mut dials = alloc::vec![rig.now];
    for round in 0..60 {
        rig.link.reconnect(rig.now);
        rig.link.hint(rig.now, Hint::Online);
        rig.pass(Duration::from_millis(300));
        if rig.take_dial().is_some() {
            dials.push(rig.now);
            if round % 2 == 0 {
                let conn = ConnId(rig.link.last_conn);
                rig.link.opened(rig.now, conn);
            }
        }
        rig.pass(Duration::from_millis(400));
        if rig.take_dial().is_some() {
            dials.push(rig.now);
        }
    }
    assert!(dials.len() > 6);
    for window in dials.windows(7) {
        assert!(window[6] - window[0] > 30 * SECOND, "{window:?}");
    }
}

#[test]
fn a_long_loss_is_said_to_be_suspended_once_and_goes_on_trying() {
    let mut rig = Rig::connected();
    rig.closed(1006);
    let mut told = 0;
    while rig.now < Timestamp::from_millis(400_000) {
        if let Some(conn) = rig.until_dial() {
            rig.link.dial_failed(rig.now, conn, DialError::new(DialErrorKind::Refused, ""));
        }
        rig.collect();
    }
    let mut last = State::Connected;
    for action in &rig.done {
        if let Action::Changed(change) = action {
            let suspended = matches!(change.state, State::Suspended { .. });
            told += usize::from(suspended && !matches!(last, State::Suspended { .. }));
            last = change.state;
        }
    }
    assert_eq!(told, 1);
    assert!(matches!(rig.link.state(), State::Suspended { .. }));
}

#[test]
fn sleep_counts_towards_the_age_of_a_loss() {
    let mut rig = Rig::connected();
    rig.closed(1006);
    rig.sleep(600 * SECOND);
    rig.pass(Duration::ZERO);
    assert!(matches!(rig.link.state(), State::Suspended { .. }));
}

#[test]
fn close_waits_three_seconds_for_the_servers_answer_and_leaves_no_timer() {
    let mut rig = Rig::connected();
    rig.link.close(rig.now);
    assert_eq!(rig.link.state(), State::Closing);
    rig.pass(3 * SECOND);
    assert_eq!(rig.link.state(), State::Closed);
    assert_eq!(rig.link.deadline(), Timestamp::NEVER);
}

#[test]
fn close_while_waiting_or_dialling_ends_at_once() {
    let mut rig = Rig::connected();
    rig.closed(1006);
    rig.link.close(rig.now);
    assert_eq!((rig.link.state(), rig.link.deadline()), (State::Closed, Timestamp::NEVER));
    let mut rig = Rig::new(LinkConfig::default());
    rig.link.connect(rig.now);
    let conn = rig.until_dial().unwrap();
    rig.link.close(rig.now);
    rig.collect();
    assert!(rig.done.iter().any(|a| matches!(a, Action::Abort { conn: c, .. } if *c == conn)));
    assert_eq!((rig.link.state(), rig.link.deadline()), (State::Closed, Timestamp::NEVER));
}

#[test]
fn a_failed_dial_moves_on_to_the_next_url() {
    let mut rig = Rig::new(LinkConfig { endpoints: 2, ..LinkConfig::default() });
    rig.link.connect(rig.now);
    let mut order = Vec::new();
    for _ in 0..4 {
        let deadline = rig.link.deadline().into_option().expect("a deadline");
        rig.collect();
        let dial = rig.done.iter().find_map(|a| match a {
            Action::Dial { conn, endpoint, .. } => Some((*conn, *endpoint)),
            _ => None,
        });
        if let Some((conn, endpoint)) = dial {
            rig.done.clear();
            order.push(endpoint);
            rig.link.dial_failed(rig.now, conn, DialError::new(DialErrorKind::Refused, ""));
        } else {
            rig.pass(deadline - rig.now);
        }
    }
    assert_eq!(order[..2], [0, 1]);
}

/// Answers every dial so, and gives for how long it was tried.
fn tried_for(rig: &mut Rig, kind: DialErrorKind) -> Duration {
    let begin = rig.now;
    while let Some(conn) = rig.until_dial() {
        rig.link.dial_failed(rig.now, conn, DialError::new(kind, ""));
        rig.collect();
        if rig.link.state() == State::Failed {
            return rig.now - begin;
        }
    }
    panic!("it waits for nothing");
}

const ANSWERS_OF_A_PROXY: [DialErrorKind; 6] = [
    DialErrorKind::Http(404),
    DialErrorKind::Http(302),
    DialErrorKind::Http(426),
    DialErrorKind::NotWebSocket,
    DialErrorKind::NotEventStream,
    DialErrorKind::Certificate,
];

#[test]
fn where_an_address_has_worked_the_answers_of_a_proxy_are_an_outage_of_five_minutes() {
    for kind in ANSWERS_OF_A_PROXY {
        let mut rig = Rig::connected();
        rig.closed(1006);
        let time = tried_for(&mut rig, kind);
        assert!(time > 299 * SECOND && time < 345 * SECOND, "{kind:?}: {time:?}");
        assert_eq!(rig.cause().code, CauseCode::Dial(kind));
    }
}

#[test]
fn where_it_never_worked_the_third_such_answer_is_the_last() {
    for kind in ANSWERS_OF_A_PROXY {
        let mut rig = Rig::new(LinkConfig::default());
        rig.link.connect(rig.now);
        assert!(tried_for(&mut rig, kind) < 10 * SECOND, "{kind:?}");
    }
    let mut gone = Rig::connected();
    gone.closed(1006);
    assert!(
        tried_for(&mut gone, DialErrorKind::Http(410)) < 10 * SECOND,
        "410 says that it is gone for good"
    );
}

#[test]
fn the_five_minutes_begin_anew_after_an_answer_of_another_kind_and_after_a_success() {
    for success in [false, true] {
        let mut rig = Rig::connected();
        rig.closed(1006);
        for round in 0..30 {
            let conn = rig.until_dial().expect("a dial");
            match round % 10 {
                0 if success => {
                    rig.link.opened(rig.now, conn);
                    rig.collect();
                    rig.closed(1006);
                }
                0 => rig.link.dial_failed(rig.now, conn, DialError::new(DialErrorKind::Http(502), "")),
                _ => rig.link.dial_failed(rig.now, conn, DialError::new(DialErrorKind::Http(404), "")),
            }
        }
        assert_ne!(rig.link.state(), State::Failed);
    }
}

#[test]
fn an_answer_about_this_one_request_is_always_tried_again() {
    for status in [408, 421, 425] {
        let mut rig = Rig::new(LinkConfig::default());
        rig.link.connect(rig.now);
        for _ in 0..20 {
            let conn = rig.until_dial().expect("a dial");
            rig.link.dial_failed(rig.now, conn, DialError::new(DialErrorKind::Http(status), ""));
        }
        assert_ne!(rig.link.state(), State::Failed, "{status}");
    }
}

#[test]
fn two_losses_after_the_same_time_without_traffic_are_told_as_an_idle_timeout() {
    let mut rig = Rig::connected();
    for (silence, timeout) in [(20, None), (20, Some(20 * SECOND)), (20, Some(20 * SECOND)), (9, None)] {
        let Phase::Open { conn, .. } = rig.link.phase else { panic!("not open: {:?}", rig.link.phase) };
        rig.pass(7 * SECOND);
        // What comes in or goes out begins the silence anew.
        rig.link.activity(rig.now);
        rig.pass(SECOND);
        rig.link.traffic(rig.now);
        rig.pass(silence * SECOND);
        rig.link.closed(rig.now, conn, Disconnect::Lost);
        rig.collect();
        assert_eq!(rig.cause().idle_timeout, timeout);
        rig.reopen();
    }
}

#[test]
fn a_connection_that_the_server_closed_has_met_no_idle_timeout() {
    let mut rig = Rig::connected();
    for _ in 0..3 {
        rig.pass(20 * SECOND);
        rig.closed(1001);
        assert_eq!(rig.cause().idle_timeout, None);
        rig.reopen();
    }
}

#[cfg(feature = "sse")]
#[test]
fn streams_that_are_refused_say_nothing_of_the_offer() {
    let mut rig = Rig::new(LinkConfig { extended: true, ..LinkConfig::default() });
    rig.link.set_event_streams(EventStreams::Auto);
    rig.link.set_has_room(true);
    rig.link.observe(ClockReading::new(rig.now, rig.wall));
    rig.link.connect(rig.now);
    for status in [502, 502, 502, 404] {
        let conn = rig.until_dial().expect("a dial");
        assert_eq!(rig.link.dials_streams(), status == 404);
        rig.link.dial_failed(rig.now, conn, DialError::new(DialErrorKind::Http(status), ""));
        rig.collect();
    }
    let deadline = rig.link.deadline().into_option().expect("a dial");
    rig.pass(deadline - rig.now);
    let offers = rig.done.iter().any(|action| matches!(action, Action::Dial { extended: true, .. }));
    assert!(offers && !rig.link.dials_streams());
}
