//! The route `POST /tickets`: a ticket for a token, so that no token has to stand in a URL.

use crate::admission::Wait;
use crate::auth::{NoTicket, TICKET_LIFETIME, Tickets};
use crate::cors;
use crate::http_connection::HttpConnection;
use crate::json_refusal::{JsonRefusal, WAIT_AND_TRY_AGAIN};
use crate::limit_log::Subject;
use crate::origin;
use crate::query::token;
use crate::state::{AppState, AuthUnavailable};
use crate::upgrade::BUSY_SECONDS;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::json;
use std::sync::Arc;

const METHODS: &str = "POST, OPTIONS";

/// What a page may send with it.
const HEADERS: [HeaderName; 2] = [AUTHORIZATION, CACHE_CONTROL];

pub(crate) fn router(app: Arc<AppState>) -> Router {
    Router::new().route("/tickets", post(give).options(preflight)).with_state(app)
}

/// Why there is no ticket.
enum Refusal {
    Origin,
    Token,
    Often(Wait),
    Full,
    /// Whoever knows whose the token is does not answer, or the store that keeps tickets does not.
    Unavailable,
}

async fn give(State(app): State<Arc<AppState>>, request: Request) -> Response {
    if !app.allows_origin(&request) {
        return Refusal::Origin.into_response();
    }
    // Without its body, which nobody reads and which cannot wait with it.
    let (request, _) = request.into_parts();
    let answer = answer(&app, &request).await.unwrap_or_else(IntoResponse::into_response);
    cors::readable(answer, request.headers.get(ORIGIN), false)
}

async fn answer(app: &AppState, request: &Parts) -> Result<Response, Refusal> {
    let headers = &request.headers;
    let client =
        request.extensions.get::<HttpConnection>().ok_or(Refusal::Full)?.client(&app.gate.proxies, headers);
    // In the header only: what stands in a URL is what this is to avoid. A ticket buys no other ticket.
    let token = token(headers, None).filter(|token| !Tickets::is_one(token));
    let identity =
        app.identify(client, token.as_deref(), headers.get(ORIGIN)).await.map_err(|why| match why {
            AuthUnavailable::RateLimited(wait) => Refusal::Often(wait),
            AuthUnavailable::NoAnswer => Refusal::Unavailable,
        })?;
    let (Some(identity), Some(token)) = (identity, token) else {
        app.metrics.unauthorized.one_more();
        return Err(Refusal::Token);
    };
    let ticket = app.authority.give_ticket(&identity, &token).await.map_err(|why| match why {
        NoTicket::Full(limit) => {
            let whom = Subject { user: Some(&identity.user), address: Some(client.address) };
            app.hub.limited.note(limit, whom);
            Refusal::Full
        }
        NoTicket::Unavailable => Refusal::Unavailable,
    })?;
    let body = Json(json!({ "ticket": ticket, "expires_in": TICKET_LIFETIME.as_secs() }));
    Ok(([(CACHE_CONTROL, "no-store")], body).into_response())
}

async fn preflight(State(app): State<Arc<AppState>>, request: Request) -> Response {
    if !app.allows_origin(&request) {
        return Refusal::Origin.into_response();
    }
    cors::preflight(METHODS, &HEADERS, &request, false)
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let overloaded = |message| {
            (StatusCode::SERVICE_UNAVAILABLE, "overloaded", message, WAIT_AND_TRY_AGAIN, Some(BUSY_SECONDS))
        };
        let (status, code, message, hint, retry_after) = match self {
            Self::Origin => (StatusCode::FORBIDDEN, "forbidden_origin", origin::REFUSED, origin::HINT, None),
            Self::Token => (
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "the token is missing, wrong or has ended",
                "send a valid token as 'Authorization: Bearer TOKEN'",
                None,
            ),
            Self::Often(wait) => (
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limited",
                "this address comes too often, or with too many wrong tokens",
                WAIT_AND_TRY_AGAIN,
                Some(wait.seconds()),
            ),
            Self::Full => overloaded("too many tickets have been given and not used"),
            Self::Unavailable => {
                overloaded("no ticket can be given now: what the server has to ask for it does not answer")
            }
        };
        JsonRefusal { status, code, message, hint, retry_after }.into_response()
    }
}
