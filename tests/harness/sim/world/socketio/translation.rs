//! Turns the frames of a hub into what a Socket.IO server sends: events with offsets, answers to those who wait for one, and the end of a
//! connection where something is missing that will not come.

use super::SioEvent;
use super::serving::{FIRST, event, stream, trailing};
use crate::sim::action::{Trigger, TriggerSource};
use crate::sim::checker::place;
use crate::sim::socketio::{Delivered, FIRST_USER, Lost, Member};
use crate::sim::world::{SimEvent, World};
use rejoin::Name;
use rejoin::machine::{Disconnect, ServerMessage};
use rejoin::messages::{EntryMeta, Joined, Notification};
use rejoin::socketio::{Answer, ServerEvent, ServerPacket};
use rejoin_server::hub;

impl World {
    /// What the hub says to such a client; gives back what is for others.
    pub(in crate::sim::world) fn sio_hub_output(&mut self, output: hub::Output) -> Option<hub::Output> {
        use hub::Output as O;
        let (O::Send { conn, .. }
        | O::SendVolatile { conn, .. }
        | O::NotifyQueueDrained { conn }
        | O::Ping { conn }
        | O::Close { conn, .. }
        | O::Terminate { conn }
        | O::Restored { conn, .. }) = &output
        else {
            return Some(output);
        };
        let conn = *conn;
        let Some(index) = conn.0.checked_sub(FIRST).and_then(|index| usize::try_from(index).ok()) else {
            return Some(output);
        };
        match output {
            O::Send { text, .. } | O::SendVolatile { text, .. } => match self.sio_translates(index, &text) {
                Delivered::Packet(packet) => self.sio_says(index, *packet),
                Delivered::GoingAway(window) => {
                    // It cannot choose for itself when to go.
                    let wait = self.rng.u64(..=window);
                    let index = self.sio_carrier(index);
                    self.later(wait, SimEvent::SioEvent(SioEvent::Gone { conn: index }));
                    let lost = SioEvent::Lost { conn: index, how: Disconnect::Lost };
                    self.later(wait + self.sio_conns[index].latency, SimEvent::SioEvent(lost));
                }
                Delivered::Missing => {
                    let conn = self.sio_carrier(index);
                    self.later(0, SimEvent::SioEvent(SioEvent::Gone { conn }));
                }
                Delivered::Nothing => {}
            },
            O::NotifyQueueDrained { .. } => {
                self.sio_conns[index].draining = true;
                if !self.sio_conns[index].before_consent {
                    self.later(0, SimEvent::SioEvent(SioEvent::Drained { conn: index }));
                }
            }
            O::Ping { .. } => self.hub(hub::Input::Activity { conn }),
            O::Restored { restored: done, .. } => {
                self.sio_conns[index].is_restored = done;
                if done {
                    self.sio_is_restored(index);
                }
            }
            O::Close { code, .. } => {
                self.sio_forgotten(index);
                let how = if hub::is_retryable_close(code) {
                    Disconnect::Lost
                } else {
                    Disconnect::Closed { code, reason: "bye".into() }
                };
                self.sio_ends(index, how, false);
            }
            O::Terminate { .. } => {
                self.sio_forgotten(index);
                self.sio_ends(index, Disconnect::Lost, false);
            }
            _ => {}
        }
        None
    }

    /// The hub has forgotten a connection: its session may be recovered all the same.
    fn sio_forgotten(&mut self, index: usize) {
        let client = self.sio_conns[index].client;
        let Some(seat) = self.sio_conns[index].seat.take() else { return };
        if self.sios[client].plan.recovers.is_some() {
            self.sio_lost.insert(seat.pid.clone(), Lost { client, at: self.now, seat });
        }
    }

    /// The session goes on: the checker knows in which rooms it is, and the consent may be said before what was missed.
    fn sio_is_restored(&mut self, index: usize) {
        let client = self.sio_conns[index].client;
        let rooms = self.sio_conns[index].seat.as_ref().map_or(Vec::new(), Member::rooms);
        let places: Vec<u32> = rooms.iter().map(|room| place(room, FIRST_USER + client)).collect();
        self.checker.sio_goes_on(client, &places);
        self.sio_conns[index].restored = Some(places);
        self.moment(TriggerSource::Sio(client), Trigger::Restored);
        if !self.sios[client].plan.missed_first {
            self.sio_consents(index);
        }
    }

