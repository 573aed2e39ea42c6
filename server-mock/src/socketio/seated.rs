//! A session that the hub knows: its seat, its queue, and the translation between the two protocols.

use super::answers::{self, Waiting};
use super::down::{Down, Translator};
use super::outgoing::Outgoing;
use super::packet;
use super::up::{self, Up};
use crate::app::App;
use crate::auth::Identity;
use crate::faults::{Hit, Late, Link};
use crate::gate::Cause;
use crate::mailbox::{End, Mailbox, Parcel, Taken};
use crate::session_log::{Left, Origin};
use crate::switchboard::Seat;
use rejoin::Name;
use rejoin::messages::Code;
use serde_json::value::RawValue;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// The user's personal stream, which nobody has to ask for here.
const JOIN_ME: &str = r#"{"type":"join_room","roomId":"@me","ref":"0"}"#;

pub(super) struct Seated {
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
}

impl Seated {
    /// Takes a seat, or says with which close code the hub refuses one.
    pub(super) fn new(
        app: &App,
        identity: Identity,
        positions: bool,
        client: IpAddr,
        link: &Arc<Link>,
    ) -> Result<Self, End> {
        let user = identity.user.clone();
        let mailbox = Arc::new(Mailbox::new(app.limits.queue_frames, app.limits.queue_bytes));
        let origin = Origin { client, protocol: "socketio" };
        let seat = app.switchboard.connect(identity, true, origin, Arc::clone(&mailbox));
        if let Some(end) = mailbox.end() {
            app.gate.refusals.note(Cause::User, client);
            return Err(end);
        }
        let hit = app.faults.expose(user.clone(), Arc::clone(link), Arc::clone(&mailbox));
        let frames = if app.extended { vec![Utf8Bytes::from_static(JOIN_ME)] } else { Vec::new() };
        let translator = Translator::new(positions);
        let (parcels, late) = (VecDeque::new(), Late::default());
        Ok(Self { user, seat, mailbox, hit, frames, parcels, late, translator, answers: app.extended })
    }

    /// Another connection carries the session: faults that act on bytes act there.
    pub(super) fn moved(&mut self, app: &App, link: &Arc<Link>) {
        self.hit = app.faults.expose(self.user.clone(), Arc::clone(link), Arc::clone(&self.mailbox));
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
            let no = answers::no(Code::Overloaded, "too many acknowledgements are waited for");
            return outgoing.push(packet::answer(ack, &no));
        }
        match (up::frame(name, payload, wanted), ack) {
            (Up::Frame { text, traced }, ack) => {
                if let Some(ack) = ack {
                    self.translator.answers.wait(Waiting { ack, traced });
                }
                self.frames.push(text.into());
            }
            (Up::No { code, message }, Some(ack)) => {
                outgoing.push(packet::answer(ack, &answers::no(code, message)));
            }
            (Up::No { .. }, None) => {}
        }
    }

    /// An event with attachments: nothing here has any.
    pub(super) fn binary_event(&self, ack: Option<u64>, outgoing: &mut Outgoing) {
        let message = "this server takes no binary attachments";
        match ack.filter(|_| self.answers) {
            Some(ack) => outgoing.push(packet::answer(ack, &answers::no(Code::BadRequest, message))),
            None => outgoing.push(packet::emit("error", &answers::message(message))),
        }
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
                Parcel::Mark => outgoing.mark(),
                Parcel::Garbage(text) => outgoing.push(packet::message(&text)),
                Parcel::Text(text) => match self.translator.down(&text) {
                    Down::Packet(packet) => {
                        if link.duplicate() {
                            outgoing.push(packet.clone());
                        }
                        outgoing.push(packet);
                    }
                    Down::GoingAway(ms) => window = Some(Duration::from_millis(ms)),
                    Down::Nothing => {}
                },
            }
        }
        (taken, window)
    }

    /// The user goes.
    pub(super) fn leave(self, left: Left) {
        self.seat.leave(left);
    }
}
