//! Deserialises a Socket.IO event: its name selects the variant, its arguments are the fields.

use crate::messages::{Frame, FrameError};
use serde::Deserializer;
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, EnumAccess, IntoDeserializer as _, VariantAccess, Visitor,
};
use serde_json::value::RawValue;
use serde_json::{Error, Value};

/// Reads a frame as `T`: an event by its name and arguments, anything else as its JSON.
pub(super) fn read<T: DeserializeOwned>(frame: &Frame) -> Result<T, FrameError> {
    let (Some(_), Some(arguments)) = (frame.namespace(), frame.text()) else { return frame.json() };
    let failed = |error: Error| FrameError::new(&error);
    let named = Named {
        name: frame.kind().unwrap_or_default(),
        list: arguments,
        arguments: serde_json::from_str(arguments).map_err(failed)?,
    };
    T::deserialize(named).map_err(failed)
}

struct Named<'a> {
    name: &'a str,
    list: &'a str,
    arguments: Vec<&'a RawValue>,
}

impl<'a> Named<'a> {
    /// The first argument, or nothing.
    fn first(&self) -> &'a str {
        self.arguments.first().map_or("null", |first| first.get())
    }

    /// As the frame of a plain server would be: one object with the name as its `type`, else the arguments in a field.
    fn object(&self) -> Result<Value, Error> {
        let mut fields = match &*self.arguments {
            [] => serde_json::Map::new(),
            [one] if one.get().starts_with('{') => serde_json::from_str(one.get())?,
            _ => serde_json::Map::from_iter([("args".to_owned(), serde_json::from_str(self.list)?)]),
        };
        fields.insert("type".to_owned(), Value::String(self.name.to_owned()));
        Ok(Value::Object(fields))
    }
}

impl<'de> Deserializer<'de> for Named<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.object()?.deserialize_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl<'de> EnumAccess<'de> for Named<'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let name: StrDeserializer<'_, Error> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Named<'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(&mut serde_json::Deserializer::from_str(self.first()))
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Error> {
        serde_json::Deserializer::from_str(self.list).deserialize_tuple(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        serde_json::Deserializer::from_str(self.first()).deserialize_struct("", fields, visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::Bytes;
    use serde::Deserialize;

    fn event(name: &str, arguments: &str) -> Frame {
        Frame::event("/".into(), name.into(), arguments.into())
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Down {
        Tick,
        Price(f64),
        Trade(String, u32),
        Quote { symbol: String },
        Picture(Bytes),
    }

    #[test]
    fn the_name_says_which_variant_and_the_arguments_what_is_in_it() {
        for (name, arguments, expected) in [
            ("tick", "[]", Down::Tick),
            ("tick", "[1,2]", Down::Tick),
            ("price", "[1.5]", Down::Price(1.5)),
            ("trade", r#"["X",3]"#, Down::Trade("X".into(), 3)),
            ("quote", r#"[{"symbol":"X"}]"#, Down::Quote { symbol: "X".into() }),
            ("picture", r#"[{"base64":"AQID"}]"#, Down::Picture(Bytes(vec![1, 2, 3]))),
        ] {
            assert_eq!(read::<Down>(&event(name, arguments)).unwrap(), expected);
        }
        for (name, arguments) in [("other", "[]"), ("price", "[]"), ("price", r#"["X"]"#), ("trade", "[1]")] {
            assert!(read::<Down>(&event(name, arguments)).is_err(), "{name} {arguments}");
        }
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(tag = "type", rename_all = "snake_case")]
    enum Tagged {
        Price { symbol: String, value: f64 },
        Tick,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(tag = "type", content = "args", rename_all = "snake_case")]
    enum Beside {
        Trade(String, u32),
    }

    #[test]
    fn the_type_that_reads_a_plain_servers_frames_reads_the_same_events() {
        let price = Tagged::Price { symbol: "X".into(), value: 1.5 };
        assert_eq!(read::<Tagged>(&event("price", r#"[{"symbol":"X","value":1.5}]"#)).unwrap(), price);
        let plain = Frame::new(Some("price".into()), r#"{"type":"price","symbol":"X","value":1.5}"#.into());
        assert_eq!(read::<Tagged>(&plain).unwrap(), price);
        assert_eq!(read::<Tagged>(&event("tick", "[]")).unwrap(), Tagged::Tick);
        assert_eq!(read::<Beside>(&event("trade", r#"["X",3]"#)).unwrap(), Beside::Trade("X".into(), 3));
    }
}
