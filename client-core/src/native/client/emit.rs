//! Sends the application's own Socket.IO events, and answers the server's. Validates and queues; the session does the
//! rest.

use super::Client;
use super::frame::FrameBuilder;
use crate::event::SendFailure;
use crate::native::commands::SendFuture;
use crate::session::{Command, Input};
use serde::Serialize;

impl Client {
    /// Queues an event for a Socket.IO server, and gives its outcome: [`Receipt::Written`](crate::Receipt::Written) when the
    /// operating system has taken every byte. It goes through the same outbox as the messages, in order with them, and is
    /// sent at most once. A list (a tuple, an array) is the list of its arguments, `&()` none, and anything else the only one.
    /// [`Bytes`](crate::Bytes) in them are sent as attachments, at most 10.
    ///
    /// ```no_run
    /// # async fn f(client: rejoin::Client) -> Result<(), rejoin::SendError> {
    /// client.emit("order", &("X", 3)).await?; // socket.emit("order", "X", 3)
    /// client.emit("picture", &rejoin::Bytes(vec![1, 2, 3])).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// It fails with [`SendFailure::Reserved`] for the name of an event of the contract, as this server calls it, and for those
    /// that Socket.IO keeps for itself (`connect`, `disconnect`, ...); with [`SendFailure::BadData`] if its arguments cannot be
    /// written as JSON or have more than 64 levels, with [`SendFailure::TooLarge`] for more than 10 attachments, and on other
    /// servers with [`SendFailure::Unsupported`].
    ///
    /// It is queued when this returns, before the first poll. Cancel safe: dropping the future neither cancels the send nor
    /// loses it.
    pub fn emit(&self, name: &str, arguments: &(impl Serialize + ?Sized)) -> SendFuture {
        self.event(name, arguments).send()
    }

    /// As [`Client::emit`], and waits for what the server's handler gives to its ack: [`FrameBuilder::with_ack`].
    ///
    /// ```no_run
    /// # async fn f(client: rejoin::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let receipt = client.emit_with_ack("quote", "X").await?;
    /// let value: f64 = serde_json::from_str(receipt.answer().unwrap_or("null"))?;
    /// # Ok(()) }
    /// ```
    pub fn emit_with_ack(&self, name: &str, arguments: &(impl Serialize + ?Sized)) -> SendFuture {
        self.event(name, arguments).with_ack().send()
    }

    /// Begins an event that has more to it: an ack, a timeout, a reference, or that it is volatile or idempotent.
    pub fn event(&self, name: &str, arguments: &(impl Serialize + ?Sized)) -> FrameBuilder<'_> {
        FrameBuilder::new(self, self.shared.custom.event(name, arguments))
    }

    /// As [`Client::keep`], with an event for a Socket.IO server.
    ///
    /// # Errors
    /// As [`Client::emit`] fails, and with [`SendFailure::TooLarge`] for a key of more than 64 characters.
    pub fn keep_event(
        &self,
        key: &str,
        name: &str,
        arguments: &(impl Serialize + ?Sized),
    ) -> Result<(), SendFailure> {
        self.keep_json(key, self.shared.custom.event(name, arguments)?)
    }

    /// Answers an event of a Socket.IO server that wants it, by the number that it came with
    /// ([`Frame::ack`](crate::Frame::ack)); the arguments are given as in [`Client::emit`]. See
    /// [`SocketIo::manual_acks`](crate::SocketIo::manual_acks). It has no outcome. Where no event waits for it (it has been
    /// answered, or its connection is gone), or it is too large, [`Event::NotAnswered`](crate::Event::NotAnswered) reports it.
    ///
    /// # Errors
    /// As [`Client::emit`] fails.
    pub fn answer(&self, ack: u64, arguments: &(impl Serialize + ?Sized)) -> Result<(), SendFailure> {
        let arguments = self.shared.custom.answer(arguments)?;
        self.shared.commands.push(Input::Command(Command::Answer { ack, arguments }));
        Ok(())
    }
}
