//! The names of keys and channels. Owns how a room's name becomes a key; knows no commands.
//!
//! All keys of a room have the same hash tag, `{…}`, so that they are in one slot of a cluster. The tag is a digest: names of
//! rooms may have any character and any length, keys are short and of one form. The name itself is in the room's hash.

use rejoin::Name;
use ring::digest::{SHA256, digest};
use std::fmt::Write as _;

/// Characters of a digest: 128 bits.
const DIGEST: usize = 32;

/// Most bytes of a prefix.
const LONGEST_PREFIX: usize = 64;

/// What all keys begin with.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    prefix: String,
}

/// The keys of one room.
#[derive(Debug, Clone)]
pub(super) struct RoomKeys {
    /// `prefix:{digest}`, which is also its channel.
    base: String,
}

/// The field of a room in what is kept of a session.
pub(super) fn room_field(room: &str) -> String {
    format!("r{}", hash(room))
}

/// The first 128 bits of the SHA-256, in hexadecimal.
fn hash(text: &str) -> String {
    let mut hex = String::with_capacity(2 * DIGEST);
    for byte in digest(&SHA256, text.as_bytes()).as_ref() {
        // Writing to a String does not fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex.truncate(DIGEST);
    hex
}

/// Whether a text can be a prefix.
pub(super) fn is_prefix(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':' | b'/');
    !text.is_empty() && text.len() <= LONGEST_PREFIX && text.bytes().all(allowed)
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    pub(super) fn room(&self, room: &Name) -> RoomKeys {
        RoomKeys { base: format!("{}:{{{}}}", self.prefix, hash(room)) }
    }

    /// The channel of what every node has to do.
    pub(super) fn control(&self) -> String {
        format!("{}:control", self.prefix)
    }

    /// The channel of what others answer a node.
    pub(super) fn answers_to(&self, node: &str) -> String {
        format!("{}:node:{node}", self.prefix)
    }

    pub(super) fn bans(&self) -> String {
        format!("{}:bans", self.prefix)
    }

    /// Kicks and removals of the last day.
    pub(super) fn removals(&self) -> String {
        format!("{}:removals", self.prefix)
    }

    pub(super) fn revocations(&self) -> String {
        format!("{}:revocations", self.prefix)
    }

    /// What a user has used of the limits that all nodes share.
    pub(super) fn user(&self, user: &Name) -> String {
        format!("{}:user:{{{}}}", self.prefix, hash(user))
    }

    /// The Socket.IO sessions of a user that can be recovered.
    pub(super) fn sessions(&self, user: &Name) -> String {
        format!("{}:sessions:{{{}}}", self.prefix, hash(user))
    }

    /// What the keys of these sessions have before their digests: they are in one slot.
    pub(super) fn session_prefix(&self, user: &Name) -> String {
        format!("{}:session:{{{}}}:", self.prefix, hash(user))
    }

    /// A ticket, by its digest.
    pub(super) fn ticket(&self, digest: &str) -> String {
        format!("{}:ticket:{digest}", self.prefix)
    }
}

impl RoomKeys {
    pub(super) fn channel(&self) -> &str {
        &self.base
    }

    pub(super) fn room(&self) -> String {
        format!("{}:room", self.base)
    }

    pub(super) fn log(&self) -> String {
        format!("{}:log", self.base)
    }

    pub(super) fn here(&self) -> String {
        format!("{}:here", self.base)
    }

    /// The line of sends of a producer, by the name of its owner.
    pub(super) fn line(&self, owner: &str, pid: &str) -> String {
        format!("{}:line:{}:{pid}", self.base, hash(owner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_keys_of_a_room_have_the_digest_of_its_name_as_hash_tag() {
        let keys = Keys::new("rejoin").room(&Name::from("@ada"));
        // printf %s @ada | sha256sum | cut -c1-32
        let tag = "{057f37d77acd9e1e073d9bcb8a195125}";
        let all = [keys.channel().to_owned(), keys.room(), keys.log(), keys.here(), keys.line("ada", "p")];
        assert!(all.iter().all(|key| key.starts_with(&format!("rejoin:{tag}"))), "{all:?}");
    }

    #[test]
    fn a_prefix_has_no_brace_that_would_be_a_hash_tag() {
        for (prefix, good) in
            [("rejoin", true), ("shop:chat-2", true), ("", false), ("a{b}", false), ("a b", false)]
        {
            assert_eq!(is_prefix(prefix), good, "{prefix:?}");
        }
    }
}
