//! A simulated client: a process that can die, its disk, clocks, application and user.

use super::checker::Clock;
use super::plan::{ClientPlan, Plan};
use super::{Micros, SECOND};
use fastrand::Rng;
use rejoin::backoff::Policy;
use rejoin::machine::{ClockReading, ConnId, Credentials, JournalState, Session};
use rejoin::messages::Joined;
use rejoin::{Config, Name, Overflow, Position, Timestamp, Token};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// A secret that must never be seen in anything a session says.
pub(super) const CANARY: &str = "canary-5f3a9";

/// What an application has in its hands and has not dealt with.
#[derive(Debug, Default)]
pub(super) struct App {
    /// Messages it has not taken, by room and, where the server says one, position.
    pub(super) queue: VecDeque<(Name, Option<Position>)>,
    /// The session was told that the queue is full.
    pub(super) busy: bool,
    /// It was, at some time.
    pub(super) was_busy: bool,
    /// It is slow until then.
    pub(super) slow_until: Micros,
    /// How long it needs for each message meanwhile.
    pub(super) pace: Micros,
    /// It will take the next one by itself.
    pub(super) taking: bool,
    /// Messages taken since the last commit.
    pub(super) taken: u32,
}

/// A death that has been decided.
#[derive(Debug, Clone, Copy)]
pub(super) struct Death {
    /// After so many more outputs.
    pub(super) outputs: u8,
    /// For so long.
    pub(super) down: Micros,
    /// The machine goes with it.
    pub(super) power: bool,
}

/// One client.
#[derive(Debug)]
pub(super) struct Client {
    /// The machine under test; `None` while there is no process.
    pub(super) session: Option<Session>,
    /// How a session of it is configured.
    pub(super) config: Config,
    /// What was planned for it.
    pub(super) plan: ClientPlan,
    /// Its user's number.
    pub(super) user: usize,
    /// Its user's name.
    pub(super) name: Name,
    /// Where seeds and the luck of dials come from.
    pub(super) rng: Rng,
    /// What it has stored, change by change.
    pub(super) disk: Option<Box<JournalState>>,
    /// How many changes of its state are stored, as its session counts.
    pub(super) stored: u64,
    /// It will store its state soon.
    pub(super) will_store: bool,
    /// Storing was the last thing that it did.
    pub(super) just_stored: bool,
    /// When its session wants a tick.
    pub(super) due: Option<Micros>,
    /// What its monotonic clock has missed.
    slept: Micros,
    /// What its wall clock is ahead, in milliseconds.
    pub(super) wall_ahead: i64,
    /// It takes nothing until then.
    pub(super) frozen_until: Option<Micros>,
    /// The freeze is a sleep.
    pub(super) asleep: bool,
    /// It will die.
    pub(super) death: Option<Death>,
    /// Its next process belongs to another user.
    pub(super) changes_user: bool,
    /// Rooms its user wants.
    pub(super) wanted: BTreeSet<usize>,
    /// The next send's number.
    pub(super) sends: u64,
    /// The dials under way.
    pub(super) dialing: Vec<ConnId>,
    /// The connections it has, as indices into the world's, the newest last.
    pub(super) sockets: Vec<usize>,
    /// The question to the token source under way.
    pub(super) token_question: u64,
    /// When it last had a tick, and how many at that moment.
    pub(super) ticks_at: (Micros, u32),
    /// The token its server accepts.
    pub(super) token_serial: u64,
    /// Its application.
    pub(super) app: App,
    /// The last answer to a join of each room.
    pub(super) joined: BTreeMap<Name, Box<Joined>>,
    /// The last message of each room that its application has taken.
    pub(super) positions: BTreeMap<Name, Position>,
    /// On which connection which mode was told.
    pub(super) mode: Option<(usize, rejoin::Mode)>,
    /// How much of each kind it was told to be damaged on its newest connection.
    pub(super) damage_told: (Option<usize>, BTreeMap<String, u64>),
    /// The rooms that its application was told are joined.
    pub(super) told_joined: BTreeSet<u32>,
}

/// The number of a client's other user is so much higher than that of its first.
const OTHERS: usize = 10;

/// The wall clock when the world begins.
pub(super) const EPOCH: Duration = Duration::from_secs(1_800_000_000);

