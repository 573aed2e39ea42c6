//! The client's machine, as it is exported to the page.

#[cfg(feature = "frames")]
use crate::app_frames;
use crate::client_frames;
use crate::config::config;
use crate::convert::{clock_reading, count};
use crate::ffi::{SLOTS, ffi_methods};
use crate::handles::{Handle, PageSession, Released, Value};
use crate::id_buffer::IdBuffer;
use crate::inputs;
use crate::outputs;
use crate::server_frames;
use crate::slots::SlotReader;
use alloc::boxed::Box;
use alloc::vec::Vec;
#[cfg(feature = "stored")]
use rejoin::machine::Saved;
use rejoin::{Diagnostics, Message};
use wasm_bindgen::prelude::wasm_bindgen;

/// A session with numbers for everything.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Machine {
    pub(crate) session: PageSession,
    pub(crate) released: Released,
    pub(crate) history: Vec<Message<Value, Handle>>,
    /// The state being saved or restored.
    #[cfg(feature = "stored")]
    pub(crate) saved: Saved<Value, Handle>,
    pub(crate) slots: Box<[f64; SLOTS]>,
    pub(crate) ids: IdBuffer,
}

#[wasm_bindgen]
impl Machine {
    /// An idle machine. `seed` is any number below 2^53; `credentials`: 0 none, 1 a fixed token,
    /// 2 a token source; zeros stand for defaults.
    #[wasm_bindgen(constructor)]
    pub fn new(
        seed: f64,
        endpoints: u32,
        credentials: u32,
        plain: bool,
        legacy: bool,
        max_attempts: u32,
        send_ttl: f64,
    ) -> Self {
        let mut config = config(endpoints, credentials, legacy, max_attempts, send_ttl);
        config.extended = !plain;
        #[cfg_attr(not(feature = "frames"), expect(unused_mut, reason = "nothing is set"))]
        let mut session = PageSession::new(config, count(seed));
        #[cfg(feature = "frames")]
        session.custom_frames(app_frames::ROOM);
        Self {
            session,
            released: Released::default(),
            history: Vec::new(),
            #[cfg(feature = "stored")]
            saved: Saved::default(),
            slots: Box::new([0.0; SLOTS]),
            ids: IdBuffer::new(),
        }
    }

    /// Feeds an input at this time of the monotonic and the wall clock: a number of `Input`, its fields in the
    /// slots, and the length of its ids.
    pub fn input(&mut self, kind: u32, monotonic: f64, wall: f64, ids: usize) {
        let now = clock_reading(monotonic, wall);
        let mut fields =
            SlotReader { slots: self.slots.iter(), ids: self.ids.read(ids), released: &self.released };
        #[cfg(feature = "frames")]
        if let Some(input) = app_frames::read(kind, &mut fields) {
            return self.session.handle(now, input);
        }
        let frame = |kind, fields: &mut SlotReader<'_>| server_frames::read(kind, fields, &mut self.history);
        if let Some(input) = inputs::read(kind, &mut fields, frame) {
            self.session.handle(now, input);
        }
    }

    /// The next output, a number of `Output` with its fields and ids; 0 if there is none.
    pub fn poll(&mut self) -> u32 {
        let Some(output) = self.session.poll() else { return 0 };
        *self.slots = [0.0; SLOTS];
        self.ids.clear();
        let mut fields = crate::slots::SlotWriter { slots: self.slots.iter_mut(), ids: &mut self.ids };
        #[cfg(feature = "frames")]
        if let Some(kind) = app_frames::write(&output, &mut fields) {
            return kind;
        }
        outputs::write(output, &mut fields, client_frames::write)
    }
}

impl Machine {
    fn diagnostics(&self) -> Diagnostics {
        self.session.diagnostics()
    }

    fn released_handles(&self) -> &Released {
        &self.released
    }
}

ffi_methods!(Machine, Machine);
