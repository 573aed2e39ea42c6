//! Tells what became of each message and each line, on stdout and stderr. Waits for nothing, and sends nothing.

use super::under_way::{Entry, Message, Outcome as Known};
use super::{Format, Sender, Storing};
use crate::error::{Exit, eprint_line};
use crate::lines::{BadText, Line};
use crate::pipe::output;
use crate::{describe, sanitise, socket_io};
use futures_util::FutureExt as _;
use rejoin::messages::Code;
use rejoin::{Mode, Receipt, SendError, SendFailure, State};
use std::io::Write as _;

/// Said of a message behind the reason for which no more is known of it.
const WHO_KNOWS: &str = "nobody can say whether it arrived";
/// What to do about it the next time, where the server may be one that recognises repetitions.
const WITH_STATE: &str = "with --state FILE it is sent so that it can be repeated after a loss and still be there once, where the server can \
                          tell repetitions (`rejoin doctor`: extended protocol)";

impl Sender {
    /// Why nobody can say what became of a message whose outcome has just come.
    fn unknown_reason(&self) -> (&'static str, String) {
        let state = self.client.status().state;
        let is_of_loss = state != State::Connected || self.mode != Some(Mode::SocketIo);
        describe::unknown(state, self.lost.as_ref().filter(|_| is_of_loss))
    }

    /// Says of an input that held nothing to send that it did.
    pub(super) fn tell_blank(&self) {
        if self.blank > 0 && !self.has_lines {
            let lines = if self.blank == 1 {
                "the line was".to_owned()
            } else {
                format!("all {} lines were", self.blank)
            };
            eprint_line(&format!("rejoin: nothing was sent: {lines} blank"));
        }
    }

    pub(super) fn tell(&mut self, message: &Message, outcome: Known) {
        let Message { number, id, .. } = *message;
        let unknown = matches!(outcome, Some(Err(SendError::Unknown))).then(|| self.unknown_reason());
        if let Some(outcome) = &outcome
            && !self.is_kept(outcome)
            && self
                .print(|out, room| output::sent(out, number, room, Some(outcome.as_ref()), unknown.as_ref()))
            && let Some(id) = id
        {
            // Whoever reads has it: the next run need not tell it.
            self.client.confirm(id);
        }
        match outcome {
            Some(Ok(Receipt::Written)) => {}
            Some(Ok(receipt)) => {
                if let Some(answer) = receipt.answer().filter(|_| self.format == Format::Text) {
                    self.answered(number, answer);
                }
            }
            Some(outcome) if self.is_kept(&outcome) => self.kept(number),
            Some(Err(error)) => {
                let what = match &error {
                    SendError::Unknown => {
                        unknown.map(|(_, why)| format!("{why}; {WHO_KNOWS}")).unwrap_or_default()
                    }
                    SendError::Failed(why @ SendFailure::Closed) => {
                        format!("not sent: {}", describe::send_failure(*why))
                    }
                    error => sanitise::line(&error.to_string()),
                };
                self.failed(number, &what, error.code());
                if self.asks && error.code() == Code::NotJoined.as_str() && socket_io::is_room_in(&self.room)
                {
                    eprint_line(
                        "  a room of another namespace is given as -r /NS,ROOM together with --namespace /NS",
                    );
                }
                // What a Socket.IO server's handlers take is theirs to say.
                if error.is_too_large() && !self.asks && self.terminal().is_none() {
                    eprint_line(&format!(
                        "  {}",
                        describe::content_limit(&self.client, Some(message.text.len()))
                    ));
                }
                if let (SendError::Refused { message: None, .. }, Some(answer)) = (&error, error.answer()) {
                    eprint_line(&format!("  {}", describe::answer(answer)));
                }
            }
            // Why has been said.
            None if self.storing != Storing::Works => {
                self.storing = Storing::GivenUp;
                self.unstored(number);
            }
            None if self.keeps => self.kept(number),
            None => {
                let what = format!("{}; {WHO_KNOWS}", self.unknown_reason().1);
                self.ended(number, &what, &SendError::Unknown);
            }
        }
    }

    /// What has no outcome yet and waits for another run.
    fn is_kept(&self, outcome: &Result<Receipt, SendError>) -> bool {
        match outcome {
            Err(SendError::Failed(SendFailure::Closed)) => self.keeps,
            // Only an extended server can tell a message that is sent again.
            Err(SendError::Unknown) => {
                self.keeps
                    && self.mode.is_none_or(|mode| mode == Mode::Extended)
                    && matches!(self.client.status().state, State::Closing | State::Closed)
            }
            _ => false,
        }
    }

    /// It has an outcome of which the client has told nothing.
    fn ended(&mut self, number: Option<u64>, what: &str, error: &SendError) {
        let unknown = self.unknown_reason();
        self.print(|out, room| output::sent(out, number, room, Some(Err(error)), Some(&unknown)));
        self.failed(number, what, error.code());
    }

