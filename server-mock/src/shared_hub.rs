//! The hub and the send queues of its connections under one lock.
//!
//! A lock rather than a task of its own: the task that read a frame also runs the hub and fills the send queues,
//! so a message crosses from one task to another once, not twice.

use crate::admission::{AdmissionControl, Cause};
#[cfg(feature = "redis")]
use crate::auth::Revocation;
use crate::auth::{AuthRequest, Authority, Credential, Identity, Verified};
use crate::authorize::{Authorizer, ConnectionPermissions};
use crate::faults::FaultState;
use crate::hub::shared::{RequestId, StoreNotice, StoreRequest, StoreResponse};
use crate::hub::{
    ConnId, ConnectionInfo, FeedRequest, Hub, HubConfig, Input, Limit, Output, Permissions, RefusalCounts,
    Rights, RoomPosition, UserInfo,
};
use crate::limit_log::{LimitLog, Subject};
use crate::metrics::{Metrics, StoreStats};
use crate::send_queue::{Outbound, PushResult, QueueLevel, SendQueue, Shutdown};
use crate::session_log::{NO_PONG, Origin, SessionEnd, SessionInfo, SessionLog, TOOK_NOTHING, TransportKind};
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use rejoin::machine::ClockReading;
use rejoin::messages::{Code, Ref};
use rejoin::{Id, Name, Timestamp, Token};
use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::poll_fn;
use std::hash::BuildHasher as _;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// Deadlines closer together than this share a wake-up.
const TIMER_RESOLUTION: Duration = Duration::from_millis(10);

/// Connections that are looked at before others get their turn.
const BATCH: usize = 256;

/// What is to be answered is answered within this time: the hub gives its store up earlier.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// Tokens that open connections show, and about which somebody else is asked at a time; as many wait for that.
const MAX_TOKEN_REQUESTS: usize = 256;

/// Kicks and removals that wait for a place in the store's queue.
const MAX_PENDING_CONTROLS: usize = 10_000;

/// Queues shorter than this are not dropped for want of memory: they are not what fills it.
const SHORT_QUEUE: usize = 16 << 10;

#[derive(Debug)]
pub(crate) struct SharedHub {
    core: Mutex<Core>,
    started: Instant,
    authority: Arc<Authority>,
    /// Who has to be asked what somebody may do.
    pub(crate) authorizer: Option<Authorizer>,
    /// In so many rooms a connection may be.
    rooms_per_conn: usize,
    gate: Arc<AdmissionControl>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) limited: LimitLog,
    /// The hub's next deadline came closer than the timekeeper knows.
    earlier: Notify,
    token_requests: mpsc::Sender<TokenRequest>,
    token_queue: tokio::sync::Mutex<mpsc::Receiver<TokenRequest>>,
}

#[derive(Debug)]
struct Core {
    hub: Hub,
    /// By the lower half of a [`ConnId`]; the upper half tells those that used a slot in turn apart.
    slots: Vec<ConnSlot>,
    free: Vec<u32>,
    /// What the timekeeper sleeps for.
    armed: Option<Timestamp>,
    /// Connections whose send queue overflowed during the current input.
    overflowed: Vec<ConnId>,
    /// Where the hub's requests to a shared store go.
    store: Option<mpsc::Sender<StoreRequest>>,
    /// Requests for which there was no room there.
    unsent_requests: VecDeque<RequestId>,
    /// What every node has to do, and for which there was no room there: it waits, since nobody says it again.
    pending_controls: VecDeque<StoreRequest>,
    last_call: u64,
    /// Who waits for what becomes of something to publish.
    calls: BTreeMap<u64, oneshot::Sender<PublishResult>>,
    /// Who waits for a connection to be back in its rooms.
    restoring: BTreeMap<ConnId, oneshot::Sender<bool>>,
    /// What the hub's limits had refused when it was last looked at.
    refused: RefusalCounts,
    /// The limit that has refused something of the current input.
    limit: Option<Limit>,
    /// What became of the current input, if it was a kick.
    kicked: Option<Kicked>,
    /// From where the admin listener was asked for the current input.
    asker: Option<IpAddr>,
}

/// Whose a token is that an open connection shows, where somebody else knows it.
#[derive(Debug)]
struct TokenRequest {
    conn: ConnId,
    reference: Ref,
    token: Token,
    request: AuthRequest,
}

/// What a shared store has to say.
#[derive(Debug)]
#[cfg(any(test, feature = "redis"))]
pub(crate) enum StoreEvent {
    /// The answer to a request.
    Response(RequestId, StoreResponse),
    Notice(StoreNotice),
}

/// What became of a post or a notification.
pub(crate) type PublishResult = Result<Receipt, Code>;

