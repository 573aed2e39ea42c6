//! Names of rooms and users: small shared strings, and the rule a room name obeys.

use alloc::string::String;
use alloc::sync::Arc;
use core::borrow::Borrow;
use core::fmt;
use core::ops::Deref;

/// The name of a room or a user, as the server wrote it: cheap to clone, compared by content.
///
/// A name that came from the network is hostile: show it only after sanitising it for where it goes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    /// The text of the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for Name {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self(Arc::from(text))
    }
}

impl From<String> for Name {
    fn from(text: String) -> Self {
        Self(Arc::from(text))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl serde::Serialize for Name {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Name {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        &*self.0 == other
    }
}

impl PartialEq<&str> for Name {
    fn eq(&self, other: &&str) -> bool {
        &*self.0 == *other
    }
}

/// Maximum characters a room name may have (protocol.md §1).
pub const ROOM_NAME_CHARS: usize = 128;

/// The name of every user's own stream, where a room's name would stand (protocol.md §2.2).
pub const PERSONAL_ROOM: &str = "@me";

/// Why a text is no room name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RoomNameError {
    /// No character at all.
    #[error("a room name needs at least one character")]
    Empty,
    /// More than [`ROOM_NAME_CHARS`].
    #[error("a room name has at most 128 characters")]
    TooLong,
    /// A control, bidirectional-override or zero-width character.
    #[error("a room name has no control, bidirectional or zero-width characters")]
    Invisible,
    /// A leading `@`, which belongs to personal streams.
    #[error("a room name does not start with '@'")]
    Reserved,
}

/// Checks a room name against the rule of protocol.md §1: 1–128 characters, no control, bidirectional or
/// zero-width ones, no leading `@`.
pub fn check_room_name(name: &str) -> Result<(), RoomNameError> {
    if name.is_empty() {
        return Err(RoomNameError::Empty);
    }
    if name.starts_with('@') {
        return Err(RoomNameError::Reserved);
    }
    let mut chars = 0;
    for c in name.chars() {
        chars += 1;
        if chars > ROOM_NAME_CHARS {
            return Err(RoomNameError::TooLong);
        }
        if is_invisible(c) {
            return Err(RoomNameError::Invisible);
        }
    }
    Ok(())
}

/// Whether `c` is a control, bidirectional-formatting or zero-width character: one that can change how the
/// text around it is shown without being seen itself.
pub fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_name_in_any_script_is_accepted() {
        for name in ["lobby", "Küche", "部屋", "a", "team:42.dev_x-y", "🚀"] {
            assert_eq!(check_room_name(name), Ok(()), "{name}");
        }
        assert_eq!(check_room_name(&"é".repeat(128)), Ok(()));
    }

    #[test]
    fn each_rule_has_its_own_error() {
        assert_eq!(check_room_name(""), Err(RoomNameError::Empty));
        assert_eq!(check_room_name("@me"), Err(RoomNameError::Reserved));
        assert_eq!(check_room_name(&"x".repeat(129)), Err(RoomNameError::TooLong));
        for c in ['\n', '\0', '\u{7f}', '\u{9b}', '\u{200b}', '\u{202e}', '\u{2066}', '\u{feff}'] {
            let mut name = String::from("room");
            name.push(c);
            assert_eq!(check_room_name(&name), Err(RoomNameError::Invisible), "{c:?}");
        }
    }
}
