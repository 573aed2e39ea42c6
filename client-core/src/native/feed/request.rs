//! The HTTP request of a feed, and the body of its response.

use crate::cause::{DialError, DialErrorKind, Disconnect, Remedy};
use crate::name::Name;
use crate::native::connect::{
    Connector, Endpoint, ExpectedServer, HttpResponse, RequestOptions, Secrets, exchange, http_error,
    is_encoded, media_type,
};
use crate::token::Token;
use hyper::body::Bytes;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use std::sync::Arc;
use std::task::{Context, Poll};

/// What is requested, time and again.
#[derive(Debug)]
pub(crate) struct StreamRequest {
    pub(super) connector: Connector,
    pub(super) options: RequestOptions,
    pub(super) endpoint: Endpoint,
    /// Whose stream it is.
    pub(super) room: Name,
    /// It is at the endpoint itself, and not below it.
    pub(super) is_at_url: bool,
}

/// A stream that is open. What is not requested is left in the socket.
pub(crate) struct StreamBody(HttpResponse);

impl StreamRequest {
    pub(crate) async fn dial(
        &self,
        token: Option<Token>,
        last_event_id: Option<Arc<str>>,
        history: Option<u64>,
    ) -> Result<StreamBody, DialError> {
        let target = |token: Option<&Token>| self.target(history, token);
        let (mut request, secrets) = self.options.get(&self.endpoint, token.as_ref(), target).await?;
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
            return Ok(StreamBody(answer));
        }
        Err(self.refused(answer, &secrets).await)
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
            self.endpoint.stream_target(&self.room, history, token)
        }
    }

    /// The path that is requested, without the query, which may have a token.
    fn path(&self) -> String {
        self.target(None, None).split('?').next().unwrap_or_default().to_owned()
    }
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
