//! The task of one Socket.IO session: one transport, and any number of namespaces over it.
//!
//! Each time it runs it does what the connections that belong to it ask for, reads a batch of packets, hands what they
//! say to the hub, and writes everything its send queue has. A session outlives the connections of HTTP long-polling; its
//! task is that of the connection which opened it.

mod close;
mod connect;
mod receiving;
mod writing;

use super::SocketIo;
use super::binary::Gathering;
use super::heartbeat::{Heartbeat, HeartbeatAction};
use super::member::Member;
use super::packet;
use super::read_buffer::Inbox;
use super::sessions::{self, Command, Registration};
use super::transport::EngineTransport;
use super::write_queue::WriteQueue;
use crate::admission::{Client, Early};
use crate::close_reason::CloseReason;
use crate::faults::FaultState;
use crate::limit_log::Subject;
use crate::limits::Limit;
use crate::send_queue::Shutdown;
use crate::session_log::SessionEnd;
use crate::state::AppState;
use axum::http::HeaderValue;
use close::farewell;
use connect::Entering;
use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, Sleep, sleep_until};

/// Somebody who has not said yet who it is.
pub(crate) struct Newcomer {
    pub(super) client: Client,
    pub(super) origin: Option<HeaderValue>,
    pub(super) early: Early,
    /// There is no place, but perhaps one of its own: a session to go on with.
    pub(super) is_returning: bool,
}

pub(super) struct Session {
    app: Arc<AppState>,
    socket_io: Arc<SocketIo>,
    transport: EngineTransport,
    /// What the connections that belong to it ask for; none of them can for one that began as a WebSocket.
    commands: Option<mpsc::Receiver<Command>>,
    /// The faults of the connection that carries it.
    fault_state: Arc<FaultState>,
    client: Client,
    /// The page it comes from.
    origin: Option<HeaderValue>,
    /// The right to be here without a name, until a namespace has let the client in.
    early: Option<Early>,
    /// It was let in without a place, because it may have one.
    is_returning: bool,
    /// Known to the requests that belong to it.
    seated_flag: sessions::Member,
    /// The open packet has been handed on.
    is_open: bool,
    /// Packets since nobody was here.
    early_packets: u32,
    /// Read and not yet handled.
    incoming: Inbox,
    /// Waits until `incoming` is handled.
    posted: Option<oneshot::Sender<()>>,
    write_queue: WriteQueue,
    /// The namespaces that have let the client in. Those with the personal stream alone come first: they say from where
    /// on it comes to them.
    members: Vec<Member>,
    /// A CONNECT that is not answered yet, and with it whatever comes next.
    entering: Option<Entering>,
    /// Of the newest of them.
    last_number: u32,
    /// A packet whose attachments are still to come.
    gathering: Option<Gathering>,
    refusals: usize,
    /// CONNECTs since the last ping.
    connects: usize,
    /// How the connection has ended, while what was sent before waits for the hub.
    ended: Option<CloseReason>,
    due: Option<(Instant, Due)>,
    heartbeat: Heartbeat,
    timer: Option<Pin<Box<Sleep>>>,
}

/// What a session does when its time has come.
#[derive(Debug, Clone, Copy)]
enum Due {
    /// Ends: nobody has said who is there.
    Connect,
    /// Goes to another server, or to this one's successor.
    Move,
    /// Ends like this, since what is queued is not taken.
    Farewell(Shutdown),
}

impl Session {
    pub(super) fn new(
        app: Arc<AppState>,
        socket_io: Arc<SocketIo>,
        newcomer: Newcomer,
        transport: EngineTransport,
        fault_state: Arc<FaultState>,
    ) -> Self {
        let (interval, timeout) = app.engine_pings();
        let mut session = Self {
            app,
            socket_io,
            transport,
            commands: None,
            fault_state,
            client: newcomer.client,
            origin: newcomer.origin,
            early: Some(newcomer.early),
            is_returning: newcomer.is_returning,
            seated_flag: sessions::Member::default(),
            is_open: false,
            early_packets: 0,
            incoming: Inbox::default(),
            posted: None,
            write_queue: WriteQueue::default(),
            members: Vec::new(),
            entering: None,
            last_number: 0,
            gathering: None,
            refusals: 0,
            connects: 0,
            ended: None,
            due: None,
            heartbeat: Heartbeat::new(interval, timeout, Instant::now()),
            timer: None,
        };
        session.expect_connect();
        session
    }

    /// Begins to wait for a CONNECT.
    fn expect_connect(&mut self) {
        self.due = Some((Instant::now() + self.app.limits.handshake, Due::Connect));
    }

    /// A number that no namespace of the session has had.
    fn next_number(&mut self) -> u32 {
        self.last_number = self.last_number.wrapping_add(1);
        self.last_number
    }

