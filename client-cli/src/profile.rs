//! The configuration file: named profiles in the platform's configuration folder.

use crate::args::{AckTextName, PolicyName, Protocol, TokenIn};
use crate::error::Failure;
use directories::{BaseDirs, ProjectDirs};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What a profile may set. The command line and the environment win over it. All of it but `ca` and `policy` is for the
/// server at `url` alone: a token is nobody else's business.
#[derive(Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    pub(crate) url: Option<String>,
    pub(crate) protocol: Option<Protocol>,
    pub(crate) namespace: Option<String>,
    #[serde(default)]
    pub(crate) event_map: BTreeMap<String, String>,
    pub(crate) state: Option<PathBuf>,
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

impl Profile {
    /// What it sets for a server at `url`. Without a URL of its own it is for any, if it was asked for by name.
    pub(crate) fn at(self, url: &str, is_named: bool) -> Self {
        let is_for_it = match &self.url {
            Some(own) => address(own) == address(url),
            None => is_named,
        };
        if is_for_it { self } else { Self { ca: self.ca, policy: self.policy, ..Self::default() } }
    }

    /// Writes the home folder out where a path begins with `~/`, as a shell does.
    fn at_home(&mut self, home: Option<&Path>) {
        let paths = [&mut self.token_file, &mut self.ca, &mut self.state, &mut self.cert, &mut self.key];
        for path in paths.into_iter().flatten() {
            if let (Some(home), Ok(rest)) = (home, path.strip_prefix("~")) {
                *path = home.join(rest);
            }
        }
    }
}

/// The part of a URL that names a server, the same however it is written.
fn address(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let (scheme, authority) = (scheme.to_ascii_lowercase(), authority.to_ascii_lowercase());
    let port = match scheme.as_str() {
        "ws" | "http" => ":80",
        _ => ":443",
    };
    let authority = authority.strip_suffix(port).unwrap_or(&authority);
    format!("{scheme}://{authority}/{}", path.trim_end_matches('/'))
}

/// The name of the profile that is used without `--profile`, if it exists.
const DEFAULT: &str = "default";

pub(crate) fn folders() -> Option<ProjectDirs> {
    ProjectDirs::from("", "", "rejoin")
}

/// Where the configuration is, whether it is there or not.
pub(crate) fn file() -> Option<PathBuf> {
    folders().map(|folders| folders.config_dir().join("config.toml"))
}

/// Reads the profile asked for. No file is no error, unless a profile was named.
pub(crate) fn load(name: Option<&str>) -> Result<Profile, Failure> {
    let Some(path) = file() else {
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
    let mut profile = choose(&text, &path, name)?;
    profile.at_home(BaseDirs::new().as_ref().map(BaseDirs::home_dir));
    Ok(profile)
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
            "a profile looks like [profiles.work] with url, token_file or token_command, token_in, rooms, state, \
             protocol, namespace, event_map, policy, headers, subprotocols, connect_timeout, ca, cert, key, \
             ack_text",
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
    fn what_a_profile_sets_is_for_its_own_url_alone() {
        let text = "[profiles.a]\nurl = \"wss://A.example:443/ws/\"\nrooms = [\"x\"]\ntoken_file = \"/t\"\n\
                    state = \"/s\"\nprotocol = \"socketio\"\nnamespace = \"/n\"\nca = \"/ca\"\n\
                    [profiles.a.event_map]\nmessage = \"said\"\n";
        let chosen = || chosen(text, Some("a")).unwrap();
        for same in ["wss://a.example/ws", "WSS://a.example:443/ws?token=t", "wss://a.example/ws/#x"] {
            assert_eq!(chosen().at(same, true), chosen(), "{same}");
        }
        let elsewhere = Profile { ca: Some("/ca".into()), ..Profile::default() };
        for other in
            ["wss://b.example/ws", "ws://a.example/ws", "wss://a.example:444/ws", "wss://a.example/WS"]
        {
            assert_eq!(chosen().at(other, true), elsewhere, "{other}");
        }
        let without = || Profile { url: None, ..chosen() };
        assert_eq!(
            (without().at("ws://any/", true), without().at("ws://any/", false)),
            (without(), elsewhere)
        );
    }

    #[test]
    fn a_path_may_begin_at_home() {
        let mut profile =
            chosen("[profiles.a]\nstate = \"~/s\"\ntoken_file = \"/~/t\"\n", Some("a")).unwrap();
        profile.at_home(Some(Path::new("/home/ada")));
        assert_eq!(profile.state.as_deref(), Some(Path::new("/home/ada/s")));
        assert_eq!(profile.token_file.as_deref(), Some(Path::new("/~/t")));
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
