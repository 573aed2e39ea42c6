//! The driver of a feed, its builder and its handle: one room, read by server-sent events. Decides nothing.

mod builder;
mod driver;
mod stream;

pub use builder::{FeedBuilder, follow};
pub use stream::FeedStream;
