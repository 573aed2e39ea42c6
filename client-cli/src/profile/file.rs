//! Parses the configuration file: the requested profile, and the location of mistakes. A mistake affects only the profile that it is
//! in. Values are never quoted: they may be secrets.

use super::{DEFAULT, Profile, Screen};
use crate::error::Failure;
use serde::Deserialize as _;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Error, ValueDeserializer};

/// A file, as far as it can be read.
pub(super) struct File<'a> {
    text: &'a str,
    root: DeTable<'a>,
    /// What is no TOML.
    errors: Vec<Error>,
}

/// Where the look of a chat stands.
const CHAT: &str = "chat";
const PROFILES: &str = "profiles";
/// Letters by which one of the two may be missed and still be guessed.
const MOST_SLIPS: usize = 2;

/// Whose part of the file a line is in.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Profile(String),
    Chat,
    /// Before the first of them, or in one that means nothing.
    Other,
}

/// Something in the file that cannot be used.
#[derive(Debug)]
pub(super) struct Mistake {
    line: usize,
    part: Part,
    field: Option<String>,
    what: String,
}

impl Mistake {
    /// Whether it is in the profile of this name.
    fn is_in(&self, profile: &str) -> bool {
        matches!(&self.part, Part::Profile(name) if name == profile)
    }

    /// Whom it stops, and whom not.
    pub(super) fn effect(&self) -> String {
        match &self.part {
            Part::Profile(name) => format!("it stops who asks for the profile \"{name}\", and nobody else"),
            Part::Chat => "it stops every 'rejoin chat', and no other command".to_owned(),
            Part::Other => "it stops nobody: what stands there is not used".to_owned(),
        }
    }

    pub(super) fn in_words(&self, path: &Path) -> String {
        let Self { line, part, field, what } = self;
        let part = match part {
            Part::Profile(name) => format!(" profile \"{name}\""),
            Part::Chat => " [chat]".to_owned(),
            Part::Other => String::new(),
        };
        let field = field.as_ref().map(|name| format!(", {name}")).unwrap_or_default();
        let place = format!("{part}{field}");
        let colon = if place.is_empty() { "" } else { ":" };
        format!("{}, line {line}:{place}{colon} {what}", path.display())
    }

    fn failure(&self, path: &Path) -> Failure {
        Failure::usage("config_file", self.in_words(path)).hint(
            "a profile looks like [profiles.work] with url, token_file or token_command, token_in, rooms, state, \
             protocol, namespace, auth, event_map, policy, headers, subprotocols, connect_timeout, ca, cert, key, \
             ack_text, transports",
        )
    }
}

impl<'a> File<'a> {
    pub(super) fn read(text: &'a str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let (root, errors) = DeTable::parse_recoverable(text);
        Self { text, root: root.into_inner(), errors }
    }

    /// Whether there is a profile of this name, with mistakes or without.
    pub(super) fn names(&self, wanted: &str) -> bool {
        self.profiles().iter().any(|(known, _)| *known == wanted)
            || self.text.lines().any(|line| header(line).is_some_and(|name| name == wanted))
    }

    /// The profile of this name, or the default one.
    pub(super) fn choose(&self, path: &Path, name: Option<&str>) -> Result<Profile, Failure> {
        let wanted = name.unwrap_or(DEFAULT);
        let profiles = self.profiles();
        let found = profiles.iter().find(|(known, _)| *known == wanted);
        let is_meant = |line: &str| header(line).is_some_and(|name| name == wanted);
        let is_swallowed = found.is_none() && self.text.lines().any(is_meant);
        let mut mistakes = self.errors.iter().map(|error| self.no_toml(error));
        // A text without an end reaches into what follows it.
        if let Some(mistake) = mistakes.find(|mistake| is_swallowed || mistake.is_in(wanted)) {
            return Err(mistake.failure(path));
        }
        match (found, name) {
            (Some((name, value)), _) => self.profile(name, value).map_err(|mistake| mistake.failure(path)),
            // A profile may have been meant by it.
            (None, None) => match self.strays().next() {
                Some((_, mistake)) => Err(mistake.failure(path)),
                None => Ok(Profile::default()),
            },
            (None, Some(name)) => {
                let known: Vec<&str> = profiles.iter().map(|(name, _)| *name).collect();
                let hint = if let Some(slip) = self.unnamed(path, name) {
                    slip
                } else if known.is_empty() {
                    format!("write [profiles.{name}] into {}", path.display())
                } else {
                    format!("{} has: {}", path.display(), known.join(", "))
                };
                Err(Failure::usage("profile", format!("there is no profile \"{name}\"")).hint(hint))
            }
        }
    }

