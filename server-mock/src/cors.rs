//! The CORS headers for feeds and polls (the Fetch standard). [`origin`](crate::origin) decides which origins are allowed.
//! Tokens authenticate here, not cookies; a poll may send credentials too where its origin is on the list by name, for the
//! cookies of a balancer in between.

use axum::extract::Request;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ALLOW, ORIGIN, VARY,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

/// Seconds that a browser may remember the answer to a preflight; none remembers it for longer than two hours.
const MAX_AGE: &str = "7200";

/// Lets the pages of an origin that was found to be allowed read the answer. `credentials`: they may send some.
pub(crate) fn readable(mut response: Response, origin: Option<&HeaderValue>, credentials: bool) -> Response {
    let headers = response.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Retry-After, Rejoin-User"));
        if credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }
    response
}

/// The answer to a preflight of such an origin: these methods, and those of these headers that it asks for.
pub(crate) fn preflight(
    methods: &'static str,
    allowed: &[HeaderName],
    request: &Request,
    credentials: bool,
) -> Response {
    let asked = request.headers().get(ACCESS_CONTROL_REQUEST_HEADERS).and_then(|asked| asked.to_str().ok());
    let granted = |name: &&HeaderName| {
        // A peer that asks for none is told them all.
        asked.is_none_or(|asked| {
            asked.split(',').any(|asked| asked.trim().eq_ignore_ascii_case(name.as_str()))
        })
    };
    let granted: Vec<_> = allowed.iter().filter(granted).map(HeaderName::as_str).collect();
    let headers =
        [(ALLOW, methods), (ACCESS_CONTROL_ALLOW_METHODS, methods), (ACCESS_CONTROL_MAX_AGE, MAX_AGE)];
    let mut response = (StatusCode::NO_CONTENT, headers).into_response();
    if let Ok(granted) = HeaderValue::try_from(granted.join(", ")) {
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_HEADERS, granted);
    }
    let mut response = readable(response, request.headers().get(ORIGIN), credentials);
    response.headers_mut().append(VARY, HeaderValue::from_static("Access-Control-Request-Headers"));
    response
}
