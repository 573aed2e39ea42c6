//! Probes what else answers at the server of a wrong address: the usual paths of chats, Socket.IO and event streams. Sends no token
//! and joins nothing.

use super::report::{self, Step};
use super::{STEP, token, until_connected};
use crate::settings::Settings;
use crate::suggested_options::quoted;
use crate::suggested_urls;
use rejoin::{Cause, CauseCode, Events, FeedEvent, SocketIo, State};
use tokio::time::timeout;

/// What a middleware's refusal comes as: whoever refuses so speaks Socket.IO.
const REFUSED: CauseCode = CauseCode::Unauthorized(4001);
/// Where our own server, and many others, have their WebSocket.
const CHAT: &str = "/ws";

/// What answers there, and with which command it is reached.
pub(super) struct Found {
    step: Step,
    what: String,
    hint: String,
}

impl Found {
    pub(super) fn tell(&self) {
        report::warned(self.step, &self.what, &self.hint);
    }
}

/// Looks for what answers. `room` is that of a stream of events that was not found.
pub(super) async fn examine(settings: &Settings, room: Option<&str>) -> Vec<Found> {
    let mut found = Vec::new();
    let path = suggested_urls::path_of(&settings.endpoint);
    for candidate in chats(&path, room.is_some()) {
        let url =
            format!("{}{candidate}", suggested_urls::origin(&settings.endpoint)).replacen("http", "ws", 1);
        if is_chat(settings, &url).await {
            let hint = format!("give that address: rejoin chat {url}{}", settings.repeated);
            found.push(Found {
                step: Step::Hello,
                what: format!("a WebSocket server answers at {url}"),
                hint,
            });
            break;
        }
    }
    let url = suggested_urls::socket_io(&settings.endpoint);
    if is_socket_io(settings, &url).await {
        found.push(socket_io(settings, &url));
    }
    if let Some(room) = room.filter(|_| path != "/") {
        let url = suggested_urls::origin(&settings.endpoint);
        if has_streams(settings, &url, room).await {
            let room = quoted(room);
            let hint = format!("give that address: rejoin tail --sse {url} -r {room}{}", settings.repeated);
            found.push(Found { step: Step::Stream, what: format!("rooms can be read at {url}"), hint });
        }
    }
    found
}

/// The address is that of a Socket.IO server's engine.
pub(super) fn socket_io_here(settings: &Settings) -> Found {
    socket_io(settings, &suggested_urls::socket_io(&settings.endpoint))
}

fn socket_io(settings: &Settings, url: &str) -> Found {
    let options = &settings.repeated;
    let hint =
        format!("connect to {url} with --protocol socketio: rejoin chat {url} --protocol socketio{options}");
    Found { step: Step::Hello, what: "a Socket.IO server answers at this address".to_owned(), hint }
}

/// Where a chat may be, other than at `path` itself unless that was asked for something else.
fn chats(path: &str, is_stream: bool) -> Vec<String> {
    let below = format!("{}{CHAT}", path.trim_end_matches('/'));
    let mut paths = Vec::new();
    if is_stream && path != "/" {
        paths.push(path.to_owned());
    }
    // Below a path of a Socket.IO engine is none.
    if below != CHAT && !path.ends_with(CHAT) && !path.contains("/socket.io") {
        paths.push(below);
    }
    if path != CHAT {
        paths.push(CHAT.to_owned());
    }
    paths
}

/// How a connection by nobody in particular came out.
async fn answer(mut events: Events) -> Option<Result<(), Cause>> {
    timeout(STEP, until_connected(&mut events)).await.ok()
}

async fn is_chat(settings: &Settings, url: &str) -> bool {
    let Ok((client, events)) = settings.anonymous_at(url, None) else { return false };
    let answer = answer(events).await;
    client.close().await;
    match answer {
        Some(Ok(())) => true,
        Some(Err(cause)) => token::is_about_token(&cause),
        None => false,
    }
}

async fn is_socket_io(settings: &Settings, url: &str) -> bool {
    let Ok((client, events)) = settings.anonymous_at(url, Some(SocketIo::default())) else { return false };
    let answer = answer(events).await;
    client.close().await;
    match answer {
        Some(Ok(())) => true,
        Some(Err(cause)) => matches!(cause.code, REFUSED | CauseCode::UnknownNamespace),
        None => false,
    }
}

async fn has_streams(settings: &Settings, url: &str, room: &str) -> bool {
    let Ok(mut events) = settings.anonymous_feed(url, room) else { return false };
    let answer = timeout(STEP, async {
        loop {
            match events.next().await {
                Some(FeedEvent::State(change)) if change.state == State::Connected => break true,
                Some(FeedEvent::State(change)) => {
                    if let Some(cause) = change.cause {
                        break token::is_about_token(&cause);
                    }
                }
                Some(_) => {}
                None => break false,
            }
        }
    })
    .await;
    events.close().await;
    answer.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_paths_are_tried_and_never_the_one_that_failed() {
        assert_eq!(chats("/", false), ["/ws"]);
        assert_eq!(chats("/app", false), ["/app/ws", "/ws"]);
        assert_eq!(chats("/app/", true), ["/app/", "/app/ws", "/ws"]);
        assert_eq!(chats("/ws", false), [""; 0]);
        assert_eq!(chats("/socket.io/", false), ["/ws"]);
    }
}
