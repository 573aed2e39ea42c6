//! Who may connect: a token in, a user's name out.

use rejoin::{Name, is_invisible};
use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Most characters in a user's name.
const USER_CHARS: usize = 128;

/// Most bytes of a token file that are read.
const FILE_BYTES: u64 = 64 << 20;

/// How a token becomes a user.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Auth {
    /// The token is the user's name: 1–128 characters, none of them invisible. For development.
    Open,
    /// Only tokens of this table.
    Tokens(Tokens),
}

impl Auth {
    /// Whose token it is; `None` for nobody's.
    pub(crate) fn user(&self, token: &str) -> Option<Name> {
        match self {
            Self::Open => is_user_name(token).then(|| Name::from(token)),
            Self::Tokens(tokens) => tokens.user(token),
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
    /// The token file names nobody.
    #[error("the token file has no tokens, so nobody could connect; write one 'TOKEN USER' per line")]
    Empty,
}

/// A table of tokens. It keeps keyed fingerprints, not tokens, so that nothing can print them, and looks them up
/// by fingerprint, so that the time of a lookup says nothing about how much of a guess was right.
#[derive(Clone)]
pub struct Tokens {
    users: BTreeMap<Fingerprint, Name>,
    keys: (RandomState, RandomState),
}

type Fingerprint = (u64, u64);

impl Tokens {
    /// Reads a file of lines `TOKEN USER`; empty lines and those that begin with `#` say nothing.
    pub fn read(path: &Path) -> Result<Self, AuthError> {
        let text = read_bounded(path).map_err(|source| AuthError::File { path: path.into(), source })?;
        Self::parse(&text)
    }

    /// Reads the text of such a file.
    pub fn parse(text: &str) -> Result<Self, AuthError> {
        let mut tokens = Self { users: BTreeMap::new(), keys: (RandomState::new(), RandomState::new()) };
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let problem = |problem| AuthError::Line { line, problem };
            let Some((token, user)) = text.split_once(char::is_whitespace) else {
                return Err(problem("it has a token but no user; write 'TOKEN USER'"));
            };
            let user = user.trim_start();
            if !is_user_name(user) {
                return Err(problem("a user has 1-128 characters, none of them invisible"));
            }
            if tokens.users.insert(tokens.fingerprint(token), Name::from(user)).is_some() {
                return Err(problem("the token was given before"));
            }
        }
        if tokens.users.is_empty() { Err(AuthError::Empty) } else { Ok(tokens) }
    }

    fn user(&self, token: &str) -> Option<Name> {
        self.users.get(&self.fingerprint(token)).cloned()
    }

    fn fingerprint(&self, token: &str) -> Fingerprint {
        (self.keys.0.hash_one(token), self.keys.1.hash_one(token))
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({} of them)", self.users.len())
    }
}

fn read_bounded(path: &Path) -> io::Result<String> {
    use io::Read as _;
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    if file.take(FILE_BYTES + 1).read_to_string(&mut text)? as u64 > FILE_BYTES {
        return Err(io::Error::other("it is larger than 64 MiB"));
    }
    Ok(text)
}

fn is_user_name(text: &str) -> bool {
    // One more than allowed is enough to know.
    let chars = text.chars().take(USER_CHARS + 1).count();
    (1..=USER_CHARS).contains(&chars) && !text.chars().any(is_invisible)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_server_takes_the_token_for_the_name() {
        assert_eq!(Auth::Open.user("ada"), Some(Name::from("ada")));
        assert_eq!(Auth::Open.user(&"é".repeat(128)), Some(Name::from(&*"é".repeat(128))));
        for bad in ["", "a\u{202e}b", "a\nb", "\u{200b}", &"x".repeat(129)] {
            assert_eq!(Auth::Open.user(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_token_table_knows_its_tokens_and_no_others() {
        let tokens = Tokens::parse("# staff\n\ns3cret ada\n  0ther \t Grace Hopper \n").unwrap();
        assert_eq!(tokens.user("s3cret"), Some(Name::from("ada")));
        assert_eq!(tokens.user("0ther"), Some(Name::from("Grace Hopper")));
        for bad in ["", "s3cre", "s3cret ", "ada", "# staff"] {
            assert_eq!(tokens.user(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_bad_line_is_named_by_number_and_never_quoted() {
        for (text, line) in [("# x\nsecret", 2), ("secret ada\nsecret bob", 2), ("\n\nsecret a\u{202e}b", 3)]
        {
            let error = Tokens::parse(text).unwrap_err();
            assert!(matches!(error, AuthError::Line { line: found, .. } if found == line), "{error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        assert!(matches!(Tokens::parse("# nobody\n"), Err(AuthError::Empty)));
    }

    #[test]
    fn neither_debug_nor_an_error_shows_a_token() {
        let tokens = Tokens::parse("canary ada").unwrap();
        assert!(!format!("{:?}", Auth::Tokens(tokens)).contains("canary"));
        assert!(!"canary".parse::<Auth>().unwrap_err().to_string().contains("canary"));
        assert!(
            "tokens=/nonexistent/file".parse::<Auth>().unwrap_err().to_string().contains("/nonexistent/file")
        );
    }
}
