//! Rejoin.
#![cfg_attr(not(feature = "native"), no_std)]

extern crate alloc;

pub mod messages;
mod name;
mod time;

pub use messages::{ClientMessage, Message, ServerMessage};
pub use name::{Name, ROOM_NAME_CHARS, RoomNameError, check_room_name, is_invisible};
pub use time::{Moment, Timestamp};