    fn sio_translates(&mut self, index: usize, text: &str) -> Delivered {
        let Ok(message) = self.decoder.decode(text) else { return Delivered::Nothing };
        let client = self.sio_conns[index].client;
        let recovers = self.sios[client].plan.recovers.is_some();
        let Some(seat) = self.sio_conns[index].seat.as_mut() else { return Delivered::Nothing };
        let mut placed = |room: &Name, stamp: Option<&EntryMeta>| {
            let Some(stamp) = stamp else { return Ok(None) };
            let offset = seat.sends(room, &stamp.epoch, stamp.seq)?;
            Ok::<_, ()>(offset.filter(|_| recovers).map(trailing))
        };
        match message {
            ServerMessage::Message(message) => {
                let Ok(trailing) = placed(&message.room, message.entry.as_deref()) else {
                    return Delivered::Missing;
                };
                let message = message.with_entry(None);
                let event = ServerEvent { trailing, ..event(ServerMessage::Message(message)) };
                Delivered::Packet(Box::new(ServerPacket::Event(event)))
            }
            ServerMessage::Notification(notification) => {
                let Ok(trailing) = placed(&stream(client), notification.entry.as_ref()) else {
                    return Delivered::Missing;
                };
                let own = notification.data.clone();
                let notification = Box::new(Notification { entry: None, ..*notification });
                let event = event(ServerMessage::Notification(notification));
                let event = ServerEvent { trailing, data_before_trailing: own, ..event };
                Delivered::Packet(Box::new(ServerPacket::Event(event)))
            }
            ServerMessage::Ack(ack) => {
                let answer =
                    Answer::Done { id: Some(ack.id), seq: Some(ack.seq), members: None, answer: None };
                self.sio_answers(index, ack.reference.as_str(), answer)
            }
            ServerMessage::Nack(nack) => {
                let Some(reference) = &nack.reference else { return Delivered::Nothing };
                let answer = Answer::Refused {
                    code: nack.code,
                    retry: nack.retry,
                    retry_after_ms: nack.retry_after_ms,
                    message: None,
                    answer: None,
                };
                self.sio_answers(index, reference.as_str(), answer)
            }
            ServerMessage::Joined(joined) => self.sio_joined(index, *joined),
            ServerMessage::Error { detail: Some(refusal), .. } => {
                let Some(reference) = &refusal.reference else { return Delivered::Nothing };
                if !seat.waiting.contains_key(reference.as_str()) {
                    // Whoever gets no answer takes that for a yes: it has to come back.
                    return Delivered::Missing;
                }
                let answer = Answer::Refused {
                    code: refusal.code,
                    retry: refusal.retry,
                    retry_after_ms: refusal.retry_after_ms,
                    message: None,
                    answer: None,
                };
                self.sio_answers(index, reference.as_str(), answer)
            }
            ServerMessage::UserJoined { .. } | ServerMessage::Error { .. } => {
                Delivered::Packet(Box::new(ServerPacket::Event(event(message))))
            }
            ServerMessage::GoingAway(going) => Delivered::GoingAway(going.window_ms * 1000),
            ServerMessage::Presence(presence) => {
                self.sio_presence_of.get_or_insert_default().push(presence.room);
                Delivered::Nothing
            }
            _ => Delivered::Nothing,
        }
    }

    fn sio_joined(&mut self, index: usize, joined: Joined) -> Delivered {
        let client = self.sio_conns[index].client;
        let own = joined.room == *rejoin::PERSONAL_ROOM;
        let room = if own { stream(client) } else { joined.room };
        let at = place(if own { rejoin::PERSONAL_ROOM } else { &room }, FIRST_USER + client);
        if let Some(seat) = self.sio_conns[index].seat.as_mut() {
            seat.enters(&room, &joined.epoch, joined.seq);
        }
        self.observe();
        self.checker.sio_enters(client, at);
        let name = self.sios[client].name.clone();
        self.checker.member_back(at, &name);
        if !own {
            self.sios[client].listed.entry(room).or_default().push(joined.members.clone());
        }
        let answer = Answer::Done { id: None, seq: None, members: joined.members, answer: None };
        self.sio_answers(index, joined.reference.as_str(), answer)
    }

    /// The hub has answered: whoever waits is told.
    fn sio_answers(&mut self, index: usize, reference: &str, answer: Answer) -> Delivered {
        let client = self.sio_conns[index].client;
        let seat = self.sio_conns[index].seat.as_mut();
        let Some(ack) = seat.and_then(|seat| seat.waiting.remove(reference)) else {
            return Delivered::Nothing;
        };
        if let Some(number) = self.sio_numbers.remove(&(index, ack)) {
            let said = match &answer {
                Answer::Done { id, seq, .. } => Ok((id.clone(), *seq)),
                Answer::Refused { code, .. } => Err(*code),
            };
            self.checker.sio_answers(client, number, said);
        }
        Delivered::Packet(Box::new(ServerPacket::Ack { id: ack, answer: Box::new(answer) }))
    }
}
