//! A reservation in the outbox for one message, as a handle has it. The driver grants it; dropping it releases it.

use super::Client;
use crate::native::commands::{Reservation, Waiter};
use crate::native::status::ClosedError;
use std::fmt;
use tokio::sync::oneshot;

/// Room for one message, from [`Client::reserve`]. Dropping it gives the room back. It keeps the client alive as a clone of it
/// does.
#[must_use = "a permit that is not used is given back"]
pub struct Permit {
    client: Client,
    reserved: Reservation,
}

impl Permit {
    pub(super) fn into_parts(self) -> (Client, Reservation) {
        (self.client, self.reserved)
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

impl Client {
    /// Waits until the outbox has room for one more message of the largest size
    /// ([`Config::max_content`](crate::Config)) and sets it aside: backpressure for who sends more than the connection
    /// takes. As long as all sends of a client go by permits, none fails with
    /// [`SendFailure::QueueFull`](crate::SendFailure); those without one take from the same room.
    ///
    /// ```no_run
    /// # async fn f(client: rejoin::Client, lines: Vec<String>) -> Result<(), Box<dyn std::error::Error>> {
    /// for line in lines {
    ///     let sending = client.reserve().await?.send("lobby", line);
    ///     tokio::spawn(async move { if let Err(error) = sending.await { eprintln!("{error}") } });
    /// }
    /// client.flush().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// Permits are given in the order in which they were requested. They are not bound to a connection: without one, room
    /// comes free when messages expire ([`OutboxLimits::ttl`](crate::OutboxLimits)). With the default limits of 4,096
    /// messages and 4 MiB, and contents of 1 MiB, three permits may be out at once.
    ///
    /// Cancel safe: room that nobody waits for any more is given back.
    ///
    /// # Errors
    /// When the client is closed or has failed, with the cause.
    pub async fn reserve(&self) -> Result<Permit, ClosedError> {
        let (done, reserved) = oneshot::channel();
        self.shared.commands.wait(None, Waiter::Reserved(done));
        let reserved = reserved.await.unwrap_or_else(|_| Err(self.ended()))?;
        Ok(Permit { client: self.clone(), reserved })
    }
}
