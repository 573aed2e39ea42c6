//! The handle of an application to a client.

mod builder;
#[cfg(feature = "socketio")]
mod emit;
mod frame;
mod message;
#[cfg(feature = "socketio")]
mod namespace;
mod permit;
mod request;

pub use builder::{ClientBuilder, ReadBuffer};
pub use frame::FrameBuilder;
pub use message::MessageBuilder;
#[cfg(feature = "socketio")]
pub use namespace::{NamespaceBuilder, OpenNamespaceError};
pub use permit::Permit;
pub use request::Request;

use crate::cause::{Cause, CauseCode};
use crate::event::{DeliveryStatus, JoinedRoom, Mode, SendFailure, SendId, SendReply};
use crate::link::State;
use crate::messages::Position;
use crate::name::{Name, PERSONAL_ROOM, RoomNameError, check_room_name};
use crate::native::clock::Clock;
use crate::native::commands::{CommandQueue, JoinError, Requests, Waiter};
use crate::native::custom::{self, CustomMessages};
#[cfg(feature = "socketio")]
use crate::native::driver::NamespaceRegistry;
use crate::native::events::{EventQueue, Subscription, Subscriptions};
use crate::native::status::{ClosedError, ConnectionStatus, Transition, Transitions};
use crate::session::{Command, Diagnostics, Input, Join};
#[cfg(feature = "socketio")]
use crate::socketio::Namespace;
use crate::time::Timestamp;
use crate::token::Token;
use serde::Serialize;
use std::fmt;
use std::future::Future;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// A handle to a connection that keeps itself alive. Clone it freely; all clones are the same client.
///
/// The connection ends with [`Client::close`], or when every clone and the [`Events`](crate::Events) are
/// dropped.
pub struct Client {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) commands: Arc<CommandQueue>,
    pub(crate) events: Arc<EventQueue>,
    pub(crate) subscriptions: Arc<Subscriptions>,
    pub(crate) status: watch::Receiver<ConnectionStatus>,
    pub(crate) transitions: Transitions,
    pub(crate) clock: Clock,
    pub(crate) restored: Mutex<Vec<RestoredOutcome>>,
    pub(crate) custom: CustomMessages,
    /// Requests to a Socket.IO server that have no answer.
    pub(crate) open_requests: Arc<AtomicUsize>,
    pub(crate) requests: Option<Arc<Requests>>,
    pub(crate) stored_user: Option<Name>,
    /// The namespaces that have handles, of a Socket.IO server.
    #[cfg(feature = "socketio")]
    pub(crate) registry: Option<Arc<NamespaceRegistry>>,
    /// The handle to the first namespace, and the name of this one, in another one.
    #[cfg(feature = "socketio")]
    pub(crate) parent: Option<(Client, Namespace)>,
}

/// The outcome of a send of an earlier run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RestoredOutcome {
    /// Its number in this run, for [`Client::confirm`].
    pub id: SendId,
    /// Whose it is, if an extended server had announced it: nobody else is to be told it. Once the server has announced of
    /// this run who it is ([`Client::user`], from [`Event::Mode`](crate::Event::Mode) on), compare the two.
    pub user: Option<Name>,
    /// Where it was to go.
    pub room: Name,
    /// The caller's own name for it.
    pub reference: Option<Box<str>>,
    /// What it said, as a number: see [`digest`](crate::machine::digest). `None` where an earlier version has stored it.
    pub digest: Option<u64>,
    /// The outcome of it.
    pub status: DeliveryStatus,
    /// Socket.IO: what the server's handler answered; of the last 256 answers, and up to 4 KiB.
    pub reply: Option<Box<SendReply>>,
    /// Whether the earlier run has processed it.
    pub confirmed: bool,
}

/// A user's own stream has a name that no room can have.
pub(crate) fn check_join(join: &Join) -> Result<(), RoomNameError> {
    if join.personal && join.room == PERSONAL_ROOM { Ok(()) } else { check_room_name(&join.room) }
}

