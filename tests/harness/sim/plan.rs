//! The random choices of a seed that hold for the whole run. Much is disabled in any one seed: a run in which everything fails all the
//! time explores less than many runs in which a few things do.

use super::checker::Bounds;
use super::{Micros, SECOND};
use fastrand::Rng;
use rejoin::{DialError, DialErrorKind};

use std::time::Duration;

/// A dedupe window that a test can wait for.
const SHORT: Micros = 30 * SECOND;

/// How a dial can go wrong, as chances in a hundred.
#[derive(Debug, Clone, Copy, Default)]
pub struct DialFaults {
    /// The server does not listen.
    pub refused: u8,
    /// Nothing ever comes back.
    pub hang: u8,
    /// An HTTP status instead of the upgrade.
    pub http: u8,
    /// The name does not resolve, or TLS breaks.
    pub other: u8,
    /// The connection is accepted and dropped soon after.
    pub dropped: u8,
    /// The connection is accepted, and the server says nothing for longer than anybody waits.
    pub mute: u8,
}

/// How a dial ends.
#[derive(Debug)]
pub(in crate::sim) enum DialFate {
    /// The server is reached.
    Reaches,
    /// Nothing ever comes back.
    Hangs,
    /// It fails.
    Fails(DialError),
}

impl DialFaults {
    /// The fate of a dial that has half as many faults as a client's, by one draw of 100 and another.
    pub(in crate::sim) fn fate(self, luck: u8, detail: u32) -> DialFate {
        if luck < self.refused / 2 {
            DialFate::Fails(DialError::new(DialErrorKind::Refused, ""))
        } else if luck < self.refused / 2 + self.hang / 2 {
            DialFate::Hangs
        } else if luck >= 100 - self.http / 4 {
            let status = [429, 500, 502, 503][detail as usize % 4];
            let retry_after = (detail & 8 == 0).then(|| Duration::from_secs(u64::from(detail >> 8) % 31));
            DialFate::Fails(DialError::new(DialErrorKind::Http(status), "").with_retry_after(retry_after))
        } else {
            DialFate::Reaches
        }
    }
}

/// Who speaks the extended protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fleet {
    /// Nobody.
    Plain,
    /// Every server.
    Extended,
    /// A deploy is under way: so many gateways in a hundred do not yet.
    Mixed(u8),
}

/// When the application says that it has dealt with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commits {
    /// When it takes it.
    Taken,
    /// Now and then.
    Seldom,
    /// Never.
    Never,
}

/// What holds for one client.
#[derive(Debug, Clone)]
pub struct ClientPlan {
    /// It offers the extended protocol.
    pub offers: bool,
    /// It has a disk.
    pub stores: bool,
    /// It wants its user's own stream.
    pub personal: bool,
    /// It belongs to the user of the first client.
    pub shares_user: bool,
    /// It commits.
    pub commits: Commits,
    /// It asks for so many messages at a first join.
    pub history: Option<u64>,
    /// Messages its application's queue takes before it counts as full.
    pub queue: usize,
}

/// What holds for the server.
#[derive(Debug, Clone)]
pub struct ServerPlan {
    /// Who speaks the extended protocol.
    pub fleet: Fleet,
    /// Messages a room keeps.
    pub history: usize,
    /// How long a line is remembered.
    pub dedupe_window: Micros,
    /// Unanswered sends of a connection.
    pub in_flight: u64,
    /// Messages of one replay or history answer.
    pub replay: u64,
    /// Sends per second.
    pub rate: Option<f64>,
    /// Bytes of one message.
    pub content_bytes: usize,
    /// How long a token is good for.
    pub token_life: Option<Micros>,
    /// Bytes that may wait for a client before it is thrown out.
    pub slow_bytes: u64,
    /// Some of its gateways are of another version, which allows less.
    pub versions: bool,
    /// How long it may be silent.
    pub heartbeat: Micros,
    /// Clients that come back per second: decides the reconnect window.
    pub reconnect_rate: u32,
    /// Lines that it remembers.
    pub lines: usize,
    /// Members of a room that it names.
    pub members_listed: usize,
    /// It says that it takes longer messages than it does.
    pub misstates_content: bool,
}

