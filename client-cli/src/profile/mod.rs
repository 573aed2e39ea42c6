//! The configuration file: named profiles in the platform's configuration folder.

mod file;
mod screen;

use crate::args::{AckTextName, PolicyName, Protocol, TokenIn, TransportsName};
use crate::error::Failure;
use crate::{files, folders};
use file::File;
pub(crate) use screen::Screen;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// What a profile may set. The command line and the environment win over it. All of it but `ca` and `policy` is for the
/// server at `url` alone: a token is nobody else's business.
#[derive(Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    pub(crate) url: Option<String>,
    pub(crate) protocol: Option<Protocol>,
    /// One name, or a list of them.
    #[serde(default, deserialize_with = "one_or_more")]
    pub(crate) namespace: Vec<String>,
    /// Fields of the `auth` object beside the token.
    #[serde(default)]
    pub(crate) auth: serde_json::Map<String, serde_json::Value>,
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
    pub(crate) transports: Option<TransportsName>,
    pub(crate) token_in: Option<TokenIn>,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) subprotocols: Vec<String>,
    pub(crate) connect_timeout: Option<u32>,
    pub(crate) cert: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
}

/// A text, or a list of texts.
fn one_or_more<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a namespace, or a list of them")]
    enum Names {
        One(String),
        Several(Vec<String>),
    }
    Ok(match Names::deserialize(deserializer)? {
        Names::One(name) => vec![name],
        Names::Several(names) => names,
    })
}

impl fmt::Debug for Profile {
    /// URL, command and headers may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile").field("rooms", &self.rooms).finish_non_exhaustive()
    }
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
            *path = folders::expand_home(std::mem::take(path), home);
        }
    }
}

/// A URL without the credentials in it, the same however it is written. A state file is for this much of it.
fn address(url: &str) -> String {
    let (url, query) = url.split('#').next().unwrap_or_default().split_once('?').unwrap_or((url, ""));
    let url = url.split('#').next().unwrap_or_default();
    let fields = query.split('&').filter(|field| !field.is_empty() && !field.starts_with("token="));
    let query: String = fields.flat_map(|field| ["?", field]).collect();
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let (scheme, authority) = (scheme.to_ascii_lowercase(), authority.to_ascii_lowercase());
    let port = match scheme.as_str() {
        "ws" | "http" => ":80",
        _ => ":443",
    };
    let authority = authority.strip_suffix(port).unwrap_or(&authority);
    format!("{scheme}://{authority}/{path}{query}")
}

/// The name of the profile that is used without `--profile`, if it exists.
const DEFAULT: &str = "default";

/// Reads the profile asked for. No file is no error, unless a profile was named. What is wrong with other profiles is no
/// concern of its user's.
pub(crate) fn load(name: Option<&str>) -> Result<Profile, Failure> {
    let Some(path) = folders::config_file() else {
        return match name {
            None => Ok(Profile::default()),
            Some(name) => Err(Failure::usage("profile", format!("there is no profile \"{name}\""))
                .hint("this account has no home folder to keep a configuration in")),
        };
    };
    let mut profile = File::read(&text_of(&path)?).choose(&path, name)?;
    profile.at_home(folders::home().as_deref());
    Ok(profile)
}

/// Whether the file has a profile of this name. One that cannot be read has none.
pub(crate) fn is_known(name: &str) -> bool {
    let text = folders::config_file().and_then(|path| text_of(&path).ok());
    text.is_some_and(|text| File::read(&text).names(name))
}

/// Where the file has a table of this name that is no profile because `profiles.` is not before it.
pub(crate) fn unnamed(name: &str) -> Option<String> {
    let path = folders::config_file()?;
    let text = text_of(&path).ok()?;
    File::read(&text).unnamed(&path, name)
}

/// How a chat looks, as far as the file says. One that cannot be read stops only who needs a profile of it.
pub(crate) fn screen() -> Result<Screen, Failure> {
    let Some(path) = folders::config_file() else { return Ok(Screen::default()) };
    let Ok(text) = text_of(&path) else { return Ok(Screen::default()) };
    File::read(&text).screen(&path)
}

