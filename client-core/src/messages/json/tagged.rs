//! Selects the structure of a frame by its `type`.
//!
//! No internally tagged serde enum: that form buffers every field before it knows the type, and costs half of
//! what a frame costs altogether. Here the type, nearly always the first key, chooses the
//! structure that the rest of the object is read into, in the same pass.

use super::DecodeError;
use super::validate::well_formed;
use crate::messages::bounded;
use alloc::borrow::Cow;
use alloc::string::ToString;
use core::fmt;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

/// Reads the fields of one kind of frame from what is left of the object.
pub(super) trait TaggedEnum<'de>: Sized {
    /// The types of the family.
    const KINDS: &'static [&'static str];
    fn fields<D: Deserializer<'de>>(kind: &'static str, rest: D) -> Result<Self, D::Error>;
    fn unknown() -> Self;

    /// The type's name for errors, if it is one of the family's.
    fn known(kind: &str) -> Option<&'static str> {
        Self::KINDS.iter().copied().find(|known| *known == kind)
    }
}

/// A frame whose `type` came first.
struct TypeFirst<F>(F);

impl<'de, F: TaggedEnum<'de>> Deserialize<'de> for TypeFirst<F> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TypeFirstVisitor<F>(core::marker::PhantomData<F>);

        impl<'de, F: TaggedEnum<'de>> Visitor<'de> for TypeFirstVisitor<F> {
            type Value = TypeFirst<F>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                if map.next_key::<Cow<'de, str>>()?.as_deref() != Some("type") {
                    // Not ours to judge in this pass: the second one reads the type first.
                    return Err(A::Error::custom("the type does not come first"));
                }
                let kind: Cow<'de, str> = map.next_value()?;
                if let Some(kind) = F::known(&kind) {
                    F::fields(kind, MapAccessDeserializer::new(map)).map(TypeFirst)
                } else {
                    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                    Ok(TypeFirst(F::unknown()))
                }
            }
        }

        deserializer.deserialize_map(TypeFirstVisitor(core::marker::PhantomData))
    }
}

#[derive(Deserialize)]
struct Tag<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}

pub(super) fn decode<'de, F: TaggedEnum<'de>>(text: &'de str) -> Result<F, DecodeError> {
    if let Ok(TypeFirst(frame)) = serde_json::from_str::<TypeFirst<F>>(text) {
        return Ok(frame);
    }
    // Either the type is not the first key, or something is wrong and deserves a precise answer.
    let tag: Tag<'de> = serde_json::from_str(text).map_err(|error| {
        if error.is_data() { DecodeError::NoType } else { DecodeError::NotJson(error.to_string().into()) }
    })?;
    decode_fields(&tag.kind, text)
}

/// Reads the fields of a frame whose type is known already.
pub(super) fn decode_fields<'de, F: TaggedEnum<'de>>(kind: &str, text: &'de str) -> Result<F, DecodeError> {
    let Some(kind) = F::known(kind) else { return Ok(F::unknown()) };
    let mut rest = serde_json::Deserializer::from_str(text);
    F::fields(kind, &mut rest)
        .map_err(|error| DecodeError::Field { frame: kind, detail: bounded(&error.to_string()) })
}

/// Reads a text, and if it cannot be read reads it again as well-formed text, if it is not that.
pub(crate) fn repairing<T, E>(text: &str, mut read: impl FnMut(&str) -> Result<T, E>) -> Result<T, E> {
    let result = read(text);
    match result.is_err().then(|| well_formed(text)) {
        Some(Cow::Owned(repaired)) => read(&repaired),
        _ => result,
    }
}
