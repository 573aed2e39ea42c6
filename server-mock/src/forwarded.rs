//! Counts requests that a trusted proxy passes on against the limits of the address that it names: a connection of the proxy
//! is nobody's before. Requests that come directly were counted with their connection.

use crate::admission::{Cause, Wait};
use crate::cors;
use crate::http_connection::HttpConnection;
use crate::json_refusal::{JsonRefusal, WAIT_AND_TRY_AGAIN};
use crate::socketio::SocketIo;
use crate::state::AppState;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::ORIGIN;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use std::sync::Arc;
use std::time::Instant;

/// What the layer works on.
#[derive(Clone)]
pub(crate) struct Forwarded {
    pub(crate) app: Arc<AppState>,
    pub(crate) socket_io: Arc<SocketIo>,
}

/// Passes a request on, unless its address has used up what one may take.
pub(crate) async fn admit(State(state): State<Forwarded>, request: Request, next: Next) -> Response {
    let Err(wait) = count(&state, &request) else { return next.run(request).await };
    let mut refusal = JsonRefusal {
        status: StatusCode::TOO_MANY_REQUESTS,
        code: "rate_limited",
        message: "this address comes too often, or has too many requests under way",
        hint: WAIT_AND_TRY_AGAIN,
        retry_after: Some(wait.seconds()),
    }
    .into_response();
    if state.app.allows_origin(&request) {
        let origin = request.headers().get(ORIGIN);
        refusal = cors::readable(refusal, origin, state.app.lists_origin(origin));
    }
    refusal
}

fn count(Forwarded { app, socket_io }: &Forwarded, request: &Request) -> Result<(), Wait> {
    let Some(http) = request.extensions().get::<HttpConnection>() else { return Ok(()) };
    let client = http.client(&app.gate.proxies, request.headers());
    if !client.forwarded {
        return Ok(());
    }
    let refused = |cause| app.gate.refusals.note(cause, client.address);
    // Until it is an upgrade, a feed or a poll, it is one of the handshakes.
    if !http.belongs_to(client.network()) {
        refused(Cause::Share);
        return Err(Wait::SHORT);
    }
    // Those of somebody known count against the rate of the user, as on a connection that is kept.
    if socket_io.is_of_a_member(request) {
        return Ok(());
    }
    app.gate.rates.connect(client.network(), Instant::now()).inspect_err(|_| {
        refused(Cause::Rate);
    })
}
