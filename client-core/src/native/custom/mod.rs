//! The application's own messages beside the protocol, as the server takes them: frames or Socket.IO events. Checks them before
//! they are queued; sends none.

#[cfg(feature = "socketio")]
mod event_json;

#[cfg(feature = "socketio")]
pub(crate) use event_json::with_idempotency_key;

use crate::event::SendFailure;
use crate::messages::MAX_DATA_LEVELS;
use crate::messages::json::{NotCustom, check_own, nesting_depth, well_formed};
#[cfg(feature = "socketio")]
use crate::socketio::EventMap;
use serde::Serialize;
#[cfg(feature = "socketio")]
use std::sync::Arc;

/// What a custom frame has instead of a room: no room has such a name.
pub(crate) const CUSTOM_ROOM: &str = "";

/// Writes an application's data as JSON that every receiver can read.
pub(crate) fn json(data: &(impl Serialize + ?Sized)) -> Result<String, SendFailure> {
    let json = serde_json::to_string(data).map_err(|_| SendFailure::BadData)?;
    // Only JSON that was written elsewhere can have halves of surrogate pairs.
    let json = well_formed(&json).into_owned();
    if nesting_depth(&json) > MAX_DATA_LEVELS { Err(SendFailure::BadData) } else { Ok(json) }
}

/// What the server takes of the application's own.
#[derive(Debug, Clone)]
pub(crate) enum CustomMessages {
    /// Frames of JSON.
    Frames {
        /// The application has chosen the plain protocol: the server may mean something of its own by the protocol's names.
        is_plain: bool,
    },
    /// Events, of which these names are the contract's.
    #[cfg(feature = "socketio")]
    Events(Arc<EventMap>),
}

impl CustomMessages {
    pub(crate) fn are_events(&self) -> bool {
        !matches!(self, Self::Frames { .. })
    }

    /// A frame's JSON, if it may be sent.
    pub(crate) fn frame(&self, frame: &(impl Serialize + ?Sized)) -> Result<String, SendFailure> {
        let frame = json(frame)?;
        #[cfg(feature = "socketio")]
        if let Self::Events(events) = self {
            let (name, arguments) = event_json::from_frame(&frame).ok_or(SendFailure::BadData)?;
            return event_json::checked(&name, &arguments, events);
        }
        match check_own(&frame) {
            Err(NotCustom::Reserved) if matches!(self, Self::Frames { is_plain: true }) => Ok(frame),
            Err(NotCustom::Reserved) => Err(SendFailure::Reserved),
            Err(NotCustom::NotJson) => Err(SendFailure::BadData),
            Ok(()) => Ok(frame),
        }
    }

    /// An event's JSON, if it may be sent.
    #[cfg(feature = "socketio")]
    pub(crate) fn event(
        &self,
        name: &str,
        arguments: &(impl Serialize + ?Sized),
    ) -> Result<String, SendFailure> {
        let Self::Events(events) = self else { return Err(SendFailure::Unsupported) };
        event_json::checked(name, &event_json::arguments(&json(arguments)?), events)
    }

    /// The list of the arguments of an answer to an event, if it may be sent.
    #[cfg(feature = "socketio")]
    pub(crate) fn answer(&self, arguments: &(impl Serialize + ?Sized)) -> Result<String, SendFailure> {
        if !self.are_events() {
            return Err(SendFailure::Unsupported);
        }
        let arguments = event_json::arguments(&json(arguments)?);
        event_json::check_arguments(&arguments)?;
        Ok(arguments)
    }
}
