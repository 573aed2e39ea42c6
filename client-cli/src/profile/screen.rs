//! `[chat]` in the configuration file: the look and behaviour of a chat, for every profile.

use crate::alert::Notify;
use crate::args::ScreenArgs;
use crate::colours::Colours;
use serde::Deserialize;

#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Screen {
    pub(crate) notify: Option<Notify>,
    pub(crate) title: Option<bool>,
    /// Whether the others are told that the user is typing.
    pub(crate) typing: Option<bool>,
    /// Whether typed lines are kept in a file for the next chat.
    pub(crate) history: Option<bool>,
    #[serde(default)]
    pub(crate) colours: Colours,
}

impl Screen {
    /// What the command line says wins.
    pub(crate) fn under(self, arguments: &ScreenArgs) -> Self {
        Self {
            notify: arguments.notify.or(self.notify),
            title: arguments.title.or(self.title),
            typing: arguments.typing.or(self.typing),
            history: self.history,
            colours: self.colours,
        }
    }
}