/// What is wrong with the file beside the profile in use: each mistake, and whom it stops.
pub(crate) fn mistakes_in_others(name: Option<&str>) -> Vec<(String, String)> {
    let Some(path) = folders::config_file() else { return Vec::new() };
    let Ok(text) = text_of(&path) else { return Vec::new() };
    let file = File::read(&text);
    let mistakes = file.mistakes_in_others(name.unwrap_or(DEFAULT));
    mistakes.iter().map(|mistake| (mistake.in_words(&path), mistake.effect())).collect()
}

fn text_of(path: &Path) -> Result<String, Failure> {
    let text = files::read(path, files::MOST).and_then(|bytes| {
        String::from_utf8(bytes).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
    });
    match text {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(Failure::usage("config_file", format!("cannot read {}: {error}", path.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(text: &str, name: Option<&str>) -> Result<Profile, Failure> {
        File::read(text).choose(Path::new("config.toml"), name)
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
    fn how_a_chat_looks_stands_beside_the_profiles_and_its_mistakes_stop_no_profile() {
        let read = |text: &str| File::read(text).screen(Path::new("config.toml"));
        let text = "[chat]\nnotify = \"osc9\"\ncolours = { own = 28, names = [31, 62] }\n";
        let screen = read(&format!("{text}{TWO}")).unwrap();
        assert_eq!(screen.notify, Some(crate::alert::Notify::Osc9));
        assert_eq!(screen.colours.names, Some(vec![31, 62]));
        assert_eq!(read(TWO).unwrap(), Screen::default());
        for mistake in ["notify = \"loud\"", "colour = 1", "[chat.colours]\nown = 256"] {
            let text = format!("{TWO}[chat]\n{mistake}\n");
            assert!(read(&text).unwrap_err().message.contains("[chat]"), "{mistake}");
            assert!(chosen(&text, Some("work")).is_ok(), "{mistake}");
            let told = File::read(&text).mistakes_in_others("work");
            assert_eq!(told.len(), 1, "{mistake}: {told:?}");
            assert_eq!(told[0].effect(), "it stops every 'rejoin chat', and no other command", "{mistake}");
        }
        assert!(File::read(text).mistakes_in_others("work").is_empty());
    }

    #[test]
    fn a_namespace_is_one_or_a_list() {
        let with = |value: &str| chosen(&format!("[profiles.a]\nnamespace = {value}\n"), Some("a"));
        assert_eq!(with("\"/n\"").unwrap().namespace, ["/n"]);
        assert_eq!(with("[\"/\", \"/n\"]").unwrap().namespace, ["/", "/n"]);
        assert!(with("7").unwrap_err().render().contains("a list of them"));
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
        for same in ["wss://a.example/ws/", "WSS://a.example:443/ws/?token=t", "wss://a.example/ws/#x"] {
            assert_eq!(chosen().at(same, true), chosen(), "{same}");
        }
        let elsewhere = Profile { ca: Some("/ca".into()), ..Profile::default() };
        for other in
            ["wss://b.example/ws/", "ws://a.example/ws/", "wss://a.example:444/ws/", "wss://a.example/WS/"]
        {
            assert_eq!(chosen().at(other, true), elsewhere, "{other}");
        }
        // Its state file is for none of these.
        for other in ["wss://a.example/ws", "wss://a.example/ws/?x=1", "wss://a.example/ws/?token=t&x=1#y"] {
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
    fn a_table_that_was_meant_as_a_profile_is_named() {
        let text = "\n[work]\nurl = \"wss://a/\"\n";
        let failure = chosen(text, Some("work")).unwrap_err().render();
        assert!(
            failure.contains("config.toml, line 2: [work] is no profile: write [profiles.work]"),
            "{failure}"
        );
        assert_eq!(File::read(TWO).unnamed(Path::new("c"), "work"), None);
    }

    #[test]
    fn a_section_that_is_misspelt_is_an_error_that_names_the_one_meant() {
        for (text, told) in [
            (
                "[profile.default]\nurl = \"wss://a/\"\n",
                "config.toml, line 1: \"profile\" means nothing here",
            ),
            ("url = \"wss://a/\"\n", "config.toml, line 1: \"url\" means nothing here"),
        ] {
            let failure = chosen(text, None).unwrap_err();
            assert!(failure.message.starts_with(told), "{}", failure.message);
            assert_eq!(failure.message.contains("did you mean \"profiles\"?"), text.contains("profile"));
            assert!(!failure.message.contains("wss"), "{}", failure.message);
        }
        let screen = File::read("[caht]\ntitle = false\n").screen(Path::new("config.toml")).unwrap_err();
        assert!(screen.message.contains("did you mean \"chat\"?"), "{}", screen.message);
        assert!(File::read("[other]\n").screen(Path::new("config.toml")).is_ok());
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let failure = chosen("[profiles.a]\nurl = \"wss://a/\"\ncolour = 1\n", Some("a")).unwrap_err();
        assert!(
            failure.message.starts_with("config.toml, line 3: profile \"a\": unknown field `colour`"),
            "{}",
            failure.message
        );
    }

    #[test]
    fn a_broken_line_is_not_quoted_because_it_may_hold_a_token() {
        let failure = chosen("[profiles.a]\nurl = \"ws://h/?token=s3cret\" oops\n", Some("a")).unwrap_err();
        assert!(!failure.render().contains("s3cret"), "{}", failure.render());
        assert!(failure.message.contains("line 2"), "{}", failure.message);
    }

    #[test]
    fn a_wrong_kind_names_profile_field_and_line_and_not_the_value() {
        for (line, expected) in [
            ("url = 5", "url: invalid type: integer, expected a string"),
            ("rooms = [\"a\", 7]", "rooms: invalid type: integer, expected a string"),
            ("headers = \"Cookie: s3cret\"", "headers: invalid type: string, expected a map"),
            ("connect_timeout = \"s3cret\"", "connect_timeout: invalid type: string, expected u32"),
            ("policy = \"legcy\"", "policy: unknown variant `legcy`, expected `default` or `legacy`"),
        ] {
            let failure = chosen(&format!("[profiles.a]\nrooms.x = 1\n[profiles.b]\n{line}\n"), Some("b"));
            let failure = failure.unwrap_err();
            let expected = format!("config.toml, line 4: profile \"b\", {expected}");
            assert_eq!((failure.message.as_str(), failure.code), (&*expected, "config_file"));
            assert!(!failure.render().contains("s3cret"));
        }
    }

    #[test]
    fn a_mistake_elsewhere_stops_nobody_and_can_be_asked_for() {
        for mistake in [
            "url = 5",
            "colour = 1",
            "url = \"wss://x/\" oops",
            "= 1",
            "url",
            "token_file = \"",
            "rooms = [1",
        ] {
            let text = format!("{TWO}[profiles.broken]\n{mistake}\n");
            assert_eq!(chosen(&text, Some("work")).unwrap().rooms, ["x"], "{mistake}");
            assert_eq!(chosen(&text, None).unwrap().url.as_deref(), Some("wss://a/"), "{mistake}");
            assert!(chosen(&text, Some("broken")).is_err(), "{mistake}");
            let file = File::read(&text);
            let told = |name| {
                file.mistakes_in_others(name).iter().map(|told| told.in_words(Path::new("c"))).collect()
            };
            let elsewhere: Vec<String> = told("work");
            assert!(!elsewhere.is_empty(), "{mistake}");
            assert!(elsewhere[0].starts_with("c, line 9: profile \"broken\""), "{elsewhere:?}");
            assert!(told("broken").is_empty(), "{mistake}");
        }
    }

    #[test]
    fn a_profile_that_a_mistake_before_it_has_swallowed_is_not_taken_for_missing() {
        let text = format!("[profiles.broken]\nurl = \"\"\"wss://\n{TWO}");
        assert!(chosen(&text, None).unwrap_err().message.contains("config.toml, line "));
    }
}
