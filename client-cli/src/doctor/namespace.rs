//! Detects whether further Socket.IO namespaces let the client in, and whether one takes messages, by joining a room: a namespace for
//! notifications only refuses that. Sends no message.

use super::REFUSAL;
use super::report::{self, Step};
use crate::describe;
use crate::settings::Settings;
use rejoin::messages::Code;
use rejoin::{Client, Event, Events, Name, RoomState, State};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// A room that nobody else is in.
const ROOM: &str = "rejoin-doctor";

/// How long the namespaces may take to answer.
const ANSWERS: Duration = Duration::from_secs(10);

/// Enters the other namespaces over the connection that there is. Gives whether all of them have let the client in.
pub(super) async fn examine_others(settings: &Settings, client: &Client) -> bool {
    let opened = match settings.open_namespaces(client) {
        Ok(opened) => opened,
        Err(failure) => {
            report::failed(Step::Hello, &failure.message, None);
            return false;
        }
    };
    let until = Instant::now() + ANSWERS;
    let mut healthy = true;
    for (name, inside, mut events) in opened {
        let answered = async {
            while let Some(event) = events.next().await {
                if let Event::State(change) = event
                    && matches!(change.state, State::Connected | State::Failed)
                {
                    return change.cause;
                }
            }
            inside.status().cause
        };
        let cause = timeout_at(until, answered).await;
        match (inside.status().state, cause) {
            (State::Connected, _) => report::ok(Step::Hello, &format!("{name} lets us in, too")),
            (_, Ok(Some(cause))) => {
                healthy = false;
                let hint = settings.hints("chat").for_cause(&cause);
                report::failed(Step::Hello, &format!("{name}: {}", describe::cause(&cause)), hint.as_deref());
            }
            (_, Ok(None) | Err(_)) => {
                healthy = false;
                let text = format!("{name}: no answer in {} s", ANSWERS.as_secs());
                report::failed(
                    Step::Hello,
                    &text,
                    Some("its middleware on the server may wait for something"),
                );
            }
        }
    }
    healthy
}

pub(super) async fn examine(settings: &Settings, client: &Client, events: &mut Events) {
    let Some(server) = &settings.socket_io else { return };
    if client.join_with(Name::from(ROOM).into()).is_err() {
        return;
    }
    let until = Instant::now() + REFUSAL;
    let mut words = None;
    let is_refused = loop {
        match timeout_at(until, events.next()).await {
            // It comes before what became of the join.
            Ok(Some(Event::JoinReply { reply, .. })) => words = reply.message,
            Ok(Some(Event::Room(change))) if &*change.room == ROOM => match change.state {
                RoomState::Joining => {}
                state => break state == RoomState::Failed(Code::Forbidden),
            },
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => break false,
        }
    };
    client.leave(ROOM);
    if !is_refused {
        return;
    }
    let namespace = server.namespace.as_str();
    let words = words.map(|words| format!(" (\"{words}\")")).unwrap_or_default();
    let text = format!("{namespace} has no rooms: messages cannot be sent there{words}");
    let (url, options) = (settings.shown_url(), &settings.repeated);
    let hint = format!(
        "to receive what comes there: rejoin tail {url} --protocol socketio --namespace {namespace} --notifications{options}; to \
         send, leave --namespace out"
    );
    report::warned(Step::Hello, &text, &hint);
}
