//! The table of tokens, and a new one in its place.

use super::digest::sha256;
use super::file::{Stamp, WatchedFile};
use super::{AuthError, Credential, Identity, Proof, TokenChanges, TokenRejection, Verified, is_user_name};
use crate::hub::Rights;
use rejoin::Name;
use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::path::Path;
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

/// Most bytes of a token file that are read.
const FILE_BYTES: u64 = 64 << 20;

/// A table of tokens. It keeps keyed fingerprints, not tokens, so that nothing can print them, and looks them up
/// by fingerprint, so that the time of a lookup says nothing about how much of a guess was right. A clone is the same
/// table.
#[derive(Clone)]
pub struct Tokens(Arc<Shared>);

struct Shared {
    table: RwLock<Table>,
    keys: (RandomState, RandomState),
    file: Option<WatchedFile>,
}

type Table = BTreeMap<TokenId, Holder>;

/// Which token of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TokenId(u64, u64);

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
    /// number is written so, `s3cret Agent 7 0`. A last word that begins as a number and is none is an error, and so is a
    /// word that begins with `#`: neither may become part of somebody's name unnoticed.
    pub fn read(path: &Path) -> Result<Self, AuthError> {
        let file = WatchedFile::new(path, FILE_BYTES);
        Self::new(&file.read()?, Some(file))
    }

    /// Reads the text of such a file.
    pub fn parse(text: &str) -> Result<Self, AuthError> {
        Self::new(text, None)
    }

    fn new(text: &str, file: Option<WatchedFile>) -> Result<Self, AuthError> {
        let keys = (RandomState::new(), RandomState::new());
        let table = RwLock::new(parse(text, &keys)?);
        Ok(Self(Arc::new(Shared { table, keys, file })))
    }

    /// What the file is now, if it is not what was last read.
    pub(super) fn changed(&self) -> Option<Stamp> {
        self.0.file.as_ref()?.changed()
    }

    pub(super) fn is_gone(&self) -> bool {
        self.0.file.as_ref().is_some_and(WatchedFile::is_gone)
    }

    /// Reads the file again. A file that cannot be used changes nothing.
    pub(super) fn read_again(&self) -> Result<TokenChanges, AuthError> {
        let file = self.0.file.as_ref().ok_or(AuthError::NoFile)?;
        self.replace(&file.read()?)
    }

    /// Takes the table of this text. The time of a token that stays goes on.
    fn replace(&self, text: &str) -> Result<TokenChanges, AuthError> {
        let mut new = parse(text, &self.0.keys)?;
        let mut table = self.0.table.write().unwrap_or_else(PoisonError::into_inner);
        let mut stayed = 0;
        for (token, holder) in &mut new {
            let before = table.get(token).filter(|before| before.user == holder.user);
            if let Some(before) = before {
                stayed += 1;
                if before.lasts == holder.lasts {
                    holder.first_used = before.first_used.clone();
                }
            }
        }
        let changes = TokenChanges { added: new.len() - stayed, removed: table.len() - stayed };
        *table = new;
        Ok(changes)
    }

    pub(super) fn identify(&self, token: &str, now: Instant) -> Verified {
        let token = fingerprint(&self.0.keys, token);
        let table = self.table();
        let holder = table.get(&token).ok_or(TokenRejection::Unknown)?;
        let expires = holder.lasts.and_then(|lasts| holder.first_used.get_or_init(|| now).checked_add(lasts));
        let good = expires.is_none_or(|end| now < end);
        if !good {
            return Err(TokenRejection::Expired);
        }
        Ok(Identity {
            user: holder.user.clone(),
            expires,
            credential: Credential { proof: Some(Proof::Token(token)), ..Credential::default() },
            rights: Rights::all(),
        })
    }

    /// By what another server names a token: fingerprints are each server's own.
    pub(super) fn digest(token: &str) -> [u8; 32] {
        sha256(&[b"rejoin token ", token.as_bytes()])
    }

    pub(super) fn proof(&self, digest: &[u8; 32]) -> Proof {
        Proof::Token(fingerprint_of(&self.0.keys, digest))
    }

    pub(super) fn holds(&self, token: TokenId, user: &Name) -> bool {
        self.table().get(&token).is_some_and(|holder| holder.user == *user)
    }

    fn table(&self) -> RwLockReadGuard<'_, Table> {
        // A table is replaced as a whole: there is none half done.
        self.0.table.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({} of them)", self.table().len())
    }
}

fn parse(text: &str, keys: &(RandomState, RandomState)) -> Result<Table, AuthError> {
    let mut table = Table::new();
    // Editors of Windows begin a file with a byte-order mark: it is no part of the first token.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (line, text) in (1..).zip(text.lines()) {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let problem = |problem| AuthError::Line { line, problem };
        if text.contains(|letter: char| letter.is_control() && letter != '\t') {
            return Err(problem("it has control characters: is this the file of tokens?"));
        }
        let Some((token, user)) = text.split_once(char::is_whitespace) else {
            return Err(problem("it has a token but no user; write 'TOKEN USER'"));
        };
        if user.split_whitespace().any(|word| word.starts_with('#')) {
            return Err(problem("a comment is a line of its own"));
        }
        let Some((user, lasts)) = validity(user.trim_start()) else {
            return Err(problem("SECONDS is a whole number; a name that ends so is followed by 0"));
        };
        if !is_user_name(user) {
            return Err(problem("a user has 1-128 characters, none of them invisible"));
        }
        let holder = Holder { user: Name::from(user), lasts, first_used: OnceLock::new() };
        if table.insert(fingerprint(keys, token), holder).is_some() {
            return Err(problem("the token was given before"));
        }
    }
    if table.is_empty() { Err(AuthError::Empty) } else { Ok(table) }
}

