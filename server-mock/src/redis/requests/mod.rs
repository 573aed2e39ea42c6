//! The connection that carries requests. Owns their order per room, their deadlines, and what happens to them while Redis
//! is away. The scripts decide about rooms.

mod answers;
mod carrying;
mod upkeep;

use super::StoreListener;
use super::aside::AsideCommand;
use super::backoff::Backoff;
use super::commands::Commands;
use super::config::Durability;
use super::confirmations::{Answer, Confirmations};
use super::connection::{Connection, DEADLINE, Dialer};
use super::error::StoreError;
use super::health::{ConnectionKind, Health};
use super::positions::Positions;
use super::reconcile::Reconcile;
use super::scripts;
use super::subscriber::Order;
use crate::hub::shared::{StoreRequest, StoreResponse};
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use redis::{ErrorKind, RedisError, RedisResult, ServerErrorKind, Value};
use rejoin::Name;
use rejoin::messages::Signal;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

/// Requests under way at a time; more wait in the hub's queue.
const MAX_IN_FLIGHT: usize = 1_024;

/// Rooms that are read at a time: each answer can be as large as a room's log.
const MAX_OPENS_IN_FLIGHT: usize = 64;

/// Requests that wait while Redis is away, or for others of their room.
const MAX_WAITING: usize = 8_192;

/// A loss of the connection that is over within this time is noticed by nobody: requests wait so long.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(1);

/// Controls that are kept until Redis is back.
const MAX_CONTROLS: usize = 10_000;

/// How long replicas may take to confirm.
const REPLICAS: Duration = Duration::from_secs(1);

/// How often what is due is looked for, and a connection on which nothing happens asked whether it is there.
const TICK: Duration = Duration::from_millis(250);
const PINGS: u32 = 2;

/// How often what Redis has refused is asked for again, in ticks.
const RETRY_TICKS: u32 = 4;

type Connecting = BoxFuture<'static, Result<Connection, StoreError>>;

enum Done {
    /// A room's notices come, or do not.
    Subscribed {
        room: Name,
        done: bool,
    },
    Replied {
        request: StoreRequest,
        whole: bool,
        connection: u64,
        began: Instant,
        reply: RedisResult<Value>,
    },
    /// Whether enough replicas have these entries, so that they are shown.
    Replicated {
        shard: usize,
        confirmed: Vec<(Answer, bool)>,
    },
    /// Up to where a room has entries that nobody confirms.
    Tail {
        room: Name,
        connection: u64,
        reply: RedisResult<Value>,
    },
    Heads {
        rooms: Vec<Name>,
        reply: RedisResult<Vec<Value>>,
    },
    Ping {
        connection: u64,
        reply: RedisResult<()>,
        /// It was somebody's beside the hub.
        aside: bool,
    },
}

pub(super) struct Requests {
    pub(super) dialer: Dialer,
    pub(super) commands: Arc<Commands>,
    pub(super) peer: Arc<dyn StoreListener>,
    pub(super) health: Arc<Health>,
    pub(super) positions: Arc<Positions>,
    pub(super) orders: mpsc::Sender<Order>,
    asides: mpsc::Receiver<AsideCommand>,
    pub(super) durability: Durability,
    connection: Option<Connection>,
    /// Slots of the cluster are on other shards than this connection knows.
    has_moved: bool,
    /// The connection that takes over as soon as nothing is under way: two connections would carry out the requests of a
    /// room in any order.
    next: Option<Connection>,
    /// Tells a connection from the ones before.
    number: u64,
    away_since: Instant,
    doing: FuturesUnordered<BoxFuture<'static, Done>>,
    /// Requests behind one of their room that waits for its notices, that one first.
    behind: BTreeMap<Name, VecDeque<StoreRequest>>,
    to_open: VecDeque<Name>,
    opening: usize,
    /// Requests since the connection was lost.
    parked: VecDeque<StoreRequest>,
    controls: VecDeque<StoreRequest>,
    waiting: usize,
    confirmations: Confirmations,
    reconcile: Reconcile,
    ticks: u32,
    /// Redis has been asked whether it is there.
    pinging: bool,
}

fn room_of(request: &StoreRequest) -> Option<&Name> {
    match request {
        StoreRequest::Open { room, .. }
        | StoreRequest::Append { room, .. }
        | StoreRequest::UpdatePresence { room, .. }
        | StoreRequest::Signal(Signal { room, .. })
        | StoreRequest::Close { room } => Some(room),
        StoreRequest::ReportUsage(_) | StoreRequest::Control(_) => None,
    }
}

