//! The options of a chat's screen. Options that are not given come from `[chat]` in the configuration file.

use crate::alert::Notify;
use clap::Args;

#[derive(Debug, Default, Args)]
pub(crate) struct ScreenArgs {
    /// How to tell that somebody has named you, or that there is a notification for you.
    #[arg(long, value_enum, value_name = "HOW")]
    pub(crate) notify: Option<Notify>,
    /// Show room and unread messages in the window's title; --title=false for not.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) title: Option<bool>,
    /// Tell the others of a room that you are typing; --typing=false for not.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) typing: Option<bool>,
}
