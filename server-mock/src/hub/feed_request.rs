//! The request of a reader of a feed, with the positions that it shows. Opens no feed.

use rejoin::{Name, Position};

/// Which feed a reader wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedRequest {
    /// The room.
    pub room: Name,
    /// What the reader has seen.
    pub since: Since,
    /// The last so many messages, for one who has seen nothing.
    pub history: u64,
    /// Whether the feed begins with the answer that a member would get: for a client that reads because it cannot join.
    pub announces_join: bool,
}

/// What a reader has seen, by its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Since {
    /// It says nothing: it is new here.
    Nothing,
    /// Everything up to this message.
    At(Position),
    /// It has seen something, and what it says of it is no position.
    Unreadable,
}

impl From<&str> for Since {
    /// Reads `epoch:seq:id`, as the events have it.
    fn from(text: &str) -> Self {
        if text.is_empty() {
            return Self::Nothing;
        }
        Position::from_event_id(text).map_or(Self::Unreadable, Self::At)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rejoin::Id;
    use rejoin::messages::MAX_INT;

    #[test]
    fn a_position_is_read_as_it_is_written_and_nothing_else_is_one() {
        assert_eq!(Since::from(""), Since::Nothing);
        let id = |text| Id::new(text).unwrap();
        for (text, seq) in [("e-1:7:i_2", 7), ("e-1:0:i_2", 0), ("e-1:9007199254740991:i_2", MAX_INT)] {
            assert_eq!(Since::from(text), Since::At(Position { epoch: id("e-1"), seq, id: id("i_2") }));
        }
        for text in [
            "x",
            "e:7",
            "e:7:i:",
            "e:7:i:j",
            ":7:i",
            "e::i",
            "e:7:",
            "e:+7:i",
            "e:-7:i",
            "e: 7:i",
            "e:7:i ",
            "e:9007199254740992:i",
            "e:99999999999999999999:i",
            "\u{e9}:7:i",
            &format!("{}:7:i", "e".repeat(65)),
        ] {
            assert_eq!(Since::from(text), Since::Unreadable, "{text}");
        }
    }
}
