//! The builder of a custom frame. Validates and queues; the session does the rest.

use super::permit::Permit;
use super::{Client, Shared};
use crate::event::{SendFailure, SendId};
use crate::name::Name;
use crate::native::commands::{CommandQueue, Reservation, SendFuture, SendState, Target};
#[cfg(feature = "socketio")]
use crate::native::custom::with_idempotency_key;
use crate::outbound::OutboundMessage;
use crate::session::{Command, Input};
use serde::Serialize;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Longest key of a kept frame, in characters.
const MAX_KEY_CHARS: usize = 64;

/// How often a frame may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SendMode {
    /// At most once.
    Once,
    /// At once, or never.
    Volatile,
    /// On each connection until it has its outcome.
    Idempotent,
}

/// A custom frame that is not queued yet: [`FrameBuilder::send`] or [`FrameBuilder::submit`] does that.
#[must_use = "a frame is not sent before send() or submit()"]
pub struct FrameBuilder<'a> {
    pub(super) commands: &'a Arc<CommandQueue>,
    /// Its JSON, which is not one of the protocol's frames. Of an event the list of its name and its arguments.
    pub(super) frame: Result<String, SendFailure>,
    is_event: bool,
    asks: bool,
    reference: Option<Box<str>>,
    timeout: Option<Duration>,
    mode: SendMode,
    /// Room set aside for it, which is given back once it is queued.
    reserved: Option<Reservation>,
}

impl<'a> FrameBuilder<'a> {
    pub(super) fn new(client: &'a Client, frame: Result<String, SendFailure>) -> Self {
        let Shared { commands, custom: own, .. } = &*client.shared;
        let is_event = own.are_events();
        Self {
            commands,
            frame,
            is_event,
            asks: false,
            reference: None,
            timeout: None,
            mode: SendMode::Once,
            reserved: None,
        }
    }

    pub(super) fn with_frame(self, frame: String) -> Self {
        Self { frame: Ok(frame), ..self }
    }

    /// Socket.IO: wants an answer. The outcome is [`Receipt::Answered`](crate::Receipt::Answered) then, with all that the
    /// server's handler gave to its ack, whatever that says; `unknown` if none comes within the timeout, or within
    /// [`Options::ack_timeout`](crate::socketio::Options::ack_timeout) without one. On other servers it fails with
    /// [`SendFailure::Unsupported`].
    pub fn with_ack(mut self) -> Self {
        self.asks = true;
        if !self.is_event {
            self.frame = Err(SendFailure::Unsupported);
        }
        self
    }

    /// Socket.IO: the server can tell by this key when the event comes twice, so that it is sent again, with the same key, on each
    /// connection until it has its outcome, where it would otherwise be `unknown` when the connection is lost. The key is the
    /// last argument of the event, a text of 1 to 128 characters, and the server's handler has to do nothing but answer when it
    /// has seen it before. It keeps its place: it goes before all that was never sent.
    ///
    /// ```no_run
    /// # async fn f(client: rejoin::Client) -> Result<(), rejoin::SendError> {
    /// // socket.emit("order", "X", 3, "order-17", ack)
    /// client.event("order", &("X", 3)).idempotent("order-17").with_ack().send().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// It is `unknown` still when its time is over or the client ends before an answer, and when an answer does not come on a
    /// connection that stays. It needs [`FrameBuilder::with_ack`]: without an ack it fails with [`SendFailure::NeedsAck`], as nothing
    /// would say that it has arrived. With [`FrameBuilder::volatile`] it does nothing, and a later run
    /// sends it only if no run has sent it: one that may have arrived is `unknown` there. Another key is
    /// [`SendFailure::BadKey`]; on other servers it is [`SendFailure::Unsupported`].
    pub fn idempotent(mut self, key: &str) -> Self {
        if self.mode == SendMode::Once {
            self.mode = SendMode::Idempotent;
        }
        self.frame = self.frame.and_then(|frame| {
            #[cfg(feature = "socketio")]
            if self.is_event {
                return with_idempotency_key(&frame, key);
            }
            let _ = (frame, key);
            Err(SendFailure::Unsupported)
        });
        self
    }

