//! A namespace of a session that has let its client in: its seat in the hub, its queue, and the translation between the
//! two protocols.

use super::answers::{self, Waiting};
use super::deliveries::Deliveries;
use super::down::{Down, Start, Translator};
use super::outgoing::Outgoing;
use super::packet;
use super::recovery::{Claimed, Owner, Recoverable, SharedDeliveries, lock};
use super::space::Space;
use super::up::{self, Up};
use crate::app::{App, Place};
use crate::auth::Identity;
use crate::faults::{Hit, Late, Link};
use crate::hub::{ME, RoomPosition, stream_of};
use crate::limits::Limit;
use crate::mailbox::{End, Mailbox, Parcel, Taken};
use crate::session_log::{Carrying, Left, Origin};
use crate::switchboard::Seat;
use rejoin::Name;
use rejoin::messages::Code;
use serde_json::value::RawValue;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// The user's personal stream, which nobody has to ask for.
const JOIN_ME: &str = r#"{"type":"join_room","roomId":"@me","ref":"0"}"#;

/// The close code of a user whom an operator has removed.
const REMOVED: u16 = 4003;

pub(super) struct Seated {
    /// Unique in the session.
    number: u32,
    pub(super) space: Space,
    user: Name,
    seat: Seat,
    pub(super) mailbox: Arc<Mailbox>,
    hit: Hit,
    /// Frames that the hub has not taken yet.
    frames: Vec<Utf8Bytes>,
    /// Taken from the mailbox; empty but while they are translated.
    parcels: VecDeque<Parcel>,
    /// Waiting before it is translated.
    late: Late,
    translator: Translator,
    /// The hub answers: it speaks the extended protocol, so that it can be asked for acknowledgements.
    answers: bool,
    /// `None` where sessions are not recovered.
    recoverable: Option<Recoverable>,
    deliveries: Option<SharedDeliveries>,
    /// What the client is to be told of it: its id, and under which one it can be recovered.
    sid: String,
    place: Arc<Place>,
}

/// What a CONNECT has been found to be.
pub(super) struct Admission {
    pub(super) number: u32,
    pub(super) space: Space,
    pub(super) identity: Identity,
    pub(super) positions: bool,
    pub(super) place: Arc<Place>,
    /// The session that it goes on with.
    pub(super) claimed: Option<Claimed>,
}

/// A client that has been let in and waits for its rooms.
pub(super) struct Seating {
    number: u32,
    space: Space,
    user: Name,
    positions: bool,
    place: Arc<Place>,
    client: IpAddr,
    seat: Seat,
    mailbox: Arc<Mailbox>,
    hit: Hit,
    /// The session that it goes on with, if the hub puts it back into its rooms.
    claimed: Option<(Claimed, oneshot::Receiver<bool>)>,
}

impl Seating {
    /// Takes a seat, or says with which close code the hub refuses one.
    pub(super) fn begin(
        app: &App,
        admission: Admission,
        client: IpAddr,
        transport: Carrying,
        link: &Arc<Link>,
    ) -> Result<Self, End> {
        let Admission { number, space, identity, positions, place, claimed } = admission;
        let user = identity.user.clone();
        let mailbox = Arc::new(Mailbox::new(app.limits.queue_frames, app.limits.queue_bytes));
        let origin = Origin { client, protocol: "socketio", transport };
        let seat = app.switchboard.connect(identity, true, origin, Arc::clone(&mailbox));
        if let Some(end) = mailbox.end() {
            app.note_unseated(client, &user, end);
            return Err(end);
        }
        let hit = app.faults.expose(user.clone(), Arc::clone(link), Arc::clone(&mailbox));
        let claimed = claimed.map(|claimed| {
            let restored = seat.restore(&named_by_the_hub(&claimed.rooms, &user));
            (claimed, restored)
        });
        Ok(Self { number, space, user, positions, place, client, seat, mailbox, hit, claimed })
    }

