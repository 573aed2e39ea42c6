//! The routes `/healthz`, `/readyz` and `/metrics`. Formats what others measure.

use super::AdminState;
use crate::metrics::Snapshot;
use crate::socketio::Recovery;
use crate::state::AppState;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use std::sync::Arc;

pub(super) fn router() -> Router<AdminState> {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
}

async fn ready(State(app): State<Arc<AppState>>) -> (StatusCode, String) {
    let why = match (app.draining(), app.memory.is_short()) {
        (true, _) => Some(String::from("draining")),
        (false, true) => Some(String::from("memory is short")),
        (false, false) => app.store_away(),
    };
    match why {
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
        None => (StatusCode::OK, String::from("ready\n")),
    }
}

async fn metrics(State(app): State<Arc<AppState>>, State(recovery): State<Recovery>) -> impl IntoResponse {
    let (lost, bytes) = recovery.backlog();
    app.metrics.lost_sessions.set(lost);
    app.metrics.lost_session_bytes.set(bytes);
    let now = Snapshot {
        store: app.hub.store_stats(),
        memory_budget: app.memory.budget().unwrap_or(0),
        memory_used: app.memory.used(),
        handshakes: app.gate.handshakes.count(),
        early_sessions: app.gate.sessions.count(),
        is_ready: app.is_ready(),
    };
    let text = app.metrics.text(&now, app.gate.refusals.counts(), app.hub.limited.counts());
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}
