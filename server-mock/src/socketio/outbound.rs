//! Translates frames of the hub into events for a client.

use super::acks::{self, PendingAcks};
use super::binary;
use super::deliveries::{Hole, SharedDeliveries, lock};
use super::namespaces::Namespace;
use super::packet;
use super::recovery::Claimed;
use crate::hub::{PERSONAL_ROOM, Text};
use rejoin::Name;
use rejoin::machine::ServerMessage;
use rejoin::messages::json::{ServerDecoder, encode_server};
use rejoin::messages::{EntryMeta, Epoch, Message, Notification, Ref};
use std::collections::BTreeSet;
use tokio_tungstenite::tungstenite::Bytes;

/// What becomes of a frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum OutboundEvent {
    /// An engine packet goes out.
    Packet(String),
    /// The same, and its attachments.
    Binary(String, Vec<Bytes>),
    /// The server goes away within so many milliseconds.
    GoingAway(u64),
    /// It is not for Socket.IO clients, or nobody waits for it.
    Nothing,
    /// What comes before it is missing for good, and the client must not believe that it has it.
    Missing,
}

#[derive(Debug)]
pub(super) struct Translator {
    namespace: Namespace,
    decoder: ServerDecoder,
    pub(super) answers: PendingAcks,
    /// The client wants to know where in their logs messages are.
    positions: bool,
    /// The personal stream is asked for, and not answered yet.
    pub(super) joins_personal: bool,
    /// From where on the personal stream comes here, once it is joined.
    pub(super) personal: Option<Start>,
    /// From where on it comes to another namespace of the same client, and not here.
    elsewhere: Option<Start>,
    /// The same in a session that was recovered, until the other namespace is there again.
    kept_elsewhere: Option<Start>,
    /// What can be gone on from, where sessions can be recovered.
    deliveries: Option<SharedDeliveries>,
    /// Rooms whose joins are not answered yet.
    joining: BTreeSet<Name>,
}

/// A place in the personal stream: what follows it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Start {
    epoch: Epoch,
    after: u64,
}

impl Start {
    fn covers(&self, notification: &Notification) -> bool {
        // A stream under another epoch is a later one: there was none when this was joined.
        let stamp = notification.entry.as_ref();
        stamp.is_none_or(|stamp| stamp.epoch != self.epoch || stamp.seq > self.after)
    }
}

impl Translator {
    pub(super) fn new(namespace: Namespace, positions: bool, deliveries: Option<SharedDeliveries>) -> Self {
        Self {
            namespace,
            decoder: ServerDecoder::default(),
            answers: PendingAcks::default(),
            positions,
            joins_personal: false,
            personal: None,
            elsewhere: None,
            kept_elsewhere: None,
            deliveries,
            joining: BTreeSet::new(),
        }
    }

    /// Goes on with a session that was lost.
    pub(super) fn resumes(&mut self, claimed: &Claimed) {
        let stream = claimed.rooms.iter().find(|position| &*position.room == PERSONAL_ROOM);
        let start = stream.map(|position| Start { epoch: position.epoch.clone(), after: position.after });
        if self.namespace.is_personal() {
            self.personal = start;
        } else if claimed.elsewhere {
            self.kept_elsewhere = start;
            self.tell_elsewhere();
        }
    }

    /// From where on the personal stream comes to another namespace, and not here.
    pub(super) fn yields(&mut self, start: Option<Start>) {
        if self.elsewhere != start {
            if start.is_some() {
                self.kept_elsewhere = None;
            }
            self.elsewhere = start;
            self.tell_elsewhere();
        }
    }

    fn tell_elsewhere(&self) {
        if let Some(deliveries) = &self.deliveries {
            lock(deliveries).set_elsewhere(self.elsewhere.is_some() || self.kept_elsewhere.is_some());
        }
    }

    /// Whether it is not known where the client is in a room, and is to be known.
    pub(super) fn is_new(&self, room: &str) -> bool {
        self.deliveries.as_ref().is_some_and(|known| !lock(known).is_in(room) && !self.joining.contains(room))
    }

