//! The trace of a run: always a hash, and readable lines on request.

use super::{Micros, SECOND};

/// The record of a run.
#[derive(Debug)]
pub(super) struct Trace {
    hash: u64,
    lines: Option<Vec<String>>,
}

impl Trace {
    /// A trace that also keeps lines, if `readable`.
    pub(super) fn new(readable: bool) -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, lines: readable.then(Vec::new) }
    }

    /// Whether anybody will read the lines.
    pub(super) fn is_readable(&self) -> bool {
        self.lines.is_some()
    }

    /// Takes a number into the hash.
    pub(super) fn mix(&mut self, number: u64) {
        self.hash = (self.hash ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }

    /// Takes a text into the hash.
    pub(super) fn mix_text(&mut self, text: &str) {
        for chunk in text.as_bytes().chunks(8) {
            let mut bytes = [0; 8];
            bytes[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(bytes));
        }
        self.mix(text.len() as u64);
    }

    /// Keeps a line, for readers only.
    pub(super) fn note(&mut self, at: Micros, who: &str, what: std::fmt::Arguments<'_>) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:>11.6}  {who:<8} {what}", at as f64 / SECOND as f64));
        }
    }

    /// Equal for equal runs.
    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    /// The lines, oldest first.
    pub(super) fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }
}
