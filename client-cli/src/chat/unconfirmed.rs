//! Says what became of the messages that an interrupted chat had under way. Waits a second at most.

use super::controller::Controller;
use crate::error::eprint_line;
use crate::other_namespaces::OtherNamespaces;
use rejoin::{Client, DeliveryStatus, Event, Events};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Time for the outcomes that a chat which is interrupted still has.
const LAST_OUTCOMES: Duration = Duration::from_secs(1);

/// Tells how many messages have certainly not been sent, and of how many nobody knows. `is_kept`: those of the first namespace are
/// in a state file.
pub(super) async fn report(talk: &Controller, events: Events, elsewhere: OtherNamespaces, is_kept: bool) {
    let all = talk.namespaces.pending();
    let kept = if is_kept { talk.namespaces.first().own.pending() } else { 0 };
    if kept > 0 {
        eprint_line(&format!("rejoin: {kept} not confirmed: kept in the state file"));
    }
    if all > kept {
        let first = (!is_kept).then_some(events);
        let (unsent, unknown) = abandoned_sends(talk.client(), first, elsewhere, all - kept).await;
        if unsent > 0 {
            eprint_line(&format!("rejoin: {unsent} not sent"));
        }
        if unknown > 0 {
            eprint_line(&format!("rejoin: {unknown} not confirmed: whether it has arrived is unknown"));
        }
    }
}

/// How many of the `pending` messages were certainly not sent, and of how many nobody knows: closing gives each of them its
/// outcome at once.
async fn abandoned_sends(
    client: &Client,
    mut first: Option<Events>,
    mut elsewhere: OtherNamespaces,
    pending: usize,
) -> (usize, usize) {
    tokio::spawn(client.close());
    let until = Instant::now() + LAST_OUTCOMES;
    let (mut unsent, mut arrived, mut unknown) = (0, 0, 0);
    while unsent + arrived + unknown < pending && (first.is_some() || !elsewhere.is_empty()) {
        let next = async {
            tokio::select! {
                batch = next_batch(&mut first) => batch,
                (_, batch) = elsewhere.next() => batch,
            }
        };
        let Ok(batch) = timeout_at(until, next).await else { break };
        if batch.is_empty() {
            first = None;
        }
        for event in batch {
            let Event::Delivery(delivery) = event else { continue };
            match delivery.status {
                DeliveryStatus::Failed(_) => unsent += 1,
                DeliveryStatus::Unknown => unknown += 1,
                _ => arrived += 1,
            }
        }
    }
    (unsent, pending.saturating_sub(unsent + arrived))
}

/// What happens in the first namespace: nothing when that is over.
async fn next_batch(events: &mut Option<Events>) -> Vec<Event> {
    match events {
        Some(events) => events.next_batch().await,
        None => std::future::pending().await,
    }
}