/// Its place in the log.
#[derive(Debug)]
pub(crate) struct Receipt {
    pub(crate) id: Id,
    pub(crate) seq: u64,
    /// It had been published before, under the same key.
    pub(crate) dup: bool,
}

/// What became of a kick.
#[derive(Debug, Clone, Copy)]
struct Kicked {
    connections: usize,
    banned: bool,
}

#[derive(Debug, Default)]
struct ConnSlot {
    generation: u32,
    send_queue: Option<Arc<SendQueue>>,
    /// By what it was let in, and whose it is.
    credential: Option<(Credential, Name)>,
    session: Option<SessionInfo>,
    /// Whose it is.
    user: Option<Name>,
    /// What it may do, where somebody has to be asked that.
    permissions: Option<Arc<dyn Permissions>>,
}

/// What an operator is told of a user.
#[derive(Default)]
pub(crate) struct UserStatus {
    pub(crate) connections: Vec<(ConnectionInfo, Option<SessionInfo>)>,
    pub(crate) banned: Option<Duration>,
}

/// Why there is no feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FeedError {
    /// A limit says so.
    Limit(Limit),
    /// The hub has another reason, with this close code.
    Closed(u16),
}

/// A connection known to the hub; dropping it tells the hub that it is gone.
pub(crate) struct HubConnection {
    hub: Arc<SharedHub>,
    conn: ConnId,
    left: SessionEnd,
    send_queue: Arc<SendQueue>,
    /// `None` if the hub refused it.
    log: Option<SessionLog>,
    /// Boxed: most servers ask nobody.
    asked: Option<Box<ConnectionPermissions>>,
}

impl fmt::Debug for HubConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HubConnection({})", self.conn.0)
    }
}

impl SharedHub {
    /// `store`: takes what the hub asks, if the configuration says that it is one node of several.
    pub(crate) fn new(
        config: HubConfig,
        authority: Arc<Authority>,
        metrics: Arc<Metrics>,
        gate: Arc<AdmissionControl>,
        store: Option<mpsc::Sender<StoreRequest>>,
        authorizer: Option<Authorizer>,
    ) -> Self {
        let rooms_per_conn = config.rooms_per_conn;
        let core = Core {
            // The standard library's way to random bits of the operating system.
            hub: Hub::new(config, RandomState::new().hash_one(0)),
            slots: Vec::new(),
            free: Vec::new(),
            armed: None,
            overflowed: Vec::new(),
            store,
            unsent_requests: VecDeque::new(),
            pending_controls: VecDeque::new(),
            last_call: 0,
            calls: BTreeMap::new(),
            restoring: BTreeMap::new(),
            refused: RefusalCounts::default(),
            limit: None,
            kicked: None,
            asker: None,
        };
        let (token_requests, token_queue) = mpsc::channel(MAX_TOKEN_REQUESTS);
        Self {
            core: Mutex::new(core),
            started: Instant::now(),
            authority,
            authorizer,
            rooms_per_conn,
            gate,
            metrics,
            limited: LimitLog::default(),
            earlier: Notify::new(),
            token_requests,
            token_queue: tokio::sync::Mutex::new(token_queue),
        }
    }

    pub(crate) fn connect(
        self: &Arc<Self>,
        identity: Identity,
        extended: bool,
        origin: Origin,
        send_queue: Arc<SendQueue>,
    ) -> HubConnection {
        let Identity { user, expires, credential, rights } = identity;
        let expires = expires.map(|end| self.timestamp(end));
        let asked = self.authorizer.clone();
        let asked =
            asked.map(|authorizer| ConnectionPermissions::new(authorizer, user.clone(), self.rooms_per_conn));
        let conn = {
            let mut core = self.lock();
            let conn = core.allocate_slot(Arc::clone(&send_queue), origin, &user);
            if let Some(slot) = core.slot(conn) {
                slot.permissions = asked.as_ref().map(ConnectionPermissions::permissions);
            }
            let rights = core.limited(conn, rights);
            core.set_credential(conn, credential, &user);
            self.run(&mut core, Input::Connected { conn, user: user.clone(), extended, expires });
            self.run(&mut core, Input::SetRights { conn, rights });
            self.recheck_revocation(&mut core, conn);
            conn
        };
        let mut hub_conn = self.hub_conn(conn, user, origin, send_queue);
        hub_conn.asked = asked.map(Box::new);
        hub_conn
    }

    fn hub_conn(
        self: &Arc<Self>,
        conn: ConnId,
        user: Name,
        origin: Origin,
        send_queue: Arc<SendQueue>,
    ) -> HubConnection {
        let log = send_queue.end().is_none().then(|| SessionLog::begin(user, origin));
        HubConnection { hub: Arc::clone(self), conn, left: SessionEnd::LOST, send_queue, log, asked: None }
    }

