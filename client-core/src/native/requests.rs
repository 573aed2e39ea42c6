//! Requests by custom frames: matches an answer by the field that it repeats. Sends nothing again.

use super::client::{Client, ClosedError};
use super::frame_builder::FrameBuilder;
use super::send_future::{SendError, SendFuture, SendState};
use crate::event::{Delivery, DeliveryStatus, SendFailure, SendId};
use crate::messages::Frame;
use core::future::{Future as _, IntoFuture};
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Maximum requests without an answer.
const MAX_REQUESTS: usize = 1_024;
/// How long an answer is waited for, if the application says nothing.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// [`ClientBuilder::correlate`](super::ClientBuilder::correlate) has not said which field an answer repeats.
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

type Answer = Result<Frame, ConnectionLost>;

/// The connection on which the answer was to come is gone.
#[derive(Debug)]
struct ConnectionLost;

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

    /// Sends a request whose text is `frame`. The answer, or that it will not come, is what the receiver gives; it gives
    /// nothing when the client has ended.
    fn send(
        &self,
        mut builder: FrameBuilder<'_>,
    ) -> Result<(String, SendFuture, oneshot::Receiver<Answer>), RequestError> {
        let text = builder.frame.clone().map_err(RequestError::NotSent)?;
        let mut state = self.lock();
        if state.open.len() >= MAX_REQUESTS {
            return Err(RequestError::TooMany);
        }
        let (key, builder) = match value(&text, &self.field) {
            FieldValue::Value(key) => (key, builder),
            FieldValue::Other => return Err(RequestError::BadCorrelation),
            FieldValue::Nothing => {
                let chosen = loop {
                    state.last += 1;
                    let chosen = Value::String(format!("r{}", state.last)).to_string();
                    if !state.open.contains_key(&chosen) {
                        break chosen;
                    }
                };
                let frame = with_field(&text, &self.field, &chosen).ok_or(RequestError::BadCorrelation)?;
                builder.frame = Ok(frame);
                (chosen, builder)
            }
        };
        if state.open.contains_key(&key) {
            return Err(RequestError::BadCorrelation);
        }
        // With the lock held: neither the outcome nor the answer can come before the request is known.
        let sending = builder.send();
        let id = match sending.state {
            SendState::Queued(id) => id,
            SendState::Refused(why) => return Err(RequestError::NotSent(why)),
            SendState::Resolved => return Err(RequestError::NotSent(SendFailure::Closed)),
        };
        let (answer, answered) = oneshot::channel();
        state.open.insert(key.clone(), Open { id, is_written: false, answer });
        Ok((key, sending, answered))
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

/// A request that is not sent yet: awaiting it does that, and gives the answer.
#[must_use = "a request is not sent before it is awaited"]
pub struct Request<'a> {
    client: &'a Client,
    frame: FrameBuilder<'a>,
    timeout: Duration,
}

impl Request<'_> {
    /// How long the answer may take, the time in which there is no connection included: 30 s by default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl<'a> IntoFuture for Request<'a> {
    type Output = Result<Frame, RequestError>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { client, frame: builder, timeout } = self;
        Box::pin(async move {
            let until = Instant::now() + timeout;
            if client.shared.custom.are_events() {
                let asked = EventRequest::send(client, builder.timeout(timeout))?;
                return asked.answer(until).await.unwrap_or_else(|| Err(client.ended().into()));
            }
            let Some(requests) = client.shared.requests.clone() else {
                return Err(RequestError::NoCorrelation);
            };
            let (key, sending, answered) = requests.send(builder.timeout(timeout))?;
            let under_way = FrameRequest { requests, key, sending };
            under_way.answer(answered, until).await.unwrap_or_else(|| Err(client.ended().into()))
        })
    }
}

/// A request that is forgotten when it is dropped, and taken back if it has not been sent.
struct FrameRequest {
    requests: Arc<Requests>,
    key: String,
    sending: SendFuture,
}

