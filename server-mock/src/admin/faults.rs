//! The routes for faults on purpose: adds, lists and removes them. [`faults`](crate::faults) applies them.

use super::{AdminState, BODY, problem, without_query};
use crate::faults::Fault;
use crate::state::AppState;
use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router, middleware};
use std::sync::Arc;

pub(super) fn router() -> Router<AdminState> {
    Router::new()
        .route("/faults", post(add).get(list).delete(clear).layer(middleware::from_fn(without_query)))
        .layer(DefaultBodyLimit::max(BODY))
}

async fn add(State(app): State<Arc<AppState>>, fault: Result<Json<Fault>, JsonRejection>) -> Response {
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

async fn list(State(app): State<Arc<AppState>>) -> Json<Vec<Fault>> {
    Json(app.faults.waiting())
}

async fn clear(State(app): State<Arc<AppState>>) -> StatusCode {
    app.faults.clear();
    StatusCode::NO_CONTENT
}