    /// Begins a feed, or says why there is none.
    pub(crate) async fn open_feed(
        self: &Arc<Self>,
        identity: Identity,
        request: FeedRequest,
        origin: Origin,
        send_queue: &Arc<SendQueue>,
    ) -> Result<HubConnection, FeedError> {
        let Identity { user, expires, credential, .. } = identity;
        let expires = expires.map(|end| self.timestamp(end));
        let (conn, limit) = {
            let mut core = self.lock();
            let conn = core.allocate_slot(Arc::clone(send_queue), origin, &user);
            core.set_credential(conn, credential, &user);
            self.run(&mut core, Input::OpenFeed { conn, user: user.clone(), expires, request });
            let limit = core.limit;
            self.recheck_revocation(&mut core, conn);
            (conn, limit)
        };
        let ended = send_queue.end().is_some();
        let hub_conn = self.hub_conn(conn, user, origin, Arc::clone(send_queue));
        let begun = poll_fn(|cx| {
            if send_queue.is_ready_or_register(cx.waker()) { Poll::Ready(()) } else { Poll::Pending }
        });
        if timeout(RESPONSE_TIMEOUT, begun).await.is_err() {
            return Err(FeedError::Closed(1013));
        }
        match send_queue.end() {
            Some(Shutdown::Close { code, .. } | Shutdown::HangUp { code, .. }) => {
                // What a limit has refused was refused at once.
                Err(limit.filter(|_| ended).map_or(FeedError::Closed(code), FeedError::Limit))
            }
            Some(Shutdown::Abort(_)) | None => Ok(hub_conn),
        }
    }

    /// Ends a connection whose client has gone over to another one.
    pub(crate) fn abort(&self, conn: ConnId) {
        let mut core = self.lock();
        if let Some(send_queue) = core.free_slot(conn) {
            send_queue.abort("Its client goes on over another connection");
        }
        self.run(&mut core, Input::Disconnected { conn, clean: false });
    }

    /// Hands the hub an [`Input::Post`] or an [`Input::Notify`] of this call, from the admin listener. Cancellation safe: what is
    /// published then is not known, and nothing waits for it any more.
    pub(crate) async fn publish(
        &self,
        asker: Option<IpAddr>,
        input: impl FnOnce(u64) -> Input<'static>,
    ) -> PublishResult {
        let (call, answer) = {
            let mut core = self.lock();
            core.last_call += 1;
            let call = core.last_call;
            let (answers, answer) = oneshot::channel();
            core.calls.insert(call, answers);
            core.asker = asker;
            self.run(&mut core, input(call));
            core.asker = None;
            (PendingCall { shared: self, number: call }, answer)
        };
        let published = timeout(RESPONSE_TIMEOUT, answer).await;
        drop(call);
        match published {
            Ok(Ok(published)) => published,
            Ok(Err(_)) | Err(_) => Err(Code::Internal),
        }
    }

    /// Hands the hub what a shared store has to say, all of it under one lock: whoever has much gives it in parts.
    #[cfg(any(test, feature = "redis"))]
    pub(crate) fn handle_store_events(&self, events: impl IntoIterator<Item = StoreEvent>) {
        let mut core = self.lock();
        for events in events {
            let input = match events {
                StoreEvent::Response(request_id, answer) => {
                    Input::StoreResponse { request_id, response: answer }
                }
                StoreEvent::Notice(notice) => Input::StoreNotice(notice),
            };
            self.run(&mut core, input);
        }
    }

    /// Closes a user's connections, and keeps the user out for as long as `ban` says. How many there were, or `None` if
    /// there is no room for one more ban.
    pub(crate) fn kick(&self, asker: Option<IpAddr>, user: Name, ban: Option<Duration>) -> Option<usize> {
        let mut core = self.lock();
        core.kicked = None;
        core.asker = asker;
        self.run(&mut core, Input::Kick { user, ban });
        core.asker = None;
        core.kicked.take().filter(|kicked| kicked.banned).map(|kicked| kicked.connections)
    }

    /// Ends a user's ban; `false` if there is none.
    pub(crate) fn unban(&self, user: Name) -> bool {
        let mut core = self.lock();
        let is_banned = core.hub.user(self.now().monotonic, &user).is_some_and(|user| user.banned.is_some());
        if is_banned {
            // Who is banned has no connection that this could close.
            self.run(&mut core, Input::Kick { user, ban: Some(Duration::ZERO) });
            core.kicked = None;
        }
        is_banned
    }

    /// Takes a user out of a room; `false` if the user is not there, which one node of several cannot know.
    pub(crate) fn remove(&self, room: Name, user: Name) -> bool {
        let mut core = self.lock();
        let there = core.store.is_some() || core.hub.is_present(&room, &user);
        if there {
            self.run(&mut core, Input::Remove { room, user });
        }
        there
    }

