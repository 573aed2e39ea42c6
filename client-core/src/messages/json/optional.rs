//! Optional fields of frames that plain peers send too. A plain peer may have fields of its own by the same name,
//! so one of another type is taken for absent instead of for an error.

use crate::id::Id;
use crate::messages::GapReason;
use crate::messages::MAX_INT;
use crate::name::Name;
use alloc::string::String;
use core::fmt;
use core::marker::PhantomData;
use serde::Deserializer;
use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A type that is read from one kind of JSON value.
pub(super) trait OptionalField: Sized {
    fn text(_: &str) -> Option<Self> {
        None
    }
    fn number(_: u64) -> Option<Self> {
        None
    }
    fn flag(_: bool) -> Option<Self> {
        None
    }
}

impl OptionalField for Id {
    fn text(text: &str) -> Option<Self> {
        Self::new(text).ok()
    }
}

impl OptionalField for Name {
    fn text(text: &str) -> Option<Self> {
        Some(Self::from(text))
    }
}

impl OptionalField for String {
    fn text(text: &str) -> Option<Self> {
        Some(text.into())
    }
}

impl OptionalField for GapReason {
    fn text(text: &str) -> Option<Self> {
        Some(Self::from_wire(text))
    }
}

impl OptionalField for u64 {
    fn number(number: u64) -> Option<Self> {
        (number <= MAX_INT).then_some(number)
    }
}

impl OptionalField for bool {
    fn flag(flag: bool) -> Option<Self> {
        Some(flag)
    }
}

/// For `deserialize_with`.
pub(super) fn lenient<'de, T: OptionalField, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    struct LenientVisitor<T>(PhantomData<T>);

    impl<'de, T: OptionalField> Visitor<'de> for LenientVisitor<T> {
        type Value = Option<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("anything")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(T::text(text))
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
            Ok(T::number(number))
        }

        fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_bool<E: Error>(self, flag: bool) -> Result<Self::Value, E> {
            Ok(T::flag(flag))
        }

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            Ok(None)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok(None)
        }
    }

    deserializer.deserialize_any(LenientVisitor(PhantomData))
}
