//! Refusals of requests to the endpoint, in the words of Engine.IO.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::admission::Wait;
use crate::origin;
use crate::state::AdmissionError;
use crate::upgrade::{self, BUSY_SECONDS};

#[derive(Debug)]
pub(super) enum Refusal {
    Transport,
    Session,
    Method,
    Request,
    Origin,
    Version,
    TooLarge,
    Busy,
    /// The address comes too often, or with too many wrong tokens.
    Often(Wait),
    Fault(StatusCode),
    /// It is no WebSocket handshake.
    Upgrade(upgrade::Refusal),
}

impl From<upgrade::Refusal> for Refusal {
    fn from(refusal: upgrade::Refusal) -> Self {
        Self::Upgrade(refusal)
    }
}

impl From<AdmissionError> for Refusal {
    fn from(denied: AdmissionError) -> Self {
        match denied {
            AdmissionError::Busy => Self::Busy,
            AdmissionError::RateLimited(wait) => Self::Often(wait),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let bad = StatusCode::BAD_REQUEST;
        let (status, code, message) = match self {
            Self::Transport => (bad, 0, "Transport unknown"),
            Self::Session => (bad, 1, "Session ID unknown"),
            Self::Method => (bad, 2, "Bad handshake method"),
            Self::Request => (bad, 3, "Bad request"),
            Self::Origin => (StatusCode::FORBIDDEN, 4, origin::REFUSED),
            Self::Version => (bad, 5, "Unsupported protocol version"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, 3, "Payload too large"),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, 3, "The server takes no more connections now"),
            Self::Often(_) => (StatusCode::TOO_MANY_REQUESTS, 3, "This address comes too often"),
            Self::Fault(status) => (status, 3, "A fault on purpose"),
            Self::Upgrade(refusal) => return refusal.into_response(),
        };
        let json = HeaderValue::from_static("application/json");
        let hint = if matches!(self, Self::Origin) { format!(": {}", origin::HINT) } else { String::new() };
        let body = format!(r#"{{"code":{code},"message":"{message}{hint}"}}"#);
        let mut response = (status, [(CONTENT_TYPE, json)], body).into_response();
        let wait = match self {
            Self::Busy => Some(BUSY_SECONDS),
            Self::Often(wait) => Some(wait.seconds()),
            Self::Fault(StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) => Some(1),
            _ => None,
        };
        if let Some(seconds) = wait {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
