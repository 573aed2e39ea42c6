//! The validated name of a namespace.

use alloc::sync::Arc;
use core::fmt;

/// Maximum characters of a namespace's name.
const MAX_CHARS: usize = 128;

/// A namespace: `/`, or `/admin`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Namespace(Arc<str>);

/// Why a text names no namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a namespace looks like /admin: a slash and up to 127 characters without comma, question mark, white space or \
     control characters"
)]
pub struct NamespaceError;

impl Namespace {
    /// Checks a name. The wire ends it with a comma, and a question mark begins what servers ignore.
    ///
    /// # Errors
    /// When it is none.
    pub fn new(name: &str) -> Result<Self, NamespaceError> {
        let bad = |c: char| c == ',' || c == '?' || c.is_whitespace() || c.is_control();
        if !name.starts_with('/') || name.chars().count() > MAX_CHARS || name.contains(bad) {
            return Err(NamespaceError);
        }
        Ok(Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self(super::MAIN_NAMESPACE.into())
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_begins_with_a_slash_and_has_nothing_that_ends_it() {
        for name in ["/", "/admin", "/a/b-c_d", "/部屋"] {
            assert_eq!(Namespace::new(name).unwrap().as_str(), name);
        }
        for name in ["", "admin", "/a,b", "/a?b", "/a b", "/a\n", &alloc::format!("/{}", "x".repeat(128))] {
            assert_eq!(Namespace::new(name), Err(NamespaceError), "{name:?}");
        }
    }
}