impl Client {
    /// A client without a process.
    pub(super) fn new(index: usize, seed: u64, plan: &Plan) -> Self {
        let own = plan.clients[index].clone();
        let user = if own.shares_user { 0 } else { index };
        let name = format!("u{user}");
        let mut config = Config::default();
        config.outbox.count = plan.outbox;
        config.outbox.bytes = plan.outbox_bytes;
        config.outbox.ttl = Duration::from_micros(plan.ttl);
        config.max_buffered_bytes = plan.held_bytes;
        config.max_rooms = plan.most_rooms;
        if plan.drop_oldest {
            config.outbox.overflow = Overflow::DropOldest;
        }
        config.max_unflushed = plan.bounds().unflushed;
        config.max_buffered = plan.held;
        if let Some(most) = plan.limits.content {
            config.max_content = most;
        }
        config.extended = own.offers;
        config.link.policy = if plan.legacy { Policy::Legacy } else { Policy::default() };
        config.link.credentials = if plan.token_source.is_some() {
            Credentials::Source
        } else {
            Credentials::Fixed(Self::token_text(&name, 0))
        };
        Self {
            session: None,
            config,
            plan: own,
            user,
            name: Name::from(name),
            rng: Rng::with_seed(seed),
            disk: None,
            stored: 0,
            will_store: false,
            just_stored: false,
            due: None,
            slept: 0,
            wall_ahead: 0,
            frozen_until: None,
            asleep: false,
            death: None,
            changes_user: false,
            wanted: BTreeSet::new(),
            sends: 0,
            dialing: Vec::new(),
            sockets: Vec::new(),
            token_question: 0,
            ticks_at: (0, 0),
            token_serial: 0,
            app: App::default(),
            joined: BTreeMap::new(),
            positions: BTreeMap::new(),
            mode: None,
            damage_told: Default::default(),
            told_joined: BTreeSet::new(),
        }
    }

    /// From now on it belongs to its other user, or to the first one again.
    pub(super) fn becomes_other(&mut self) {
        self.user = if self.user < OTHERS { self.user + OTHERS } else { self.user - OTHERS };
        self.name = Name::from(format!("u{}", self.user));
        self.positions.clear();
        if let Credentials::Fixed(token) = &mut self.config.link.credentials {
            *token = Self::token_text(&self.name, self.token_serial);
        }
    }

    fn token_text(name: &str, serial: u64) -> Token {
        Token::new(format!("{name}-{CANARY}-{serial}"))
    }

    /// The token with this serial; the server accepts the one with the current serial.
    pub(super) fn token(&self, serial: u64) -> Token {
        Self::token_text(&self.name, serial)
    }

    /// Whether it can take an input now.
    pub(super) fn is_running(&self) -> bool {
        self.session.is_some() && self.frozen_until.is_none()
    }

    /// Whether its application was told that a room is joined.
    pub(super) fn is_told_joined(&self, at: u32) -> bool {
        self.told_joined.contains(&at)
    }

    /// The connection it uses.
    pub(super) fn newest(&self) -> Option<usize> {
        self.sockets.last().copied()
    }

    /// The clocks as the session sees them.
    pub(super) fn moment(&self, now: Micros) -> ClockReading {
        let wall = EPOCH + Duration::from_micros(now);
        let ahead = Duration::from_millis(self.wall_ahead.unsigned_abs());
        let wall = if self.wall_ahead < 0 { wall.saturating_sub(ahead) } else { wall + ahead };
        ClockReading::new(Timestamp::new(Duration::from_micros(now - self.slept)), wall)
    }

    /// The same, in this world's numbers.
    pub(super) fn clock(&self, now: Micros) -> Clock {
        let moment = self.moment(now);
        let wall = u64::try_from(moment.wall.since_start().as_micros()).unwrap_or(u64::MAX);
        Clock { monotonic: now - self.slept, wall }
    }

    /// Looks up when the session's deadline comes, in world time. A deadline is met at the next microsecond.
    pub(super) fn look_at_deadline(&mut self) {
        let deadline = self.session.as_ref().and_then(Session::next_deadline);
        self.due = deadline.filter(|_| self.frozen_until.is_none()).map(|deadline| {
            let micros = deadline.since_start().as_nanos().div_ceil(1000);
            u64::try_from(micros).unwrap_or(u64::MAX).saturating_add(self.slept)
        });
    }

    /// The monotonic clock stood still for a while.
    pub(super) fn missed(&mut self, time: Micros) {
        self.slept += time;
    }

    /// The process is gone, and everything that was in its memory.
    pub(super) fn loses_its_memory(&mut self) {
        self.session = None;
        self.stored = 0;
        self.will_store = false;
        self.due = None;
        self.death = None;
        self.dialing.clear();
        self.sockets.clear();
        self.token_question += 1;
        self.app = App::default();
        self.joined.clear();
        self.mode = None;
        self.told_joined.clear();
    }

    /// Whether its application takes messages at once.
    pub(super) fn is_quick(&self, now: Micros) -> bool {
        self.app.slow_until <= now
    }
}

/// How long nobody needs to wait for a slow application to take one message.
pub(super) const LEAST_PACE: Micros = SECOND / 100;
