//! Decides what of an input a recording may have: no token, and no content unless that is wanted.
//!
//! Content is replaced by a text of the same size, the same one for the same content. Which one depends on a key that is
//! thrown away with the recorder, so that a short text cannot be found by trying.

use crate::malformed_frames::kind;
use crate::token::Token;
use fastrand::Rng;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

#[derive(Debug)]
pub(super) struct Redactor {
    keeps_content: bool,
    key: RandomState,
}

impl Redactor {
    pub(super) fn new(keeps_content: bool) -> Self {
        Self { keeps_content, key: RandomState::new() }
    }

    pub(super) fn keeps_content(&self) -> bool {
        self.keeps_content
    }

    /// A text.
    pub(super) fn text(&self, text: &str) -> String {
        if self.keeps_content { text.into() } else { self.letters(text, text.len()) }
    }

    /// JSON as it is written, replaced by other JSON.
    pub(super) fn json(&self, json: &str) -> String {
        match json.len() {
            _ if self.keeps_content => json.into(),
            0 => String::new(),
            1 => String::from("0"),
            bytes => format!("\"{}\"", self.letters(json, bytes - 2)),
        }
    }

    /// An error about a frame: it may quote the frame behind its kind.
    pub(super) fn error(&self, error: &str) -> String {
        let kind = kind(error);
        let quoted =
            error.strip_prefix(kind).and_then(|rest| rest.strip_prefix(':')).map(|rest| self.text(rest));
        quoted.map_or_else(|| error.into(), |quoted| format!("{kind}:{quoted}"))
    }

    /// Bytes of a binary frame.
    pub(super) fn bytes(&self, bytes: &[u8]) -> Vec<u8> {
        if self.keeps_content {
            return bytes.to_vec();
        }
        let mut rng = Rng::with_seed(self.key.hash_one(bytes));
        bytes.iter().map(|_| rng.u8(..)).collect()
    }

    /// What stands in for a token: the same for the same one.
    pub(super) fn token(&self, token: &Token) -> String {
        format!("token-{:016x}", self.key.hash_one(token.expose()))
    }

    fn letters(&self, of: &str, count: usize) -> String {
        let mut rng = Rng::with_seed(self.key.hash_one(of));
        (0..count).map(|_| rng.alphanumeric()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_has_the_same_size_and_differs_between_recordings() {
        let (redactor, other) = (Redactor::new(false), Redactor::new(false));
        for text in ["", "x", "hi", "größer", &"long ".repeat(100)] {
            let replaced = redactor.text(text);
            assert_eq!((replaced.len(), &redactor.text(text)), (text.len(), &replaced));
            assert!(text.len() < 4 || replaced != text);
            let json = redactor.json(text);
            assert_eq!(json.len(), text.len());
            assert!(text.is_empty() || serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{json}");
        }
        assert_ne!(redactor.text("a sentence"), other.text("a sentence"));
        assert_ne!(redactor.text("a sentence"), redactor.text("another one"));
        assert_eq!(redactor.bytes(&[1, 2, 3]).len(), 3);
    }

    #[test]
    fn tokens_are_replaced_also_where_content_is_kept() {
        let redactor = Redactor::new(true);
        assert_eq!(redactor.text("hi"), "hi");
        let token = redactor.token(&Token::new("secret"));
        assert!(!token.contains("secret"));
        assert_eq!(token, redactor.token(&Token::new("secret")));
    }
}