    /// Looks at the hub.
    pub(crate) fn inspect<T>(&self, look: impl FnOnce(&Hub, Timestamp) -> T) -> T {
        let core = self.lock();
        look(&core.hub, self.now().monotonic)
    }

    /// A user who is connected or banned.
    pub(crate) fn user(&self, user: &str) -> Option<UserStatus> {
        let mut core = self.lock();
        let UserInfo { connections, banned } = core.hub.user(self.now().monotonic, user)?;
        let connections = connections.into_iter().map(|connection| {
            let session = core.slot(connection.conn).and_then(|slot| slot.session);
            (connection, session)
        });
        Some(UserStatus { connections: connections.collect(), banned })
    }

    /// Puts a connection where one was that was lost.
    fn restore(&self, conn: ConnId, rooms: &[RoomPosition]) -> oneshot::Receiver<bool> {
        let (answers, answer) = oneshot::channel();
        let mut core = self.lock();
        core.restoring.insert(conn, answers);
        self.run(&mut core, Input::Restore { conn, rooms });
        answer
    }

    /// Closes the connections whose token is nobody's any more, or somebody else's; how many.
    pub(crate) fn close_revoked(&self) -> usize {
        let mut core = self.lock();
        let revoked: Vec<ConnId> = core
            .credentials()
            .filter(|(_, credential)| !self.is_valid(credential))
            .map(|(conn, _)| conn)
            .collect();
        for conn in &revoked {
            self.run(&mut core, Input::Revoked { conn: *conn });
        }
        revoked.len()
    }

    /// Tokens were taken back, or given back, on another server: their connections are closed here too.
    #[cfg(feature = "redis")]
    pub(crate) fn apply_revocations(&self, list: Vec<Revocation>, is_whole: bool) {
        match self.authority.apply_revocations(list, is_whole) {
            Ok(0) => {}
            Ok(missing) => tracing::warn!(
                missing,
                "Redis has lost the list of revocations: they count on here, and servers that start later do not know them"
            ),
            Err(_) => tracing::error!("too many tokens are revoked: this server does not know all of them"),
        }
        let closed = self.close_revoked();
        if closed > 0 {
            tracing::info!(target: "rejoin_server::audit", closed, "tokens revoked on another server");
        }
    }

    /// A token may have been taken away between the look at it and now.
    fn recheck_revocation(&self, core: &mut Core, conn: ConnId) {
        let credential = core.slot(conn).and_then(|slot| slot.credential.clone());
        if credential.is_some_and(|credential| !self.is_valid(&credential)) {
            self.run(core, Input::Revoked { conn });
        }
    }

    fn is_valid(&self, (credential, user): &(Credential, Name)) -> bool {
        self.authority.holds(credential, user)
    }

    pub(crate) fn drain(&self, window: Duration) {
        self.run(&mut self.lock(), Input::Drain { window });
    }

    pub(crate) fn store_stats(&self) -> StoreStats {
        let mut kept = {
            let core = self.lock();
            let store = core.hub.store();
            StoreStats {
                rooms: core.hub.rooms(),
                logs: store.room_count(),
                bytes: store.byte_len(),
                lines: store.producer_count(),
                evicted: store.evicted(),
                ..StoreStats::default()
            }
        };
        // However many connections there are, nobody waits for more than a batch of them.
        for from in (0..).step_by(BATCH) {
            let Some(send_queues) = self.send_queues(from) else { break };
            for (frames, bytes) in send_queues.iter().map(|send_queue| send_queue.backlog()) {
                kept.queued_frames += frames;
                kept.queued_bytes += bytes;
                kept.longest_queue = kept.longest_queue.max(bytes);
            }
        }
        kept
    }

    /// A batch of the connections' send queues; `None` beyond the last slot.
    fn send_queues(&self, from: usize) -> Option<Vec<Arc<SendQueue>>> {
        let core = self.lock();
        let slots = core.slots.get(from..).filter(|slots| !slots.is_empty())?;
        Some(slots.iter().take(BATCH).filter_map(|slot| slot.send_queue.clone()).collect())
    }

    /// Ends the connections with the longest queues until so many bytes of them are dropped; gives how many these are.
    pub(crate) fn drop_longest(&self, bytes: usize) -> usize {
        let mut core = self.lock();
        let conns = (0_u32..).zip(&core.slots).filter_map(|(index, slot)| {
            let held = slot.send_queue.as_ref()?.backlog().1;
            let conn = ConnId(u64::from(slot.generation) << 32 | u64::from(index));
            (held >= SHORT_QUEUE).then_some((held, conn))
        });
        let mut longest: Vec<_> = conns.collect();
        longest.sort_unstable_by(|one, other| other.cmp(one));
        let (mut freed, mut dropped) = (0, 0);
        for (held, conn) in longest {
            if freed >= bytes {
                break;
            }
            freed += held;
            dropped += 1;
            if let Some(send_queue) = core.free_slot(conn) {
                send_queue.overflow();
            }
            self.run(&mut core, Input::Disconnected { conn, clean: false });
        }
        dropped
    }