    /// Whether it is to be known in which rooms the client is.
    pub(super) fn keeps_places(&self) -> bool {
        self.deliveries.is_some()
    }

    /// The client asks for a room.
    pub(super) fn joins(&mut self, room: &str) {
        if self.is_new(room) {
            self.joining.insert(Name::from(room));
        }
    }

    /// The client leaves a room, which it may have said while messages of it were on their way.
    pub(super) fn leaves(&mut self, room: &str) {
        if let Some(deliveries) = &self.deliveries {
            lock(deliveries).left(room);
        }
    }

    /// The place of an entry as the last argument of its event, if it has one.
    fn offset(&self, room: &str, stamp: Option<&EntryMeta>) -> Result<Option<String>, Hole> {
        let (Some(deliveries), Some(stamp)) = (&self.deliveries, stamp) else { return Ok(None) };
        let offset = lock(deliveries).sent(room, &stamp.epoch, stamp.seq)?;
        Ok(offset.map(|offset| format!("\"{offset}\"")))
    }

    pub(super) fn down(&mut self, text: &Text) -> OutboundEvent {
        use ServerMessage as M;
        let Ok(message) = self.decoder.decode(text) else {
            // Nothing that the hub says: a fault on purpose.
            return OutboundEvent::Packet(packet::message(text));
        };
        match message {
            M::Message(Message { room, user, content, timestamp, data, entry: stamp, .. }) => {
                let Ok(offset) = self.offset(&room, stamp.as_deref()) else { return OutboundEvent::Missing };
                let position =
                    stamp.filter(|_| self.positions).map(|stamp| acks::position(&stamp.position()));
                let room = self.namespace.client_room(room);
                let message = Message::plain(room, user, content, timestamp).with_data(data);
                self.event("message", &M::Message(message), &[position, offset])
            }
            M::Ack(ack) => {
                let positions = self.positions;
                self.answer(&ack.reference, |_| acks::sent(&ack, positions))
            }
            M::Nack(nack) => match &nack.reference {
                Some(reference) => self.answer(reference, |_| acks::nack(&nack)),
                None => OutboundEvent::Nothing,
            },
            M::Joined(mut joined) => {
                if &*joined.room == PERSONAL_ROOM {
                    self.joins_personal = false;
                    let start = Start { epoch: joined.epoch.clone(), after: joined.seq };
                    self.personal.get_or_insert(start);
                }
                self.joining.remove(&joined.room);
                if let Some(deliveries) = &self.deliveries {
                    lock(deliveries).joined(joined.room.clone(), &joined);
                }
                joined.room = self.namespace.client_room(joined.room);
                self.answer(&joined.reference, |wants_replay| acks::joined(&joined, wants_replay))
            }
            M::Error { message, detail: refusal } => {
                if let Some(room) = refusal.as_ref().and_then(|refusal| refusal.room.as_ref()) {
                    self.joining.remove(room);
                    self.joins_personal &= **room != *PERSONAL_ROOM;
                }
                let answered = refusal.as_ref().and_then(|refusal| {
                    let waiting = self.answers.take(refusal.reference.as_ref()?)?;
                    let answer = acks::refusal(refusal, &message);
                    Some(packet::answer(self.namespace.prefix(), waiting.ack, &answer))
                });
                match answered {
                    Some(packet) => OutboundEvent::Packet(packet),
                    None => self.event("error", &M::Error { message, detail: None }, &[]),
                }
            }
            M::Left(mut left) => {
                self.leaves(&left.room);
                left.room = self.namespace.client_room(left.room);
                match &left.reference {
                    Some(reference) => self.answer(reference, |_| acks::left(&left.room)),
                    None => self.event("left", &M::Left(left), &[]),
                }
            }
            M::AuthOk(ok) => self.answer(&ok.reference, |_| acks::renewed(ok.expires_in_ms)),
            M::UserJoined { room, user } => self.event(
                "user_joined",
                &M::UserJoined { room: self.namespace.client_room(room), user },
                &[],
            ),
            M::UserLeft { room, user } => {
                self.event("user_left", &M::UserLeft { room: self.namespace.client_room(room), user }, &[])
            }
            M::Presence(mut presence) => {
                presence.room = self.namespace.client_room(presence.room);
                self.event("presence", &M::Presence(presence), &[])
            }
            M::Signal(mut signal) => {
                signal.room = self.namespace.client_room(signal.room);
                self.event("signal", &M::Signal(signal), &[])
            }
            M::Notification(notification) => {
                let stamp = notification.entry.as_ref();
                let elsewhere = self.elsewhere.as_ref().or(self.kept_elsewhere.as_ref());
                if elsewhere.is_some_and(|start| start.covers(&notification)) {
                    if let (Some(deliveries), Some(stamp)) = (&self.deliveries, stamp) {
                        lock(deliveries).passed(PERSONAL_ROOM, stamp.seq);
                    }
                    return OutboundEvent::Nothing;
                }
                let Ok(offset) = self.offset(PERSONAL_ROOM, stamp) else { return OutboundEvent::Missing };
                self.event("notification", &M::Notification(notification), &[None, offset])
            }
            M::AuthExpiring { .. } => self.event("auth_expiring", &message, &[]),
            M::GoingAway(going) => OutboundEvent::GoingAway(going.window_ms),
            // Nothing that can be asked for here is answered by the others.
            _ => OutboundEvent::Nothing,
        }
    }

