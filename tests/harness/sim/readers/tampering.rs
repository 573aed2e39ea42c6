//! Rewrites the bytes of a stream as other servers and proxies do: other ends of lines, no ids, damage. The text itself is the
//! hub's.

use rejoin_server::hub::Text;

/// How the lines of a stream end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sim) enum LineEnd {
    /// As ours do.
    LineFeed,
    /// As on Windows.
    Both,
    /// As nobody does.
    Return,
}

impl LineEnd {
    /// Mostly ours.
    pub(in crate::sim) fn draw(luck: u8) -> Self {
        match luck % 8 {
            0 => Self::Both,
            1 => Self::Return,
            _ => Self::LineFeed,
        }
    }
}

/// A text as such a server writes it.
pub(in crate::sim) fn written(text: &str, end: LineEnd, without_ids: bool) -> Text {
    let mut text = if without_ids {
        text.split_inclusive('\n').filter(|line| !line.starts_with("id:")).collect()
    } else {
        String::from(text)
    };
    match end {
        LineEnd::LineFeed => {}
        LineEnd::Both => text = text.replace('\n', "\r\n"),
        LineEnd::Return => text = text.replace('\n', "\r"),
    }
    text.into()
}