impl Requests {
    #[expect(clippy::too_many_arguments, reason = "each is what it says")]
    pub(super) fn new(
        dialer: Dialer,
        commands: Arc<Commands>,
        peer: Arc<dyn StoreListener>,
        health: Arc<Health>,
        positions: Arc<Positions>,
        orders: mpsc::Sender<Order>,
        asides: mpsc::Receiver<AsideCommand>,
        durability: Durability,
        connection: Connection,
    ) -> Self {
        let reconcile = Reconcile::new(Arc::clone(&peer), Arc::clone(&positions));
        Self {
            dialer,
            commands,
            peer,
            health,
            positions,
            orders,
            asides,
            durability,
            connection: Some(connection),
            number: 0,
            away_since: Instant::now(),
            doing: FuturesUnordered::new(),
            behind: BTreeMap::new(),
            to_open: VecDeque::new(),
            opening: 0,
            parked: VecDeque::new(),
            controls: VecDeque::new(),
            waiting: 0,
            confirmations: Confirmations::default(),
            has_moved: false,
            next: None,
            reconcile,
            ticks: 0,
            pinging: false,
        }
    }

    /// Carries out requests until nobody makes any more.
    pub(super) async fn run(mut self, mut requests: mpsc::Receiver<StoreRequest>) {
        let mut backoff = Backoff::new();
        let mut dialing: Option<Connecting> = None;
        let mut connected = Instant::now();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if self.doing.is_empty()
                && let Some(next) = self.next.take()
            {
                self.connected(next).await;
            }
            let wants_another = self.connection.is_none() || (self.has_moved && self.next.is_none());
            if wants_another && dialing.is_none() {
                // Only a connection that has lasted begins the waits anew.
                if connected.elapsed() > DEADLINE + REPLICAS {
                    backoff.reset();
                }
                connected = Instant::now();
                dialing = Some(self.dial(connected + backoff.next()));
            }
            let takes = self.doing.len() < MAX_IN_FLIGHT && self.waiting < MAX_WAITING;
            tokio::select! {
                request = requests.recv(), if takes => match request {
                    Some(request) => self.take(request).await,
                    None => return,
                },
                Some(aside) = self.asides.recv(), if self.doing.len() < MAX_IN_FLIGHT => self.aside(aside).await,
                Some(done) = self.doing.next() => self.done(done).await,
                dialed = finished(&mut dialing) => {
                    dialing = None;
                    match dialed {
                        Ok(connection) => {
                            connected = Instant::now();
                            if self.connection.is_some() {
                                self.away_since = connected;
                                self.next = Some(connection);
                            } else {
                                self.connected(connection).await;
                            }
                        }
                        Err(error) => self.health.away_by(ConnectionKind::Requests, &error),
                    }
                }
                () = lost(&mut self.connection) => self.disconnect("the connection for requests is lost"),
                _ = ticks.tick() => self.tick().await,
            }
        }
    }

    fn dial(&self, at: Instant) -> Connecting {
        let dialer = self.dialer.clone();
        Box::pin(async move {
            sleep_until(at).await;
            connect(&dialer).await
        })
    }

    async fn connected(&mut self, connection: Connection) {
        self.connection = Some(connection);
        self.has_moved = false;
        self.pinging = false;
        self.number += 1;
        self.health.back(ConnectionKind::Requests);
        for request in std::mem::take(&mut self.controls) {
            self.dispatch(request, false).await;
        }
        let parked = std::mem::take(&mut self.parked);
        self.waiting -= parked.len();
        for request in parked {
            self.take(request).await;
        }
    }

    /// The connection is of no use any more. What is under way on it fails by itself.
    fn disconnect(&mut self, why: &str) {
        if self.connection.take().is_some() {
            self.away_since = Instant::now();
            self.pinging = false;
            for (request_id, _) in self.confirmations.give_up().filter_map(|answer| answer.sender) {
                self.peer.on_response(request_id, StoreResponse::Failed);
            }
            self.health.heard(ConnectionKind::Requests);
            self.health.away(ConnectionKind::Requests, why);
            self.health.reconnected();
        }
    }

    async fn take(&mut self, request: StoreRequest) {
        let has_to_wait = self.connection.is_none() || self.next.is_some();
        if has_to_wait && !matches!(request, StoreRequest::Close { .. }) {
            if self.away_since.elapsed() < REQUEST_TIMEOUT {
                self.waiting += 1;
                self.parked.push_back(request);
            } else {
                self.fail(request);
            }
            return;
        }
        if let Some(behind) = room_of(&request).and_then(|room| self.behind.get_mut(room)) {
            self.waiting += 1;
            behind.push_back(request);
            return;
        }
        match request {
            StoreRequest::Open { ref room, .. } => {
                let room = room.clone();
                self.waiting += 1;
                self.behind.insert(room.clone(), VecDeque::from([request]));
                self.to_open.push_back(room);
                self.open_more().await;
            }
            other => self.dispatch(other, false).await,
        }
    }

    /// Asks for the notices of the next rooms that are to be read.
    async fn open_more(&mut self) {
        while self.opening < MAX_OPENS_IN_FLIGHT {
            let Some(room) = self.to_open.pop_front() else { return };
            self.opening += 1;
            let (done, notices) = oneshot::channel();
            // The subscriber takes orders whatever happens.
            let ordered = self.orders.send(Order::Open { room: room.clone(), done }).await.is_ok();
            self.doing.push(Box::pin(async move {
                let done = ordered && matches!(timeout(DEADLINE, notices).await, Ok(Ok(())));
                Done::Subscribed { room, done }
            }));
        }
    }

    async fn done(&mut self, done: Done) {
        match done {
            Done::Subscribed { room, done } => self.subscribed(&room, done).await,
            Done::Replied { request, whole, connection, began, reply } => {
                let unknown =
                    |error: &RedisError| error.kind() == ErrorKind::Server(ServerErrorKind::NoScript);
                if !whole && reply.as_ref().is_err_and(unknown) {
                    return self.dispatch(request, true).await;
                }
                if matches!(request, StoreRequest::Open { .. }) {
                    self.opening -= 1;
                }
                self.health.answered(began.elapsed(), reply.is_err());
                match reply {
                    Ok(value) => self.replied(connection, &request, &value).await,
                    Err(error) => {
                        self.refused(connection, &error);
                        self.fail(request);
                    }
                }
                self.open_more().await;
            }
            Done::Replicated { shard, confirmed } => {
                self.confirmations.done(shard);
                self.replicated(confirmed);
                self.confirm().await;
            }
            Done::Tail { room, connection, reply } => self.tail_found(room, connection, reply).await,
            Done::Heads { rooms, reply } => {
                self.ask_tails(&rooms, reply.as_deref().unwrap_or_default()).await;
                self.reconcile.found(&rooms, reply.ok().as_deref(), Instant::now());
            }
            Done::Ping { connection, reply, aside } => {
                if !aside && connection == self.number {
                    self.pinging = false;
                    self.health.heard(ConnectionKind::Requests);
                }
                if let Err(error) = reply {
                    self.refused(connection, &error);
                }
            }
        }
    }

    /// A room's notices come: it is read, and what was asked behind that goes on.
    async fn subscribed(&mut self, room: &Name, done: bool) {
        let mut behind = self.behind.remove(room).unwrap_or_default();
        self.waiting -= behind.len();
        match behind.pop_front() {
            Some(open) if done && self.connection.is_some() => self.dispatch(open, false).await,
            Some(open) => {
                self.opening -= 1;
                self.fail(open);
            }
            None => self.opening -= 1,
        }
        for request in behind {
            if self.connection.is_some() || matches!(request, StoreRequest::Close { .. }) {
                // Another one to read it makes the rest wait again.
                self.take(request).await;
            } else {
                // Not parked: it would come after what was.
                self.fail(request);
            }
        }
        self.open_more().await;
    }
}

/// A connection on which the scripts are known.
pub(super) async fn connect(dialer: &Dialer) -> Result<Connection, StoreError> {
    let connection = dialer.dial(None).await?;
    let mut pipe = redis::pipe();
    for script in scripts::all() {
        pipe.cmd("SCRIPT").arg("LOAD").arg(&script.text).ignore();
    }
    for mut conn in connection.shards.all() {
        let loaded: RedisResult<()> = pipe.query_async(&mut conn).await;
        loaded.map_err(|error| StoreError::of(&connection.at, &error))?;
    }
    Ok(connection)
}

async fn finished(dialing: &mut Option<Connecting>) -> Result<Connection, StoreError> {
    match dialing {
        Some(dialing) => dialing.await,
        None => std::future::pending().await,
    }
}

async fn lost(connection: &mut Option<Connection>) {
    match connection {
        Some(connection) => connection.lost().await,
        None => std::future::pending().await,
    }
}
