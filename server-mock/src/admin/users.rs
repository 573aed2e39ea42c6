//! The routes that list connected users, disconnect them and ban them, on all nodes.

use super::guard::Asker;
use super::{AdminState, Page, asked, problem, without_query};
use crate::auth::is_user_name;
use crate::other_nodes::{self, Answers, Question, say_who_is_missing};
use crate::socketio::Recovery;
use crate::state::AppState;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use rejoin::Name;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// The longest ban, in seconds: a year. The server keeps no ban over a restart.
const LONGEST_BAN: u64 = 366 * 24 * 3600;

pub(super) fn router() -> Router<AdminState> {
    Router::new()
        .route("/users", get(list))
        .route("/users/{id}", get(show).layer(middleware::from_fn(without_query)).delete(kick))
}

async fn list(State(app): State<Arc<AppState>>, page: Result<Query<Page>, QueryRejection>) -> Response {
    let page = match Page::read(page) {
        Ok(page) => page,
        Err((status, what)) => return problem(status, &what),
    };
    let limit = page.limit();
    let own = other_nodes::users(app.hub.inspect(|hub, _| hub.users(page.after.as_deref(), limit)));
    let question = Question::Users { after: page.after, limit };
    let others = asked(&app, question).await;
    let answers = others.iter().flat_map(|others| others.answers.iter().map(|(_, answer)| answer.clone()));
    let mut answer = other_nodes::page_of_users("users", answers.chain([own]), limit);
    say_who_is_missing(&mut answer, others.as_ref());
    Json(answer).into_response()
}

async fn show(State(app): State<Arc<AppState>>, Path(user): Path<String>) -> Response {
    let present = app.hub.user(&user);
    let banned = present.as_ref().and_then(|present| present.banned);
    let mut connections = Vec::new();
    let own = app.others.as_ref().map_or("", |others| others.own()).to_owned();
    extend(&mut connections, &own, &other_nodes::connections(&present.unwrap_or_default()));
    let others = asked(&app, Question::User { id: user.clone() }).await;
    for (node, answer) in others.iter().flat_map(|others| &others.answers) {
        extend(&mut connections, node, answer);
    }
    if connections.is_empty() && banned.is_none() {
        return match &others {
            Some(Answers { missing: None, .. }) => problem(
                StatusCode::SERVICE_UNAVAILABLE,
                "nobody of this name is connected to this server, and Redis does not answer: others cannot be asked",
            ),
            Some(Answers { missing: Some(1..), .. }) => problem(
                StatusCode::SERVICE_UNAVAILABLE,
                "nobody of this name is connected as far as the servers have answered, and some have not: ask again",
            ),
            _ => problem(StatusCode::NOT_FOUND, "nobody of this name is connected"),
        };
    }
    let rooms = other_nodes::rooms(&connections);
    let banned = banned.map(|left| left.as_secs().max(1));
    let mut answer =
        json!({ "id": user, "connections": connections, "rooms": rooms, "bannedForSecs": banned });
    say_who_is_missing(&mut answer, others.as_ref());
    Json(answer).into_response()
}

/// Adds the connections of a server, with its name if it has one.
fn extend(connections: &mut Vec<Value>, node: &str, answer: &Value) {
    for connection in answer.as_array().into_iter().flatten() {
        let mut connection = connection.clone();
        if let Some(fields) = connection.as_object_mut().filter(|_| !node.is_empty()) {
            fields.insert(String::from("node"), json!(node));
        }
        connections.push(connection);
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kick {
    ban: Option<String>,
}

async fn kick(
    State(app): State<Arc<AppState>>,
    State(recovery): State<Recovery>,
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
    recovery.forget_user(&user);
    let ban_seconds = ban.map_or(0, |ban| ban.as_secs());
    tracing::info!(target: "rejoin_server::audit", user = user.as_str(), ban_seconds, "kicked");
    // Counted before: none is left afterwards.
    let others = asked(&app, Question::User { id: user.to_string() }).await;
    let elsewhere = others.iter().flat_map(|others| &others.answers);
    let elsewhere: usize = elsewhere.map(|(_, answer)| answer.as_array().map_or(0, Vec::len)).sum();
    if let Some(closed) = app.hub.kick(asker, user, ban) {
        let mut answer = json!({ "closed": closed + elsewhere });
        say_who_is_missing(&mut answer, others.as_ref());
        return Json(answer).into_response();
    }
    let what =
        "too many users are banned; the connections were closed: DELETE /bans/{user} lets one in again";
    problem(StatusCode::SERVICE_UNAVAILABLE, what)
}
