//! Custom frames parsed into the application's own type.

use super::stream::Events;
#[cfg(feature = "socketio")]
use super::typed_event;
use crate::event::Event;
use crate::messages::{Frame, FrameError};
use core::marker::PhantomData;
use core::pin::Pin;
use core::task::{Context, Poll};
use futures_core::Stream;
use serde::de::DeserializeOwned;

/// An event, with the application's own frames read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Typed<T> {
    /// A custom frame.
    Frame(T),
    /// Anything else that happened.
    Event(Event),
}

/// A frame that is not what was expected. It does not end the stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
#[non_exhaustive]
pub struct TypedFrameError {
    /// The frame.
    pub frame: Frame,
    /// What is wrong with it.
    #[source]
    pub error: FrameError,
}

/// [`Events`], with the application's own frames read as `T`. A [`Stream`].
#[derive(Debug)]
pub struct TypedEvents<T> {
    events: Events,
    kind: PhantomData<fn() -> T>,
}

impl Events {
    /// The same events, with the application's own frames read as `T`, which is usually an enum of all that the server
    /// sends. Needs [`ClientBuilder::frames`](crate::ClientBuilder::frames). A frame that is no `T` is an item of its own.
    ///
    /// Of an event of a Socket.IO server the name is the variant and the arguments are its fields: `Trade(String, u32)` for two
    /// arguments, `Price(f64)` or `Price { symbol: String }` for one. A type with `#[serde(tag = "type")]` reads the same
    /// events: the one argument, an object, with the name as its `type`.
    ///
    /// ```no_run
    /// # async fn f(events: rejoin::Events) {
    /// use rejoin::Typed;
    ///
    /// #[derive(serde::Deserialize)]
    /// #[serde(tag = "type", rename_all = "snake_case")]
    /// enum Down {
    ///     Price { symbol: String, value: f64 },
    /// }
    ///
    /// let mut events = events.typed::<Down>();
    /// while let Some(item) = events.next().await {
    ///     match item {
    ///         Ok(Typed::Frame(Down::Price { symbol, value })) => println!("{symbol}: {value}"),
    ///         Ok(_) => {}
    ///         Err(unread) => eprintln!("{:?}: {unread}", unread.frame.kind()),
    ///     }
    /// }
    /// # }
    /// ```
    pub fn typed<T: DeserializeOwned>(self) -> TypedEvents<T> {
        TypedEvents { events: self, kind: PhantomData }
    }
}

impl<T: DeserializeOwned> TypedEvents<T> {
    /// The next event; `None` as for [`Events::next`].
    ///
    /// Cancel safe: an event not returned is still there.
    ///
    /// # Errors
    /// A frame that is no `T`. What comes after it is not lost.
    pub async fn next(&mut self) -> Option<Result<Typed<T>, TypedFrameError>> {
        self.events.next().await.map(read)
    }

    /// The events as they are.
    pub fn into_inner(self) -> Events {
        self.events
    }
}

fn read<T: DeserializeOwned>(event: Event) -> Result<Typed<T>, TypedFrameError> {
    match event {
        Event::Frame(frame) => {
            #[cfg(feature = "socketio")]
            let read = typed_event::read(&frame);
            #[cfg(not(feature = "socketio"))]
            let read = frame.json();
            read.map(Typed::Frame).map_err(|error| TypedFrameError { frame, error })
        }
        other => Ok(Typed::Event(other)),
    }
}

impl<T: DeserializeOwned> Stream for TypedEvents<T> {
    type Item = Result<Typed<T>, TypedFrameError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.events).poll_next(cx).map(|event| event.map(read))
    }
}
