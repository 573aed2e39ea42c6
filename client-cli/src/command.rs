//! Parses a typed line into a command. Executes nothing.

use crate::sanitise;

/// Letters by which a command may be missed and still be guessed.
const MOST_SLIPS: usize = 2;
/// Columns of a quoted command.
const QUOTED: usize = 40;

/// What a typed line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Say it in the current room.
    Say(String),
    /// Say it in another one.
    Message {
        room: String,
        text: String,
    },
    Join(String),
    /// Go to a room that one is in, by its name or its number.
    Room(String),
    /// Leave the current room, or the one named.
    Leave(Option<String>),
    Rooms,
    /// Who is in the current room, or the one named.
    Who(Option<String>),
    /// The last so many messages of the current room again; a screenful if no number is given.
    History(Option<usize>),
    /// What was said in the current room and holds this text.
    Search(String),
    /// Write what is kept of the current room into this file.
    Export(String),
    Status,
    Reconnect,
    Quit,
    /// All commands, or the one named: its name, arguments and meaning.
    Help(Option<(&'static str, &'static str, &'static str)>),
}

/// The commands: name, arguments, meaning.
pub(crate) const COMMANDS: [(&str, &str, &str); 14] = [
    ("/join", "ROOM", "join a room and talk there"),
    ("/room", "ROOM", "talk in another of your rooms; Alt-1 to Alt-9 do it too"),
    ("/leave", "[ROOM]", "leave this room, or that one"),
    ("/rooms", "", "the rooms you are in"),
    ("/who", "[ROOM]", "who is here, or there"),
    ("/msg", "ROOM TEXT", "say something in another room"),
    ("/history", "[N]", "the last N messages here again"),
    ("/search", "TEXT", "what was said here that holds TEXT, as far as it is kept"),
    ("/export", "FILE", "write what is kept of this room into a new file"),
    ("/me", "TEXT", "say what you do: the others see * TEXT after your name"),
    ("/status", "", "how the connection is"),
    ("/reconnect", "", "make a fresh connection"),
    ("/quit", "", "send what is waiting, then leave"),
    ("/help", "[COMMAND]", "this list, or one command"),
];

/// Whether the beginning of a line is that of a message.
pub(crate) fn is_message(line: &str) -> bool {
    !line.trim().is_empty() && (!line.starts_with('/') || line.starts_with("//") || line.starts_with("/me "))
}

/// Reads a line. `None` for a blank one; an error is a sentence for the user.
pub(crate) fn parse(line: &str) -> Result<Option<Command>, String> {
    let line = line.trim_end_matches(['\n', '\r']);
    if line.trim().is_empty() {
        return Ok(None);
    }
    if !line.starts_with('/') {
        return Ok(Some(Command::Say(line.to_owned())));
    }
    if let Some(rest) = line.strip_prefix('/').filter(|rest| rest.starts_with('/')) {
        return Ok(Some(Command::Say(rest.to_owned())));
    }
    let (name, rest) = split_word(line);
    let rest = rest.trim();
    let none = |command| if rest.is_empty() { Ok(Some(command)) } else { Err(usage(name)) };
    let (word, after) = split_word(rest);
    let optional = || match (word, after.trim()) {
        ("", _) => Ok(None),
        (room, "") => Ok(Some(room.to_owned())),
        _ => Err(usage(name)),
    };
    match name {
        "/join" => match optional()? {
            Some(room) => Ok(Some(Command::Join(room))),
            None => Err(usage(name)),
        },
        "/room" => match optional()? {
            Some(room) => Ok(Some(Command::Room(room))),
            None => Err(usage(name)),
        },
        "/leave" => Ok(Some(Command::Leave(optional()?))),
        "/who" => Ok(Some(Command::Who(optional()?))),
        "/msg" if !after.trim().is_empty() => {
            Ok(Some(Command::Message { room: word.to_owned(), text: after.trim().to_owned() }))
        }
        "/history" => match optional()?.map(|count| count.parse()) {
            None => Ok(Some(Command::History(None))),
            Some(Ok(count)) => Ok(Some(Command::History(Some(count)))),
            Some(Err(_)) => Err(usage(name)),
        },
        "/search" if !rest.is_empty() => Ok(Some(Command::Search(rest.to_owned()))),
        "/export" if !rest.is_empty() => Ok(Some(Command::Export(rest.to_owned()))),
        // `*` before a text is read as an action by people everywhere, and changes nothing on the wire.
        "/me" if !rest.is_empty() => Ok(Some(Command::Say(format!("* {rest}")))),
        "/msg" | "/search" | "/export" | "/me" => Err(usage(name)),
        "/rooms" => none(Command::Rooms),
        "/status" => none(Command::Status),
        "/reconnect" => none(Command::Reconnect),
        "/quit" => none(Command::Quit),
        "/help" => match optional()? {
            None => Ok(Some(Command::Help(None))),
            Some(asked) => {
                let wanted = format!("/{}", asked.trim_start_matches('/'));
                match COMMANDS.into_iter().find(|(known, ..)| *known == wanted) {
                    Some(command) => Ok(Some(Command::Help(Some(command)))),
                    None => Err(unknown(&wanted)),
                }
            }
        },
        _ => Err(unknown(name)),
    }
}

/// What to say of a command that is none. `//` is said too, to those who meant a text.
fn unknown(name: &str) -> String {
    let shown = sanitise::name(name, QUOTED);
    let near = COMMANDS.iter().map(|(known, ..)| (strsim::osa_distance(known, name), *known)).min();
    match near.filter(|(distance, known)| *distance <= MOST_SLIPS && *distance + 1 < known.len()) {
        Some((_, known)) => format!("{shown} is no command; did you mean {known}? (/help lists all)"),
        None => format!("{shown} is no command; /help lists them, and // at the start says a /"),
    }
}

fn usage(name: &str) -> String {
    let arguments =
        COMMANDS.iter().find(|(known, ..)| *known == name).map_or("", |(_, arguments, _)| arguments);
    format!("usage: {name} {arguments}").trim_end().to_owned()
}

/// The first word, and what follows it.
fn split_word(text: &str) -> (&str, &str) {
    text.split_once(char::is_whitespace).unwrap_or((text, ""))
}

/// What a Tab at the end of `line` may mean: where the word begins, and the words it could become.
pub(crate) fn complete(line: &str, rooms: &[String], names: &[String]) -> (usize, Vec<String>) {
    let start = line
        .rfind(char::is_whitespace)
        .map_or(0, |at| at + line.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8));
    let (before, word) = line.split_at(start);
    let starting = |candidates: &[String], end: &str| {
        candidates
            .iter()
            .filter(|candidate| candidate.starts_with(word))
            .map(|candidate| format!("{candidate}{end}"))
            .collect()
    };
    if before.is_empty() && word.starts_with('/') {
        let commands = COMMANDS.iter().filter(|(name, ..)| name.starts_with(word));
        let found = commands.map(
            |(name, arguments, _)| {
                if arguments.is_empty() { (*name).to_owned() } else { format!("{name} ") }
            },
        );
        return (0, found.collect());
    }
    let found = match before.trim_end() {
        "/join" | "/room" | "/leave" | "/who" => starting(rooms, ""),
        "/msg" => starting(rooms, " "),
        // Nothing typed: every name ever seen is no help.
        _ if word.is_empty() => Vec::new(),
        "" => starting(names, ": "),
        _ => starting(names, ""),
    };
    (start, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_is_read() {
        for (line, expected) in [
            ("hello there ", Command::Say("hello there ".into())),
            (" /not a command", Command::Say(" /not a command".into())),
            ("//shrug", Command::Say("/shrug".into())),
            ("/join  a", Command::Join("a".into())),
            ("/room  a", Command::Room("a".into())),
            ("/leave", Command::Leave(None)),
            ("/leave a ", Command::Leave(Some("a".into()))),
            ("/rooms", Command::Rooms),
            ("/who", Command::Who(None)),
            ("/who a", Command::Who(Some("a".into()))),
            ("/msg a  b c ", Command::Message { room: "a".into(), text: "b c".into() }),
            ("/msg a /b", Command::Message { room: "a".into(), text: "/b".into() }),
            ("/history 12", Command::History(Some(12))),
            ("/history", Command::History(None)),
            ("/search  two words ", Command::Search("two words".into())),
            ("/export  my notes.txt ", Command::Export("my notes.txt".into())),
            ("/me waves", Command::Say("* waves".into())),
            ("/status", Command::Status),
            ("/reconnect", Command::Reconnect),
            ("/quit", Command::Quit),
            ("/help", Command::Help(None)),
            ("/help who", Command::Help(Some(("/who", "[ROOM]", "who is here, or there")))),
            ("/help /who", Command::Help(Some(("/who", "[ROOM]", "who is here, or there")))),
        ] {
            assert_eq!(parse(line), Ok(Some(expected)), "{line}");
        }
        assert_eq!(parse("  "), Ok(None));
        assert_eq!(parse(""), Ok(None));
    }

    #[test]
    fn the_beginning_of_a_message_is_told_from_that_of_a_command() {
        for (line, expected) in [
            ("", false),
            (" ", false),
            ("h", true),
            ("/", false),
            ("/join a", false),
            ("//s", true),
            ("/me w", true),
        ] {
            assert_eq!(is_message(line), expected, "{line}");
        }
    }

    #[test]
    fn a_wrong_command_says_how_it_goes() {
        assert_eq!(parse("/join"), Err("usage: /join ROOM".into()));
        assert_eq!(parse("/join a b"), Err("usage: /join ROOM".into()));
        assert_eq!(parse("/msg a"), Err("usage: /msg ROOM TEXT".into()));
        assert_eq!(parse("/search"), Err("usage: /search TEXT".into()));
        assert_eq!(parse("/export"), Err("usage: /export FILE".into()));
        assert_eq!(parse("/me "), Err("usage: /me TEXT".into()));
        assert_eq!(parse("/quit now"), Err("usage: /quit".into()));
        assert_eq!(parse("/history all"), Err("usage: /history [N]".into()));
        assert!(parse("/nick me").unwrap_err().contains("/help"));
        assert!(parse("/").is_err());
    }

    #[test]
    fn a_command_that_was_missed_by_a_letter_or_two_is_guessed() {
        for (typed, meant) in
            [("/jion", "/join"), ("/rom", "/room"), ("/hist", "/who"), ("/histroy", "/history")]
        {
            let said = parse(&format!("{typed} x")).unwrap_err();
            assert!(said.starts_with(&format!("{typed} is no command")), "{said}");
            assert_eq!(said.contains(&format!("did you mean {meant}?")), typed != "/hist", "{said}");
        }
        assert!(!parse("/\u{1b}[2J").unwrap_err().contains('\u{1b}'));
    }

    #[test]
    fn every_command_of_the_list_is_known() {
        for (name, ..) in COMMANDS {
            let known = parse(name).is_ok() || parse(name).unwrap_err().starts_with("usage");
            assert!(known, "{name}");
        }
    }

    #[test]
    fn tab_completes_commands_rooms_and_names() {
        let rooms = ["lobby".to_owned(), "logs".to_owned()];
        let names = ["alice".to_owned(), "bob".to_owned()];
        for (line, start, expected) in [
            ("/j", 0, &["/join "][..]),
            ("/r", 0, &["/room ", "/rooms", "/reconnect"]),
            ("/join l", 6, &["lobby", "logs"]),
            ("/join ", 6, &["lobby", "logs"]),
            ("/msg lob", 5, &["lobby "]),
            ("al", 0, &["alice: "]),
            ("hi b", 3, &["bob"]),
            ("é b", 3, &["bob"]),
            ("hi ", 3, &[]),
            ("", 0, &[]),
            ("/msg lobby a", 11, &["alice"]),
        ] {
            let (at, found) = complete(line, &rooms, &names);
            assert_eq!(
                (at, found.iter().map(String::as_str).collect::<Vec<_>>()),
                (start, expected.to_vec()),
                "{line}"
            );
        }
    }
}
