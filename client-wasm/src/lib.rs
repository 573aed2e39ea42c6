//! The session as a few flat functions, for the TypeScript driver in `js/`.
//!
//! No text crosses into WebAssembly, to keep the page small: rooms and users are handles of the page's table, contents are
//! [`Value`]s that the session passes through unread, reasons and causes are numbers whose names the page looks up
//! (`js/wasm/codes.ts`). JSON is parsed and written by the browser.
//!
//! The page feeds inputs with [`Machine::input`], takes outputs with [`Machine::poll`] until there are none, and waits for
//! [`Machine::deadline`]. The machine never calls the page, so nothing is borrowed while a listener runs.
//!
//! [`SocketIoMachine`] has the same functions and is shipped as a module of its own in place of [`Machine`].
//!
//! [`FeedMachine`] reads a room by server-sent events; it parses the stream itself, so there text does cross.
//!
//! The shipped modules have no `std`. The build for `wasm-pack test` has it, because the test harness needs it; only the
//! profile distinguishes the two.
#![cfg_attr(all(target_family = "wasm", not(debug_assertions)), no_std)]

extern crate alloc;

#[cfg(feature = "frames")]
pub mod app_frames;
#[cfg(feature = "session")]
mod client_frames;
mod codes;
mod config;
mod convert;
#[cfg(feature = "feed")]
pub mod feed;
#[cfg(feature = "rooms")]
mod ffi;
#[cfg(feature = "rooms")]
mod flush_tracker;
#[cfg(feature = "rooms")]
mod handles;
#[cfg(feature = "rooms")]
mod id_buffer;
#[cfg(feature = "rooms")]
mod inputs;
#[cfg(feature = "session")]
mod machine;
#[cfg(feature = "rooms")]
mod outputs;
#[cfg(feature = "session")]
mod server_frames;
#[cfg(feature = "rooms")]
mod slots;
#[cfg(feature = "socketio")]
pub mod socketio;
#[cfg(feature = "stored")]
mod stored;

#[cfg(feature = "feed")]
pub use feed::FeedMachine;
#[cfg(feature = "rooms")]
pub use flush_tracker::FlushTracker;
#[cfg(feature = "session")]
pub use handles::PageSession;
#[cfg(feature = "rooms")]
pub use handles::{Handle, Released, Value};
#[cfg(feature = "session")]
pub use machine::Machine;
#[cfg(feature = "socketio")]
pub use socketio::SocketIoMachine;

/// Marks modules with application frames: the page may have loaded another module.
#[cfg(feature = "own")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn has_frames() -> bool {
    true
}

/// A tenth of the size of dlmalloc, which `std` would use. Its time grows with the number of free blocks, of which the
/// machine's queues leave few.
#[cfg(all(target_family = "wasm", not(debug_assertions)))]
#[global_allocator]
static ALLOCATOR: lol_alloc::LockedAllocator<lol_alloc::FreeListAllocator> =
    lol_alloc::LockedAllocator::new(lol_alloc::FreeListAllocator::new());

/// The session does not panic on input (a rule of client-core); if it does anyway, the page gets a trap.
#[cfg(all(target_family = "wasm", not(debug_assertions)))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

#[cfg(test)]
mod recordings;
#[cfg(test)]
#[cfg(feature = "session")]
mod tests;
#[cfg(not(target_family = "wasm"))]
pub mod typescript;
