//! Accepts connections until a drain is over. Each connection is served in a task of its own.

use super::Server;
use crate::accept::Acceptor;
use crate::connection_limits::Limits;
use crate::hub::DrainReason;
use crate::{accept_policy, admin, connection};
use std::future::{Future, pending};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

/// Refused connections whose end is waited for at a time; beyond, they are closed at once.
const REFUSALS: usize = 1_024;

/// Clients that can move to another server while they are served here need this long for it.
const MOVE: Duration = Duration::from_secs(1);

/// What the last close frames of a drain may take beyond its window.
const LAST_WORDS: Duration = Duration::from_secs(8);

impl Server {
    /// Serves, and drains when `drain` completes. The tasks of connections that are left then are cut by whoever drops them.
    pub(super) async fn work(self, tasks: &mut JoinSet<()>, drain: impl Future<Output = DrainReason>) {
        let Self { app, socket_io, listener, admin, admin_token, tls, router, drain: longest, .. } = self;
        let refusals = Arc::new(Semaphore::new(REFUSALS));
        let mut listener = Acceptor::new(listener);
        let most_open = app.files.connections;
        let wanted = app.limits.connections;
        if most_open < wanted && wanted != Limits::default().connections {
            tracing::warn!(
                most_open,
                wanted,
                "the limit of open files allows fewer connections than --max-connections"
            );
        } else if most_open < wanted {
            // Nobody has asked for so many.
            tracing::info!(
                most_open,
                "this process may open fewer files than --max-connections needs: so many connections are taken"
            );
        }
        // Served to the very end, so that a supervisor sees the drain.
        let mut admin_task = JoinSet::new();
        if let Some(listener) = admin {
            admin_task.spawn(admin::serve(
                Arc::clone(&app),
                socket_io.recovery().clone(),
                listener,
                admin_token,
            ));
        }
        let mut drain = pin!(drain);
        // Once a drain has begun, when it must be over.
        let mut end: Option<Instant> = None;
        loop {
            if end.is_some() && app.hub.connections() == 0 {
                break;
            }
            tokio::select! {
                (stream, peer) = listener.accept(&app.metrics) => match accept_policy::open(&app, &socket_io, peer.ip(), tasks.len()) {
                    Ok(permit) => {
                        let _ = stream.set_nodelay(true);
                        let (app, router, tls) = (Arc::clone(&app), router.clone(), tls.clone());
                        tasks.spawn(connection::serve(app, router, tls, stream, peer.ip(), permit));
                    }
                    Err(refusal) => if let Some(stream) = accept_policy::refuse(stream, &refusal, tls.is_some())
                        && tasks.len() < most_open.saturating_add(app.files.refusals)
                        && let Ok(permit) = Arc::clone(&refusals).try_acquire_owned()
                    {
                        tasks.spawn(async move {
                            accept_policy::linger(stream).await;
                            drop(permit);
                        });
                    },
                },
                Some(ended) = tasks.join_next() => {
                    if ended.is_err_and(|error| error.is_panic()) {
                        app.metrics.panics.one_more();
                        tracing::error!("a connection ended by a bug; the others go on");
                    }
                }
                reason = &mut drain, if end.is_none() => {
                    app.stop_admitting(reason);
                    let connections = app.hub.connections();
                    let rate = f64::from(app.limits.drain_rate.max(1));
                    #[expect(clippy::cast_precision_loss, reason = "connections are far fewer than 2^52")]
                    let mut window = Duration::from_secs_f64(connections as f64 / rate);
                    if app.hub.extended_connections() > 0 && reason == DrainReason::Restart {
                        window = window.max(MOVE);
                    }
                    let window = window.min(longest);
                    tracing::info!(connections, ?window, "draining");
                    end = Some(Instant::now() + window + LAST_WORDS);
                    app.hub.drain(window, reason);
                }
                () = until(end) => break,
            }
        }
        // Half-open connections would outlast every wait; what is left then are close handshakes.
        app.faults.clear();
        app.finish();
        let last = end.unwrap_or_else(Instant::now).min(Instant::now() + LAST_WORDS);
        let _ = timeout_at(last, async { while tasks.join_next().await.is_some() {} }).await;
    }
}

async fn until(end: Option<Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end).await,
        None => pending().await,
    }
}
