//! The builder of one message.

use super::Client;
use super::permit::Permit;
use crate::event::{SendFailure, SendId};
use crate::messages::{Message, Position};
use crate::name::Name;
use crate::native::commands::{CommandQueue, Reservation, SendFuture, SendState};
use crate::native::custom::json;
use crate::outbound::OutboundMessage;
use crate::session::{Command, Input};
use serde::Serialize;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A message that is not queued yet: [`MessageBuilder::send`] or [`MessageBuilder::submit`] does that.
///
/// ```no_run
/// # async fn order(client: rejoin::Client) -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// let receipt = client
///     .message("orders", "two pizzas")
///     .data(&[("margherita", 1), ("funghi", 1)])
///     .timeout(Duration::from_secs(30))
///     .send()
///     .await?;
/// println!("message {:?}", receipt.seq());
/// # Ok(()) }
/// ```
#[must_use = "a draft is not sent before send() or submit()"]
pub struct MessageBuilder<'a> {
    commands: &'a Arc<CommandQueue>,
    room: &'a str,
    content: String,
    data: Option<Result<String, SendFailure>>,
    reference: Option<Box<str>>,
    timeout: Option<Duration>,
    commit: Option<(Name, Position)>,
    confirms: bool,
    /// Room set aside for it, which is given back once it is queued.
    reserved: Option<Reservation>,
}

impl<'a> MessageBuilder<'a> {
    pub(crate) fn new(commands: &'a Arc<CommandQueue>, room: &'a str, content: String) -> Self {
        Self {
            commands,
            room,
            content,
            data: None,
            reference: None,
            timeout: None,
            commit: None,
            confirms: true,
            reserved: None,
        }
    }

    /// Something structured beside the text. Clients on extended connections receive it, others the text alone. What
    /// cannot be written as JSON, or has more than 64 levels of arrays and objects, fails as [`SendFailure::BadData`].
    pub fn data(mut self, data: &impl Serialize) -> Self {
        self.data = Some(json(data));
        self
    }

    /// After how long it has its outcome at the latest, whatever state the connection is in: one that could not be sent
    /// fails with [`SendFailure::Timeout`], one that is on its way without an answer is unknown. Without a timeout it waits
    /// 10 minutes by default before it is sent for the first time.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// A name of your own for it. It is stored with it, and [`Event::Restored`](crate::Event::Restored) tells it to the
    /// run that takes the message up again.
    pub fn reference(mut self, reference: impl Into<Box<str>>) -> Self {
        self.reference = Some(reference.into());
        self
    }

    /// It is the answer to `message`, which has been processed by it. With a stored state both are stored in one step:
    /// whenever the process ends, the next run either receives the message again and has not answered it, or does not
    /// receive it and its answer is sent, once. Use it with
    /// [`manual_commit`](crate::ClientBuilder::manual_commit), or before the next event is requested. On a plain
    /// connection messages have no positions, and it says nothing.
    ///
    /// ```no_run
    /// # async fn bot(client: rejoin::Client, mut events: rejoin::Events) -> Result<(), Box<dyn std::error::Error>> {
    /// while let Some(event) = events.next().await {
    ///     if let rejoin::Event::Message(message) = event {
    ///         let answer = format!("{} has said {}", message.user, message.content);
    ///         client.message(&message.room, answer).committing(&message).submit()?;
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    pub fn committing(mut self, message: &Message) -> Self {
        self.commit = message.position().map(|position| (message.room.clone(), position));
        self
    }

    /// Its outcome counts as processed once [`Client::confirm`] says so, and not when the future of [`MessageBuilder::send`]
    /// gives it: with a stored state, [`Client::restored_outcomes`] of a later run has it until then.
    pub fn manual_confirm(self) -> Self {
        Self { confirms: false, ..self }
    }

    /// It takes the room that was waited for with [`Client::reserve`](crate::Client::reserve).
    pub fn permit(self, permit: Permit) -> Self {
        let (_, reserved) = permit.into_parts();
        Self { reserved: Some(reserved), ..self }
    }

    /// Queues it and gives its outcome, as [`Client::send`](crate::Client::send) does.
    pub fn send(mut self) -> SendFuture {
        let commands = Arc::clone(self.commands);
        // Until it is queued.
        let _reserved = self.reserved.take();
        let confirms = self.confirms;
        let (room, content) = (self.room, self.content());
        let queued = content.and_then(|(content, commit)| {
            commands
                .push_with_receipt(room, content.byte_len(), commit, |id, room| content.into_input(id, room))
        });
        let state = match queued {
            Ok(id) => SendState::Queued(id),
            Err(why) => SendState::Refused(why),
        };
        SendFuture { commands, state, confirms }
    }

    /// Queues it; its outcome comes as [`Event::Delivery`](crate::Event::Delivery), in order with all other events.
    ///
    /// # Errors
    /// When it is refused at once; then no event comes.
    pub fn submit(mut self) -> Result<SendId, SendFailure> {
        // Until it is queued.
        let _reserved = self.reserved.take();
        let (commands, room) = (self.commands, self.room);
        let (content, commit) = self.content()?;
        commands.push_by_event(room, content.byte_len(), commit, |id, room| content.into_input(id, room))
    }

    /// What there is to send, and what is processed by it.
    fn content(self) -> Result<(Content, Option<Input>), SendFailure> {
        let Self { content, data, reference, timeout, commit, .. } = self;
        if content.is_empty() && data.is_none() {
            return Err(SendFailure::Empty);
        }
        let commit = commit.map(|(room, position)| Input::Command(Command::Commit { room, position }));
        Ok((Content { text: content, data: data.transpose()?, reference, timeout }, commit))
    }
}

/// A draft whose data is written.
struct Content {
    text: String,
    data: Option<String>,
    reference: Option<Box<str>>,
    timeout: Option<Duration>,
}

impl Content {
    fn byte_len(&self) -> usize {
        self.text.len() + self.data.as_ref().map_or(0, String::len)
    }

    fn into_input(self, id: SendId, room: Name) -> Input {
        let Self { text: content, data, reference, timeout } = self;
        Input::Command(Command::Send(OutboundMessage {
            data,
            reference,
            timeout,
            ..OutboundMessage::new(id, room, content)
        }))
    }
}

impl fmt::Debug for MessageBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageBuilder").field("room", &self.room).finish_non_exhaustive()
    }
}

impl Client {
    /// Queues a message and gives its outcome: [`Receipt`](crate::Receipt) once it is as safe as the connection's
    /// mode can make it, [`SendError`](crate::SendError) otherwise. It is queued when this returns, before the
    /// first poll; while there is no connection it waits, at most 10 minutes by default.
    pub fn send(&self, room: &str, content: impl Into<String>) -> SendFuture {
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
    pub fn message<'a>(&'a self, room: &'a str, content: impl Into<String>) -> MessageBuilder<'a> {
        MessageBuilder::new(&self.shared.commands, room, content.into())
    }
}

impl Permit {
    /// Queues a message and gives its outcome, as [`Client::send`] does. [`MessageBuilder::permit`] is for
    /// messages that have more to them.
    pub fn send(self, room: &str, content: impl Into<String>) -> SendFuture {
        let (client, reserved) = self.into_parts();
        MessageBuilder { reserved: Some(reserved), ..client.message(room, content) }.send()
    }
}
