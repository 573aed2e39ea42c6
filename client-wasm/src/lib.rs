//! The machine behind a few flat functions, for the TypeScript driver in `js/`.
//!
//! No text crosses into wasm, because a page's bytes count: rooms are numbers in the page's own table, what
//! people write is a [`Value`] that the machine passes through unread, reasons and causes are numbers whose words
//! the page looks up ([`names`]). JSON stays with the browser, which has it anyway.
//!
//! The page says what happened with [`Machine::input`], takes what is to be done with [`Machine::poll`] until there
//! is nothing more, and waits for [`Machine::deadline`]. The machine never calls the page, so nothing is borrowed
//! while an application's listener runs.
//!
//! [`SocketIoMachine`] is spoken to in the same way, and stands for the other one in a file of its own.
//!
//! [`FeedMachine`] does the same for a room read by server-sent events; there text does cross, because that machine reads
//! the stream.
//!
//! What is shipped has no `std`. What is built for `wasm-pack test` has: its harness needs it, and there is no telling
//! the two apart but by the profile.
#![cfg_attr(all(target_family = "wasm", not(debug_assertions)), no_std)]

extern crate alloc;

#[cfg(feature = "rooms")]
mod border;
mod dialling;
#[cfg(feature = "feed")]
pub mod feed;
#[cfg(feature = "rooms")]
mod fields;
#[cfg(feature = "session")]
mod frames;
#[cfg(feature = "rooms")]
mod inputs;
mod kinds;
#[cfg(feature = "session")]
mod machine;
pub mod names;
mod numbered;
mod numbers;
#[cfg(feature = "rooms")]
mod outlet;
#[cfg(feature = "rooms")]
mod outputs;
#[cfg(feature = "frames")]
pub mod own;
#[cfg(feature = "session")]
mod sent;
#[cfg(feature = "socketio")]
pub mod socketio;
#[cfg(feature = "stored")]
mod stored;
#[cfg(feature = "rooms")]
mod texts;
#[cfg(feature = "rooms")]
mod value;

#[cfg(feature = "feed")]
pub use feed::FeedMachine;
#[cfg(feature = "session")]
pub use machine::Machine;
#[cfg(feature = "rooms")]
pub use outlet::Outlet;
#[cfg(feature = "socketio")]
pub use socketio::SocketIoMachine;
#[cfg(feature = "session")]
pub use value::PageSession;
#[cfg(feature = "rooms")]
pub use value::{Handle, Released, Value};

/// Tells the machines apart that know messages of the application's own: the page may have been given the wrong one.
#[cfg(feature = "own")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn has_frames() -> bool {
    true
}

/// A tenth of the bytes of dlmalloc, which `std` would bring. Its time grows with the number of holes, of which the
/// machine's queues leave few.
#[cfg(all(target_family = "wasm", not(debug_assertions)))]
#[global_allocator]
static ALLOCATOR: lol_alloc::LockedAllocator<lol_alloc::FreeListAllocator> =
    lol_alloc::LockedAllocator::new(lol_alloc::FreeListAllocator::new());

/// The machine does not panic on input (client-core's own rule); if it does all the same, the page gets a trap.
#[cfg(all(target_family = "wasm", not(debug_assertions)))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

#[cfg(test)]
#[cfg(feature = "session")]
mod tests;