    /// Whether it is known if the hub has put it back.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some((_, restored)) = &mut self.claimed else { return Poll::Ready(()) };
        match Pin::new(restored).poll(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(true)) => {}
            Poll::Ready(Ok(false) | Err(_)) => self.claimed = None,
        }
        Poll::Ready(())
    }

    /// Goes on, with the session that it claimed if it is back in its rooms.
    pub(super) fn finish(self, app: &App) -> Seated {
        let Self { number, space, user, positions, place, client, seat, mailbox, hit, claimed } = self;
        let claimed = claimed.map(|(claimed, _)| claimed);
        let deliveries = app.recovery.is_on().then(|| {
            let session = app.recovery.number();
            let rooms = claimed.as_ref().map(|claimed| &*claimed.rooms);
            let deliveries =
                rooms.map_or_else(|| Deliveries::new(session), |rooms| Deliveries::resumed(session, rooms));
            Arc::new(Mutex::new(deliveries))
        });
        let mut translator = Translator::new(space.clone(), positions, deliveries.clone());
        let has_stream = app.extended && (space.is_main() || space.is_personal());
        let mut frames = Vec::new();
        let (sid, pid) = if let Some(claimed) = claimed {
            translator.resumes(&claimed);
            (claimed.sid, claimed.pid)
        } else {
            if has_stream {
                translator.joins(ME);
                frames.push(Utf8Bytes::from_static(JOIN_ME));
            }
            (app.sessions.sid(), app.sessions.sid())
        };
        let owner = Owner { user: user.clone(), namespace: Name::from(space.name()) };
        let recoverable = deliveries.clone().map(|deliveries| {
            let seat = (seat.conn(), Arc::clone(&place));
            app.recovery.open(pid, sid.clone(), owner, seat, client, deliveries)
        });
        Seated {
            number,
            space,
            user,
            seat,
            mailbox,
            hit,
            frames,
            parcels: VecDeque::new(),
            late: Late::default(),
            translator,
            answers: app.extended,
            recoverable,
            deliveries,
            sid,
            place,
        }
    }
}

impl Seated {
    /// The consent to its CONNECT.
    pub(super) fn consent(&self) -> String {
        let pid = self.recoverable.as_ref().map(|recoverable| &*recoverable.pid);
        packet::connected(self.space.prefix(), &self.sid, pid)
    }

    /// The engine's ping goes out.
    pub(super) fn pinged(&self) {
        if let Some(deliveries) = &self.deliveries {
            lock(deliveries).pinged();
        }
    }

    /// Something has come that is not for the hub. It counts against the user's rate.
    pub(super) fn heard(&self) {
        self.seat.heard();
    }