    /// Whether some namespace has let the client in.
    fn is_seated(&self) -> bool {
        !self.members.is_empty()
    }

    fn member(&mut self, namespace: &str) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.namespace.name() == namespace)
    }

    /// How many frames wait for the hub.
    fn pending(&self) -> usize {
        self.members.iter().map(Member::pending).sum()
    }

    /// A namespace has let the client in: the wait for a CONNECT is over.
    fn connected(&mut self, member: Member) {
        let at = if member.namespace.is_personal() { 0 } else { self.members.len() };
        self.members.insert(at, member);
        (self.early, self.early_packets) = (None, 0);
        self.seated_flag.store(true, Ordering::Relaxed);
        if matches!(self.due, Some((_, Due::Connect))) {
            self.due = None;
        }
    }

    /// The user leaves a namespace. The session stays, without any too: for somebody else or the same one, if there is
    /// room for such.
    fn vacate(&mut self, namespace: &str) -> Result<(), CloseReason> {
        let Some(at) = self.members.iter().position(|member| member.namespace.name() == namespace) else {
            return Ok(());
        };
        self.members.remove(at).leave(SessionEnd::Clean, true, self.socket_io.recovery.longest());
        if self.is_seated() {
            return Ok(());
        }
        self.seated_flag.store(false, Ordering::Relaxed);
        self.early = self.app.begin_early_session(&self.client).ok();
        if self.early.is_none() {
            return Err(CloseReason::Requested(Shutdown::Abort(
                "There is no room for one more session without a name",
            )));
        }
        // The engine goes on for a while: another namespace may be asked for, or this one again.
        let (interval, timeout) = self.app.engine_pings();
        let longest = self.app.limits.handshake.max(interval + timeout);
        self.due = Some((Instant::now() + longest, Due::Connect));
        Ok(())
    }

    /// Does from now on what the requests that belong to it ask for.
    pub(super) fn listen_to(&mut self, commands: mpsc::Receiver<Command>, registration: &Registration) {
        self.commands = Some(commands);
        self.seated_flag = Arc::clone(&registration.member);
    }

    pub(super) fn say(&mut self, packet: String) {
        self.write_queue.push(packet);
    }

    /// Serves the session to its end. Dropping the future cuts it.
    pub(super) async fn serve(mut self) {
        let app = Arc::clone(&self.app);
        let ending = tokio::select! {
            biased;
            ending = poll_fn(|cx| self.poll(cx)) => ending,
            // Nobody who is somebody is left on the server: this one has not said who it is.
            () = app.drain_ended() => CloseReason::Requested(Shutdown::Abort("The server is going away")),
        };
        let is_aborting = self.is_aborting();
        if let CloseReason::Over(limit, ..) = ending {
            self.record_limit(limit);
        }
        // The rooms are free of it before the farewells, which may take their time.
        let longest = self.socket_io.recovery.longest();
        for member in self.members.drain(..) {
            member.leave(SessionEnd::by(&ending, &self.fault_state), !self.app.draining(), longest);
        }
        // Whoever has just said goodbye is to know that it was heard.
        if let (CloseReason::ClosedByPeer { .. }, Some(posted)) = (&ending, self.posted.take()) {
            let _ = posted.send(());
        }
        farewell(self, is_aborting, ending).await;
    }

    /// A limit closes the session, or has refused it something.
    fn record_limit(&self, limit: Limit) {
        if let Some(member) = self.members.first() {
            return member.record_limit(limit);
        }
        let whom = Subject { user: None, address: Some(self.client.address) };
        self.app.hub.limited.note(limit, whom);
    }

    fn is_aborting(&self) -> bool {
        self.members.iter().any(|member| member.send_queue.is_aborting())
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        let is_over = writing::is_over(&self.members);
        if is_over {
            // The hub hears nothing of it any more, while the client may take long to hear that.
            self.incoming.clear();
            self.posted = None;
        }
        if let Some(ending) = self.obey(is_over, cx) {
            return Poll::Ready(ending);
        }
        if self.is_aborting() {
            self.write_queue.clear();
            self.incoming.clear();
            for member in &mut self.members {
                member.aborting();
            }
            return self.write(cx);
        }
        if !self.is_open {
            // Before anything is read: who speaks another protocol is to see what this one is, whatever it has sent.
            self.is_open = true;
            if let Poll::Ready(ending) = self.write(cx) {
                return Poll::Ready(ending);
            }
        }
        let (alive, ending) = if let Some(ended) = self.ended.take() {
            (false, Some(ended))
        } else if is_over || self.write_queue.is_long() {
            (false, None)
        } else {
            self.transport.read(&mut self.incoming.frames, cx)
        };
        if alive {
            self.heartbeat.activity(Instant::now());
        }
        if !is_over
            && let Err(ending) = self.count_continuations().and_then(|()| self.handle(ending.is_some(), cx))
        {
            return Poll::Ready(ending);
        }
        if let Some(ending) = ending {
            if self.pending() > 0 && !is_over {
                // What was sent before waits for what it may do.
                self.ended = Some(ending);
                return Poll::Pending;
            }
            return Poll::Ready(ending);
        }
        if let Some(ending) = self.when_due(cx) {
            return Poll::Ready(ending);
        }
        let was_long = self.write_queue.is_long();
        let written = self.write(cx);
        if was_long && !self.write_queue.is_long() {
            // What was left unread for that is read now.
            cx.waker().wake_by_ref();
        }
        written
    }

    /// Does what the connections that belong to the session ask for.
    fn obey(&mut self, is_over: bool, cx: &mut Context<'_>) -> Option<CloseReason> {
        loop {
            let Some(Poll::Ready(Some(command))) =
                self.commands.as_mut().map(|commands| commands.poll_recv(cx))
            else {
                return None;
            };
            match (command, &mut self.transport) {
                (Command::Violation(code, reason), _) => return Some(CloseReason::Violation(code, reason)),
                (Command::Over(limit, code, reason), _) => {
                    return Some(CloseReason::Over(limit, code, reason));
                }
                (Command::Poll(answer), EngineTransport::Polling(polling)) => {
                    if polling.is_idle()
                        && let Some(member) = self.members.first()
                    {
                        // What others say, and the engine's pings, pace those that wait. These come as fast as they like.
                        member.activity();
                    }
                    if !polling.poll(answer) {
                        return Some(CloseReason::Violation(1008, "Two polls at a time"));
                    }
                    // One that is over has something else to say.
                    if polling.probing && !is_over {
                        polling.send_away(packet::NOOP);
                    }
                }
                // Whoever waits for its answer is told that the session is gone.
                (Command::Post(..), EngineTransport::Polling(_)) if is_over => {}
                (Command::Post(packets, posted), EngineTransport::Polling(_)) => {
                    if self.posted.replace(posted).is_some() {
                        return Some(CloseReason::Violation(1008, "Two POSTs at a time"));
                    }
                    self.incoming.payload = Some(packets);
                }
                (Command::Probing(probing), EngineTransport::Polling(polling)) => {
                    polling.probing = probing;
                    if probing {
                        polling.send_away(packet::NOOP);
                    }
                }
                (Command::Upgraded(stream, fault_state), transport @ EngineTransport::Polling(_)) => {
                    let polled = std::mem::replace(transport, EngineTransport::websocket(stream));
                    if let EngineTransport::Polling(polling) = polled {
                        polling.give_up(&mut self.write_queue, packet::NOOP);
                    }
                    self.fault_state = fault_state;
                    for member in &mut self.members {
                        member.moved(&self.app, &self.fault_state);
                    }
                }
                // Once a WebSocket carries it, requests that come late are told so by the loss of their answer.
                (_, EngineTransport::WebSocket { .. }) => {}
            }
        }
    }

    fn when_due(&mut self, cx: &mut Context<'_>) -> Option<CloseReason> {
        loop {
            let gathered = self.gathering.as_ref().map(|gathering| gathering.until);
            let at = [self.due.map(|(at, _)| at), gathered].into_iter().flatten().min();
            let at = at.map_or(self.heartbeat.at(), |at| at.min(self.heartbeat.at()));
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
            if timer.deadline() != at {
                timer.as_mut().reset(at);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return None;
            }
            let now = Instant::now();
            match self.heartbeat.next_action(now) {
                HeartbeatAction::Nothing => {}
                HeartbeatAction::Ask => {
                    self.connects = 0;
                    self.members.iter_mut().for_each(Member::pinged);
                    self.write_queue.push(packet::PING);
                }
                HeartbeatAction::Dead => {
                    self.app.metrics.terminated_silent.one_more();
                    return Some(CloseReason::Silent);
                }
            }
            if gathered.is_some_and(|until| until <= now) {
                return Some(CloseReason::Over(Limit::AttachmentDeadline, 1002, "An attachment is missing"));
            }
            if let Some((at, due)) = self.due
                && at <= now
            {
                self.due = None;
                if let Some(ending) = self.come_due(due) {
                    return Some(ending);
                }
            }
        }
    }

    fn come_due(&mut self, due: Due) -> Option<CloseReason> {
        match due {
            Due::Connect => Some(CloseReason::Over(Limit::ConnectDeadline, 1008, "No CONNECT in time")),
            Due::Move => {
                // Not a DISCONNECT: a client that gets one does not come back by itself.
                let (code, reason) = self.app.drain_reason().close();
                for member in &self.members {
                    member.send_queue.close(code, reason);
                }
                None
            }
            Due::Farewell(end) => Some(CloseReason::Requested(end)),
        }
    }
}