    /// What is queued, and stored: the frame's JSON, or the JSON list of an event's name and its arguments.
    pub fn content(&self) -> Option<&str> {
        self.frame.as_deref().ok()
    }

    /// After how long it has its outcome at the latest, as for [messages](crate::MessageBuilder::timeout).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// A name of your own for it, stored with it, as for [messages](crate::MessageBuilder::reference).
    pub fn reference(mut self, reference: impl Into<Box<str>>) -> Self {
        self.reference = Some(reference.into());
        self
    }

    /// Only if the connection takes it at once: otherwise it fails with [`SendFailure::Dropped`], and is never sent. For what
    /// is worth nothing a moment later, such as the place of a pointer.
    pub fn volatile(mut self) -> Self {
        self.mode = SendMode::Volatile;
        self
    }

    /// It takes the room that was waited for with [`Client::reserve`].
    pub fn permit(mut self, permit: Permit) -> Self {
        let (_, reserved) = permit.into_parts();
        self.reserved = Some(reserved);
        self
    }

    /// Queues it and gives its outcome, as [`Client::send_json`] does.
    pub fn send(self) -> SendFuture {
        let commands = Arc::clone(self.commands);
        let queued = self.queue(|commands, size, input| {
            commands.push_with_receipt(Target::Custom, size, None, |id, room| input.with(id, room))
        });
        let state = match queued {
            Ok(id) => SendState::Queued(id),
            Err(why) => SendState::Refused(why),
        };
        SendFuture { commands, state, confirms: true }
    }

    /// Queues it; its outcome comes as [`Event::Delivery`](crate::Event::Delivery) with an empty room, in order with all
    /// other events.
    ///
    /// # Errors
    /// When it is refused at once; then no event comes.
    pub fn submit(self) -> Result<SendId, SendFailure> {
        self.queue(|commands, size, input| {
            commands.push_by_event(Target::Custom, size, None, |id, room| input.with(id, room))
        })
    }

    fn queue(
        self,
        push: impl FnOnce(&CommandQueue, usize, QueuedFrame) -> Result<SendId, SendFailure>,
    ) -> Result<SendId, SendFailure> {
        let Self { commands, frame, asks, reference, timeout, mode: manner, reserved, .. } = self;
        // Until it is queued.
        let _reserved = reserved;
        let frame = frame?;
        if manner == SendMode::Idempotent && !asks {
            return Err(SendFailure::NeedsAck);
        }
        push(commands, frame.len(), QueuedFrame { frame, asks, reference, timeout, mode: manner })
    }
}

/// A frame as it is queued.
struct QueuedFrame {
    frame: String,
    asks: bool,
    reference: Option<Box<str>>,
    timeout: Option<Duration>,
    mode: SendMode,
}

impl QueuedFrame {
    fn with(self, id: SendId, room: Name) -> Input {
        let Self { frame, asks, reference, timeout, mode: manner } = self;
        let idempotent = manner == SendMode::Idempotent;
        // That there is data says that an answer is wanted; it is stored as such.
        let data = asks.then(|| "true".to_owned());
        let send =
            OutboundMessage { data, reference, timeout, idempotent, ..OutboundMessage::new(id, room, frame) };
        Input::Command(match manner {
            SendMode::Volatile => Command::SendVolatile(send),
            SendMode::Once | SendMode::Idempotent => Command::Send(send),
        })
    }
}

impl fmt::Debug for FrameBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameBuilder").field("manner", &self.mode).finish_non_exhaustive()
    }
}

