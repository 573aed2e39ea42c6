//! The manual page: all commands on one page, generated from the command line's definitions.

use crate::args::Arguments;
use clap::CommandFactory as _;
use clap_mangen::Man;
use std::fmt::Write as _;
use std::io;

const EXIT_STATUS: [(&str, &str); 5] = [
    ("0", "Done. Every message was delivered (on a plain server: written)."),
    (
        "1",
        "A message was not delivered for certain, a line of the input was refused, a room of pipe was refused for good, stdin cannot be read, stdout cannot be written, or a step \
         of doctor or a check of conformance failed.",
    ),
    (
        "2",
        "Wrong usage: the command line, the configuration or a file; a token command that does not exist or prints what cannot be a token.",
    ),
    ("3", "The server ended the connection for good: a refused token, for instance."),
    ("130", "Interrupted with Ctrl-C, or by a second SIGTERM."),
];

const ENVIRONMENT: [(&str, &str); 7] = [
    ("REJOIN_URL", "The server, or the name of a profile, where no URL is given."),
    ("REJOIN_TOKEN", "The access token, where no option gives one."),
    ("REJOIN_TOKEN_IN", "Where the token goes, header or query, where --token-in does not say it."),
    ("https_proxy, http_proxy, all_proxy", "An HTTP proxy to connect through."),
    ("no_proxy", "Hosts that are reached without it."),
    ("TZ", "The time zone in which chat and tail show times; the system's if it is not set."),
    ("NO_COLOR", "Set to anything: no colours."),
];

/// The page, in roff.
pub(crate) fn page() -> io::Result<Vec<u8>> {
    // What stands below the help has sections of its own here.
    let mut command = Arguments::command().after_help("").after_long_help("");
    command.build();
    let mut page = Vec::new();
    let man = Man::new(command.clone());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    page.extend_from_slice(format!(".SH SYNOPSIS\n{}", synopsis(&command)).as_bytes());
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    let mut rest = String::from(".SH COMMANDS\n");
    for command in command.get_subcommands().filter(|command| command.get_name() != "help") {
        of_command(command, &mut rest)?;
    }
    section("EXIT STATUS", &EXIT_STATUS, &mut rest);
    section("ENVIRONMENT", &ENVIRONMENT, &mut rest);
    let (config, history) = files();
    let files = [
        (
            &*config,
            "Named profiles: [profiles.NAME] with url, token_file or token_command, rooms, state and more; see \
             --help and --profile. What a profile sets is for its own URL. [chat] with notify, title, typing, history and \
             colours: how a chat looks, in every profile.",
        ),
        (
            &*history,
            "Lines typed in chat. Lines that begin with a space are left out, and all with history = false in [chat].",
        ),
    ];
    section("FILES", &files, &mut rest);
    page.extend_from_slice(rest.as_bytes());
    man.render_version_section(&mut page)?;
    Ok(page)
}

/// A command's synopsis, description and options, one level below where they stand on a page of their own.
fn of_command(command: &clap::Command, page: &mut String) -> io::Result<()> {
    let man = Man::new(command.clone());
    let mut sections = Vec::new();
    man.render_description_section(&mut sections)?;
    man.render_options_section(&mut sections)?;
    // Writing to a String does not fail, here and below.
    let _ = write!(page, ".SS \"rejoin {}\"\n{}", command.get_name(), synopsis(command));
    for line in String::from_utf8_lossy(&sections).lines() {
        match line.strip_prefix(".SH ") {
            Some("OPTIONS" | "ARGUMENTS") => page.push_str(".PP\nOptions:\n"),
            Some(_) => page.push_str(".PP\n"),
            None => {
                let _ = writeln!(page, "{line}");
            }
        }
    }
    Ok(())
}

/// How a command is called, with what each option takes, which `clap_mangen` leaves out.
fn synopsis(command: &clap::Command) -> String {
    let mut text = format!("\\fB{}\\fR", escaped(command.get_bin_name().unwrap_or(command.get_name())));
    for option in command.get_arguments().filter(|option| !option.is_positional() && !option.is_hide_set()) {
        let mut names: Vec<String> =
            option.get_short().map(|short| format!("-{short}")).into_iter().collect();
        names.extend(option.get_long().map(|long| format!("--{long}")));
        let is_optional = option.get_num_args().is_some_and(|count| count.min_values() == 0);
        let value = match values(option) {
            value if value.is_empty() => value,
            value if is_optional => format!("[={value}]"),
            value => format!(" {value}"),
        };
        let _ =
            write!(text, " {}", bracketed(option, &format!("\\fB{}\\fR{value}", escaped(&names.join("|")))));
    }
    for argument in command.get_positionals().filter(|argument| !argument.is_hide_set()) {
        let _ = write!(text, " {}", bracketed(argument, &values(argument)));
    }
    if command.has_subcommands() {
        text.push_str(" [\\fICOMMAND\\fR]");
    }
    text.push('\n');
    text
}

/// The names of what an argument takes; nothing for a flag.
fn values(argument: &clap::Arg) -> String {
    if !argument.get_action().takes_values() {
        return String::new();
    }
    let own = argument.get_id().as_str().to_ascii_uppercase();
    let names: Vec<&str> = match argument.get_value_names() {
        Some(names) => names.iter().map(clap::builder::Str::as_str).collect(),
        None => vec![&own],
    };
    format!("\\fI{}\\fR", escaped(&names.join(" ")))
}

fn bracketed(argument: &clap::Arg, text: &str) -> String {
    let is_repeated = matches!(argument.get_action(), clap::ArgAction::Append);
    let more = if is_repeated { "..." } else { "" };
    if argument.is_required_set() { format!("{text}{more}") } else { format!("[{text}]{more}") }
}

fn section(title: &str, entries: &[(&str, &str)], page: &mut String) {
    let _ = writeln!(page, ".SH \"{title}\"");
    for (term, meaning) in entries {
        let _ = writeln!(page, ".TP\n\\fB{}\\fR\n{}", escaped(term), escaped(meaning));
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}

/// The configuration and the history, as far as they can be named without a user.
fn files() -> (String, String) {
    let folders = crate::folders::ours();
    let path = |folder: Option<&std::path::Path>, otherwise: &str, name: &str| {
        folder.map_or_else(|| format!("{otherwise}/{name}"), |folder| folder.join(name).display().to_string())
    };
    (
        path(folders.as_ref().map(directories::ProjectDirs::config_dir), "~/.config/rejoin", "config.toml"),
        path(folders.as_ref().map(directories::ProjectDirs::data_dir), "~/.local/share/rejoin", "history"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_with_its_options_stands_in_the_manual() {
        let page = String::from_utf8(page().unwrap()).unwrap().replace('\\', "");
        for command in
            ["chat", "pipe", "send", "tail", "serve", "token", "doctor", "conformance", "completions", "man"]
        {
            assert!(page.contains(&format!(".SS \"rejoin {command}\"")), "{command}");
        }
        assert!(page.contains("[fB--listenfR fIADDRfR]"), "{page}");
        for option in ["--drain-timeout", "--timeout", "--sse", "--heartbeat", "--token-file", "--utc"] {
            assert!(page.contains(option), "{option}");
        }
        for section in ["EXIT STATUS", "ENVIRONMENT", "FILES"] {
            assert!(page.contains(&format!(".SH \"{section}\"")), "{section}");
        }
        assert!(!page.contains("EXTRA") && page.contains("config.toml") && page.contains("REJOIN_TOKEN"));
    }
}
