//! The requests by custom frames that are under way: matches an answer by the field that it repeats. Sends nothing.

use crate::event::{Delivery, DeliveryStatus, SendFailure, SendId};
use crate::messages::Frame;
use crate::native::status::ClosedError;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Maximum requests without an answer.
pub(crate) const MAX_REQUESTS: usize = 1_024;

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// [`ClientBuilder::correlate`](crate::ClientBuilder::correlate) has not said which field an answer repeats.
    #[error("it is not known which field an answer repeats: say it with correlate()")]
    NoCorrelation,
    /// The frame is no JSON object, or has in that field neither a text nor a number, or one that a request under way has.
    #[error("the field that an answer repeats is neither a text nor a number of its own")]
    BadCorrelation,
    /// 1,024 requests are under way.
    #[error("too many requests are without an answer")]
    TooMany,
    /// It was not sent.
    #[error("the request was not sent: {0}")]
    NotSent(#[source] SendFailure),
    /// The connection was lost before the answer came: the server may have processed it, or not.
    #[error("the connection was lost before the answer came")]
    ConnectionLost,
    /// The time is over. If there was a connection, the server may have processed it, or may yet.
    #[error("no answer came in time")]
    Timeout,
    /// The client has ended.
    #[error(transparent)]
    Closed(#[from] ClosedError),
}

impl RequestError {
    /// Whether the same request may succeed later. A server may then deal with it twice.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::TooMany | Self::ConnectionLost | Self::Timeout => true,
            Self::NotSent(why) => why.is_temporary(),
            Self::NoCorrelation | Self::BadCorrelation | Self::Closed(_) => false,
        }
    }
}

pub(crate) type Answer = Result<Frame, ConnectionLost>;

/// The connection on which the answer was to come is gone.
#[derive(Debug)]
pub(crate) struct ConnectionLost;

/// The requests that wait for an answer, by the value that it repeats.
pub(crate) struct Requests {
    field: Box<str>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: BTreeMap<String, Open>,
    last: u64,
}

struct Open {
    id: SendId,
    is_written: bool,
    answer: oneshot::Sender<Answer>,
}

impl Requests {
    pub(crate) fn new(field: Box<str>) -> Self {
        Self { field, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here is left half-done by a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the answer to a request, or gives the frame back.
    pub(crate) fn take(&self, frame: Frame) -> Option<Frame> {
        let mut state = self.lock();
        if state.open.is_empty() {
            return Some(frame);
        }
        let key = frame.text().and_then(|text| match value(text, &self.field) {
            FieldValue::Value(key) => Some(key),
            FieldValue::Nothing | FieldValue::Other => None,
        });
        let Some(open) = key.and_then(|key| state.open.remove(&key)) else { return Some(frame) };
        drop(state);
        match open.answer.send(Ok(frame)) {
            Err(Ok(frame)) => Some(frame),
            _ => None,
        }
    }

    /// The outcome of a send, which may be a request.
    pub(crate) fn delivered(&self, delivery: &Delivery) {
        if delivery.status == DeliveryStatus::Written {
            let mut state = self.lock();
            let open = state.open.values_mut().find(|open| open.id == delivery.id);
            if let Some(open) = open {
                open.is_written = true;
            }
        }
    }

    /// The connection is gone, and no answer comes to what was written to it.
    pub(crate) fn connection_lost(&self) {
        let mut state = self.lock();
        for (key, open) in std::mem::take(&mut state.open) {
            if open.is_written {
                // Whoever does not wait any more need not know.
                let _ = open.answer.send(Err(ConnectionLost));
            } else {
                state.open.insert(key, open);
            }
        }
    }

    /// The client has ended.
    pub(crate) fn end(&self) {
        self.lock().open.clear();
    }

    /// Registers the request that `send` queues, whose text is `frame` or that with a value in the field. The answer, or
    /// that it will not come, is what the receiver gives; it gives nothing when the client has ended.
    pub(crate) fn register<S>(
        &self,
        frame: String,
        send: impl FnOnce(String) -> Result<(SendId, S), SendFailure>,
    ) -> Result<(String, S, oneshot::Receiver<Answer>), RequestError> {
        let mut state = self.lock();
        if state.open.len() >= MAX_REQUESTS {
            return Err(RequestError::TooMany);
        }
        let (key, frame) = match value(&frame, &self.field) {
            FieldValue::Value(key) => (key, frame),
            FieldValue::Other => return Err(RequestError::BadCorrelation),
            FieldValue::Nothing => {
                let chosen = loop {
                    state.last += 1;
                    let chosen = Value::String(format!("r{}", state.last)).to_string();
                    if !state.open.contains_key(&chosen) {
                        break chosen;
                    }
                };
                let frame = with_field(&frame, &self.field, &chosen).ok_or(RequestError::BadCorrelation)?;
                (chosen, frame)
            }
        };
        if state.open.contains_key(&key) {
            return Err(RequestError::BadCorrelation);
        }
        // With the lock held: neither the outcome nor the answer can come before the request is known.
        let (id, sending) = send(frame).map_err(RequestError::NotSent)?;
        let (answer, answered) = oneshot::channel();
        state.open.insert(key.clone(), Open { id, is_written: false, answer });
        Ok((key, sending, answered))
    }

    /// Nobody waits for the answer any more.
    pub(crate) fn forget(&self, key: &str) {
        self.lock().open.remove(key);
    }
}

/// What a frame has in a field.
enum FieldValue {
    /// A text or a number, as JSON.
    Value(String),
    /// Something else.
    Other,
    Nothing,
}

fn value(text: &str, field: &str) -> FieldValue {
    let Ok(fields) = serde_json::from_str::<BTreeMap<Cow<'_, str>, &RawValue>>(text) else {
        return FieldValue::Other;
    };
    let Some(json) = fields.get(field) else { return FieldValue::Nothing };
    match serde_json::from_str::<Value>(json.get()) {
        Ok(value @ (Value::String(_) | Value::Number(_))) => FieldValue::Value(value.to_string()),
        _ => FieldValue::Other,
    }
}

/// The object with one more field; `None` if it is no object.
fn with_field(object: &str, field: &str, value: &str) -> Option<String> {
    let rest = object.trim_start().strip_prefix('{')?.trim_start();
    let comma = if rest.starts_with('}') { "" } else { "," };
    let field = Value::String(field.to_owned());
    Some(format!("{{{field}:{value}{comma}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_and_added() {
        let found = |text: &str| match value(text, "id") {
            FieldValue::Value(json) => json,
            FieldValue::Other => "other".into(),
            FieldValue::Nothing => "nothing".into(),
        };
        assert_eq!(found(r#"{"type":"q","id":"a\u0062"}"#), r#""ab""#);
        assert_eq!(found(r#"{"id" : 7}"#), "7");
        assert_eq!(found(r#"{"id":[7]}"#), "other");
        assert_eq!(found("[7]"), "other");
        assert_eq!(found("{}"), "nothing");
        assert_eq!(with_field(" { }", "id", "1").unwrap(), r#"{"id":1}"#);
        assert_eq!(with_field(r#"{"type":"q"}"#, "a\"b", "1").unwrap(), r#"{"a\"b":1,"type":"q"}"#);
        assert_eq!(with_field("7", "id", "1"), None);
    }
}
