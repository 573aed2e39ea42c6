//! The admin listener's routes: health, metrics, faults, and what a backend has to say to users and rooms.

use crate::app::App;
use crate::auth::is_user_name;
use crate::faults::Fault;
use crate::hub::Input;
use crate::json_body::JsonBody;
use crate::switchboard::Receipt;
use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use rejoin::messages::Code;
use rejoin::{Id, Name};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use std::sync::Arc;

/// Most bytes of a request's body, beside those of a message's content and data.
const BODY: usize = 16 << 10;

/// A text may be this much longer in JSON, where every byte of it can be an escape.
const ESCAPED: usize = 6;

pub(crate) fn router(app: Arc<App>) -> Router {
    let longest = app.content_bytes.saturating_mul(ESCAPED).saturating_add(BODY);
    let publishing = Router::new()
        .route("/users/{id}/notifications", post(notify))
        .route("/rooms/{id}/messages", post(say))
        .layer(DefaultBodyLimit::max(longest));
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/faults", post(add_fault).get(list_faults).delete(clear_faults))
        .layer(DefaultBodyLimit::max(BODY))
        .merge(publishing)
        .with_state(app)
}

async fn ready(State(app): State<Arc<App>>) -> (StatusCode, &'static str) {
    if app.draining() { (StatusCode::SERVICE_UNAVAILABLE, "draining\n") } else { (StatusCode::OK, "ready\n") }
}

async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    let text = app.metrics.text(app.switchboard.kept(), &app.gate, !app.draining());
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}

async fn add_fault(State(app): State<Arc<App>>, fault: Result<Json<Fault>, JsonRejection>) -> Response {
    let fault = match fault {
        Ok(Json(fault)) => fault,
        Err(rejection) => return problem(rejection.status(), &rejection.body_text()),
    };
    match fault.check() {
        Ok(()) => {
            app.faults.add(fault);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => problem(StatusCode::UNPROCESSABLE_ENTITY, &error.to_string()),
    }
}

async fn list_faults(State(app): State<Arc<App>>) -> Json<Vec<Fault>> {
    Json(app.faults.waiting())
}

async fn clear_faults(State(app): State<Arc<App>>) -> StatusCode {
    app.faults.clear();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewNotification {
    kind: String,
    data: Option<Box<RawValue>>,
}

/// Something for one user, wherever and whenever that user is connected.
async fn notify(
    State(app): State<Arc<App>>,
    Path(user): Path<String>,
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
    let data = data.map(|data| String::from(data.get()));
    let input = Input::Notify { user: Name::from(user), kind: Name::from(kind), data };
    match publish(&app, input) {
        Ok(Receipt { id, .. }) => (StatusCode::ACCEPTED, Json(json!({ "id": id }))).into_response(),
        Err(code) => refusal(code),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewMessage {
    user_id: String,
    content: String,
    data: Option<Box<RawValue>>,
}

/// A message in a room; with an `Idempotency-Key` at most once within the dedupe window.
async fn say(
    State(app): State<Arc<App>>,
    Path(room): Path<String>,
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
    let input = Input::Post {
        room: Name::from(room),
        user: Name::from(user_id),
        content,
        data: data.map(|data| String::from(data.get())),
        key: key.flatten(),
    };
    match publish(&app, input) {
        Ok(Receipt { id, seq, dup }) => {
            let status = if dup { StatusCode::OK } else { StatusCode::CREATED };
            (status, Json(json!({ "id": id, "seq": seq }))).into_response()
        }
        Err(code) => refusal(code),
    }
}

fn publish(app: &App, input: Input<'_>) -> Result<Receipt, Code> {
    app.switchboard.publish(input).inspect(|_| app.metrics.published.one_more())
}

fn refusal(code: Code) -> Response {
    match code {
        Code::TooLarge => problem(StatusCode::PAYLOAD_TOO_LARGE, "content and data are too long"),
        Code::BadRequest => {
            let what = "no room's name, a kind that has not 1-64 bytes, or data of more than 64 levels";
            problem(StatusCode::UNPROCESSABLE_ENTITY, what)
        }
        _ => {
            let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, "the server keeps as much as it can");
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("60"));
            response
        }
    }
}

fn problem(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "error": message }))).into_response()
}
