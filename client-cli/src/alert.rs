//! Alerts for a user who is not looking at the chat: window title, bell, desktop notification. Builds the escape sequences and
//! prints none: the caller knows whether there is a terminal.

use crate::sanitise;
use clap::ValueEnum;
use serde::Deserialize;
use std::time::Duration;
use tokio::time::Instant;

/// Columns of a title, and of each part of a notification.
const TITLE: usize = 60;
const TEXT: usize = 120;
/// Alerts come no faster than this.
const PAUSE: Duration = Duration::from_secs(2);

/// How the user wants to be told that somebody has named them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Notify {
    /// Not at all.
    #[default]
    None,
    /// The terminal's bell.
    Bell,
    /// A notification of the desktop, as iTerm2, Windows Terminal, kitty, foot and others show it.
    Osc9,
    /// The same for urxvt, VTE-based terminals and others.
    Osc777,
}

/// The window's title is kept when the chat begins, and comes back when it ends: where terminals cannot, it is empty then.
pub(crate) const KEEP_TITLE: &str = "\x1b[22;2t";
pub(crate) const TITLE_BACK: &str = "\x1b]2;\x07\x1b[23;2t";

/// Sets the window's title: `(3) lobby - rejoin`.
pub(crate) fn title(room: Option<&str>, unread: u64) -> String {
    let room = sanitise::name(room.unwrap_or("no room"), TITLE);
    let count = if unread > 0 { format!("({unread}) ") } else { String::new() };
    format!("\x1b]2;{count}{room} - rejoin\x07")
}

/// Alerts, not too many of them.
#[derive(Debug, Default)]
pub(crate) struct Alerts {
    notify: Notify,
    next: Option<Instant>,
}

impl Alerts {
    pub(crate) fn new(notify: Notify) -> Self {
        Self { notify, next: None }
    }

    /// The sequence that tells `text` under `title`; empty if none is wanted, or the last has only just been.
    pub(crate) fn sequence(&mut self, now: Instant, title: &str, text: &str) -> String {
        if self.notify == Notify::None || self.next.is_some_and(|next| now < next) {
            return String::new();
        }
        self.next = Some(now + PAUSE);
        // A semicolon would begin another field.
        let part = |text: &str| sanitise::name(text, TEXT).replace(';', ",");
        match self.notify {
            Notify::None => String::new(),
            Notify::Bell => "\x07".to_owned(),
            Notify::Osc9 => format!("\x1b]9;{}: {}\x07", part(title), part(text)),
            Notify::Osc777 => format!("\x1b]777;notify;{};{}\x07", part(title), part(text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_title_has_the_count_and_nothing_that_ends_it_early() {
        assert_eq!(title(Some("lobby"), 0), "\x1b]2;lobby - rejoin\x07");
        assert_eq!(title(Some("a\u{7}\u{1b}[2J\u{9c}"), 3), "\x1b]2;(3) a^G^[[2J\\u{9c} - rejoin\x07");
    }

    #[test]
    fn an_alert_is_as_asked_for_harmless_and_not_at_once_again() {
        let now = Instant::now();
        let tell = |notify| Alerts::new(notify).sequence(now, "bob; in lobby", "hi\u{7}\u{1b}]0;x");
        assert_eq!(tell(Notify::None), "");
        assert_eq!(tell(Notify::Bell), "\x07");
        assert_eq!(tell(Notify::Osc9), "\x1b]9;bob, in lobby: hi^G^[]0,x\x07");
        assert_eq!(tell(Notify::Osc777), "\x1b]777;notify;bob, in lobby;hi^G^[]0,x\x07");
        let mut alerts = Alerts::new(Notify::Bell);
        assert_eq!(alerts.sequence(now, "", ""), "\x07");
        assert_eq!(alerts.sequence(now + PAUSE / 2, "", ""), "");
        assert_eq!(alerts.sequence(now + PAUSE, "", ""), "\x07");
    }
}
