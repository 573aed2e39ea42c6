//! The driver's `tracing` output: a span for each client or feed, and an event for each change of the connection and
//! its rooms. Contains names of rooms and addresses, but no token, header value or content at any level.

use crate::cause::Cause;
use crate::event::{DeliveryStatus, Event, RoomState};
#[cfg(feature = "sse")]
use crate::feed::FeedEvent;
use crate::link::{State, StateChange};
use crate::native::connect::Endpoint;
use crate::time::Timestamp;
use std::time::Duration;
use tracing::{Span, debug, info, info_span, trace};

/// Around everything that a client does.
pub(crate) fn client_span(endpoint: &Endpoint) -> Span {
    info_span!("client", url = %endpoint)
}

/// Around everything that the reading of a stream does.
#[cfg(feature = "sse")]
pub(crate) fn stream_span(endpoint: &Endpoint, room: &str) -> Span {
    info_span!("stream", url = %endpoint, room)
}

/// A connection is being made.
pub(crate) fn dialing(endpoint: &Endpoint, attempt: u32) {
    info!(url = %endpoint, attempt, "dialling");
}

/// A stream is being opened.
#[cfg(feature = "sse")]
pub(crate) fn requesting(attempt: u32) {
    info!(attempt, "dialling");
}

/// The token is being fetched.
pub(crate) fn fetching_token() {
    debug!("fetching a token");
}

/// What the application is reported; `now` is the driver's clock.
pub(crate) fn event(event: &Event, now: Timestamp) {
    match event {
        Event::State(change) => state(change, now),
        Event::Mode(mode) => debug!(mode = mode.as_str(), "the mode is decided"),
        #[cfg(feature = "sse")]
        Event::ReadOnly(is_read_only) => info!(is_read_only, "the connection can send, or not"),
        Event::Ready(mode) => debug!(mode = mode.as_str(), "ready"),
        Event::Room(change) => match change.state {
            RoomState::Joining => debug!(room = %change.room, "joining"),
            RoomState::Failed(code) | RoomState::Removed(code) => {
                info!(room = %change.room, code = code.as_str(), "{}", change.state.as_str());
            }
            state => info!(room = %change.room, "{}", state.as_str()),
        },
        Event::Joined(joined) => debug!(
            room = %joined.room,
            recovered = joined.recovered,
            replayed = joined.replayed,
            "the server confirmed the join"
        ),
        Event::Gap(gap) => {
            info!(room = %gap.room, reason = gap.reason.as_str(), after = gap.after, before = gap.before, "gap");
        }
        Event::Delivery(delivery) => {
            let code = if let DeliveryStatus::Failed(why) = &delivery.status { why.as_str() } else { "" };
            debug!(room = %delivery.room, send = delivery.id.0, outcome = outcome(&delivery.status), code, "a send has its outcome");
        }
        Event::Restored(restored) => {
            debug!(room = %restored.room, send = restored.id.0, "a send of an earlier run goes on");
        }
        Event::ServerError { code, .. } => {
            info!(code = code.map_or("none", crate::messages::Code::as_str), "the server said error");
        }
        Event::Malformed { .. } => info!("a frame that cannot be read was skipped"),
        Event::StorageFailed { error } => info!(error, "the state could not be stored"),
        Event::Lagged { skipped } => info!(skipped, "the application was too slow"),
        Event::Message(message) => {
            let seq = message.entry.as_ref().map(|stamp| stamp.seq);
            trace!(room = %message.room, seq, bytes = message.content.len(), "message");
        }
        _ => {}
    }
}

/// What the reader of a stream is reported.
#[cfg(feature = "sse")]
pub(crate) fn feed_event(event: &FeedEvent, now: Timestamp) {
    match event {
        FeedEvent::State(change) => state(change, now),
        FeedEvent::Gap(gap) => {
            info!(room = %gap.room, reason = gap.reason.as_str(), after = gap.after, before = gap.before, "gap");
        }
        FeedEvent::Malformed { .. } => info!("an event that cannot be read was skipped"),
        _ => {}
    }
}

fn state(change: &StateChange, now: Timestamp) {
    let (code, cause) =
        change.cause.as_ref().map_or(("none", ""), |Cause { code, text, .. }| (code.as_str(), text));
    let idle_timeout_ms = change.cause.as_ref().and_then(|cause| cause.idle_timeout).map(millis);
    match change.state {
        State::Connected => info!("open"),
        State::Reconnecting { attempt, retry_at } | State::Suspended { attempt, retry_at } => {
            let retry_in_ms = retry_at.map(|at| millis(at - now));
            info!(
                code,
                cause,
                attempt,
                retry_in_ms,
                idle_timeout_ms,
                "{}",
                if attempt <= 1 { "lost" } else { "not connected" }
            );
        }
        State::Failed => info!(code, cause, "failed for good"),
        State::Closed => info!("closed"),
        _ => debug!("{}", change.state.as_str()),
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn outcome(status: &DeliveryStatus) -> &'static str {
    match status {
        DeliveryStatus::Written => "written",
        DeliveryStatus::Acked { .. } => "acked",
        DeliveryStatus::Answered { .. } => "answered",
        DeliveryStatus::Failed(_) => "failed",
        _ => "unknown",
    }
}
