//! The handle to one more Socket.IO namespace, and its builder. Validates; the machine does the rest.

use super::{Client, Shared, check_join};
use crate::name::{Name, PERSONAL_ROOM};
use crate::native::commands::CommandQueue;
use crate::native::driver::{NamespaceBuffers, OpenNamespace, OutboxCapacity, Waiters};
use crate::native::events::{EventQueue, Events, Subscriptions};
use crate::native::options::{BuildError, TokenSource};
use crate::native::socket_io::{AuthError, as_auth, auth_object};
use crate::native::status::{ConnectionStatus, Transitions};
use crate::session::Join;
use crate::socketio::{Namespace, NamespaceError, OpenError};
use crate::token::{Credentials, Token, TokenError};
use serde::Serialize;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// Why a namespace cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenNamespaceError {
    /// The server uses another protocol: see [`ClientBuilder::socket_io`](crate::ClientBuilder::socket_io).
    #[error("only Socket.IO servers have namespaces: build the client with socket_io()")]
    Unsupported,
    /// The name is none.
    #[error(transparent)]
    Name(#[from] NamespaceError),
    /// It is open already, or too many are.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// What is said to the namespace is not written as a JSON object, or is larger than 64 KiB.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// A room's name is none.
    #[error(transparent)]
    Room(BuildError),
    /// The client has ended.
    #[error("the client has ended")]
    Closed,
}

/// Another namespace being described: [`NamespaceBuilder::connect`] opens it.
#[must_use = "a namespace is not opened before connect()"]
pub struct NamespaceBuilder {
    client: Client,
    name: String,
    auth: Option<Result<Token, OpenNamespaceError>>,
    source: Option<TokenSource>,
    joins: Vec<Join>,
}

impl Client {
    /// Begins to describe a handle to one more namespace of a Socket.IO server, over the connection that there is. At most
    /// [`MAX_NAMESPACES`](crate::socketio::MAX_NAMESPACES) are open beside the first.
    ///
    /// ```no_run
    /// # async fn f(client: rejoin::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let auth = serde_json::json!({"device": "kitchen"});
    /// let (alerts, mut events) = client.namespace("/notifications").auth(&auth).connect()?;
    /// alerts.emit("seen", &7).await?;
    /// while let Some(event) = events.next().await {
    ///     println!("{event:?}");
    /// }
    /// # Ok(()) }
    /// ```
    pub fn namespace(&self, name: &str) -> NamespaceBuilder {
        let client = self.shared.parent.as_ref().map_or(self, |(first, _)| first).clone();
        NamespaceBuilder { client, name: name.to_owned(), auth: None, source: None, joins: Vec::new() }
    }

    /// The name of the namespace that this handle is for; `None` for the one that the client began with.
    pub fn namespace_name(&self) -> Option<&str> {
        self.shared.parent.as_ref().map(|(_, name)| name.as_str())
    }
}

impl NamespaceBuilder {
    /// What the namespace is reported of the client: a JSON object, `socket.handshake.auth` there. Nothing by default: the token
    /// of the first namespace is not for others.
    pub fn auth(mut self, object: &(impl Serialize + ?Sized)) -> Self {
        self.auth = Some(auth_object(object).map_err(OpenNamespaceError::from));
        self
    }

