//! The options that a suggested command line must repeat to reach the same server. Secrets are replaced by placeholders.

use crate::args::{ConnectionArgs, PolicyName, TokenIn};
use crate::sanitise;

/// The options, each with a space before it. `token_in_url`: the URL that was given has the token.
pub(crate) fn options(arguments: &ConnectionArgs, token_in_url: bool) -> String {
    let mut options = Options::default();
    options.value("--profile", arguments.profile.as_deref());
    if arguments.token.is_some() {
        options.value("--token", Some("TOKEN"));
    } else if let Some(file) = &arguments.token_file {
        options.value("--token-file", Some(&file.to_string_lossy()));
    } else if arguments.token_command.is_some() {
        // It may have a secret in it.
        options.value("--token-command", Some("CMD"));
    } else if token_in_url {
        options.value("--token", Some("TOKEN"));
    }
    if arguments.auth.is_some() {
        options.value("--auth", Some("AUTH"));
    }
    match arguments.request.token_in {
        Some(TokenIn::Header) => options.value("--token-in", Some("header")),
        Some(TokenIn::Query) => options.value("--token-in", Some("query")),
        Some(TokenIn::Message) => options.value("--token-in", Some("message")),
        None if token_in_url => options.value("--token-in", Some("query")),
        None => {}
    }
    for header in &arguments.request.headers {
        let name = header.split(':').next().unwrap_or_default().trim();
        options.value("--header", Some(&format!("{name}: …")));
    }
    for name in &arguments.request.subprotocols {
        options.value("--subprotocol", Some(name));
    }
    let seconds = arguments.request.connect_timeout.map(|seconds| seconds.to_string());
    options.value("--connect-timeout", seconds.as_deref());
    if arguments.policy == Some(PolicyName::Legacy) {
        options.value("--policy", Some("legacy"));
    }
    for (option, path) in [
        ("--ca", &arguments.request.ca),
        ("--cert", &arguments.request.cert),
        ("--key", &arguments.request.key),
    ] {
        options.value(option, path.as_ref().map(|path| path.to_string_lossy()).as_deref());
    }
    options.0
}

#[derive(Default)]
struct Options(String);

impl Options {
    fn value(&mut self, option: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.0.extend([" ", option, " ", &quoted(value)]);
        }
    }
}

/// A word for the shell.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '/');
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Longer texts are not repeated.
const LONGEST_TEXT: usize = 200;

/// The text of a message behind the options, with a space before it. One that would fill the screen, or act on it, is replaced by
/// a placeholder.
pub(crate) fn suggested_text(text: &str) -> String {
    let is_shown = text.len() <= LONGEST_TEXT && text == sanitise::line(text);
    let dashes = if text.starts_with('-') { " --" } else { "" };
    format!("{dashes} {}", if is_shown { quoted(text) } else { "TEXT".to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Arguments, Command};
    use clap::Parser as _;

    fn of(line: &[&str], token_in_url: bool) -> String {
        let line = ["rejoin", "doctor", "ws://h"].iter().chain(line);
        let Some(Command::Doctor(doctor)) = Arguments::parse_from(line).command else { panic!("no doctor") };
        options(&doctor.connection, token_in_url)
    }

    #[test]
    fn what_was_given_is_repeated_and_no_secret_is() {
        assert_eq!(of(&[], false), "");
        assert_eq!(of(&["--token", "s3cret"], false), " --token TOKEN");
        assert_eq!(of(&[], true), " --token TOKEN --token-in query");
        assert_eq!(of(&["--token-command", "echo s3cret"], false), " --token-command CMD");
        assert_eq!(
            of(&["--token-file", "my token", "--header", "Cookie: s3cret", "--ca", "/a/b.pem"], false),
            " --token-file 'my token' --header 'Cookie: …' --ca /a/b.pem"
        );
        assert_eq!(
            of(
                &["--profile", "p", "--token-in", "header", "--subprotocol", "v1", "--connect-timeout", "3"],
                false
            ),
            " --profile p --token-in header --subprotocol v1 --connect-timeout 3"
        );
    }

    #[test]
    fn a_text_is_repeated_as_one_word_unless_it_is_long_or_acts_on_a_screen() {
        assert_eq!(suggested_text("it's me; $(rm)"), " 'it'\\''s me; $(rm)'");
        assert_eq!(suggested_text("-x"), " -- -x");
        assert_eq!(suggested_text("a\nb"), " TEXT");
        assert_eq!(suggested_text("\u{1b}[2J"), " TEXT");
        assert_eq!(suggested_text(&"x".repeat(LONGEST_TEXT + 1)), " TEXT");
    }

    #[test]
    fn a_word_is_quoted_for_the_shell() {
        assert_eq!(quoted("lobby"), "lobby");
        assert_eq!(quoted("two words"), "'two words'");
        assert_eq!(quoted("it's; rm"), "'it'\\''s; rm'");
        assert_eq!(quoted(""), "''");
    }
}