    /// The connections that are told when they have to move.
    pub(crate) fn extended_connections(&self) -> usize {
        self.lock().hub.extended_connections()
    }

    pub(crate) fn connections(&self) -> usize {
        self.lock().hub.connections()
    }

    /// Ticks the hub for ever. Cancellation safe: nothing is lost but the wait.
    pub(crate) async fn run_timer(&self) {
        loop {
            let armed = {
                let mut core = self.lock();
                core.armed = core.hub.next_deadline();
                core.armed
            };
            let Some(at) = armed else {
                self.earlier.notified().await;
                continue;
            };
            let wait = at.since(self.now().monotonic);
            tokio::select! {
                // Until the hub's own deadline: here its time becomes the system's.
                () = tokio::time::sleep(wait.max(TIMER_RESOLUTION)) => {
                    self.run(&mut self.lock(), Input::Tick);
                }
                () = self.earlier.notified() => {}
            }
        }
    }

    /// Finds out whose the tokens are that open connections show, where somebody else knows it. Runs for ever. Cancellation
    /// safe: who has asked is not answered then.
    pub(crate) async fn serve_token_requests(&self) {
        let mut token_queue = self.token_queue.lock().await;
        let mut looking = FuturesUnordered::new();
        loop {
            tokio::select! {
                Some(request) = token_queue.recv(), if looking.len() < MAX_TOKEN_REQUESTS => {
                    looking.push(async move {
                        let identity = self.authority.identify(request.token.expose(), &request.request).await;
                        (request, identity)
                    });
                }
                Some((TokenRequest { conn, reference, .. }, identity)) = looking.next() => {
                    let mut core = self.lock();
                    if let Ok(identity) = identity {
                        let now = self.now();
                        core.authenticated(self, now, conn, reference, identity);
                        // Does what the hub says to that.
                        self.run(&mut core, Input::Tick);
                    } else {
                        let why = Code::Overloaded;
                        self.run(&mut core, Input::AuthenticationFailed { conn, reference, code: why });
                    }
                }
                else => std::future::pending().await,
            }
        }
    }

    fn run(&self, core: &mut Core, input: Input<'_>) -> QueueLevel {
        let level = core.run(self, input);
        let next = core.hub.next_deadline();
        if next.is_some() && core.armed.is_none_or(|armed| next.is_some_and(|next| next < armed)) {
            // Once is enough: until the timekeeper has looked, nothing needs a second wake-up.
            core.armed = next;
            self.earlier.notify_one();
        }
        level
    }

    fn now(&self) -> ClockReading {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        ClockReading::new(Timestamp::new(self.started.elapsed()), wall)
    }

    fn timestamp(&self, moment: Instant) -> Timestamp {
        Timestamp::new(moment.saturating_duration_since(self.started))
    }

    fn lock(&self) -> MutexGuard<'_, Core> {
        // A panic inside the hub is a bug of one input; the others go on.
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody waits for what becomes of a publication; dropped, nobody does.
struct PendingCall<'a> {
    shared: &'a SharedHub,
    number: u64,
}

impl Drop for PendingCall<'_> {
    fn drop(&mut self) {
        self.shared.lock().calls.remove(&self.number);
    }
}

impl HubConnection {
    /// Hands a batch of text frames to the hub, in order, and stops early when somebody's send queue is half full:
    /// the number of frames taken, at least one.
    pub(crate) fn handle_frames(&self, batch: &[Utf8Bytes]) -> usize {
        let shared = &self.hub;
        let read = Instant::now();
        let mut core = shared.lock();
        let mut taken = 0;
        for text in batch {
            taken += 1;
            if shared.run(&mut core, Input::Frame { conn: self.conn, text }) == QueueLevel::High {
                break;
            }
        }
        drop(core);
        let metrics = &shared.metrics;
        metrics.delivered(read.elapsed());
        metrics.frames_in.add(taken as u64);
        metrics.bytes_in.add(batch.iter().take(taken).map(|text| text.len() as u64).sum());
        if let Some(asked) = &self.asked {
            asked.handed_over(taken);
        }
        taken
    }

    /// Those of the frames, from the first one on, that may be handed to the hub now. None of them: it is being asked what they
    /// may do, and the task is woken when that is known.
    pub(crate) fn cleared<'a>(&self, batch: &'a [Utf8Bytes], cx: &mut Context<'_>) -> &'a [Utf8Bytes] {
        let Some(asked) = &self.asked else { return batch };
        let cleared = asked.cleared(&batch.iter().map(Utf8Bytes::as_str), cx);
        batch.get(..cleared).unwrap_or(batch)
    }