/// Everything about a seed but its schedule.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The clients.
    pub clients: Vec<ClientPlan>,
    /// Those who only read.
    pub readers: Vec<super::readers::ReaderPlan>,
    /// Those who speak Socket.IO.
    pub socketio: Vec<super::socketio::SioPlan>,
    /// The server is several nodes that share a store.
    pub nodes: Option<super::nodes::NodesPlan>,
    /// Number of rooms they choose from.
    pub rooms: usize,
    /// The server.
    pub server: ServerPlan,
    /// How long things go wrong.
    pub chaos: Micros,
    /// What goes wrong with dials.
    pub dial: DialFaults,
    /// Base latency of a connection, one way.
    pub latency: (Micros, Micros),
    /// Chance in a hundred that a flush is reported late.
    pub late_flush: u8,
    /// Whether clients get their tokens from a source, and the chance in a hundred that it fails.
    pub token_source: Option<u8>,
    /// Whether clients follow the legacy reconnect rule.
    pub legacy: bool,
    /// Sends a client's outbox holds.
    pub outbox: usize,
    /// Messages a client holds back behind a hole.
    pub held: usize,
    /// Bytes that an outbox holds.
    pub outbox_bytes: usize,
    /// Bytes that a client holds back behind a hole.
    pub held_bytes: usize,
    /// How long a send may wait for a connection.
    pub ttl: Micros,
    /// Rooms of a client.
    pub most_rooms: usize,
    /// A full outbox gives up its oldest send instead of the new one.
    pub drop_oldest: bool,
    /// Limits that are reached.
    pub limits: super::small_limits::SmallLimits,
}

impl Plan {
    /// Draws the plan of a seed.
    pub fn draw(rng: &mut Rng) -> Self {
        let mut rare = |most: u8| if rng.u8(..3) == 0 { rng.u8(..=most) } else { 0 };
        let dial = DialFaults {
            refused: rare(60),
            hang: rare(30),
            http: rare(40),
            other: rare(20),
            dropped: rare(40),
            mute: rare(12),
        };
        let mut server = ServerPlan::draw(rng);
        let slow = rng.u8(..8) == 0;
        if slow {
            // A server that asks more often than an answer takes ends every connection.
            server.heartbeat = server.heartbeat.max(9 * SECOND);
        }
        let count = rng.usize(1..=3);
        let stores = rng.bool();
        let clients = (0..count).map(|index| ClientPlan::draw(rng, index, stores)).collect();
        let rooms = rng.usize(1..=2);
        if server.dedupe_window <= SHORT && rng.bool() {
            // What it cannot take now it can when it has forgotten what is out of use.
            server.lines = count * rooms + rng.usize(..3);
        }
        Self {
            clients,
            readers: Vec::new(),
            socketio: Vec::new(),
            nodes: None,
            rooms,
            server,
            chaos: rng.u64(5 * SECOND..240 * SECOND),
            dial,
            latency: if slow { (SECOND / 10, 3 * SECOND) } else { (100, SECOND / 10) },
            late_flush: if rng.bool() { rng.u8(..60) } else { 0 },
            token_source: (rng.u8(..3) == 0).then(|| rng.u8(..40)),
            legacy: rng.u8(..12) == 0,
            outbox: if rng.u8(..5) == 0 { rng.usize(1..10) } else { 1000 },
            held: if rng.u8(..4) == 0 { rng.usize(1..8) } else { 1024 },
            outbox_bytes: if rng.u8(..5) == 0 { rng.usize(300..4000) } else { 4 << 20 },
            held_bytes: if rng.u8(..4) == 0 { rng.usize(8..400) } else { 1 << 20 },
            ttl: if rng.u8(..6) == 0 { rng.u64(3 * SECOND..90 * SECOND) } else { 600 * SECOND },
            most_rooms: if rng.u8(..10) == 0 { rng.usize(1..=2) } else { 256 },
            drop_oldest: rng.bool(),
            limits: super::small_limits::SmallLimits::default(),
        }
    }

