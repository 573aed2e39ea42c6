//! The access token of a connection, and where it comes from.

use alloc::boxed::Box;
use core::fmt;

/// An access token. Its text is never in `Debug`, never in an error, and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Box<str>);

impl Token {
    /// Wraps a token.
    pub fn new(secret: impl Into<Box<str>>) -> Self {
        Self(secret.into())
    }

    /// The secret itself, for the one place that writes it into a request.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl<T: Into<Box<str>>> From<T> for Token {
    fn from(secret: T) -> Self {
        Self::new(secret)
    }
}

/// Why a token source gave no token.
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
#[non_exhaustive]
pub struct TokenError {
    /// Whether asking again later may help. `false` ends in the state `failed`.
    pub temporary: bool,
    /// What went wrong, without the token.
    pub text: Box<str>,
}

impl TokenError {
    /// A failure that may pass: the token service did not answer.
    pub fn temporary(text: impl Into<Box<str>>) -> Self {
        Self { temporary: true, text: text.into() }
    }

    /// A failure that will not pass by itself: the user's session has ended.
    pub fn permanent(text: impl Into<Box<str>>) -> Self {
        Self { temporary: false, text: text.into() }
    }
}

/// Where tokens come from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Credentials {
    /// None: the server does not request one.
    #[default]
    Anonymous,
    /// One token permanently. When the server refuses it the state is `failed`, until another is set.
    Fixed(Token),
    /// The driver has a source: the machine asks it before the first dial and once per rejection.
    Source,
}