    /// A function that fetches it: called before the namespace is requested the first time and once for each refusal, at most
    /// 10 s.
    pub fn auth_source<F, R, A>(mut self, fetch: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<A, TokenError>> + Send + 'static,
        A: Serialize,
    {
        self.source = Some(Arc::new(move || {
            let fetched = fetch();
            Box::pin(async move {
                auth_object(&fetched.await?).map_err(|error| TokenError::permanent(error.to_string()))
            })
        }));
        self
    }

    /// The same as [`auth`](Self::auth) with `{"token": …}`, as the first namespace is given its token.
    pub fn token(mut self, token: impl Into<Token>) -> Self {
        self.auth = Some(Ok(as_auth(&token.into())));
        self
    }

    /// A function that fetches it: called as [`auth_source`](Self::auth_source) is.
    pub fn token_source<F, R>(mut self, fetch: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<Token, TokenError>> + Send + 'static,
    {
        self.source = Some(Arc::new(move || {
            let fetched = fetch();
            Box::pin(async move { Ok(as_auth(&fetched.await?)) })
        }));
        self
    }

    /// A room to join from the start, where the namespace has rooms of the contract.
    pub fn room(mut self, room: impl Into<String>) -> Self {
        self.joins.push(Name::from(room.into()).into());
        self
    }

    /// Tell whether notifications were missed, as [`ClientBuilder::notifications`](crate::ClientBuilder::notifications)
    /// does: they come in any case.
    pub fn notifications(mut self) -> Self {
        self.joins.push(Join { personal: true, ..Name::from(PERSONAL_ROOM).into() });
        self
    }

    /// Opens the namespace, now and on each connection: this succeeds without a network too. The handle is a [`Client`] of
    /// its own, and what happens there is in its own [`Events`]:
    ///
    /// - Its [status](Client::status) is that of the namespace: [`Connected`](crate::State::Connected) when the namespace has let it
    ///   in, [`Failed`](crate::State::Failed) with the server's message and data when it is refused, or when the server disconnects it.
    ///   The other namespaces stay as they are, and [`Client::connect`] requests it again.
    /// - Rooms, sends, kept events and their bounds are those of the namespace, and so is the recovery after a loss. What
    ///   waits is not part of a [stored state](crate::ClientBuilder::state_file).
    /// - [`Client::close`] leaves the namespace; the others stay connected. So does dropping all its handles. The connection
    ///   lives as long as any handle to any namespace.
    /// - [`Client::reconnect`] enters it anew, and leaves the connection as it is.
    /// - The end of the connection, and a refusal of the first namespace, are the end of all.
    ///
    /// # Errors
    /// For bad arguments, for a namespace that is open already, when too many are, and when the client has ended.
    pub fn connect(self) -> Result<(Client, Events), OpenNamespaceError> {
        let Self { client, name, auth, source, joins } = self;
        let first = &client.shared;
        let registry = first.registry.clone().ok_or(OpenNamespaceError::Unsupported)?;
        let namespace = Namespace::new(&name)?;
        for join in &joins {
            check_join(join)
                .map_err(|error| OpenNamespaceError::Room(BuildError::bad_room(&join.room, error)))?;
        }
        let credentials = match auth.transpose()? {
            _ if source.is_some() => Credentials::Source,
            Some(auth) => Credentials::Fixed(auth),
            None => Credentials::Anonymous,
        };
        registry.add(&namespace)?;
        let (commands, queue) = (Arc::new(CommandQueue::new(false)), Arc::new(EventQueue::default()));
        let subscriptions = Arc::new(Subscriptions::default());
        let (status, statuses) = watch::channel(ConnectionStatus::connecting());
        let transitions = Transitions::default();
        let shared = Shared {
            commands: Arc::clone(&commands),
            events: Arc::clone(&queue),
            subscriptions: Arc::clone(&subscriptions),
            status: statuses,
            transitions: transitions.clone(),
            clock: first.clock,
            restored: Mutex::default(),
            custom: first.custom.clone(),
            open_requests: Arc::default(),
            requests: None,
            stored_user: None,
            registry: None,
            parent: Some((client.clone(), namespace.clone())),
        };
        let handle = Client::new(Arc::new(shared));
        let events = Events::new(Arc::clone(&queue), Arc::clone(&commands), false);
        let waiters = Waiters::new(OutboxCapacity::new(registry.config()));
        let rest = NamespaceBuffers::default();
        let credentials = Some(credentials);
        #[rustfmt::skip]
        let space = OpenNamespace {
            namespace, credentials, joins, source, commands, queue, subscriptions, status, transitions, waiters, registry: Arc::clone(&registry), buffers: rest,
        };
        if registry.open(space) { Ok((handle, events)) } else { Err(OpenNamespaceError::Closed) }
    }
}

impl fmt::Debug for NamespaceBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamespaceBuilder").field("name", &self.name).finish_non_exhaustive()
    }
}
