//! The token of the admin listener: read from a file, compared in constant time.

use crate::option_file;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use subtle::ConstantTimeEq as _;

/// Fewest characters of an admin token: a shorter one can be guessed.
const SHORTEST: usize = 16;

/// Most bytes of the file.
const FILE_BYTES: u64 = 1 << 20;

/// The tokens of an `--admin-token-file`, any of which is accepted, so that one can be replaced by the next without a
/// moment in which neither works. Clones are the same ones.
#[derive(Clone)]
pub struct AdminToken(Arc<Shared>);

struct Shared {
    path: PathBuf,
    tokens: RwLock<Vec<String>>,
}

/// Why there is no admin token. Never holds one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminTokenError {
    /// The file cannot be read.
    #[error("cannot read the admin token file {}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line of the file cannot be sent as a token, or is easily guessed.
    #[error(
        "line {line} of the admin token file: a token has at least 16 visible ASCII characters and no spaces"
    )]
    Line {
        /// Counted from 1.
        line: usize,
    },
    /// The file has no token.
    #[error("the admin token file has no token; write one of at least 16 characters on a line")]
    Empty,
}

impl AdminToken {
    /// Reads a file of one token per line; empty lines and those that begin with `#` say nothing.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn read(path: &Path) -> Result<Self, AdminTokenError> {
        let tokens = RwLock::new(read(path)?);
        Ok(Self(Arc::new(Shared { path: path.into(), tokens })))
    }

    /// Reads the file again. Tokens that are no longer in it are refused from now on.
    ///
    /// # Errors
    /// What is wrong with the file; the tokens stay as they were.
    pub fn reload(&self) -> Result<(), AdminTokenError> {
        let tokens = read(&self.0.path)?;
        *self.0.tokens.write().unwrap_or_else(PoisonError::into_inner) = tokens;
        Ok(())
    }

    /// Whether this is one of the tokens. The time that it takes says nothing about how much of a guess was right.
    pub(super) fn accepts(&self, token: &str) -> bool {
        let tokens = self.0.tokens.read().unwrap_or_else(PoisonError::into_inner);
        let equal = |known: &String| known.as_bytes().ct_eq(token.as_bytes());
        tokens.iter().map(equal).fold(subtle::Choice::from(0), |any, one| any | one).into()
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminToken").field("path", &self.0.path).finish_non_exhaustive()
    }
}

fn read(path: &Path) -> Result<Vec<String>, AdminTokenError> {
    let text = option_file::read_text(path, FILE_BYTES)
        .map_err(|source| AdminTokenError::File { path: path.into(), source })?;
    parse(&text)
}

fn parse(text: &str) -> Result<Vec<String>, AdminTokenError> {
    let lines = (1..).zip(text.lines().map(str::trim));
    let given = lines.filter(|(_, text)| !text.is_empty() && !text.starts_with('#'));
    let tokens: Vec<String> = given
        .map(|(line, token)| {
            let usable = token.len() >= SHORTEST && token.bytes().all(|byte| byte.is_ascii_graphic());
            if usable { Ok(String::from(token)) } else { Err(AdminTokenError::Line { line }) }
        })
        .collect::<Result<_, _>>()?;
    if tokens.is_empty() { Err(AdminTokenError::Empty) } else { Ok(tokens) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_token_of_the_file_is_accepted_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "# old\nabcdefghijklmnop\n\n# new\nponmlkjihgfedcba\n").unwrap();
        let token = AdminToken::read(&path).unwrap();
        assert!(token.accepts("abcdefghijklmnop") && token.accepts("ponmlkjihgfedcba"));
        for wrong in ["", "abcdefghijklmno", "abcdefghijklmnopq", "# old", "bbcdefghijklmnop"] {
            assert!(!token.accepts(wrong), "{wrong}");
        }
        std::fs::write(&path, "ponmlkjihgfedcba").unwrap();
        token.reload().unwrap();
        assert!(!token.accepts("abcdefghijklmnop") && token.accepts("ponmlkjihgfedcba"));
        std::fs::write(&path, "short").unwrap();
        assert!(token.reload().is_err());
        assert!(token.accepts("ponmlkjihgfedcba"));
    }

    #[test]
    fn a_file_that_cannot_be_used_is_refused_and_never_quoted() {
        for text in ["", "# nothing\n", "canary", "canary canary canary\n", "canary-canary-cana\u{e9}"] {
            let error = parse(text).unwrap_err().to_string();
            assert!(!error.contains("canary"), "{error}");
        }
        let error = AdminToken::read(Path::new("/nonexistent")).unwrap_err().to_string();
        assert!(error.contains("/nonexistent"), "{error}");
    }
}
