//! What every machine of rooms has for its page: how it is configured, and where its fields are.

use crate::dialling;
use crate::numbers::{count, float};
use core::time::Duration;
use rejoin::{Config, Diagnostics, Timestamp};

/// No input or output has more fields.
pub(crate) const SLOTS: usize = 16;

/// Zeros stand for the default; the rest is as [`dialling::configure`] says.
pub(crate) fn config(
    endpoints: u32,
    credentials: u32,
    legacy: bool,
    max_attempts: u32,
    send_ttl: f64,
) -> Config {
    let mut config = Config::default();
    // A page can neither send nor see the pings of WebSocket.
    config.link.liveness.can_ping = false;
    config.link.endpoints = usize::try_from(endpoints).unwrap_or(1);
    dialling::configure(&mut config.link, credentials, legacy, max_attempts);
    if send_ttl > 0.0 {
        config.outbox.ttl = Duration::from_millis(count(send_ttl));
    }
    config
}

/// One of the counts, by its place in `js/machine.ts`.
pub(crate) fn counted(counts: &Diagnostics, which: u32) -> f64 {
    match which {
        0 => float(counts.dials),
        1 => float(counts.connections),
        2 => float(counts.frames_in),
        3 => float(counts.frames_out),
        4 => float(counts.unknown_frames),
        5 => float(counts.malformed_frames),
        6 => float(u64::try_from(counts.outbox_len).unwrap_or(u64::MAX)),
        7 => float(u64::try_from(counts.outbox_bytes).unwrap_or(u64::MAX)),
        8 => float(u64::try_from(counts.content_limit).unwrap_or(u64::MAX)),
        _ => counts.rtt.map_or(-1.0, |rtt| float(Timestamp::new(rtt).millis())),
    }
}

/// The methods that are the same for each machine, under the name that its class has in the page.
macro_rules! border {
    ($machine:ident, $class:ident) => {
        #[wasm_bindgen(js_class = $class)]
        impl $machine {
            /// Where the slots are in the module's memory.
            pub fn slots(&self) -> *const f64 {
                self.slots.as_ptr()
            }

            /// Where the texts are.
            pub fn texts(&self) -> *const u8 {
                self.texts.as_ptr()
            }

            /// How many bytes of ids the last output has.
            pub fn ids(&self) -> usize {
                self.texts.len()
            }

            /// When to say that the time has come, in milliseconds of the monotonic clock; −1 if nothing is waited for.
            pub fn deadline(&self) -> f64 {
                // Rounded up: a tick that comes too early would come again and again.
                self.session.next_deadline().map_or(-1.0, |at| $crate::numbers::float(at.millis_up()))
            }

            /// A value the machine has let go of; 0 when there is none.
            pub fn released(&self) -> u32 {
                self.let_go().next().unwrap_or(0)
            }

            /// One of the counts, by its place in `js/machine.ts`.
            pub fn count(&self, which: u32) -> f64 {
                $crate::border::counted(&self.diagnostics(), which)
            }
        }

        /// The page's side of the slots and the texts, for tests.
        #[cfg(any(test, not(target_family = "wasm")))]
        impl $machine {
            /// Puts fields and ids where the next input is read from; gives the bytes of the ids.
            pub fn put(&mut self, fields: &[f64], ids: &str) -> usize {
                *self.slots = [0.0; $crate::border::SLOTS];
                for (slot, field) in self.slots.iter_mut().zip(fields) {
                    *slot = *field;
                }
                self.texts.clear();
                self.texts.put(ids.as_bytes());
                ids.len().min(self.texts.len())
            }

            /// The fields and the ids of the last output.
            pub fn get(&self) -> (alloc::vec::Vec<f64>, alloc::string::String) {
                (self.slots.to_vec(), self.texts.text())
            }
        }
    };
}

pub(crate) use border;
