//! Replays a recording: gives its inputs to a session of this build, and compares the outputs with those recorded.

use super::RecordingError;
use super::header::Header;
use super::line::Line;
use super::output::describe;
use crate::messages::json::ServerDecoder;
use crate::session::Session;
use crate::time::Timestamp;
use alloc::borrow::ToOwned as _;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use core::fmt;
use core::time::Duration;

/// A recording that is being replayed. It is cut where the process was killed that wrote it: the last outputs may be missing.
#[derive(Debug)]
pub struct Replay {
    session: Session,
    decoder: ServerDecoder,
    /// Outputs that no line has been compared with.
    outputs: VecDeque<String>,
    /// The first clock reading.
    start: Option<Timestamp>,
    /// Lines so far.
    number: u64,
    inputs: u64,
    compared: u64,
    has_content: bool,
    other_version: Option<String>,
}

/// A line that has been replayed. [`Display`](fmt::Display) is one line for people.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplayedLine {
    /// An input.
    Input {
        /// The time since the first input.
        at: Duration,
        /// The input, without content.
        text: String,
    },
    /// An output, the same as recorded.
    Output(String),
}

impl fmt::Display for ReplayedLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input { at, text } => write!(f, "{:>12.6}  {text}", at.as_secs_f64()),
            Self::Output(text) => write!(f, "              -> {text}"),
        }
    }
}

impl Replay {
    /// Begins with the first line of a recording.
    ///
    /// # Errors
    /// When it is not the first line of a recording that this build reads.
    pub fn new(header: &str) -> Result<Self, RecordingError> {
        let header = Header::read(header)?;
        Ok(Self {
            has_content: header.content,
            other_version: header.other_version().map(str::to_owned),
            session: header.session(),
            decoder: ServerDecoder::default(),
            outputs: VecDeque::new(),
            start: None,
            number: 1,
            inputs: 0,
            compared: 0,
        })
    }

    /// Replays the next line.
    ///
    /// # Errors
    /// [`RecordingError::Line`] when it cannot be read, and [`RecordingError::Diverged`] when the machine has done
    /// otherwise than recorded. Nothing after that is worth replaying.
    pub fn line(&mut self, line: &str) -> Result<ReplayedLine, RecordingError> {
        self.number += 1;
        let number = self.number;
        let read = serde_json::from_str(line).map_err(|error| RecordingError::line(number, &error))?;
        match read {
            Line::Input(now, input) => {
                let text = format!("{input:?}");
                let input = input.input(&mut self.decoder);
                let input = input.map_err(|error| RecordingError::line(number, &error))?;
                let input =
                    input.ok_or_else(|| RecordingError::line(number, &"this build has no such input"))?;
                let start = *self.start.get_or_insert(now.monotonic);
                self.session.handle(now, input);
                while let Some(output) = self.session.poll() {
                    self.outputs.push_back(describe(&output));
                }
                // They are for a store, and would be kept for ever.
                self.session.take_changes();
                self.inputs += 1;
                let at = now.monotonic.since_start().saturating_sub(start.since_start());
                Ok(ReplayedLine::Input { at, text })
            }
            Line::Output(recorded) => match self.outputs.pop_front() {
                Some(replayed) if replayed == recorded => {
                    self.compared += 1;
                    Ok(ReplayedLine::Output(recorded))
                }
                replayed => {
                    let replayed = replayed.unwrap_or_else(|| "nothing".to_owned());
                    Err(RecordingError::Diverged { number, recorded, replayed })
                }
            },
        }
    }

    /// Inputs replayed.
    pub fn inputs(&self) -> u64 {
        self.inputs
    }

    /// Outputs that were the same as recorded.
    pub fn outputs(&self) -> u64 {
        self.compared
    }

    /// Whether the recording has the content of messages.
    pub fn has_content(&self) -> bool {
        self.has_content
    }

    /// The version of the crate that has recorded, if it is another one than this.
    pub fn other_version(&self) -> Option<&str> {
        self.other_version.as_deref()
    }
}
