//! `rejoin token`: creates a JSON Web Token for tests. Stores neither keys nor tokens.

use crate::args::TokenArgs;
use crate::error::Failure;
use rejoin_server::auth::JwtSigner;
use rejoin_server::hub::{Right, Rights};
use serde_json::{Map, Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Longest time that a token is good for: what is longer is a slip.
const LONGEST: u64 = 366 * 24 * 3600;

/// A pattern of rooms and what is allowed there, as `--room` has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RoomRights {
    pattern: String,
    actions: Vec<String>,
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

/// The token, in a line of its own.
pub(crate) fn make(arguments: &TokenArgs) -> Result<String, Failure> {
    let TokenArgs { key, user, rooms, expires, alg, kid, issuer, audience, .. } = arguments;
    let alg = alg.as_ref().map(|alg| alg.as_str());
    let signer = JwtSigner::read(key, alg, kid.as_deref()).map_err(|error| {
        let hint = "openssl writes a key of each kind: 'openssl genpkey -algorithm ed25519', '… -algorithm EC -pkeyopt \
                    ec_paramgen_curve:P-256', '… -algorithm RSA'; its public half, for the server, comes by 'openssl pkey -pubout'";
        Failure::usage("bad_key", error.to_string()).hint(hint)
    })?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut claims = Map::new();
    let mut add = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    add("sub", json!(user));
    add("iat", json!(now.as_secs()));
    add("exp", json!((now + *expires).as_secs()));
    if let Some(issuer) = issuer {
        add("iss", json!(issuer));
    }
    if let Some(audience) = audience {
        add("aud", json!(audience));
    }
    if !rooms.is_empty() {
        let mut rights = Map::new();
        for room in rooms {
            // Given twice, a pattern allows what both say.
            let all = rights.entry(room.pattern.clone()).or_insert_with(|| json!([]));
            if let Value::Array(all) = all {
                all.extend(room.actions.iter().map(|action| json!(action)));
            }
        }
        add("rooms", Value::Object(rights));
    }
    let token = signer.sign(&claims).map_err(|error| Failure::usage("bad_key", error.to_string()))?;
    Ok(format!("{token}\n"))
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
