//! The configuration file: named profiles in the platform's configuration folder.

use crate::args::{AckTextName, PolicyName, TokenIn};
use crate::error::Failure;
use directories::ProjectDirs;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What a profile may set. The command line and the environment win over it.
#[derive(Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    pub(crate) url: Option<String>,
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) token_command: Option<String>,
    #[serde(default)]
    pub(crate) rooms: Vec<String>,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) policy: Option<PolicyName>,
    pub(crate) ack_text: Option<AckTextName>,
    pub(crate) token_in: Option<TokenIn>,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) subprotocols: Vec<String>,
    pub(crate) connect_timeout: Option<u32>,
    pub(crate) cert: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
}

impl fmt::Debug for Profile {
    /// URL, command and headers may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile").field("rooms", &self.rooms).finish_non_exhaustive()
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    profiles: BTreeMap<String, Profile>,
}

/// The name of the profile that is used without `--profile`, if it exists.
const DEFAULT: &str = "default";

pub(crate) fn folders() -> Option<ProjectDirs> {
    ProjectDirs::from("", "", "rejoin")
}

/// Reads the profile asked for. No file is no error, unless a profile was named.
pub(crate) fn load(name: Option<&str>) -> Result<Profile, Failure> {
    let Some(path) = folders().map(|folders| folders.config_dir().join("config.toml")) else {
        return match name {
            None => Ok(Profile::default()),
            Some(name) => Err(Failure::usage("profile", format!("there is no profile \"{name}\""))
                .hint("this account has no home folder to keep a configuration in")),
        };
    };
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => {
            return Err(Failure::usage("config_file", format!("cannot read {}: {error}", path.display())));
        }
    };
    choose(&text, &path, name)
}

fn choose(text: &str, path: &Path, name: Option<&str>) -> Result<Profile, Failure> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut file: File = toml::from_str(text).map_err(|error| {
        // Not the error's own Display: it quotes the line, which may hold a URL with a token.
        let line = error
            .span()
            .and_then(|span| text.get(..span.start))
            .map_or(1, |before| before.matches('\n').count() + 1);
        Failure::usage("config_file", format!("{}, line {line}: {}", path.display(), error.message())).hint(
            "a profile looks like [profiles.work] with url, token_file or token_command, token_in, rooms, policy, \
             headers, subprotocols, connect_timeout, ca, cert, key, ack_text",
        )
    })?;
    let profile = file.profiles.remove(name.unwrap_or(DEFAULT));
    let profile = match (profile, name) {
        (Some(profile), _) => profile,
        (None, None) => Profile::default(),
        (None, Some(name)) => {
            let known: Vec<&str> = file.profiles.keys().map(String::as_str).collect();
            let hint = if known.is_empty() {
                format!("write [profiles.{name}] into {}", path.display())
            } else {
                format!("{} has: {}", path.display(), known.join(", "))
            };
            return Err(Failure::usage("profile", format!("there is no profile \"{name}\"")).hint(hint));
        }
    };
    if profile.token_file.is_some() && profile.token_command.is_some() {
        return Err(Failure::usage("config_file", "a profile has both token_file and token_command")
            .hint("keep one of them"));
    }
    Ok(profile)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(text: &str, name: Option<&str>) -> Result<Profile, Failure> {
        choose(text, Path::new("config.toml"), name)
    }

    const TWO: &str = "[profiles.default]\nurl = \"wss://a/\"\n[profiles.work]\nurl = \"wss://b/\"\nrooms = [\"x\"]\n\
                       policy = \"legacy\"\ntoken_command = \"pass show chat\"\n";

    #[test]
    fn a_profile_is_chosen_by_name_and_default_without_one() {
        assert_eq!(chosen(TWO, None).unwrap().url.as_deref(), Some("wss://a/"));
        let work = chosen(TWO, Some("work")).unwrap();
        assert_eq!(work.rooms, ["x"]);
        assert_eq!(work.policy, Some(PolicyName::Legacy));
        assert_eq!(chosen("", None).unwrap(), Profile::default());
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_file() {
        assert_eq!(chosen(&format!("\u{feff}{TWO}"), None).unwrap().url.as_deref(), Some("wss://a/"));
    }

    #[test]
    fn an_unknown_profile_names_the_known_ones() {
        let failure = chosen(TWO, Some("home")).unwrap_err();
        assert!(failure.render().contains("config.toml has: default, work"), "{}", failure.render());
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let failure = chosen("[profiles.a]\nurl = \"wss://a/\"\ncolour = 1\n", None).unwrap_err();
        assert!(failure.message.contains("line 3: unknown field `colour`"), "{}", failure.message);
    }

    #[test]
    fn a_broken_line_is_not_quoted_because_it_may_hold_a_token() {
        let failure = chosen("[profiles.a]\nurl = \"ws://h/?token=s3cret\" oops\n", None).unwrap_err();
        assert!(!failure.render().contains("s3cret"), "{}", failure.render());
        assert!(failure.message.contains("line 2"), "{}", failure.message);
    }
}
