//! Reads the body of a request as JSON, with its text made well-formed.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use rejoin::messages::json::well_formed;
use serde::de::DeserializeOwned;
use std::borrow::Cow;

/// As [`Json`], but half of a surrogate pair is read as U+FFFD instead of making the body unreadable.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = JsonRejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, JsonRejection> {
        let (parts, body) = request.into_parts();
        let bytes = Bytes::from_request(Request::from_parts(parts.clone(), body), state).await?;
        let repaired = match std::str::from_utf8(&bytes).map(well_formed) {
            Ok(Cow::Owned(text)) => Body::from(text),
            _ => Body::from(bytes.clone()),
        };
        let Json(value) = Json::from_request(Request::from_parts(parts, repaired), state).await?;
        Ok(Self(value))
    }
}
