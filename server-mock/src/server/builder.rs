//! Sets a server up in code, where its decisions are functions.

use super::{BindError, Server};
use crate::auth::{Auth, AuthRequest, Authenticator, Authorizer, User};
use crate::config::Config;
use crate::hub::Right;
use std::fmt;
use std::future::Future;

/// A server that is being set up in code. [`Server::builder`] begins one.
#[derive(Debug, Default)]
pub struct ServerBuilder {
    config: Config,
}

impl ServerBuilder {
    /// Everything else than what the builder has methods for. Takes the place of what they have set before.
    pub fn config(self, config: Config) -> Self {
        Self { config }
    }

    /// Asks this function whose a token is: for each connection, feed and Socket.IO session, and for each new token of an
    /// open one. `Ok(Some(user))` lets in, `Ok(None)` refuses for good. An error, or no answer within 5 s, lets nobody in,
    /// and is told to the client as something that passes: it comes back later. At most 256 are asked about at a time.
    pub fn authenticate<F, Answer, E>(mut self, ask: F) -> Self
    where
        F: Fn(String, AuthRequest) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Result<Option<User>, E>> + Send + 'static,
        E: fmt::Display,
    {
        self.config.auth = Auth::Custom(Authenticator::new(ask));
        self
    }

    /// Asks this function whether a user may do something in a room, by its name in the hub (`/chat,lobby` in a Socket.IO
    /// namespace): before each frame that needs it, each feed, and each session that is recovered, whatever the token allows
    /// beside it. `Ok(true)` allows it, `Ok(false)` refuses it for good and names the right. An error, or no answer within 5 s,
    /// refuses it for now: the client tries again. An answer counts on its connection for 10 s ([`Authorizer::with_ttl`] has it
    /// otherwise), so that it is asked anew at every reconnect. At most 256 are asked about at a time, and 16 of one
    /// connection, whose frames wait in their order; nobody else waits for them.
    ///
    /// ```
    /// # async fn doc() -> Result<(), Box<dyn std::error::Error>> {
    /// use rejoin_server::Server;
    /// use rejoin_server::hub::Right;
    ///
    /// let server = Server::builder()
    ///     .authorize(async |user, action, room| {
    ///         // Ask a database here.
    ///         let is_member = room == "lobby" || room.starts_with(&format!("{user}-"));
    ///         Ok::<_, std::io::Error>(is_member && action != Right::Signal)
    ///     })
    ///     .bind()
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub fn authorize<F, Answer, E>(mut self, ask: F) -> Self
    where
        F: Fn(String, Right, String) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Result<bool, E>> + Send + 'static,
        E: fmt::Display,
    {
        self.config.authorize = Some(Authorizer::new(ask));
        self
    }

    /// As [`Server::bind`].
    pub async fn bind(self) -> Result<Server, BindError> {
        Server::bind(self.config).await
    }
}
