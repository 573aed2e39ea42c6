//! The status line above the input: room, state, members, round trip, typing users and unread messages. Fits every width; requests
//! nothing.

use crate::render::is_narrow;
use crate::sanitise;
use std::fmt::Write as _;
use std::time::Duration;

/// Columns of a room's name, or of somebody's who is typing.
const NAME: usize = 20;
/// So many are named who are typing.
const MOST_TYPING: usize = 2;
/// The line begins with this: no message can.
const BEGINNING: &str = "─ ";
const BETWEEN: &str = " · ";

const DIM: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";
const RESET: &str = "\x1b[0m";

/// What the line says.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) colour: bool,
    /// The state's name, unless connected.
    pub(crate) state: Option<&'static str>,
    pub(crate) rooms: Vec<RoomStatus>,
    /// How many are in the current room, where the server says so.
    pub(crate) people: Option<u64>,
    pub(crate) round_trip: Option<Duration>,
    /// Who is typing in the current room.
    pub(crate) typing: Vec<String>,
}

/// A room in the line, in the order of the keys that switch to them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct RoomStatus {
    pub(crate) name: String,
    pub(crate) unread: u64,
    /// The user's name is among what is unread.
    pub(crate) is_mentioned: bool,
    pub(crate) is_current: bool,
}

/// A part of the line. The one with the highest rank goes first when there is too little room.
struct Part {
    rank: usize,
    text: String,
    is_loud: bool,
}

impl Status {
    /// The line, its control sequences included, and its columns: fewer than the terminal has.
    pub(crate) fn line(&self, width: usize) -> (String, usize) {
        let most = width.saturating_sub(1);
        if most == 0 {
            return (String::new(), 0);
        }
        let mut parts = self.parts(is_narrow(width));
        while columns(&parts) > most
            && parts.len() > 1
            && let Some(last) = (0..parts.len()).max_by_key(|at| parts.get(*at).map(|part| part.rank))
        {
            parts.remove(last);
        }
        if columns(&parts) > most {
            let plain = sanitise::truncate(&(BEGINNING.to_owned() + &joined(&parts, false)), most);
            let columns = sanitise::display_width(&plain);
            return (self.dim(&plain), columns);
        }
        (self.dim(&(BEGINNING.to_owned() + &joined(&parts, self.colour))), columns(&parts))
    }

    fn dim(&self, text: &str) -> String {
        if self.colour { format!("{DIM}{text}{RESET}") } else { text.to_owned() }
    }

    fn parts(&self, is_narrow: bool) -> Vec<Part> {
        let quiet = |rank, text: String| Part { rank, text, is_loud: false };
        let mut parts = Vec::new();
        let is_one = self.rooms.len() == 1;
        let shown = |(at, room): (usize, &RoomStatus)| {
            let name = sanitise::name(&room.name, NAME);
            if is_one { name } else { format!("{}:{name}", at + 1) }
        };
        match self.rooms.iter().enumerate().find(|(_, room)| room.is_current) {
            Some(current) => parts.push(quiet(0, shown(current))),
            None => parts.push(quiet(0, "no room".to_owned())),
        }
        match self.state {
            Some(state) => parts.push(quiet(1, state.to_owned())),
            None if is_narrow => {}
            None => parts.push(quiet(5_000, "connected".to_owned())),
        }
        match self.people {
            Some(count) if is_narrow => parts.push(quiet(3_000, format!("{count} here"))),
            Some(1) => parts.push(quiet(3_000, "1 person".to_owned())),
            Some(count) => parts.push(quiet(3_000, format!("{count} people"))),
            None => {}
        }
        if let Some(round_trip) = self.round_trip.filter(|_| self.state.is_none()) {
            parts.push(quiet(4_000, format!("{} ms", round_trip.as_millis().max(1))));
        }
        if let Some(typing) = typing(&self.typing) {
            parts.push(quiet(2_000, typing));
        }
        for (at, room) in self.rooms.iter().enumerate().filter(|(_, room)| !room.is_current) {
            let mut text = shown((at, room));
            if room.unread > 0 {
                let mention = if room.is_mentioned { "!" } else { "" };
                // Writing to a String does not fail.
                let _ = write!(text, " ({}{mention})", room.unread);
            }
            // The last room goes first, those with nothing new before the others, and a mention stays longest.
            let rank = match (room.unread, room.is_mentioned) {
                (0, _) => 1_000_000,
                (_, false) => 1_000,
                (_, true) => 10,
            };
            parts.push(Part { rank: rank + at, text, is_loud: room.unread > 0 });
        }
        parts
    }
}

