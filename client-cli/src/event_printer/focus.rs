//! Shows one room at a time: messages of other rooms are counted until the user selects their room. Reads no keys.

use super::EventPrinter;
use crate::alert::Alerts;
use crate::colours::Palette;
use crate::mention;
use crate::render::plain_name;
use crate::rooms::ScrollbackEntry;
use rejoin::Message;
use tokio::time::Instant;

/// Messages that are shown of a room one comes to, and at most so many of them where more is unread.
const SHOWN: usize = 20;
const MOST_SHOWN: usize = 100;

/// What a chat on a terminal has beside its lines.
#[derive(Debug, Default)]
pub(crate) struct Focus {
    /// Only the current room is shown.
    is_on: bool,
    /// What came to the current room since the user pressed a key last.
    pub(crate) unseen: u64,
    alerts: Alerts,
}

impl Focus {
    pub(super) fn is_on(&self) -> bool {
        self.is_on
    }
}

impl EventPrinter {
    /// From now on only the current room is shown.
    pub(crate) fn focus(&mut self, alerts: Alerts, palette: Palette) {
        self.focus = Focus { is_on: true, unseen: 0, alerts };
        self.renderer.palette = palette;
    }

    /// The user's own name is known.
    pub(crate) fn set_me(&mut self, me: Option<String>) {
        self.renderer.me = me;
    }

    /// Whether a message to a room is kept for later.
    pub(super) fn is_hidden(&self, room: &str) -> bool {
        self.focus.is_on && self.rooms.current() != Some(room)
    }

    /// How much is new, here and elsewhere.
    pub(crate) fn unread(&self) -> u64 {
        let elsewhere = self.rooms.list().map(|(room, _)| self.rooms.unread_in(room).count);
        elsewhere.fold(self.focus.unseen, u64::saturating_add)
    }

    /// Somebody else has said something new.
    pub(super) fn count_message(&mut self, message: &Message) {
        if !self.focus.is_on {
            return;
        }
        let is_mentioned = mention::is_in(&message.content, self.renderer.me.as_deref());
        if self.is_hidden(&message.room) {
            self.rooms.unread(&message.room, is_mentioned);
        } else {
            self.focus.unseen = self.focus.unseen.saturating_add(1);
        }
        if is_mentioned {
            let title = format!("{} in {}", plain_name(&message.user), plain_name(&message.room));
            self.alert(&title, &message.content);
        }
    }

    /// Draws attention, as the user wants it.
    pub(super) fn alert(&mut self, title: &str, text: &str) {
        let sequence = self.focus.alerts.sequence(Instant::now(), title, text);
        self.printed.extend_from_slice(sequence.as_bytes());
    }

    /// The user has come to another room: what was said there, and what of it is new.
    pub(crate) fn show_room(&mut self) {
        let Some(room) = self.rooms.current().map(str::to_owned) else { return };
        if !self.focus.is_on {
            return self.notice(&format!("now talking in {}", plain_name(&room)));
        }
        self.end_repeats();
        self.focus.unseen = 0;
        let unread = usize::try_from(self.rooms.read(&room).count).unwrap_or(usize::MAX);
        let mut out = String::new();
        self.renderer.enter_room(&mut out, &room);
        self.printed.extend_from_slice(out.as_bytes());
        let said = self.rooms.history(&room, unread.clamp(SHOWN, MOST_SHOWN));
        let old = said.len().saturating_sub(unread);
        self.past_of = None;
        for (at, ScrollbackEntry { at: time, who, content }) in said.into_iter().enumerate() {
            if at == old && unread > 0 {
                self.past_of = Some(room.clone());
                self.separate_history(&room);
            }
            self.message(time, &room, &who, &content);
        }
        if unread > MOST_SHOWN {
            let hidden = unread - MOST_SHOWN;
            self.notice(&format!("{hidden} more before these; /history {unread} shows what is kept of them"));
        }
        self.past_of = (unread == 0).then_some(room);
    }
}