    fn answer(&mut self, reference: &Ref, answer: impl FnOnce(bool) -> String) -> OutboundEvent {
        self.answers.take(reference).map_or(OutboundEvent::Nothing, |waiting| {
            OutboundEvent::Packet(packet::answer(
                self.namespace.prefix(),
                waiting.ack,
                &answer(waiting.wants_replay),
            ))
        })
    }

    /// The frame without its `type`, which is the event's name.
    fn event<const N: usize>(
        &self,
        name: &str,
        message: &ServerMessage,
        more: &[Option<String>; N],
    ) -> OutboundEvent {
        let text = encode_server(message).unwrap_or_default();
        // The type comes first and has no comma in it.
        let Some((_, fields)) = text.split_once(',') else { return OutboundEvent::Nothing };
        let mut arguments = format!("{{{fields}");
        for argument in more.iter().flatten() {
            arguments.extend([",", argument]);
        }
        let prefix = self.namespace.prefix();
        match binary::take_out(&arguments) {
            None => OutboundEvent::Packet(packet::emit(prefix, name, &arguments)),
            Some((arguments, attachments)) => {
                let packet = packet::emit_binary(prefix, name, &arguments, attachments.len());
                OutboundEvent::Binary(packet, attachments)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::acks::Waiting;
    use super::super::namespaces::Namespaces;
    use super::*;

    fn translated(translator: &mut Translator, frame: &str) -> String {
        match translator.down(&Text::from(String::from(frame))) {
            OutboundEvent::Packet(packet) => packet,
            other => panic!("{other:?}"),
        }
    }

    fn translator_in(namespace: &str, positions: bool) -> Translator {
        let namespaces = Namespaces::new(&["/chat".parse().unwrap(), "/inbox=personal".parse().unwrap()]);
        Translator::new(namespaces.find(namespace).unwrap().clone(), positions, None)
    }

    fn translator() -> Translator {
        translator_in("/", false)
    }

    fn waiting(wants_replay: bool) -> Translator {
        let mut translator = translator();
        translator.answers.wait(Waiting { ack: 9, wants_replay });
        translator
    }

    const MESSAGE: &str = r#"{"type":"message","roomId":"a","userId":"u","content":"c, d","timestamp":"t","id":"i","epoch":"e","seq":4,"pid":"p","pseq":1,"data":[1]}"#;

    #[test]
    fn a_message_has_the_plain_fields_and_its_data() {
        assert_eq!(
            translated(&mut translator(), MESSAGE),
            r#"42["message",{"roomId":"a","userId":"u","content":"c, d","timestamp":"t","data":[1]}]"#
        );
    }

    #[test]
    fn bytes_are_attachments() {
        let frame = r#"{"type":"signal","roomId":"a","userId":"u","kind":"k","data":{"_binary":true,"base64":"AQID"}}"#;
        let packet =
            r#"451-["signal",{"roomId":"a","userId":"u","kind":"k","data":{"_placeholder":true,"num":0}}]"#;
        let down = translator().down(&Text::from(String::from(frame)));
        assert_eq!(down, OutboundEvent::Binary(String::from(packet), vec![Bytes::from_static(&[1, 2, 3])]));
    }

    #[test]
    fn who_wants_positions_gets_them_beside_the_message() {
        let mut translator = translator_in("/", true);
        assert_eq!(
            translated(&mut translator, MESSAGE),
            r#"42["message",{"roomId":"a","userId":"u","content":"c, d","timestamp":"t","data":[1]},{"epoch":"e","seq":4,"id":"i"}]"#
        );
    }

    #[test]
    fn what_concerns_a_room_is_an_event_of_its_name() {
        for (frame, packet) in [
            (
                r#"{"type":"user_joined","roomId":"a","userId":"u"}"#,
                r#"42["user_joined",{"roomId":"a","userId":"u"}]"#,
            ),
            (
                r#"{"type":"user_left","roomId":"a","userId":"u"}"#,
                r#"42["user_left",{"roomId":"a","userId":"u"}]"#,
            ),
            (r#"{"type":"error","message":"m"}"#, r#"42["error",{"message":"m"}]"#),
            (
                r#"{"type":"presence","roomId":"a","members":["u"]}"#,
                r#"42["presence",{"roomId":"a","members":["u"]}]"#,
            ),
            (
                r#"{"type":"signal","roomId":"a","userId":"u","kind":"typing"}"#,
                r#"42["signal",{"roomId":"a","userId":"u","kind":"typing"}]"#,
            ),
            (
                r#"{"type":"notification","id":"i","epoch":"e","seq":1,"kind":"k","data":{}}"#,
                r#"42["notification",{"id":"i","epoch":"e","seq":1,"kind":"k","data":{}}]"#,
            ),
            (
                r#"{"type":"left","roomId":"a","code":"forbidden"}"#,
                r#"42["left",{"roomId":"a","code":"forbidden"}]"#,
            ),
        ] {
            let got = translated(&mut translator(), frame);
            let value = |text: &str| serde_json::from_str::<serde_json::Value>(&text[2..]).unwrap();
            assert_eq!(value(&got), value(packet));
        }
    }

    #[test]
    fn each_answer_goes_to_who_asked() {
        for (frame, packet) in [
            (
                r#"{"type":"ack","ref":"1","roomId":"a","id":"i","epoch":"e","seq":4,"timestamp":"t"}"#,
                r#"439[{"ok":true,"id":"i","seq":4,"timestamp":"t"}]"#,
            ),
            (
                r#"{"type":"nack","ref":"1","code":"rate_limited","retry":true,"retryAfterMs":5,"message":"m"}"#,
                r#"439[{"ok":false,"code":"rate_limited","retry":true,"retryAfterMs":5,"message":"m"}]"#,
            ),
            (
                r#"{"type":"joined","ref":"1","roomId":"a","epoch":"e","seq":4,"replay":0,"recovered":false,"reason":"fresh","members":["u"]}"#,
                r#"439[{"ok":true,"roomId":"a","members":["u"]}]"#,
            ),
            (
                r#"{"type":"error","ref":"1","roomId":"a","code":"room_full","retry":true,"message":"m"}"#,
                r#"439[{"ok":false,"code":"room_full","retry":true,"message":"m"}]"#,
            ),
            (r#"{"type":"left","ref":"1","roomId":"a"}"#, r#"439[{"ok":true,"roomId":"a"}]"#),
            (r#"{"type":"auth_ok","ref":"1","expiresInMs":7}"#, r#"439[{"ok":true,"expiresInMs":7}]"#),
        ] {
            let mut translator = waiting(false);
            assert_eq!(translated(&mut translator, frame), packet);
        }
    }

    #[test]
    fn a_join_that_asked_for_history_is_told_where_it_is() {
        let frame = r#"{"type":"joined","ref":"1","roomId":"a","epoch":"e","seq":4,"replay":2,"recovered":false,"reason":"trimmed","memberCount":200}"#;
        assert_eq!(
            translated(&mut waiting(true), frame),
            r#"439[{"ok":true,"roomId":"a","memberCount":200,"epoch":"e","seq":4,"replay":2,"recovered":false,"reason":"trimmed"}]"#
        );
    }

    #[test]
    fn an_answer_nobody_waits_for_is_dropped_but_an_error_is_told() {
        let mut translator = translator();
        let mut down = |frame: &str| translator.down(&Text::from(String::from(frame)));
        assert_eq!(
            down(r#"{"type":"ack","ref":"1","roomId":"a","id":"i","epoch":"e","seq":4}"#),
            OutboundEvent::Nothing
        );
        assert_eq!(down(r#"{"type":"pong","t":1}"#), OutboundEvent::Nothing);
        assert_eq!(down(r#"{"type":"going_away","windowMs":70}"#), OutboundEvent::GoingAway(70));
        let refused = r#"{"type":"error","ref":"0","code":"bad_request","retry":false,"message":"m"}"#;
        assert_eq!(down(refused), OutboundEvent::Packet(String::from(r#"42["error",{"message":"m"}]"#)));
    }

    #[test]
    fn rooms_of_a_namespace_are_called_there_as_its_clients_call_them() {
        for (frame, packet) in [
            (
                r#"{"type":"message","roomId":"/chat,a","userId":"u","content":"c","timestamp":"t"}"#,
                r#"42/chat,["message",{"roomId":"a","userId":"u","content":"c","timestamp":"t"}]"#,
            ),
            (
                r#"{"type":"user_joined","roomId":"/chat,a","userId":"u"}"#,
                r#"42/chat,["user_joined",{"roomId":"a","userId":"u"}]"#,
            ),
            (
                r#"{"type":"left","roomId":"/chat,a","code":"forbidden"}"#,
                r#"42/chat,["left",{"roomId":"a","code":"forbidden"}]"#,
            ),
        ] {
            assert_eq!(translated(&mut translator_in("/chat", false), frame), packet);
        }
        let mut translator = translator_in("/chat", false);
        translator.answers.wait(Waiting { ack: 9, wants_replay: false });
        let joined = r#"{"type":"joined","ref":"1","roomId":"/chat,a","epoch":"e","seq":4,"replay":0,"recovered":false,"reason":"fresh","members":["u"]}"#;
        assert_eq!(
            translated(&mut translator, joined),
            r#"43/chat,9[{"ok":true,"roomId":"a","members":["u"]}]"#
        );
    }

    #[test]
    fn the_personal_stream_comes_to_one_namespace_of_a_client() {
        let notification = |seq: u64| {
            Text::from(format!(
                r#"{{"type":"notification","id":"i{seq}","epoch":"e","seq":{seq},"kind":"k"}}"#
            ))
        };
        let joined = r#"{"type":"joined","ref":"0","roomId":"@me","epoch":"e","seq":4,"replay":0,"recovered":false,"reason":"fresh"}"#;
        let (mut main, mut inbox) = (translator(), translator_in("/inbox", false));
        assert_eq!(inbox.down(&Text::from(String::from(joined))), OutboundEvent::Nothing);
        main.yields(inbox.personal.clone());
        assert!(
            matches!(main.down(&notification(4)), OutboundEvent::Packet(_)),
            "it was there before the other one"
        );
        assert_eq!(main.down(&notification(5)), OutboundEvent::Nothing);
        let OutboundEvent::Packet(packet) = inbox.down(&notification(5)) else { panic!() };
        assert!(packet.starts_with(r#"42/inbox,["notification",{"#), "{packet}");
        main.yields(None);
        assert!(matches!(main.down(&notification(6)), OutboundEvent::Packet(_)));
    }

    #[test]
    fn what_is_no_frame_goes_out_as_it_is() {
        assert_eq!(translated(&mut translator(), "}garbage{"), "4}garbage{");
    }
}