    /// Whether it is being asked what frames may do.
    pub(crate) fn waits(&self) -> bool {
        self.asked.as_ref().is_some_and(|asked| asked.is_pending())
    }

    /// A limit has refused the connection something, or closes it.
    pub(crate) fn record_limit(&self, limit: Limit) {
        let log = self.log.as_ref();
        let subject = Subject { user: log.map(SessionLog::user), address: log.map(SessionLog::client) };
        self.hub.limited.note(limit, subject);
    }

    /// By which the hub knows it.
    pub(crate) fn conn(&self) -> ConnId {
        self.conn
    }

    /// Puts the connection where one was that was lost; `false` if that cannot be, because one of the rooms is not allowed for
    /// instance. Begun at once, unless somebody has to be asked; one node of several answers when its store has.
    pub(crate) fn restore(&self, rooms: Vec<RoomPosition>) -> BoxFuture<'static, bool> {
        let (hub, conn) = (Arc::clone(&self.hub), self.conn);
        let Some(asked) = &self.asked else {
            let restored = hub.restore(conn, &rooms);
            return Box::pin(async move { restored.await.unwrap_or(false) });
        };
        let names: Vec<Name> = rooms.iter().map(|position| position.room.clone()).collect();
        let asked = asked.ask_for_rooms(&names);
        Box::pin(async move {
            asked.await;
            hub.restore(conn, &rooms).await.unwrap_or(false)
        })
    }

    /// What was before an [`Output::NotifyQueueDrained`] has been written.
    pub(crate) fn queue_drained(&self) {
        self.hub.run(&mut self.hub.lock(), Input::QueueDrained { conn: self.conn });
    }

    /// Something else carries the session from now on.
    pub(crate) fn set_transport(&self, transport: TransportKind) {
        if let Some(session) = self.hub.lock().slot(self.conn).and_then(|slot| slot.session.as_mut()) {
            session.origin.transport = transport;
        }
    }

    /// The connection has ended, and all that is known of it is `fault_state`.
    pub(crate) fn set_lost(&mut self, fault_state: &FaultState) {
        self.left = SessionEnd::lost(fault_state);
    }

    /// The connection is over.
    pub(crate) fn leave(mut self, left: SessionEnd) {
        self.left = left;
    }

    /// Something other than text came in.
    pub(crate) fn activity(&self) {
        self.hub.run(&mut self.hub.lock(), Input::Activity { conn: self.conn });
    }
}

impl Drop for HubConnection {
    fn drop(&mut self) {
        let mut core = self.hub.lock();
        core.free_slot(self.conn);
        core.restoring.remove(&self.conn);
        let clean = self.left == SessionEnd::Clean;
        self.hub.run(&mut core, Input::Disconnected { conn: self.conn, clean });
        drop(core);
        if let Some(log) = &self.log {
            log.end(self.send_queue.end(), self.left);
        }
    }
}

impl Core {
    /// No more than whoever has to be asked for the connection allows.
    fn limited(&mut self, conn: ConnId, rights: Rights) -> Rights {
        match self.slot(conn).and_then(|slot| slot.permissions.clone()) {
            Some(permissions) => rights.limited_by(permissions),
            None => rights,
        }
    }

    fn allocate_slot(&mut self, send_queue: Arc<SendQueue>, origin: Origin, user: &Name) -> ConnId {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(ConnSlot::default());
            // As many connections as a u32 counts do not fit into any machine.
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let Some(slot) = self.slots.get_mut(index as usize) else { return ConnId(u64::MAX) };
        slot.send_queue = Some(send_queue);
        slot.session = Some(SessionInfo { origin, since: Instant::now() });
        slot.user = Some(user.clone());
        ConnId(u64::from(slot.generation) << 32 | u64::from(index))
    }

    fn set_credential(&mut self, conn: ConnId, credential: Credential, user: &Name) {
        if let Some(slot) = self.slot(conn) {
            slot.credential = Some((credential, user.clone()));
        }
    }

    /// The connections, and by what they were let in.
    fn credentials(&self) -> impl Iterator<Item = (ConnId, &(Credential, Name))> {
        self.slots.iter().zip(0_u64..).filter_map(|(slot, index)| {
            Some((ConnId(u64::from(slot.generation) << 32 | index), slot.credential.as_ref()?))
        })
    }

    fn slot(&mut self, conn: ConnId) -> Option<&mut ConnSlot> {
        let (generation, index) = (conn.0 >> 32, conn.0 & u64::from(u32::MAX));
        let slot = self.slots.get_mut(usize::try_from(index).ok()?)?;
        (u64::from(slot.generation) == generation && slot.send_queue.is_some()).then_some(slot)
    }

