//! The doctor's findings, a line each, printed as they come.

use crate::error::Failure;
use crate::outlet::Unprinted;
use crate::sanitise;
use std::io::Write as _;
use std::sync::OnceLock;

/// The steps of connecting, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Profiles,
    Url,
    Dns,
    Tcp,
    Tls,
    Upgrade,
    Hello,
    Token,
    Ping,
    Stream,
    Idle,
    Origin,
}

impl Step {
    fn as_str(self) -> &'static str {
        match self {
            Self::Profiles => "profiles",
            Self::Url => "URL",
            Self::Dns => "DNS",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Upgrade => "upgrade",
            Self::Hello => "hello",
            Self::Token => "token",
            Self::Ping => "ping",
            Self::Stream => "stream",
            Self::Idle => "idle",
            Self::Origin => "origin",
        }
    }
}

pub(super) fn ok(step: Step, what: &str) {
    print(&line("ok", step, what));
}

/// Not tried, or not needed.
pub(super) fn skipped(step: Step, what: &str) {
    print(&line("-", step, what));
}

/// It works from here, and not for everybody.
pub(super) fn warned(step: Step, what: &str, hint: &str) {
    print(&line("warning", step, what));
    print(&format!("{:16} {}\n", "", sanitise::line(hint)));
}

pub(super) fn failed(step: Step, what: &str, hint: Option<&str>) {
    print(&line("failed", step, what));
    if let Some(hint) = hint {
        print(&format!("{:16} {}\n", "", sanitise::line(hint)));
    }
}

fn line(verdict: &str, step: Step, what: &str) -> String {
    format!("{verdict:<7} {:<8} {}\n", step.as_str(), sanitise::line(what))
}

/// The first line that could not be printed.
static UNPRINTED: OnceLock<Unprinted> = OnceLock::new();

fn print(text: &str) {
    let mut stdout = std::io::stdout().lock();
    if let Err(error) = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        // The findings go on: the exit status is theirs, where it says more.
        let _ = UNPRINTED.set(Unprinted::from(&error));
    }
}

/// Whether each line could be printed. A reader who has gone is no failure.
pub(super) fn printed() -> Result<(), Failure> {
    UNPRINTED.get().and_then(|why| Failure::unprinted(why.clone())).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_stand_in_columns_and_are_harmless() {
        assert_eq!(line("ok", Step::Dns, "::1"), "ok      DNS      ::1\n");
        assert_eq!(line("failed", Step::Upgrade, "\u{1b}[2J"), "failed  upgrade  ^[[2J\n");
    }
}
