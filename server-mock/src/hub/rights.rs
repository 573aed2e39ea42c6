//! Rights for rooms: patterns and how they match. Does not know where they come from.

use std::fmt;
use std::sync::Arc;

/// Most patterns of a user, and most bytes of one.
const PATTERNS: usize = 64;
const PATTERN_BYTES: usize = 512;

/// Something that is done in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// To be in it, and to get what is said there, by server-sent events too.
    Join,
    /// To say something there.
    Send,
    /// To get what was said before one came.
    History,
    /// To be told who is there.
    Presence,
    /// To signal, that one is typing for instance.
    Signal,
}

/// Whether something may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permission {
    Granted,
    /// For good.
    Denied,
    /// It is not known now: whoever asks again later may get another answer.
    Unknown,
}

/// Answers that somebody else has given. Asked under the hub's lock: it looks them up.
pub(crate) trait Permissions: fmt::Debug + Send + Sync {
    fn permission(&self, right: Right, room: &str) -> Permission;
}

impl Right {
    /// All there are, with their names.
    pub const ALL: [(Self, &str); 5] = [
        (Self::Join, "join"),
        (Self::Send, "send"),
        (Self::History, "history"),
        (Self::Presence, "presence"),
        (Self::Signal, "signal"),
    ];

    /// The right of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(right, _)| *right)
    }

    /// What is said to somebody who lacks it.
    pub(super) fn denied_message(self) -> &'static str {
        match self {
            Self::Join => "no right to join in this room",
            Self::Send => "no right to send in this room",
            Self::History => "no right to history in this room",
            Self::Presence => "no right to presence in this room",
            Self::Signal => "no right to signal in this room",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// What somebody may do in which rooms. The personal stream is everybody's own.
///
/// ```
/// use rejoin_server::hub::{Right, Rights};
///
/// assert!(Rights::all().allows(Right::Send, "lobby"));
/// let rights = Rights::from_patterns([("team-*", &[Right::Join, Right::Send][..]), ("news", &[Right::Join])]).unwrap();
/// assert!(rights.allows(Right::Send, "team-red") && rights.allows(Right::Join, "news"));
/// assert!(!rights.allows(Right::Send, "news") && !rights.allows(Right::Join, "lobby"));
/// ```
#[derive(Clone, Default)]
pub struct Rights(Option<Rules>);

#[derive(Clone)]
enum Rules {
    Patterns(Arc<[Rule]>),
    Function(RightsFn),
    /// What the rules allow, or everything without them, as far as somebody else allows it too.
    Asked(Option<Box<Self>>, Arc<dyn Permissions>),
}

/// One rule, as it is kept outside of the hub: what is before the `*`, what behind it if there is one, and which rights.
pub(crate) type Pattern = (String, Option<String>, u8);

/// They are a function, which can be kept nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotStorable;

type RightsFn = Arc<dyn Fn(Right, &str) -> bool + Send + Sync>;

#[derive(Debug, PartialEq, Eq)]
struct Rule {
    /// Before the `*`, and after it; `None` where there is none.
    start: Box<str>,
    end: Option<Box<str>>,
    rights: u8,
}

/// Why patterns are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RightsError {
    /// There are too many.
    #[error("there are more than {PATTERNS} patterns of rooms")]
    TooMany,
    /// One is too long.
    #[error("a pattern of rooms has 1 to {PATTERN_BYTES} bytes")]
    Length,
    /// One has a second `*`.
    #[error("a pattern of rooms has at most one '*'")]
    Stars,
}

impl Rights {
    /// Everything, in every room.
    pub fn all() -> Self {
        Self(None)
    }

    /// These rights in the rooms that match these patterns, and no other. A pattern is a room's name, in which one `*` is
    /// any characters, or none. Where several match, their rights add up.
    pub fn from_patterns<'a, P: AsRef<str>>(
        patterns: impl IntoIterator<Item = (P, &'a [Right])>,
    ) -> Result<Self, RightsError> {
        let mut rules = Vec::new();
        for (pattern, rights) in patterns {
            let pattern = pattern.as_ref();
            if rules.len() == PATTERNS {
                return Err(RightsError::TooMany);
            }
            if !(1..=PATTERN_BYTES).contains(&pattern.len()) {
                return Err(RightsError::Length);
            }
            let (start, end) = match pattern.split_once('*') {
                Some((_, end)) if end.contains('*') => return Err(RightsError::Stars),
                Some((start, end)) => (start, Some(end.into())),
                None => (pattern, None),
            };
            let rights = rights.iter().fold(0, |all, right| all | right.bit());
            rules.push(Rule { start: start.into(), end, rights });
        }
        Ok(Self(Some(Rules::Patterns(rules.into()))))
    }

