//! The options of a Socket.IO client.

use crate::config::Config;
use crate::name::{Name, PERSONAL_ROOM};
use crate::native::custom::{CUSTOM_ROOM, CustomMessages};
use crate::socketio::{AckText, EventMap, Manager, Namespace, Options, Transports};
use crate::token::Token;
use serde::Serialize;
use std::sync::Arc;

/// Maximum bytes of an `auth` object.
const MAX_AUTH_BYTES: usize = 64 << 10;

/// What was to be an `auth` object is none, or is too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the auth of a namespace must be a JSON object of at most 64 KiB")]
#[non_exhaustive]
pub struct AuthError;

/// The options for a Socket.IO server: [`ClientBuilder::socket_io`](crate::ClientBuilder::socket_io). The default is the
/// main namespace, the contract's own names for the events, and acks.
///
/// ```
/// use rejoin::SocketIo;
/// use rejoin::socketio::{AckText, Namespace};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut server = SocketIo::new(Namespace::new("/chat")?);
/// server.events.set("message", "chat:message")?;
/// server.options.acks = false; // its handlers do not call them
/// // Or, where they call them with a text when something is wrong:
/// server.ack_text = AckText::Error;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SocketIo {
    /// The namespace. Others on the same connection are opened with [`Client::namespace`](crate::Client::namespace).
    pub namespace: Namespace,
    /// What the server calls the events.
    pub events: EventMap,
    /// Acks and transports.
    pub options: Options,
    /// What an ack means that is nothing but a text: a success, unless told otherwise.
    pub ack_text: AckText,
    /// A custom event that wants an answer waits for [`Client::answer`](crate::Client::answer), 256 of them at most.
    /// By default, and beyond that, it gets an empty answer at once.
    pub manual_acks: bool,
    /// The fields of the `auth` object beside the token.
    auth: Option<Token>,
}

impl SocketIo {
    /// One with this namespace, and the defaults otherwise.
    pub fn new(namespace: Namespace) -> Self {
        Self { namespace, ..Self::default() }
    }

    /// The same; `false` for a server whose handlers do not call their acks: [`Options::acks`].
    pub fn acks(mut self, calls: bool) -> Self {
        self.options.acks = calls;
        self
    }

    /// The same, over these transports only: [`Options::transports`].
    pub fn transports(mut self, allowed: Transports) -> Self {
        self.options.transports = allowed;
        self
    }

    /// The same; `true` to answer the server's events with [`Client::answer`](crate::Client::answer).
    pub fn manual_acks(mut self, manual: bool) -> Self {
        self.manual_acks = manual;
        self
    }

    /// The same; `object` is written as JSON, and its fields are in `socket.handshake.auth` of the namespace, beside the
    /// [token](crate::ClientBuilder::token), which is the field `token`. Others have [theirs](crate::NamespaceBuilder::auth).
    ///
    /// ```
    /// let server = rejoin::SocketIo::default().auth(&serde_json::json!({"username": "ada"}))?;
    /// # Ok::<(), rejoin::AuthError>(())
    /// ```
    ///
    /// # Errors
    /// When it is not written as an object, or is larger than 64 KiB.
    pub fn auth(mut self, object: &(impl Serialize + ?Sized)) -> Result<Self, AuthError> {
        self.auth = Some(auth_object(object)?);
        Ok(self)
    }

    /// Those fields.
    pub(crate) fn auth_fields(&self) -> Option<Token> {
        self.auth.clone()
    }

    /// What such a server takes of the application's own.
    pub(crate) fn custom_messages(&self) -> CustomMessages {
        CustomMessages::Events(Arc::new(self.events.clone()))
    }

    /// The machine for such a server.
    pub(crate) fn manager(&self, config: Config, seed: u64) -> Manager {
        let namespace = self.namespace.clone();
        let mut manager = Manager::new(namespace, config, self.options, PERSONAL_ROOM.into(), seed);
        manager.custom_events(Name::from(CUSTOM_ROOM));
        if self.manual_acks {
            manager.manual_acks();
        }
        manager
    }
}

/// An object as the machine takes it.
pub(crate) fn auth_object(object: &(impl Serialize + ?Sized)) -> Result<Token, AuthError> {
    let json = super::custom::json(object).map_err(|_| AuthError)?;
    if json.starts_with('{') && json.len() <= MAX_AUTH_BYTES { Ok(Token::new(json)) } else { Err(AuthError) }
}

/// The `auth` object that has this token in it.
pub(crate) fn as_auth(token: &Token) -> Token {
    Token::new(serde_json::json!({"token": token.expose()}).to_string())
}
