//! Classifies an ack as success or refusal. Socket.IO defines no form for it, so one table tells the usual ones apart, which
//! `client-wasm/js/socketio/ack_result.ts` repeats; `acks.json` holds both to the same results.
//!
//! | arguments | |
//! |---|---|
//! | none, `null`, `true`, a number, a text, a list | yes; a text is a no with [`AckText::Error`], unless it is a word of success |
//! | `false` | no |
//! | an object with `error`, `err`, `errors`, `exception`, `errorMessage`, `errorCode`, `isError` or `hasError` that is not `null`, `false`, `0` or empty | no |
//! | an object with `ok` or `success` | what that says |
//! | an object whose `status`, `accepted` or `delivered` is `false`, or whose `rejected`, `denied` or `failed` is `true` | no |
//! | an object whose `status`, `statusCode`, `code`, `type` or `result` is a word of failure, a code of the contract or one that begins with `E_` or `ERR_`, 400–599 or negative, or whose `name` ends in `Error` | no |
//! | any other object | yes |
//! | two and more, the first `null`, `0`, empty, `true`, 2xx or a word of success | what the second says, if it is an object; else yes |
//! | two and more, the first anything else | no: the error comes first; but for an object that says yes, or `false` before one |
//!
//! A status stands for a code: 400 and 422 `bad_request`, 401 and 403 `forbidden`, 413 `too_large`, 429 `rate_limited`, 408,
//! 425, 503 and 504 `overloaded`, any other from 500 on `internal`, the rest `other`. Whether the same may be sent again later is
//! what [`Code::is_temporary`] says.
//!
//! A no with `retry: true` may be requested again, after `retryAfterMs` if it has that.
//!
//! Of a yes, the id is looked for in `id`, `_id`, `messageId` and `message_id`, also one level below `data`, `result`,
//! `message` and `payload`.

use crate::id::Id;
use crate::messages::{Code, MAX_INT};
use crate::name::Name;
use crate::socketio::{AckText, Answer};
use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Most names of an answer that are read.
const MAX_MEMBERS: usize = 1_000;
/// The largest answer that is shown as it is, in bytes; of a larger one the beginning is shown as a text.
pub(super) const MAX_SHOWN_BYTES: usize = 16 << 10;
/// So many characters of it.
const SHOWN_CHARS: usize = 1_000;
/// Maximum characters of a refusal's message.
const MAX_MESSAGE_CHARS: usize = 1_000;

const SUCCESS: [&str; 14] = [
    "ok",
    "okay",
    "success",
    "successful",
    "succeeded",
    "sent",
    "delivered",
    "done",
    "accepted",
    "acknowledged",
    "ack",
    "created",
    "yes",
    "true",
];
const FAILURE: [&str; 20] = [
    "error",
    "err",
    "fail",
    "failed",
    "failure",
    "rejected",
    "refused",
    "denied",
    "forbidden",
    "unauthorized",
    "unauthenticated",
    "invalid",
    "not_found",
    "timeout",
    "nack",
    "nok",
    "no",
    "false",
    "exception",
    "aborted",
];
const ERROR_FIELDS: [&str; 8] =
    ["error", "err", "errors", "exception", "errorMessage", "errorCode", "isError", "hasError"];
/// What says no with `false`, and with `true`.
const YES_FIELDS: [&str; 3] = ["status", "accepted", "delivered"];
const NO_FIELDS: [&str; 3] = ["rejected", "denied", "failed"];
const STATUS_FIELDS: [&str; 5] = ["status", "statusCode", "code", "type", "result"];
const ID_FIELDS: [&str; 4] = ["id", "_id", "messageId", "message_id"];
const NESTED_FIELDS: [&str; 4] = ["data", "result", "message", "payload"];
const MESSAGE_FIELDS: [&str; 11] = [
    "message",
    "msg",
    "reason",
    "detail",
    "description",
    "error",
    "err",
    "errors",
    "exception",
    "statusText",
    "errorMessage",
];

/// What an ack with these arguments says.
pub(super) fn read(arguments: &[&RawValue], text: AckText) -> Answer {
    let answer = listed(arguments).map(bounded);
    let values =
        arguments.iter().take(2).map(|argument| serde_json::from_str(argument.get()).unwrap_or_default());
    let values: Vec<Value> = values.collect();
    let Ok(result) = verdict(&values, text) else {
        let code = values.iter().map(|value| code(value, 0)).find(|code| *code != Code::Other);
        let code = code.unwrap_or(Code::Other);
        let words = values.iter().find_map(|value| words(value, 0));
        let message = words.filter(|words| **words != *code.as_str());
        let message = message.map(|words| words.chars().take(MAX_MESSAGE_CHARS).collect());
        let field = |name| values.iter().find_map(|value| value.get(name));
        let retry = field("retry").is_some_and(|retry| *retry == Value::Bool(true));
        let retry_after_ms = field("retryAfterMs").and_then(Value::as_u64);
        return Answer::Refused { code, retry, retry_after_ms, message, answer };
    };
    let field = |name| result.and_then(|result| result.get(name));
    let seq = field("seq").and_then(Value::as_u64).filter(|seq| *seq <= MAX_INT);
    let members = field("members").and_then(Value::as_array).map(|members| members_of(members));
    Answer::Done { id: result.and_then(id), seq, members, answer }
}

