//! Holds an idle connection and detects whether something between client and server cuts it. Independent of the other steps.

use super::STEP;
use super::report::{self, Step};
use crate::describe;
use crate::error::Failure;
use crate::idle_timeout;
use crate::settings::Settings;
use rejoin::{CauseCode, Client, Event, Events, FeedEvent, FeedStream, State, StateChange};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long the connection after a loss may take, with the wait before it.
const RETURN: Duration = Duration::from_secs(30);

/// What is cut sooner was not cut for being quiet.
const SHORTEST: Duration = Duration::from_millis(900);
/// Two short times are the same when they differ by no more than this.
const TOLERANCE: Duration = Duration::from_millis(700);

/// A connection that is held.
enum Held {
    Chat(Client, Events),
    Stream(FeedStream),
}

impl Held {
    async fn next_change(&mut self) -> Option<StateChange> {
        loop {
            match self {
                Self::Chat(_, events) => {
                    if let Event::State(change) = events.next().await? {
                        return Some(change);
                    }
                }
                Self::Stream(events) => {
                    if let FeedEvent::State(change) = events.next().await? {
                        return Some(change);
                    }
                }
            }
        }
    }

    /// Frames that have come in, where they are counted.
    fn frames_in(&self) -> u64 {
        match self {
            Self::Chat(client, _) => client.diagnostics().frames_in,
            Self::Stream(_) => 0,
        }
    }

    async fn close(self) {
        match self {
            Self::Chat(client, _) => client.close().await,
            Self::Stream(mut events) => events.close().await,
        }
    }
}

/// Holds the connection for `time`, and once more if it is cut; `room` is that of a stream of events.
pub(super) async fn examine(settings: &Settings, room: Option<&str>, time: Duration) -> Result<(), Failure> {
    let mut settings = settings.clone();
    settings.make_idle();
    let mut held = if let Some(room) = room {
        Held::Stream(settings.follow(room, None)?)
    } else {
        let (client, events) = settings.connect()?;
        Held::Chat(client, events)
    };
    watch(&mut held, time).await;
    held.close().await;
    Ok(())
}

async fn watch(held: &mut Held, time: Duration) {
    let mut until = Instant::now() + STEP;
    let mut opened: Option<(Instant, u64)> = None;
    let mut lost_after: Option<Duration> = None;
    loop {
        let change = match timeout_at(until, held.next_change()).await {
            Ok(Some(change)) => change,
            Ok(None) => return report::skipped(Step::Idle, "the connection has ended"),
            Err(_) => match opened {
                Some((_, frames)) => return report_idle(time, held.frames_in() - frames, lost_after),
                None => return report::skipped(Step::Idle, "no connection came about to be held"),
            },
        };
        let Some(cause) = change.cause else {
            if change.state == State::Connected {
                opened = Some((Instant::now(), held.frames_in()));
                until = Instant::now() + time;
            }
            continue;
        };
        if let Some(timeout) = cause.idle_timeout {
            return report::warned(Step::Idle, &idle_timeout::what(timeout), &idle_timeout::advice(timeout));
        }
        let after = opened.take().map(|(at, _)| at.elapsed());
        match (after, lost_after) {
            (Some(after), None) if cause.code == CauseCode::ConnectionLost => {
                lost_after = Some(after);
                until = Instant::now() + RETURN;
            }
            (Some(after), Some(before))
                if cause.code == CauseCode::ConnectionLost && is_same(before, after) =>
            {
                let timeout = before.min(after);
                return report::warned(
                    Step::Idle,
                    &idle_timeout::what(timeout),
                    &idle_timeout::advice(timeout),
                );
            }
            (Some(after), Some(before)) => {
                let text = format!(
                    "lost after {} s and after {} s, which is no timeout: {}",
                    before.as_secs(),
                    after.as_secs(),
                    describe::cause(&cause)
                );
                return report::warned(Step::Idle, &text, SEE_LOGS);
            }
            (Some(after), None) => {
                let text = format!("ended after {} s: {}", after.as_secs(), describe::cause(&cause));
                return report::warned(Step::Idle, &text, SEE_LOGS);
            }
            // An attempt to come back failed; it is tried again until the time is up.
            (None, _) => {}
        }
    }
}

/// Whether two connections on which this side was silent were cut after the same time, and not at once. The library looks for
/// longer timeouts only, because it cannot be so sure of the silence.
fn is_same(one: Duration, other: Duration) -> bool {
    let (short, long) = (one.min(other), one.max(other));
    short >= SHORTEST && long.saturating_sub(short) <= (long / 10).max(TOLERANCE)
}

const SEE_LOGS: &str = "see the logs of the server and of a proxy on the way";

fn report_idle(time: Duration, frames: u64, lost_after: Option<Duration>) {
    let seconds = time.as_secs();
    if let Some(before) = lost_after {
        let text = format!("lost after {} s, and held for {seconds} s then", before.as_secs());
        return report::warned(Step::Idle, &text, SEE_LOGS);
    }
    let text = match frames {
        0 => format!("held for {seconds} s without traffic"),
        1 => format!("held for {seconds} s; this side sent nothing, the server once"),
        times => format!("held for {seconds} s; this side sent nothing, the server {times} times"),
    };
    report::ok(Step::Idle, &text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_time_that_comes_twice_is_a_timeout_and_what_is_cut_at_once_is_not() {
        let is_same = |one, other| is_same(Duration::from_millis(one), Duration::from_millis(other));
        assert!(
            is_same(1_000, 1_050)
                && is_same(3_000, 3_400)
                && is_same(8_900, 8_200)
                && is_same(60_000, 64_000)
        );
        assert!(!is_same(100, 100) && !is_same(1_000, 3_000) && !is_same(5_000, 9_000));
    }
}
