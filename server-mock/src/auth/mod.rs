//! Who may connect: a token in, a user's name out.

mod reloading;
mod tokens;

pub use reloading::Reloader;
pub use tokens::{TokenChanges, Tokens};

pub(crate) use tokens::{TokenId, read_bounded};

use rejoin::{Name, is_invisible};
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Instant;

/// Most characters in a user's name.
const USER_CHARS: usize = 128;

/// How a token becomes a user.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Auth {
    /// The token is the user's name: 1–128 characters, none of them invisible. For development.
    Open,
    /// Only tokens of this table.
    Tokens(Tokens),
}

/// Whose a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) user: Name,
    /// When the token ends.
    pub(crate) expires: Option<Instant>,
    /// Which token it is, where one can be taken away.
    pub(crate) token: Option<TokenId>,
}

impl Auth {
    /// Whose token it is; `None` for nobody's.
    pub(crate) fn identify(&self, token: &str, now: Instant) -> Option<Identity> {
        match self {
            Self::Open => {
                is_user_name(token).then(|| Identity { user: Name::from(token), expires: None, token: None })
            }
            Self::Tokens(tokens) => tokens.identify(token, now),
        }
    }

    /// Whether a token that was good is still this user's. One whose time is over is somebody else's to end.
    pub(crate) fn holds(&self, token: TokenId, user: &Name) -> bool {
        match self {
            Self::Open => true,
            Self::Tokens(tokens) => tokens.holds(token, user),
        }
    }
}

impl FromStr for Auth {
    type Err = AuthError;

    /// `open`, or `tokens=FILE`, which reads the file at once.
    fn from_str(text: &str) -> Result<Self, AuthError> {
        match text.split_once('=') {
            None if text == "open" => Ok(Self::Open),
            Some(("tokens", path)) if !path.is_empty() => Tokens::read(Path::new(path)).map(Self::Tokens),
            // A secret may have ended up here by a slip: the text is not repeated.
            _ => Err(AuthError::Unknown),
        }
    }
}

/// Why there is no [`Auth`]. Never holds a token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// Neither form.
    #[error("--auth is 'open' or 'tokens=FILE'")]
    Unknown,
    /// The token file cannot be read.
    #[error("cannot read the token file {}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line of the token file is wrong.
    #[error("line {line} of the token file: {problem}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The tokens did not come from a file.
    #[error("the tokens were not read from a file, so there is nothing to read again")]
    NoFile,
    /// The token file names nobody.
    #[error("the token file has no tokens, so nobody could connect; write one 'TOKEN USER' per line")]
    Empty,
}

pub(crate) fn is_user_name(text: &str) -> bool {
    // One more than allowed is enough to know.
    let chars = text.chars().take(USER_CHARS + 1).count();
    (1..=USER_CHARS).contains(&chars) && !text.chars().any(is_invisible)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_server_takes_the_token_for_the_name() {
        let user = |token: &str| Auth::Open.identify(token, Instant::now()).map(|identity| identity.user);
        assert_eq!(user("ada"), Some(Name::from("ada")));
        assert_eq!(user(&"é".repeat(128)), Some(Name::from(&*"é".repeat(128))));
        for bad in ["", "a\u{202e}b", "a\nb", "\u{200b}", &"x".repeat(129)] {
            assert_eq!(user(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn an_error_shows_no_token() {
        assert!(!"canary".parse::<Auth>().unwrap_err().to_string().contains("canary"));
        assert!(
            "tokens=/nonexistent/file".parse::<Auth>().unwrap_err().to_string().contains("/nonexistent/file")
        );
    }
}
