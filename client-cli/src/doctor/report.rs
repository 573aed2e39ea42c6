//! The doctor's findings, one line each for people or as JSON, printed as they come.

use crate::error::Failure;
use crate::sanitise;
use crate::stdout_writer::WriteFailure;
use serde_json::json;
use std::io::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

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

/// Whether findings are printed as JSON.
static AS_JSON: AtomicBool = AtomicBool::new(false);

/// From here on findings are JSON lines.
pub(super) fn as_json() {
    AS_JSON.store(true, Ordering::Relaxed);
}

pub(super) fn ok(step: Step, what: &str) {
    tell("ok", step, what, None);
}

/// Not tried, or not needed.
pub(super) fn skipped(step: Step, what: &str) {
    tell("-", step, what, None);
}

/// It works from here, and not for everybody.
pub(super) fn warned(step: Step, what: &str, hint: &str) {
    tell("warning", step, what, Some(hint));
}

pub(super) fn failed(step: Step, what: &str, hint: Option<&str>) {
    tell("failed", step, what, hint);
}

fn tell(verdict: &str, step: Step, what: &str, hint: Option<&str>) {
    let is_json = AS_JSON.load(Ordering::Relaxed);
    print(&if is_json { json_line(verdict, step, what, hint) } else { lines(verdict, step, what, hint) });
}

fn lines(verdict: &str, step: Step, what: &str, hint: Option<&str>) -> String {
    let hint = hint.map(|hint| format!("{:16} {}\n", "", sanitise::line(hint))).unwrap_or_default();
    format!("{verdict:<7} {:<8} {}\n{hint}", step.as_str(), sanitise::line(what))
}

fn json_line(verdict: &str, step: Step, what: &str, hint: Option<&str>) -> String {
    let result = if verdict == "-" { "not_tried" } else { verdict };
    let (step, detail) = (step.as_str().to_ascii_lowercase(), sanitise::line(what));
    format!(
        "{}\n",
        json!({"step": step, "result": result, "detail": detail, "hint": hint.map(sanitise::line)})
    )
}

/// The first line that could not be printed.
static UNPRINTED: OnceLock<WriteFailure> = OnceLock::new();

fn print(text: &str) {
    let mut stdout = std::io::stdout().lock();
    if let Err(error) = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        // The findings go on: the exit status is theirs, where it says more.
        let _ = UNPRINTED.set(WriteFailure::from(&error));
    }
}

/// Whether each line could be printed. A reader who has gone is no failure.
pub(super) fn printed() -> Result<(), Failure> {
    UNPRINTED.get().and_then(|why| Failure::write_failed(why.clone())).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_stand_in_columns_and_are_harmless() {
        assert_eq!(lines("ok", Step::Dns, "::1", None), "ok      DNS      ::1\n");
        assert_eq!(lines("failed", Step::Upgrade, "\u{1b}[2J", None), "failed  upgrade  ^[[2J\n");
        assert_eq!(
            json_line("-", Step::Tls, "\u{1b}", Some("wss://")),
            "{\"detail\":\"^[\",\"hint\":\"wss://\",\"result\":\"not_tried\",\"step\":\"tls\"}\n"
        );
    }
}
