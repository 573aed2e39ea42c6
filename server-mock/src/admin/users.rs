//! Who is connected, and how an operator ends that.

use super::guard::Asker;
use super::{Page, problem, without_query};
use crate::auth::is_user_name;
use crate::hub::Protocol;
use crate::shared_hub::UserStatus;
use crate::state::AppState;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use rejoin::Name;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// The longest ban, in seconds: a year. The server keeps no ban over a restart.
const LONGEST_BAN: u64 = 366 * 24 * 3600;

pub(super) fn router(app: &Arc<AppState>) -> Router {
    Router::new()
        .route("/users", get(list))
        .route("/users/{id}", get(show).layer(middleware::from_fn(without_query)).delete(kick))
        .with_state(Arc::clone(app))
}

async fn list(State(app): State<Arc<AppState>>, page: Result<Query<Page>, QueryRejection>) -> Response {
    let page = match Page::read(page) {
        Ok(page) => page,
        Err((status, what)) => return problem(status, &what),
    };
    let (users, more) = app.hub.inspect(|hub, _| hub.users(page.after.as_deref(), page.limit()));
    let next = users.last().filter(|_| more).map(|(user, _)| user.clone());
    let users: Vec<_> = users
        .iter()
        .map(|(user, connections)| json!({ "id": &**user, "connections": connections }))
        .collect();
    Json(json!({ "users": users, "next": next.as_deref() })).into_response()
}

async fn show(State(app): State<Arc<AppState>>, Path(user): Path<String>) -> Response {
    let Some(UserStatus { connections, banned }) = app.hub.user(&user) else {
        return problem(StatusCode::NOT_FOUND, "nobody of this name is connected");
    };
    let rooms: BTreeSet<_> =
        connections.iter().flat_map(|(connection, _)| &connection.rooms).map(|room| &**room).collect();
    let connections: Vec<_> = connections
        .iter()
        .map(|(connection, presence)| {
            let protocol = match connection.protocol {
                Protocol::Plain => "plain",
                Protocol::Extended => "extended",
                Protocol::Feed => "feed",
            };
            let rooms: Vec<_> = connection.rooms.iter().map(|room| &**room).collect();
            // As in the log, Socket.IO has a name of its own, though the hub takes it for an extended connection.
            let protocol = presence.map_or(protocol, |presence| presence.origin.protocol);
            json!({
                "protocol": protocol,
                "transport": presence.map(|presence| presence.origin.transport.as_str()),
                "address": presence.map(|presence| presence.origin.client),
                "ageSecs": presence.map(|presence| presence.since.elapsed().as_secs()),
                "rooms": rooms,
            })
        })
        .collect();
    let banned = banned.map(|left| left.as_secs().max(1));
    Json(json!({ "id": user, "connections": connections, "rooms": rooms, "bannedForSecs": banned }))
        .into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kick {
    ban: Option<String>,
}

async fn kick(
    State(app): State<Arc<AppState>>,
    Path(user): Path<String>,
    Asker(asker): Asker,
    kick: Result<Query<Kick>, QueryRejection>,
) -> Response {
    let ban = match kick {
        Ok(Query(Kick { ban })) => ban,
        Err(rejection) => return problem(rejection.status(), &rejection.body_text()),
    };
    let seconds =
        ban.as_ref().map(|ban| ban.parse().ok().filter(|seconds| (1..=LONGEST_BAN).contains(seconds)));
    if seconds == Some(None) {
        let what = format!(
            "ban is a whole number of seconds between 1 and {LONGEST_BAN}; DELETE /bans/{{user}} ends one"
        );
        return problem(StatusCode::BAD_REQUEST, &what);
    }
    let ban = seconds.flatten().map(Duration::from_secs);
    if !is_user_name(&user) {
        return problem(
            StatusCode::UNPROCESSABLE_ENTITY,
            "a user has 1-128 characters, none of them invisible",
        );
    }
    let user = Name::from(user);
    app.recovery.forget_user(&user);
    let ban_seconds = ban.map_or(0, |ban| ban.as_secs());
    tracing::info!(target: "rejoin_server::audit", user = user.as_str(), ban_seconds, "kicked");
    if let Some(closed) = app.hub.kick(asker, user, ban) {
        return Json(json!({ "closed": closed })).into_response();
    }
    let what =
        "too many users are banned; the connections were closed: DELETE /bans/{user} lets one in again";
    problem(StatusCode::SERVICE_UNAVAILABLE, what)
}
