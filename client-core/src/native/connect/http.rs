//! One HTTP/1.1 request over an open transport, and its response. Bounds the response's head; knows nothing of the
//! request's purpose. The caller owns the deadline and drops the future.

use super::endpoint::Endpoint;
use super::request_first::RequestFirst;
use super::status_hint::is_tls;
use super::transport::hung_up;
use super::transport::{Transport, dial_error};
use crate::cause::{DialError, DialErrorKind, Remedy};
#[cfg(any(feature = "socketio", feature = "sse"))]
use hyper::body::Body as _;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::future::poll_fn;
use std::io;
#[cfg(any(feature = "socketio", feature = "sse"))]
use std::pin::Pin;
use std::task::{Context, Poll};

/// Header fields an answer may have.
const MAX_FIELDS: usize = 128;
/// Bytes the head of an answer may have, and bytes of a body that are buffered before they are read.
const MAX_HEAD: usize = 64 << 10;

/// An answer whose head has come, and the connection that its body comes from.
pub(crate) struct HttpResponse {
    pub(crate) response: Response<Incoming>,
    pub(crate) connection: HttpConnection,
}

/// Moves the bytes while it is polled.
pub(crate) struct HttpConnection {
    connection: Box<Connection<TokioIo<RequestFirst>, String>>,
    sender: SendRequest<String>,
    /// There is nothing more to move. A connection must not be polled again then.
    ended: bool,
}

/// What no answer and a wrong one mean.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ExpectedServer {
    /// What is not HTTP.
    pub(crate) not_http: DialErrorKind,
    /// The scheme to use if the server speaks TLS there; `None` where it is known not to, or is spoken to in TLS already.
    pub(crate) tls_scheme: Option<&'static str>,
    /// A server has answered there before, and so has let this client in as far as TLS goes.
    was_reached: bool,
}

impl ExpectedServer {
    pub(crate) fn at(endpoint: &Endpoint, was_reached: bool, not_http: DialErrorKind) -> Self {
        let tls_scheme = endpoint.tls_scheme().filter(|_| !was_reached);
        Self { not_http, tls_scheme, was_reached }
    }
}

/// Sends the request and waits for the head of its answer. What is not HTTP is an error of the kind that was expected for
/// that, or of [`DialErrorKind::Tls`] if it is TLS.
pub(crate) async fn exchange(
    transport: Transport,
    request: Request<String>,
    expected: ExpectedServer,
) -> Result<HttpResponse, DialError> {
    let failed = |error: hyper::Error| transport_error(&error, expected.not_http, expected.was_reached);
    let (sender, connection) = http1::Builder::new()
        // HTTP's names have no case, but servers written by hand compare them with the usual one.
        .title_case_headers(true)
        .max_headers(MAX_FIELDS)
        .max_buf_size(MAX_HEAD)
        .handshake(TokioIo::new(RequestFirst::new(transport)))
        .await
        .map_err(failed)?;
    let mut connection = HttpConnection { connection: Box::new(connection), sender, ended: false };
    let answer = connection.sender.send_request(request);
    tokio::pin!(answer);
    let response = poll_fn(|cx| {
        // An error of the connection is the answer's error too.
        connection.poll(cx);
        answer.as_mut().poll(cx)
    })
    .await;
    match response {
        Ok(response) => Ok(HttpResponse { response, connection }),
        Err(error) => {
            let read = connection.connection.into_parts().read_buf;
            if error.is_parse() && is_tls(&read) {
                let text = "the server speaks TLS on this port: use wss:// or https://";
                return Err(DialError::new(DialErrorKind::Tls, text));
            }
            if error.is_parse() && !read.is_empty() && !read.starts_with(b"HTTP/") {
                let text =
                    "the answer is not HTTP: what listens there is no web server and no chat; check the port";
                return Err(DialError::new(expected.not_http, text).with_remedy(Remedy::InMessage));
            }
            match expected.tls_scheme {
                // Some servers answer what is no TLS with a line of text or an alert, others with nothing.
                Some(scheme) if read.is_empty() && is_end(&error) => {
                    let text = format!(
                        "the server closed the connection before answering; if the server uses TLS, use {scheme}://"
                    );
                    Err(DialError::new(DialErrorKind::Unreachable, text).with_remedy(Remedy::InMessage))
                }
                _ => Err(failed(error)),
            }
        }
    }
}

impl HttpResponse {
    /// The next bytes of the body; `None` at its end.
    #[cfg(any(feature = "socketio", feature = "sse"))]
    pub(crate) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Bytes>>> {
        // How it ended is what the body says.
        self.connection.poll(cx);
        loop {
            return match Pin::new(self.response.body_mut()).poll_frame(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(None) => Poll::Ready(None),
                Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error))),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(bytes) => Poll::Ready(Some(Ok(bytes))),
                    // Trailers: there is nothing in them for us.
                    Err(_) => continue,
                },
            };
        }
    }

    /// The connection for another request, after the end of the body.
    #[cfg(feature = "socketio")]
    pub(super) fn into_connection(self) -> Option<HttpConnection> {
        Some(self.connection).filter(|connection| !connection.ended)
    }
}

/// Why a request on a connection that has been kept has no answer.
#[cfg(feature = "socketio")]
pub(super) enum NotSent {
    /// Nothing of it has been sent: here it is.
    Request(Box<Request<String>>),
    /// The server may have got it.
    Unknown(DialError),
}

/// Whether the other side ended the connection.
fn is_end(error: &hyper::Error) -> bool {
    match std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>()) {
        Some(source) => hung_up(source.kind()),
        None => !error.is_parse() || error.is_incomplete_message(),
    }
}

impl HttpConnection {
    /// Moves what can be moved, until the end.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) {
        self.ended = self.ended || self.connection.poll_without_shutdown(cx).is_ready();
    }

    /// Sends another request and waits for the head of its answer. The answer before it has been read to its end.
    #[cfg(feature = "socketio")]
    pub(super) async fn send(
        mut self,
        request: Request<String>,
        not_http: DialErrorKind,
    ) -> Result<HttpResponse, NotSent> {
        let ready = poll_fn(|cx| {
            self.poll(cx);
            self.sender.poll_ready(cx)
        });
        if ready.await.is_err() {
            return Err(NotSent::Request(Box::new(request)));
        }
        let answer = self.sender.try_send_request(request);
        tokio::pin!(answer);
        let response = poll_fn(|cx| {
            self.poll(cx);
            answer.as_mut().poll(cx)
        });
        match response.await {
            Ok(response) => Ok(HttpResponse { response, connection: self }),
            Err(mut error) => Err(match error.take_message() {
                Some(request) => NotSent::Request(Box::new(request)),
                None => NotSent::Unknown(transport_error(error.error(), not_http, true)),
            }),
        }
    }

    /// After the answer 101: the transport, and what was read of it behind the answer's head.
    pub(crate) async fn into_upgraded(mut self) -> (Transport, Bytes) {
        // Ready at once after a 101, because HTTP is over then.
        poll_fn(|cx| {
            self.poll(cx);
            if self.ended { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        let parts = self.connection.into_parts();
        (parts.io.into_inner().into_inner(), parts.read_buf)
    }
}

/// Why no answer came.
fn transport_error(error: &hyper::Error, not_http: DialErrorKind, was_reached: bool) -> DialError {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
    match source {
        Some(source) => dial_error(source, was_reached),
        None if error.is_parse() => DialError::new(not_http, format!("the answer is not HTTP: {error}")),
        None => {
            DialError::new(DialErrorKind::Unreachable, "the server closed the connection before it answered")
        }
    }
}
