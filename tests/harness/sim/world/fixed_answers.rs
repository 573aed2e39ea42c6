//! A server that gives the same answer to every request of a kind, without executing it.

use super::World;
use crate::sim::Micros;
use crate::sim::action::FixedAnswer;
use crate::sim::coverage::Sometimes;
use crate::sim::net::{Packet, Way};
use rejoin::Id;
use rejoin::machine::{ClientMessage, ServerMessage};
use rejoin::messages::json::{decode_client, encode_server};
use rejoin::messages::{Code, ErrorDetail, History, Nack};

impl World {
    /// Answers in the place of the server; `false` if the server is to answer itself.
    pub(super) fn answers_stubbornly(&mut self, index: usize, text: &str) -> bool {
        // One that has not said `hello` yet answers nothing.
        if self.stubborn.is_empty() || !self.conns[index].extended || self.is_mute(index) {
            return false;
        }
        let (client, now) = (self.conns[index].client, self.now);
        self.stubborn.retain(|(_, _, until)| *until > now);
        let Ok(Some(message)) = decode_client(text) else { return false };
        // Who is a member is not kept out.
        let is_in = |room: &rejoin::Name| self.conns[index].rooms.iter().any(|at| Self::room(*at) == *room);
        let member = matches!(&message, ClientMessage::JoinRoom { room, .. } if is_in(room));
        let fits = |what: &FixedAnswer| !(member && matches!(what, FixedAnswer::Refuse(_)));
        let mut ours = self.stubborn.iter().filter(|(of, what, _)| *of == client && fits(what));
        let Some(answer) = ours.find_map(|(_, what, _)| answer(*what, &message, now)) else { return false };
        self.checker.cover.reach(Sometimes::AnsweredStubbornly);
        match answer {
            Answer::Text(text) => {
                self.conns[index].tampered = true;
                self.checker.tampered(index);
                self.say(index, text);
            }
            Answer::Close(code) => {
                self.write(index, Way::Down, Packet::Close(code));
                self.server_hangs_up(index, false);
            }
        }
        true
    }
}

/// What comes back.
enum Answer {
    Text(String),
    Close(u16),
}

/// What is said to a message, if it is of the kind in question.
fn answer(what: FixedAnswer, message: &ClientMessage, now: Micros) -> Option<Answer> {
    let what = match what {
        FixedAnswer::NackInTurn(code) => FixedAnswer::Nack(
            code,
            [Some(0), Some(6_000), Some(400), None, Some(2_500)][(now / 7 % 5) as usize],
        ),
        other => other,
    };
    let text = match (what, message) {
        // A member's first contact is not told that it is none.
        (FixedAnswer::Nack(Code::NotJoined, _), ClientMessage::SendMessage { tag: Some(tag), .. })
            if tag.producer.is_none() =>
        {
            return None;
        }
        (FixedAnswer::Nack(code, retry_after_ms), ClientMessage::SendMessage { tag: Some(tag), .. }) => {
            let expected = tag.producer.as_ref().map(|line| line.pseq).filter(|_| code == Code::SequenceGap);
            let nack = Nack {
                reference: Some(tag.reference.clone()),
                code,
                retry: code != Code::UnknownProducer,
                retry_after_ms,
                expected,
                dup: false,
                message: "no".into(),
                server_code: None,
            };
            encode_server(&ServerMessage::Nack(Box::new(nack)))
        }
        (FixedAnswer::Join(code, after), ClientMessage::JoinRoom { room, request: Some(request) }) => {
            refusal(&request.reference, room, code, true, after)
        }
        (FixedAnswer::Refuse(code), ClientMessage::JoinRoom { room, request: Some(request) }) => {
            refusal(&request.reference, room, code, false, None)
        }
        (FixedAnswer::History(code, after), ClientMessage::History(request)) => {
            refusal(&request.reference, &request.room, code, true, after)
        }
        (FixedAnswer::NoHistory | FixedAnswer::OtherEpoch, ClientMessage::History(request)) => {
            let other = Id::from_bits(now, 7);
            let history = History {
                reference: request.reference.clone(),
                room: request.room.clone(),
                epoch: if what == FixedAnswer::OtherEpoch { other } else { request.epoch.clone() },
                messages: Vec::new(),
                complete: true,
            };
            encode_server(&ServerMessage::History(Box::new(history)))
        }
        (FixedAnswer::Close(code), ClientMessage::JoinRoom { .. }) => return Some(Answer::Close(code)),
        _ => return None,
    };
    text.map(Answer::Text)
}

fn refusal(
    reference: &Id,
    room: &rejoin::Name,
    code: Code,
    retry: bool,
    retry_after_ms: Option<u64>,
) -> Option<String> {
    let (reference, room) = (Some(reference.clone()), Some(room.clone()));
    let refusal = ErrorDetail { reference, room, code, retry, retry_after_ms, server_code: None };
    encode_server(&ServerMessage::Error { message: "no".into(), detail: Some(Box::new(refusal)) })
}
