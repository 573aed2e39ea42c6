//! A command of the application in a recording.

#[cfg(feature = "native")]
use super::redactor::Redactor;
use crate::event::SendId;
use crate::messages::Position;
use crate::name::Name;
use crate::outbound::OutboundMessage;
use crate::session::{Command, Join};
use crate::token::Token;
use alloc::boxed::Box;
use alloc::string::String;
use core::time::Duration;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RecordedCommand {
    Connect,
    Reconnect,
    Close,
    Join {
        room: Name,
        since: Option<Position>,
        history: Option<u64>,
        personal: bool,
    },
    Leave(Name),
    Send(RecordedSend),
    SendVolatile(RecordedSend),
    Keep {
        key: Name,
        frame: String,
    },
    DropKept(Name),
    Answer {
        ack: u64,
        arguments: String,
    },
    Cancel(u64),
    /// What stands in for the token.
    SetToken(String),
    Commit {
        room: Name,
        position: Position,
    },
    Signal {
        room: Name,
        kind: Name,
        data: Option<String>,
    },
    Presence(Name),
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RecordedSend {
    id: u64,
    room: Name,
    content: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    reference: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout: Option<Duration>,
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    idempotent: bool,
}

impl RecordedSend {
    #[cfg(feature = "native")]
    fn new(message: &OutboundMessage<String, Name>, redactor: &Redactor) -> Self {
        let OutboundMessage { id, room, content, data, reference, timeout, idempotent } = message;
        Self {
            id: id.0,
            room: room.clone(),
            content: redactor.text(content),
            data: data.as_ref().map(|data| redactor.json(data)),
            reference: reference.clone(),
            timeout: *timeout,
            idempotent: *idempotent,
        }
    }

    fn message(self) -> OutboundMessage<String, Name> {
        let Self { id, room, content, data, reference, timeout, idempotent } = self;
        OutboundMessage { id: SendId(id), room, content, data, reference, timeout, idempotent }
    }
}

impl RecordedCommand {
    #[cfg(feature = "native")]
    pub(super) fn new(command: &Command, redactor: &Redactor) -> Self {
        match command {
            Command::Connect => Self::Connect,
            Command::Reconnect => Self::Reconnect,
            Command::Close => Self::Close,
            Command::Join(Join { room, since, history, personal }) => Self::Join {
                room: room.clone(),
                since: since.clone(),
                history: *history,
                personal: *personal,
            },
            Command::Leave(room) => Self::Leave(room.clone()),
            Command::Send(message) => Self::Send(RecordedSend::new(message, redactor)),
            Command::SendVolatile(message) => Self::SendVolatile(RecordedSend::new(message, redactor)),
            Command::Keep { key, frame } => Self::Keep { key: key.clone(), frame: redactor.json(frame) },
            Command::DropKept(key) => Self::DropKept(key.clone()),
            Command::Answer { ack, arguments } => {
                Self::Answer { ack: *ack, arguments: redactor.json(arguments) }
            }
            Command::Cancel(id) => Self::Cancel(id.0),
            Command::SetToken(token) => Self::SetToken(redactor.token(token)),
            Command::Commit { room, position } => {
                Self::Commit { room: room.clone(), position: position.clone() }
            }
            Command::Signal { room, kind, data } => Self::Signal {
                room: room.clone(),
                kind: kind.clone(),
                data: data.as_ref().map(|data| redactor.json(data)),
            },
            Command::Presence(room) => Self::Presence(room.clone()),
        }
    }

    pub(super) fn command(self) -> Command {
        match self {
            Self::Connect => Command::Connect,
            Self::Reconnect => Command::Reconnect,
            Self::Close => Command::Close,
            Self::Join { room, since, history, personal } => {
                Command::Join(Join { room, since, history, personal })
            }
            Self::Leave(room) => Command::Leave(room),
            Self::Send(send) => Command::Send(send.message()),
            Self::SendVolatile(send) => Command::SendVolatile(send.message()),
            Self::Keep { key, frame } => Command::Keep { key, frame },
            Self::DropKept(key) => Command::DropKept(key),
            Self::Answer { ack, arguments } => Command::Answer { ack, arguments },
            Self::Cancel(id) => Command::Cancel(SendId(id)),
            Self::SetToken(token) => Command::SetToken(Token::new(token)),
            Self::Commit { room, position } => Command::Commit { room, position },
            Self::Signal { room, kind, data } => Command::Signal { room, kind, data },
            Self::Presence(room) => Command::Presence(room),
        }
    }
}
