//! A server's frame in a recording: its text, and beside it what the text of a frame cannot have.

#[cfg(feature = "native")]
use super::redactor::Redactor;
use crate::messages::json::{DecodeError, ServerDecoder};
use crate::messages::{Frame, ServerMessage};
use crate::name::Name;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RecordedFrame {
    /// One of the protocol.
    Text(String),
    /// One with a code of the server's own: the code, and the words that are told.
    Coded { text: String, server_code: Box<str>, message: String },
    /// One of the application's own.
    Own { kind: Option<Name>, text: String },
    /// One in bytes.
    Binary(Vec<u8>),
    /// One of a type that this version does not know.
    Unknown,
}

impl RecordedFrame {
    #[cfg(feature = "native")]
    pub(super) fn new(message: &ServerMessage, redactor: &Redactor) -> Self {
        if let ServerMessage::Custom(frame) = message {
            return match (frame.text(), frame.bytes()) {
                (Some(text), _) => {
                    Self::Own { kind: frame.kind().map(Name::from), text: redactor.json(text) }
                }
                (None, bytes) => Self::Binary(redactor.bytes(bytes.unwrap_or_default())),
            };
        }
        let mut message = message.clone();
        redact(&mut message, redactor);
        let Some(text) = crate::messages::json::encode_server(&message) else { return Self::Unknown };
        match coded(&mut message) {
            Some((Some(server_code), words)) => Self::Coded {
                text,
                server_code: server_code.clone(),
                message: words.cloned().unwrap_or_default(),
            },
            _ => Self::Text(text),
        }
    }

    pub(super) fn message(self, decoder: &mut ServerDecoder) -> Result<ServerMessage, DecodeError> {
        Ok(match self {
            Self::Text(text) => decoder.decode(&text)?,
            Self::Coded { text, server_code, message: words } => {
                let mut message = decoder.decode(&text)?;
                if let Some((code, told)) = coded(&mut message) {
                    *code = Some(server_code);
                    if let Some(told) = told {
                        *told = words;
                    }
                }
                message
            }
            Self::Own { kind, text } => ServerMessage::Custom(Frame::new(kind, text)),
            Self::Binary(bytes) => ServerMessage::Custom(Frame::binary(bytes)),
            Self::Unknown => ServerMessage::Unknown,
        })
    }
}

/// Where a frame has a code of the server's own, and words with it.
fn coded(message: &mut ServerMessage) -> Option<(&mut Option<Box<str>>, Option<&mut String>)> {
    match message {
        ServerMessage::Error { message, detail: Some(detail) } => {
            Some((&mut detail.server_code, Some(message)))
        }
        ServerMessage::Nack(nack) => Some((&mut nack.server_code, Some(&mut nack.message))),
        ServerMessage::Left(left) => Some((&mut left.server_code, None)),
        _ => None,
    }
}

/// Replaces what people and servers wrote.
#[cfg(feature = "native")]
fn redact(message: &mut ServerMessage, redactor: &Redactor) {
    let said = |message: &mut crate::messages::Message| {
        message.content = redactor.text(&message.content);
        message.data = message.data.take().map(|data| redactor.json(&data));
    };
    match message {
        ServerMessage::Message(message) => said(message),
        ServerMessage::History(history) => history.messages.iter_mut().for_each(said),
        ServerMessage::Error { message: words, .. } => *words = redactor.text(words),
        ServerMessage::Nack(nack) => nack.message = redactor.text(&nack.message),
        ServerMessage::Signal(signal) => signal.data = signal.data.take().map(|data| redactor.json(&data)),
        ServerMessage::Notification(told) => told.data = told.data.take().map(|data| redactor.json(&data)),
        // The rest has names and numbers.
        _ => {}
    }
}