fn fingerprint(keys: &(RandomState, RandomState), token: &str) -> TokenId {
    fingerprint_of(keys, &Tokens::digest(token))
}

fn fingerprint_of(keys: &(RandomState, RandomState), digest: &[u8; 32]) -> TokenId {
    TokenId(keys.0.hash_one(digest), keys.1.hash_one(digest))
}

/// A user's name, and how long the token is good for; `None` if the last word begins as a number and is none.
fn validity(text: &str) -> Option<(&str, Option<Duration>)> {
    // A name that is only a number has nothing before it.
    let Some((user, last)) = text.rsplit_once(char::is_whitespace) else { return Some((text, None)) };
    match last.parse() {
        Ok(0) => Some((user.trim_end(), None)),
        Ok(seconds) => Some((user.trim_end(), Some(Duration::from_secs(seconds)))),
        Err(_) if last.starts_with(|sign: char| sign.is_ascii_digit() || "+-.".contains(sign)) => None,
        Err(_) => Some((text, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(tokens: &Tokens, token: &str) -> Option<Name> {
        tokens.identify(token, Instant::now()).ok().map(|identity| identity.user)
    }

    #[test]
    fn a_file_with_control_characters_is_refused_as_a_whole() {
        for bad in ["s3cret ada\nother bo\u{7}b\n", "s3cret ada\n\0\0\0 x\n", "a\u{1b}b ada"] {
            assert!(Tokens::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Tokens::parse("s3cret\tada\r\n").is_ok());
    }

    #[test]
    fn a_token_table_knows_its_tokens_and_no_others() {
        let tokens =
            Tokens::parse("# staff\n\ns3cret ada\n  0ther \t Grace Hopper \nxyz Agent 7 0\n").unwrap();
        assert_eq!(user(&tokens, "s3cret"), Some(Name::from("ada")));
        assert_eq!(user(&Tokens::parse("\u{feff}s3cret ada\n").unwrap(), "s3cret"), Some(Name::from("ada")));
        assert_eq!(user(&tokens, "0ther"), Some(Name::from("Grace Hopper")));
        assert_eq!(user(&tokens, "xyz"), Some(Name::from("Agent 7")));
        for bad in ["", "s3cre", "s3cret ", "ada", "# staff"] {
            assert_eq!(user(&tokens, bad), None, "{bad:?}");
        }
    }

    #[test]
    fn what_looks_like_a_time_or_a_comment_becomes_nobodys_name() {
        for bad in ["tok alice 10x", "tok dave 1.5", "tok carl -3", "tok bob # staff", "tok eve #1"] {
            assert!(Tokens::parse(bad).is_err(), "{bad}");
        }
        let tokens = Tokens::parse("tok Agent 10x 0").unwrap();
        assert_eq!(user(&tokens, "tok"), Some(Name::from("Agent 10x")));
    }

    #[test]
    fn a_token_with_a_time_is_good_for_so_long_from_its_first_use() {
        let tokens = Tokens::parse("short ada 90\nlong ada").unwrap();
        let first = Instant::now();
        let end = first + Duration::from_secs(90);
        for later in [0, 89] {
            let identity = tokens.identify("short", first + Duration::from_secs(later)).unwrap();
            assert_eq!((identity.user, identity.expires), (Name::from("ada"), Some(end)));
        }
        assert_eq!(tokens.identify("short", end), Err(TokenRejection::Expired));
        assert_eq!(tokens.identify("long", end).unwrap().expires, None);
    }

    #[test]
    fn a_new_table_takes_tokens_away_and_brings_others_and_time_goes_on() {
        let tokens = Tokens::parse("short ada 90\ngone bob\nmoved cyd\n").unwrap();
        let first = Instant::now();
        let ids = ["short", "gone", "moved"].map(|token| tokens.identify(token, first).unwrap());
        let changes = tokens.replace("short ada 90\nmoved dan\nnew eve\n").unwrap();
        assert_eq!(changes, TokenChanges { added: 2, removed: 2 });
        let held = ids.map(|identity| match identity.credential.proof {
            Some(Proof::Token(token)) => tokens.holds(token, &identity.user),
            _ => panic!("it has been let in by a token of the table"),
        });
        assert_eq!(held, [true, false, false]);
        assert_eq!((user(&tokens, "gone"), user(&tokens, "new")), (None, Some(Name::from("eve"))));
        assert_eq!(tokens.identify("short", first + Duration::from_secs(90)), Err(TokenRejection::Expired));
    }

    #[test]
    fn a_table_that_cannot_be_used_changes_nothing() {
        let tokens = Tokens::parse("s3cret ada").unwrap();
        for bad in ["", "# nobody", "half", "s3cret ada\ns3cret bob"] {
            assert!(tokens.replace(bad).is_err(), "{bad}");
        }
        assert_eq!(user(&tokens, "s3cret"), Some(Name::from("ada")));
        assert!(matches!(tokens.read_again(), Err(AuthError::NoFile)));
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
    fn debug_shows_no_token() {
        assert_eq!(format!("{:?}", Tokens::parse("canary ada").unwrap()), "Tokens(1 of them)");
    }
}