    fn free_slot(&mut self, conn: ConnId) -> Option<Arc<SendQueue>> {
        let slot = self.slot(conn)?;
        slot.generation = slot.generation.wrapping_add(1);
        let send_queue = slot.send_queue.take();
        (slot.credential, slot.session, slot.user, slot.permissions) = (None, None, None, None);
        self.free.push(u32::try_from(conn.0 & u64::from(u32::MAX)).unwrap_or(u32::MAX));
        send_queue
    }

    fn run(&mut self, shared: &SharedHub, input: Input<'_>) -> QueueLevel {
        let now = shared.now();
        if !self.pending_controls.is_empty() {
            self.flush_controls();
        }
        self.handle(shared, now, input);
        let mut level = self.apply_outputs(shared, now);
        while let Some(request_id) = self.unsent_requests.pop_front() {
            let limit = self.limit;
            self.handle(shared, now, Input::StoreResponse { request_id, response: StoreResponse::Failed });
            self.limit = limit.or(self.limit);
            level = level.max(self.apply_outputs(shared, now));
        }
        level
    }

    /// Does what the hub says.
    fn apply_outputs(&mut self, shared: &SharedHub, now: ClockReading) -> QueueLevel {
        let metrics = &*shared.metrics;
        let mut level = QueueLevel::Low;
        let (mut sent, mut bytes) = (0, 0);
        while let Some(output) = self.hub.poll() {
            match output {
                Output::Send { conn, text } => {
                    sent += 1;
                    bytes += text.len() as u64;
                    level = level.max(self.push(conn, Outbound::Text(text)));
                }
                Output::SendVolatile { conn, text } => match self.send_queue(conn) {
                    Some(send_queue) if send_queue.try_push(text) => sent += 1,
                    _ => metrics.signals_dropped.one_more(),
                },
                Output::NotifyQueueDrained { conn } => {
                    self.push(conn, Outbound::Fence);
                }
                Output::Authenticate { conn, reference, token } => {
                    self.authenticate(shared, now, conn, reference, &token);
                }
                Output::Published { call, id, seq, dup } => {
                    self.complete_call(call, Ok(Receipt { id, seq, dup }));
                }
                Output::PublishFailed { call, code } => self.complete_call(call, Err(code)),
                Output::Kicked { connections, banned } => self.kicked = Some(Kicked { connections, banned }),
                Output::Restored { conn, restored: done } => {
                    if let Some(answers) = self.restoring.remove(&conn) {
                        let _ = answers.send(done);
                    }
                }
                Output::Store(request) => self.send_store_request(request),
                Output::Ping { conn } => {
                    self.push(conn, Outbound::Ping);
                }
                Output::Close { conn, code, reason } => {
                    metrics.closed_by_rule.one_more();
                    if let Some(send_queue) = self.free_slot(conn) {
                        send_queue.close(code, reason);
                    }
                }
                Output::Terminate { conn } => {
                    metrics.terminated_silent.one_more();
                    let session = self.slot(conn).and_then(|slot| slot.session);
                    let reads = session.is_some_and(|known| known.origin.transport == TransportKind::Sse);
                    if let Some(send_queue) = self.free_slot(conn) {
                        send_queue.abort(if reads { TOOK_NOTHING } else { NO_PONG });
                    }
                }
            }
        }
        metrics.frames_out.add(sent);
        metrics.bytes_out.add(bytes);
        while let Some(conn) = self.overflowed.pop() {
            let Some(slot) = self.slot(conn) else { continue };
            let address = slot.session.map(|known| known.origin.client);
            shared.limited.note(Limit::Queue, Subject { user: slot.user.as_deref(), address });
            if self.free_slot(conn).is_some() {
                metrics.closed_slow.one_more();
                self.handle(shared, now, Input::Disconnected { conn, clean: false });
            }
        }
        level
    }

    /// Hands a request over. One for which there is no room has failed; the hub is told when it is its turn again. What ends
    /// somebody's session elsewhere waits instead.
    fn send_store_request(&mut self, request: StoreRequest) {
        self.flush_controls();
        let is_control = matches!(request, StoreRequest::Control(_));
        if is_control && !self.pending_controls.is_empty() {
            return self.queue_control(request);
        }
        let full = match &self.store {
            Some(store) => match store.try_send(request) {
                Ok(()) => return,
                Err(
                    mpsc::error::TrySendError::Full(request) | mpsc::error::TrySendError::Closed(request),
                ) => request,
            },
            None => request,
        };
        if is_control && self.store.as_ref().is_some_and(|store| !store.is_closed()) {
            return self.queue_control(full);
        }
        self.unsent_requests.extend(full.request_id());
    }

    fn queue_control(&mut self, request: StoreRequest) {
        if self.pending_controls.len() < MAX_PENDING_CONTROLS {
            return self.pending_controls.push_back(request);
        }
        tracing::error!(
            "too much waits for Redis: a kick or a removal counts on this server only, ask again"
        );
    }