/// Arguments as one JSON: one as it is, several as a list.
pub(super) fn listed(arguments: &[&RawValue]) -> Option<String> {
    match arguments {
        [] => None,
        [one] => Some(one.get().to_owned()),
        several => {
            let several: Vec<&str> = several.iter().map(|one| one.get()).collect();
            Some(format!("[{}]", several.join(",")))
        }
    }
}

/// JSON that is kept for being shown: too much of it is cut, and then a text.
pub(super) fn bounded(json: String) -> String {
    if json.len() <= MAX_SHOWN_BYTES {
        return json;
    }
    let beginning: String = json.chars().take(SHOWN_CHARS).chain(['…']).collect();
    Value::String(beginning).to_string()
}

/// `Ok` with the value that describes what was done, if there is one; `Err` for a no.
fn verdict(values: &[Value], text: AckText) -> Result<Option<&Value>, ()> {
    let of = |value| if says_no(value) { Err(()) } else { Ok(Some(value)) };
    match values {
        [] => Ok(None),
        [said @ Value::String(_)] if text == AckText::Error && !is_success(said) => Err(()),
        [one] => of(one),
        [first, second, ..] if is_success(first) => {
            if second.is_object() {
                of(second)
            } else {
                Ok(None)
            }
        }
        [first, ..] if first.is_object() && says_yes(first) => of(first),
        [Value::Bool(false), second, ..] if says_yes(second) => of(second),
        _ => Err(()),
    }
}

/// No error, where an error could stand.
fn is_success(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(true) => true,
        Value::Number(number) => {
            number.as_u64().is_some_and(|number| number == 0 || (200..300).contains(&number))
        }
        Value::String(text) => {
            let text = text.trim().to_ascii_lowercase();
            text.is_empty()
                || SUCCESS.contains(&&*text)
                || http_status(&text).is_some_and(|status| status < 300)
        }
        _ => false,
    }
}

/// Nothing, where an error could stand in a field.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

fn says_no(value: &Value) -> bool {
    let Value::Object(fields) = value else { return *value == Value::Bool(false) };
    if ERROR_FIELDS.iter().any(|name| fields.get(*name).is_some_and(|error| !is_empty(error))) {
        return true;
    }
    if let Some(said) = flag(fields) {
        return !said;
    }
    let is = |name: &&str, said: bool| fields.get(*name) == Some(&Value::Bool(said));
    if YES_FIELDS.iter().any(|name| is(name, false)) || NO_FIELDS.iter().any(|name| is(name, true)) {
        return true;
    }
    let named = fields.get("name").and_then(Value::as_str).unwrap_or_default();
    named.ends_with("Error")
        || named.ends_with("Exception")
        || STATUS_FIELDS.iter().any(|name| fields.get(*name).is_some_and(is_failure))
}

/// An object that says yes in so many words, or names what was done.
fn says_yes(value: &Value) -> bool {
    let Value::Object(fields) = value else { return false };
    let is_said = |name: &&str| fields.get(*name).is_some_and(|said| !said.is_null() && is_success(said));
    !says_no(value)
        && (flag(fields) == Some(true) || STATUS_FIELDS.iter().any(is_said) || id(value).is_some())
}

/// What `ok` or `success` says.
fn flag(fields: &Map<String, Value>) -> Option<bool> {
    ["ok", "success"].iter().find_map(|name| match fields.get(*name)? {
        Value::Bool(said) => Some(*said),
        Value::Number(number) => Some(number.as_f64() != Some(0.0)),
        Value::String(text) => Some(!FAILURE.contains(&&*text.to_ascii_lowercase())),
        _ => None,
    })
}

fn is_failure(value: &Value) -> bool {
    match value {
        Value::Number(number) => {
            number.as_f64().is_some_and(|number| number < 0.0 || (400.0..600.0).contains(&number))
        }
        Value::String(text) => {
            let text = text.trim().to_ascii_lowercase();
            let is_code = bare_code(&text) != text || Code::from_wire(&text) != Code::Other;
            is_code || FAILURE.contains(&&*text) || http_status(&text).is_some_and(|status| status >= 400)
        }
        _ => false,
    }
}

/// A code without what often stands before it.
fn bare_code(text: &str) -> &str {
    text.strip_prefix("err_").or_else(|| text.strip_prefix("e_")).unwrap_or(text)
}

/// A text that is the number of an HTTP status, from 200 on.
fn http_status(text: &str) -> Option<u16> {
    let is_number = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|status| is_number && (200..600).contains(status))
}

fn id(value: &Value) -> Option<Id> {
    let here = |value: &Value| {
        ID_FIELDS.iter().find_map(|name| match value.get(*name)? {
            Value::String(id) => Id::new(id).ok(),
            Value::Number(id) => Id::new(&id.to_string()).ok(),
            _ => None,
        })
    };
    here(value).or_else(|| NESTED_FIELDS.iter().find_map(|name| here(value.get(*name)?)))
}

