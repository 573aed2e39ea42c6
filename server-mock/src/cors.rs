//! What lets a page of another origin read a feed or poll (the Fetch standard's CORS). Which origins may is
//! [`origin`](crate::origin)'s to say. Tokens authenticate here, not cookies, so credentials are never allowed.

use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, VARY,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

/// Seconds that a browser may remember the answer to a preflight; none remembers it for longer than two hours.
const MAX_AGE: &str = "7200";

/// Lets the pages of an origin that was found to be allowed read the answer.
pub(crate) fn readable(mut response: Response, origin: Option<&HeaderValue>) -> Response {
    let headers = response.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Retry-After"));
    }
    response
}

/// The answer to a preflight of such an origin: these methods, and these headers beside those that need no permission.
pub(crate) fn preflight(
    methods: &'static str,
    allowed: &'static str,
    origin: Option<&HeaderValue>,
) -> Response {
    let headers = [
        (ALLOW, methods),
        (ACCESS_CONTROL_ALLOW_METHODS, methods),
        (ACCESS_CONTROL_ALLOW_HEADERS, allowed),
        (ACCESS_CONTROL_MAX_AGE, MAX_AGE),
    ];
    readable((StatusCode::NO_CONTENT, headers).into_response(), origin)
}
