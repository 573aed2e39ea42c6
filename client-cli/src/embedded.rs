//! The bundled server inside this process, for a chat without a URL.

use crate::error::{Exit, Failure};
use rejoin_server::cli::{ServeArgs, serve};
use rejoin_server::{Config, Server, ServerHandle};
use std::net::SocketAddr;
use std::time::Duration;
use url::Url;

/// The room of those who name none.
pub(crate) const DEFAULT_ROOM: &str = "lobby";

/// How long the others are given to hear that the server goes.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// What they hear.
const REASON: &str = "the chat that it was part of has ended";
/// How long a browser is given to say that it does not start.
const BROWSER_TIMEOUT: Duration = Duration::from_secs(3);

/// A server for people on this machine: any name is let in.
pub(crate) async fn start(listen: Option<SocketAddr>) -> Result<ServerHandle, Failure> {
    let mut config = Config::default();
    if let Some(listen) = listen {
        if !listen.ip().is_loopback() {
            return Err(Failure::usage("listen", format!("{listen} can be reached by others")).hint(
                "the embedded server lets anyone in under any name; use `rejoin serve --listen` with --auth",
            ));
        }
        config.listen = listen;
    }
    config.drain = CLOSE_TIMEOUT;
    let server = Server::bind(config).await.map_err(|error| {
        Failure::incomplete("listen", error.to_string())
            .hint("choose another address with --listen, or none at all")
    })?;
    Ok(server.spawn())
}

/// The page where a browser talks in this room of the server at this WebSocket address.
pub(crate) fn page(websocket: &str, room: &str) -> Option<Url> {
    let mut page = Url::parse(websocket).ok()?;
    page.set_scheme("http").ok()?;
    page.set_path("/demo/");
    if room != DEFAULT_ROOM {
        page.query_pairs_mut().append_pair("room", room);
    }
    Some(page)
}

/// Shows a page in the user's browser. Gives what is wrong with that.
pub(crate) async fn open(page: Url) -> Result<(), String> {
    let opening =
        tokio::task::spawn_blocking(move || open::that_detached_with_timeout(page.as_str(), BROWSER_TIMEOUT));
    match opening.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// Tells whoever is connected and stops.
pub(crate) async fn stop(server: ServerHandle) {
    // The end of this process ends what is left.
    let _ = tokio::time::timeout(2 * CLOSE_TIMEOUT, server.drain_with_reason(REASON)).await;
}

/// `rejoin serve`.
pub(crate) async fn run(arguments: ServeArgs) -> Result<Exit, Failure> {
    match serve(arguments).await {
        Ok(()) => Ok(Exit::Success),
        Err(error) if error.is_usage() => Err(Failure::usage("serve", error.to_string())),
        Err(error) => Err(Failure { exit: Exit::Incomplete, ..Failure::usage("serve", error.to_string()) }),
    }
}