    /// What a function says, which is asked each time. Everybody waits for its answer: it looks things up in memory, if at all.
    pub fn from_fn(judge: impl Fn(Right, &str) -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Rules::Function(Arc::new(judge))))
    }

    /// The rules, for keeping them elsewhere: `None` for everything. An error if they are a function.
    pub(crate) fn to_stored(&self) -> Result<Option<Vec<Pattern>>, NotStorable> {
        match &self.0 {
            None => Ok(None),
            Some(Rules::Patterns(rules)) => {
                let pattern =
                    |rule: &Rule| (rule.start.clone().into(), rule.end.clone().map(Into::into), rule.rights);
                Ok(Some(rules.iter().map(pattern).collect()))
            }
            Some(Rules::Function(_) | Rules::Asked(..)) => Err(NotStorable),
        }
    }

    /// What [`from_patterns`](Self::from_patterns) has given; `None` if it has not.
    pub(crate) fn from_stored(patterns: Option<Vec<Pattern>>) -> Option<Self> {
        let Some(patterns) = patterns else { return Some(Self::all()) };
        if patterns.len() > PATTERNS || patterns.iter().any(|(start, ..)| start.len() > PATTERN_BYTES) {
            return None;
        }
        let rules = patterns.into_iter().map(|(start, end, rights)| Rule {
            start: start.into(),
            end: end.map(Into::into),
            rights,
        });
        Some(Self(Some(Rules::Patterns(rules.collect()))))
    }

    /// Bytes of the rules, about.
    pub(crate) fn bytes(&self) -> usize {
        let Some(Rules::Patterns(rules)) = &self.0 else { return 0 };
        rules
            .iter()
            .map(|rule| rule.start.len() + rule.end.as_ref().map_or(0, |end| end.len()) + size_of::<Rule>())
            .sum()
    }

    /// Whether this may be done in this room, by its name in the hub.
    pub fn allows(&self, right: Right, room: &str) -> bool {
        self.permission(right, room) == Permission::Granted
    }

    /// The same, where it may be that nobody knows it now.
    pub(super) fn permission(&self, right: Right, room: &str) -> Permission {
        self.0.as_ref().map_or(Permission::Granted, |rules| rules.permission(right, room))
    }

    /// No more than what these answers allow.
    pub(crate) fn limited_by(self, permissions: Arc<dyn Permissions>) -> Self {
        Self(Some(Rules::Asked(self.0.map(Box::new), permissions)))
    }

    /// Whether nothing is forbidden.
    pub(super) fn is_all(&self) -> bool {
        self.0.is_none()
    }
}

impl Rules {
    fn permission(&self, right: Right, room: &str) -> Permission {
        let allowed = match self {
            Self::Patterns(rules) => {
                rules.iter().any(|rule| rule.rights & right.bit() != 0 && rule.matches(room))
            }
            Self::Function(judge) => judge(right, room),
            Self::Asked(rules, permissions) => {
                let own = rules.as_ref().map_or(Permission::Granted, |rules| rules.permission(right, room));
                return if own == Permission::Granted { permissions.permission(right, room) } else { own };
            }
        };
        if allowed { Permission::Granted } else { Permission::Denied }
    }
}

impl Rule {
    /// In one walk over the name: with one `*` there is nothing to try again.
    fn matches(&self, room: &str) -> bool {
        match &self.end {
            None => room == &*self.start,
            Some(end) => room.strip_prefix(&*self.start).is_some_and(|rest| rest.ends_with(&**end)),
        }
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("Rights(all)"),
            Some(Rules::Patterns(rules)) => write!(f, "Rights({} patterns)", rules.len()),
            Some(Rules::Function(_)) => f.write_str("Rights(function)"),
            Some(Rules::Asked(..)) => f.write_str("Rights(asked)"),
        }
    }
}

impl PartialEq for Rights {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(Rules::Patterns(one)), Some(Rules::Patterns(two))) => one == two,
            (Some(Rules::Function(one)), Some(Rules::Function(two))) => Arc::ptr_eq(one, two),
            // Those of a connection, which are nobody else's.
            _ => false,
        }
    }
}

impl Eq for Rights {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_name_in_which_one_star_is_anything() {
        let may = |pattern: &str, room: &str| {
            Rights::from_patterns([(pattern, &[Right::Join][..])]).unwrap().allows(Right::Join, room)
        };
        for (pattern, room) in [
            ("lobby", "lobby"),
            ("*", "x"),
            ("team-*", "team-"),
            ("*-x", "a-x"),
            ("a*b", "ab"),
            ("a*b", "acbb"),
        ] {
            assert!(may(pattern, room), "{pattern} {room}");
        }
        for (pattern, room) in [("lobby", "lobby2"), ("Lobby", "lobby"), ("ab*ba", "aba"), ("a*b", "abc")] {
            assert!(!may(pattern, room), "{pattern} {room}");
        }
    }

    #[test]
    fn patterns_add_up_and_none_is_nothing() {
        let rights = Rights::from_patterns([("*", &[Right::Join][..]), ("a", &[Right::Send])]).unwrap();
        assert!(rights.allows(Right::Join, "a") && rights.allows(Right::Send, "a"));
        assert!(!rights.allows(Right::Send, "b"));
        assert!(!Rights::from_patterns::<&str>([]).unwrap().allows(Right::Join, "a"));
    }

    #[test]
    fn patterns_are_bounded() {
        let of = |patterns: Vec<String>| {
            Rights::from_patterns(patterns.into_iter().map(|pattern| (pattern, &[Right::Join][..])))
        };
        assert_eq!(of(vec![String::from("a"); 65]), Err(RightsError::TooMany));
        assert_eq!(of(vec!["x".repeat(513)]), Err(RightsError::Length));
        assert_eq!(of(vec![String::new()]), Err(RightsError::Length));
        assert_eq!(of(vec![String::from("a*b*c")]), Err(RightsError::Stars));
        assert!(of(vec!["x".repeat(512); 64]).is_ok());
    }
}
