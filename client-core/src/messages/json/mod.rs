//! Frames as JSON text, for drivers and servers that have `serde_json`.

mod client;
#[cfg(feature = "native")]
mod custom;
mod data;
mod fast_path;
mod frames;
mod interner;
mod optional;
mod server;
mod stream;
mod tagged;
mod timestamp;
mod user_id;
mod validate;
mod writer;

pub use client::{decode_client, encode_client, encode_client_into};
#[cfg(feature = "native")]
pub(crate) use custom::{NotCustom, check_own, own_frame};
pub use frames::envelope;
pub use server::{ServerDecoder, encode_server};
#[cfg(feature = "socketio")]
pub(crate) use timestamp::{is_number, timestamp};
pub use validate::{is_data, nesting_depth, well_formed};

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use serde::Serialize;

/// Why a text is no frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Not JSON.
    #[error("the frame is not JSON: {0}")]
    NotJson(Box<str>),
    /// JSON, but no object with a string `type`.
    #[error("the frame is not a JSON object with a string \"type\"")]
    NoType,
    /// A known type with a field missing or of the wrong type.
    #[error("the {frame} frame is malformed: {detail}")]
    Field {
        /// The frame's type.
        frame: &'static str,
        /// Which field, and what is wrong with it.
        detail: Box<str>,
    },
}

/// A rare frame, written as its structure says.
#[derive(Serialize)]
struct Tagged<T> {
    r#type: &'static str,
    #[serde(flatten)]
    fields: T,
}

fn write(frame: &impl Serialize, capacity: usize) -> String {
    let mut text = Vec::with_capacity(capacity);
    write_into(frame, &mut text);
    // What serde_json writes is UTF-8.
    String::from_utf8(text).unwrap_or_default()
}

fn write_into(frame: &impl Serialize, text: &mut Vec<u8>) {
    // Strings into a vector: serde_json has nothing to fail on.
    let written = serde_json::to_writer(text, frame);
    debug_assert!(written.is_ok());
}
