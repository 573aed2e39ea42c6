//! Counts requests that a trusted proxy passes on against the limits of the address that it names: a connection of the proxy
//! is nobody's before. Requests that come directly were counted with their connection.

use crate::admission::{Cause, Client, Wait};
use crate::cors;
use crate::http_connection::HttpConnection;
use crate::json_refusal::{JsonRefusal, WAIT_AND_TRY_AGAIN};
use crate::socketio::SocketIo;
use crate::state::AppState;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, ORIGIN};
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
    match count(&state, &request) {
        Ok(None) => next.run(request).await,
        Ok(Some(unserved)) => {
            let answer = next.run(request).await;
            // Its session has counted what it was served.
            if answer.status().is_success() {
                unserved.forgive();
                return answer;
            }
            let Err(wait) = unserved.count() else { return answer };
            let origin = answer.headers().get(ACCESS_CONTROL_ALLOW_ORIGIN);
            let credentials = answer.headers().contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS);
            match origin {
                Some(_) => cors::readable(refusal(wait), origin, credentials),
                None => refusal(wait),
            }
        }
        Err(wait) if state.app.allows_origin(&request) => {
            let origin = request.headers().get(ORIGIN);
            cors::readable(refusal(wait), origin, state.app.lists_origin(origin))
        }
        Err(wait) => refusal(wait),
    }
}

fn refusal(wait: Wait) -> Response {
    let refusal = JsonRefusal {
        status: StatusCode::TOO_MANY_REQUESTS,
        code: "rate_limited",
        message: "this address comes too often, or has too many requests under way",
        hint: WAIT_AND_TRY_AGAIN,
        retry_after: Some(wait.seconds()),
    };
    refusal.into_response()
}

/// Counts a request, or gives what counts it if its session does not serve it.
fn count(Forwarded { app, socket_io }: &Forwarded, request: &Request) -> Result<Option<Unserved>, Wait> {
    let Some(http) = request.extensions().get::<HttpConnection>() else { return Ok(None) };
    let client = http.client(&app.gate.proxies, request.headers());
    if !client.forwarded {
        return Ok(None);
    }
    // Until it is an upgrade, a feed or a poll, it is one of the handshakes.
    if !http.belongs_to(client.network()) {
        app.gate.refusals.note(Cause::Share, client.address);
        return Err(Wait::SHORT);
    }
    let unserved = Unserved { app: Arc::clone(app), client, is_counted: false };
    // Those of somebody known count against the rate of the user, as on a connection that is kept.
    if socket_io.is_of_a_member(request) {
        return Ok(Some(unserved));
    }
    unserved.count().map(|()| None)
}

/// A request that looks like one of a session, until that has served it. It counts for its address if that does not happen:
/// it is refused, or its peer does not wait for the answer.
struct Unserved {
    app: Arc<AppState>,
    client: Client,
    is_counted: bool,
}

impl Unserved {
    fn count(mut self) -> Result<(), Wait> {
        self.count_once()
    }

    fn forgive(mut self) {
        self.is_counted = true;
    }

    fn count_once(&mut self) -> Result<(), Wait> {
        self.is_counted = true;
        let gate = &self.app.gate;
        gate.rates.connect(self.client.network(), Instant::now()).inspect_err(|_| {
            gate.refusals.note(Cause::Rate, self.client.address);
        })
    }
}

impl Drop for Unserved {
    fn drop(&mut self) {
        if !self.is_counted {
            // There is nobody any more who could be told to wait.
            let _ = self.count_once();
        }
    }
}
