//! A request of the application: sends a custom frame or an event, and waits for its answer. Sends nothing again.

use super::Client;
use super::frame::FrameBuilder;
use crate::event::SendFailure;
use crate::messages::Frame;
use crate::native::commands::{
    Answer, ConnectionLost, MAX_REQUESTS, RequestError, Requests, SendError, SendFuture,
};
use core::future::{Future as _, IntoFuture};
use futures_util::future::BoxFuture;
use serde::Serialize;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How long an answer is waited for, if the application says nothing.
const TIMEOUT: Duration = Duration::from_secs(30);

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
            let text = builder.frame.clone().map_err(RequestError::NotSent)?;
            let (key, sending, answered) = requests.register(text, |frame| {
                let sending = builder.timeout(timeout).with_frame(frame).send();
                sending.id().map(|id| (id, sending))
            })?;
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
        self.requests.forget(&self.key);
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
    /// [`ClientBuilder::correlate`](crate::ClientBuilder::correlate) names. A frame without that field gets one, with a text
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