    /// What clients keep to.
    pub(super) fn bounds(&self) -> Bounds {
        Bounds {
            count: self.outbox,
            bytes: self.outbox_bytes,
            drop_oldest: self.drop_oldest,
            ttl: self.ttl,
            held: (self.held, self.held_bytes),
            unflushed: 4 << 10,
            rooms: self.most_rooms,
            content: self.limits.content.unwrap_or(1 << 20),
        }
    }

    /// A world in which nothing goes wrong: so many clients, who keep what they have.
    pub fn calm(clients: usize) -> Self {
        let client = ClientPlan {
            offers: true,
            stores: true,
            personal: false,
            shares_user: false,
            commits: Commits::Taken,
            history: None,
            queue: 1000,
        };
        Self {
            clients: vec![client; clients],
            readers: Vec::new(),
            socketio: Vec::new(),
            nodes: None,
            rooms: 1,
            server: ServerPlan {
                fleet: Fleet::Extended,
                history: 1000,
                dedupe_window: 600 * SECOND,
                in_flight: 32,
                replay: 100,
                rate: None,
                content_bytes: 8 << 10,
                token_life: None,
                slow_bytes: 1 << 20,
                versions: false,
                heartbeat: 25 * SECOND,
                reconnect_rate: 500,
                lines: 200_000,
                members_listed: 100,
                misstates_content: true,
            },
            chaos: 20 * SECOND,
            dial: DialFaults::default(),
            latency: (SECOND / 100, SECOND / 100),
            late_flush: 0,
            token_source: None,
            legacy: false,
            outbox: 1000,
            held: 1024,
            outbox_bytes: 4 << 20,
            held_bytes: 1 << 20,
            ttl: 600 * SECOND,
            most_rooms: 256,
            drop_oldest: false,
            limits: super::small_limits::SmallLimits::default(),
        }
    }
}

impl ClientPlan {
    fn draw(rng: &mut Rng, index: usize, stores: bool) -> Self {
        Self {
            offers: rng.u8(..10) > 0,
            stores: stores && rng.u8(..4) > 0,
            personal: rng.u8(..3) == 0,
            shares_user: index > 0 && rng.u8(..8) == 0,
            commits: [Commits::Taken, Commits::Taken, Commits::Seldom, Commits::Never][rng.usize(..4)],
            history: (rng.u8(..3) == 0).then(|| rng.u64(1..20)),
            queue: if rng.u8(..3) == 0 { rng.usize(1..8) } else { 1000 },
        }
    }
}

impl ServerPlan {
    fn draw(rng: &mut Rng) -> Self {
        Self {
            fleet: match rng.u8(..10) {
                0 => Fleet::Plain,
                1..=3 => Fleet::Mixed(rng.u8(5..60)),
                _ => Fleet::Extended,
            },
            history: if rng.u8(..3) == 0 { rng.usize(1..20) } else { 1000 },
            dedupe_window: match rng.u8(..12) {
                0 => rng.u64(20 * SECOND..SHORT),
                1..=4 => rng.u64(20 * SECOND..120 * SECOND),
                _ => 600 * SECOND,
            },
            in_flight: if rng.u8(..3) == 0 { rng.u64(1..4) } else { 32 },
            replay: if rng.u8(..3) == 0 { rng.u64(1..10) } else { 200 },
            rate: (rng.u8(..4) == 0).then(|| 1.0 + rng.f64() * 9.0),
            content_bytes: if rng.u8(..4) == 0 { 1000 } else { 8 << 10 },
            token_life: (rng.u8(..5) == 0).then(|| rng.u64(15 * SECOND..120 * SECOND)),
            slow_bytes: if rng.u8(..4) == 0 { 64 << 10 } else { 1 << 20 },
            versions: rng.u8(..4) == 0,
            heartbeat: if rng.u8(..3) == 0 { rng.u64(5..25) * SECOND } else { 25 * SECOND },
            reconnect_rate: if rng.u8(..3) == 0 { 1 } else { 500 },
            lines: 200_000,
            members_listed: if rng.u8(..8) == 0 { rng.usize(1..3) } else { 100 },
            misstates_content: rng.bool(),
        }
    }
}