impl Client {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        shared.commands.client_added();
        Self { shared }
    }

    pub(super) fn command(&self, command: Command) {
        self.shared.commands.push(Input::Command(command));
    }

    /// Takes a submitted message back if it is not on its way.
    pub fn cancel(&self, id: SendId) {
        self.command(Command::Cancel(id));
    }

    /// Becomes a member of a room, now and after every reconnect. The result comes as
    /// [`Event::Room`](crate::Event::Room).
    ///
    /// # Errors
    /// When `room` is no room name.
    pub fn join(&self, room: &str) -> Result<(), RoomNameError> {
        check_room_name(room)?;
        self.command(Command::Join(Name::from(room).into()));
        Ok(())
    }

    /// As [`Client::join`], and waits until the room is joined (plain: the join is written), however many connections that
    /// takes.
    ///
    /// ```no_run
    /// # async fn f(client: rejoin::Client) -> Result<(), rejoin::JoinError> {
    /// let joined = client.join_and_wait("lobby").await?;
    /// println!("{} people are there", joined.members.map_or(0, |members| members.len()));
    /// # Ok(()) }
    /// ```
    ///
    /// Cancel safe: the join stays requested, without the waiting.
    ///
    /// # Errors
    /// When `room` is no room name, the server refuses the join permanently, the room is left, or the client ends.
    pub async fn join_and_wait(&self, room: &str) -> Result<JoinedRoom, JoinError> {
        check_room_name(room).map_err(|error| JoinError::BadRoom(room.chars().take(64).collect(), error))?;
        let name = Name::from(room);
        let (done, joined) = oneshot::channel();
        let join = Input::Command(Command::Join(name.clone().into()));
        self.shared.commands.wait(Some(join), Waiter::Joined(name, done));
        joined.await.unwrap_or_else(|_| Err(self.ended().into()))
    }

    /// As [`Client::join`], with a position to continue from or with history:
    /// `Join::room("lobby").history(20)`.
    ///
    /// # Errors
    /// When the room's name is none.
    pub fn join_with(&self, join: Join) -> Result<(), RoomNameError> {
        check_join(&join)?;
        self.command(Command::Join(join));
        Ok(())
    }

    /// Leaves a room once the earlier sends to it are final.
    pub fn leave(&self, room: &str) {
        self.command(Command::Leave(Name::from(room)));
    }

    /// Says that everything in a room up to `position` has been processed: a later run with the same stored state
    /// continues behind it. For those who chose [`ClientBuilder::manual_commit`]; the room of notifications is
    /// [`PERSONAL_ROOM`].
    pub fn commit(&self, room: &Name, position: Position) {
        self.shared.commands.commit(room.clone(), position);
    }

    /// Says that the outcome of a submitted send has been processed: until then it is kept in the stored state, and
    /// [`Client::restored_outcomes`] of a later run has it. For those who chose [`ClientBuilder::manual_commit`] or
    /// [`MessageBuilder::manual_confirm`], and for the outcomes of earlier runs.
    pub fn confirm(&self, id: SendId) {
        self.shared.commands.confirm([id]);
    }

    /// What the stored state knows of sends of earlier runs that have their outcome, the oldest first: those that nobody
    /// has processed, and the last 10,000 that had a reference. Given once; later it is empty.
    pub fn restored_outcomes(&self) -> Vec<RestoredOutcome> {
        std::mem::take(&mut *self.shared.restored.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whose the stored state was when this run began, if an extended server has announced it in an earlier one: what waited
    /// in it is this user's.
    pub fn stored_user(&self) -> Option<Name> {
        self.shared.stored_user.clone()
    }

    /// Whether an outcome of an earlier run is to be told to whoever is here: the user that the server has announced, or,
    /// where it has announced nobody, the one that it announced last.
    pub fn is_own_outcome(&self, outcome: &RestoredOutcome) -> bool {
        let present = self.user().or_else(|| self.stored_user());
        present.is_none() || outcome.user.is_none() || outcome.user == present
    }

    /// Sends something ephemeral to whoever is in a room now, `typing` for instance; `&()` for no data. Not stored, not
    /// answered, dropped where it cannot be sent at once.
    ///
    /// # Errors
    /// When the room's name is none, or `data` cannot be written as JSON.
    pub fn signal(&self, room: &str, kind: &str, data: &impl Serialize) -> Result<(), SendFailure> {
        check_room_name(room).map_err(|_| SendFailure::BadRoom)?;
        let data = Some(custom::json(data)?).filter(|json| json != "null");
        self.command(Command::Signal { room: room.into(), kind: kind.into(), data });
        Ok(())
    }

    /// Request the members of a room; the answer is [`Event::Presence`](crate::Event::Presence). Dropped where it cannot be
    /// sent at once.
    pub fn request_presence(&self, room: &str) {
        self.command(Command::Presence(Name::from(room)));
    }

    /// Replaces the connection by a fresh one, or dials at once instead of waiting. The limit of 6 dials in
    /// 30 s holds here too.
    pub fn reconnect(&self) {
        self.command(Command::Reconnect);
    }

    /// Leaves `failed` and dials again.
    pub fn connect(&self) {
        self.command(Command::Connect);
    }

    /// Uses another token from the next dial on; leaves `failed`.
    pub fn set_token(&self, token: Token) {
        #[cfg(feature = "socketio")]
        let token = if self.shared.parent.is_some() { super::socket_io::as_auth(&token) } else { token };
        self.command(Command::SetToken(token));
    }

    /// Reports what the platform noticed about the network.
    pub fn hint(&self, hint: crate::link::Hint) {
        self.shared.commands.push(Input::Hint(hint));
    }

    /// The connection as it is now.
    pub fn status(&self) -> ConnectionStatus {
        self.shared.status.borrow().clone()
    }

    /// The user that the server takes the token for, once an extended server has announced it; other servers do not.
    /// [`Message::is_own`](crate::Message::is_own) compares with it.
    pub fn user(&self) -> Option<Name> {
        self.shared.status.borrow().user.clone()
    }

    /// Waits until the client is closed or has failed for a reason that trying again does not mend, and gives the reason.
    /// At once if that is so already.
    ///
    /// Cancel safe.
    pub async fn terminated(&self) -> Cause {
        let mut status = self.shared.status.clone();
        let is_over = |status: &ConnectionStatus| matches!(status.state, State::Closed | State::Failed);
        // The driver ends in one of these states, so that an error has a cause to show, too.
        let _ = status.wait_for(is_over).await;
        let cause = status.borrow().cause.clone();
        cause.unwrap_or_else(|| Cause { will_retry: false, ..Cause::new(CauseCode::Requested, "") })
    }

    /// Waits until every send made before has its outcome.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// When the client ends before that; then they all have an outcome, too.
    pub async fn flush(&self) -> Result<(), ClosedError> {
        let (done, flushed) = oneshot::channel();
        self.shared.commands.wait(None, Waiter::Flushed(done));
        flushed.await.unwrap_or_else(|_| Err(self.ended()))
    }

    pub(super) fn ended(&self) -> ClosedError {
        ClosedError { cause: self.shared.status.borrow().cause.clone() }
    }

    /// The messages of one room from now on, for one of several consumers: each subscription has every message, in the order
    /// of [`Events`](crate::Events), and a queue of its own. It neither joins nor leaves the room. Dropping it ends it; it
    /// does not keep the client alive.
    ///
    /// ```no_run
    /// # async fn f(client: rejoin::Client) -> Result<(), rejoin::RoomNameError> {
    /// client.join("lobby")?;
    /// let mut lobby = client.subscribe("lobby")?;
    /// while let Some(item) = lobby.next().await {
    ///     match item {
    ///         Ok(message) => println!("{}: {}", message.user, message.content),
    ///         Err(missed) => println!("{missed}"),
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// Up to 4,096 messages and 4 MiB of them wait in it. When it is full, what comes is dropped for this consumer only, and in
    /// its place [`Missed::Lagged`](crate::Missed::Lagged) says how many were. A gap of the room is an item, too; all else is reported by
    /// [`Events`](crate::Events) alone, and so it has to be read as well, or dropped: one that is kept and not read holds up
    /// the messages of extended rooms, for the subscriptions as well. With a stored state only
    /// [`Events`](crate::Events) and [`Client::commit`] move the committed positions.
    ///
    /// # Errors
    /// When `room` is no room name.
    pub fn subscribe(&self, room: &str) -> Result<Subscription, RoomNameError> {
        check_room_name(room)?;
        Ok(self.shared.subscriptions.add(room.into(), &self.shared.commands))
    }

    /// The client's clock, to read the `retry_at` of a state against.
    pub fn now(&self) -> Timestamp {
        self.shared.clock.monotonic()
    }

    /// The last measured round trip, if there was one.
    pub fn rtt(&self) -> Option<Duration> {
        self.diagnostics().rtt
    }

    /// What has been counted so far.
    pub fn diagnostics(&self) -> Diagnostics {
        self.shared.events.diagnostics()
    }

    /// The last 16 changes of state, the oldest first, each with its cause: what to put into a report, beside
    /// [`diagnostics`](Self::diagnostics).
    ///
    /// ```
    /// # fn report(client: &rejoin::Client) {
    /// for rejoin::Transition { at, change, .. } in client.transitions() {
    ///     let cause = change.cause.map(|cause| cause.to_string()).unwrap_or_default();
    ///     println!("{:?} {} {cause}", at.since_start(), change.state.as_str());
    /// }
    /// # }
    /// ```
    pub fn transitions(&self) -> Vec<Transition> {
        self.shared.transitions.list()
    }

    /// Waits until the connection is up, what it can promise is known and every wanted room is joined (plain: the
    /// joins are written), those requested just before among them.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// When the client is closed or has failed, with the cause.
    pub async fn ready(&self) -> Result<Mode, ClosedError> {
        let (done, ready) = oneshot::channel();
        self.shared.commands.wait(None, Waiter::Ready(done));
        ready.await.unwrap_or_else(|_| Err(self.ended()))
    }

    /// [Flushes](Client::flush), for at most `grace`, and then [closes](Client::close). Returns whether every send had its
    /// outcome before the end.
    ///
    /// Cancel safe, as its parts are; a close that was not reached has to be requested again.
    pub async fn close_after(&self, grace: Duration) -> bool {
        let flushed = tokio::time::timeout(grace, self.flush()).await;
        self.close().await;
        matches!(flushed, Ok(Ok(())))
    }

    /// Ends the connection with 1000 and waits until it is closed, at most 3 s, and then for the store, if there is
    /// one. Sends without an outcome resolve at once: [flush](Client::flush) first to lose none. In a store they stay, and
    /// the next run continues with them.
    ///
    /// The end is requested when this returns, before the first poll; cancel safe: it continues without the waiting.
    pub fn close(&self) -> impl Future<Output = ()> + Send + use<> {
        self.command(Command::Close);
        let mut status = self.shared.status.clone();
        async move {
            // An error is an end, too.
            let _ = status.wait_for(|status| status.state == State::Closed).await;
        }
    }
}

impl Clone for Client {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.shared))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.shared.commands.client_dropped();
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("status", &self.status()).finish_non_exhaustive()
    }
}
