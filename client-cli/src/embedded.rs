//! The bundled server inside this process, for a chat without a URL.

use crate::error::{Exit, Failure};
use rejoin_server::cli::{ServeArgs, serve};
use rejoin_server::{Config, Server, ServerHandle};
use std::net::SocketAddr;
use std::time::Duration;

/// How long the others are given to hear that the server goes.
const FAREWELL: Duration = Duration::from_secs(1);

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
    config.drain = FAREWELL;
    let server = Server::bind(config).await.map_err(|error| {
        Failure::usage("listen", error.to_string())
            .hint("choose another address with --listen, or none at all")
    })?;
    Ok(server.spawn())
}

/// Tells whoever is connected and stops.
pub(crate) async fn stop(server: ServerHandle) {
    // The end of this process ends what is left.
    let _ = tokio::time::timeout(2 * FAREWELL, server.drain()).await;
}

/// `rejoin serve`.
pub(crate) async fn run(arguments: ServeArgs) -> Result<Exit, Failure> {
    match serve(arguments).await {
        Ok(()) => Ok(Exit::Success),
        Err(error) if error.is_usage() => Err(Failure::usage("serve", error.to_string())),
        Err(error) => Err(Failure { exit: Exit::Incomplete, ..Failure::usage("serve", error.to_string()) }),
    }
}
