//! The hub and the mailboxes of its connections under one lock.
//!
//! A lock rather than a task of its own: the task that read a frame also runs the hub and fills the mailboxes,
//! so a message crosses from one task to another once, not twice.

#[cfg(feature = "redis")]
use crate::auth::Revocation;
use crate::auth::{AuthRequest, Authority, Credential, Identity};
use crate::faults::Link;
use crate::gate::{Cause, Gate};
use crate::hub::shared::{RequestId, StoreNotice, StoreRequest, StoreResponse};
use crate::hub::{
    ConnId, ConnectionInfo, FeedRequest, Hub, HubConfig, Input, Limit, Output, RefusalCounts, RoomPosition,
    UserInfo,
};
use crate::limited::{Limited, Whom};
use crate::mailbox::{End, Fill, Mailbox, Parcel, Pushed};
use crate::metrics::Metrics;
use crate::session_log::{Carrying, Left, NO_PONG, Origin, Presence, SessionLog, TOOK_NOTHING};
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
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// Deadlines closer together than this share a wake-up.
const GRAIN: Duration = Duration::from_millis(10);

/// Connections that are looked at before others get their turn.
const BATCH: usize = 256;

/// What is to be answered is answered within this time: the hub gives its store up earlier.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

/// Tokens that open connections show, and about which somebody else is asked at a time; as many wait for that.
const QUESTIONS: usize = 256;

/// Kicks and removals that wait for a place in the store's queue.
const MOST_OWED: usize = 10_000;

/// Queues shorter than this are not dropped for want of memory: they are not what fills it.
const SHORT_QUEUE: usize = 16 << 10;

#[derive(Debug)]
pub(crate) struct SharedHub {
    core: Mutex<Core>,
    started: Instant,
    authority: Arc<Authority>,
    gate: Arc<Gate>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) limited: Limited,
    /// The hub's next deadline came closer than the timekeeper knows.
    earlier: Notify,
    questions: mpsc::Sender<Question>,
    asked: tokio::sync::Mutex<mpsc::Receiver<Question>>,
}

#[derive(Debug)]
struct Core {
    hub: Hub,
    /// By the lower half of a [`ConnId`]; the upper half tells those that used a slot in turn apart.
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// What the timekeeper sleeps for.
    armed: Option<Timestamp>,
    /// Connections whose mailbox overflowed during the current input.
    slow: Vec<ConnId>,
    /// Where the hub's requests to a shared store go.
    store: Option<mpsc::Sender<StoreRequest>>,
    /// Requests for which there was no room there.
    unasked: VecDeque<RequestId>,
    /// What every node has to do, and for which there was no room there: it waits, since nobody says it again.
    owed: VecDeque<StoreRequest>,
    last_call: u64,
    /// Who waits for what becomes of something to publish.
    calls: BTreeMap<u64, oneshot::Sender<Published>>,
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
struct Question {
    conn: ConnId,
    reference: Ref,
    token: Token,
    request: AuthRequest,
}

/// What a shared store has to say.
#[derive(Debug)]
#[cfg(any(test, feature = "redis"))]
pub(crate) enum StoreSays {
    /// The answer to a request.
    Answer(RequestId, StoreResponse),
    Notice(StoreNotice),
}

/// What became of a post or a notification.
pub(crate) type Published = Result<Receipt, Code>;

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

/// What the hub keeps, in numbers.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Kept {
    pub(crate) rooms: usize,
    pub(crate) logs: usize,
    pub(crate) bytes: usize,
    pub(crate) lines: usize,
    pub(crate) evicted: u64,
    pub(crate) queued_frames: usize,
    pub(crate) queued_bytes: usize,
    /// Bytes in the longest queue.
    pub(crate) longest_queue: usize,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    mailbox: Option<Arc<Mailbox>>,
    /// By what it was let in, and whose it is.
    shown: Option<(Credential, Name)>,
    presence: Option<Presence>,
    /// Whose it is.
    user: Option<Name>,
}

