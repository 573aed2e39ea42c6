//! The exported object.

use crate::border::{SLOTS, border, config};
use crate::fields::Fields;
use crate::frames;
use crate::inputs;
use crate::numbers::{count, moment};
use crate::outputs;
#[cfg(feature = "frames")]
use crate::own;
use crate::sent;
use crate::texts::Texts;
use crate::value::{Handle, PageSession, Released, Value};
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
    /// On its way out to the page's store, or back in.
    #[cfg(feature = "stored")]
    pub(crate) saved: Saved<Value, Handle>,
    pub(crate) slots: Box<[f64; SLOTS]>,
    pub(crate) texts: Texts,
}

#[wasm_bindgen]
impl Machine {
    /// A machine that is idle. `seed` is any number below 2^53; `credentials` is 0 for none, 1 for one token for
    /// good, 2 for a source; zeros stand for the default.
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
        session.custom_frames(own::ROOM);
        Self {
            session,
            released: Released::default(),
            history: Vec::new(),
            #[cfg(feature = "stored")]
            saved: Saved::default(),
            slots: Box::new([0.0; SLOTS]),
            texts: Texts::new(),
        }
    }

    /// Says what happened at this time by the monotonic and the wall clock: a number of `Input`, its fields in the
    /// slots, and so many bytes of ids in the texts.
    pub fn input(&mut self, kind: u32, monotonic: f64, wall: f64, ids: usize) {
        let now = moment(monotonic, wall);
        let mut fields =
            Fields { slots: self.slots.iter(), ids: self.texts.read(ids), released: &self.released };
        #[cfg(feature = "frames")]
        if let Some(input) = own::read(kind, &mut fields) {
            return self.session.handle(now, input);
        }
        let frame = |kind, fields: &mut Fields<'_>| frames::read(kind, fields, &mut self.history);
        if let Some(input) = inputs::read(kind, &mut fields, frame) {
            self.session.handle(now, input);
        }
    }

    /// The next thing to do, a number of `Output` with its fields in the slots and the texts; 0 when there is none.
    pub fn poll(&mut self) -> u32 {
        let Some(output) = self.session.poll() else { return 0 };
        *self.slots = [0.0; SLOTS];
        self.texts.clear();
        let mut fields = outputs::Fields { slots: self.slots.iter_mut(), texts: &mut self.texts };
        #[cfg(feature = "frames")]
        if let Some(kind) = own::write(&output, &mut fields) {
            return kind;
        }
        outputs::write(output, &mut fields, sent::write)
    }
}

impl Machine {
    fn diagnostics(&self) -> Diagnostics {
        self.session.diagnostics()
    }

    fn let_go(&self) -> &Released {
        &self.released
    }
}

border!(Machine, Machine);
