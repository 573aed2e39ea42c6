//! The table of checks, one line each, for people or as JSON. Sanitises text of the server.

use super::checks::{Check, Level};
use super::deviation::Deviation;
use crate::error::Failure;
use crate::sanitise;
use crate::stdout_writer::WriteFailure;
use serde_json::json;
use std::io::Write as _;

pub(super) struct Report {
    json: bool,
    passed: usize,
    failed: usize,
    warnings: usize,
    not_tried: usize,
    unprinted: Option<WriteFailure>,
}

impl Report {
    pub(super) fn new(json: bool) -> Self {
        Self { json, passed: 0, failed: 0, warnings: 0, not_tried: 0, unprinted: None }
    }

    pub(super) fn add(&mut self, check: &Check, outcome: Result<(), Deviation>) {
        let (result, detail) = match outcome {
            Ok(()) => {
                self.passed += 1;
                ("ok", None)
            }
            Err(Deviation::Failed(why)) if check.level == Level::Should => {
                self.warnings += 1;
                ("warning", Some(why))
            }
            Err(Deviation::Failed(why)) => {
                self.failed += 1;
                ("failed", Some(why))
            }
            Err(Deviation::NotTried(why)) => {
                self.not_tried += 1;
                ("-", Some(why.to_owned()))
            }
        };
        let Check { section, what, .. } = check;
        let detail = detail.map(|detail| sanitise::line(&detail));
        let text = if self.json {
            let result = if result == "-" { "not_tried" } else { result };
            format!("{}\n", json!({"section": section, "check": what, "result": result, "detail": detail}))
        } else {
            let detail = detail.map(|detail| format!("{:13}{}\n", "", detail));
            format!("{result:<7} {section:<4} {what}\n{}", detail.unwrap_or_default())
        };
        self.print(&text);
    }

    /// Checks that need what the server does not offer: for people, in one line.
    pub(super) fn skip(&mut self, checks: &[&Check], why: &'static str) {
        if self.json {
            for check in checks {
                self.add(check, Err(Deviation::NotTried(why)));
            }
        } else {
            self.not_tried += checks.len();
            self.print(&format!("-       2    {} checks of the extended protocol: {why}\n", checks.len()));
        }
    }

    /// Whether no check failed.
    pub(super) fn finish(mut self) -> Result<bool, Failure> {
        if !self.json {
            let Self { passed, failed, warnings, not_tried, .. } = self;
            self.print(&format!("{passed} ok, {failed} failed, {warnings} warned, {not_tried} not tried\n"));
        }
        match self.unprinted.and_then(Failure::write_failed) {
            Some(failure) => Err(failure),
            None => Ok(self.failed == 0),
        }
    }

    fn print(&mut self, text: &str) {
        let mut stdout = std::io::stdout().lock();
        if let Err(error) = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            self.unprinted.get_or_insert(WriteFailure::from(&error));
        }
    }
}