impl Client {
    /// Queues a custom frame, written as JSON, and gives its outcome: [`Receipt::Written`](crate::Receipt::Written)
    /// when the operating system has taken every byte, which is all that can be known of it on plain and extended servers.
    /// It shares the outbox, its bounds and the order with the messages: on a plain server all arrive as they were sent; on
    /// an extended one frames do not wait for messages to rooms that are not joined yet. It is sent at most once.
    ///
    /// ```no_run
    /// # async fn f(client: rejoin::Client) -> Result<(), rejoin::SendError> {
    /// #[derive(serde::Serialize)]
    /// #[serde(tag = "type", rename_all = "snake_case")]
    /// enum Up {
    ///     Order { symbol: &'static str, amount: u32 },
    /// }
    ///
    /// client.send_json(&Up::Order { symbol: "X", amount: 3 }).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// It is queued when this returns, before the first poll. Cancel safe: dropping the future neither cancels the send nor
    /// loses it. It fails with [`SendFailure::Reserved`] if its `type` is that of a frame of the protocol, such as
    /// `send_message` or `message` and the client is not one for [plain servers](crate::ClientBuilder::extended) alone, and with [`SendFailure::BadData`] if it cannot be written as JSON, or has more than 64
    /// levels.
    ///
    /// On a Socket.IO server it is the event named by its `type`, whose one argument is the rest of it, if there is more; a
    /// frame without a `type` is [`SendFailure::BadData`] there. See [`Client::emit`].
    pub fn send_json(&self, frame: &(impl Serialize + ?Sized)) -> SendFuture {
        self.frame(frame).send()
    }

    /// Begins a custom frame that has more to it: a timeout, a reference, or that it is volatile.
    ///
    /// ```no_run
    /// # fn f(client: rejoin::Client, pointer: serde_json::Value) {
    /// drop(client.frame(&pointer).volatile().send());
    /// # }
    /// ```
    pub fn frame(&self, frame: &(impl Serialize + ?Sized)) -> FrameBuilder<'_> {
        FrameBuilder::new(self, self.shared.custom.frame(frame))
    }

    /// Has each connection begin with a custom frame, before anything that waits, and sends it now if there is one. What
    /// is kept under the same key is replaced, and only the newest is sent. For what a server forgets with the connection,
    /// such as a subscription. It is part of a stored state.
    ///
    /// ```no_run
    /// # fn f(client: rejoin::Client) -> Result<(), rejoin::SendFailure> {
    /// # let wanted = serde_json::Value::Null;
    /// client.keep("prices", &wanted)?;
    /// client.drop_kept("prices");
    /// # Ok(()) }
    /// ```
    ///
    /// At most [`MAX_KEPT_FRAMES`](crate::MAX_KEPT_FRAMES) frames of together [`MAX_KEPT_BYTES`](crate::MAX_KEPT_BYTES) bytes; beyond
    /// that, and when a server ends the connection because it is too large, [`Event::NotKept`](crate::Event::NotKept) tells
    /// so. A kept frame has no outcome. A server that answers it with an error is not asked again before the next connection.
    ///
    /// # Errors
    /// As [`Client::send_json`] fails, and with [`SendFailure::TooLarge`] for a key of more than 64 characters.
    pub fn keep(&self, key: &str, frame: &(impl Serialize + ?Sized)) -> Result<(), SendFailure> {
        self.keep_json(key, self.shared.custom.frame(frame)?)
    }

    pub(super) fn keep_json(&self, key: &str, frame: String) -> Result<(), SendFailure> {
        if key.chars().count() > MAX_KEY_CHARS {
            return Err(SendFailure::TooLarge);
        }
        self.shared.commands.push(Input::Command(Command::Keep { key: Name::from(key), frame }));
        Ok(())
    }

    /// No connection begins with the frame kept under this key any more. Nothing is sent.
    pub fn drop_kept(&self, key: &str) {
        self.shared.commands.push(Input::Command(Command::DropKept(Name::from(key))));
    }
}
