//! A namespace of a session that has let its client in: its hub connection, its queue, and the translation between the
//! two protocols.

use super::SocketIo;
use super::acks::{self, Waiting};
use super::deliveries::{Deliveries, SharedDeliveries, lock};
use super::inbound::{self, Inbound};
use super::keeper::Keeper;
use super::namespaces::Namespace;
use super::outbound::{OutboundEvent, Start, Translator};
use super::packet;
use super::recovery::{Claimed, NewEntry, Owner, Recoverable};
use super::write_queue::WriteQueue;
use crate::auth::Identity;
use crate::faults::{DelayQueue, FaultGuard, FaultState};
use crate::hub::{PERSONAL_ROOM, RoomPosition, stream_of};
use crate::limits::Limit;
use crate::send_queue::{Drained, Outbound, SendQueue, Shutdown};
use crate::session_log::{Origin, SessionEnd, TransportKind};
use crate::shared_hub::HubConnection;
use crate::state::{AppState, ConnectionPermit};
use futures_util::future::BoxFuture;
use rejoin::Name;
use rejoin::messages::Code;
use serde_json::value::RawValue;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// The user's personal stream, which nobody has to ask for.
const JOIN_PERSONAL_ROOM: &str = r#"{"type":"join_room","roomId":"@me","ref":"0"}"#;

/// The close code of a user whom an operator has removed.
const REMOVED: u16 = 4003;

/// What became of frames for the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handed {
    All,
    /// The hub is to be left alone for a moment, because somebody's queue is long.
    Busy,
    /// It is being asked what they may do; the task is woken when that is known.
    Waiting,
}

pub(super) struct Member {
    /// Unique in the session.
    number: u32,
    pub(super) namespace: Namespace,
    user: Name,
    hub_conn: HubConnection,
    pub(super) send_queue: Arc<SendQueue>,
    fault_guard: FaultGuard,
    /// Frames that the hub has not taken yet.
    frames: Vec<Utf8Bytes>,
    /// Taken from the send queue; empty but while they are translated.
    items: VecDeque<Outbound>,
    /// Waiting before it is translated.
    delay_queue: DelayQueue,
    translator: Translator,
    /// The hub answers: it speaks the extended protocol, so that it can be asked for acknowledgements.
    answers: bool,
    /// `None` where sessions are not recovered.
    recoverable: Option<Recoverable>,
    deliveries: Option<SharedDeliveries>,
    /// What other servers know of it.
    keeper: Option<Keeper>,
    /// Waits until they know of the rooms that it is about.
    held: Option<OutboundEvent>,
    /// What the client is to be told of it: its id, and under which one it can be recovered.
    sid: String,
    permit: Arc<ConnectionPermit>,
}

/// What a CONNECT has been found to be.
pub(super) struct Admission {
    pub(super) number: u32,
    pub(super) namespace: Namespace,
    pub(super) identity: Identity,
    pub(super) positions: bool,
    pub(super) permit: Arc<ConnectionPermit>,
    /// The session that it goes on with.
    pub(super) claimed: Option<Claimed>,
    /// The number in the offset with which the client has come.
    pub(super) begun_with: Option<u64>,
}

/// A client that has been let in and waits for its rooms.
pub(super) struct PendingMember {
    number: u32,
    namespace: Namespace,
    user: Name,
    positions: bool,
    permit: Arc<ConnectionPermit>,
    client: IpAddr,
    hub_conn: HubConnection,
    send_queue: Arc<SendQueue>,
    fault_guard: FaultGuard,
    /// The session that it goes on with, if the hub puts it back into its rooms.
    claimed: Option<(Claimed, BoxFuture<'static, bool>)>,
    begun_with: Option<u64>,
}

impl PendingMember {
    /// Registers with the hub, or says with which close code the hub refuses one.
    pub(super) fn begin(
        app: &AppState,
        admission: Admission,
        client: IpAddr,
        transport: TransportKind,
        fault_state: &Arc<FaultState>,
    ) -> Result<Self, Shutdown> {
        let Admission { number, namespace, identity, positions, permit, claimed, begun_with } = admission;
        let user = identity.user.clone();
        let send_queue = Arc::new(SendQueue::new(app.limits.queue_frames, app.limits.queue_bytes));
        let origin = Origin { client, protocol: "socketio", transport };
        let hub_conn = app.hub.connect(identity, true, origin, Arc::clone(&send_queue));
        if let Some(end) = send_queue.end() {
            app.record_hub_refusal(client, &user, end);
            return Err(end);
        }
        let fault_guard = app.faults.register(user.clone(), Arc::clone(fault_state), Arc::clone(&send_queue));
        let claimed = claimed.map(|claimed| {
            let restored = hub_conn.restore(named_by_the_hub(&claimed.rooms, &user));
            (claimed, restored)
        });
        Ok(Self {
            number,
            namespace,
            user,
            positions,
            permit,
            client,
            hub_conn,
            send_queue,
            fault_guard,
            claimed,
            begun_with,
        })
    }

