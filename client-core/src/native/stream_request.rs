//! The request for a stream of events, and the body of its answer.

use super::dial::{AGENT, bearer, retry_after};
use super::endpoint::Endpoint;
use super::route::{Route, unreachable};
use super::transport::Transport;
use crate::cause::{DialError, DialErrorKind, Disconnect};
use crate::name::Name;
use crate::token::Token;
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::client::conn::http1::{self, Connection};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// What is asked for, time and again.
#[derive(Debug)]
pub(crate) struct StreamRequest {
    pub(crate) route: Route,
    pub(crate) endpoint: Endpoint,
    pub(crate) room: Name,
}

type Http = Connection<TokioIo<Transport>, String>;

/// A stream that is open. What is not asked for is left in the socket.
pub(crate) struct StreamBody {
    /// Moves the bytes, while it lives.
    connection: Option<Pin<Box<Http>>>,
    body: Incoming,
}

impl StreamRequest {
    pub(crate) async fn dial(
        &self,
        token: Option<Token>,
        last_event_id: Option<Arc<str>>,
        history: Option<u64>,
    ) -> Result<StreamBody, DialError> {
        let request = self.request(token.as_ref(), last_event_id.as_deref(), history)?;
        let transport = self.route.open(&self.endpoint).await?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(transport)).await.map_err(|error| transport_error(&error))?;
        let mut connection = Box::pin(connection);
        let answer = sender.send_request(request);
        tokio::pin!(answer);
        let mut ended = false;
        let response = std::future::poll_fn(|cx| {
            // An error of the connection is the answer's too, and said there.
            ended = ended || connection.as_mut().poll(cx).is_ready();
            answer.as_mut().poll(cx)
        })
        .await
        .map_err(|error| transport_error(&error))?;
        check(&response)?;
        Ok(StreamBody { connection: (!ended).then_some(connection), body: response.into_body() })
    }

    fn request(
        &self,
        token: Option<&Token>,
        last_event_id: Option<&str>,
        history: Option<u64>,
    ) -> Result<Request<String>, DialError> {
        let target = self.endpoint.stream_of(&self.room, history);
        let malformed = |_| DialError::new(DialErrorKind::NotEventStream, "the URL makes no HTTP request");
        let mut request = Request::get(target)
            .header(header::HOST, self.endpoint.authority())
            .header(header::USER_AGENT, AGENT)
            .header(header::ACCEPT, EVENT_STREAM)
            .header(header::CACHE_CONTROL, "no-store")
            .body(String::new())
            .map_err(malformed)?;
        let headers = request.headers_mut();
        if let Some(token) = token {
            headers.insert(header::AUTHORIZATION, bearer(token)?);
        }
        // One that a header cannot carry is not the server's own making, and it is told that something may be missing.
        if let Some(Ok(id)) = last_event_id.map(|id| HeaderValue::from_bytes(id.as_bytes())) {
            headers.insert(HeaderName::from_static("last-event-id"), id);
        }
        Ok(request)
    }
}

const EVENT_STREAM: &str = "text/event-stream";

/// Whether the answer is a stream of events.
fn check<B>(response: &Response<B>) -> Result<(), DialError> {
    let (status, headers) = (response.status(), response.headers());
    let kind = media_type(headers);
    if status == StatusCode::OK && kind.as_deref() == Some(EVENT_STREAM) && !is_encoded(headers) {
        return Ok(());
    }
    let hint = match status.as_u16() {
        200 if kind.as_deref() == Some(EVENT_STREAM) => ": it is compressed, which nobody asked for",
        200 if kind.as_deref() == Some("text/html") => ": this is a web page, not a stream of events",
        204 => ": there will be nothing more to read here",
        200..=299 => ": this is not a stream of events",
        300..=399 => ": redirects are not followed",
        404 => ": no stream of events at this path",
        _ => "",
    };
    let kind = match status.as_u16() {
        204 => DialErrorKind::Http(204),
        200..=299 => DialErrorKind::NotEventStream,
        status => DialErrorKind::Http(status),
    };
    let error = DialError::new(kind, format!("the server answered HTTP {status}{hint}"));
    Err(DialError { retry_after: retry_after(headers), ..error })
}

/// `Content-Type` without its parameters, in lower case.
fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    value.split(';').next().map(|kind| kind.trim().to_ascii_lowercase())
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity")
}

fn transport_error(error: &hyper::Error) -> DialError {
    let io = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    match io {
        Some(io) => unreachable(io),
        None if error.is_parse() => {
            DialError::new(DialErrorKind::NotEventStream, format!("the answer is not HTTP: {error}"))
        }
        None => DialError::new(DialErrorKind::Unreachable, "the server hung up before it answered"),
    }
}

impl StreamBody {
    /// The next bytes, or how the stream ended.
    pub(crate) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, Disconnect>> {
        if let Some(connection) = &mut self.connection
            && connection.as_mut().poll(cx).is_ready()
        {
            // How it ended is what the body says.
            self.connection = None;
        }
        loop {
            return match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(None) => Poll::Ready(Err(Disconnect::Ended)),
                Poll::Ready(Some(Err(_))) => Poll::Ready(Err(Disconnect::Lost)),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(bytes) => Poll::Ready(Ok(bytes)),
                    // Trailers: there is nothing in them for us.
                    Err(_) => continue,
                },
            };
        }
    }
}
