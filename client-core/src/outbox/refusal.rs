//! The consequences of a refused send: how long its room waits, what is said of it, and whether the room is to be joined again.

use crate::backoff::{MIN_SEND_PAUSE, pause};
use crate::event::{Delivery, DeliveryStatus, SendFailure, SendReply};
use crate::messages::{Nack, ServerCode};
use crate::mutation::mutation;
use crate::payload::Payload;
use crate::time::Nanos;
use alloc::boxed::Box;

/// The server does not think that this connection is in the room, or that the room is in the epoch that it has named.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rejoin<N>(pub(crate) N);

/// Puts the server's message of a refusal to the outcome that was found last.
pub(super) fn add_message<P: Payload, N>(out: &mut [Delivery<P, N>], words: &P, server_code: &ServerCode) {
    if let Some(delivery) = out.last_mut().filter(|_| !words.is_empty() && !mutation!(RefusalWordsLost)) {
        let (message, server_code) = (Some(words.clone()), server_code.clone());
        delivery.reply = Some(Box::new(SendReply { answer: None, message, server_code }));
    }
}

pub(super) fn unknown() -> DeliveryStatus {
    if mutation!(UnknownSaidFailed) {
        DeliveryStatus::Failed(SendFailure::Expired)
    } else {
        DeliveryStatus::Unknown
    }
}

/// How long a room's sends wait at least after one was refused for now.
pub(super) fn retry_pause<P>(nack: &Nack<P>) -> Nanos {
    let hint = if mutation!(PauseIgnored) { None } else { nack.retry_after_ms };
    let pause = pause(hint, MIN_SEND_PAUSE);
    if mutation!(HintHalved) { pause.half() } else { pause }
}
