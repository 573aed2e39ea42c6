//! The routes that revoke tokens before they expire, and list what is revoked.

use super::guard::Asker;
use super::{AdminState, Page, asked, problem, without_query};
use crate::admission::{About, Cause};
use crate::auth::{Jti, NotShared, Revoked, hex, is_user_name, unhex};
use crate::json_body::JsonBody;
use crate::other_nodes::{Question, say_who_is_missing};
use crate::state::AppState;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
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
    Router::new().route("/revocations", revoke.merge(get(list)))
}

/// How a revocation is named in a list: by its user, or by the digest of its `jti`, which is all that the server has of it.
fn name(what: &Revoked) -> String {
    match what {
        Revoked::User(user) => format!("user:{user}"),
        Revoked::Token(Jti(digest)) => format!("jti:{}", hex(digest)),
    }
}

fn read_name(text: &str) -> Option<Revoked> {
    match text.split_once(':')? {
        ("user", user) => Some(Revoked::User(Name::from(user))),
        ("jti", digest) => Some(Revoked::Token(Jti(unhex(digest)?))),
        _ => None,
    }
}

async fn list(State(app): State<Arc<AppState>>, page: Result<Query<Page>, QueryRejection>) -> Response {
    let page = match Page::read(page) {
        Ok(page) => page,
        Err((status, what)) => return problem(status, &what),
    };
    let after = page.after.as_deref().map(read_name);
    if after == Some(None) {
        return problem(StatusCode::BAD_REQUEST, "after is the id of an entry of this list");
    }
    let (revocations, more) = app.authority.revocations(after.flatten().as_ref(), page.limit());
    let next = revocations.last().filter(|_| more).map(|last| name(&last.what));
    let revocations: Vec<_> = revocations
        .iter()
        .map(|revocation| {
            let seconds = revocation.lasts.as_secs().max(1);
            match &revocation.what {
                Revoked::User(user) => {
                    json!({ "id": name(&revocation.what), "user": &**user, "forSecs": seconds })
                }
                Revoked::Token(_) => json!({ "id": name(&revocation.what), "forSecs": seconds }),
            }
        })
        .collect();
    Json(json!({ "revocations": revocations, "next": next })).into_response()
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
    // Asked afterwards: whoever answers has heard of it before.
    let others = asked(&app, Question::Users { after: None, limit: 1 }).await;
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
    say_who_is_missing(&mut answer, others.as_ref());
    Json(answer).into_response()
}
