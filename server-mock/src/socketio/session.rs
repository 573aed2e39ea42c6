//! The task of one Socket.IO session.
//!
//! Each time it runs it does what the connections that belong to it ask for, reads a batch of packets, hands what they
//! say to the hub, and writes everything its mailbox has. A session outlives the connections of HTTP long-polling; its
//! task is that of the connection which opened it.

use super::answers;
use super::carrier::{Carrier, Written};
use super::endpoint::Newcomer;
use super::farewell::farewell;
use super::heartbeat::{Beat, Heartbeat};
use super::incoming::{Inbox, Incoming};
use super::outgoing::Outgoing;
use super::packet::{self, Engine, MAIN, Packet};
use super::seated::Seated;
use super::sessions::{self, Command, Registration};
use crate::app::{App, Place};
use crate::faults::Link;
use crate::gate::{Client, Early};
use crate::mailbox::{End, Taken};
use crate::session_log::Left;
use crate::socket::{Ending, FAREWELL};
use rejoin::socketio::NO_NAMESPACE;
use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// Most frames gathered for the hub before the others get their turn.
const BATCH: usize = 32;

/// Most packets from somebody who has not said who it is: CONNECTs and signs of life.
const EARLY_PACKETS: u8 = 32;

pub(super) struct Session {
    pub(super) app: Arc<App>,
    pub(super) carrier: Carrier,
    /// What the connections that belong to it ask for; none of them can for one that began as a WebSocket.
    pub(super) commands: Option<mpsc::Receiver<Command>>,
    /// The faults of the connection that carries it.
    pub(super) link: Arc<Link>,
    pub(super) client: Client,
    /// The right to be here without a name, and the place of one that has a name.
    early: Option<Early>,
    place: Option<Place>,
    /// Known to the requests that belong to it.
    seated_flag: sessions::Seated,
    /// Packets since nobody was here.
    early_packets: u8,
    /// Read and not yet handled.
    incoming: Inbox,
    /// Waits until `incoming` is handled.
    posted: Option<oneshot::Sender<()>>,
    pub(super) outgoing: Outgoing,
    seated: Option<Seated>,
    /// Attachments that are still to come, of an event that is refused.
    attachments: u8,
    pub(super) refusals: u8,
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
    Farewell(End),
}

impl Session {
    pub(super) fn new(app: Arc<App>, newcomer: Newcomer, carrier: Carrier, link: Arc<Link>) -> Self {
        let (interval, timeout) = app.engine_pings();
        let mut session = Self {
            app,
            carrier,
            commands: None,
            link,
            client: newcomer.client,
            early: Some(newcomer.early),
            place: None,
            seated_flag: sessions::Seated::default(),
            early_packets: 0,
            incoming: Inbox::default(),
            posted: None,
            outgoing: Outgoing::default(),
            seated: None,
            attachments: 0,
            refusals: 0,
            due: None,
            heartbeat: Heartbeat::new(interval, timeout, Instant::now()),
            timer: None,
        };
        session.expect_connect();
        session
    }

    /// Begins to wait for a CONNECT.
    pub(super) fn expect_connect(&mut self) {
        self.due = Some((Instant::now() + self.app.limits.handshake, Due::Connect));
    }

    /// The wait for a CONNECT is over.
    pub(super) fn connected(&mut self, seated: Seated, place: Place) {
        self.seated = Some(seated);
        (self.early, self.place, self.early_packets) = (None, Some(place), 0);
        self.seated_flag.store(true, Ordering::Relaxed);
        self.due = None;
    }

