//! The routes by which a backend publishes: notifications to a user, messages to a room.

use super::guard::Asker;
use super::{AdminState, problem, without_query};
use crate::admission::{About, Cause};
use crate::auth::is_user_name;
use crate::hub::{Input, KIND_BYTES};
use crate::json_body::JsonBody;
use crate::limit_log::Subject;
use crate::limits::Limit;
use crate::shared_hub::Receipt;
use crate::state::AppState;
use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router, middleware};
use rejoin::messages::json::nesting_depth;
use rejoin::messages::{Code, MAX_DATA_LEVELS};
use rejoin::{Id, Name, check_room_name};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use std::net::IpAddr;
use std::sync::Arc;

/// `longest`: most bytes of a body.
pub(super) fn router(longest: usize) -> Router<AdminState> {
    Router::new()
        .route("/users/{id}/notifications", post(notify).layer(middleware::from_fn(without_query)))
        .route("/rooms/{id}/messages", post(say).layer(middleware::from_fn(without_query)))
        .layer(DefaultBodyLimit::max(longest))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewNotification {
    kind: String,
    data: Option<Box<RawValue>>,
}

/// Something for one user, wherever and whenever that user is connected.
async fn notify(
    State(app): State<Arc<AppState>>,
    Path(user): Path<String>,
    Asker(asker): Asker,
    notification: Result<JsonBody<NewNotification>, JsonRejection>,
) -> Response {
    let NewNotification { kind, data } = match notification {
        Ok(JsonBody(notification)) => notification,
        Err(rejection) => return problem(rejection.status(), &rejection.body_text()),
    };
    if !is_user_name(&user) {
        return problem(
            StatusCode::UNPROCESSABLE_ENTITY,
            "a user has 1-128 characters, none of them invisible",
        );
    }
    if kind.is_empty() || kind.len() > KIND_BYTES {
        let what = format!("kind has {} bytes: it has 1-{KIND_BYTES}", kind.len());
        return problem(StatusCode::UNPROCESSABLE_ENTITY, &what);
    }
    let data = data.map(|data| String::from(data.get()));
    if let Some(refusal) = too_deep(&app, asker, data.as_deref()) {
        return refusal;
    }
    let (user, kind) = (Name::from(user), Name::from(kind));
    match publish(&app, asker, |call| Input::Notify { call, user, kind, data }).await {
        Ok(Receipt { id, .. }) => (StatusCode::ACCEPTED, Json(json!({ "id": id }))).into_response(),
        Err(code) => refusal(&app, asker, code),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewMessage {
    user_id: String,
    content: String,
    data: Option<Box<RawValue>>,
}

/// A message in a room; with an `Idempotency-Key` at most once within the dedupe window. The key of another message that
/// the log still holds is refused.
async fn say(
    State(app): State<Arc<AppState>>,
    Path(room): Path<String>,
    Asker(asker): Asker,
    headers: HeaderMap,
    message: Result<JsonBody<NewMessage>, JsonRejection>,
) -> Response {
    let NewMessage { user_id, content, data } = match message {
        Ok(JsonBody(message)) => message,
        Err(rejection) => return problem(rejection.status(), &rejection.body_text()),
    };
    if !is_user_name(&user_id) {
        return problem(
            StatusCode::UNPROCESSABLE_ENTITY,
            "a userId has 1-128 characters, none of them invisible",
        );
    }
    let key = headers.get("idempotency-key").map(|key| key.to_str().ok().and_then(|key| Id::new(key).ok()));
    if key == Some(None) {
        return problem(
            StatusCode::BAD_REQUEST,
            "an Idempotency-Key has 1-64 characters of A-Z a-z 0-9 _ -, a UUID for instance",
        );
    }
    if let Err(error) = check_room_name(&room) {
        let what = format!("the path names no room: {error}");
        return problem(StatusCode::UNPROCESSABLE_ENTITY, &what);
    }
    let data = data.map(|data| String::from(data.get()));
    if let Some(refusal) = too_deep(&app, asker, data.as_deref()) {
        return refusal;
    }
    let (room, user, key) = (Name::from(room), Name::from(user_id), key.flatten());
    match publish(&app, asker, |call| Input::Post { call, room, user, content, data, key }).await {
        Ok(Receipt { id, seq, dup }) => {
            let status = if dup { StatusCode::OK } else { StatusCode::CREATED };
            (status, Json(json!({ "id": id, "seq": seq }))).into_response()
        }
        Err(code) => refusal(&app, asker, code),
    }
}

async fn publish(
    app: &AppState,
    asker: Option<IpAddr>,
    input: impl FnOnce(u64) -> Input<'static>,
) -> Result<Receipt, Code> {
    app.hub.publish(asker, input).await.inspect(|_| app.metrics.published.one_more())
}

/// The answer to data that the log takes from nobody.
fn too_deep(app: &AppState, asker: Option<IpAddr>, data: Option<&str>) -> Option<Response> {
    let is_deep = data.is_some_and(|data| nesting_depth(data) > MAX_DATA_LEVELS);
    let what = format!("data has more than {MAX_DATA_LEVELS} levels of arrays and objects: write it flatter");
    is_deep.then(|| {
        app.hub.limited.note(Limit::DataLevels, Subject { user: None, address: asker });
        problem(StatusCode::UNPROCESSABLE_ENTITY, &what)
    })
}

fn refusal(app: &AppState, asker: Option<IpAddr>, code: Code) -> Response {
    if code == Code::Internal
        && let Some(address) = asker
    {
        let why = Some("the store does not answer, or has refused what was published");
        app.gate.refusals.note_about(Cause::AdminStore, address, &About { why, ..About::default() });
    }
    match code {
        Code::Forbidden => {
            let what = "this Idempotency-Key was given with another message: take a new one";
            problem(StatusCode::UNPROCESSABLE_ENTITY, what)
        }
        Code::TooLarge => {
            let what =
                format!("content and data have more than {} bytes together: split them", app.content_bytes);
            problem(StatusCode::PAYLOAD_TOO_LARGE, &what)
        }
        // What each of them is has been looked at before.
        Code::BadRequest => problem(StatusCode::UNPROCESSABLE_ENTITY, "the message cannot be put into a log"),
        Code::Internal => {
            let what = "the store does not answer, and may have taken it: \
                        try again in a moment, with the same Idempotency-Key if it is a message";
            later(what, "5")
        }
        _ => later("the server keeps as many rooms and senders as it can: try again in a minute", "60"),
    }
}

fn later(what: &str, seconds: &'static str) -> Response {
    let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, what);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(seconds));
    response
}