    /// Where there is a table of this name beside the profiles, which is none of them.
    pub(super) fn unnamed(&self, path: &Path, name: &str) -> Option<String> {
        let (key, _) = self.root.iter().find(|(key, _)| *key.get_ref() == name && name != CHAT)?;
        let line = self.line(key.span().start);
        Some(format!("{}, line {line}: [{name}] is no profile: write [profiles.{name}]", path.display()))
    }

    /// How a chat looks.
    pub(super) fn screen(&self, path: &Path) -> Result<Screen, Failure> {
        let screen = self.chat().and_then(|screen| self.misspelt_chat().map_or(Ok(screen), Err));
        screen.map_err(|mistake| {
            Failure::usage("config_file", mistake.in_words(path)).hint(
                "[chat] has notify (none, bell, osc9 or osc777), title, typing and history (true or false), and colours (own = 0 to 255, \
                 names = a list of them)",
            )
        })
    }

    fn chat(&self) -> Result<Screen, Mistake> {
        let mut unread = self.errors.iter().map(|error| self.no_toml(error));
        if let Some(mistake) = unread.find(|mistake| mistake.part == Part::Chat) {
            return Err(mistake);
        }
        let Some(value) = self.root.get(CHAT) else { return Ok(Screen::default()) };
        Screen::deserialize(ValueDeserializer::from(value.clone())).map_err(|error| {
            let at = error.span().map_or(value.span().start, |span| span.start);
            let what = error.message().to_owned();
            Mistake { line: self.line(at), part: Part::Chat, field: None, what }
        })
    }

    /// What is wrong with everything but that profile.
    pub(super) fn mistakes_in_others(&self, used: &str) -> Vec<Mistake> {
        let mut mistakes: Vec<Mistake> = self.errors.iter().map(|error| self.no_toml(error)).collect();
        for (name, value) in self.profiles() {
            // What is no TOML in it has been found.
            if !mistakes.iter().any(|mistake| mistake.is_in(name)) {
                mistakes.extend(self.profile(name, value).err());
            }
        }
        if !mistakes.iter().any(|mistake| mistake.part == Part::Chat) {
            mistakes.extend(self.chat().err());
        }
        mistakes.extend(self.strays().map(|(_, mistake)| mistake));
        mistakes.retain(|mistake| !mistake.is_in(used));
        mistakes
    }

    /// The section that is to be the look of a chat, where there is none.
    fn misspelt_chat(&self) -> Option<Mistake> {
        let mut strays = self.strays().filter(|_| self.root.get(CHAT).is_none());
        strays.find_map(|(meant, mistake)| (meant == Some(CHAT)).then_some(mistake))
    }

    /// What stands beside the profiles and the look of a chat, and means nothing; each with what it may be meant for.
    fn strays(&self) -> impl Iterator<Item = (Option<&'static str>, Mistake)> {
        self.root.keys().filter(|key| !matches!(&**key.get_ref(), PROFILES | CHAT)).map(|key| {
            let name = key.get_ref();
            let meant = [PROFILES, CHAT].into_iter().find(|known| strsim::osa_distance(known, name) <= MOST_SLIPS);
            let question = meant.map(|known| format!("; did you mean \"{known}\"?")).unwrap_or_default();
            let what = format!(
                "\"{name}\" means nothing here: profiles are [profiles.NAME], and a chat's look is [chat]{question}"
            );
            (meant, Mistake { line: self.line(key.span().start), part: Part::Other, field: None, what })
        })
    }

