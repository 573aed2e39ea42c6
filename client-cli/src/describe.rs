//! Describes causes and outcomes for people.

use crate::render::plain_name;
use crate::sanitise;
use rejoin::messages::Code;
use rejoin::{
    Cause, CauseCode, Client, DeliveryStatus, DialErrorKind, Gap, GapReason, PERSONAL_ROOM, SendFailure,
    State, Timestamp,
};
use serde_json::Value;

/// What happened, in a few words, made harmless.
pub(crate) fn cause(cause: &Cause) -> String {
    let text = sanitise::line(without_errno(&cause.text));
    // That it has expired is more than that it was refused.
    let is_expiry = matches!(cause.code, CauseCode::Unauthorized(_)) && is_expiry(&text);
    let text = if is_uninformative(&text) && !is_expiry { String::new() } else { text };
    let text = match &cause.data {
        Some(data) => format!("{text} ({})", json(data)).trim_start().to_owned(),
        None => text,
    };
    let with = |what: &str| if text.is_empty() { what.to_owned() } else { format!("{what}: {text}") };
    match cause.code {
        CauseCode::Requested => "as you asked".to_owned(),
        CauseCode::UnknownNamespace | CauseCode::Dial(DialErrorKind::Timeout) => cause.code.to_string(),
        CauseCode::Incompatible if !text.is_empty() => text,
        CauseCode::Dial(kind @ (DialErrorKind::Headers | DialErrorKind::Certificate)) => {
            with(&kind.to_string())
        }
        // The text of a failed dial says what went wrong.
        CauseCode::Dial(_) => with("cannot connect"),
        code => with(&code.to_string()),
    }
}

/// Close reasons that only name the code which we have words for.
pub(crate) fn is_uninformative(text: &str) -> bool {
    const STANDARD: [&str; 9] = [
        "going away",
        "normal closure",
        "service restart",
        "server restart",
        "server restarting",
        "server shutting down",
        "try again later",
        "unauthorized",
        "token expired",
    ];
    STANDARD.contains(&text.trim_end_matches('.').to_ascii_lowercase().as_str())
}

fn is_expiry(text: &str) -> bool {
    text.trim_end_matches('.').eq_ignore_ascii_case("token expired")
}

/// The state, for the prompt; nothing while connected.
pub(crate) fn state(state: State, has_connected: bool) -> Option<&'static str> {
    match state {
        State::Connected => None,
        State::Suspended { .. } => Some("offline, still trying"),
        State::Reconnecting { .. } if !has_connected => Some("connecting"),
        state => Some(state.as_str()),
    }
}

/// The operating system's words without its number, which says the same to fewer people.
pub(crate) fn without_errno(text: &str) -> &str {
    text.rfind(" (os error ").filter(|_| text.ends_with(')')).and_then(|at| text.get(..at)).unwrap_or(text)
}

/// Columns of a server's own words and JSON that are shown in a line.
const SHOWN_JSON: usize = 300;

/// A server's words for a refusal, made harmless and short; nothing where they say nothing.
pub(crate) fn server_message(words: &str) -> Option<String> {
    let words = sanitise::truncate(sanitise::line(words).trim(), SHOWN_JSON);
    (!words.is_empty()).then_some(words)
}

/// JSON of a server's, made harmless and short: a text as what it says.
pub(crate) fn json(json: &str) -> String {
    let text = serde_json::from_str::<String>(json);
    sanitise::truncate(&sanitise::line(text.as_deref().unwrap_or(json)), SHOWN_JSON)
}

/// What a Socket.IO server's handler answered to a message.
pub(crate) fn answer(answer: &str) -> String {
    format!("the server answered: {}", json(answer))
}

/// Whether an answer says more than "delivered" does.
pub(crate) fn is_informative(answer: &str) -> bool {
    /// What the ack's reader has looked at, and what is of no use to a person.
    const KNOWN: [&str; 9] =
        ["ok", "success", "status", "id", "_id", "messageId", "message_id", "seq", "timestamp"];
    has_more(answer, &KNOWN)
}

/// Whether the answer to a join says more than "joined" and who is there.
pub(crate) fn is_informative_join(answer: &str) -> bool {
    const KNOWN: [&str; 14] = [
        "ok",
        "success",
        "status",
        "roomId",
        "room",
        "members",
        "memberCount",
        "users",
        "epoch",
        "seq",
        "recovered",
        "replay",
        "reason",
        "timestamp",
    ];
    has_more(answer, &KNOWN)
}

fn has_more(answer: &str, known: &[&str]) -> bool {
    match serde_json::from_str(answer) {
        Ok(Value::Null | Value::Bool(_)) => false,
        Ok(Value::Object(fields)) => {
            // A status of words may say more than yes, such as "queued".
            let usual = ["ok", "success", "sent", "delivered"];
            let is_more = |value: &Value| value.as_str().is_some_and(|said| !usual.contains(&said));
            fields.iter().any(|(name, value)| !known.contains(&&**name) || name == "status" && is_more(value))
        }
        _ => true,
    }
}

