//! `rejoin replay`: shows a recording, and says whether this version does the same. Connects to nothing.

use crate::args::ReplayArgs;
use crate::error::{Exit, Failure};
use crate::sanitise;
use crate::stdout_writer::WriteFailure;
use rejoin::recording::{RecordingError, Replay};
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read as _, Write};

/// Bytes of a line: a frame has at most 1 MiB, and its text in a recording at most six times as many.
const MOST: u64 = 16 << 20;

pub(crate) fn run(arguments: &ReplayArgs) -> Result<Exit, Failure> {
    let path = arguments.file.display();
    let unreadable =
        |error: &io::Error| Failure::usage("recording", format!("{path} cannot be read: {error}"));
    let file = File::open(&arguments.file).map_err(|error| unreadable(&error))?;
    let mut lines = Lines(BufReader::new(file));
    let first = lines.next().map_err(|error| unreadable(&error))?;
    let refused = |error: &RecordingError| Failure::usage("recording", format!("{path}: {error}"));
    let mut replay = Replay::new(&first.text).map_err(|error| refused(&error))?;
    let mut stdout = BufWriter::new(io::stdout().lock());
    let mut is_cut = false;
    loop {
        let line = lines.next().map_err(|error| unreadable(&error))?;
        if line.text.is_empty() {
            break;
        }
        let shown = match replay.line(&line.text) {
            Ok(shown) => shown,
            // Whoever recorded it was killed in the middle of a line.
            Err(RecordingError::Line { .. }) if !line.is_whole => {
                is_cut = true;
                break;
            }
            Err(error) => return told(stdout, &error, &replay),
        };
        if !arguments.quiet
            && let Err(error) = writeln!(stdout, "{}", sanitise::line(&shown.to_string()))
        {
            return written(&error);
        }
    }
    let cut = if is_cut { "; the last line is cut" } else { "" };
    let summary =
        format!("{} inputs, and the same {} outputs as recorded{cut}", replay.inputs(), replay.outputs());
    match writeln!(stdout, "{summary}").and_then(|()| stdout.flush()) {
        Ok(()) => Ok(Exit::Success),
        Err(error) => written(&error),
    }
}

/// What the recording and this version disagree about, after all that they agree about.
fn told(mut stdout: impl Write, error: &RecordingError, replay: &Replay) -> Result<Exit, Failure> {
    if let Err(error) = stdout.flush() {
        return written(&error);
    }
    let words: Vec<_> = error.to_string().lines().map(sanitise::line).collect();
    let words = words.join("\n");
    let failure = Failure::incomplete("diverged", words);
    Err(match replay.other_version() {
        Some(version) => failure.hint(format!("it was recorded by version {version}")),
        None => failure,
    })
}

fn written(error: &io::Error) -> Result<Exit, Failure> {
    Failure::write_failed(WriteFailure::from(error)).map_or(Ok(Exit::Success), Err)
}

struct Lines(BufReader<File>);

struct Line {
    text: String,
    /// It has an end.
    is_whole: bool,
}

impl Lines {
    /// The next line; an empty one at the end.
    fn next(&mut self) -> io::Result<Line> {
        let mut text = String::new();
        let length = self.0.by_ref().take(MOST).read_line(&mut text)?;
        if u64::try_from(length).is_ok_and(|length| length == MOST) {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it has a line of more than 16 MiB"));
        }
        let is_whole = text.ends_with('\n');
        Ok(Line { text, is_whole })
    }
}
