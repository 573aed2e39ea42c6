//! The routes of the clients' listener.

use crate::admission::{About, Cause};
use crate::http_connection::HttpConnection;
use crate::socketio::{self, SocketIo};
use crate::state::AppState;
use crate::{demo, forwarded, host, sse, tickets, upgrade};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Router, middleware};
use std::future::{Ready, ready};
use std::sync::Arc;

/// `path`: that of the WebSocket. `unprotected`: no token says who somebody is.
pub(super) fn router(
    path: &str,
    app: &Arc<AppState>,
    socket_io: &Arc<SocketIo>,
    unprotected: bool,
) -> Router {
    let router = Router::new()
        .route(path, get(upgrade::upgrade))
        .with_state(Arc::clone(app))
        .merge(sse::router(Arc::clone(app)))
        .merge(tickets::router(Arc::clone(app)))
        .merge(socketio::router(Arc::clone(app), Arc::clone(socket_io)))
        .merge(demo::router(path))
        .fallback(nothing_here(path))
        .method_not_allowed_fallback(other_method);
    // Where a token says who it is, a page of another site has none.
    let router = if unprotected {
        router.layer(middleware::from_fn_with_state(Arc::clone(app), require_host))
    } else {
        router
    };
    let state = forwarded::Forwarded { app: Arc::clone(app), socket_io: Arc::clone(socket_io) };
    router.layer(middleware::from_fn_with_state(state, forwarded::admit))
}

/// What is answered where there is no path of ours: at the top, to somebody who looks what this is, with the paths.
fn nothing_here(websocket: &str) -> impl Fn(Uri) -> Ready<Response> + Clone + Send + 'static {
    let index = format!(
        "This is a Rejoin server. WebSocket: {websocket}. Socket.IO: /socket.io/. A room's messages as server-sent \
         events: /rooms/ROOM/events. In a browser: /demo/.\n"
    );
    move |uri| {
        let body = if uri.path() == "/" { index.clone() } else { String::new() };
        ready((StatusCode::NOT_FOUND, body).into_response())
    }
}

/// The path is there, and not for this method. Which ones it has stands in `Allow`.
async fn other_method(method: Method, uri: Uri) -> Response {
    let path = uri.path();
    let what = format!(
        "{method} means nothing for {path}: use a method that the header Allow names. Messages are sent over the WebSocket.\n"
    );
    (StatusCode::METHOD_NOT_ALLOWED, what).into_response()
}

/// Passes a request on if its `Host` is answered.
async fn require_host(State(app): State<Arc<AppState>>, request: Request, next: Next) -> Response {
    let (http, headers) = (request.extensions().get::<HttpConnection>(), request.headers());
    let forwarded_host = http.and_then(|http| http.forwarded_host(&app.gate.proxies, headers));
    if app.hosts.allow(headers, forwarded_host) {
        return next.run(request).await;
    }
    if let Some(http) = http {
        let client = http.client(&app.gate.proxies, request.headers());
        let about = About { host: host::named(request.headers(), forwarded_host), ..About::default() };
        app.gate.refusals.note_about(Cause::Host, client.address, &about);
    }
    (StatusCode::FORBIDDEN, host::REFUSAL).into_response()
}
