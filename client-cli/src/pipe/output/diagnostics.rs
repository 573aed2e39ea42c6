//! The line of `pipe` that tells what has been counted, and how the connection got where it is. Contains no content.

use super::{OutputLine, state};
use crate::json_safe::write_line;
use rejoin::{Client, Timestamp, Transition};
use serde::Serialize;
use std::time::Duration;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#ref: Option<&'a str>,
    state: &'static str,
    dials: u64,
    connections: u64,
    frames_in: u64,
    frames_out: u64,
    unknown_frames: u64,
    malformed_frames: u64,
    rejoins: u64,
    forks: u64,
    fetches: u64,
    /// Messages that wait behind a gap.
    buffered: usize,
    buffered_bytes: usize,
    /// Sends without an outcome.
    outbox: usize,
    outbox_bytes: usize,
    content_limit: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    rtt_ms: Option<u64>,
    /// The last ones, the oldest first.
    transitions: Vec<Entry<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    /// How long ago.
    ago_ms: u64,
    #[serde(flatten)]
    line: OutputLine<'a>,
}

impl<'a> Entry<'a> {
    fn new(Transition { at, change, .. }: &'a Transition, now: Timestamp) -> Self {
        // The delay until the next attempt as it was then.
        Self { ago_ms: millis(now - *at), line: state(change, *at) }
    }
}

/// Prints it. `reference`: the caller's own name for the question.
pub(crate) fn diagnostics(out: &mut Vec<u8>, client: &Client, reference: Option<&str>) {
    let (counted, transitions, now) = (client.diagnostics(), client.transitions(), client.now());
    let line = Line {
        r#type: "diagnostics",
        r#ref: reference,
        state: client.status().state.as_str(),
        dials: counted.dials,
        connections: counted.connections,
        frames_in: counted.frames_in,
        frames_out: counted.frames_out,
        unknown_frames: counted.unknown_frames,
        malformed_frames: counted.malformed_frames,
        rejoins: counted.rejoins,
        forks: counted.forks,
        fetches: counted.fetches,
        buffered: counted.buffered,
        buffered_bytes: counted.buffered_bytes,
        outbox: counted.outbox_len,
        outbox_bytes: counted.outbox_bytes,
        content_limit: counted.content_limit,
        rtt_ms: counted.rtt.map(|rtt| millis(rtt).max(1)),
        transitions: transitions.iter().map(|transition| Entry::new(transition, now)).collect(),
    };
    write_line(out, &line);
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
