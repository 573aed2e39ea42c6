//! The tokio client over real sockets, against the real server: embedded, as a process, and behind a network that
//! misbehaves. Deadlines only keep a broken build from hanging.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::match_wild_err_arm,
    clippy::unit_arg,
    clippy::format_push_string,
    reason = "a test stops at the first surprise"
)]

mod bots;
mod byzantine_server;
mod consumers;
mod event_streams;
mod exactly_once;
mod examples;
mod faults;
mod feeds;
mod messages;
mod namespaces;
mod own;
mod own_socket_io;
mod polling;
mod polling_move;
mod reach;
mod recordings;
mod server_failures;
mod shutdown;
mod socket_io;
mod stored;
mod tls;
mod tokens;
mod untrusted_server;
mod upgrades;

use rejoin::{Client, ClientBuilder, Config, Event, Events, Mode, Receipt, State, StateChange};
use rejoin_server::{Server, ServerHandle};
use std::future::Future;
use std::time::Duration;

/// Fails instead of hanging.
async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(90), future).await {
        Ok(value) => value,
        Err(_) => panic!("waited 90 s for {what}"),
    }
}

/// An embedded server on a free port.
async fn server() -> ServerHandle {
    let mut config = rejoin_server::Config::default();
    // What `hello` says replaces the client's own: a dead server is to be found out quickly here.
    config.hub.heartbeat = Duration::from_secs(5);
    server_with(config).await
}

async fn server_with(config: rejoin_server::Config) -> ServerHandle {
    Server::bind(config).await.unwrap().spawn()
}

/// A client that finds out quickly what the defaults take half a minute for.
fn quick(url: &str, token: &str) -> ClientBuilder {
    let mut config = Config::default();
    config.link.liveness.heartbeat = Duration::from_secs(2);
    config.link.liveness.answer_timeout = Duration::from_secs(2);
    config.link.dial_timeout = Duration::from_secs(2);
    Client::builder(url).token(token).config(config)
}

/// A client that offers the extended protocol, or does not.
fn speaking(mode: Mode, url: &str, token: &str) -> ClientBuilder {
    quick(url, token).extended(mode == Mode::Extended)
}

/// A client in the lobby.
async fn in_lobby(url: &str, token: &str) -> (Client, Events) {
    in_lobby_as(Mode::Extended, url, token).await
}

/// A client in the lobby that offers the extended protocol, or does not.
async fn in_lobby_as(mode: Mode, url: &str, token: &str) -> (Client, Events) {
    let (client, events) = speaking(mode, url, token).room("lobby").connect().unwrap();
    assert_eq!(within("ready", client.ready()).await.unwrap(), mode);
    (client, events)
}

/// Whether a receipt says what the mode can say.
fn is_right(mode: Mode, receipt: &Receipt) -> bool {
    match mode {
        Mode::Extended => receipt.id().is_some() && receipt.seq().is_some(),
        _ => *receipt == Receipt::Written,
    }
}

/// The first event that `wanted` makes something of.
async fn until<T>(events: &mut Events, what: &str, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
    within(what, async {
        loop {
            let event = events.next().await.unwrap_or_else(|| panic!("the events ended before {what}"));
            if let Some(found) = wanted(event) {
                return found;
            }
        }
    })
    .await
}

/// On a plain server a join is only known to be written: whoever is to miss nothing has to be seen in the room first.
async fn until_arrival(events: &mut Events, user: &str) {
    until(events, user, |event| match event {
        Event::UserJoined { room, user: arrived } => Some(assert_eq!((&*room, &*arrived), ("lobby", user))),
        _ => None,
    })
    .await;
}

async fn until_message(events: &mut Events, content: &str) {
    until(events, content, |event| match event {
        Event::Message(message) if message.content == content => Some(()),
        _ => None,
    })
    .await;
}

/// The next change to a state for which `wanted` says yes.
async fn until_state(events: &mut Events, what: &str, wanted: fn(&State) -> bool) -> StateChange {
    until(events, what, |event| match event {
        Event::State(change) if wanted(&change.state) => Some(change),
        _ => None,
    })
    .await
}

fn lost(state: &State) -> bool {
    matches!(state, State::Reconnecting { .. })
}

fn failed(state: &State) -> bool {
    *state == State::Failed
}

/// Says something until it comes back: on a plain server what is written may still be lost with its connection.
async fn say_until_heard(client: &Client, events: &mut Events, content: &str) {
    loop {
        within("ready", client.ready()).await.unwrap();
        // An unknown outcome comes with the loss that is looked for below.
        let _ = within("an outcome", client.send("lobby", content)).await;
        let heard = until(events, content, |event| match event {
            Event::Message(message) if message.content == content => Some(true),
            Event::State(change) if lost(&change.state) => Some(false),
            _ => None,
        })
        .await;
        if heard {
            return;
        }
    }
}