    /// It could not be stored, and so it is not sent.
    pub(super) fn unstored(&mut self, number: Option<u64>) {
        self.ended(number, "not sent", &SendError::Failed(SendFailure::NotStored));
    }

    fn kept(&mut self, number: Option<u64>) {
        self.print(|out, room| output::sent(out, number, room, None, None));
        let what = "not delivered yet; it is kept, and the next run with this state file goes on with it";
        if self.terminal().is_some() {
            // What has failed is told at the end, and where the message is has to be known all the same.
            return self.print_failure(number, what, "kept");
        }
        self.failed(number, what, "kept");
    }

    pub(super) fn failed(&mut self, number: Option<u64>, what: &str, code: &str) {
        if self.terminal().is_some() {
            // The end says why it was not sent; whether it has arrived is another question.
            self.exit = self.exit.max(Exit::Incomplete);
            if code == SendError::Unknown.code() {
                self.print_failure(number, what, code);
            }
            return;
        }
        self.print_failure(number, what, code);
        if self.asks && code == SendError::Unknown.code() {
            eprint_line("  if this server's handlers never call their acks, --no-acks is for it");
        }
        if code == SendError::Unknown.code()
            && !self.keeps
            && self.mode.is_none_or(|mode| mode == Mode::Extended)
        {
            eprint_line(&format!("  {WITH_STATE}"));
        }
        if let Some(why) = &self.refused {
            let room = crate::render::plain_name(&self.room);
            eprint_line(&format!("  {room} could not be joined: {why}"));
        }
        let token = self.token_notices.as_ref();
        self.attempts.tell_last(&self.client.status(), &self.advice, token);
    }

    /// What the server's handler said to a message is all that is known of it.
    fn answered(&mut self, number: Option<u64>, answer: &str) {
        self.write(format!("{}{}\n", line_of(number), describe::answer(answer)).as_bytes());
    }

    /// With `--json`: writes the lines that `form` forms for the room. `false`: nobody can have read them.
    pub(super) fn print(&mut self, form: impl FnOnce(&mut Vec<u8>, &str)) -> bool {
        match self.format {
            Format::Json => {
                let mut lines = Vec::new();
                form(&mut lines, &self.room);
                self.write(&lines)
            }
            Format::Text => true,
            Format::Nothing => false,
        }
    }

    /// When the reader of stdout has gone, what is sent goes on, and the status says what became of it. `false`: it is not
    /// written.
    fn write(&mut self, bytes: &[u8]) -> bool {
        if self.format == Format::Nothing {
            return false;
        }
        let mut stdout = std::io::stdout().lock();
        let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
        if let Err(error) = &written
            && error.kind() != std::io::ErrorKind::BrokenPipe
        {
            self.format = Format::Nothing;
            self.print_failure(None, &format!("stdout cannot be written: {error}"), "stdout");
        }
        written.is_ok()
    }

    /// These have been read, and the connection has failed.
    pub(super) fn unsent(&mut self, lines: impl IntoIterator<Item = Line>) {
        let closed = || Err(SendError::Failed(SendFailure::Closed));
        while let Some(entry) = self.under_way.take() {
            match entry {
                Entry::Message(mut message) => {
                    let outcome = (&mut message.sending).now_or_never().unwrap_or_else(closed);
                    self.tell(&message, Some(outcome));
                }
                Entry::Bad(number, bad) => self.no_message(number, bad),
            }
        }
        let is_text = |line: &Line| line.text.as_ref().is_ok_and(|text| !text.trim().is_empty());
        let mut count = 0_usize;
        for line in lines.into_iter().filter(is_text) {
            count += 1;
            let outcome = closed();
            self.print(|out, room| {
                output::sent(out, Some(line.number), room, Some(outcome.as_ref()), None);
            });
        }
        if count > 0 {
            self.print_failure(
                None,
                &format!("{count} more lines have been read, and are not sent"),
                SendFailure::Closed.as_str(),
            );
        }
    }

    pub(super) fn no_message(&mut self, number: u64, bad: BadText) {
        let (what, code) = match bad {
            // No line of it, and nothing comes behind it.
            BadText::Unreadable(why) => {
                return self.print_failure(None, &format!("stdin cannot be read: {why}"), "stdin");
            }
            BadText::TooLong => ("longer than 1 MiB", "line_too_long"),
            BadText::NotUtf8 => ("not UTF-8", "not_utf8"),
        };
        self.print(|out, room| output::unsent(out, number, room, code, what));
        self.print_failure(Some(number), what, code);
    }

    pub(super) fn print_failure(&mut self, number: Option<u64>, what: &str, code: &str) {
        self.exit = self.exit.max(Exit::Incomplete);
        let line = line_of(number);
        eprint_line(&format!("rejoin: {line}{what} [{code}]"));
    }
}

/// Which line of the input it is about.
fn line_of(number: Option<u64>) -> String {
    number.map(|number| format!("line {number}: ")).unwrap_or_default()
}
