//! An HTTP request with its credentials and header fields.

use super::endpoint::Endpoint;
use super::headers::Headers;
use super::redact::Secrets;
use crate::cause::{DialError, DialErrorKind};
use crate::token::Token;
use futures_util::future::BoxFuture;
use hyper::Request;
use hyper::header::{self, HeaderMap, HeaderValue};
use std::fmt;
use std::sync::Arc;

/// Makes header fields for one attempt. The error is its text.
pub(crate) type HeadersSource = Arc<dyn Fn() -> BoxFuture<'static, Result<Headers, Box<str>>> + Send + Sync>;

/// Where the token goes in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenLocation {
    /// `Authorization: Bearer`. The default for a token that is not in the URL: proxies do not log it.
    Header,
    /// `?token=` in the URL. The default where the URL given has a `token` in its query.
    Query,
    /// In the first message: `{"type":"auth","token":"…"}` is written on each WebSocket before anything else, for plain servers
    /// that look at the token there. A stream of events has it in the header; toward Socket.IO it is in the `auth` object alone.
    Message,
}

/// What every request of a client carries.
#[derive(Clone, Default)]
pub(crate) struct RequestOptions {
    /// Where the token goes; `None` where the protocol has a place of its own for it.
    pub(crate) token_location: Option<TokenLocation>,
    pub(crate) headers: Headers,
    pub(crate) headers_source: Option<HeadersSource>,
}

/// How this client names itself.
const AGENT: &str = concat!("rejoin/", env!("CARGO_PKG_VERSION"));

impl RequestOptions {
    /// The same for requests that no message follows.
    #[cfg(feature = "sse")]
    pub(crate) fn without_messages(self) -> Self {
        let in_header = |place| if place == TokenLocation::Message { TokenLocation::Header } else { place };
        Self { token_location: self.token_location.map(in_header), ..self }
    }

    /// A `GET` request; `target` makes its path and query, with the token in it if it goes there. Also what of the
    /// request an error must not show.
    ///
    /// Cancel safe: nothing has been sent yet.
    pub(crate) async fn get(
        &self,
        endpoint: &Endpoint,
        token: Option<&Token>,
        target: impl FnOnce(Option<&Token>) -> String,
    ) -> Result<(Request<String>, Secrets), DialError> {
        let place = |location| token.filter(|_| self.token_location == Some(location));
        let mut request = Request::get(target(place(TokenLocation::Query)))
            .body(String::new())
            .map_err(|_| DialError::new(DialErrorKind::NotWebSocket, "the URL makes no HTTP request"))?;
        let headers = request.headers_mut();
        let authority = HeaderValue::try_from(endpoint.authority()).map_err(|_| {
            DialError::new(DialErrorKind::NotWebSocket, "the URL's host makes no HTTP request")
        })?;
        headers.insert(header::HOST, authority);
        headers.insert(header::USER_AGENT, HeaderValue::from_static(AGENT));
        let mut secrets = Secrets::default();
        if let Some(token) = token {
            secrets.add(token.expose());
        }
        if let Some(basic) = endpoint.basic() {
            for part in [&basic.password, &basic.encoded] {
                secrets.add(part);
            }
            headers.insert(header::AUTHORIZATION, authorization("Basic", &basic.encoded)?);
        }
        if let Some(token) = place(TokenLocation::Header) {
            headers.insert(header::AUTHORIZATION, authorization("Bearer", token.expose())?);
        }
        add(&self.headers, headers, &mut secrets);
        if let Some(source) = &self.headers_source {
            let made = source().await.map_err(|text| DialError::new(DialErrorKind::Headers, text))?;
            add(&made, headers, &mut secrets);
        }
        Ok((request, secrets))
    }
}

fn add(own: &Headers, headers: &mut HeaderMap, secrets: &mut Secrets) {
    own.write(headers);
    for value in own.values() {
        secrets.add(value);
    }
    secrets.has_authorization |= own.contains(header::AUTHORIZATION.as_str());
}

fn authorization(scheme: &str, secret: &str) -> Result<HeaderValue, DialError> {
    let mut value = HeaderValue::try_from(format!("{scheme} {secret}")).map_err(|_| {
        DialError::new(DialErrorKind::Http(401), "the token has characters a header cannot carry")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

impl fmt::Debug for RequestOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestOptions")
            .field("token_location", &self.token_location)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}
