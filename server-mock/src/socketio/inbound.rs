//! Translates events of a client into frames of the hub.

use super::namespaces::Namespace;
use crate::hub::{PERSONAL_ROOM, describe_decode_error};
use rejoin::messages::Code;
use rejoin::messages::json::decode_client;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Said in a namespace that has the personal stream alone.
const PERSONAL: &str = "this namespace has the user's personal stream and no rooms";

/// Fields of the contract, of the extended protocol where they mean the same, as they were written. Others say nothing.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Fields<'a> {
    #[serde(borrow)]
    room_id: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    since: Option<&'a RawValue>,
    #[serde(borrow)]
    history: Option<&'a RawValue>,
    #[serde(borrow)]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    token: Option<&'a RawValue>,
}

/// What becomes of an event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Inbound {
    /// The hub decides. `wants_replay`: it is a join that wants to know where in the room's log it is. `room`: which room is
    /// joined or left.
    Frame { text: String, wants_replay: bool, room: Option<String> },
    /// It is not carried out; whoever asked for an answer is told why.
    Rejected { code: Code, message: &'static str },
}

/// The frame of an event, or why there is none. `wanted` is the number under which the hub knows its answer, if one is
/// wanted; `is_new` says whether the hub's answer to joining or leaving a room is of use here, whoever wants it.
pub(super) fn frame(
    namespace: &Namespace,
    event: &str,
    payload: Option<&RawValue>,
    wanted: Option<u64>,
    is_new: impl Fn(&str) -> bool,
) -> Inbound {
    // Whatever is no object has none of the fields, and the hub says which are missing.
    let fields: Fields<'_> =
        payload.and_then(|payload| serde_json::from_str(payload.get()).ok()).unwrap_or_default();
    let wants_replay = event == "join_room" && (fields.since.is_some() || fields.history.is_some());
    let none = ("", None);
    let named = fields.room_id.map(|room| hub_room(namespace, room));
    let room = ("roomId", named.as_deref());
    let parts = match event {
        "join_room" => {
            [room, ("since", fields.since.map(RawValue::get)), ("history", fields.history.map(RawValue::get))]
        }
        "leave_room" | "presence" => [room, none, none],
        "send_message" => {
            [room, ("content", fields.content.map(RawValue::get)), ("data", fields.data.map(RawValue::get))]
        }
        "signal" => {
            [room, ("kind", fields.kind.map(RawValue::get)), ("data", fields.data.map(RawValue::get))]
        }
        "auth" => [("token", fields.token.map(RawValue::get)), none, none],
        // A plain server ignores types it does not know.
        _ => return Inbound::Rejected { code: Code::BadRequest, message: "this server knows no such event" },
    };
    let changed = named.as_deref().filter(|_| matches!(event, "join_room" | "leave_room"));
    let moved: Option<String> = changed.and_then(|room| serde_json::from_str(room).ok());
    let own = moved.as_deref() == Some(PERSONAL_ROOM);
    if namespace.is_personal() && !own && event != "auth" {
        return Inbound::Rejected { code: Code::Forbidden, message: PERSONAL };
    }
    if wanted.is_some() && matches!(event, "signal" | "presence") {
        return Inbound::Rejected { code: Code::BadRequest, message: "this event has no acknowledgement" };
    }
    let mut text = format!(r#"{{"type":"{event}""#);
    for (name, value) in parts {
        if let Some(value) = value {
            text.extend([",\"", name, "\":", value]);
        }
    }
    // The hub asks for a name where it has something to say, wanted or not.
    let unknown = moved.as_deref().is_some_and(is_new);
    let reference = wanted.or_else(|| (wants_replay || unknown || event == "auth").then_some(0));
    if let Some(reference) = reference {
        text.extend([",\"ref\":\"", &reference.to_string(), "\""]);
    }
    text.push('}');
    // The hub's own words for a malformed frame have no reference, so they would not find their way back.
    if wanted.is_some()
        && let Err(error) = decode_client(&text)
    {
        return Inbound::Rejected { code: Code::BadRequest, message: describe_decode_error(&error) };
    }
    Inbound::Frame { text, wants_replay, room: moved }
}

/// What the hub calls the room, in JSON. What names none stays as it is: the hub says what is wrong with it.
fn hub_room<'a>(namespace: &Namespace, room: &'a RawValue) -> Cow<'a, str> {
    let here = Cow::Borrowed(room.get());
    if namespace.is_main() {
        return here;
    }
    let Ok(name) = serde_json::from_str::<String>(room.get()) else { return here };
    serde_json::to_string(&namespace.hub_room(&name)).map_or(here, Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::super::namespaces::Namespaces;
    use super::*;

    fn up_in(namespace: &str, event: &str, payload: &str, wanted: Option<u64>) -> Inbound {
        let namespaces = Namespaces::new(&["/chat".parse().unwrap(), "/inbox=personal".parse().unwrap()]);
        let payload = RawValue::from_string(payload.into()).unwrap();
        frame(namespaces.find(namespace).unwrap(), event, Some(&payload), wanted, |_| false)
    }

    fn up(event: &str, payload: &str, wanted: Option<u64>) -> Inbound {
        up_in("/", event, payload, wanted)
    }

    fn bare(event: &str, wanted: Option<u64>) -> Inbound {
        frame(Namespaces::new(&[]).find("/").unwrap(), event, None, wanted, |_| false)
    }

    fn text(up: Inbound) -> String {
        match up {
            Inbound::Frame { text, .. } => text,
            Inbound::Rejected { .. } => panic!("{up:?}"),
        }
    }

    #[test]
    fn an_event_is_the_frame_of_the_same_name() {
        for (event, payload, frame) in [
            ("join_room", r#"{"roomId":"a"}"#, r#"{"type":"join_room","roomId":"a"}"#),
            ("leave_room", r#"{"roomId":"a"}"#, r#"{"type":"leave_room","roomId":"a"}"#),
            (
                "send_message",
                r#"{"content":"h\"i","roomId":"a","data":{"x":1}}"#,
                r#"{"type":"send_message","roomId":"a","content":"h\"i","data":{"x":1}}"#,
            ),
            ("presence", r#"{"roomId":"a"}"#, r#"{"type":"presence","roomId":"a"}"#),
            (
                "signal",
                r#"{"roomId":"a","kind":"typing"}"#,
                r#"{"type":"signal","roomId":"a","kind":"typing"}"#,
            ),
        ] {
            assert_eq!(text(up(event, payload, None)), frame);
        }
    }

    #[test]
    fn who_asks_for_an_answer_is_given_a_reference_and_a_traced_join_has_one_anyway() {
        assert_eq!(
            text(up("send_message", r#"{"roomId":"a","content":"b"}"#, Some(7))),
            r#"{"type":"send_message","roomId":"a","content":"b","ref":"7"}"#
        );
        let join = up("join_room", r#"{"roomId":"a","history":3}"#, None);
        let expected = String::from(r#"{"type":"join_room","roomId":"a","history":3,"ref":"0"}"#);
        assert_eq!(
            join,
            Inbound::Frame { text: expected, wants_replay: true, room: Some(String::from("a")) }
        );
        let payload = RawValue::from_string(String::from(r#"{"roomId":"a"}"#)).unwrap();
        let namespaces = Namespaces::new(&[]);
        let first =
            frame(namespaces.find("/").unwrap(), "join_room", Some(&payload), None, |room| room == "a");
        assert_eq!(text(first), r#"{"type":"join_room","roomId":"a","ref":"0"}"#);
    }

    #[test]
    fn a_client_cannot_write_what_only_the_server_may() {
        let payload =
            r#"{"type":"auth","ref":"1","pid":"p","pseq":1,"epoch":"e","roomId":"a","content":"b"}"#;
        assert_eq!(
            text(up("send_message", payload, None)),
            r#"{"type":"send_message","roomId":"a","content":"b"}"#
        );
    }

    #[test]
    fn what_is_malformed_is_the_hubs_to_refuse_unless_an_answer_is_wanted() {
        for payload in ["{}", "7", "null", r#"{"roomId":7}"#, r#"{"roomId":"a","roomId":"b"}"#] {
            assert!(matches!(up("join_room", payload, None), Inbound::Frame { .. }), "{payload}");
            let no = Inbound::Rejected { code: Code::BadRequest, message: "join_room needs a string roomId" };
            assert_eq!(up("join_room", payload, Some(1)), no, "{payload}");
        }
        assert!(matches!(bare("join_room", Some(1)), Inbound::Rejected { .. }));
    }

    #[test]
    fn rooms_of_a_namespace_have_its_name_in_the_hub() {
        let sent = up_in("/chat", "send_message", r#"{"roomId":"\u006cobby","content":"a"}"#, None);
        assert_eq!(text(sent), r#"{"type":"send_message","roomId":"/chat,lobby","content":"a"}"#);
        for odd in ["7", "\"\"", "\"@me\"", "\"@ada\""] {
            let payload = format!(r#"{{"roomId":{odd}}}"#);
            let frame = format!(r#"{{"type":"join_room","roomId":{odd}}}"#);
            assert_eq!(text(up_in("/chat", "join_room", &payload, None)), frame);
        }
    }

    #[test]
    fn a_personal_namespace_has_the_personal_stream_and_no_rooms() {
        let joined = up_in("/inbox", "join_room", r#"{"roomId":"@me","history":5}"#, None);
        assert_eq!(text(joined), r#"{"type":"join_room","roomId":"@me","history":5,"ref":"0"}"#);
        assert!(matches!(up_in("/inbox", "auth", r#"{"token":"t"}"#, None), Inbound::Frame { .. }));
        for (event, room) in [
            ("join_room", "lobby"),
            ("join_room", "@ada"),
            ("send_message", "@me"),
            ("signal", "lobby"),
            ("presence", "@me"),
        ] {
            let payload = format!(r#"{{"roomId":"{room}","content":"a","kind":"k"}}"#);
            let refused = Inbound::Rejected { code: Code::Forbidden, message: PERSONAL };
            assert_eq!(up_in("/inbox", event, &payload, None), refused, "{event} {room}");
        }
    }

    #[test]
    fn an_event_without_an_answer_says_so_and_an_unknown_one_goes_nowhere() {
        let room = r#"{"roomId":"a","kind":"k"}"#;
        for event in ["presence", "signal", "hello", "ping"] {
            assert!(matches!(up(event, room, Some(1)), Inbound::Rejected { .. }), "{event}");
        }
        for event in ["hello", "history", "ping", "join_room\",\"x\":\""] {
            assert!(matches!(up(event, room, None), Inbound::Rejected { .. }), "{event}");
        }
    }
}
