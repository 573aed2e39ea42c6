//! Custom frames as JSON: checks that a text is not a frame of the protocol, and reads its `type`.

use super::client::is_client_kind;
use super::server::is_server_kind;
use super::validate::well_formed;
use crate::messages::Frame;
use crate::name::Name;
use alloc::borrow::Cow;
use serde::Deserialize;
use serde::de::IgnoredAny;

#[derive(Deserialize)]
struct Tag<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}

/// A text that is no frame of the protocol, as the application's own; `None` if it is not JSON.
pub(crate) fn own_frame(text: &str) -> Option<Frame> {
    let text = well_formed(text);
    let kind = match serde_json::from_str::<Tag<'_>>(&text) {
        // A list of one text would be read, too.
        Ok(tag) if text.trim_start().starts_with('{') => Some(Name::from(&*tag.kind)),
        _ => {
            serde_json::from_str::<IgnoredAny>(&text).ok()?;
            None
        }
    };
    Some(Frame::new(kind, text.into_owned()))
}

/// Why a text cannot be sent as a custom frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotCustom {
    /// Not JSON, or its `type` is there twice.
    NotJson,
    /// Its `type` is that of a frame of the protocol.
    Reserved,
}

/// Whether a JSON text may be sent as a custom frame: what the protocol means by a name stays the
/// protocol's.
pub(crate) fn check_own(text: &str) -> Result<(), NotCustom> {
    #[derive(Deserialize)]
    struct Any<'a> {
        #[serde(borrow, default, rename = "type")]
        kind: Option<Kind<'a>>,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Kind<'a> {
        Text(#[serde(borrow)] Cow<'a, str>),
        Other(IgnoredAny),
    }
    if !text.trim_start().starts_with('{') {
        return serde_json::from_str::<IgnoredAny>(text).map(drop).map_err(|_| NotCustom::NotJson);
    }
    let Any { kind } = serde_json::from_str(text).map_err(|_| NotCustom::NotJson)?;
    match kind {
        Some(Kind::Text(kind)) if is_client_kind(&kind) || is_server_kind(&kind) => Err(NotCustom::Reserved),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_that_is_no_frame_of_the_protocol_is_one_of_the_applications() {
        for (text, kind) in [
            (r#"{"type":"price","value":1.5}"#, Some("price")),
            (r#" {"value":1.5,"type":"pr\u0069ce"}"#, Some("price")),
            (r#"{"type":7}"#, None),
            (r#"{"value":1.5}"#, None),
            (r#"["price"]"#, None),
            ("7", None),
        ] {
            let frame = own_frame(text).unwrap();
            assert_eq!((frame.kind(), frame.text()), (kind, Some(text)), "{text}");
        }
        for text in ["", "hello", "{", "[1,", r#"{"type":"price""#] {
            assert_eq!(own_frame(text), None, "{text}");
        }
    }

    #[test]
    fn half_of_a_surrogate_pair_does_not_cost_a_frame() {
        let frame = own_frame(r#"{"type":"price","of":"\ud83d"}"#).unwrap();
        assert_eq!(frame.text(), Some(r#"{"type":"price","of":"\ufffd"}"#));
    }

    #[test]
    fn a_name_of_the_protocol_is_refused_however_it_is_written() {
        for text in [
            r#"{"type":"join_room","roomId":"r"}"#,
            r#"{"roomId":"r","type":"send_message"}"#,
            r#"{"type":"\u0061uth"}"#,
            r#" {"type" : "message"}"#,
            r#"{"type":"hello"}"#,
        ] {
            assert_eq!(check_own(text), Err(NotCustom::Reserved), "{text}");
        }
        for text in ["{", r#"{"type":"ping2","type":"join_room"}"#, r#"{"type":"a"} {}"#, ""] {
            assert_eq!(check_own(text), Err(NotCustom::NotJson), "{text}");
        }
        for text in
            [r#"{"type":"subscribe"}"#, r#"{"type":7}"#, r#"{"type":null}"#, r#"{"op":1}"#, "[1]", "7"]
        {
            assert_eq!(check_own(text), Ok(()), "{text}");
        }
    }
}
