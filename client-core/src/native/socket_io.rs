//! The options of a Socket.IO client.

use crate::config::Config;
use crate::name::{Name, PERSONAL_ROOM};
use crate::native::custom::{CUSTOM_ROOM, CustomMessages};
use crate::socketio::{AckText, EventMap, Manager, Namespace, Options, Transports};
use crate::token::Token;
use std::sync::Arc;

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

/// The `auth` object that has this token in it.
pub(crate) fn as_auth(token: &Token) -> Token {
    Token::new(serde_json::json!({"token": token.expose()}).to_string())
}
