//! The routes for bans: lists users who are kept out, and lifts a ban. The hub enforces them.

use super::{AdminState, Page, problem, without_query};
use crate::state::AppState;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use axum::{Json, Router, middleware};
use rejoin::Name;
use serde_json::json;
use std::sync::Arc;

pub(super) fn router() -> Router<AdminState> {
    Router::new()
        .route("/bans", get(list))
        .route("/bans/{user}", delete(lift).layer(middleware::from_fn(without_query)))
}

async fn list(State(app): State<Arc<AppState>>, page: Result<Query<Page>, QueryRejection>) -> Response {
    let page = match Page::read(page) {
        Ok(page) => page,
        Err((status, what)) => return problem(status, &what),
    };
    let (bans, more) = app.hub.inspect(|hub, now| hub.bans(now, page.after.as_deref(), page.limit()));
    let next = bans.last().filter(|_| more).map(|(user, _)| user.clone());
    let bans: Vec<_> = bans
        .iter()
        .map(|(user, left)| json!({ "id": &**user, "bannedForSecs": left.as_secs().max(1) }))
        .collect();
    Json(json!({ "bans": bans, "next": next.as_deref() })).into_response()
}

async fn lift(State(app): State<Arc<AppState>>, Path(user): Path<String>) -> Response {
    let user = Name::from(user);
    if !app.hub.unban(user.clone()) {
        return problem(StatusCode::NOT_FOUND, "this user is not banned; GET /bans lists who is");
    }
    tracing::info!(target: "rejoin_server::audit", user = user.as_str(), "unbanned");
    StatusCode::NO_CONTENT.into_response()
}
