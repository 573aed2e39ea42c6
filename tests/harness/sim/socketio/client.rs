//! One client that speaks Socket.IO: a process that can die, its disk, its clocks and what its user wants.

use super::draw::SioPlan;
use super::{Choice, FIRST_USER};
use crate::sim::Micros;
use crate::sim::client::{CANARY, EPOCH};
use crate::sim::plan::Plan;
use fastrand::Rng;
use rejoin::machine::{ClockReading, ConnId, Credentials, JournalState};
use rejoin::socketio::{Manager, Namespace, Options};
use rejoin::{Config, Name, Overflow, PERSONAL_ROOM, Timestamp, Token};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// One of them in the world.
#[derive(Debug)]
pub(in crate::sim) struct SioClient {
    /// The machine under test; `None` while there is no process, and of a client in a namespace beside the first, whose
    /// machine is that of its carrier.
    pub(in crate::sim) manager: Option<Manager>,
    /// Where it is.
    pub(in crate::sim) namespace: Namespace,
    /// What was planned for it.
    pub(in crate::sim) plan: SioPlan,
    /// Its user.
    pub(in crate::sim) name: Name,
    /// Where seeds and luck come from.
    pub(in crate::sim) rng: Rng,
    /// Counts its processes.
    pub(in crate::sim) process: u64,
    /// When its session wants a tick.
    pub(in crate::sim) due: Option<Micros>,
    /// What the server said of members when it took it into a room.
    pub(in crate::sim) listed: BTreeMap<Name, Vec<Option<Vec<Name>>>>,
    /// The session that it can go on with: its name, and how far it was received.
    pub(in crate::sim) resumes: Option<(Box<str>, Option<Box<str>>)>,
    /// The number of its last send when it was to leave a room.
    pub(in crate::sim) leaving: BTreeMap<Name, u64>,
    /// What transport it may take.
    pub(in crate::sim) choice: Choice,
    /// The dial under way.
    pub(in crate::sim) dialing: Option<ConnId>,
    /// It stands still until then.
    pub(in crate::sim) frozen_until: Option<Micros>,
    /// What it has stored, change by change, and how many changes that were.
    pub(in crate::sim) disk: Option<Box<JournalState>>,
    pub(in crate::sim) stored: u64,
    /// Rooms its user wants.
    pub(in crate::sim) wanted: BTreeSet<usize>,
    /// The last send's number.
    pub(in crate::sim) sends: u64,
    /// The token its server accepts.
    pub(in crate::sim) token_serial: u64,
    /// Its user has ended it, and will begin anew.
    pub(in crate::sim) is_closed: bool,
    /// How many ticks it was given at one moment.
    pub(in crate::sim) ticks_at: (Micros, u32),
    /// The next joins are refused so, and so many events are not answered.
    pub(in crate::sim) refuses_joins: Vec<rejoin::messages::Code>,
    pub(in crate::sim) forgets_answers: u8,
    config: Config,
    /// It has a source of tokens.
    source: bool,
    slept: Micros,
}

impl SioClient {
    /// A client without a process.
    pub(in crate::sim) fn new(index: usize, seed: u64, plan: &Plan) -> Self {
        let own = plan.socketio[index].clone();
        let mut rng = Rng::with_seed(seed);
        let name = Name::from(format!("u{}", FIRST_USER + index));
        let source = plan.token_source.is_some();
        let namespace = own.carrier.map(|_| Namespace::new(&format!("/n{index}")));
        let namespace = namespace.and_then(Result::ok).unwrap_or_default();
        let mut config = Config::default();
        config.outbox.count = own.outbox;
        if plan.drop_oldest {
            config.outbox.overflow = Overflow::DropOldest;
        }
        config.max_buffered = own.held;
        config.max_unflushed = 2 << 10;
        let wanted = BTreeSet::from([rng.usize(..plan.rooms)]);
        let mut client = Self {
            manager: None,
            namespace,
            source,
            listed: BTreeMap::new(),
            resumes: None,
            leaving: BTreeMap::new(),
            choice: Choice::new(own.transports),
            plan: own,
            name,
            rng,
            process: 0,
            due: None,
            dialing: None,
            frozen_until: None,
            disk: None,
            stored: 0,
            wanted,
            sends: 0,
            token_serial: 0,
            is_closed: false,
            ticks_at: (0, 0),
            refuses_joins: Vec::new(),
            forgets_answers: 0,
            config,
            slept: 0,
        };
        client.config.link.credentials = client.credentials();
        client
    }

    /// What its first dial, or its namespace, is asked with.
    pub(in crate::sim) fn credentials(&self) -> Credentials {
        if self.source { Credentials::Source } else { Credentials::Fixed(Self::token_text(&self.name, 0)) }
    }

    fn token_text(name: &str, serial: u64) -> Token {
        Token::new(format!("{name}-{CANARY}-{serial}"))
    }

    /// The token that its server accepts.
    pub(in crate::sim) fn token(&self) -> Token {
        Self::token_text(&self.name, self.token_serial)
    }

    /// A process begins.
    pub(in crate::sim) fn begins(&mut self) {
        let mut options = Options::new(self.plan.acks, Options::default().ack_timeout);
        options.transports = self.plan.transports;
        self.choice = Choice::new(self.plan.transports);
        let (namespace, seed) = (self.namespace.clone(), self.rng.u64(..));
        let mut manager = Manager::new(namespace, self.config.clone(), options, PERSONAL_ROOM.into(), seed);
        manager.session_mut().track_changes();
        if self.plan.own {
            manager.custom_events("".into());
        }
        if self.plan.own && self.plan.manual {
            manager.manual_acks();
        }
        self.process += 1;
        self.manager = Some(manager);
        self.stored = 0;
    }

    /// The process is gone, and everything that was in its memory.
    pub(in crate::sim) fn dies(&mut self) {
        self.manager = None;
        self.resumes = None;
        self.leaving.clear();
        self.process += 1;
        (self.due, self.dialing, self.frozen_until) = (None, None, None);
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

    /// Most sends that wait, and most events that are held.
    pub(in crate::sim) fn bounds(&self) -> (usize, usize) {
        (self.config.outbox.count, self.config.max_buffered)
    }

    /// Looks up when the session's deadline comes, in world time.
    pub(in crate::sim) fn look_at_deadline(&mut self) {
        let deadline = self.manager.as_ref().and_then(Manager::next_deadline);
        self.due = deadline.filter(|_| self.frozen_until.is_none()).map(|deadline| {
            let micros = deadline.since_start().as_nanos().div_ceil(1000);
            u64::try_from(micros).unwrap_or(u64::MAX).saturating_add(self.slept)
        });
    }
}
