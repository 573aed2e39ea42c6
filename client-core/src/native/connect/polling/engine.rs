//! The requests of one polled session: their target, header fields and cookies, and the connections that they travel on.
//! Knows nothing of what is in them.

use super::cookies::Cookies;
use crate::cause::{DialError, DialErrorKind};
use crate::native::connect::endpoint::Endpoint;
use crate::native::connect::http::{ExpectedServer, HttpConnection, HttpResponse, NotSent, exchange};
use crate::native::connect::redact::Secrets;
use crate::native::connect::transport::Connector;
use crate::token::Token;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request};

/// The engine's session at the server.
pub(super) struct Engine {
    pub(super) connector: Connector,
    pub(super) endpoint: Endpoint,
    /// The token, where it goes into the query.
    pub(super) token: Option<Token>,
    /// What every request carries.
    pub(super) headers: HeaderMap,
    pub(super) secrets: Secrets,
    pub(super) cookies: Cookies,
    pub(super) sid: Box<str>,
}

impl Engine {
    /// A request for what has come.
    pub(super) fn get(&self) -> Option<Request<String>> {
        self.request(Method::GET, "polling", String::new())
    }

    /// A request with a payload.
    pub(super) fn post(&self, payload: String) -> Option<Request<String>> {
        let mut request = self.request(Method::POST, "polling", payload)?;
        let kind = HeaderValue::from_static("text/plain;charset=UTF-8");
        request.headers_mut().insert(header::CONTENT_TYPE, kind);
        Some(request)
    }

    /// A request for a WebSocket of the same session, without the fields of the upgrade.
    pub(super) fn upgrade(&self) -> Option<Request<String>> {
        self.request(Method::GET, "websocket", String::new())
    }

    /// `None` where the server's own session id makes no request.
    fn request(&self, method: Method, transport: &str, body: String) -> Option<Request<String>> {
        let target = self.endpoint.engine_target(self.token.as_ref(), transport, Some(&self.sid));
        let mut request = Request::builder().method(method).uri(target).body(body).ok()?;
        *request.headers_mut() = self.headers.clone();
        self.cookies.write(request.headers_mut());
        Some(request)
    }

    /// Takes the cookies of an answer.
    pub(super) fn answered(&mut self, headers: &HeaderMap) {
        self.cookies.take(headers);
    }

    /// Sends a request on a connection that has been kept, or on a new one, and waits for the head of its answer.
    pub(super) fn send(
        &self,
        kept: Option<HttpConnection>,
        request: Request<String>,
    ) -> impl Future<Output = Result<HttpResponse, DialError>> + Send + 'static {
        let (connector, endpoint) = (self.connector.clone(), self.endpoint.clone());
        async move {
            let request = match kept {
                None => request,
                Some(kept) => match kept.send(request, DialErrorKind::NotWebSocket).await {
                    Ok(answer) => return Ok(answer),
                    // The server had closed it meanwhile.
                    Err(NotSent::Request(request)) => *request,
                    Err(NotSent::Unknown(error)) => return Err(error),
                },
            };
            let transport = connector.open(&endpoint).await?;
            let expected = ExpectedServer::at(&endpoint, true, DialErrorKind::NotWebSocket);
            exchange(transport, request, expected).await
        }
    }
}
