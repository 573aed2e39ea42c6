//! A line of a recording behind the first.

use super::input::RecordedInput;
use crate::time::ClockReading;
use alloc::string::String;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    /// An input, and the clock at that time.
    Input(ClockReading, RecordedInput),
    /// An output, as [`describe`](super::output::describe) writes it.
    Output(String),
}
