//! The route that revokes tokens before they expire.

use super::guard::Asker;
use super::{AdminState, problem, without_query};
use crate::admission::{About, Cause};
use crate::auth::{Jti, NotShared, Revoked, is_user_name};
use crate::json_body::JsonBody;
use crate::state::AppState;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router, middleware};
use rejoin::Name;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// The longest revocation, in seconds: a year. The server keeps none over a restart.
const LONGEST: u64 = 366 * 24 * 3600;

/// Most bytes of a `jti`.
const JTI_BYTES: usize = 1_024;

pub(super) fn router() -> Router<AdminState> {
    let revoke = post(revoke).layer(middleware::from_fn(without_query));
    Router::new().route("/revocations", revoke)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revocation {
    user: Option<String>,
    jti: Option<String>,
    /// Seconds.
    r#for: u64,
}

async fn revoke(
    State(app): State<Arc<AppState>>,
    Asker(asker): Asker,
    revocation: Result<JsonBody<Revocation>, JsonRejection>,
) -> Response {
    let Revocation { user, jti, r#for: seconds } = match revocation {
        Ok(JsonBody(revocation)) => revocation,
        Err(rejection) => return problem(rejection.status(), &rejection.body_text()),
    };
    if seconds > LONGEST {
        let what = format!(
            "for is a whole number of seconds up to {LONGEST}, at least as long as the tokens are good; 0 ends a revocation"
        );
        return problem(StatusCode::UNPROCESSABLE_ENTITY, &what);
    }
    let what = match (user, jti) {
        (Some(user), None) if is_user_name(&user) => Revoked::User(Name::from(user)),
        (None, Some(jti)) if (1..=JTI_BYTES).contains(&jti.len()) => Revoked::Token(Jti::from(&*jti)),
        _ => {
            let what = "give either user (1-128 characters, none of them invisible) or jti (1-1024 bytes), and for (seconds)";
            return problem(StatusCode::UNPROCESSABLE_ENTITY, what);
        }
    };
    let user = if let Revoked::User(user) = &what { Some(user.clone()) } else { None };
    let revoked = app.authority.revoke(what, Duration::from_secs(seconds)).await;
    let Ok(elsewhere) = revoked else {
        let what = "too many tokens are revoked: keep the user out by DELETE /users/{id}?ban=SECS, or change the key";
        return problem(StatusCode::SERVICE_UNAVAILABLE, what);
    };
    let closed = app.hub.close_revoked();
    let user = user.as_deref();
    let everywhere = elsewhere.is_ok();
    tracing::info!(target: "rejoin_server::audit", user, seconds, closed, everywhere, "tokens revoked");
    if let Err(why) = elsewhere {
        let what = match why {
            NotShared::Unavailable => {
                "Redis does not answer: the tokens are revoked on this server only; ask again when /readyz says that it is back"
            }
            NotShared::Full => {
                "too many tokens are revoked in Redis: these are revoked on this server only; keep the user out by DELETE /users/{id}?ban=SECS, or change the key"
            }
        };
        if let Some(address) = asker {
            let about = About { why: Some("a revocation is not in Redis"), ..About::default() };
            app.gate.refusals.note_about(Cause::AdminStore, address, &about);
        }
        return problem(StatusCode::SERVICE_UNAVAILABLE, what);
    }
    let mut answer = json!({ "closed": closed });
    if let (Some(_), Some(fields)) = (&app.others, answer.as_object_mut()) {
        // The others close theirs when they hear of it, and nobody counts them.
        fields.insert(String::from("counted"), json!("this server"));
    }
    Json(answer).into_response()
}
