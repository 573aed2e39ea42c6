//! The routes that list rooms and their members, empty a room, and remove a member.

use super::{AdminState, Page, asked, problem, without_query};
use crate::other_nodes::{self, Question, StoreAway, say_who_is_missing};
use crate::socketio::Recovery;
use crate::state::AppState;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use axum::{Json, Router, middleware};
use rejoin::Name;
use serde_json::json;
use std::sync::Arc;

const NO_ROOM: &str = "there is no such room";

pub(super) fn router() -> Router<AdminState> {
    Router::new()
        .route("/rooms", get(list))
        .route("/rooms/{id}", delete(empty).layer(middleware::from_fn(without_query)))
        .route("/rooms/{id}/members", get(members))
        .route("/rooms/{id}/members/{user}", delete(remove).layer(middleware::from_fn(without_query)))
}

async fn list(State(app): State<Arc<AppState>>, page: Result<Query<Page>, QueryRejection>) -> Response {
    let page = match Page::read(page) {
        Ok(page) => page,
        Err((status, what)) => return problem(status, &what),
    };
    let limit = page.limit();
    let own = app.hub.inspect(|hub, _| hub.stored_rooms(page.after.as_deref(), limit));
    let others = asked(&app, Question::Rooms { after: page.after, limit }).await;
    let answers = others.iter().flat_map(|others| others.answers.iter().map(|(_, answer)| answer.clone()));
    let (rooms, more) = other_nodes::merge_rooms(answers.chain([other_nodes::stored_rooms(own)]), limit);
    let next = rooms.last().filter(|_| more).and_then(|room| room.get("id")).cloned();
    let mut answer = json!({ "rooms": rooms, "next": next });
    say_who_is_missing(&mut answer, others.as_ref());
    Json(answer).into_response()
}

async fn members(
    State(app): State<Arc<AppState>>,
    Path(room): Path<String>,
    page: Result<Query<Page>, QueryRejection>,
) -> Response {
    let page = match Page::read(page) {
        Ok(page) => page,
        Err((status, what)) => return problem(status, &what),
    };
    let limit = page.limit();
    let own = app.hub.inspect(|hub, _| hub.members_of(&room, page.after.as_deref(), limit));
    let others = asked(&app, Question::Members { room, after: page.after, limit }).await;
    let elsewhere = others.iter().flat_map(|others| others.answers.iter().map(|(_, answer)| answer.clone()));
    let known: Vec<_> =
        elsewhere.chain([other_nodes::members(own)]).filter(|answer| !answer.is_null()).collect();
    if known.is_empty() {
        let what = match others.as_ref().map(|others| others.missing) {
            None | Some(Some(0)) => NO_ROOM,
            _ => "no server that has answered keeps such a room, and others have not answered: ask again",
        };
        return problem(StatusCode::NOT_FOUND, what);
    }
    let mut answer = other_nodes::page_of_users("members", known, limit);
    say_who_is_missing(&mut answer, others.as_ref());
    Json(answer).into_response()
}

async fn empty(State(app): State<Arc<AppState>>, Path(room): Path<String>) -> Response {
    let room = Name::from(room);
    if room.starts_with('@') {
        return problem(StatusCode::NOT_FOUND, NO_ROOM);
    }
    let emptied = match &app.others {
        Some(others) => others.empty_room(room.clone()).await,
        None => Ok(app.hub.empty_room(room.clone())),
    };
    match emptied {
        Ok(true) => {
            tracing::info!(target: "rejoin_server::audit", room = room.as_str(), "emptied");
            StatusCode::NO_CONTENT.into_response()
        }
        Ok(false) => problem(StatusCode::NOT_FOUND, NO_ROOM),
        Err(StoreAway) => problem(
            StatusCode::SERVICE_UNAVAILABLE,
            "Redis does not answer, so that it is not known whether the room is emptied: ask again when /readyz says that it is back",
        ),
    }
}

async fn remove(
    State(app): State<Arc<AppState>>,
    State(recovery): State<Recovery>,
    Path((room, user)): Path<(String, String)>,
) -> Response {
    let (room, user) = (Name::from(room), Name::from(user));
    // Whoever comes back is not to be in the room again by itself.
    let was_to_be_back = recovery.forget_room(&user, &room);
    if !app.hub.remove(room, user) && !was_to_be_back {
        return problem(StatusCode::NOT_FOUND, "the user is not in this room");
    }
    // Asked afterwards: whoever answers has heard of it before.
    let others = asked(&app, Question::Users { after: None, limit: 1 }).await;
    if others.is_none() {
        return StatusCode::NO_CONTENT.into_response();
    }
    let mut answer = json!({});
    say_who_is_missing(&mut answer, others.as_ref());
    Json(answer).into_response()
}
