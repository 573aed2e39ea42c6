//! One reader: a process that can die, its clocks, and what it keeps for the next one.

use super::draw::ReaderPlan;
use crate::sim::Micros;
use crate::sim::client::{CANARY, EPOCH};
use crate::sim::plan::Plan;
use fastrand::Rng;
use rejoin::feed::FeedItem;
use rejoin::machine::{ClockReading, ConnId, Credentials, Feed};
use rejoin::{FeedConfig, Name, Position, Timestamp, Token};
use std::time::Duration;

/// A reader in the world.
#[derive(Debug)]
pub(in crate::sim) struct Reader {
    /// The machine under test; `None` while there is no process.
    pub(in crate::sim) feed: Option<Feed>,
    /// What was planned for it.
    pub(in crate::sim) plan: ReaderPlan,
    /// Its user.
    pub(in crate::sim) name: Name,
    /// Where seeds and the luck of dials come from.
    pub(in crate::sim) rng: Rng,
    /// Counts its processes.
    pub(in crate::sim) process: u64,
    /// When its feed wants a tick.
    pub(in crate::sim) due: Option<Micros>,
    /// The dial under way.
    pub(in crate::sim) dialing: Option<ConnId>,
    /// The stream it reads, as an index into the world's.
    pub(in crate::sim) stream: Option<usize>,
    /// The stream before that, and its number.
    pub(in crate::sim) before: Option<ConnId>,
    /// It stands still until then.
    pub(in crate::sim) frozen_until: Option<Micros>,
    /// Its application takes nothing until then.
    pub(in crate::sim) busy_until: Option<Micros>,
    /// What it has dealt with, for the next process.
    pub(in crate::sim) disk: Option<Box<str>>,
    /// The token its server accepts.
    pub(in crate::sim) token_serial: u64,
    /// Its user has ended it, and will begin anew.
    pub(in crate::sim) is_closed: bool,
    /// Its next stream begins with so many old messages.
    pub(in crate::sim) rewinds: u8,
    /// Something has shown its process that the server is one of this contract.
    pub(in crate::sim) knows_contract: bool,
    /// How many ticks it was given at one moment.
    pub(in crate::sim) ticks_at: (Micros, u32),
    config: FeedConfig,
    slept: Micros,
}

impl Reader {
    /// A reader without a process.
    pub(in crate::sim) fn new(index: usize, seed: u64, plan: &Plan) -> Self {
        let own = plan.readers[index].clone();
        let name = Name::from(format!("reader{index}"));
        let source = plan.token_source.is_some();
        let credentials =
            if source { Credentials::Source } else { Credentials::Fixed(Self::token_text(&name, 0)) };
        let mut config = FeedConfig::default();
        config.link.credentials = credentials;
        config.history = own.history;
        Self {
            feed: None,
            config,
            plan: own,
            name,
            rng: Rng::with_seed(seed),
            process: 0,
            due: None,
            dialing: None,
            stream: None,
            before: None,
            frozen_until: None,
            busy_until: None,
            disk: None,
            token_serial: 0,
            is_closed: false,
            rewinds: 0,
            knows_contract: false,
            ticks_at: (0, 0),
            slept: 0,
        }
    }

    fn token_text(name: &str, serial: u64) -> Token {
        Token::new(format!("{name}-{CANARY}-{serial}"))
    }

    /// The token that its server accepts.
    pub(in crate::sim) fn token(&self) -> Token {
        Self::token_text(&self.name, self.token_serial)
    }

    /// A process begins with what the last one has kept. Gives what that is.
    pub(in crate::sim) fn begins(&mut self, room: Name) -> Option<Box<str>> {
        let since = self.disk.clone().filter(|_| self.plan.stores);
        let mut config = self.config.clone();
        config.since.clone_from(&since);
        self.process += 1;
        self.knows_contract = false;
        self.feed = Some(Feed::new(config, room, self.rng.u64(..)));
        since
    }

    /// Its process is given this.
    pub(in crate::sim) fn hears(&mut self, item: &FeedItem) {
        self.knows_contract |= match item {
            FeedItem::Message { id, .. } => id.as_deref().and_then(Position::from_event_id).is_some(),
            FeedItem::Gap { .. } => true,
            FeedItem::Id(id) => Position::from_event_id(id).is_some(),
            _ => false,
        };
    }

    /// The process is gone, and everything that was in its memory.
    pub(in crate::sim) fn dies(&mut self) {
        self.feed = None;
        self.process += 1;
        (self.due, self.dialing, self.stream, self.before) = (None, None, None, None);
        (self.frozen_until, self.busy_until) = (None, None);
    }

    /// Whether it can take an input now.
    pub(in crate::sim) fn is_running(&self) -> bool {
        self.feed.is_some() && self.frozen_until.is_none()
    }

    /// Whether it takes what its stream says.
    pub(in crate::sim) fn reads(&self) -> bool {
        self.is_running() && self.busy_until.is_none()
    }

    /// Its clocks.
    pub(in crate::sim) fn moment(&self, now: Micros) -> ClockReading {
        let wall = EPOCH + Duration::from_micros(now);
        ClockReading::new(Timestamp::new(Duration::from_micros(self.monotonic(now))), wall)
    }

    /// Its monotonic clock.
    pub(in crate::sim) fn monotonic(&self, now: Micros) -> Micros {
        now - self.slept
    }

    /// That clock stands still for a while.
    pub(in crate::sim) fn sleeps(&mut self, time: Micros) {
        self.slept += time;
    }

    /// Looks up when the feed's deadline comes, in world time.
    pub(in crate::sim) fn look_at_deadline(&mut self) {
        let deadline = self.feed.as_ref().and_then(Feed::next_deadline);
        self.due = deadline.filter(|_| self.frozen_until.is_none()).map(|deadline| {
            let micros = deadline.since_start().as_nanos().div_ceil(1000);
            u64::try_from(micros).unwrap_or(u64::MAX).saturating_add(self.slept)
        });
    }
}