    /// A limit closes the session, or has refused it something.
    pub(super) fn limited(&self, limit: Limit) {
        self.seat.limited(limit);
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
            self.mailbox.end(),
            Some(End::Close { code: REMOVED, .. } | End::HangUp { code: REMOVED, .. })
        )
    }

    /// From where on the personal stream comes here and to no other namespace of the client.
    pub(super) fn claims(&self) -> Option<&Start> {
        self.translator.personal.as_ref().filter(|_| self.space.is_personal())
    }

    /// From where on the personal stream comes to another namespace, and not here.
    pub(super) fn yields(&mut self, start: Option<Start>) {
        if self.space.is_main() {
            self.translator.yields(start);
        }
    }

    /// Another connection carries the session: faults that act on bytes act there.
    pub(super) fn moved(&mut self, app: &App, link: &Arc<Link>) {
        self.hit = app.faults.expose(self.user.clone(), Arc::clone(link), Arc::clone(&self.mailbox));
        self.seat.carried_by(Carrying::WebSocket);
    }

    pub(super) fn event(
        &mut self,
        name: &str,
        payload: Option<&RawValue>,
        ack: Option<u64>,
        outgoing: &mut Outgoing,
    ) {
        let ack = ack.filter(|_| self.answers);
        let wanted = ack.and_then(|_| self.translator.answers.next());
        if let (Some(ack), None) = (ack, wanted) {
            self.seat.limited(Limit::Acknowledgements);
            let no = answers::no(Code::Overloaded, "too many acknowledgements are waited for");
            return self.answer(ack, &no, outgoing);
        }
        let is_new = |room: &str| match name {
            "join_room" => self.translator.is_new(room),
            _ => self.translator.keeps_places(),
        };
        let frame = up::frame(&self.space, name, payload, wanted, is_new);
        match (frame, ack) {
            (Up::Frame { text, traced, room }, ack) => {
                match &room {
                    Some(room) if name == "join_room" => self.translator.joins(room),
                    Some(room) => self.translator.leaves(room),
                    None => {}
                }
                if let Some(ack) = ack {
                    self.translator.answers.wait(Waiting { ack, traced });
                }
                self.frames.push(text.into());
            }
            (Up::No { code, message }, Some(ack)) => {
                self.answer(ack, &answers::no(code, message), outgoing);
            }
            (Up::No { code: Code::Forbidden, message }, None) => self.error(message, outgoing),
            (Up::No { .. }, None) => {}
        }
    }

    fn answer(&self, ack: u64, answer: &str, outgoing: &mut Outgoing) {
        outgoing.push(packet::answer(self.space.prefix(), ack, answer));
    }

    fn error(&self, message: &str, outgoing: &mut Outgoing) {
        outgoing.push(packet::emit(self.space.prefix(), "error", &answers::message(message)));
    }

    /// Drops what still waits: the session ends at once.
    pub(super) fn hurry(&mut self) {
        self.late.clear();
    }

    pub(super) fn drained(&self) {
        self.seat.drained();
    }

    /// How many frames wait for the hub.
    pub(super) fn pending(&self) -> usize {
        self.frames.len()
    }

    /// Hands frames to the hub; `false` if it is to be left alone for a moment, because somebody's queue is long.
    pub(super) fn hand_over(&mut self) -> bool {
        if !self.frames.is_empty() {
            self.mailbox.awake();
            let taken = self.seat.frames(&self.frames);
            self.frames.drain(..taken.min(self.frames.len()));
        }
        self.frames.is_empty()
    }

    /// Moves what the hub has said to `outgoing`. Gives also how soon the server goes away, if it has said so.
    pub(super) fn take(
        &mut self,
        link: &Link,
        outgoing: &mut Outgoing,
        cx: &mut Context<'_>,
    ) -> (Taken, Option<Duration>) {
        let (late, out) = (self.late.holding(), outgoing.holding());
        let holding = (late.0 + out.0, late.1 + out.1);
        let mut taken = self.mailbox.take(&mut self.parcels, holding, cx.waker());
        self.late.hold(link, &mut self.parcels);
        self.late.release(link, &mut self.parcels, cx);
        if !self.parcels.is_empty() {
            taken = Taken::Parcels;
        } else if !self.late.is_empty() {
            // Whatever else there is comes after it.
            taken = Taken::Nothing;
        }
        let mut window = None;
        for parcel in self.parcels.drain(..) {
            match parcel {
                // The engine finds out by itself whether somebody is there.
                Parcel::Ping => self.seat.heard(),
                Parcel::Mark => outgoing.mark(self.number),
                Parcel::Garbage(text) => outgoing.push(packet::message(&text)),
                Parcel::Text(text) => match self.translator.down(&text) {
                    Down::Packet(packet) => {
                        if link.duplicate() {
                            outgoing.push(packet.clone());
                        }
                        outgoing.push(packet);
                    }
                    Down::Binary(packet, attachments) => {
                        for _ in 0..=usize::from(link.duplicate()) {
                            outgoing.push(packet.clone());
                            for bytes in &attachments {
                                outgoing.attach(bytes.clone());
                            }
                        }
                    }
                    Down::Missing => self.mailbox.cut("What it missed is not in the log any more"),
                    Down::GoingAway(ms) => window = Some(Duration::from_millis(ms)),
                    Down::Nothing => {}
                },
            }
        }
        (taken, window)
    }

    /// The user goes. `stays`: the server does, so that a client that was lost may come back.
    pub(super) fn leave(self, left: Left, stays: bool) {
        let is_removed = self.is_removed();
        self.seat.leave(left);
        // Where the session can be gone on with, the place is kept with it until it is known to be lost.
        drop(self.place);
        if let Some(recoverable) = self.recoverable
            && stays
            && matches!(left, Left::Gone(_))
            && !is_removed
        {
            recoverable.lose();
        }
    }
}

/// The personal stream is called otherwise there.
fn named_by_the_hub(rooms: &[RoomPosition], user: &Name) -> Vec<RoomPosition> {
    let mut rooms = rooms.to_vec();
    for position in rooms.iter_mut().filter(|position| &*position.room == ME) {
        position.room = stream_of(user);
    }
    rooms
}
