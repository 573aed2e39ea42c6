//! Custom frames: the application's own messages, which the protocol does not define. Keeps a frame as received and
//! parses it on request.

use crate::name::Name;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// A frame that is not of the protocol: the application's own message.
///
/// ```
/// # #[cfg(feature = "native")]
/// # fn read(frame: &rejoin::Frame) -> Result<(), rejoin::FrameError> {
/// #[derive(serde::Deserialize)]
/// struct Price {
///     symbol: String,
///     value: f64,
/// }
///
/// if frame.kind() == Some("price") {
///     let Price { symbol, value } = frame.json()?;
///     println!("{symbol} is at {value}");
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Frame<P = String, N = Name> {
    kind: Option<N>,
    body: Body<P>,
}

#[derive(Clone, PartialEq, Eq)]
enum Body<P> {
    Text(P),
    Binary(Vec<u8>),
    Event(Box<Occurrence<P>>),
}

/// An event of a Socket.IO server.
#[derive(Clone, PartialEq, Eq)]
struct Occurrence<P> {
    namespace: Box<str>,
    arguments: P,
    ack: Option<u64>,
}

impl<P, N> Frame<P, N> {
    /// A frame of JSON text, with the string that is its `type`, if it has one.
    pub fn new(kind: Option<N>, text: P) -> Self {
        Self { kind, body: Body::Text(text) }
    }

    /// A frame of bytes.
    pub fn binary(bytes: Vec<u8>) -> Self {
        Self { kind: None, body: Body::Binary(bytes) }
    }

    /// An event of a Socket.IO server, with its name and the list of its arguments.
    pub fn event(namespace: Box<str>, name: N, arguments: P) -> Self {
        Self { kind: Some(name), body: Body::Event(Box::new(Occurrence { namespace, arguments, ack: None })) }
    }

    /// Of an event of a Socket.IO server, the namespace it came in.
    pub fn namespace(&self) -> Option<&str> {
        match &self.body {
            Body::Event(event) => Some(&event.namespace),
            _ => None,
        }
    }

    /// Of an event of a Socket.IO server that the application is to answer, the number for the answer.
    pub fn ack(&self) -> Option<u64> {
        match &self.body {
            Body::Event(event) => event.ack,
            _ => None,
        }
    }

    #[cfg(feature = "socketio")]
    pub(crate) fn set_ack(&mut self, ack: u64) {
        if let Body::Event(event) = &mut self.body {
            event.ack = Some(ack);
        }
    }

    #[cfg(feature = "socketio")]
    pub(crate) fn set_arguments(&mut self, arguments: P) {
        if let Body::Event(event) = &mut self.body {
            event.arguments = arguments;
        }
    }

    /// The text, of a frame of text; of an event of a Socket.IO server the list of its arguments.
    pub fn payload(&self) -> Option<&P> {
        match &self.body {
            Body::Text(text) => Some(text),
            Body::Event(event) => Some(&event.arguments),
            Body::Binary(_) => None,
        }
    }

    /// The bytes, of a binary frame.
    pub fn bytes(&self) -> Option<&[u8]> {
        match &self.body {
            Body::Binary(bytes) => Some(bytes),
            _ => None,
        }
    }
}

impl Frame {
    /// Its `type`, or the name of the event of a Socket.IO server; `None` if it has none that is a string. Hostile text.
    pub fn kind(&self) -> Option<&str> {
        self.kind.as_deref()
    }

    /// The JSON text as the server wrote it, of a frame of text. Of an event of a Socket.IO server the list of its arguments,
    /// with [`Bytes`] where there were bytes. Hostile text.
    pub fn text(&self) -> Option<&str> {
        self.payload().map(String::as_str)
    }

    /// How many bytes it has.
    pub fn byte_len(&self) -> usize {
        match &self.body {
            Body::Text(text) => text.len(),
            Body::Binary(bytes) => bytes.len(),
            Body::Event(event) => event.arguments.len(),
        }
    }

    /// Reads the whole frame, its `type` among the rest, as `T`; a binary frame if its bytes are JSON. Of an event of a
    /// Socket.IO server it reads the list of its arguments: `let (symbol, value): (String, f64) = frame.json()?`.
    ///
    /// # Errors
    /// When it is not what `T` expects. The frame is still there.
    #[cfg(feature = "json")]
    pub fn json<'a, T: serde::Deserialize<'a>>(&'a self) -> Result<T, FrameError> {
        let read = match &self.body {
            Body::Text(text) => serde_json::from_str(text),
            Body::Binary(bytes) => serde_json::from_slice(bytes),
            Body::Event(event) => serde_json::from_str(&event.arguments),
        };
        read.map_err(|error| FrameError::new(&error))
    }

    /// Reads one argument of an event of a Socket.IO server, the first with 0, as `T`.
    ///
    /// # Errors
    /// When there is no such argument, or it is not what `T` expects. The frame is still there.
    #[cfg(feature = "json")]
    pub fn argument<'a, T: serde::Deserialize<'a>>(&'a self, at: usize) -> Result<T, FrameError> {
        let Body::Event(event) = &self.body else { return Err(FrameError("it is no event".into())) };
        let arguments: Vec<&serde_json::value::RawValue> =
            serde_json::from_str(&event.arguments).map_err(|error| FrameError::new(&error))?;
        let json = arguments.get(at).ok_or_else(|| FrameError("it has not so many arguments".into()))?;
        serde_json::from_str(json.get()).map_err(|error| FrameError::new(&error))
    }
}

/// Only what kind of frame it is: its content must not appear in logs.
impl<P, N: fmt::Debug> fmt::Debug for Frame<P, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_binary = matches!(self.body, Body::Binary(_));
        f.debug_struct("Frame").field("kind", &self.kind).field("binary", &is_binary).finish_non_exhaustive()
    }
}

/// A frame is not what was expected.
#[cfg(feature = "json")]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the frame cannot be read so: {0}")]
pub struct FrameError(Box<str>);

#[cfg(feature = "json")]
impl FrameError {
    pub(crate) fn new(error: &impl fmt::Display) -> Self {
        Self(super::bounded(&alloc::format!("{error}")))
    }
}

/// Bytes in an event of a Socket.IO server, down and up: in JSON `{"base64":"AQID"}`, on the wire an attachment.
///
/// ```
/// # #[cfg(feature = "native")] {
/// use rejoin::Bytes;
///
/// assert_eq!(serde_json::to_string(&Bytes(vec![1, 2, 3])).unwrap(), r#"{"base64":"AQID"}"#);
/// # }
/// ```
#[cfg(feature = "json")]
#[derive(Clone, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

#[cfg(feature = "json")]
impl serde::Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use base64::Engine as _;
        use serde::ser::SerializeMap as _;
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("base64", &base64::engine::general_purpose::STANDARD.encode(&self.0))?;
        map.end()
    }
}

#[cfg(feature = "json")]
impl<'de> serde::Deserialize<'de> for Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use base64::Engine as _;
        #[derive(serde::Deserialize)]
        struct Encoded {
            base64: String,
        }
        let Encoded { base64 } = Encoded::deserialize(deserializer)?;
        let bytes = base64::engine::general_purpose::STANDARD.decode(base64);
        bytes.map(Self).map_err(serde::de::Error::custom)
    }
}

/// Only how many: its content must not appear in logs.
#[cfg(feature = "json")]
impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bytes({})", self.0.len())
    }
}
