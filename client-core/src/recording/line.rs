//! A line of a recording behind the first.

use super::frame::RecordedFrame;
use super::input::RecordedInput;
use crate::time::ClockReading;
use alloc::string::String;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    /// An input, and the clock at that time.
    Input(ClockReading, RecordedInput<RecordedFrame>),
    /// An output, as [`describe`](super::output::describe) writes it.
    Output(String),
}
