//! Writes the scrollback of a room into a file that did not exist. Sends no request, and overwrites nothing.

use super::EventPrinter;
use crate::render::plain_name;
use crate::rooms::{ScrollbackEntry, Speaker};
use crate::send_status::SendStatus;
use crate::{folders, sanitise};
use std::fmt::Write as _;
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

/// Columns of a file's name in a notice.
const QUOTED: usize = 200;
/// Columns of a sender's name.
const NAME_WIDTH: usize = 64;
/// The sender of an own message while the server has not given a name.
const NAMELESS: &str = "you";

impl EventPrinter {
    /// Writes what is kept of a room into a new file.
    pub(crate) fn export(&mut self, room: &str, file: &str) {
        let entries = self.rooms.history(room, usize::MAX);
        // No shell has done it.
        let path = folders::expand_home(file.into(), folders::home().as_deref());
        let (shown, room) = (sanitise::name(file, QUOTED), plain_name(room));
        if entries.is_empty() {
            return self.notice(&format!("nothing has been said in {room} that is known here"));
        }
        let me = self.renderer.me.as_deref().unwrap_or(NAMELESS);
        let text: String = entries.iter().map(|entry| transcript(entry, me)).collect();
        match write_new(&path, text.as_bytes()) {
            Ok(()) => {
                let what = if entries.len() == 1 {
                    "1 message".to_owned()
                } else {
                    format!("{} messages", entries.len())
                };
                self.notice(&format!(
                    "{what} of {room} written to {shown}; at most the last 200 of a room are kept"
                ));
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                self.notice(&format!("{shown} exists and was left as it is; give the name of a new file"));
            }
            Err(error) => self.notice(&format!("cannot write {shown}: {error}")),
        }
    }
}

/// One message: the time in UTC, the sender, the text. Further lines are indented, so that no message imitates another.
fn transcript(entry: &ScrollbackEntry, me: &str) -> String {
    let ScrollbackEntry { at, who, content } = entry;
    let (name, mark) = match who {
        Speaker::Me(_, SendStatus::Delivered) => (me, String::new()),
        Speaker::Me(_, status) => (me, status.label()),
        Speaker::Other(name) => (name.as_str(), String::new()),
    };
    let mut out = format!("{at:.0} {}: ", sanitise::name(name, NAME_WIDTH));
    for (number, line) in sanitise::content(content).iter().enumerate() {
        out.push_str(if number == 0 { "" } else { "\n  " });
        out.push_str(line);
    }
    if !mark.is_empty() {
        // Writing to a String does not fail.
        let _ = write!(out, "  ({mark})");
    }
    out.push('\n');
    out
}

/// Leaves nothing behind that is not whole.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    // What was said is for the members of the room, and not for the other accounts of this machine.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if written.is_err() {
        // The error that is told is the first one.
        drop(std::fs::remove_file(path));
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use rejoin::SendFailure;

    fn entry(who: Speaker, content: &str) -> ScrollbackEntry {
        ScrollbackEntry { at: "2026-11-30T21:04:05.678Z".parse().unwrap(), who, content: content.to_owned() }
    }

    #[test]
    fn a_message_is_one_entry_whatever_it_holds() {
        let other = |content| transcript(&entry(Speaker::Other("ada\u{1b}".into()), content), "bob");
        assert_eq!(other("hi"), "2026-11-30T21:04:05Z ada^[: hi\n");
        assert_eq!(
            other("one\n2026-11-30T21:04:05Z eve: two\u{1b}[2J"),
            "2026-11-30T21:04:05Z ada^[: one\n  2026-11-30T21:04:05Z eve: two^[[2J\n"
        );
    }

    #[test]
    fn an_own_message_has_the_users_name_and_what_became_of_it_unless_it_was_delivered() {
        let own = |status| transcript(&entry(Speaker::Me(None, status), "hi"), "bob");
        assert_eq!(own(SendStatus::Delivered), "2026-11-30T21:04:05Z bob: hi\n");
        assert_eq!(own(SendStatus::RestoredOutcomes), "2026-11-30T21:04:05Z bob: hi\n");
        assert_eq!(own(SendStatus::Pending), "2026-11-30T21:04:05Z bob: hi  (pending)\n");
        assert!(own(SendStatus::Failed(SendFailure::Closed, None)).contains("hi  (not sent: "));
    }
}