    /// The user goes and the session stays, for somebody else or the same one, if there is room for such.
    fn vacate(&mut self) -> Result<(), Ending> {
        let Some(seated) = self.seated.take() else { return Ok(()) };
        seated.leave(Left::Said);
        self.place = None;
        self.seated_flag.store(false, Ordering::Relaxed);
        self.early = self.app.gate.sessions.begin(self.client.network());
        if self.early.is_none() {
            return Err(Ending::Told(End::Cut));
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
        self.seated_flag = Arc::clone(&registration.seated);
    }

    pub(super) fn say(&mut self, packet: String) {
        self.outgoing.push(packet);
    }

    /// Serves the session to its end. Dropping the future cuts it.
    pub(super) async fn serve(mut self) {
        let ending = poll_fn(|cx| self.poll(cx)).await;
        let hurries = self.hurries();
        // The rooms are free of it before the farewells, which may take their time.
        if let Some(seated) = self.seated.take() {
            seated.leave(Left::from(&ending));
        }
        // Whoever has just said goodbye is to know that it was heard.
        if let (Ending::ClosedByPeer { .. }, Some(posted)) = (&ending, self.posted.take()) {
            let _ = posted.send(());
        }
        farewell(self, hurries, ending).await;
    }

    fn hurries(&self) -> bool {
        self.seated.as_ref().is_some_and(|seated| seated.mailbox.hurries())
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        if let Some(ending) = self.obey(cx) {
            return Poll::Ready(ending);
        }
        if self.hurries() {
            self.outgoing.clear();
            self.incoming.clear();
            if let Some(seated) = &mut self.seated {
                seated.hurry();
            }
            return self.write(cx);
        }
        let (alive, ending) = if self.outgoing.is_long() {
            (false, None)
        } else {
            self.carrier.read(&mut self.incoming.frames, cx)
        };
        if alive {
            self.heartbeat.heard(Instant::now());
        }
        if let Err(ending) = self.handle(ending.is_some(), cx) {
            return Poll::Ready(ending);
        }
        if let Some(ending) = ending {
            return Poll::Ready(ending);
        }
        if let Some(ending) = self.when_due(cx) {
            return Poll::Ready(ending);
        }
        let was_long = self.outgoing.is_long();
        let written = self.write(cx);
        if was_long && !self.outgoing.is_long() {
            // What was left unread for that is read now.
            cx.waker().wake_by_ref();
        }
        written
    }

    /// Does what the connections that belong to the session ask for.
    fn obey(&mut self, cx: &mut Context<'_>) -> Option<Ending> {
        loop {
            let Some(Poll::Ready(Some(command))) =
                self.commands.as_mut().map(|commands| commands.poll_recv(cx))
            else {
                return None;
            };
            match (command, &mut self.carrier) {
                (Command::Violation(code, reason), _) => return Some(Ending::Violation(code, reason)),
                (Command::Poll(answer), Carrier::Polling(polling)) => {
                    if !polling.poll(answer) {
                        return Some(Ending::Violation(1008, "Two polls at a time"));
                    }
                    if polling.probing {
                        polling.send_away(packet::NOOP);
                    }
                }
                (Command::Post(packets, posted), Carrier::Polling(_)) => {
                    if self.posted.replace(posted).is_some() {
                        return Some(Ending::Violation(1008, "Two POSTs at a time"));
                    }
                    self.incoming.payload = Some(packets);
                }
                (Command::Probing(probing), Carrier::Polling(polling)) => {
                    polling.probing = probing;
                    if probing {
                        polling.send_away(packet::NOOP);
                    }
                }
                (Command::Upgraded(stream, link), carrier @ Carrier::Polling(_)) => {
                    let polled = std::mem::replace(carrier, Carrier::websocket(stream));
                    if let Carrier::Polling(polling) = polled {
                        polling.give_up(&mut self.outgoing, packet::NOOP);
                    }
                    self.link = link;
                    if let Some(seated) = &mut self.seated {
                        seated.moved(&self.app, &self.link);
                    }
                }
                // Once a WebSocket carries it, requests that come late are told so by the loss of their answer.
                (_, Carrier::WebSocket { .. }) => {}
            }
        }
    }

    /// Handles what was read, as far as the others let it. `all`: nothing is read any more.
    fn handle(&mut self, all: bool, cx: &mut Context<'_>) -> Result<(), Ending> {
        loop {
            while self.seated.as_ref().map_or(0, Seated::pending) < BATCH && (all || !self.outgoing.is_long())
            {
                let Some(incoming) = self.incoming.pop() else { break };
                match incoming {
                    Incoming::Packet(text) => {
                        if !self.packet(&text)? {
                            self.incoming.put_back(Incoming::Packet(text));
                            break;
                        }
                    }
                    Incoming::Attachment => {
                        let left = self.attachments.checked_sub(1);
                        self.attachments = left.ok_or(Ending::Violation(1003, "Unexpected attachment"))?;
                    }
                }
            }
            let handed = self.seated.as_mut().is_none_or(Seated::hand_over);
            if !handed && !all {
                // Let the others write before this one goes on.
                cx.waker().wake_by_ref();
                return Ok(());
            }
            if handed && self.incoming.is_empty() {
                if let Some(posted) = self.posted.take() {
                    let _ = posted.send(());
                }
                return Ok(());
            }
            if !all && self.outgoing.is_long() {
                return Ok(());
            }
        }
    }

    /// Handles one packet; `false` if what came before it must reach the hub first.
    fn packet(&mut self, text: &Utf8Bytes) -> Result<bool, Ending> {
        self.heartbeat.heard(Instant::now());
        if self.seated.is_none() {
            self.early_packets += 1;
            if self.early_packets > EARLY_PACKETS {
                return Err(Ending::Violation(1008, "Too many packets before CONNECT"));
            }
        }
        let malformed = || Ending::Violation(1002, "Not a packet of Socket.IO 5");
        let message = match Engine::read(text).ok_or_else(malformed)? {
            Engine::Close => return Err(self.closed_by_packet()),
            Engine::Alive => return Ok(true),
            Engine::Message(_) if self.attachments > 0 => {
                return Err(Ending::Violation(1002, "An attachment is missing"));
            }
            Engine::Message(message) => message,
        };
        let packet = Packet::read(message).ok_or_else(malformed)?;
        let pending = self.seated.as_ref().is_some_and(|seated| seated.pending() > 0);
        match packet {
            Packet::Connect { .. } | Packet::Disconnect { .. } if pending => return Ok(false),
            Packet::Connect { namespace: MAIN, auth } => {
                if self.seated.is_none() {
                    self.connect(auth)?;
                }
            }
            Packet::Connect { namespace, .. } => {
                let error = answers::connect_error(NO_NAMESPACE, None);
                self.outgoing.push(packet::refused(namespace, &error));
            }
            Packet::Disconnect { namespace: MAIN } if self.seated.is_some() => self.vacate()?,
            // Only CONNECT is for somebody who has not said who it is.
            _ if self.seated.is_none() => return Err(Ending::Violation(1008, "CONNECT comes first")),
            Packet::Event { namespace: MAIN, ack, array } => {
                let (name, payload) = packet::event(array).ok_or_else(malformed)?;
                if let Some(seated) = &mut self.seated {
                    seated.event(&name, payload, ack, &mut self.outgoing);
                }
            }
            Packet::BinaryEvent { namespace, ack, attachments } => {
                self.attachments = attachments;
                if let (MAIN, Some(seated)) = (namespace, &self.seated) {
                    seated.binary_event(ack, &mut self.outgoing);
                }
            }
            Packet::Answer { attachments } => self.attachments = attachments,
            // Those of a namespace that there is not are on their way from before its refusal.
            Packet::Event { .. } | Packet::Disconnect { .. } => {}
        }
        Ok(true)
    }

    /// The client has said that it goes. A WebSocket is closed for it: it waits for that.
    fn closed_by_packet(&self) -> Ending {
        match self.carrier {
            Carrier::Polling(_) => Ending::ClosedByPeer { clean: false },
            Carrier::WebSocket { .. } => Ending::Told(End::Close { code: 1000, reason: "Closed" }),
        }
    }

    fn when_due(&mut self, cx: &mut Context<'_>) -> Option<Ending> {
        loop {
            let at = self.due.map_or(self.heartbeat.at(), |(at, _)| at.min(self.heartbeat.at()));
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
            if timer.deadline() != at {
                timer.as_mut().reset(at);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return None;
            }
            let now = Instant::now();
            match self.heartbeat.beat(now) {
                Beat::Nothing => {}
                Beat::Ask => self.outgoing.push(packet::PING),
                Beat::Dead => {
                    self.app.metrics.terminated_silent.one_more();
                    return Some(Ending::Lost);
                }
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

    fn come_due(&mut self, due: Due) -> Option<Ending> {
        match due {
            Due::Connect => Some(Ending::Violation(1008, "No CONNECT in time")),
            Due::Move => {
                // Not a DISCONNECT: a client that gets one does not come back by itself.
                if let Some(seated) = &self.seated {
                    seated.mailbox.close(1012, "Service restart");
                }
                None
            }
            Due::Farewell(end) => Some(Ending::Told(end)),
        }
    }

    /// Writes all there is. Ready only when the conversation is over.
    fn write(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        let Self { carrier, link, outgoing, seated, .. } = self;
        let mut end = None;
        let mut window = None;
        loop {
            let drained = || {
                if let Some(seated) = seated.as_ref() {
                    seated.drained();
                }
            };
            match carrier.write(outgoing, drained, cx) {
                Written::All => {}
                Written::Lost => return Poll::Ready(Ending::Lost),
                Written::Blocked => {
                    if let Some(seated) = seated {
                        seated.mailbox.blocked();
                        seated.mailbox.watch(cx.waker());
                        end = seated.mailbox.end();
                    }
                    break;
                }
            }
            let Some(seated) = seated else { break };
            let (taken, going) = seated.take(link, outgoing, cx);
            window = going.or(window);
            match taken {
                Taken::Parcels => {}
                Taken::End(end) => return Poll::Ready(Ending::Told(end)),
                Taken::Nothing => break,
            }
        }
        match carrier.flush(cx) {
            Written::All => {}
            Written::Lost => return Poll::Ready(Ending::Lost),
            Written::Blocked => {
                if let Some(seated) = seated {
                    seated.mailbox.blocked();
                }
            }
        }
        if let Some(window) = window {
            // Evenly over the window, as plain clients are closed: this one cannot choose for itself.
            let moment = window.mul_f64(fastrand::f64());
            self.due = Some((Instant::now() + moment, Due::Move));
            cx.waker().wake_by_ref();
        }
        self.await_the_end(end, cx)
    }

    /// The hub has ended the session, and it is not known whether anybody can still be told.
    fn await_the_end(&mut self, end: Option<End>, cx: &mut Context<'_>) -> Poll<Ending> {
        match end {
            Some(end) if self.hurries() => return Poll::Ready(Ending::Told(end)),
            Some(end) if !matches!(self.due, Some((_, Due::Farewell(_)))) => {
                self.due = Some((Instant::now() + FAREWELL, Due::Farewell(end)));
                cx.waker().wake_by_ref();
            }
            _ => {}
        }
        Poll::Pending
    }
}
