//! From a frame of the hub to what a Socket.IO client is told.

use super::answers::{self, Answers};
use super::packet;
use crate::hub::Text;
use rejoin::ServerMessage;
use rejoin::messages::json::{ServerDecoder, encode_server};
use rejoin::messages::{Message, Ref};

/// What becomes of a frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Down {
    /// An engine packet goes out.
    Packet(String),
    /// The server goes away within so many milliseconds.
    GoingAway(u64),
    /// It is not for Socket.IO clients, or nobody waits for it.
    Nothing,
}

#[derive(Debug, Default)]
pub(super) struct Translator {
    decoder: ServerDecoder,
    pub(super) answers: Answers,
    /// The client wants to know where in their logs messages are.
    positions: bool,
}

impl Translator {
    pub(super) fn new(positions: bool) -> Self {
        Self { positions, ..Self::default() }
    }

    pub(super) fn down(&mut self, text: &Text) -> Down {
        use ServerMessage as M;
        let Ok(message) = self.decoder.decode(text) else {
            // Nothing that the hub says: a fault on purpose.
            return Down::Packet(packet::message(text));
        };
        match message {
            M::Message(Message { room, user, content, timestamp, stamp, .. }) => {
                let position =
                    stamp.filter(|_| self.positions).map(|stamp| answers::position(&stamp.position()));
                event("message", &M::Message(Message::plain(room, user, content, timestamp)), position)
            }
            M::Ack(ack) => {
                let positions = self.positions;
                self.answer(&ack.reference, |_| answers::sent(&ack, positions))
            }
            M::Nack(nack) => match &nack.reference {
                Some(reference) => self.answer(reference, |_| answers::nack(&nack)),
                None => Down::Nothing,
            },
            M::Joined(joined) => self.answer(&joined.reference, |traced| answers::joined(&joined, traced)),
            M::Error { message, refusal } => {
                let answered = refusal.as_ref().and_then(|refusal| {
                    let waiting = self.answers.take(refusal.reference.as_ref()?)?;
                    Some(packet::answer(waiting.ack, &answers::refusal(refusal, &message)))
                });
                answered
                    .map_or_else(|| event("error", &M::Error { message, refusal: None }, None), Down::Packet)
            }
            M::Left(left) => match &left.reference {
                Some(reference) => self.answer(reference, |_| answers::left(&left.room)),
                None => event("left", &M::Left(left), None),
            },
            M::AuthOk(ok) => self.answer(&ok.reference, |_| answers::renewed(ok.expires_in_ms)),
            M::UserJoined { .. } => event("user_joined", &message, None),
            M::UserLeft { .. } => event("user_left", &message, None),
            M::Presence(_) => event("presence", &message, None),
            M::Signal(_) => event("signal", &message, None),
            M::Notification(_) => event("notification", &message, None),
            M::AuthExpiring { .. } => event("auth_expiring", &message, None),
            M::GoingAway(going) => Down::GoingAway(going.window_ms),
            // Nothing that can be asked for here is answered by the others.
            _ => Down::Nothing,
        }
    }

    fn answer(&mut self, reference: &Ref, answer: impl FnOnce(bool) -> String) -> Down {
        self.answers.take(reference).map_or(Down::Nothing, |waiting| {
            Down::Packet(packet::answer(waiting.ack, &answer(waiting.traced)))
        })
    }
}

/// The frame without its `type`, which is the event's name.
fn event(name: &str, message: &ServerMessage, more: Option<String>) -> Down {
    let text = encode_server(message).unwrap_or_default();
    // The type comes first and has no comma in it.
    let Some((_, fields)) = text.split_once(',') else { return Down::Nothing };
    let more = more.map(|more| format!(",{more}")).unwrap_or_default();
    Down::Packet(packet::emit(name, &format!("{{{fields}{more}")))
}

#[cfg(test)]
mod tests {
    use super::super::answers::Waiting;
    use super::*;

    fn translated(translator: &mut Translator, frame: &str) -> String {
        match translator.down(&Text::from(String::from(frame))) {
            Down::Packet(packet) => packet,
            other => panic!("{other:?}"),
        }
    }

    fn waiting(traced: bool) -> Translator {
        let mut translator = Translator::default();
        translator.answers.wait(Waiting { ack: 9, traced });
        translator
    }

    const MESSAGE: &str = r#"{"type":"message","roomId":"a","userId":"u","content":"c, d","timestamp":"t","id":"i","epoch":"e","seq":4,"pid":"p","pseq":1,"data":[1]}"#;

    #[test]
    fn a_message_has_the_plain_fields_and_no_other() {
        assert_eq!(
            translated(&mut Translator::default(), MESSAGE),
            r#"42["message",{"roomId":"a","userId":"u","content":"c, d","timestamp":"t"}]"#
        );
    }

    #[test]
    fn who_wants_positions_gets_them_beside_the_message() {
        let mut translator = Translator::new(true);
        assert_eq!(
            translated(&mut translator, MESSAGE),
            r#"42["message",{"roomId":"a","userId":"u","content":"c, d","timestamp":"t"},{"epoch":"e","seq":4,"id":"i"}]"#
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
            let got = translated(&mut Translator::default(), frame);
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
        let mut translator = Translator::default();
        let mut down = |frame: &str| translator.down(&Text::from(String::from(frame)));
        assert_eq!(
            down(r#"{"type":"ack","ref":"1","roomId":"a","id":"i","epoch":"e","seq":4}"#),
            Down::Nothing
        );
        assert_eq!(down(r#"{"type":"pong","t":1}"#), Down::Nothing);
        assert_eq!(down(r#"{"type":"going_away","windowMs":70}"#), Down::GoingAway(70));
        let refused = r#"{"type":"error","ref":"0","code":"bad_request","retry":false,"message":"m"}"#;
        assert_eq!(down(refused), Down::Packet(String::from(r#"42["error",{"message":"m"}]"#)));
    }

    #[test]
    fn what_is_no_frame_goes_out_as_it_is() {
        assert_eq!(translated(&mut Translator::default(), "}garbage{"), "4}garbage{");
    }
}