fn columns(parts: &[Part]) -> usize {
    sanitise::display_width(BEGINNING) + sanitise::display_width(&joined(parts, false))
}

fn joined(parts: &[Part], colour: bool) -> String {
    let text = |part: &Part| {
        if part.is_loud && colour {
            format!("{RESET}{BOLD}{}{RESET}{DIM}", part.text)
        } else {
            part.text.clone()
        }
    };
    parts.iter().map(text).collect::<Vec<_>>().join(BETWEEN)
}

fn typing(names: &[String]) -> Option<String> {
    let shown = |name: &String| sanitise::name(name, NAME);
    match names {
        [] => None,
        [one] => Some(format!("{} is typing", shown(one))),
        _ if names.len() > MOST_TYPING => Some("several are typing".to_owned()),
        _ => {
            let names: Vec<String> = names.iter().map(shown).collect();
            Some(format!("{} are typing", names.join(" and ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str, unread: u64, is_current: bool) -> RoomStatus {
        RoomStatus { name: name.to_owned(), unread, is_mentioned: false, is_current }
    }

    fn status() -> Status {
        Status {
            rooms: vec![room("lobby", 0, true), room("kitchen", 3, false), room("logs", 0, false)],
            people: Some(4),
            round_trip: Some(Duration::from_micros(12_300)),
            typing: vec!["bob".to_owned()],
            ..Status::default()
        }
    }

    fn line(status: &Status, width: usize) -> String {
        status.line(width).0
    }

    #[test]
    fn it_says_where_one_is_how_the_connection_is_and_what_is_unread_elsewhere() {
        assert_eq!(
            line(&status(), 110),
            "─ 1:lobby · connected · 4 people · 12 ms · bob is typing · 2:kitchen (3) · 3:logs"
        );
        let lost = Status { state: Some("reconnecting"), typing: Vec::new(), ..status() };
        assert_eq!(line(&lost, 80), "─ 1:lobby · reconnecting · 4 people · 2:kitchen (3) · 3:logs");
        let one = Status { rooms: vec![room("lobby", 0, true)], people: Some(1), ..Status::default() };
        assert_eq!(line(&one, 80), "─ lobby · connected · 1 person");
        assert_eq!(line(&Status::default(), 80), "─ no room · connected");
    }

    #[test]
    fn what_matters_least_goes_first_where_there_is_little_room() {
        assert_eq!(line(&status(), 62), "─ 1:lobby · 4 people · 12 ms · bob is typing · 2:kitchen (3)");
        assert_eq!(line(&status(), 45), "─ 1:lobby · bob is typing · 2:kitchen (3)");
        assert_eq!(line(&status(), 20), "─ 1:lobby");
        for width in 0..120 {
            for colour in [false, true] {
                let status = Status { colour, ..status() };
                let (line, columns) = status.line(width);
                assert!(columns < width.max(1), "{width}: {line}");
                assert_eq!(line.contains('\u{1b}'), colour && columns > 0, "{width}: {line}");
            }
        }
    }

    #[test]
    fn a_mention_stays_longest_and_is_marked() {
        let mut status = status();
        status.rooms = vec![room("a", 0, true), room("quiet", 9, false), room("loud", 1, false)];
        status.rooms[2].is_mentioned = true;
        status.typing.clear();
        assert_eq!(line(&status, 24), "─ 1:a · 3:loud (1!)");
    }

    #[test]
    fn names_in_it_are_harmless_and_bounded() {
        let status = Status {
            rooms: vec![room(&format!("x\u{1b}[2J{}", "y".repeat(100)), 0, true)],
            typing: vec!["\u{1b}]0;t\u{7}".to_owned(), "ann".to_owned()],
            ..Status::default()
        };
        let line = line(&status, 100);
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert!(line.contains("^[]0;t^G and ann are typing"), "{line}");
    }
}
