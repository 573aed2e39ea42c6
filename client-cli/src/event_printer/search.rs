//! Searches the scrollback of a room. Sends no request.

use super::EventPrinter;
use crate::render::plain_name;
use crate::rooms::ScrollbackEntry;
use crate::sanitise;

/// Finds that are shown.
const MOST_FOUND: usize = 20;
/// Columns of what was looked for.
const QUOTED: usize = 40;

impl EventPrinter {
    /// Shows what was said in a room and holds `text`.
    pub(crate) fn search(&mut self, room: &str, text: &str) {
        let (found, count) = self.rooms.find(room, text, MOST_FOUND);
        let (what, room_shown) = (sanitise::name(text, QUOTED), plain_name(room));
        match count {
            0 => {
                return self.notice(&format!(
                    "none of the last 200 messages of {room_shown} shown here holds \"{what}\""
                ));
            }
            1 => self.notice(&format!("1 message in {room_shown} holds \"{what}\"")),
            _ if count > found.len() => {
                let shown = found.len();
                self.notice(&format!("{count} messages in {room_shown} hold \"{what}\"; the last {shown}:"));
            }
            _ => self.notice(&format!("{count} messages in {room_shown} hold \"{what}\"")),
        }
        for ScrollbackEntry { at, who, content } in found {
            self.message(at, room, &who, &content);
        }
        self.past_of = Some(room.to_owned());
    }
}