    /// Hands over what has waited, as far as there is room.
    fn flush_controls(&mut self) {
        let Some(store) = &self.store else { return };
        while let Some(request) = self.pending_controls.pop_front() {
            if let Err(mpsc::error::TrySendError::Full(request)) = store.try_send(request) {
                return self.pending_controls.push_front(request);
            }
        }
    }

    /// Tells who waits for it.
    fn complete_call(&mut self, call: u64, published: PublishResult) {
        if let Some(answers) = self.calls.remove(&call) {
            // Nobody may wait any more.
            let _ = answers.send(published);
        }
    }

    /// Hands the hub an input, and looks which limit has refused something of it.
    fn handle(&mut self, shared: &SharedHub, now: ClockReading, input: Input<'_>) {
        let conn = match input {
            Input::Frame { conn, .. }
            | Input::Activity { conn }
            | Input::Connected { conn, .. }
            | Input::OpenFeed { conn, .. }
            | Input::Authenticated { conn, .. } => Some(conn),
            _ => None,
        };
        self.hub.handle(now, input);
        self.limit = None;
        if self.hub.refusal_counts().total() != self.refused.total() {
            let now = *self.hub.refusal_counts();
            let before = std::mem::replace(&mut self.refused, now);
            let asker = Subject { user: None, address: self.asker };
            // A connection that is closed for it is known until its end is handed out.
            let slot = conn.and_then(|conn| self.slot(conn));
            let subject = slot.map_or(asker, |slot| Subject {
                user: slot.user.as_deref(),
                address: slot.session.map(|known| known.origin.client),
            });
            self.limit = shared.limited.look(&before, &now, subject);
        }
    }

    fn authenticate(
        &mut self,
        shared: &SharedHub,
        now: ClockReading,
        conn: ConnId,
        reference: Ref,
        token: &Token,
    ) {
        shared.metrics.refreshes.one_more();
        // As when a connection is made: it counts for the address which tokens it shows.
        let client = self.slot(conn).and_then(|slot| slot.session).map(|session| session.origin.client);
        let at = Instant::now();
        if let Some(client) = client
            && shared.gate.rates.may_show_token(client.into(), at).is_err()
        {
            shared.gate.refusals.note(Cause::Tokens, client);
            let why = Code::RateLimited;
            return self.handle(shared, now, Input::AuthenticationFailed { conn, reference, code: why });
        }
        if let Ok(identity) = shared.authority.identify_at_once(token.expose(), at) {
            return self.authenticated(shared, now, conn, reference, identity);
        }
        let address = client.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let request =
            TokenRequest { conn, reference, token: token.clone(), request: AuthRequest::new(address, None) };
        if let Err(mpsc::error::TrySendError::Full(request) | mpsc::error::TrySendError::Closed(request)) =
            shared.token_requests.try_send(request)
        {
            let TokenRequest { reference, .. } = request;
            let why = Code::Overloaded;
            self.handle(shared, now, Input::AuthenticationFailed { conn, reference, code: why });
        }
    }

    /// It is known whose the token is that a connection shows.
    fn authenticated(
        &mut self,
        shared: &SharedHub,
        now: ClockReading,
        conn: ConnId,
        reference: Ref,
        whose: Verified,
    ) {
        let client = self.slot(conn).and_then(|slot| slot.session).map(|session| session.origin.client);
        let at = Instant::now();
        if let (Some(client), Err(rejection)) = (client, &whose) {
            shared.gate.rates.failed_token(client.into(), at);
            shared.gate.refusals.note_token(*rejection, client);
        }
        let identity = whose.ok();
        let expires = identity.as_ref().and_then(|identity| identity.expires);
        let expires = expires.map(|end| shared.timestamp(end));
        if let Some(identity) = &identity {
            self.set_credential(conn, identity.credential, &identity.user);
        }
        let (user, rights) = identity.map(|identity| (identity.user, identity.rights)).unzip();
        self.handle(shared, now, Input::Authenticated { conn, reference, user, expires });
        // After the answer: a connection that was closed for it is not known any more.
        if let Some(rights) = rights {
            let rights = self.limited(conn, rights);
            self.handle(shared, now, Input::SetRights { conn, rights });
        }
    }

    fn send_queue(&mut self, conn: ConnId) -> Option<&SendQueue> {
        self.slot(conn).and_then(|slot| slot.send_queue.as_deref())
    }

    fn push(&mut self, conn: ConnId, item: Outbound) -> QueueLevel {
        match self.send_queue(conn).map(|send_queue| send_queue.push(item)) {
            Some(PushResult::Queued(level)) => level,
            Some(PushResult::Full) => {
                self.overflowed.push(conn);
                QueueLevel::Low
            }
            Some(PushResult::Closed) | None => QueueLevel::Low,
        }
    }
}

#[cfg(test)]
mod tests;
