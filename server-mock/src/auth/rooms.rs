//! Reads rights from JSON: the claim `rooms` of a token, or the field of an endpoint's answer.

use crate::hub::{Right, Rights};
use serde_json::Value;

/// A map of patterns to lists of actions, in which `*` is all of them, or a list of patterns, in whose rooms everything is
/// allowed. `None` if it is neither, or too much: then nothing of it counts.
pub(super) fn rights(value: &Value) -> Option<Rights> {
    let all: Vec<Right> = Right::ALL.iter().map(|(right, _)| *right).collect();
    match value {
        Value::Array(patterns) => {
            let patterns: Option<Vec<&str>> = patterns.iter().map(Value::as_str).collect();
            Rights::from_patterns(patterns?.into_iter().map(|pattern| (pattern, &*all))).ok()
        }
        Value::Object(patterns) => {
            let rules = patterns.iter().map(|(pattern, actions)| {
                let actions = actions.as_array()?.iter().map(|action| match action.as_str()? {
                    "*" => Some(all.clone()),
                    name => Right::from_name(name).map(|right| vec![right]),
                });
                let actions: Vec<Vec<Right>> = actions.collect::<Option<_>>()?;
                Some((pattern.as_str(), actions.concat()))
            });
            let rules: Vec<_> = rules.collect::<Option<_>>()?;
            Rights::from_patterns(rules.iter().map(|(pattern, actions)| (*pattern, &**actions))).ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rooms_are_a_map_of_actions_or_a_list() {
        let map = rights(&json!({"team-*": ["join", "send"], "ops": ["*"], "none": []})).unwrap();
        assert!(map.allows(Right::Send, "team-a") && !map.allows(Right::History, "team-a"));
        assert!(map.allows(Right::Signal, "ops") && !map.allows(Right::Join, "none"));
        let list = rights(&json!(["a", "b*"])).unwrap();
        assert!(list.allows(Right::History, "bc") && !list.allows(Right::Join, "c"));
    }

    #[test]
    fn what_is_neither_gives_no_rights_at_all() {
        for bad in [
            json!("lobby"),
            json!(null),
            json!(true),
            json!([1]),
            json!({"a": "join"}),
            json!({"a": ["fly"]}),
            json!({"a": [1]}),
            json!(["a*b*"]),
            json!([""]),
            json!(vec!["a"; 65]),
        ] {
            assert_eq!(rights(&bad), None, "{bad}");
        }
    }
}
