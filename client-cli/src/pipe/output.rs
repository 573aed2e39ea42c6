//! What `pipe` prints: event to JSON line, nothing else (interfaces.md, "`pipe`, stdout").

use super::input::BadLine;
use crate::json_safe::write_line;
use rejoin::{Cause, DeliveryStatus, Event, Mode, RoomState, SendFailure, State, StateChange, Timestamp};
use serde::Serialize;

/// One line: every field of every event, absent where it does not apply.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Printed<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#ref: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    room_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<&'a str>,
    /// `null` when a gap's end is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_in_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Code>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
}

/// A close code or HTTP status is a number, the code of an error or a delivery is a word.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Code {
    Number(u16),
    Word(&'static str),
}

/// Prints one event; a delivery needs its `ref` and goes through [`delivery`]. `now` is the clock that the
/// events' times are on.
pub(crate) fn event(out: &mut Vec<u8>, event: &Event, now: Timestamp) {
    let line = match event {
        Event::State(change) => state(change, now),
        Event::Ready(mode) => ready(*mode),
        Event::Message(message) => Printed {
            r#type: "message",
            room_id: Some(&message.room),
            user_id: Some(&message.user),
            content: Some(&message.content),
            timestamp: Some(&message.timestamp),
            ..Printed::default()
        },
        Event::UserJoined { room, user } => {
            Printed { r#type: "user_joined", room_id: Some(room), user_id: Some(user), ..Printed::default() }
        }
        Event::Gap(gap) => Printed {
            r#type: "gap",
            room_id: Some(&gap.room),
            after: Some(()),
            before: Some(()),
            reason: Some(gap.reason.as_str()),
            ..Printed::default()
        },
        Event::ServerError { message, .. } => error("server", message),
        Event::Garbled { error: text } => error("garbled", text),
        Event::Lagged { skipped } => {
            let text = format!("this program was too slow: {skipped} events were dropped here");
            return write_line(out, &error("lagged", &text));
        }
        Event::Room(change) if change.state == RoomState::Refused => Printed {
            room_id: Some(&change.room),
            ..error("too_many_rooms", "the room is not joined: there are too many")
        },
        // A plain server confirms no membership, so there is nothing true to print about it.
        _ => return,
    };
    write_line(out, &line);
}

fn error<'a>(code: &'static str, message: &'a str) -> Printed<'a> {
    Printed { r#type: "error", code: Some(Code::Word(code)), message: Some(message), ..Printed::default() }
}

fn state(change: &StateChange, now: Timestamp) -> Printed<'_> {
    let mut line = Printed { r#type: "state", state: Some(change.state.as_str()), ..Printed::default() };
    if let State::Reconnecting { attempt, retry_at } | State::Suspended { attempt, retry_at } = change.state {
        line.attempt = Some(attempt);
        line.retry_in_ms = retry_at.map(|at| u64::try_from((at - now).as_millis()).unwrap_or(u64::MAX));
    }
    if let Some(Cause { code, text, .. }) = &change.cause {
        line.code = code.number().map(Code::Number);
        line.reason = Some(code.as_str());
        line.message = Some(&**text).filter(|text| !text.is_empty());
    }
    line
}

fn ready(mode: Mode) -> Printed<'static> {
    Printed {
        r#type: "state",
        state: Some(State::Connected.as_str()),
        mode: Some(mode.as_str()),
        ..Printed::default()
    }
}

/// Prints the final outcome of a send.
pub(super) fn delivery(out: &mut Vec<u8>, reference: Option<&str>, room: &str, outcome: &DeliveryStatus) {
    let (status, code) = match outcome {
        DeliveryStatus::Written => ("written", None),
        DeliveryStatus::Failed(why) => ("failed", Some(why.as_str())),
        _ => ("unknown", None),
    };
    write_line(
        out,
        &Printed {
            r#type: "delivery",
            r#ref: reference,
            room_id: Some(room),
            status: Some(status),
            code: code.map(Code::Word),
            message: match outcome {
                DeliveryStatus::Failed(why) => Some(advice(*why)),
                _ => None,
            },
            ..Printed::default()
        },
    );
}

fn advice(why: SendFailure) -> &'static str {
    match why {
        SendFailure::TooLarge => "the message is larger than this client sends; split it",
        SendFailure::QueueFull => "too many messages are waiting; wait for deliveries",
        SendFailure::Expired | SendFailure::Timeout => "there was no connection in time; send it again",
        SendFailure::Closed => "the connection has ended for good",
        _ => "it was taken back",
    }
}

