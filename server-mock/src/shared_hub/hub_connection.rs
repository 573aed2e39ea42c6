//! A connection as its task sees it: how it begins, what it hands to the hub, and its end.

use super::{RESPONSE_TIMEOUT, SharedHub};
use crate::auth::Identity;
use crate::authorize::ConnectionPermissions;
use crate::faults::FaultState;
use crate::hub::{ConnId, FeedRequest, Input, Limit, RoomPosition};
use crate::limit_log::Subject;
use crate::send_queue::{QueueLevel, SendQueue, Shutdown};
use crate::session_log::{Origin, SessionEnd, SessionLog, TransportKind};
use futures_util::future::BoxFuture;
use rejoin::Name;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Utf8Bytes;

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
            let conn = core.slots.allocate(Arc::clone(&send_queue), origin, &user);
            if let Some(slot) = core.slots.get(conn) {
                slot.permissions = asked.as_ref().map(ConnectionPermissions::permissions);
            }
            let rights = core.limited(conn, rights);
            core.slots.set_credential(conn, credential, &user);
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
            let conn = core.slots.allocate(Arc::clone(send_queue), origin, &user);
            core.slots.set_credential(conn, credential, &user);
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
        if let Some(send_queue) = core.slots.free(conn) {
            send_queue.abort("Its client goes on over another connection");
        }
        self.run(&mut core, Input::Disconnected { conn, clean: false });
    }

    /// Puts a connection where one was that was lost.
    fn restore(&self, conn: ConnId, rooms: &[RoomPosition]) -> oneshot::Receiver<bool> {
        let (answers, answer) = oneshot::channel();
        let mut core = self.lock();
        core.restoring.insert(conn, answers);
        self.run(&mut core, Input::Restore { conn, rooms });
        answer
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

    /// What was before an [`Output::NotifyQueueDrained`](crate::hub::Output::NotifyQueueDrained) has been written.
    pub(crate) fn queue_drained(&self) {
        self.hub.run(&mut self.hub.lock(), Input::QueueDrained { conn: self.conn });
    }

    /// Something else carries the session from now on.
    pub(crate) fn set_transport(&self, transport: TransportKind) {
        if let Some(session) = self.hub.lock().slots.get(self.conn).and_then(|slot| slot.session.as_mut()) {
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

    /// So many frames came in that continue a message.
    pub(crate) fn continuations(&self, count: u32) {
        if count > 0 {
            self.hub.run(&mut self.hub.lock(), Input::Continuations { conn: self.conn, count });
        }
    }

    /// Something other than text came in.
    pub(crate) fn activity(&self) {
        self.hub.run(&mut self.hub.lock(), Input::Activity { conn: self.conn });
    }
}

impl Drop for HubConnection {
    fn drop(&mut self) {
        let mut core = self.hub.lock();
        core.slots.free(self.conn);
        core.restoring.remove(&self.conn);
        let clean = self.left == SessionEnd::Clean;
        self.hub.run(&mut core, Input::Disconnected { conn: self.conn, clean });
        drop(core);
        if let Some(log) = &self.log {
            log.end(self.send_queue.end(), self.left);
        }
    }
}