fn members_of(members: &[Value]) -> Vec<Name> {
    let name = |member: &Value| match member {
        Value::String(name) => Some(Name::from(&**name)),
        Value::Number(id) => Some(Name::from(&*id.to_string())),
        _ => None,
    };
    let mut names: Vec<Name> = members.iter().take(MAX_MEMBERS).filter_map(name).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Levels below an answer at which words and codes are looked for.
const MAX_DEPTH: usize = 3;

/// The first text that is meant for people.
fn words(value: &Value, depth: usize) -> Option<&str> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text),
        Value::Object(fields) if depth < MAX_DEPTH => {
            MESSAGE_FIELDS.iter().find_map(|name| words(fields.get(*name)?, depth + 1))
        }
        Value::Array(items) if depth < MAX_DEPTH => words(items.first()?, depth + 1),
        _ => None,
    }
}

/// Why, as far as that is a code of the contract or an HTTP status.
fn code(value: &Value, depth: usize) -> Code {
    match value {
        Value::String(text) => match Code::from_wire(bare_code(&text.to_ascii_lowercase())) {
            Code::Other => http_status(text).map_or(Code::Other, |status| by_status(status.into())),
            known => known,
        },
        Value::Number(number) => number.as_u64().map_or(Code::Other, by_status),
        Value::Object(fields) if depth < MAX_DEPTH => {
            let places =
                ["code", "status", "statusCode", "error", "err", "exception", "type", "result", "errorCode"];
            let found = places
                .iter()
                .map(|name| fields.get(*name).map_or(Code::Other, |value| code(value, depth + 1)));
            found.into_iter().find(|code| *code != Code::Other).unwrap_or(Code::Other)
        }
        _ => Code::Other,
    }
}

fn by_status(status: u64) -> Code {
    match status {
        400 | 422 => Code::BadRequest,
        401 | 403 => Code::Forbidden,
        413 => Code::TooLarge,
        429 => Code::RateLimited,
        408 | 425 | 503 | 504 => Code::Overloaded,
        500..=599 => Code::Internal,
        _ => Code::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    /// One ack and what it says; `client-wasm` is tested with the same ones.
    #[derive(Debug, Deserialize)]
    struct Vector {
        args: String,
        #[serde(default)]
        text: Option<String>,
        #[serde(default)]
        id: Option<String>,
        #[serde(default)]
        seq: Option<u64>,
        #[serde(default)]
        refused: Option<String>,
        #[serde(default)]
        words: Option<String>,
        #[serde(default)]
        answer: Option<Value>,
        #[serde(default)]
        retry: bool,
        #[serde(default, rename = "retryAfterMs")]
        retry_after_ms: Option<u64>,
    }

    #[test]
    fn every_ack_of_the_shared_vectors_is_read_as_they_say() {
        let vectors: Vec<Vector> = serde_json::from_str(include_str!("acks.json")).unwrap();
        for vector in &vectors {
            let arguments: Vec<&RawValue> = serde_json::from_str(&vector.args).unwrap();
            let text = if vector.text.as_deref() == Some("error") { AckText::Error } else { AckText::Ok };
            let (id, seq, refused, words, answer) = match read(&arguments, text) {
                Answer::Done { id, seq, answer, .. } => (id, seq, None, None, answer),
                Answer::Refused { code, retry, retry_after_ms, message, answer } => {
                    assert_eq!((retry, retry_after_ms), (vector.retry, vector.retry_after_ms), "{vector:?}");
                    (None, None, Some(code.as_str()), message, answer)
                }
            };
            assert_eq!(refused, vector.refused.as_deref(), "{vector:?}");
            assert_eq!(words, vector.words, "{vector:?}");
            assert_eq!(id.as_deref(), vector.id.as_deref(), "{vector:?}");
            assert_eq!(seq, vector.seq, "{vector:?}");
            assert_eq!(answer.is_some(), !arguments.is_empty(), "{vector:?}");
            if let Some(expected) = &vector.answer {
                assert_eq!(serde_json::from_str::<Value>(&answer.unwrap()).unwrap(), *expected, "{vector:?}");
            }
        }
    }

    #[test]
    fn a_huge_answer_is_cut_and_still_json() {
        let text = format!("[{}]", Value::String("é".repeat(20_000)));
        let arguments: Vec<&RawValue> = serde_json::from_str(&text).unwrap();
        let Answer::Done { answer: Some(answer), .. } = read(&arguments, AckText::Ok) else { panic!() };
        let shown: String = serde_json::from_str(&answer).unwrap();
        assert_eq!(
            (shown.chars().count(), shown.starts_with("\"éé"), shown.ends_with("é…")),
            (1_001, true, true)
        );
        let refused = format!("[{{\"error\":{}}}]", Value::String("x".repeat(20_000)));
        let arguments: Vec<&RawValue> = serde_json::from_str(&refused).unwrap();
        let Answer::Refused { message: Some(message), .. } = read(&arguments, AckText::Ok) else { panic!() };
        assert_eq!(message.len(), 1_000);
    }
}
