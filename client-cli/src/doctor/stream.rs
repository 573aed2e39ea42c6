//! The steps of reading a room by server-sent events, after the server was reached.

use super::other_endpoints::{self, Found};
use super::report::{self, Step};
use super::{NO_ANSWER, STEP, check_encryption, hold, token, token_taken};
use crate::describe;
use crate::error::Failure;
use crate::settings::Settings;
use rejoin::{Cause, CauseCode, DialErrorKind, FeedEvent, FeedStream, State, StateChange};
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// A server of ours says at once where it begins; this long it is given.
const BEGINNING: Duration = Duration::from_secs(2);
/// What a stream is called whose room is not known.
const ITSELF: &str = "stream";

/// Whether the URL itself, as it is given, is that of a stream.
pub(super) async fn is_one(settings: &Settings) -> Result<bool, Failure> {
    let mut itself = settings.clone();
    itself.is_stream_url = true;
    let mut events = itself.follow(ITSELF, None)?;
    let opened = timeout(STEP, async {
        while events.state().state != State::Connected {
            match events.next().await {
                Some(FeedEvent::State(StateChange { cause: Some(_), .. })) | None => return false,
                Some(_) => {}
            }
        }
        true
    });
    let is_one = opened.await.unwrap_or(false);
    events.close().await;
    if is_one {
        let what = format!("{} is a stream itself, and read as it is", settings.shown_url());
        report::ok(Step::Stream, &what);
    }
    Ok(is_one)
}

pub(super) async fn examine(
    settings: &mut Settings,
    room: &str,
    idle: Option<Duration>,
) -> Result<bool, Failure> {
    let mut events = settings.follow(room, None)?;
    let healthy = read(settings, room, &mut events).await;
    events.close().await;
    if let Err(cause) = &healthy {
        let advice = token::advice(settings, Some(room), cause).await;
        report::failed(Step::Token, &describe::cause(cause), Some(&advice));
    }
    let healthy = healthy.unwrap_or(false);
    if healthy {
        hold(settings, Some(room), idle).await?;
    }
    Ok(healthy)
}

/// The error is a refusal of the token, which has not been reported yet.
async fn read(settings: &Settings, room: &str, events: &mut FeedStream) -> Result<bool, Cause> {
    let started = Instant::now();
    while events.state().state != State::Connected {
        match events.next().await {
            Some(FeedEvent::State(change)) => {
                if let Some(cause) = change.cause {
                    if token::is_about_token(&cause) {
                        return Err(cause);
                    }
                    failed(settings, &cause);
                    if matches!(
                        cause.code,
                        CauseCode::Dial(DialErrorKind::Http(_) | DialErrorKind::NotEventStream)
                    ) {
                        other_endpoints::examine(settings, Some(room)).await.iter().for_each(Found::tell);
                    }
                    return Ok(false);
                }
            }
            Some(_) => {}
            None => return Ok(false),
        }
    }
    check_encryption(settings, ["http://", "https://"]);
    token_taken(settings);
    let opened = format!("text/event-stream in {} ms", started.elapsed().as_millis().max(1));
    let until = Instant::now() + BEGINNING;
    let mut has_place = false;
    let mut has_come = false;
    while !has_place {
        let event = timeout_at(until, events.next()).await;
        has_come = has_come || matches!(&event, Ok(Some(event)) if !matches!(event, FeedEvent::State(_)));
        match event {
            // Without a cause it is how the connection came about, which may still be in the queue.
            Ok(Some(FeedEvent::State(StateChange { cause: Some(cause), .. }))) => {
                let what = describe::cause(&cause);
                let hint = "the server opens streams and ends them: see its log, and a proxy's on the way";
                report::failed(Step::Stream, &what, Some(hint));
                return Ok(false);
            }
            Ok(Some(FeedEvent::Message(message))) => has_place = message.entry.is_some(),
            Ok(Some(FeedEvent::Started)) => {
                has_place =
                    events.last_event_id().is_some_and(|id| rejoin::Position::from_event_id(id).is_some());
            }
            Ok(Some(_)) => {}
            Ok(None) => return Ok(false),
            Err(_) => break,
        }
    }
    if has_place {
        report::ok(Step::Stream, &format!("{opened}; what is missed is replayed or said to be missing"));
    } else if !has_come {
        report::ok(Step::Stream, &opened);
        let text = format!("nothing has come for {} s", BEGINNING.as_secs());
        let hint = "a quiet room, or a proxy that holds the stream back: for this path turn its buffering and compression \
                    off (nginx: proxy_buffering off; gzip off)";
        report::warned(Step::Stream, &text, hint);
    } else {
        report::ok(Step::Stream, &opened);
        report::skipped(Step::Stream, "its ids name no places: after a loss nobody knows what was missed");
    }
    Ok(true)
}

/// Says at which step a dial ended, and which steps that proves to be fine.
fn failed(settings: &Settings, cause: &Cause) {
    let what = describe::cause(cause);
    let hint = settings.hints("tail").for_cause(cause);
    match cause.code {
        // Its words say what to do.
        CauseCode::Dial(DialErrorKind::Certificate | DialErrorKind::Tls) => {
            report::failed(Step::Tls, &what, None);
        }
        CauseCode::Dial(DialErrorKind::Proxy) => {
            report::failed(Step::Tcp, &what, Some("check HTTPS_PROXY, ALL_PROXY and NO_PROXY"));
        }
        CauseCode::Dial(DialErrorKind::Http(_) | DialErrorKind::NotEventStream) => {
            check_encryption(settings, ["http://", "https://"]);
            // The answer's own words say what to do of some.
            let hint = hint.map(|_| {
                "a web server answers, but not with a room's stream: check the URL, to which rooms/ROOM/events is \
                 added; for a chat give ws:// or wss://"
            });
            report::failed(Step::Stream, &what, hint);
        }
        CauseCode::Dial(DialErrorKind::Timeout) => report::failed(Step::Stream, &what, Some(NO_ANSWER)),
        _ => report::failed(Step::Stream, &what, Some("the port answers, but not as a web server does")),
    }
}
