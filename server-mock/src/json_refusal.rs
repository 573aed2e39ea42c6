//! The answer to a request that is refused over HTTP: `{"code", "message", "hint"}` as JSON, what happened and what to do,
//! with the headers that belong to its status. Knows no reason for a refusal: each route has its own.

use axum::Json;
use axum::http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// The hint of whatever is refused only for now.
pub(crate) const WAIT_AND_TRY_AGAIN: &str = "wait as Retry-After says, then try again";

#[derive(Debug)]
pub(crate) struct JsonRefusal {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: &'static str,
    pub(crate) hint: &'static str,
    /// When to try again, in seconds; none where it would be refused again.
    pub(crate) retry_after: Option<u16>,
}

impl IntoResponse for JsonRefusal {
    fn into_response(self) -> Response {
        let Self { status, code, message, hint, retry_after } = self;
        let body = Json(json!({ "code": code, "message": message, "hint": hint }));
        let mut response = (status, [(CACHE_CONTROL, "no-store")], body).into_response();
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
