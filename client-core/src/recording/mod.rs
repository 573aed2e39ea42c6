//! Recordings of a session: its inputs in the order in which they came, and the outputs that they led to. The same inputs
//! give the same outputs at any time and on any machine, so that a recording shows again what happened, without a network.
//!
//! A recording is text, one JSON object a line: what the session was made from, then inputs (`at` is the driver's clock) and
//! outputs. Tokens are never in it, and the content of messages only where that is asked for: texts of the same size stand
//! in for it. Names of rooms and users, references and the words with which connections ended are in it.
//!
//! [`ClientBuilder::record`](crate::ClientBuilder::record) writes one, and [`Replay`] reads it.
//!
//! ```
//! # #[cfg(feature = "native")]
//! # fn show(text: &str) -> Result<(), rejoin::recording::RecordingError> {
//! let mut lines = text.lines();
//! let mut replay = rejoin::recording::Replay::new(lines.next().unwrap_or_default())?;
//! for line in lines {
//!     println!("{}", replay.line(line)?);
//! }
//! # Ok(()) }
//! ```

mod command;
mod frame;
mod header;
mod input;
mod line;
mod output;
#[cfg(feature = "native")]
mod recorder;
#[cfg(feature = "native")]
mod redactor;
mod replay;

#[cfg(feature = "native")]
pub(crate) use header::RecordedSetup;
#[cfg(feature = "native")]
pub(crate) use recorder::{RecordWriter, Recorder};
pub use replay::{Replay, ReplayedLine};

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;

/// Whether a recording has the content of messages. Tokens it never has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RecordedContent {
    /// Texts of the same size stand in for it. The default.
    #[default]
    Replaced,
    /// As it is.
    Kept,
}

/// Why a recording cannot be replayed, or is not what this build does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// The first line is not that of a recording.
    #[error("this is no recording: its first line has no \"rejoinRecording\"")]
    NoRecording,
    /// It has another format.
    #[error("this recording has the format {0}, which this version does not read")]
    Format(u32),
    /// A line cannot be read.
    #[error("line {number} of the recording cannot be read: {error}")]
    Line {
        /// From 1.
        number: u64,
        /// What is wrong with it.
        error: Box<str>,
    },
    /// The session read rooms by event streams, which this build has not (feature `sse`).
    #[error("the recorded session could read rooms by event streams, and this build cannot")]
    NoEventStreams,
    /// The machine did otherwise.
    #[error("line {number}: recorded was\n  {recorded}\nand this version does\n  {replayed}")]
    Diverged {
        /// The line of the output, from 1.
        number: u64,
        /// What was recorded.
        recorded: String,
        /// The output of this build.
        replayed: String,
    },
}

impl RecordingError {
    fn line(number: u64, error: &impl core::fmt::Display) -> Self {
        Self::Line { number, error: format!("{error}").into() }
    }
}
