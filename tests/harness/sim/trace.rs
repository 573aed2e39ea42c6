//! What happened, as a hash always and as lines when somebody wants to read it.

use super::{Micros, SECOND};
use std::fmt::Write as _;

/// The record of a run.
#[derive(Debug, Default)]
pub struct Trace {
    hash: u64,
    lines: Option<Vec<String>>,
    scratch: String,
}

impl Trace {
    /// A trace that also keeps lines, if `readable`.
    pub fn new(readable: bool) -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, lines: readable.then(Vec::new), scratch: String::new() }
    }

    /// Records one happening.
    pub fn note(&mut self, at: Micros, who: &str, what: std::fmt::Arguments<'_>) {
        self.scratch.clear();
        let _ = write!(self.scratch, "{:>11.6}  {who:<8} {what}", at as f64 / SECOND as f64);
        for byte in self.scratch.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if let Some(lines) = &mut self.lines {
            lines.push(self.scratch.clone());
        }
    }

    /// Equal for equal runs.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The last lines, oldest first.
    pub fn tail(&self, count: usize) -> &[String] {
        let lines = self.lines.as_deref().unwrap_or_default();
        &lines[lines.len().saturating_sub(count)..]
    }
}
