//! The HTTP request of a stream of events, and the body of its response. Does not read the events.

use super::endpoint::Endpoint;
use super::http::{ExpectedServer, HttpResponse, exchange};
use super::http_error::{http_error, is_encoded, media_type};
use super::redact::Secrets;
use super::request::RequestOptions;
use super::transport::Connector;
use crate::cause::{DialError, DialErrorKind, Disconnect, Remedy};
use crate::name::Name;
use crate::token::Token;
use hyper::body::Bytes;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, Response, StatusCode};
use std::sync::Arc;
use std::task::{Context, Poll};

/// What is requested, time and again.
#[derive(Debug, Clone)]
pub(crate) struct StreamRequest {
    pub(crate) connector: Connector,
    pub(crate) options: RequestOptions,
    pub(crate) endpoint: Endpoint,
    /// Whose stream it is.
    pub(crate) room: Name,
    /// It is at the endpoint itself, and not below it.
    pub(crate) is_at_url: bool,
    /// It is to begin with the answer that a member would get.
    pub(crate) announces_join: bool,
}

/// Why there is no stream.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) error: DialError,
    /// The refusal is JSON, as a room server's is, and no page of something on the way.
    pub(crate) is_of_server: bool,
}

impl From<DialError> for Refused {
    fn from(error: DialError) -> Self {
        Self { error, is_of_server: false }
    }
}

/// A stream that is open. What is not requested is left in the socket.
pub(crate) struct StreamBody(HttpResponse);

impl StreamRequest {
    /// Opens the stream.
    pub(crate) async fn dial(
        &self,
        token: Option<Token>,
        last_event_id: Option<Arc<str>>,
        history: Option<u64>,
    ) -> Result<StreamBody, Refused> {
        self.answer(Method::GET, token, last_event_id, history).await.map(StreamBody)
    }

    /// Asks whether there is a stream, without opening it. Gives the user that the server takes the token for, where it
    /// says that.
    pub(crate) async fn check(&self, token: Option<Token>) -> Result<Option<Name>, Refused> {
        let answer = self.answer(Method::HEAD, token, None, None).await?;
        let user = answer.response.headers().get(USER).and_then(|value| value.to_str().ok());
        Ok(user.and_then(decode_user))
    }

    async fn answer(
        &self,
        method: Method,
        token: Option<Token>,
        last_event_id: Option<Arc<str>>,
        history: Option<u64>,
    ) -> Result<HttpResponse, Refused> {
        let target = |token: Option<&Token>| self.target(history, token);
        let (mut request, secrets) = self.options.get(&self.endpoint, token.as_ref(), target).await?;
        *request.method_mut() = method;
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static(EVENT_STREAM));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // One that a header cannot carry is not the server's own making, and it is reported that something may be missing.
        if let Some(Ok(id)) = last_event_id.map(|id| HeaderValue::from_bytes(id.as_bytes())) {
            headers.insert(HeaderName::from_static("last-event-id"), id);
        }
        let transport = self.connector.open(&self.endpoint).await?;
        let expected =
            ExpectedServer::at(&self.endpoint, self.connector.was_reached(), DialErrorKind::NotEventStream);
        let answer = exchange(transport, request, expected).await?;
        self.connector.mark_reached();
        if is_event_stream(&answer.response) {
            return Ok(answer);
        }
        let is_of_server = media_type(answer.response.headers()).as_deref() == Some("application/json");
        Err(Refused { error: self.refused(answer, &secrets).await, is_of_server })
    }

    /// The error that an answer without a stream means.
    async fn refused(&self, answer: HttpResponse, secrets: &Secrets) -> DialError {
        let media_type = media_type(answer.response.headers());
        let is_compressed =
            answer.response.status().is_success() && media_type.as_deref() == Some(EVENT_STREAM);
        let not_stream = DialErrorKind::NotEventStream;
        let not_found = format!(": no stream of events at {}", self.path());
        let (kind, hint) = match answer.response.status().as_u16() {
            204 => (DialErrorKind::Http(204), ": there will be nothing more to read here"),
            200..=299 => match media_type.as_deref() {
                Some(EVENT_STREAM) => (
                    not_stream,
                    ": it is compressed, which nobody asked for: turn that off for this path (nginx: gzip off)",
                ),
                Some("text/html") => (not_stream, ": this is a web page, not a stream of events"),
                _ => (not_stream, ": this is not a stream of events"),
            },
            status @ 300..=399 => (DialErrorKind::Http(status), ": redirects are not followed"),
            404 => (DialErrorKind::Http(404), &*not_found),
            status => (DialErrorKind::Http(status), ""),
        };
        let error = http_error(answer, kind, hint, &self.endpoint, secrets).await;
        if is_compressed { error.with_remedy(Remedy::InMessage) } else { error }
    }

    fn target(&self, history: Option<u64>, token: Option<&Token>) -> String {
        if self.is_at_url {
            self.endpoint.own_target(token)
        } else {
            self.endpoint.stream_target(&self.room, history, self.announces_join, token)
        }
    }

    /// The path that is requested, without the query, which may have a token.
    fn path(&self) -> String {
        self.target(None, None).split('?').next().unwrap_or_default().to_owned()
    }
}

/// Whose stream it is, in percent-encoding.
const USER: HeaderName = HeaderName::from_static("rejoin-user");

fn decode_user(encoded: &str) -> Option<Name> {
    let pair = format!("user={encoded}");
    let (_, user) = url::form_urlencoded::parse(pair.as_bytes()).next()?;
    (!user.is_empty()).then(|| Name::from(&*user))
}

const EVENT_STREAM: &str = "text/event-stream";

/// Whether the answer is a stream of events.
fn is_event_stream<B>(response: &Response<B>) -> bool {
    let headers = response.headers();
    let kind = media_type(headers);
    response.status() == StatusCode::OK && kind.as_deref() == Some(EVENT_STREAM) && !is_encoded(headers)
}

impl StreamBody {
    /// The next bytes, or how the stream ended.
    pub(crate) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, Disconnect>> {
        self.0.poll_piece(cx).map(|piece| match piece {
            None => Err(Disconnect::Ended),
            Some(piece) => piece.map_err(|_| Disconnect::Lost),
        })
    }
}