    fn profiles(&self) -> Vec<(&str, &Spanned<DeValue<'a>>)> {
        let profiles = self.root.get(PROFILES).and_then(|profiles| profiles.get_ref().as_table());
        profiles.into_iter().flatten().map(|(name, value)| (&**name.get_ref(), value)).collect()
    }

    fn profile(&self, name: &str, value: &Spanned<DeValue<'a>>) -> Result<Profile, Mistake> {
        let mistake = |at, field, what| Mistake {
            line: self.line(at),
            part: Part::Profile(name.to_owned()),
            field,
            what,
        };
        let profile = Profile::deserialize(ValueDeserializer::from(value.clone())).map_err(|error| {
            let at = error.span().map_or(value.span().start, |span| span.start);
            let table = value.get_ref().as_table();
            let field = table.and_then(|table| table.iter().find(|(_, value)| value.span().contains(&at)));
            let what = match (error.message().split_once(", expected "), field) {
                // The whole message quotes the value.
                (Some((what, wanted)), Some((_, value))) if what.starts_with("invalid ") => {
                    format!("invalid type: {}, expected {wanted}", kind_at(value, at))
                }
                _ => error.message().to_owned(),
            };
            mistake(at, field.map(|(name, _)| name.get_ref().to_string()), what)
        })?;
        if profile.token_file.is_some() && profile.token_command.is_some() {
            let what = "it has both token_file and token_command: keep one of them".to_owned();
            return Err(mistake(value.span().start, None, what));
        }
        Ok(profile)
    }

    /// Not the error's own `Display`: it quotes the line, which may hold a URL with a token.
    fn no_toml(&self, error: &Error) -> Mistake {
        let at = error.span().map_or(0, |span| span.start);
        let part = self.text.get(..at).unwrap_or(self.text).lines().rev().find_map(part);
        let what = error.message().to_owned();
        Mistake { line: self.line(at), part: part.unwrap_or(Part::Other), field: None, what }
    }

    fn line(&self, at: usize) -> usize {
        self.text.get(..at).unwrap_or(self.text).matches('\n').count() + 1
    }
}

/// The profile whose part of the file begins with this line.
fn header(line: &str) -> Option<&str> {
    let name = line.trim_start().strip_prefix('[')?.trim_start().strip_prefix("profiles")?;
    let name = name.trim_start().strip_prefix('.')?.trim_start();
    if let Some(quote) = name.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        return name.get(1..)?.split(quote).next();
    }
    name.split([']', '.', ' ', '#']).next()
}

/// The part that begins with this line, or goes on with it. A list in a value may begin as a part does: only what is followed by
/// nothing but a comment is one.
fn part(line: &str) -> Option<Part> {
    if let Some(name) = header(line) {
        return Some(Part::Profile(name.to_owned()));
    }
    let name = line.trim_start().strip_prefix('[')?.trim_start();
    let after = name.strip_prefix(CHAT).map(str::trim_start);
    if after.is_some_and(|after| after.starts_with([']', '.'])) {
        return Some(Part::Chat);
    }
    let (name, after) = name.split_once(']')?;
    let is_bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphabetic() || "_-.[".contains(c));
    let after = after.trim_start_matches(']').trim_start();
    (is_bare && (after.is_empty() || after.starts_with('#'))).then_some(Part::Other)
}

/// What kind of value is there: the innermost one.
fn kind_at(value: &Spanned<DeValue<'_>>, at: usize) -> &'static str {
    let within = |value: &Spanned<DeValue<'_>>| value.span().contains(&at).then(|| kind_at(value, at));
    let inner = match value.get_ref() {
        DeValue::Array(items) => items.iter().find_map(within),
        DeValue::Table(fields) => fields.values().find_map(within),
        _ => None,
    };
    inner.unwrap_or_else(|| value.get_ref().type_str())
}
