use super::*;
use rejoin::messages::{Notification, ProducerSeq};
use rejoin::{CauseCode, DialErrorKind, GapReason};

fn printed(given: &Event) -> String {
    let mut out = Vec::new();
    event(&mut out, given, Timestamp::from_millis(1000));
    String::from_utf8(out).unwrap()
}

#[test]
fn a_state_carries_what_applies_and_nothing_else() {
    let change = StateChange::new(State::Connecting, None);
    assert_eq!(printed(&Event::State(change)), "{\"type\":\"state\",\"state\":\"connecting\"}\n");
    let state = State::Reconnecting { attempt: 2, retry_at: Some(Timestamp::from_millis(1250)) };
    let cause = Cause::new(CauseCode::Closed(1012), "bye");
    assert_eq!(
        printed(&Event::State(StateChange::new(state, Some(cause)))),
        "{\"type\":\"state\",\"state\":\"reconnecting\",\"attempt\":2,\"retryInMs\":250,\"code\":1012,\
         \"reason\":\"closed\",\"message\":\"bye\"}\n"
    );
    assert_eq!(
        printed(&Event::Mode(Mode::Plain)),
        "{\"type\":\"state\",\"state\":\"connected\",\"mode\":\"plain\"}\n"
    );
}

#[test]
fn the_end_of_the_attempts_names_the_last_ones_reason_too() {
    let mut cause = Cause::new(CauseCode::GaveUp, "").without_retry();
    cause.last = Some(CauseCode::Dial(DialErrorKind::Http(503)));
    assert_eq!(
        printed(&Event::State(StateChange::new(State::Failed, Some(cause)))),
        "{\"type\":\"state\",\"state\":\"failed\",\"code\":503,\"reason\":\"gave_up\",\"lastReason\":\"http\"}\n"
    );
}

#[test]
fn a_message_has_the_wires_own_fields_and_cannot_act_on_a_terminal() {
    let timestamp = "2026-01-01T00:00:00.000Z".to_owned();
    let message = Message::plain("r".into(), "u".into(), "\u{9b}2J\n".to_owned(), timestamp);
    assert_eq!(
        printed(&Event::Message(message)),
        "{\"type\":\"message\",\"roomId\":\"r\",\"userId\":\"u\",\"content\":\"\\u009b2J\\n\",\
         \"timestamp\":\"2026-01-01T00:00:00.000Z\"}\n"
    );
}

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

fn stamp(seq: u64) -> EntryMeta {
    let origin = Some(Box::new(ProducerSeq { pid: id("p"), pseq: 3 }));
    EntryMeta { id: id("m7"), epoch: id("e1"), seq, replay: true, producer: origin }
}

#[test]
fn an_extended_message_says_where_it_stands_and_a_notification_too() {
    let plain = Message::plain("r".into(), "u".into(), "c".to_owned(), "t".to_owned());
    let data = Some("{\"a\":\n1}".to_owned());
    assert_eq!(
        printed(&Event::Message(plain.with_data(data).with_entry(Some(Box::new(stamp(7)))))),
        "{\"type\":\"message\",\"roomId\":\"r\",\"userId\":\"u\",\"content\":\"c\",\"timestamp\":\"t\",\
         \"data\":{\"a\": 1},\"id\":\"m7\",\"epoch\":\"e1\",\"seq\":7,\"replay\":true,\"pid\":\"p\",\"pseq\":3}\n"
    );
    let stamp = EntryMeta { producer: None, replay: false, ..stamp(1) };
    let notification = Notification { entry: Some(stamp), kind: "badge".into(), data: Some("3".to_owned()) };
    assert_eq!(
        printed(&Event::Notification(Box::new(notification))),
        "{\"type\":\"notification\",\"kind\":\"badge\",\"data\":3,\"id\":\"m7\",\"epoch\":\"e1\",\"seq\":1}\n"
    );
}

