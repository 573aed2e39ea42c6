//! Detects unknown fields of an input line whose names resemble known ones. Refuses no line.

use super::bad_line::QUOTED;
use crate::sanitise;
use serde_json::{Map, Value};

/// A field that is probably misspelt.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MisspeltField {
    /// As it stands there, short and harmless.
    pub(super) name: String,
    pub(super) meant: &'static str,
}

/// Every field that some line may have.
const FIELDS: [&str; 15] = [
    "type",
    "ref",
    "roomId",
    "content",
    "data",
    "kind",
    "since",
    "history",
    "name",
    "args",
    "namespace",
    "volatile",
    "ack",
    "keep",
    "idempotent",
];

/// Letters by which a field's name may be missed and still be guessed.
const MOST_SLIPS: usize = 2;

/// The slips among the fields that nothing was read from.
pub(super) fn misspelt_fields(left: &Map<String, Value>) -> Vec<MisspeltField> {
    left.keys()
        .filter(|name| !FIELDS.contains(&name.as_str()))
        .filter_map(|name| {
            let plain = |name: &str| name.to_ascii_lowercase().replace(['_', '-'], "");
            let distance = |known: &&str| strsim::osa_distance(&plain(known), &plain(name));
            let (distance, meant) = FIELDS.iter().map(|known| (distance(known), *known)).min()?;
            // A name of three letters with two wrong ones is another name.
            let near = distance <= MOST_SLIPS && distance * 3 <= meant.len();
            near.then(|| MisspeltField { name: sanitise::name(name, QUOTED), meant })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::input::parse;
    use super::*;

    #[test]
    fn a_field_that_is_nearly_called_like_one_is_told_and_any_other_is_not() {
        let meant = |field: &str| {
            let line = format!(r#"{{"type":"send_message","roomId":"r","content":"c","{field}":1}}"#);
            parse(&line).unwrap().unwrap().misspelt.first().map(|slip| slip.meant)
        };
        for (field, known) in
            [("reff", "ref"), ("Ref", "ref"), ("room_id", "roomId"), ("contents", "content"), ("dta", "data")]
        {
            assert_eq!(meant(field), Some(known), "{field}");
        }
        for field in ["user", "id", "x", "trace", "tag", "contentType2", "", "ack", "history"] {
            assert_eq!(meant(field), None, "{field}");
        }
        let long = format!(r#"{{"type":"close","re\u001bf":1,"{}":1}}"#, "x".repeat(1000));
        assert_eq!(
            parse(&long).unwrap().unwrap().misspelt,
            [MisspeltField { name: "re^[f".into(), meant: "ref" }]
        );
    }
}
