//! Who may connect: a token in, a user's name out.

use rejoin::{Name, is_invisible};
use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

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

/// Whose a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) user: Name,
    /// When the token ends.
    pub(crate) expires: Option<Instant>,
}

impl Auth {
    /// Whose token it is; `None` for nobody's.
    pub(crate) fn identify(&self, token: &str, now: Instant) -> Option<Identity> {
        match self {
            Self::Open => is_user_name(token).then(|| Identity { user: Name::from(token), expires: None }),
            Self::Tokens(tokens) => tokens.identify(token, now),
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
    users: BTreeMap<Fingerprint, Holder>,
    keys: (RandomState, RandomState),
}

type Fingerprint = (u64, u64);

#[derive(Clone)]
struct Holder {
    user: Name,
    /// How long the token is good for; without end if absent.
    lasts: Option<Duration>,
    first_used: OnceLock<Instant>,
}

impl Tokens {
    /// Reads a file of lines `TOKEN USER [SECONDS]`; empty lines and those that begin with `#` say nothing.
    ///
    /// A token with `SECONDS` is good for so long from its first use. 0 is without end: a user whose name ends in a
    /// number is written so, `s3cret Agent 7 0`.
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
            let (user, lasts) = validity(user.trim_start());
            if !is_user_name(user) {
                return Err(problem("a user has 1-128 characters, none of them invisible"));
            }
            let holder = Holder { user: Name::from(user), lasts, first_used: OnceLock::new() };
            if tokens.users.insert(tokens.fingerprint(token), holder).is_some() {
                return Err(problem("the token was given before"));
            }
        }
        if tokens.users.is_empty() { Err(AuthError::Empty) } else { Ok(tokens) }
    }

    fn identify(&self, token: &str, now: Instant) -> Option<Identity> {
        let holder = self.users.get(&self.fingerprint(token))?;
        let expires = holder.lasts.and_then(|lasts| holder.first_used.get_or_init(|| now).checked_add(lasts));
        let good = expires.is_none_or(|end| now < end);
        good.then(|| Identity { user: holder.user.clone(), expires })
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

/// A user's name, and how long the token is good for.
fn validity(text: &str) -> (&str, Option<Duration>) {
    let Some((user, last)) = text.rsplit_once(char::is_whitespace) else { return (text, None) };
    // A name that is only a number has nothing before it.
    match last.parse() {
        Ok(0) => (user.trim_end(), None),
        Ok(seconds) => (user.trim_end(), Some(Duration::from_secs(seconds))),
        Err(_) => (text, None),
    }
}

pub(crate) fn read_bounded(path: &Path) -> io::Result<String> {
    use io::Read as _;
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    if file.take(FILE_BYTES + 1).read_to_string(&mut text)? as u64 > FILE_BYTES {
        return Err(io::Error::other("it is larger than 64 MiB"));
    }
    Ok(text)
}

pub(crate) fn is_user_name(text: &str) -> bool {
    // One more than allowed is enough to know.
    let chars = text.chars().take(USER_CHARS + 1).count();
    (1..=USER_CHARS).contains(&chars) && !text.chars().any(is_invisible)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(auth: &Auth, token: &str) -> Option<Name> {
        auth.identify(token, Instant::now()).map(|identity| identity.user)
    }

    #[test]
    fn an_open_server_takes_the_token_for_the_name() {
        assert_eq!(user(&Auth::Open, "ada"), Some(Name::from("ada")));
        assert_eq!(user(&Auth::Open, &"é".repeat(128)), Some(Name::from(&*"é".repeat(128))));
        for bad in ["", "a\u{202e}b", "a\nb", "\u{200b}", &"x".repeat(129)] {
            assert_eq!(user(&Auth::Open, bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_token_table_knows_its_tokens_and_no_others() {
        let tokens =
            Tokens::parse("# staff\n\ns3cret ada\n  0ther \t Grace Hopper \nxyz Agent 7 0\n").unwrap();
        let tokens = Auth::Tokens(tokens);
        assert_eq!(user(&tokens, "s3cret"), Some(Name::from("ada")));
        assert_eq!(user(&tokens, "0ther"), Some(Name::from("Grace Hopper")));
        assert_eq!(user(&tokens, "xyz"), Some(Name::from("Agent 7")));
        for bad in ["", "s3cre", "s3cret ", "ada", "# staff"] {
            assert_eq!(user(&tokens, bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_token_with_a_time_is_good_for_so_long_from_its_first_use() {
        let tokens = Auth::Tokens(Tokens::parse("short ada 90\nlong ada").unwrap());
        let first = Instant::now();
        let end = first + Duration::from_secs(90);
        for later in [0, 89] {
            let identity = tokens.identify("short", first + Duration::from_secs(later)).unwrap();
            assert_eq!(identity, Identity { user: Name::from("ada"), expires: Some(end) });
        }
        assert_eq!(tokens.identify("short", end), None);
        assert_eq!(tokens.identify("long", end).unwrap().expires, None);
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
