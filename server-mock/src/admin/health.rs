//! What a supervisor and Prometheus ask for every few seconds.

use crate::app::App;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use std::sync::Arc;

pub(super) fn router(app: &Arc<App>) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(Arc::clone(app))
}

async fn ready(State(app): State<Arc<App>>) -> (StatusCode, &'static str) {
    match (app.draining(), app.memory.is_short()) {
        (true, _) => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
        (false, true) => (StatusCode::SERVICE_UNAVAILABLE, "memory is short\n"),
        (false, false) => (StatusCode::OK, "ready\n"),
    }
}

async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    let (lost, bytes) = app.recovery.holding();
    app.metrics.lost_sessions.set(lost);
    app.metrics.lost_session_bytes.set(bytes);
    let limited = &app.switchboard.limited;
    let text = app.metrics.text(app.switchboard.kept(), limited, &app.gate, &app.memory, app.is_ready());
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}
