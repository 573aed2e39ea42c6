//! Reorders a command line in which the command follows its options, and names a misspelt command. Interprets no option.

use crate::error::Failure;
use crate::sanitise;
use clap::{Arg, ArgAction, Command};
use std::ffi::OsString;

/// Letters that may be wrong in the name of a command.
const MOST_SLIPS: usize = 2;
/// Columns of a quoted word.
const QUOTED: usize = 40;

/// The words with the command in the first place, wherever among its options it was typed. The first word is the program.
///
/// # Errors
/// A word that stands where a command can, and is none.
pub(crate) fn ordered(mut words: Vec<OsString>, parser: &Command) -> Result<Vec<OsString>, Failure> {
    let bare = positions(&words, parser);
    let word = |at: &usize| words.get(*at).and_then(|word| word.to_str());
    let (Some(first), second) = (bare.first(), bare.get(1).and_then(word)) else { return Ok(words) };
    let Some(name) = word(first) else { return Ok(words) };
    if name == "help" {
        // What stands before it is nothing that help is given for.
        words.drain(1..*first);
        return Ok(words);
    }
    if parser.find_subcommand(name).is_some() {
        let command = words.remove(*first);
        words.insert(1, command);
        return Ok(words);
    }
    if let Some(command) = second.filter(|second| parser.find_subcommand(second).is_some()) {
        let hint = format!("write rejoin {command}, and then the URL and the options");
        return Err(Failure::usage("command", "the command stands behind the URL").hint(hint));
    }
    match misspelt(name, parser) {
        Some(meant) => {
            let shown = sanitise::name(name, QUOTED);
            let what = format!("there is no command \"{shown}\"; did you mean \"{meant}\"?");
            Err(Failure::usage("command", what).hint("rejoin --help lists the commands"))
        }
        None => Ok(words),
    }
}

/// The command that was meant by a word that is none, if one is near enough. Nothing that looks like an address is.
fn misspelt<'a>(name: &str, parser: &'a Command) -> Option<&'a str> {
    if !name.chars().all(|c| c.is_ascii_alphabetic()) {
        return None;
    }
    let name = name.to_ascii_lowercase();
    let near = parser.get_subcommands().map(|command| {
        let known = command.get_name();
        (strsim::osa_distance(known, &name), known)
    });
    let (slips, known) = near.min()?;
    (slips <= MOST_SLIPS && slips * 3 <= known.len().max(name.len()) + 1).then_some(known)
}

/// Where the words are that are neither options nor their values.
fn positions(words: &[OsString], parser: &Command) -> Vec<usize> {
    let mut bare = Vec::new();
    let mut is_value = false;
    for (at, word) in words.iter().enumerate().skip(1) {
        if std::mem::take(&mut is_value) {
            continue;
        }
        let Some(word) = word.to_str() else {
            bare.push(at);
            continue;
        };
        if word == "--" {
            break;
        }
        if let Some(long) = word.strip_prefix("--") {
            is_value = !long.contains('=') && takes_value(parser, |option| option.get_long() == Some(long));
        } else if let Some(cluster) = word.strip_prefix('-').filter(|cluster| !cluster.is_empty()) {
            // What follows the first letter that wants a value in the same word is that.
            let wants = |(_, letter): &(usize, char)| {
                takes_value(parser, |option| option.get_short() == Some(*letter))
            };
            let first = cluster.char_indices().find(wants);
            is_value = first.is_some_and(|(at, letter)| at + letter.len_utf8() == cluster.len());
        } else {
            bare.push(at);
        }
    }
    bare
}

/// Whether the option takes the next word for its value, in whichever command has it.
fn takes_value(parser: &Command, is_it: impl Fn(&Arg) -> bool) -> bool {
    let commands = std::iter::once(parser).chain(parser.get_subcommands());
    let mut options = commands.flat_map(Command::get_arguments);
    options.any(|option| {
        is_it(option)
            && matches!(option.get_action(), ArgAction::Set | ArgAction::Append)
            && !option.is_require_equals_set()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Arguments;
    use clap::CommandFactory as _;

    fn of(line: &str) -> Result<String, String> {
        let words = line.split(' ').map(OsString::from).collect();
        let words = ordered(words, &Arguments::command()).map_err(|failure| failure.render())?;
        Ok(words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn a_command_may_stand_behind_its_options() {
        for (typed, expected) in [
            ("rejoin -v send ws://h hi", "rejoin send -v ws://h hi"),
            ("rejoin -vr a tail ws://h", "rejoin tail -vr a ws://h"),
            ("rejoin -ra -vv pipe ws://h", "rejoin pipe -ra -vv ws://h"),
            ("rejoin --token send tail ws://h", "rejoin tail --token send ws://h"),
            ("rejoin --token=t --json tail ws://h", "rejoin tail --token=t --json ws://h"),
            ("rejoin --notifications chat ws://h", "rejoin chat --notifications ws://h"),
            ("rejoin --log json serve", "rejoin serve --log json"),
            ("rejoin -v man", "rejoin man -v"),
            ("rejoin -v help send", "rejoin help send"),
            ("rejoin send ws://h tail", "rejoin send ws://h tail"),
            ("rejoin -r send ws://h", "rejoin -r send ws://h"),
            ("rejoin -v -- send", "rejoin -v -- send"),
            ("rejoin", "rejoin"),
        ] {
            assert_eq!(of(typed).as_deref(), Ok(expected), "{typed}");
        }
    }

    #[test]
    fn a_misspelt_command_and_one_behind_the_url_say_what_to_write() {
        for (typed, expected) in [
            ("rejoin sned ws://h", "there is no command \"sned\"; did you mean \"send\"? [command]"),
            ("rejoin -v Tial", "did you mean \"tail\"?"),
            ("rejoin docter ws://h", "did you mean \"doctor\"?"),
            ("rejoin serv --listen 1", "did you mean \"serve\"?"),
            ("rejoin ws://h -v send", "write rejoin send, and then the URL and the options"),
        ] {
            assert!(of(typed).unwrap_err().contains(expected), "{typed}: {:?}", of(typed));
        }
        // An address, a message, or nothing like a command.
        for other in ["rejoin localhost:80", "rejoin hello", "rejoin end.example", "rejoin ws://h"] {
            assert_eq!(of(other).as_deref(), Ok(other));
        }
    }
}
