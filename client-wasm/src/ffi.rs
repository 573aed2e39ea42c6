//! Methods and memory layout that every machine of rooms exports to its page.

use crate::convert::float;
use rejoin::{Diagnostics, Timestamp};

/// Number of slots: no input or output has more fields.
pub(crate) const SLOTS: usize = 16;

/// One of the counters, by its index in `js/wasm/machine.ts`.
pub(crate) fn counter(counts: &Diagnostics, which: u32) -> f64 {
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

/// The exported methods that all machines share; `$class` is the class's name in the page.
macro_rules! ffi_methods {
    ($machine:ident, $class:ident) => {
        #[wasm_bindgen(js_class = $class)]
        impl $machine {
            /// Address of the slots in the module's memory.
            pub fn slots(&self) -> *const f64 {
                self.slots.as_ptr()
            }

            /// Address of the id buffer.
            pub fn id_buffer(&self) -> *const u8 {
                self.ids.as_ptr()
            }

            /// Length of the ids of the last output, in bytes.
            pub fn ids(&self) -> usize {
                self.ids.len()
            }

            /// The next deadline, in milliseconds of the monotonic clock; −1 if there is none.
            pub fn deadline(&self) -> f64 {
                // Rounded up: an early tick would change nothing and be repeated.
                self.session.next_deadline().map_or(-1.0, |at| $crate::convert::float(at.millis_up()))
            }

            /// The handle of a released value; 0 if there is none.
            pub fn released(&self) -> u32 {
                self.released_handles().next().unwrap_or(0)
            }

            /// One of the counters, by its index in `js/wasm/machine.ts`.
            pub fn count(&self, which: u32) -> f64 {
                $crate::ffi::counter(&self.diagnostics(), which)
            }
        }

        /// The page's side of slots and ids, for tests.
        #[cfg(any(test, not(target_family = "wasm")))]
        impl $machine {
            /// Writes the fields and ids of the next input; returns the length of the ids.
            pub fn put(&mut self, fields: &[f64], ids: &str) -> usize {
                *self.slots = [0.0; $crate::ffi::SLOTS];
                for (slot, field) in self.slots.iter_mut().zip(fields) {
                    *slot = *field;
                }
                self.ids.clear();
                self.ids.put(ids.as_bytes());
                ids.len().min(self.ids.len())
            }

            /// The fields and ids of the last output.
            pub fn get(&self) -> (alloc::vec::Vec<f64>, alloc::string::String) {
                (self.slots.to_vec(), self.ids.text())
            }
        }
    };
}

pub(crate) use ffi_methods;