    /// Whose it is.
    pub(super) fn user(&self) -> &Name {
        &self.user
    }

    /// Whether it is known if the hub has put it back, or with what it ends because nobody knows.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Shutdown>> {
        let Some((_, restored)) = &mut self.claimed else { return Poll::Ready(Ok(())) };
        match restored.as_mut().poll(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(true) => {}
            Poll::Ready(false) => {
                if let Some(end) = self.send_queue.end() {
                    return Poll::Ready(Err(end));
                }
                self.claimed = None;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Goes on, with the session that it claimed if it is back in its rooms.
    pub(super) fn finish(self, app: &AppState, socket_io: &SocketIo) -> Member {
        let Self {
            number,
            namespace,
            user,
            positions,
            permit,
            client,
            hub_conn,
            send_queue,
            fault_guard,
            claimed,
            begun_with,
        } = self;
        let claimed = claimed.map(|(claimed, _)| claimed);
        let before = claimed.as_ref().map(|claimed| claimed.session);
        let session = socket_io.recovery.session();
        let deliveries = socket_io.recovery.is_on().then(|| {
            let rooms = claimed.as_ref().map(|claimed| &*claimed.rooms);
            let deliveries =
                rooms.map_or_else(|| Deliveries::new(session), |rooms| Deliveries::resumed(session, rooms));
            Arc::new(Mutex::new(deliveries))
        });
        let mut translator = Translator::new(namespace.clone(), positions, deliveries.clone());
        let has_stream = app.extended && (namespace.is_main() || namespace.is_personal());
        let mut frames = Vec::new();
        let (sid, pid) = if let Some(claimed) = claimed {
            translator.resumes(&claimed);
            (claimed.sid, claimed.pid)
        } else {
            if has_stream {
                translator.joins(PERSONAL_ROOM);
                translator.joins_personal = true;
                frames.push(Utf8Bytes::from_static(JOIN_PERSONAL_ROOM));
            }
            (socket_io.sessions.sid(), socket_io.sessions.sid())
        };
        let owner = Owner { user: user.clone(), namespace: Name::from(namespace.name()) };
        let mut keeper = None;
        let recoverable = deliveries.clone().map(|deliveries| {
            let place = socket_io.recovery.place(&owner, &pid, session);
            let numbers = (before, begun_with);
            keeper = place.clone().map(|place| {
                // As long as it would take this server to see a loss, and then as long as that is remembered.
                let (interval, answer) = app.engine_pings();
                let lasts = (interval + answer).saturating_add(socket_io.recovery.longest());
                Keeper::begin(place, Arc::clone(&deliveries), sid.clone(), numbers, lasts)
            });
            let (conn, permit, sid) = (hub_conn.conn(), Arc::clone(&permit), sid.clone());
            socket_io.recovery.open(NewEntry { pid, sid, owner, conn, permit, client, deliveries, place })
        });
        Member {
            number,
            namespace,
            user,
            hub_conn,
            send_queue,
            fault_guard,
            frames,
            items: VecDeque::new(),
            delay_queue: DelayQueue::default(),
            translator,
            answers: app.extended,
            recoverable,
            deliveries,
            keeper,
            held: None,
            sid,
            permit,
        }
    }
}

impl Member {
    /// The consent to its CONNECT.
    pub(super) fn consent(&self) -> String {
        let pid = self.recoverable.as_ref().map(|recoverable| &*recoverable.pid);
        packet::connected(self.namespace.prefix(), &self.sid, pid)
    }

    /// The engine's ping goes out.
    pub(super) fn pinged(&mut self) {
        if let Some(deliveries) = &self.deliveries {
            lock(deliveries).pinged();
        }
        if let Some(keeper) = &mut self.keeper {
            keeper.pinged();
        }
    }

    /// Something has come that is not for the hub. It counts against the user's rate.
    pub(super) fn activity(&self) {
        self.hub_conn.activity();
    }

    /// WebSocket frames have come that continue a message. They count against the user's rate.
    pub(super) fn continuations(&self, count: u32) {
        self.hub_conn.continuations(count);
    }

    /// A limit closes the session, or has refused it something.
    pub(super) fn record_limit(&self, limit: Limit) {
        self.hub_conn.record_limit(limit);
    }

    /// Its answer has come.
    pub(super) fn ponged(&self) {
        if let Some(deliveries) = &self.deliveries {
            lock(deliveries).ponged();
        }
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// Whether it is of the same user as another one.
    pub(super) fn is_of_user_of(&self, other: &Self) -> bool {
        self.user == other.user
    }

    /// Whether an operator has removed its user.
    pub(super) fn is_removed(&self) -> bool {
        matches!(
            self.send_queue.end(),
            Some(Shutdown::Close { code: REMOVED, .. } | Shutdown::HangUp { code: REMOVED, .. })
        )
    }

    /// From where on the personal stream comes here and to no other namespace of the client.
    pub(super) fn claims(&self) -> Option<&Start> {
        self.translator.personal.as_ref().filter(|_| self.namespace.is_personal())
    }

    /// Whether it has asked for the personal stream, and is not answered yet.
    pub(super) fn joins_personal_stream(&self) -> bool {
        self.translator.joins_personal && self.namespace.is_personal()
    }

    /// From where on the personal stream comes to another namespace, and not here.
    pub(super) fn yields(&mut self, start: Option<Start>) {
        self.translator.yields(start);
    }

    /// Another connection carries the session: faults that act on bytes act there.
    pub(super) fn moved(&mut self, app: &AppState, fault_state: &Arc<FaultState>) {
        self.fault_guard =
            app.faults.register(self.user.clone(), Arc::clone(fault_state), Arc::clone(&self.send_queue));
        self.hub_conn.set_transport(TransportKind::WebSocket);
    }

    pub(super) fn event(
        &mut self,
        name: &str,
        payload: Option<&RawValue>,
        ack: Option<u64>,
        write_queue: &mut WriteQueue,
    ) {
        let ack = ack.filter(|_| self.answers);
        let wanted = ack.and_then(|_| self.translator.answers.next());
        if let (Some(ack), None) = (ack, wanted) {
            self.hub_conn.record_limit(Limit::Acknowledgements);
            let no = acks::no(Code::Overloaded, "too many acknowledgements are waited for");
            return self.answer(ack, &no, write_queue);
        }
        let is_new = |room: &str| match name {
            "join_room" => self.translator.is_new(room),
            _ => self.translator.keeps_places(),
        };
        let frame = inbound::frame(&self.namespace, name, payload, wanted, is_new);
        match (frame, ack) {
            (Inbound::Frame { text, wants_replay, room }, ack) => {
                match &room {
                    Some(room) if name == "join_room" => self.translator.joins(room),
                    Some(room) => self.translator.leaves(room),
                    None => {}
                }
                if let Some(ack) = ack {
                    self.translator.answers.wait(Waiting { ack, wants_replay });
                }
                self.frames.push(text.into());
            }
            (Inbound::Rejected { code, message }, Some(ack)) => {
                self.answer(ack, &acks::no(code, message), write_queue);
            }
            (Inbound::Rejected { code: Code::Forbidden, message }, None) => self.error(message, write_queue),
            (Inbound::Rejected { .. }, None) => {}
        }
    }

    fn answer(&self, ack: u64, answer: &str, write_queue: &mut WriteQueue) {
        write_queue.push(packet::answer(self.namespace.prefix(), ack, answer));
    }

    fn error(&self, message: &str, write_queue: &mut WriteQueue) {
        write_queue.push(packet::emit(self.namespace.prefix(), "error", &acks::message(message)));
    }

    /// Drops what still waits: the session ends at once.
    pub(super) fn aborting(&mut self) {
        self.delay_queue.clear();
    }

    pub(super) fn queue_drained(&self) {
        self.hub_conn.queue_drained();
    }

    /// How many frames wait for the hub.
    pub(super) fn pending(&self) -> usize {
        self.frames.len()
    }

    /// Hands frames to the hub, as far as that can be.
    pub(super) fn hand_over(&mut self, cx: &mut Context<'_>) -> Handed {
        while !self.frames.is_empty() {
            let cleared = self.hub_conn.cleared(&self.frames, cx);
            if cleared.is_empty() {
                return Handed::Waiting;
            }
            self.send_queue.mark_awake();
            let (count, taken) = (cleared.len(), self.hub_conn.handle_frames(cleared));
            self.frames.drain(..taken.min(self.frames.len()));
            if taken < count {
                return Handed::Busy;
            }
        }
        Handed::All
    }

    /// Moves what the hub has said to `write_queue`. Gives also how soon the server goes away, if it has said so.
    pub(super) fn take(
        &mut self,
        fault_state: &FaultState,
        write_queue: &mut WriteQueue,
        cx: &mut Context<'_>,
    ) -> (Drained, Option<Duration>) {
        if !self.is_kept(cx) {
            // Whatever else there is comes after what waits.
            return (Drained::Empty, None);
        }
        if let Some(held) = self.held.take() {
            self.put(held, fault_state, write_queue);
            return (Drained::Items, None);
        }
        let mut taken = Drained::Items;
        if self.items.is_empty() {
            let (late, out) = (self.delay_queue.backlog(), write_queue.backlog());
            let backlog = (late.0 + out.0, late.1 + out.1);
            taken = self.send_queue.take(&mut self.items, backlog, cx.waker());
            self.delay_queue.hold(fault_state, &mut self.items);
            self.delay_queue.release(fault_state, &mut self.items, cx);
            if !self.items.is_empty() {
                taken = Drained::Items;
            } else if !self.delay_queue.is_empty() {
                // Whatever else there is comes after it.
                taken = Drained::Empty;
            }
        }
        let mut window = None;
        while let Some(item) = self.items.pop_front() {
            match item {
                // The engine finds out by itself whether somebody is there.
                Outbound::Ping => self.hub_conn.activity(),
                Outbound::Fence => write_queue.mark(self.number),
                Outbound::Garbage(text) => write_queue.push(packet::message(&text)),
                Outbound::Text(text) => {
                    let event = self.translator.down(&text);
                    if let OutboundEvent::GoingAway(ms) = event {
                        window = Some(Duration::from_millis(ms));
                    } else if self.is_kept(cx) {
                        self.put(event, fault_state, write_queue);
                    } else {
                        self.held = Some(event);
                        break;
                    }
                }
            }
        }
        (taken, window)
    }

    /// Whether other servers know of the rooms that the client is in, or cannot be told.
    pub(super) fn is_kept(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(keeper) = &mut self.keeper else { return true };
        let is_kept = keeper.poll(cx).is_ready();
        if keeper.is_moved {
            self.send_queue.abort("Its client goes on over another connection");
        }
        is_kept || self.send_queue.is_aborting()
    }

    fn put(&self, event: OutboundEvent, fault_state: &FaultState, write_queue: &mut WriteQueue) {
        match event {
            OutboundEvent::Packet(packet) => {
                if fault_state.duplicate() {
                    write_queue.push(packet.clone());
                }
                write_queue.push(packet);
            }
            OutboundEvent::Binary(packet, attachments) => {
                for _ in 0..=usize::from(fault_state.duplicate()) {
                    write_queue.push(packet.clone());
                    for bytes in &attachments {
                        write_queue.attach(bytes.clone());
                    }
                }
            }
            OutboundEvent::Missing => {
                self.send_queue.abort("What it missed is not in the log any more");
            }
            OutboundEvent::GoingAway(_) | OutboundEvent::Nothing => {}
        }
    }

    /// The user goes. A client that was lost may come back for the `longest` time: here, if the server `stays`, or to another
    /// one.
    pub(super) fn leave(self, left: SessionEnd, stays: bool, longest: Duration) {
        let is_removed = self.is_removed();
        self.hub_conn.leave(left);
        // Where the session can be gone on with, the permit is kept with it until it is known to be lost.
        drop(self.permit);
        let comes_back = matches!(left, SessionEnd::Gone(_)) && !is_removed;
        if let Some(keeper) = self.keeper {
            keeper.end(comes_back.then_some(longest));
        }
        if let Some(recoverable) = self.recoverable.filter(|_| stays && comes_back) {
            recoverable.lose();
        }
    }
}

/// The personal stream is called otherwise there.
fn named_by_the_hub(rooms: &[RoomPosition], user: &Name) -> Vec<RoomPosition> {
    let mut rooms = rooms.to_vec();
    for position in rooms.iter_mut().filter(|position| &*position.room == PERSONAL_ROOM) {
        position.room = stream_of(user);
    }
    rooms
}
