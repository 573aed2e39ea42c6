//! The handle an application holds.

use super::builder::ClientBuilder;
use super::clock::Clock;
use super::draft::{self, Draft};
use super::events::EventQueue;
use super::inbox::Inbox;
use super::sending::Sending;
use crate::cause::Cause;
use crate::event::{DeliveryStatus, Mode, SendFailure, SendId, SendReply};
use crate::link::State;
use crate::messages::Position;
use crate::name::{Name, PERSONAL_ROOM, RoomNameError, check_room_name};
use crate::session::{Command, Diagnostics, Input, Join};
use crate::time::Timestamp;
use crate::token::Token;
use serde::Serialize;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// The connection as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Its state.
    pub state: State,
    /// Why it is not connected, if it is not.
    pub cause: Option<Cause>,
    /// The mode, while connected and ready.
    pub ready: Option<Mode>,
}

/// The client has ended: closed, or failed for the reason given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the client has ended")]
pub struct Ended {
    /// Why, if it failed.
    pub cause: Option<Cause>,
}

/// A handle to a connection that keeps itself alive. Clone it freely; all clones are the same client.
///
/// The connection ends with [`Client::close`], or when every clone and the [`Events`](super::Events) are
/// dropped.
pub struct Client {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) events: Arc<EventQueue>,
    pub(crate) snapshot: watch::Receiver<Snapshot>,
    pub(crate) clock: Clock,
    pub(crate) earlier: Mutex<Vec<EarlierOutcome>>,
}

/// The outcome of a send of an earlier run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarlierOutcome {
    /// Its number in this run, for [`Client::confirm`].
    pub id: SendId,
    /// Where it was to go.
    pub room: Name,
    /// The caller's own name for it.
    pub reference: Option<Box<str>>,
    /// What became of it.
    pub status: DeliveryStatus,
    /// Socket.IO: what the server's handler answered; of the last 256 answers, and up to 4 KiB.
    pub reply: Option<Box<SendReply>>,
    /// Whether the earlier run has dealt with it.
    pub confirmed: bool,
}

/// A user's own stream has a name that no room can have.
pub(crate) fn check_join(join: &Join) -> Result<(), RoomNameError> {
    if join.personal && join.room == PERSONAL_ROOM { Ok(()) } else { check_room_name(&join.room) }
}

impl Client {
    /// Begins to describe a client for `url` (`ws://` or `wss://`; with [`ClientBuilder::socket_io`] `http://` or
    /// `https://`); nothing happens until [`ClientBuilder::connect`].
    pub fn builder(url: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(url.into())
    }

    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        shared.inbox.client_added();
        Self { shared }
    }

    fn command(&self, command: Command) {
        self.shared.inbox.push(Input::Command(command));
    }

    /// Queues a message and gives its outcome: [`Receipt`](super::Receipt) once it is as safe as the connection's
    /// mode can make it, [`SendError`](super::SendError) otherwise. It is queued when this returns, before the
    /// first poll; while there is no connection it waits, at most 10 minutes by default.
    pub fn send(&self, room: &str, content: impl Into<String>) -> Sending {
        self.message(room, content).send()
    }

    /// Queues a message whose outcome comes as [`Event::Delivery`](crate::Event::Delivery), in order with all
    /// other events.
    ///
    /// # Errors
    /// When it is refused at once; then no event comes.
    pub fn submit(&self, room: &str, content: impl Into<String>) -> Result<SendId, SendFailure> {
        self.message(room, content).submit()
    }

    /// Begins a message that has more to it than its text: data, a timeout, a reference.
    pub fn message<'a>(&'a self, room: &'a str, content: impl Into<String>) -> Draft<'a> {
        Draft::new(&self.shared.inbox, room, content.into())
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

    /// As [`Client::join`], with a position to go on from or with history:
    /// `Join { history: Some(20), ..Name::from("lobby").into() }`.
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

    /// Says that everything in a room up to `position` has been dealt with: a later run with the same stored state
    /// goes on behind it. For those who chose [`ClientBuilder::manual_commit`]; the room of notifications is
    /// [`PERSONAL_ROOM`].
    pub fn commit(&self, room: &Name, position: Position) {
        self.shared.inbox.commit(room.clone(), position);
    }

    /// Says that the outcome of a submitted send has been dealt with: until then it is kept in the stored state, and
    /// [`Client::earlier_outcomes`] of a later run has it. For those who chose [`ClientBuilder::manual_commit`], and for
    /// the outcomes of earlier runs.
    pub fn confirm(&self, id: SendId) {
        self.shared.inbox.confirm([id]);
    }

    /// What the stored state knows of sends of earlier runs that have their outcome, the oldest first: those that nobody
    /// has dealt with, and the last 10,000 that had a reference. Given once; later it is empty.
    pub fn earlier_outcomes(&self) -> Vec<EarlierOutcome> {
        std::mem::take(&mut *self.shared.earlier.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sends something ephemeral to whoever is in a room now, `typing` for instance; `&()` for no data. Not stored, not
    /// answered, dropped where it cannot be sent at once.
    ///
    /// # Errors
    /// When the room's name is none, or `data` cannot be written as JSON.
    pub fn signal(&self, room: &str, kind: &str, data: &impl Serialize) -> Result<(), SendFailure> {
        check_room_name(room).map_err(|_| SendFailure::BadRoom)?;
        let data = Some(draft::json(data)?).filter(|json| json != "null");
        self.command(Command::Signal { room: room.into(), kind: kind.into(), data });
        Ok(())
    }

    /// Asks who is in a room; the answer is [`Event::Presence`](crate::Event::Presence). Dropped where it cannot be
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
        self.command(Command::SetToken(token));
    }

    /// Tells what the platform noticed about the network.
    pub fn hint(&self, hint: crate::link::Hint) {
        self.shared.inbox.push(Input::Hint(hint));
    }

    /// The connection as it is now.
    pub fn snapshot(&self) -> Snapshot {
        self.shared.snapshot.borrow().clone()
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

    /// Waits until the connection is up, what it can promise is known and every wanted room is joined (plain: the
    /// joins are written).
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// When the client is closed or failed.
    pub async fn ready(&self) -> Result<Mode, Ended> {
        let mut snapshot = self.shared.snapshot.clone();
        loop {
            let now = snapshot.borrow_and_update().clone();
            match (now.ready, now.state) {
                (Some(mode), _) => return Ok(mode),
                (None, State::Failed | State::Closed | State::Closing) => {
                    return Err(Ended { cause: now.cause });
                }
                _ => {}
            }
            if snapshot.changed().await.is_err() {
                return Err(Ended { cause: None });
            }
        }
    }

    /// Ends the connection with 1000 and waits until it is closed, at most 3 s, and then for the store, if there is
    /// one. Sends without an outcome resolve at once: await them first to lose none. In a store they stay, and the next
    /// run goes on with them.
    ///
    /// Cancel safe: the end goes on without the waiting.
    pub async fn close(&self) {
        self.command(Command::Close);
        let mut snapshot = self.shared.snapshot.clone();
        while !matches!(snapshot.borrow_and_update().state, State::Closed) {
            if snapshot.changed().await.is_err() {
                return;
            }
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
        self.shared.inbox.client_dropped();
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("snapshot", &self.snapshot()).finish_non_exhaustive()
    }
}
