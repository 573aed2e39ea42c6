//! Detects whether a Socket.IO namespace takes messages, by joining a room: a namespace for notifications only refuses that. Sends no
//! message.

use super::REFUSAL;
use super::report::{self, Step};
use crate::settings::Settings;
use rejoin::messages::Code;
use rejoin::{Client, Event, Events, Name, RoomState};
use tokio::time::{Instant, timeout_at};

/// A room that nobody else is in.
const ROOM: &str = "rejoin-doctor";

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
