//! The namespaces that a server offers to Socket.IO clients beside `/`. Reads and checks their names; routes nothing.

use rejoin::{Name, socketio};
use std::str::FromStr;

/// Most bytes of a namespace's name: it is a part of the names of its rooms, which have at most 128 characters.
const LONGEST: usize = 64;

/// Most namespaces of a server, `/` not counted.
const MOST: usize = 32;

/// A namespace: `/chat`, which has rooms, or `/notifications=personal`, in which each user has the personal stream.
///
/// ```
/// let namespace: rejoin_server::Namespace = "/notifications=personal".parse().unwrap();
/// assert_eq!((namespace.name(), namespace.is_personal()), ("/notifications", true));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    name: Name,
    personal: bool,
}

/// Why a text describes no namespace of a server, or several do not go together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NamespaceError {
    /// The name is none.
    #[error(
        "a namespace is written like /chat or /notifications=personal: a slash and 1 to 63 bytes without comma, \
         question mark, equals sign, white space or control characters"
    )]
    Name,
    /// `/` is there without being asked for.
    #[error("the namespace / is there already, and has rooms and the personal stream")]
    Main,
    /// What follows the equals sign is not `personal`.
    #[error("a namespace has rooms, or is '=personal': there is no other kind")]
    Kind,
    /// The same name again.
    #[error("the namespace {0} is named twice")]
    Twice(Name),
    /// More than 32.
    #[error("there are more than 32 namespaces")]
    TooMany,
}

impl Namespace {
    /// Its name, with the slash.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Each user has the personal stream there, and no rooms.
    pub fn is_personal(&self) -> bool {
        self.personal
    }

    /// Whether a server can have all of these.
    ///
    /// # Errors
    /// When two have the same name, or there are too many.
    pub fn check_all(namespaces: &[Self]) -> Result<(), NamespaceError> {
        if namespaces.len() > MOST {
            return Err(NamespaceError::TooMany);
        }
        for (at, one) in namespaces.iter().enumerate() {
            if namespaces.iter().skip(at + 1).any(|other| other.name == one.name) {
                return Err(NamespaceError::Twice(one.name.clone()));
            }
        }
        Ok(())
    }
}

impl FromStr for Namespace {
    type Err = NamespaceError;

    fn from_str(text: &str) -> Result<Self, NamespaceError> {
        let (name, kind) = match text.split_once('=') {
            Some((name, kind)) => (name, Some(kind)),
            None => (text, None),
        };
        if name == socketio::MAIN_NAMESPACE {
            return Err(NamespaceError::Main);
        }
        if name.len() > LONGEST || socketio::Namespace::new(name).is_err() {
            return Err(NamespaceError::Name);
        }
        let personal = match kind {
            None => false,
            Some("personal") => true,
            Some(_) => return Err(NamespaceError::Kind),
        };
        Ok(Self { name: Name::from(name), personal })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_has_rooms_or_the_personal_stream() {
        let read = |text: &str| text.parse::<Namespace>().map(|read| (read.name.to_string(), read.personal));
        assert_eq!(read("/chat"), Ok((String::from("/chat"), false)));
        assert_eq!(read("/a/b=personal"), Ok((String::from("/a/b"), true)));
        assert_eq!(read("/"), Err(NamespaceError::Main));
        assert_eq!(read("/=personal"), Err(NamespaceError::Main));
        for name in ["", "chat", "/a,b", "/a?b", "/a b", "/a\n", "=personal", &format!("/{}", "x".repeat(64))]
        {
            assert_eq!(read(name), Err(NamespaceError::Name), "{name:?}");
        }
        for kind in ["/a=", "/a=rooms", "/a=personal=personal"] {
            assert_eq!(read(kind), Err(NamespaceError::Kind), "{kind}");
        }
    }

    #[test]
    fn a_server_has_each_namespace_once_and_at_most_thirty_two() {
        let read_all =
            |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Namespace>>();
        assert_eq!(Namespace::check_all(&read_all(&["/a", "/b=personal"])), Ok(()));
        let twice = Namespace::check_all(&read_all(&["/a", "/b", "/a=personal"]));
        assert_eq!(twice, Err(NamespaceError::Twice(Name::from("/a"))));
        let names: Vec<String> = (0..33).map(|n| format!("/{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(Namespace::check_all(&read_all(&names)), Err(NamespaceError::TooMany));
        assert_eq!(Namespace::check_all(&read_all(&names[1..])), Ok(()));
    }
}
