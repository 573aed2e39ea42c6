//! Keeps the process within its memory budget: drops the longest queues when it comes close to it. The connections come
//! back and catch up.

use crate::log_throttle::LogThrottle;
use crate::socketio::Recovery;
use crate::state::AppState;
use std::time::Duration;
use tokio::time::sleep;

/// How often the operating system is asked.
const EVERY: Duration = Duration::from_millis(250);

/// Keeps the process within its budget, for ever. Does nothing without one.
pub(super) async fn keep(app: &AppState, recovery: &Recovery) {
    if app.memory.budget().is_none() {
        std::future::pending::<()>().await;
    }
    let (mut short, mut dropping) = (LogThrottle::default(), LogThrottle::default());
    loop {
        sleep(EVERY).await;
        app.memory.look();
        let (used, budget) = (app.memory.used(), app.memory.budget().unwrap_or(0));
        if app.memory.is_short() {
            // Whoever comes back is not let in either.
            recovery.forget_all();
            short.record(|_| tracing::warn!(used, budget, "memory is short: nobody new is let in"));
        }
        let excess = app.memory.excess();
        if excess > 0 {
            let dropped = app.hub.drop_longest(usize::try_from(excess).unwrap_or(usize::MAX));
            app.metrics.queues_dropped.add(dropped as u64);
            if dropped > 0 {
                dropping.record(|_| {
                    tracing::warn!(used, budget, dropped, "memory is short: dropped the longest queues");
                });
            }
        }
    }
}
