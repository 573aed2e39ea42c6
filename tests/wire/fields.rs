//! The kinds of JSON values that each field of a server's frame may have: the table of `fields.json`, which the npm package's
//! tests read, too.

use rejoin::machine::ServerMessage;
use rejoin::messages::json::ServerDecoder;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt::Write as _;

#[derive(Deserialize)]
struct Table {
    values: Vec<(String, Value)>,
    frames: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    frame: Map<String, Value>,
    read: BTreeMap<String, String>,
}

/// The paths of all fields: `seq`, `limits.rooms`.
fn paths(frame: &Map<String, Value>) -> Vec<String> {
    let names = frame.iter().filter(|(name, _)| *name != "type").flat_map(|(name, value)| {
        let inner = value.as_object().filter(|_| name != "data").map(paths).unwrap_or_default();
        let inner = inner.into_iter().map(move |path| format!("{name}.{path}"));
        std::iter::once(name.clone()).chain(inner)
    });
    names.collect()
}

/// The frame with another value at a path, or with none.
fn with(mut frame: Map<String, Value>, path: &str, value: Option<&Value>) -> Map<String, Value> {
    let (name, inner) = path.split_once('.').map_or((path, None), |(name, inner)| (name, Some(inner)));
    match (inner, value) {
        (Some(inner), _) => {
            let object = frame.get(name).and_then(Value::as_object).cloned().unwrap();
            frame.insert(name.into(), with(object, inner, value).into());
        }
        (None, Some(value)) => {
            frame.insert(name.into(), value.clone());
        }
        (None, None) => {
            frame.remove(name);
        }
    }
    frame
}

#[test]
fn a_field_of_a_servers_frame_may_have_the_kinds_of_values_that_the_table_has() {
    let table: Table = serde_json::from_str(include_str!("fields.json")).unwrap();
    let mut wrong = String::new();
    for Case { frame, read } in table.frames {
        for path in paths(&frame) {
            let missing = std::iter::once(("missing", None));
            let values = missing.chain(table.values.iter().map(|(name, value)| (&**name, Some(value))));
            let is_read = |value: Option<&Value>| {
                let text = Value::from(with(frame.clone(), &path, value)).to_string();
                ServerDecoder::default().decode(&text).is_ok_and(|frame| frame != ServerMessage::Unknown)
            };
            let names: Vec<&str> =
                values.filter(|(_, value)| is_read(*value)).map(|(name, _)| name).collect();
            let names = names.join(" ");
            if read.get(&path) != Some(&names) {
                writeln!(wrong, "{}\t{path}\t{names}", frame["type"]).unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "read otherwise:\n{wrong}");
}
