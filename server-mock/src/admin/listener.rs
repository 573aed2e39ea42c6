//! The admin listener's connections. The oldest one without a request gives way to a newcomer, and some are kept in reserve
//! for health and metrics, so that no number of slow or idle peers keeps an operator or a supervisor waiting.

use super::guard::Peer;
use super::{AdminState, AdminToken, reserve_router, router};
use crate::accept::Acceptor;
use crate::admission::Cause;
use crate::connection;
use crate::http_connection::HttpConnection;
use crate::socketio::Recovery;
use crate::state::AppState;
use axum::{Extension, Router};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

/// Connections at a time that are served whatever they ask for, as far as the limit of open files allows so many; one more
/// takes the place of the oldest that asks for nothing.
const CONNECTIONS: usize = 64;

/// Connections beyond, for health and metrics only; one more ends the oldest of them.
const RESERVE: usize = 16;

/// How long an open connection may wait before its next request is complete.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a connection of the reserve may take altogether.
const RESERVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Serves the listener for ever. Dropping the future ends every connection.
pub(crate) async fn serve(
    app: Arc<AppState>,
    recovery: Recovery,
    listener: TcpListener,
    token: Option<AdminToken>,
) {
    let state = AdminState { app, recovery };
    let (full, reserve) = (router(&state, token.clone()), reserve_router(&state, token));
    let app = state.app;
    let (most, most_reserved) = places(app.files.admin);
    let mut listener = Acceptor::new(listener);
    let mut connections = JoinSet::new();
    let mut served: VecDeque<(HttpConnection, AbortHandle)> = VecDeque::new();
    let mut reserved: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        tokio::select! {
            (stream, peer) = listener.accept(&app.metrics) => {
                let stream = app.with_write_timeout(stream);
                let with_peer = |router: &Router| router.clone().layer(Extension(Peer(peer)));
                served.retain(|(_, connection)| !connection.is_finished());
                let asks_for_nothing = served.iter().position(|(http, _)| !http.is_busy());
                if served.len() >= most
                    && let Some((http, connection)) = asks_for_nothing.and_then(|at| served.remove(at))
                {
                    app.gate.refusals.note(Cause::AdminConnections, http.peer());
                    connection.abort();
                }
                if served.len() < most {
                    let router = with_peer(&full);
                    let app = Arc::clone(&app);
                    let http = HttpConnection::new(Arc::default(), peer.ip());
                    let its = http.clone();
                    let connection = connections.spawn(async move {
                        let served = connection::serve_http(stream, router, &its, None, IDLE_TIMEOUT, true).await;
                        connection::note(&app, served, &its);
                    });
                    served.push_back((http, connection));
                } else {
                    let router = with_peer(&reserve);
                    reserved.retain(|connection| !connection.is_finished());
                    if reserved.len() >= most_reserved && let Some(oldest) = reserved.pop_front() {
                        app.gate.refusals.note(Cause::AdminConnections, peer.ip());
                        oldest.abort();
                    }
                    reserved.push_back(connections.spawn(async move {
                        let http = HttpConnection::default();
                        let served = connection::serve_http(stream, router, &http, None, RESERVE_TIMEOUT, false);
                        let _ = timeout(RESERVE_TIMEOUT, served).await;
                    }));
                }
                // Those that were ended have their files until they are gone.
                while connections.len() > most + most_reserved {
                    connections.join_next().await;
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// How so many connections are divided: those that are served whatever they ask for, and those in reserve.
fn places(all: usize) -> (usize, usize) {
    let reserve = (all / 4).clamp(1, RESERVE);
    (all.saturating_sub(reserve).clamp(1, CONNECTIONS), reserve)
}