impl FrameRequest {
    /// The answer; `None` when the client has ended.
    async fn answer(
        mut self,
        mut answered: oneshot::Receiver<Answer>,
        until: Instant,
    ) -> Option<Result<Frame, RequestError>> {
        let mut is_written = false;
        loop {
            tokio::select! {
                biased;
                answer = &mut answered => return match answer {
                    Ok(Ok(frame)) => Some(Ok(frame)),
                    Ok(Err(ConnectionLost)) => Some(Err(RequestError::ConnectionLost)),
                    Err(_) => None,
                },
                outcome = core::future::poll_fn(|cx| core::pin::Pin::new(&mut self.sending).poll(cx)),
                    if !is_written => match outcome {
                    Ok(_) => is_written = true,
                    Err(SendError::Failed(SendFailure::Closed)) => return None,
                    Err(SendError::Failed(SendFailure::Timeout)) => return Some(Err(RequestError::Timeout)),
                    Err(SendError::Failed(why)) => return Some(Err(RequestError::NotSent(why))),
                    Err(_) if Instant::now() >= until => return Some(Err(RequestError::Timeout)),
                    Err(_) => return Some(Err(RequestError::ConnectionLost)),
                },
                () = tokio::time::sleep_until(until) => return Some(Err(RequestError::Timeout)),
            }
        }
    }
}

impl Drop for FrameRequest {
    fn drop(&mut self) {
        self.sending.cancel();
        self.requests.lock().open.remove(&self.key);
    }
}

/// A request to a Socket.IO server, which answers by an ack. Taken back when it is dropped, if it has not been sent.
struct EventRequest {
    open: Arc<AtomicUsize>,
    sending: SendFuture,
}

impl EventRequest {
    fn send(client: &Client, builder: FrameBuilder<'_>) -> Result<Self, RequestError> {
        let open = Arc::clone(&client.shared.open_requests);
        let is_one_more = |open| (open < MAX_REQUESTS).then_some(open + 1);
        open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, is_one_more)
            .map_err(|_| RequestError::TooMany)?;
        Ok(Self { open, sending: builder.with_ack().send() })
    }

    /// The answer; `None` when the client has ended.
    async fn answer(mut self, until: Instant) -> Option<Result<Frame, RequestError>> {
        match core::future::poll_fn(|cx| core::pin::Pin::new(&mut self.sending).poll(cx)).await {
            Ok(receipt) => {
                let answer = receipt.answer().unwrap_or("null").to_owned();
                Some(Ok(Frame::new(None, answer)))
            }
            Err(SendError::Failed(SendFailure::Closed)) => None,
            Err(SendError::Failed(SendFailure::Timeout)) => Some(Err(RequestError::Timeout)),
            Err(SendError::Failed(why)) => Some(Err(RequestError::NotSent(why))),
            Err(_) if Instant::now() >= until => Some(Err(RequestError::Timeout)),
            Err(_) => Some(Err(RequestError::ConnectionLost)),
        }
    }
}

impl Drop for EventRequest {
    fn drop(&mut self) {
        self.sending.cancel();
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Client {
    /// As [`Client::request`], with an event for a Socket.IO server, whose arguments are given as in [`Client::emit`].
    #[cfg(feature = "socketio")]
    pub fn request_event(&self, name: &str, arguments: &(impl Serialize + ?Sized)) -> Request<'_> {
        Request { client: self, frame: self.event(name, arguments), timeout: TIMEOUT }
    }

    /// Begins a request: a custom frame that the server answers with one that repeats a field of it, which
    /// [`ClientBuilder::correlate`](super::ClientBuilder::correlate) names. A frame without that field gets one, with a text
    /// that no other request has. The answer is given to the request, and is no event.
    ///
    /// ```no_run
    /// # async fn f(client: rejoin::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// let quote = serde_json::json!({"type": "quote", "symbol": "X"});
    /// let answer = client.request(&quote).timeout(Duration::from_secs(5)).await?;
    /// println!("{:?}", answer.text());
    /// # Ok(()) }
    /// ```
    ///
    /// It is sent at most once: where there is no connection it waits for one within its time, and with a connection that is
    /// lost it ends with [`RequestError::ConnectionLost`]. At most 1,024 are under way.
    ///
    /// On a Socket.IO server the answer is the ack: one argument as it is, several as a list, none as `null`.
    ///
    /// Cancel safe: dropping the future takes it back if it has not been sent; a later answer then is an event.
    pub fn request(&self, frame: &(impl Serialize + ?Sized)) -> Request<'_> {
        Request { client: self, frame: self.frame(frame), timeout: TIMEOUT }
    }
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