/// Answers a line that is no frame.
pub(super) fn bad_line(out: &mut Vec<u8>, number: u64, bad: &BadLine) {
    let line =
        Printed { line: Some(number), r#ref: bad.reference.as_deref(), ..error(bad.code, &bad.message) };
    write_line(out, &line);
}

#[cfg(test)]
mod tests {
    use super::*;
    use rejoin::{CauseCode, Gap, GapReason, Message};

    fn printed(given: &Event) -> String {
        let mut out = Vec::new();
        event(&mut out, given, Timestamp::from_millis(1000));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_state_carries_what_applies_and_nothing_else() {
        let change = StateChange { state: State::Connecting, cause: None };
        assert_eq!(printed(&Event::State(change)), "{\"type\":\"state\",\"state\":\"connecting\"}\n");
        let state = State::Reconnecting { attempt: 2, retry_at: Some(Timestamp::from_millis(1250)) };
        let cause = Cause { code: CauseCode::Closed(1012), text: "bye".into(), will_retry: true };
        assert_eq!(
            printed(&Event::State(StateChange { state, cause: Some(cause) })),
            "{\"type\":\"state\",\"state\":\"reconnecting\",\"attempt\":2,\"retryInMs\":250,\"code\":1012,\
             \"reason\":\"closed\",\"message\":\"bye\"}\n"
        );
        assert_eq!(
            printed(&Event::Ready(Mode::Plain)),
            "{\"type\":\"state\",\"state\":\"connected\",\"mode\":\"plain\"}\n"
        );
    }

    #[test]
    fn a_message_has_the_wires_own_fields_and_cannot_act_on_a_terminal() {
        let message = Message {
            room: "r".into(),
            user: "u".into(),
            content: "\u{9b}2J\n".to_owned(),
            timestamp: "2026-01-01T00:00:00.000Z".to_owned(),
            data: None,
            stamp: None,
        };
        assert_eq!(
            printed(&Event::Message(message)),
            "{\"type\":\"message\",\"roomId\":\"r\",\"userId\":\"u\",\"content\":\"\\u009b2J\\n\",\
             \"timestamp\":\"2026-01-01T00:00:00.000Z\"}\n"
        );
    }

    #[test]
    fn a_gap_of_unknown_size_says_null() {
        let gap = Gap::unknown("r".into(), GapReason::Reconnected);
        assert_eq!(
            printed(&Event::Gap(gap)),
            "{\"type\":\"gap\",\"roomId\":\"r\",\"after\":null,\"before\":null,\"reason\":\"reconnected\"}\n"
        );
    }

    #[test]
    fn a_delivery_repeats_its_ref_and_names_a_failure() {
        let mut out = Vec::new();
        delivery(&mut out, Some("1"), "r", &DeliveryStatus::Written);
        delivery(&mut out, None, "r", &DeliveryStatus::Failed(SendFailure::TooLarge));
        delivery(&mut out, None, "r", &DeliveryStatus::Unknown);
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], r#"{"type":"delivery","ref":"1","roomId":"r","status":"written"}"#);
        assert!(lines[1].starts_with(
            r#"{"type":"delivery","roomId":"r","status":"failed","code":"too_large","message":"#
        ));
        assert_eq!(lines[2], r#"{"type":"delivery","roomId":"r","status":"unknown"}"#);
    }

    #[test]
    fn a_bad_line_is_answered_with_its_number() {
        let bad = BadLine { code: "not_json", message: "no".into(), reference: None };
        let mut out = Vec::new();
        bad_line(&mut out, 3, &bad);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "{\"type\":\"error\",\"code\":\"not_json\",\"message\":\"no\",\"line\":3}\n"
        );
    }
}
