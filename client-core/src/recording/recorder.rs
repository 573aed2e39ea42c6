//! Writes a recording. What cannot be written ends it, and nothing else.

use super::RecordedContent;
use super::header::{Header, RecordedSetup};
use super::input::RecordedInput;
use super::line::Line;
use super::output::describe;
use super::redactor::Redactor;
use crate::session::{Input, Output};
use crate::time::ClockReading;
use serde::Serialize;
use std::fmt;
use std::io::{self, BufWriter, Write};

/// Where a recording goes.
pub(crate) type RecordWriter = Box<dyn Write + Send + Sync>;

pub(crate) struct Recorder {
    /// `None` after an error.
    writer: Option<BufWriter<RecordWriter>>,
    redactor: Redactor,
}

impl Recorder {
    pub(crate) fn new(writer: RecordWriter, content: RecordedContent, setup: RecordedSetup<'_>) -> Self {
        let redactor = Redactor::new(content == RecordedContent::Kept);
        let header = Header::new(setup, &redactor);
        let mut recorder = Self { writer: Some(BufWriter::new(writer)), redactor };
        recorder.write(&header);
        recorder
    }

    pub(crate) fn input(&mut self, now: ClockReading, input: &Input) {
        if self.writer.is_some() {
            let recorded = RecordedInput::new(input, &self.redactor);
            self.write(&Line::Input(now, recorded));
        }
    }

    pub(crate) fn output(&mut self, output: &Output) {
        if self.writer.is_some() {
            self.write(&Line::Output(describe(output)));
        }
    }

    /// Hands on what is buffered: nothing more happens for now, or ever.
    pub(crate) fn flush(&mut self) {
        if let Some(writer) = &mut self.writer {
            let flushed = writer.flush();
            self.end_on_error(flushed);
        }
    }

    fn write(&mut self, line: &impl Serialize) {
        let Some(writer) = &mut self.writer else { return };
        let written = serde_json::to_writer(&mut *writer, line).map_err(io::Error::from);
        let written = written.and_then(|()| writer.write_all(b"\n"));
        self.end_on_error(written);
    }

    fn end_on_error(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            tracing::warn!(%error, "the recording cannot be written, and ends here");
            self.writer = None;
        }
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("is_on", &self.writer.is_some()).finish_non_exhaustive()
    }
}
