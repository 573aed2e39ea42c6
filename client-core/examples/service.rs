//! A web service in front of a chat, with axum: `GET /rooms/ROOM` streams the messages of a room as server-sent events, and
//! `POST /rooms/ROOM` says the body in it. All of its visitors share one connection to the chat.
//!
//! ```text
//! cargo run -p rejoin --example service -- ws://127.0.0.1:8080/ws TOKEN 127.0.0.1:3000 lobby den
//! curl -N http://127.0.0.1:3000/rooms/lobby
//! curl -d hello http://127.0.0.1:3000/rooms/lobby
//! ```
#![expect(clippy::print_stdout, reason = "a program's own output")]

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::sse::{self, KeepAlive, Sse};
use axum::routing::get;
use futures_util::stream::{Stream, StreamExt as _};
use rejoin::{Client, ClientBuilder, Missed, SendError};
use std::sync::Arc;
use std::time::Duration;

type Error = Box<dyn std::error::Error>;
type Answer<T> = Result<T, (StatusCode, String)>;

/// How long a visitor waits for room in the outbox, and for the outcome.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Clone)]
pub(crate) struct Service {
    client: Client,
    /// Those that the client has joined: a visitor cannot make it join others.
    rooms: Arc<[String]>,
}

/// Connects to the chat. The routes are ready when the rooms are joined.
pub(crate) async fn service(url: &str, token: &str, rooms: &[String]) -> Result<Router, Error> {
    let builder = rooms.iter().fold(Client::builder(url).token(token), ClientBuilder::room);
    // Subscriptions are all that is read.
    let (client, _) = builder.connect()?;
    client.ready().await?;
    let state = Service { client, rooms: rooms.into() };
    Ok(Router::new().route("/rooms/{room}", get(messages).post(say)).with_state(state))
}

impl Service {
    fn check(&self, room: &str) -> Answer<()> {
        let is_there = self.rooms.iter().any(|served| served == room);
        is_there.then_some(()).ok_or_else(|| (StatusCode::NOT_FOUND, "there is no such room\n".to_owned()))
    }
}

/// The messages of a room from now on. It ends with the client; a visitor who reads too slowly is told what is missing.
async fn messages(
    State(service): State<Service>,
    Path(room): Path<String>,
) -> Answer<Sse<impl Stream<Item = Result<sse::Event, axum::Error>>>> {
    service.check(&room)?;
    let failed = |error: &dyn ToString| (StatusCode::BAD_REQUEST, error.to_string());
    let messages = service.client.subscribe(&room).map_err(|error| failed(&error))?;
    let events = messages.map(|item| match item {
        Ok(message) => sse::Event::default().event("message").json_data(&message),
        Err(Missed::Lagged(count)) => Ok(sse::Event::default().event("lagged").data(count.to_string())),
        Err(missed) => Ok(sse::Event::default().event("missed").data(missed.to_string())),
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// Says something, and answers when it is as safe as the connection can make it.
async fn say(
    State(service): State<Service>,
    Path(room): Path<String>,
    content: String,
) -> Answer<StatusCode> {
    service.check(&room)?;
    let unavailable = |error: &dyn ToString| (StatusCode::SERVICE_UNAVAILABLE, error.to_string());
    let permit = tokio::time::timeout(PATIENCE, service.client.reserve()).await;
    let permit = permit.map_err(|_| unavailable(&"the chat takes nothing now"))?;
    let permit = permit.map_err(|error| unavailable(&error))?;
    let sending = service.client.message(&room, content).timeout(PATIENCE).permit(permit).send();
    match sending.await {
        Ok(_) => Ok(StatusCode::NO_CONTENT),
        Err(SendError::Unknown) => Err((StatusCode::GATEWAY_TIMEOUT, SendError::Unknown.to_string())),
        Err(error) if error.is_too_large() => Err((StatusCode::PAYLOAD_TOO_LARGE, error.to_string())),
        Err(error) if error.is_temporary() => Err(unavailable(&error)),
        Err(error) => Err((StatusCode::BAD_REQUEST, error.to_string())),
    }
}

#[tokio::main(flavor = "current_thread")]
#[cfg_attr(test, expect(dead_code, reason = "the test calls what it calls"))]
async fn main() -> Result<(), Error> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [url, token, address, rooms @ ..] = args.as_slice() else {
        return Err("usage: service URL TOKEN ADDRESS ROOM…".into());
    };
    let routes = service(url, token, rooms).await?;
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("serving {} rooms at http://{}", rooms.len(), listener.local_addr()?);
    axum::serve(listener, routes).await?;
    Ok(())
}
