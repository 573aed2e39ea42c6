//! The admin listener: its routes for health, metrics, faults, users, rooms and tokens. The hub decides; the handlers
//! translate.

mod bans;
mod faults;
mod guard;
mod health;
mod listener;
mod publish;
mod revocations;
mod rooms;
mod token;
mod users;

pub(crate) use listener::serve;
pub use token::{AdminToken, AdminTokenError};

use crate::other_nodes::{Answers, Question};
use crate::query::query_fields;
use crate::socketio::Recovery;
use crate::state::AppState;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRef, Query, Request};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use guard::Guard;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

/// Most bytes of a request's body, beside those of a message's content and data.
const BODY: usize = 16 << 10;

/// A text may be this much longer in JSON, where every byte of it can be an escape.
const ESCAPED: usize = 6;

/// Entries of a list, unless `?limit=` says otherwise, and the most that it may say.
const PAGE: usize = 1_000;
const LONGEST_PAGE: usize = 10_000;

/// What `GET /` tells.
const ROUTES: [(&str, &str); 22] = [
    ("GET /healthz", "200 while the process lives"),
    ("GET /readyz", "200 while new connections are taken, 503 in a drain"),
    ("GET /metrics", "OpenMetrics text for Prometheus"),
    ("GET /users", "who is connected: ?limit=N (1-10000), ?after=ID"),
    ("GET /users/{id}", "a user's connections and rooms"),
    (
        "DELETE /users/{id}",
        "closes a user's connections; ?ban=SECS (1-31622400) keeps the user out, DELETE /bans/{user} lets the user in again",
    ),
    ("GET /bans", "who is kept out, and for how long still: ?limit=N (1-10000), ?after=ID"),
    ("DELETE /bans/{user}", "lets a user in again"),
    (
        "POST /revocations",
        "{user, for} or {jti, for}: for so many seconds (0-31622400) the tokens of before are nobody's, and their connections are closed; 0 gives them back",
    ),
    ("GET /revocations", "what is revoked, and for how long still: ?limit=N (1-10000), ?after=ID"),
    ("POST /users/{id}/notifications", "{kind, data?} to the user's personal stream"),
    ("GET /rooms", "the rooms of all servers: ?limit=N (1-10000), ?after=ID"),
    ("DELETE /rooms/{id}", "forgets what was said in a room; members and readers are told of the gap"),
    ("GET /rooms/{id}/members", "who is in a room: ?limit=N (1-10000), ?after=ID"),
    ("DELETE /rooms/{id}/members/{user}", "takes a user out of a room"),
    ("POST /rooms/{id}/messages", "{userId, content, data?}, with Idempotency-Key at most once"),
    ("GET /faults", "the faults that wait"),
    ("POST /faults", "adds a fault"),
    ("DELETE /faults", "clears all faults"),
    ("GET /", "this list"),
    ("Content-Type: application/json", "on every POST with a body; without it the answer is 415"),
    (
        "Authorization: Bearer TOKEN",
        "on every route but /healthz and /readyz, if there is an --admin-token-file",
    ),
];

/// What the handlers work on.
#[derive(Clone)]
struct AdminState {
    app: Arc<AppState>,
    /// The Socket.IO sessions that can be recovered.
    recovery: Recovery,
}

impl FromRef<AdminState> for Arc<AppState> {
    fn from_ref(state: &AdminState) -> Self {
        Self::clone(&state.app)
    }
}

impl FromRef<AdminState> for Recovery {
    fn from_ref(state: &AdminState) -> Self {
        state.recovery.clone()
    }
}

fn router(state: &AdminState, token: Option<AdminToken>) -> Router {
    let app = &state.app;
    let longest = app.content_bytes.saturating_mul(ESCAPED).saturating_add(BODY);
    let guard = Guard { app: Arc::clone(app), token, longest, is_reserve: false };
    Router::new()
        .route("/", get(async || routes()).layer(middleware::from_fn(without_query)))
        .merge(health::router())
        .merge(faults::router())
        .merge(publish::router(longest))
        .merge(users::router())
        .merge(bans::router())
        .merge(revocations::router())
        .merge(rooms::router())
        .fallback(async || problem(StatusCode::NOT_FOUND, "there is no such route; GET / lists them"))
        .method_not_allowed_fallback(other_method)
        .layer(middleware::from_fn_with_state(guard, guard::check))
        .with_state(state.clone())
}

/// The route is there, and not for this method. Which ones it has stands in `Allow`.
async fn other_method(method: Method, uri: Uri) -> Response {
    let what = format!(
        "{method} means nothing for {}: use a method that the header Allow names; GET / lists the routes",
        uri.path()
    );
    problem(StatusCode::METHOD_NOT_ALLOWED, &what)
}

/// The routes of the connections that are kept in reserve.
fn reserve_router(state: &AdminState, token: Option<AdminToken>) -> Router {
    let guard = Guard { app: Arc::clone(&state.app), token, longest: 0, is_reserve: true };
    Router::new()
        .merge(health::router())
        .fallback(async || {
            let what = "too many admin connections are open; only /healthz, /readyz and /metrics are served";
            problem(StatusCode::SERVICE_UNAVAILABLE, what)
        })
        .method_not_allowed_fallback(other_method)
        .layer(middleware::from_fn_with_state(guard, guard::check))
        .with_state(state.clone())
}

fn routes() -> Response {
    let routes: serde_json::Map<_, _> =
        ROUTES.iter().map(|(route, does)| (String::from(*route), json!(does))).collect();
    Json(routes).into_response()
}

/// Which part of a list is wanted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    /// The last entry of the part before.
    after: Option<String>,
    limit: Option<String>,
}

impl Page {
    /// What a query asks for, or what is wrong with it.
    fn read(page: Result<Query<Self>, QueryRejection>) -> Result<Self, (StatusCode, String)> {
        let Query(page) = page.map_err(|rejection| (rejection.status(), rejection.body_text()))?;
        let is_in_range =
            |limit: &String| limit.parse().is_ok_and(|limit| (1..=LONGEST_PAGE).contains(&limit));
        if page.limit.as_ref().is_none_or(is_in_range) {
            return Ok(page);
        }
        let what = format!("limit is a whole number between 1 and {LONGEST_PAGE}");
        Err((StatusCode::BAD_REQUEST, what))
    }

    fn limit(&self) -> usize {
        self.limit.as_ref().and_then(|limit| limit.parse().ok()).unwrap_or(PAGE)
    }
}

/// What the other servers answer, if there are any.
async fn asked(app: &AppState, question: Question) -> Option<Answers> {
    let others = app.others.as_ref()?;
    Some(others.ask(question).await)
}

/// Answers a request whose query has a field, where there is none.
async fn without_query(request: Request, next: Next) -> Response {
    if query_fields(request.uri().query()).next().is_some() {
        return problem(StatusCode::BAD_REQUEST, "this route has no query: leave out what follows the '?'");
    }
    next.run(request).await
}

fn problem(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "error": message }))).into_response()
}
