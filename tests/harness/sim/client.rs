//! A client in the world: a session, its clocks, and what its user wants.

use super::Micros;
use rejoin::backoff::Policy;
use rejoin::{Config, Credentials, Moment, Session, Timestamp, Token};
use std::collections::BTreeSet;
use std::time::Duration;

/// A secret that must never be seen in anything a session says.
pub(super) const CANARY: &str = "canary-5f3a9";

/// One client.
#[derive(Debug)]
pub(super) struct Client {
    /// The machine under test.
    pub(super) session: Session,
    /// Its user's name.
    pub(super) name: String,
    /// What its monotonic clock has missed.
    slept: Micros,
    /// What its wall clock is ahead, in milliseconds.
    pub(super) wall_ahead: i64,
    /// It takes nothing until then.
    pub(super) frozen_until: Option<Micros>,
    /// The freeze is a sleep.
    pub(super) asleep: bool,
    /// Rooms its user wants.
    pub(super) wanted: BTreeSet<usize>,
    /// The next send's number.
    pub(super) sends: u64,
    /// The dial under way.
    pub(super) dialing: Option<rejoin::ConnId>,
    /// The connection it uses, as an index into the world's.
    pub(super) conn: Option<usize>,
    /// The question to the token source under way.
    pub(super) token_question: u64,
    /// When it last had a tick, and how many at that moment.
    pub(super) ticks_at: (Micros, u32),
    /// The token its server accepts.
    pub(super) token_serial: u64,
}

/// The wall clock when the world begins.
const EPOCH: Duration = Duration::from_secs(1_800_000_000);

impl Client {
    /// A client that is idle.
    pub(super) fn new(index: usize, seed: u64, has_source: bool, legacy: bool, outbox: usize) -> Self {
        let name = format!("u{index}");
        let mut config = Config::default();
        config.outbox.count = outbox;
        config.max_unflushed = 4 << 10;
        config.link.policy = if legacy { Policy::Legacy } else { Policy::default() };
        config.link.credentials =
            if has_source { Credentials::Source } else { Credentials::Fixed(Self::token_text(&name, 0)) };
        Self {
            session: Session::new(config, seed),
            name,
            slept: 0,
            wall_ahead: 0,
            frozen_until: None,
            asleep: false,
            wanted: BTreeSet::new(),
            sends: 0,
            dialing: None,
            conn: None,
            token_question: 0,
            token_serial: 0,
            ticks_at: (0, 0),
        }
    }

    fn token_text(name: &str, serial: u64) -> Token {
        Token::new(format!("{name}-{CANARY}-{serial}"))
    }

    /// The token with this serial; the server accepts the one with the current serial.
    pub(super) fn token(&self, serial: u64) -> Token {
        Self::token_text(&self.name, serial)
    }

    /// The clocks as the session sees them.
    pub(super) fn moment(&self, now: Micros) -> Moment {
        let wall = EPOCH + Duration::from_micros(now);
        let ahead = Duration::from_millis(self.wall_ahead.unsigned_abs());
        let wall = if self.wall_ahead < 0 { wall.saturating_sub(ahead) } else { wall + ahead };
        Moment::new(Timestamp::new(Duration::from_micros(now - self.slept)), wall)
    }

    /// When the session's deadline comes, in world time. A deadline is met at the next microsecond.
    pub(super) fn deadline(&self) -> Option<Micros> {
        if self.frozen_until.is_some() {
            return None;
        }
        let deadline = self.session.next_deadline()?.since_start();
        let micros = deadline.as_nanos().div_ceil(1000);
        Some(u64::try_from(micros).unwrap_or(u64::MAX).saturating_add(self.slept))
    }

    /// The monotonic clock stood still since `since`.
    pub(super) fn missed(&mut self, time: Micros) {
        self.slept += time;
    }
}
