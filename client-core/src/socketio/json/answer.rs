//! What an ack says. There is no one form: `{ok:true,…}`, `{status:"ok"}`, `(null, result)`, `{error:"…"}`, nothing.

use crate::id::Id;
use crate::messages::{Code, MAX_INT};
use crate::name::Name;
use crate::socketio::Answer;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use serde_json::Value;
use serde_json::value::RawValue;

/// Most names of an answer that are read.
const MOST_MEMBERS: usize = 1_000;

pub(super) fn read(arguments: &[&RawValue]) -> Answer {
    let mut values =
        arguments.iter().filter_map(|argument| serde_json::from_str::<Value>(argument.get()).ok());
    let first = values.next().unwrap_or_default();
    match first {
        Value::Bool(false) => refused(&first),
        Value::Object(_) => object(&first),
        // The error comes first, and there is none.
        Value::Null => values.next().filter(Value::is_object).map_or(DONE, |result| object(&result)),
        _ => DONE,
    }
}

const DONE: Answer = Answer::Done { id: None, seq: None, members: None };

fn object(value: &Value) -> Answer {
    let has_error = !matches!(value.get("error"), None | Some(Value::Null | Value::Bool(false)));
    let says_no = [value.get("ok"), value.get("success")].contains(&Some(&Value::Bool(false)));
    let status_is_error = value.get("status").and_then(Value::as_str) == Some("error");
    if has_error || says_no || status_is_error {
        return refused(value);
    }
    let id = value.get("id").and_then(|id| match id {
        Value::String(id) => Id::new(id).ok(),
        Value::Number(id) => Id::new(&id.to_string()).ok(),
        _ => None,
    });
    let seq = value.get("seq").and_then(Value::as_u64).filter(|seq| *seq <= MAX_INT);
    let members = value.get("members").and_then(Value::as_array).map(|members| {
        let mut names: Vec<Name> =
            members.iter().take(MOST_MEMBERS).filter_map(Value::as_str).map(Name::from).collect();
        names.sort_unstable();
        names.dedup();
        names
    });
    Answer::Done { id, seq, members }
}

/// The code in `code`, `error.code` or `error` itself, and the first text that is meant for people.
fn refused(value: &Value) -> Answer {
    let error = value.get("error");
    let code = value.get("code").or_else(|| error?.get("code")).or(error).and_then(Value::as_str);
    let code = code.map_or(Code::Other, Code::read);
    let words = [value.get("message"), error.and_then(|error| error.get("message")), error];
    let message: Option<String> = words.into_iter().flatten().find_map(Value::as_str).map(String::from);
    Answer::Refused { code, message: message.filter(|message| *message != code.as_str()) }
}