/// What an operator is told of a user.
pub(crate) struct Present {
    pub(crate) connections: Vec<(ConnectionInfo, Option<Presence>)>,
    pub(crate) banned: Option<Duration>,
}

/// Why there is no feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unwatched {
    /// A limit says so.
    Limit(Limit),
    /// The hub has another reason, with this close code.
    Closed(u16),
}

/// A connection known to the hub; dropping it tells the hub that it is gone.
pub(crate) struct Seat {
    switchboard: Arc<SharedHub>,
    conn: ConnId,
    left: Left,
    mailbox: Arc<Mailbox>,
    /// `None` if the hub refused it.
    log: Option<SessionLog>,
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seat({})", self.conn.0)
    }
}

impl SharedHub {
    /// `store`: takes what the hub asks, if the configuration says that it is one node of several.
    pub(crate) fn new(
        config: HubConfig,
        authority: Arc<Authority>,
        metrics: Arc<Metrics>,
        gate: Arc<Gate>,
        store: Option<mpsc::Sender<StoreRequest>>,
    ) -> Self {
        let core = Core {
            // The standard library's way to random bits of the operating system.
            hub: Hub::new(config, RandomState::new().hash_one(0)),
            slots: Vec::new(),
            free: Vec::new(),
            armed: None,
            slow: Vec::new(),
            store,
            unasked: VecDeque::new(),
            owed: VecDeque::new(),
            last_call: 0,
            calls: BTreeMap::new(),
            restoring: BTreeMap::new(),
            refused: RefusalCounts::default(),
            limit: None,
            kicked: None,
            asker: None,
        };
        let (questions, asked) = mpsc::channel(QUESTIONS);
        Self {
            core: Mutex::new(core),
            started: Instant::now(),
            authority,
            gate,
            metrics,
            limited: Limited::default(),
            earlier: Notify::new(),
            questions,
            asked: tokio::sync::Mutex::new(asked),
        }
    }

    pub(crate) fn connect(
        self: &Arc<Self>,
        identity: Identity,
        extended: bool,
        origin: Origin,
        mailbox: Arc<Mailbox>,
    ) -> Seat {
        let Identity { user, expires, credential: shown, rights } = identity;
        let expires = expires.map(|end| self.timestamp(end));
        let conn = {
            let mut core = self.lock();
            let conn = core.admit(Arc::clone(&mailbox), origin, &user);
            core.remember(conn, shown, &user);
            self.run(&mut core, Input::Connected { conn, user: user.clone(), extended, expires });
            self.run(&mut core, Input::SetRights { conn, rights });
            self.look_again(&mut core, conn);
            conn
        };
        self.seat(conn, user, origin, mailbox)
    }

    fn seat(self: &Arc<Self>, conn: ConnId, user: Name, origin: Origin, mailbox: Arc<Mailbox>) -> Seat {
        let log = mailbox.end().is_none().then(|| SessionLog::begin(user, origin));
        Seat { switchboard: Arc::clone(self), conn, left: Left::LOST, mailbox, log }
    }

    /// Begins a feed, or says why there is none.
    pub(crate) async fn watch(
        self: &Arc<Self>,
        identity: Identity,
        request: FeedRequest,
        origin: Origin,
        mailbox: &Arc<Mailbox>,
    ) -> Result<Seat, Unwatched> {
        let Identity { user, expires, credential: shown, .. } = identity;
        let expires = expires.map(|end| self.timestamp(end));
        let (conn, limit) = {
            let mut core = self.lock();
            let conn = core.admit(Arc::clone(mailbox), origin, &user);
            core.remember(conn, shown, &user);
            self.run(&mut core, Input::OpenFeed { conn, user: user.clone(), expires, request });
            let limit = core.limit;
            self.look_again(&mut core, conn);
            (conn, limit)
        };
        let ended = mailbox.end().is_some();
        let seat = self.seat(conn, user, origin, Arc::clone(mailbox));
        let begun = poll_fn(|cx| if mailbox.has_any(cx.waker()) { Poll::Ready(()) } else { Poll::Pending });
        if timeout(ANSWERED_WITHIN, begun).await.is_err() {
            return Err(Unwatched::Closed(1013));
        }
        match mailbox.end() {
            Some(End::Close { code, .. } | End::HangUp { code, .. }) => {
                // What a limit has refused was refused at once.
                Err(limit.filter(|_| ended).map_or(Unwatched::Closed(code), Unwatched::Limit))
            }
            Some(End::Cut(_)) | None => Ok(seat),
        }
    }

