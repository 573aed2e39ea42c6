//! Failures of this program: message, stable code, hint and exit status. Removes secrets from quoted text.

use crate::sanitise;
use crate::stdout_writer::WriteFailure;
use rejoin::{Cause, CauseCode};
use std::process::ExitCode;

/// The exit statuses, weakest first: of several the strongest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Exit {
    /// All went well.
    #[default]
    Success,
    /// Something was not done for certain: a send, a step of the doctor's, serving.
    Incomplete,
    /// The connection ended for good, and not by our wish.
    Terminal,
    /// The command line, the configuration or the input files are wrong.
    Usage,
    /// Ctrl-C.
    Interrupted,
}

impl Exit {
    /// Of a connection that has failed for good: what was given is of no use, or the server has refused.
    pub(crate) fn of_failed(cause: Option<&Cause>) -> Self {
        match cause.map(|cause| cause.code) {
            Some(CauseCode::TokenUnavailable) => Self::Usage,
            _ => Self::Terminal,
        }
    }

    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Incomplete => 1,
            Self::Usage => 2,
            Self::Terminal => 3,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// A failure that ends the program.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// Stable, in snake case.
    pub(crate) code: &'static str,
    /// What happened, to what.
    pub(crate) message: String,
    /// What to do.
    pub(crate) hint: Option<String>,
}

impl Failure {
    pub(crate) fn usage(code: &'static str, message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, code, message: message.into(), hint: None }
    }

    /// Nothing can be printed any more; `None` when only nobody reads it, which is no failure.
    pub(crate) fn write_failed(why: WriteFailure) -> Option<Self> {
        let WriteFailure::Failed(error) = why else { return None };
        let message = format!("stdout cannot be written: {error}");
        Some(Self::incomplete("stdout", message))
    }

    pub(crate) fn incomplete(code: &'static str, message: impl Into<String>) -> Self {
        Self { exit: Exit::Incomplete, code, message: message.into(), hint: None }
    }

    pub(crate) fn terminal(code: &'static str, message: impl Into<String>) -> Self {
        Self { exit: Exit::Terminal, code, message: message.into(), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The text for stderr.
    pub(crate) fn render(&self) -> String {
        let mut text = format!("rejoin: {} [{}]\n", sanitise::line(&self.message), self.code);
        if let Some(hint) = &self.hint {
            text.push_str("  ");
            text.push_str(&sanitise::line(hint));
            text.push('\n');
        }
        text
    }
}

/// Prints a line to stderr, which may be closed: then there is nowhere left to say so.
pub(crate) fn eprint_line(line: &str) {
    use std::io::Write as _;
    drop(writeln!(std::io::stderr().lock(), "{line}"));
}

/// Takes secrets out of a text that quotes what the user typed, such as an argument parser's complaint: tokens, the
/// password of a URL and the values of headers.
pub(crate) fn without_secrets(text: &str) -> String {
    without_header_values(&without_passwords(&without_tokens(text)))
}

fn without_tokens(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("token=") {
        let (before, from) = rest.split_at(at + "token=".len());
        out.push_str(before);
        let end = from.find(|c: char| c.is_whitespace() || "&#'\"`".contains(c)).unwrap_or(from.len());
        if end > 0 {
            out.push('…');
        }
        rest = from.get(end..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// Without what stands between `://` and `@`.
fn without_passwords(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, from) = rest.split_at(at + "://".len());
        out.push_str(before);
        let end = from.find(|c: char| c.is_whitespace() || "/?#'\"`".contains(c)).unwrap_or(from.len());
        rest = from;
        if let Some(at) = from.get(..end).and_then(|authority| authority.rfind('@')) {
            out.push('…');
            rest = from.get(at..).unwrap_or_default();
        }
    }
    out.push_str(rest);
    out
}

/// Without the values of what is quoted and looks like `Name: value`.
fn without_header_values(text: &str) -> String {
    let mut quoted = false;
    let mut parts = Vec::new();
    for part in text.split('\'') {
        let name = part.split_once(": ").map(|(name, _)| name);
        let is_header = name.is_some_and(|name| {
            let name = name.trim_start_matches("--header=");
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        });
        match name {
            Some(name) if quoted && is_header => parts.push(format!("{name}: …")),
            _ => parts.push(part.to_owned()),
        }
        quoted = !quoted;
    }
    parts.join("'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_ends_the_strongest_counts() {
        let ends = [Exit::Success, Exit::Incomplete, Exit::Terminal, Exit::Usage, Exit::Interrupted];
        assert!(ends.is_sorted());
        assert_eq!(ends.map(Exit::code), [0, 1, 3, 2, 130]);
    }

    #[test]
    fn a_quoted_url_loses_its_token() {
        let text = "unexpected argument 'ws://h/?a=1&token=s3cret&b=2' found; 'ws://x?token=t'";
        assert_eq!(
            without_tokens(text),
            "unexpected argument 'ws://h/?a=1&token=…&b=2' found; 'ws://x?token=…'"
        );
        assert_eq!(without_tokens("--token=abc"), "--token=…");
        assert_eq!(without_tokens("no secret, token="), "no secret, token=");
    }

    #[test]
    fn a_quoted_password_or_header_is_left_out() {
        assert_eq!(
            without_secrets("unexpected argument 'wss://me:s3cr@et@h:1/p?q@r' found, 'ws://h/a@b'"),
            "unexpected argument 'wss://…@h:1/p?q@r' found, 'ws://h/a@b'"
        );
        assert_eq!(without_secrets("argument 'X-Key: s3cret' found"), "argument 'X-Key: …' found");
        assert_eq!(without_secrets("'--header=Cookie: a=b' x: y"), "'--header=Cookie: …' x: y");
        assert_eq!(
            without_secrets("a value is required for '--header <NAME: VALUE>'"),
            "a value is required for '--header <NAME: VALUE>'"
        );
    }

    #[test]
    fn a_failure_says_what_and_what_to_do_without_acting_on_the_terminal() {
        let failure = Failure::usage("url", "bad \u{1b}[2J").hint("write\nwss://");
        assert_eq!(failure.render(), "rejoin: bad ^[[2J [url]\n  write^Jwss://\n");
    }
}