/// What is missing of a room, and why.
pub(crate) fn gap(gap: &Gap) -> String {
    let what = missing(gap);
    match gap.reason {
        GapReason::EpochChanged => format!("the server was restarted and lost its history; {what}"),
        GapReason::Forked => format!("the server lost part of its history; {what}"),
        GapReason::Trimmed => format!("{what}: the server does not keep them that long"),
        GapReason::Unavailable => format!("{what}: the server does not hand them out"),
        _ => format!("{what}: the connection was lost"),
    }
}

/// What is missing of a room.
pub(crate) fn missing(gap: &Gap) -> String {
    let is_personal = *gap.room == *PERSONAL_ROOM;
    let (one, many) = if is_personal { ("notification", "notifications") } else { ("message", "messages") };
    let place = if is_personal { String::new() } else { format!(" in {}", plain_name(&gap.room)) };
    match (gap.after, gap.before) {
        (Some(after), Some(before)) => match before.saturating_sub(after).saturating_sub(1) {
            0 => format!("{many}{place} may be missing"),
            1 => format!("a {one}{place} is missing"),
            count => format!("{count} {many}{place} are missing"),
        },
        _ => format!("{many}{place} may be missing"),
    }
}

/// What a connection can do from here on that could only read, or can only read now.
pub(crate) fn read_only(is_read_only: bool) -> &'static str {
    if is_read_only {
        "no WebSocket opens, so rooms are read by server-sent events; what you write waits until one opens"
    } else {
        "a WebSocket is open again: what waited is sent now"
    }
}

/// Why a room is not joined yet; `said` are the server's words.
pub(crate) fn not_yet(room: &str, code: Code, said: Option<&str>) -> String {
    format!("cannot join {} yet: {}; trying again", plain_name(room), refusal(code, said))
}

/// Why the server does not let the user into a room, with its own words where it has given some.
pub(crate) fn refusal(code: Code, said: Option<&str>) -> String {
    let why = match code {
        Code::RoomFull => Some("the room is full"),
        Code::Overloaded => Some("the server is overloaded"),
        Code::RateLimited => Some("too many requests"),
        Code::Forbidden => Some("you are not allowed to"),
        Code::TooManyRooms => Some("you are in too many rooms"),
        _ => None,
    };
    let said = said.map(sanitise::line).filter(|said| !said.trim().is_empty() && Some(&**said) != why);
    let why = match why {
        Some(why) => format!("{why} ({})", code.as_str()),
        None => format!("the server says {}", code.as_str()),
    };
    match said {
        Some(said) => format!("{why}: {said}"),
        None => why,
    }
}

/// When the next attempt is made. The no-break spaces keep number and unit on one row.
pub(crate) fn retry(at: Timestamp, now: Timestamp) -> String {
    // Rounded up: "in 0 s" is no news.
    match (at - now).as_millis().div_ceil(1000) {
        0 => "retrying now".to_owned(),
        seconds => format!("retrying in\u{a0}{seconds}\u{a0}s"),
    }
}

/// Whether a message is as safe as the server can make it.
pub(crate) fn is_success(status: &DeliveryStatus) -> bool {
    matches!(status, DeliveryStatus::Written | DeliveryStatus::Acked { .. } | DeliveryStatus::Answered { .. })
}

/// How large a message may be, and how large this one is, where that is known.
pub(crate) fn content_limit(client: &Client, size: Option<usize>) -> String {
    let limit = client.diagnostics().content_limit;
    match size {
        Some(size) if size > limit => {
            format!("it has {size} bytes, and at most {limit} bytes are taken at once: split it")
        }
        Some(size) => format!("it has {size} bytes, and the server takes fewer at once: split it"),
        None => format!("at most {limit} bytes are taken at once: split it"),
    }
}

/// Why nobody can say whether a message has arrived, for programs and for people. `lost`: why the connection was lost, where it
/// was.
pub(crate) fn unknown(state: State, lost: Option<&Cause>) -> (&'static str, String) {
    match lost {
        _ if matches!(state, State::Closing | State::Closed) => {
            ("closed", "it was on its way when rejoin ended, and no answer had come".to_owned())
        }
        Some(lost) => {
            let text = format!("it was on its way when the connection was lost ({})", cause(lost));
            (lost.code.as_str(), text)
        }
        None => (UNANSWERED, "it was sent, and no answer came in time".to_owned()),
    }
}

/// The code of a message to which no answer came, where nothing else is known.
pub(crate) const UNANSWERED: &str = "unanswered";