    /// Ends a connection whose client has gone over to another one.
    pub(crate) fn cut(&self, conn: ConnId) {
        let mut core = self.lock();
        if let Some(mailbox) = core.release(conn) {
            mailbox.cut("Its client goes on over another connection");
        }
        self.run(&mut core, Input::Disconnected { conn, clean: false });
    }

    /// Hands the hub an [`Input::Post`] or an [`Input::Notify`] of this call, from the admin listener. Cancellation safe: what is
    /// published then is not known, and nothing waits for it any more.
    pub(crate) async fn publish(
        &self,
        asker: Option<IpAddr>,
        input: impl FnOnce(u64) -> Input<'static>,
    ) -> Published {
        let (call, answer) = {
            let mut core = self.lock();
            core.last_call += 1;
            let call = core.last_call;
            let (answers, answer) = oneshot::channel();
            core.calls.insert(call, answers);
            core.asker = asker;
            self.run(&mut core, input(call));
            core.asker = None;
            (Call { board: self, number: call }, answer)
        };
        let published = timeout(ANSWERED_WITHIN, answer).await;
        drop(call);
        match published {
            Ok(Ok(published)) => published,
            Ok(Err(_)) | Err(_) => Err(Code::Internal),
        }
    }

    /// Hands the hub what a shared store has to say, all of it under one lock: whoever has much gives it in parts.
    #[cfg(any(test, feature = "redis"))]
    pub(crate) fn store_says(&self, said: impl IntoIterator<Item = StoreSays>) {
        let mut core = self.lock();
        for said in said {
            let input = match said {
                StoreSays::Answer(request_id, answer) => {
                    Input::StoreResponse { request_id, response: answer }
                }
                StoreSays::Notice(notice) => Input::StoreNotice(notice),
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
    pub(crate) fn user(&self, user: &str) -> Option<Present> {
        let mut core = self.lock();
        let UserInfo { connections, banned } = core.hub.user(self.now().monotonic, user)?;
        let connections = connections.into_iter().map(|connection| {
            let presence = core.slot(connection.conn).and_then(|slot| slot.presence);
            (connection, presence)
        });
        Some(Present { connections: connections.collect(), banned })
    }

    /// Closes the connections whose token is nobody's any more, or somebody else's; how many.
    pub(crate) fn close_revoked(&self) -> usize {
        let mut core = self.lock();
        let revoked: Vec<ConnId> =
            core.shown().filter(|(_, shown)| !self.is_good(shown)).map(|(conn, _)| conn).collect();
        for conn in &revoked {
            self.run(&mut core, Input::Revoked { conn: *conn });
        }
        revoked.len()
    }

    /// Tokens were taken back, or given back, on another server: their connections are closed here too.
    #[cfg(feature = "redis")]
    pub(crate) fn learn_revocations(&self, list: Vec<Revocation>, is_whole: bool) {
        match self.authority.learn(list, is_whole) {
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
    fn look_again(&self, core: &mut Core, conn: ConnId) {
        let shown = core.slot(conn).and_then(|slot| slot.shown.clone());
        if shown.is_some_and(|shown| !self.is_good(&shown)) {
            self.run(core, Input::Revoked { conn });
        }
    }

    fn is_good(&self, (shown, user): &(Credential, Name)) -> bool {
        self.authority.holds(shown, user)
    }

    pub(crate) fn drain(&self, window: Duration) {
        self.run(&mut self.lock(), Input::Drain { window });
    }

    pub(crate) fn kept(&self) -> Kept {
        let mut kept = {
            let core = self.lock();
            let store = core.hub.store();
            Kept {
                rooms: core.hub.rooms(),
                logs: store.room_count(),
                bytes: store.byte_len(),
                lines: store.producer_count(),
                evicted: store.evicted(),
                ..Kept::default()
            }
        };
        // However many connections there are, nobody waits for more than a batch of them.
        for from in (0..).step_by(BATCH) {
            let Some(mailboxes) = self.mailboxes(from) else { break };
            for (frames, bytes) in mailboxes.iter().map(|mailbox| mailbox.holding()) {
                kept.queued_frames += frames;
                kept.queued_bytes += bytes;
                kept.longest_queue = kept.longest_queue.max(bytes);
            }
        }
        kept
    }

    /// A batch of the connections' mailboxes; `None` beyond the last slot.
    fn mailboxes(&self, from: usize) -> Option<Vec<Arc<Mailbox>>> {
        let core = self.lock();
        let slots = core.slots.get(from..).filter(|slots| !slots.is_empty())?;
        Some(slots.iter().take(BATCH).filter_map(|slot| slot.mailbox.clone()).collect())
    }

    /// Ends the connections with the longest queues until so many bytes of them are dropped; gives how many these are.
    pub(crate) fn drop_longest(&self, bytes: usize) -> usize {
        let mut core = self.lock();
        let conns = (0_u32..).zip(&core.slots).filter_map(|(index, slot)| {
            let held = slot.mailbox.as_ref()?.holding().1;
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
            if let Some(mailbox) = core.release(conn) {
                mailbox.overflow();
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
    pub(crate) async fn keep_time(&self) {
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
                () = tokio::time::sleep(wait.max(GRAIN)) => {
                    self.run(&mut self.lock(), Input::Tick);
                }
                () = self.earlier.notified() => {}
            }
        }
    }

    /// Finds out whose the tokens are that open connections show, where somebody else knows it. Runs for ever. Cancellation
    /// safe: who has asked is not answered then.
    pub(crate) async fn answer_questions(&self) {
        let mut asked = self.asked.lock().await;
        let mut looking = FuturesUnordered::new();
        loop {
            tokio::select! {
                Some(question) = asked.recv(), if looking.len() < QUESTIONS => {
                    looking.push(async move {
                        let identity = self.authority.identify(question.token.expose(), &question.request).await;
                        (question, identity)
                    });
                }
                Some((Question { conn, reference, .. }, identity)) = looking.next() => {
                    let mut core = self.lock();
                    if let Ok(identity) = identity {
                        let now = self.now();
                        core.identified(self, now, conn, reference, identity);
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

    fn run(&self, core: &mut Core, input: Input<'_>) -> Fill {
        let fill = core.run(self, input);
        let next = core.hub.next_deadline();
        if next.is_some() && core.armed.is_none_or(|armed| next.is_some_and(|next| next < armed)) {
            // Once is enough: until the timekeeper has looked, nothing needs to be said again.
            core.armed = next;
            self.earlier.notify_one();
        }
        fill
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
struct Call<'a> {
    board: &'a SharedHub,
    number: u64,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.board.lock().calls.remove(&self.number);
    }
}

impl Seat {
    /// Hands a batch of text frames to the hub, in order, and stops early when somebody's mailbox is half full:
    /// the number of frames taken, at least one.
    pub(crate) fn frames(&self, batch: &[Utf8Bytes]) -> usize {
        let board = &self.switchboard;
        let read = Instant::now();
        let mut core = board.lock();
        let mut taken = 0;
        for text in batch {
            taken += 1;
            if board.run(&mut core, Input::Frame { conn: self.conn, text }) == Fill::High {
                break;
            }
        }
        drop(core);
        let metrics = &board.metrics;
        metrics.delivered(read.elapsed());
        metrics.frames_in.add(taken as u64);
        metrics.bytes_in.add(batch.iter().take(taken).map(|text| text.len() as u64).sum());
        taken
    }

    /// A limit has refused the connection something, or closes it.
    pub(crate) fn limited(&self, limit: Limit) {
        let log = self.log.as_ref();
        let whom = Whom { user: log.map(SessionLog::user), address: log.map(SessionLog::client) };
        self.switchboard.limited.note(limit, whom);
    }

    /// By which the hub knows it.
    pub(crate) fn conn(&self) -> ConnId {
        self.conn
    }

    /// Puts the connection where one was that was lost; `false` if that cannot be.
    /// The answer comes at once, or from one node of several when its store has answered; an error is a `false`, too.
    pub(crate) fn restore(&self, rooms: &[RoomPosition]) -> oneshot::Receiver<bool> {
        let (answers, answer) = oneshot::channel();
        let mut core = self.switchboard.lock();
        core.restoring.insert(self.conn, answers);
        self.switchboard.run(&mut core, Input::Restore { conn: self.conn, rooms });
        answer
    }

    /// What was before an [`Output::NotifyQueueDrained`] has been written.
    pub(crate) fn drained(&self) {
        self.switchboard.run(&mut self.switchboard.lock(), Input::QueueDrained { conn: self.conn });
    }

    /// Something else carries the session from now on.
    pub(crate) fn carried_by(&self, transport: Carrying) {
        if let Some(presence) =
            self.switchboard.lock().slot(self.conn).and_then(|slot| slot.presence.as_mut())
        {
            presence.origin.transport = transport;
        }
    }

    /// The connection has ended, and all that is known of it is `link`.
    pub(crate) fn lost(&mut self, link: &Link) {
        self.left = Left::lost(link);
    }

    /// The connection is over.
    pub(crate) fn leave(mut self, left: Left) {
        self.left = left;
    }

    /// Something other than text came in.
    pub(crate) fn heard(&self) {
        self.switchboard.run(&mut self.switchboard.lock(), Input::Activity { conn: self.conn });
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut core = self.switchboard.lock();
        core.release(self.conn);
        core.restoring.remove(&self.conn);
        let clean = self.left == Left::Said;
        self.switchboard.run(&mut core, Input::Disconnected { conn: self.conn, clean });
        drop(core);
        if let Some(log) = &self.log {
            log.end(self.mailbox.end(), self.left);
        }
    }
}

impl Core {
    fn admit(&mut self, mailbox: Arc<Mailbox>, origin: Origin, user: &Name) -> ConnId {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            // As many connections as a u32 counts do not fit into any machine.
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let Some(slot) = self.slots.get_mut(index as usize) else { return ConnId(u64::MAX) };
        slot.mailbox = Some(mailbox);
        slot.presence = Some(Presence { origin, since: Instant::now() });
        slot.user = Some(user.clone());
        ConnId(u64::from(slot.generation) << 32 | u64::from(index))
    }

    fn remember(&mut self, conn: ConnId, shown: Credential, user: &Name) {
        if let Some(slot) = self.slot(conn) {
            slot.shown = Some((shown, user.clone()));
        }
    }

    /// The connections, and by what they were let in.
    fn shown(&self) -> impl Iterator<Item = (ConnId, &(Credential, Name))> {
        self.slots.iter().zip(0_u64..).filter_map(|(slot, index)| {
            Some((ConnId(u64::from(slot.generation) << 32 | index), slot.shown.as_ref()?))
        })
    }

    fn slot(&mut self, conn: ConnId) -> Option<&mut Slot> {
        let (generation, index) = (conn.0 >> 32, conn.0 & u64::from(u32::MAX));
        let slot = self.slots.get_mut(usize::try_from(index).ok()?)?;
        (u64::from(slot.generation) == generation && slot.mailbox.is_some()).then_some(slot)
    }

    fn release(&mut self, conn: ConnId) -> Option<Arc<Mailbox>> {
        let slot = self.slot(conn)?;
        slot.generation = slot.generation.wrapping_add(1);
        let mailbox = slot.mailbox.take();
        (slot.shown, slot.presence, slot.user) = (None, None, None);
        self.free.push(u32::try_from(conn.0 & u64::from(u32::MAX)).unwrap_or(u32::MAX));
        mailbox
    }

    fn run(&mut self, board: &SharedHub, input: Input<'_>) -> Fill {
        let now = board.now();
        if !self.owed.is_empty() {
            self.pay();
        }
        self.handle(board, now, input);
        let mut fill = self.carry_out(board, now);
        while let Some(request_id) = self.unasked.pop_front() {
            let limit = self.limit;
            self.handle(board, now, Input::StoreResponse { request_id, response: StoreResponse::Failed });
            self.limit = limit.or(self.limit);
            fill = fill.max(self.carry_out(board, now));
        }
        fill
    }

    /// Does what the hub says.
    fn carry_out(&mut self, board: &SharedHub, now: ClockReading) -> Fill {
        let metrics = &*board.metrics;
        let mut fill = Fill::Low;
        let (mut sent, mut bytes) = (0, 0);
        while let Some(output) = self.hub.poll() {
            match output {
                Output::Send { conn, text } => {
                    sent += 1;
                    bytes += text.len() as u64;
                    fill = fill.max(self.push(conn, Parcel::Text(text)));
                }
                Output::SendVolatile { conn, text } => match self.mailbox(conn) {
                    Some(mailbox) if mailbox.offer(text) => sent += 1,
                    _ => metrics.signals_dropped.one_more(),
                },
                Output::NotifyQueueDrained { conn } => {
                    self.push(conn, Parcel::Mark);
                }
                Output::Authenticate { conn, reference, token } => {
                    self.authenticate(board, now, conn, reference, &token);
                }
                Output::Published { call, id, seq, dup } => {
                    self.published(call, Ok(Receipt { id, seq, dup }));
                }
                Output::PublishFailed { call, code } => self.published(call, Err(code)),
                Output::Kicked { connections, banned } => self.kicked = Some(Kicked { connections, banned }),
                Output::Restored { conn, restored: done } => {
                    if let Some(answers) = self.restoring.remove(&conn) {
                        let _ = answers.send(done);
                    }
                }
                Output::Store(request) => self.ask(request),
                Output::Ping { conn } => {
                    self.push(conn, Parcel::Ping);
                }
                Output::Close { conn, code, reason } => {
                    metrics.closed_by_rule.one_more();
                    if let Some(mailbox) = self.release(conn) {
                        mailbox.close(code, reason);
                    }
                }
                Output::Terminate { conn } => {
                    metrics.terminated_silent.one_more();
                    let carrying = self.slot(conn).and_then(|slot| slot.presence);
                    let reads = carrying.is_some_and(|known| known.origin.transport == Carrying::Sse);
                    if let Some(mailbox) = self.release(conn) {
                        mailbox.cut(if reads { TOOK_NOTHING } else { NO_PONG });
                    }
                }
            }
        }
        metrics.frames_out.add(sent);
        metrics.bytes_out.add(bytes);
        while let Some(conn) = self.slow.pop() {
            let Some(slot) = self.slot(conn) else { continue };
            let address = slot.presence.map(|known| known.origin.client);
            board.limited.note(Limit::Queue, Whom { user: slot.user.as_deref(), address });
            if self.release(conn).is_some() {
                metrics.closed_slow.one_more();
                self.handle(board, now, Input::Disconnected { conn, clean: false });
            }
        }
        fill
    }

    /// Hands a request over. One for which there is no room has failed; the hub is told when it is its turn again. What ends
    /// somebody's session elsewhere waits instead.
    fn ask(&mut self, request: StoreRequest) {
        self.pay();
        let is_control = matches!(request, StoreRequest::Control(_));
        if is_control && !self.owed.is_empty() {
            return self.owe(request);
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
            return self.owe(full);
        }
        self.unasked.extend(full.request_id());
    }

    fn owe(&mut self, request: StoreRequest) {
        if self.owed.len() < MOST_OWED {
            return self.owed.push_back(request);
        }
        tracing::error!(
            "too much waits for Redis: a kick or a removal counts on this server only, ask again"
        );
    }

    /// Hands over what has waited, as far as there is room.
    fn pay(&mut self) {
        let Some(store) = &self.store else { return };
        while let Some(request) = self.owed.pop_front() {
            if let Err(mpsc::error::TrySendError::Full(request)) = store.try_send(request) {
                return self.owed.push_front(request);
            }
        }
    }

    /// Tells who waits for it.
    fn published(&mut self, call: u64, published: Published) {
        if let Some(answers) = self.calls.remove(&call) {
            // Nobody may wait any more.
            let _ = answers.send(published);
        }
    }

    /// Hands the hub an input, and looks which limit has refused something of it.
    fn handle(&mut self, board: &SharedHub, now: ClockReading, input: Input<'_>) {
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
            let asker = Whom { user: None, address: self.asker };
            // A connection that is closed for it is known until its end is handed out.
            let slot = conn.and_then(|conn| self.slot(conn));
            let whom = slot.map_or(asker, |slot| Whom {
                user: slot.user.as_deref(),
                address: slot.presence.map(|known| known.origin.client),
            });
            self.limit = board.limited.look(&before, &now, whom);
        }
    }

    fn authenticate(
        &mut self,
        board: &SharedHub,
        now: ClockReading,
        conn: ConnId,
        reference: Ref,
        token: &Token,
    ) {
        board.metrics.refreshes.one_more();
        // As when a connection is made: it counts for the address which tokens it shows.
        let client = self.slot(conn).and_then(|slot| slot.presence).map(|presence| presence.origin.client);
        let at = Instant::now();
        if let Some(client) = client
            && board.gate.rates.may_show_token(client.into(), at).is_err()
        {
            board.gate.refusals.note(Cause::Tokens, client);
            let why = Code::RateLimited;
            return self.handle(board, now, Input::AuthenticationFailed { conn, reference, code: why });
        }
        if let Ok(identity) = board.authority.identify_at_once(token.expose(), at) {
            return self.identified(board, now, conn, reference, identity);
        }
        let address = client.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let question =
            Question { conn, reference, token: token.clone(), request: AuthRequest::new(address, None) };
        if let Err(mpsc::error::TrySendError::Full(question) | mpsc::error::TrySendError::Closed(question)) =
            board.questions.try_send(question)
        {
            let Question { reference, .. } = question;
            let why = Code::Overloaded;
            self.handle(board, now, Input::AuthenticationFailed { conn, reference, code: why });
        }
    }

    /// It is known whose the token is that a connection shows.
    fn identified(
        &mut self,
        board: &SharedHub,
        now: ClockReading,
        conn: ConnId,
        reference: Ref,
        identity: Option<Identity>,
    ) {
        let client = self.slot(conn).and_then(|slot| slot.presence).map(|presence| presence.origin.client);
        let at = Instant::now();
        if let (Some(client), None) = (client, &identity) {
            board.gate.rates.failed_token(client.into(), at);
            board.gate.refusals.note(Cause::Token, client);
        }
        let expires = identity.as_ref().and_then(|identity| identity.expires);
        let expires = expires.map(|end| board.timestamp(end));
        if let Some(identity) = &identity {
            self.remember(conn, identity.credential, &identity.user);
        }
        let (user, rights) = identity.map(|identity| (identity.user, identity.rights)).unzip();
        self.handle(board, now, Input::Authenticated { conn, reference, user, expires });
        // After the answer: a connection that was closed for it is not known any more.
        if let Some(rights) = rights {
            self.handle(board, now, Input::SetRights { conn, rights });
        }
    }

    fn mailbox(&mut self, conn: ConnId) -> Option<&Mailbox> {
        self.slot(conn).and_then(|slot| slot.mailbox.as_deref())
    }

    fn push(&mut self, conn: ConnId, parcel: Parcel) -> Fill {
        match self.mailbox(conn).map(|mailbox| mailbox.push(parcel)) {
            Some(Pushed::Queued(fill)) => fill,
            Some(Pushed::Full) => {
                self.slow.push(conn);
                Fill::Low
            }
            Some(Pushed::Ended) | None => Fill::Low,
        }
    }
}

#[cfg(test)]
mod tests;