#[test]
fn the_answer_to_a_join_has_its_ref_and_a_gap_its_numbers() {
    let mut room = JoinedRoom::new("r".into(), false);
    room.replayed = 2;
    room.reason = Some(JoinReason::Trimmed);
    room.members = Some(vec!["ada".into()]);
    let mut out = Vec::new();
    joined(&mut out, &room, Some("j1"), None);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "{\"type\":\"joined\",\"ref\":\"j1\",\"roomId\":\"r\",\"recovered\":false,\"replayed\":2,\
         \"members\":[\"ada\"],\"reason\":\"trimmed\"}\n"
    );
    let gap = Gap::new("r".into(), Some(id("e1")), Some(3), Some(9), GapReason::Trimmed);
    assert_eq!(
        printed(&Event::Gap(gap)),
        "{\"type\":\"gap\",\"roomId\":\"r\",\"epoch\":\"e1\",\"after\":3,\"before\":9,\
         \"reason\":\"trimmed\"}\n"
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
    let of = |status| Outcome::Final(status);
    delivery(&mut out, Some("1"), "r", &of(DeliveryStatus::Written), None, Repetition::First, None);
    delivery(
        &mut out,
        None,
        "r",
        &of(DeliveryStatus::Failed(SendFailure::TooLarge)),
        None,
        Repetition::First,
        None,
    );
    delivery(&mut out, None, "r", &of(DeliveryStatus::Unknown), None, Repetition::First, None);
    delivery(
        &mut out,
        None,
        "r",
        &of(DeliveryStatus::Acked { id: id("m7"), seq: 7 }),
        None,
        Repetition::First,
        None,
    );
    delivery(&mut out, Some("2"), "r", &Outcome::Kept, None, Repetition::First, None);
    delivery(&mut out, Some("3"), "r", &of(DeliveryStatus::Written), None, Repetition::Again, None);
    let text = String::from_utf8(out).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], r#"{"type":"delivery","ref":"1","roomId":"r","status":"written"}"#);
    assert!(
        lines[1].starts_with(
            r#"{"type":"delivery","roomId":"r","status":"failed","code":"too_large","message":"#
        )
    );
    assert!(
        lines[2].starts_with(
            r#"{"type":"delivery","roomId":"r","status":"unknown","code":"unanswered","message":"#
        )
    );
    assert_eq!(lines[3], r#"{"type":"delivery","roomId":"r","id":"m7","seq":7,"status":"acked"}"#);
    assert_eq!(lines[4], r#"{"type":"delivery","ref":"2","roomId":"r","status":"kept"}"#);
    assert_eq!(lines[5], r#"{"type":"delivery","ref":"3","roomId":"r","status":"written","again":true}"#);
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

#[test]
fn a_refusal_without_words_says_whether_sending_it_again_is_of_use() {
    let told = |code| {
        let mut out = Vec::new();
        let outcome = Outcome::Final(DeliveryStatus::Failed(SendFailure::Refused(code)));
        delivery(&mut out, Some("1"), "r", &outcome, None, Repetition::First, None);
        String::from_utf8(out).unwrap()
    };
    for code in [Code::Internal, Code::Overloaded, Code::RateLimited, Code::RoomFull] {
        assert!(told(code).contains("refused it for now; send it again later"), "{}", told(code));
    }
    for code in [Code::Forbidden, Code::BadRequest] {
        assert!(told(code).contains("refused it for good"), "{}", told(code));
    }
    // A bare `callback(false)` says nothing about the next time.
    assert!(told(Code::Other).contains("gave no reason"), "{}", told(Code::Other));
}

#[test]
fn a_code_of_the_servers_own_stands_beside_that_of_the_protocol() {
    let own = Some("ROOM_SHUT".into());
    let message = "ROOM_SHUT: on Monday".to_owned();
    let error = Event::ServerError { message: message.clone(), code: None, server_code: own.clone() };
    assert!(printed(&error).contains(r#""code":"server","serverCode":"ROOM_SHUT","message":"ROOM_SHUT: on"#));
    let mut change = RoomChange::new("r".into(), RoomState::Joining).refused_for(Code::Other);
    change.server_code = own.clone();
    assert!(printed(&Event::Room(change)).contains(r#""code":"other","serverCode":"ROOM_SHUT""#));
    let mut reply = SendReply::new(None, Some(message));
    reply.server_code = own;
    let mut out = Vec::new();
    let outcome = Outcome::Final(DeliveryStatus::Failed(SendFailure::Refused(Code::Other)));
    delivery(&mut out, Some("1"), "r", &outcome, Some(&reply), Repetition::First, None);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "{\"type\":\"delivery\",\"ref\":\"1\",\"roomId\":\"r\",\"status\":\"failed\",\"code\":\"other\",\
         \"serverCode\":\"ROOM_SHUT\",\"message\":\"ROOM_SHUT: on Monday\"}\n"
    );
}

#[test]
fn a_message_of_send_has_the_servers_own_code_too() {
    let refused = SendError::Refused {
        code: Code::Other,
        message: Some("ROOM_SHUT: on Monday".to_owned()),
        answer: None,
        server_code: Some("ROOM_SHUT".into()),
    };
    let mut out = Vec::new();
    sent(&mut out, Some(7), "r", Some(Err(&refused)), None);
    let line: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!((&line["status"], &line["line"]), (&"failed".into(), &7.into()), "{line}");
    assert_eq!((&line["code"], &line["serverCode"]), (&"other".into(), &"ROOM_SHUT".into()), "{line}");
}
