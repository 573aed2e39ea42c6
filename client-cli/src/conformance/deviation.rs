//! The reason why a check did not pass, and the quoted beginning of a frame for it.

use serde_json::Value;

/// Characters of a frame that are quoted.
const QUOTED: usize = 300;

/// Why a check did not pass.
#[derive(Debug)]
pub(super) enum Deviation {
    /// What was expected, and what came.
    Failed(String),
    /// What the check needs is not there.
    NotTried(&'static str),
}

/// The beginning of a frame, for a sentence about it.
pub(super) fn quoted(frame: &Value) -> String {
    let text = frame.to_string();
    match text.char_indices().nth(QUOTED) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text,
    }
}
