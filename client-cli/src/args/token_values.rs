//! Parses the values of the options of `rejoin token`: rights for rooms, and times. Makes no token.

use rejoin_server::hub::{Right, Rights};
use std::time::Duration;

/// Longest time that a token is good for: what is longer is a slip.
const LONGEST: u64 = 366 * 24 * 3600;

/// A pattern of rooms and what is allowed there, as `--room` has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RoomRights {
    pub(crate) pattern: String,
    pub(crate) actions: Vec<String>,
}

/// `team-*=join,send`, or `team-*` for everything.
pub(crate) fn parse_room(text: &str) -> Result<RoomRights, String> {
    let (pattern, actions) = text.rsplit_once('=').unwrap_or((text, "*"));
    Rights::from_patterns([(pattern, &[][..])]).map_err(|error| error.to_string())?;
    let actions: Vec<String> = actions.split(',').map(|action| action.trim().to_owned()).collect();
    if actions.iter().any(|action| action != "*" && Right::from_name(action).is_none()) {
        let known: Vec<&str> = Right::ALL.iter().map(|(_, name)| *name).collect();
        return Err(format!("an action is one of {}, or '*' for all", known.join(", ")));
    }
    Ok(RoomRights { pattern: pattern.to_owned(), actions })
}

/// `30s`, `15m`, `1h`, `7d`, or a number of seconds.
pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits).unwrap_or((text, ""));
    let seconds = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 24 * 3_600,
        _ => return Err(String::from("a time is written like 30s, 15m, 1h or 7d")),
    };
    let all = number.parse::<u64>().ok().and_then(|number| number.checked_mul(seconds));
    all.filter(|all| (1..=LONGEST).contains(all))
        .map(Duration::from_secs)
        .ok_or_else(|| String::from("a time is a whole number with s, m, h or d, above 0 and at most 366d"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_are_written_with_their_actions_or_without() {
        let room = |pattern: &str, actions: &[&str]| RoomRights {
            pattern: pattern.to_owned(),
            actions: actions.iter().map(|action| (*action).to_owned()).collect(),
        };
        assert_eq!(parse_room("team-*=join, send"), Ok(room("team-*", &["join", "send"])));
        assert_eq!(parse_room("a=b=join"), Ok(room("a=b", &["join"])));
        assert_eq!(parse_room("ops"), Ok(room("ops", &["*"])));
        for bad in ["", "=join", "a=", "a=fly", "a*b*=join", "a=join,,send"] {
            assert!(parse_room(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_have_a_unit_and_an_end() {
        assert_eq!(parse_time("90"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_time("1h"), Ok(Duration::from_secs(3_600)));
        assert_eq!(parse_time("7d"), Ok(Duration::from_secs(7 * 86_400)));
        for bad in ["", "0", "h", "-1s", "1.5h", "1w", "367d", "99999999999999999999d"] {
            assert!(parse_time(bad).is_err(), "{bad}");
        }
    }
}