/// At the end, how much that the server sent was unreadable, where there was more than what has been told.
pub(crate) fn unreadable(client: &Client) -> Option<String> {
    let count = client.diagnostics().malformed_frames;
    (count > 1).then(|| format!("rejoin: {count} unreadable frames of the server's were skipped in all"))
}

/// What is unreadable in a frame, of which type there have been `count` on this connection. Not sanitised.
pub(crate) fn malformed(error: &str, count: u64) -> String {
    if count > 1 { format!("{error} ({count} of the type on this connection)") } else { error.to_owned() }
}

/// Why a message was not sent.
pub(crate) fn send_failure(why: SendFailure) -> String {
    send_failure_with(why, None)
}

/// As [`send_failure`], with the server's words, made harmless, where it has given some.
pub(crate) fn send_failure_with(why: SendFailure, said: Option<&str>) -> String {
    match why {
        SendFailure::QueueFull => "too many messages are waiting".to_owned(),
        too_large if too_large.is_too_large() => "it is too long".to_owned(),
        SendFailure::Refused(Code::NotJoined) => "you are not in the room; join it first".to_owned(),
        SendFailure::Closed => "rejoin was stopped".to_owned(),
        SendFailure::Refused(code) => {
            let now = if code.is_temporary() { " for now" } else { "" };
            match (code, said) {
                (Code::Other, Some(said)) => format!("the server refused it ({said})"),
                // It says nothing that the word before does not.
                (Code::Other, None) => "the server refused it".to_owned(),
                (code, Some(said)) => format!("the server refused it{now} ({}: {said})", code.as_str()),
                (code, None) => format!("the server refused it{now} ({})", code.as_str()),
            }
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_words_are_kept_and_made_harmless() {
        let given = Cause::new(CauseCode::Closed(4400), "\u{1b}]0;x");
        assert_eq!(cause(&given), "the server closed the connection (4400): ^[]0;x");
        let given = Cause::new(CauseCode::ConnectionLost, "");
        assert_eq!(cause(&given), "connection lost");
    }

    #[test]
    fn the_data_of_a_refusal_and_an_answer_are_shown_short_and_made_harmless() {
        let data = Some(Box::from("{\"code\":\"\\u001b\u{202e}\"}"));
        let refused = Cause::new(CauseCode::Unauthorized(4001), "not you").with_data(data);
        assert_eq!(
            cause(&refused),
            "the server refused the token: not you ({\"code\":\"\\u001b\\u{202e}\"})"
        );
        let expired = Cause::new(CauseCode::Unauthorized(4002), "Token expired");
        assert_eq!(cause(&expired), "the server refused the token: Token expired");
        let forbidden = Cause::new(CauseCode::Unauthorized(403), "pages of that Origin may not connect");
        assert_eq!(
            cause(&forbidden),
            "the server refused the connection: pages of that Origin may not connect"
        );
        assert_eq!(answer("\"world\\u001b[2J\\n\""), "the server answered: world^[[2J^J");
        assert!(answer(&format!("\"{}\"", "x".repeat(9_000))).len() < 400);
        for yes in ["true", "null", r#"{"ok":true,"id":"m1","seq":1}"#] {
            assert!(!is_informative(yes), "{yes}");
        }
        for more in ["\"world\"", r#"{"ok":true,"warning":"slow down"}"#, "[null,1]", "7"] {
            assert!(is_informative(more), "{more}");
        }
    }

    #[test]
    fn a_reason_that_repeats_the_code_is_left_out() {
        let given = Cause::new(CauseCode::Closed(1012), "Service restart");
        assert_eq!(cause(&given), "the server is restarting");
        let given = Cause::new(CauseCode::Closed(1012), "new version");
        assert_eq!(cause(&given), "the server is restarting: new version");
    }

    #[test]
    fn a_gap_says_how_much_of_what_and_why() {
        let of = |room: &str, after, before, reason| gap(&Gap::new(room.into(), None, after, before, reason));
        assert_eq!(
            of("lobby", None, None, GapReason::EpochChanged),
            "the server was restarted and lost its history; messages in lobby may be missing"
        );
        assert_eq!(
            of("@me", Some(1), Some(3), GapReason::Trimmed),
            "a notification is missing: the server does not keep them that long"
        );
    }

    #[test]
    fn the_number_of_a_system_error_is_left_out() {
        assert_eq!(
            without_errno("1.2.3.4:5: Connection refused (os error 111)"),
            "1.2.3.4:5: Connection refused"
        );
        assert_eq!(without_errno("no such thing"), "no such thing");
    }

    #[test]
    fn the_wait_is_rounded_up_to_seconds() {
        let now = Timestamp::from_millis(1000);
        assert_eq!(retry(Timestamp::from_millis(3001), now), "retrying in\u{a0}3\u{a0}s");
        assert_eq!(retry(Timestamp::from_millis(1001), now), "retrying in\u{a0}1\u{a0}s");
        assert_eq!(retry(now, now), "retrying now");
    }
}
