//! From an event to a frame of the hub.

use crate::hub::explain;
use rejoin::messages::Code;
use rejoin::messages::json::decode_client;
use serde::Deserialize;
use serde_json::value::RawValue;

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
pub(super) enum Up {
    /// The hub decides. `traced`: it is a join that wants to know where in the room's log it is.
    Frame { text: String, traced: bool },
    /// It is not carried out; whoever asked for an answer is told why.
    No { code: Code, message: &'static str },
}

/// The frame of an event, or why there is none. `wanted` is the number under which the hub knows its answer, if one is
/// wanted.
pub(super) fn frame(event: &str, payload: Option<&RawValue>, wanted: Option<u64>) -> Up {
    // Whatever is no object has none of the fields, and the hub says which are missing.
    let fields: Fields<'_> =
        payload.and_then(|payload| serde_json::from_str(payload.get()).ok()).unwrap_or_default();
    let traced = event == "join_room" && (fields.since.is_some() || fields.history.is_some());
    let none = ("", None);
    let room = ("roomId", fields.room_id);
    let parts = match event {
        "join_room" => [room, ("since", fields.since), ("history", fields.history)],
        "leave_room" | "presence" => [room, none, none],
        "send_message" => [room, ("content", fields.content), ("data", fields.data)],
        "signal" => [room, ("kind", fields.kind), ("data", fields.data)],
        "auth" => [("token", fields.token), none, none],
        // A plain server ignores types it does not know.
        _ => return Up::No { code: Code::BadRequest, message: "this server knows no such event" },
    };
    if wanted.is_some() && matches!(event, "signal" | "presence") {
        return Up::No { code: Code::BadRequest, message: "this event has no acknowledgement" };
    }
    let mut text = format!(r#"{{"type":"{event}""#);
    for (name, value) in parts {
        if let Some(value) = value {
            text.extend([",\"", name, "\":", value.get()]);
        }
    }
    // The hub asks for a name where it has something to say, wanted or not.
    let reference = wanted.or_else(|| (traced || event == "auth").then_some(0));
    if let Some(reference) = reference {
        text.extend([",\"ref\":\"", &reference.to_string(), "\""]);
    }
    text.push('}');
    // The hub's own words for a malformed frame have no reference, so they would not find their way back.
    if wanted.is_some()
        && let Err(error) = decode_client(&text)
    {
        return Up::No { code: Code::BadRequest, message: explain(&error) };
    }
    Up::Frame { text, traced }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn up(event: &str, payload: &str, wanted: Option<u64>) -> Up {
        let payload = RawValue::from_string(payload.into()).unwrap();
        frame(event, Some(&payload), wanted)
    }

    fn text(up: Up) -> String {
        match up {
            Up::Frame { text, .. } => text,
            Up::No { .. } => panic!("{up:?}"),
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
        let text = String::from(r#"{"type":"join_room","roomId":"a","history":3,"ref":"0"}"#);
        assert_eq!(join, Up::Frame { text, traced: true });
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
            assert!(matches!(up("join_room", payload, None), Up::Frame { .. }), "{payload}");
            let no = Up::No { code: Code::BadRequest, message: "join_room needs a string roomId" };
            assert_eq!(up("join_room", payload, Some(1)), no, "{payload}");
        }
        assert!(matches!(frame("join_room", None, Some(1)), Up::No { .. }));
    }

    #[test]
    fn an_event_without_an_answer_says_so_and_an_unknown_one_goes_nowhere() {
        let room = r#"{"roomId":"a","kind":"k"}"#;
        for event in ["presence", "signal", "hello", "ping"] {
            assert!(matches!(up(event, room, Some(1)), Up::No { .. }), "{event}");
        }
        for event in ["hello", "history", "ping", "join_room\",\"x\":\""] {
            assert!(matches!(up(event, room, None), Up::No { .. }), "{event}");
        }
    }
}
