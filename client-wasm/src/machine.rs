//! The exported object.

use crate::frames;
use crate::inputs;
use crate::numbers::{count, float, moment};
use crate::outputs;
use crate::texts::Texts;
use crate::value::{Handle, PageSession, Released, Value};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;
#[cfg(feature = "stored")]
use rejoin::Saved;
use rejoin::backoff::Policy;
use rejoin::{Config, Credentials, Message, Timestamp, Token};
use wasm_bindgen::prelude::wasm_bindgen;

/// No input or output has more fields.
pub(crate) const SLOTS: usize = 16;

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
        let mut config = Config { extended: !plain, ..Config::default() };
        // A page can neither send nor see the pings of WebSocket.
        config.link.liveness.can_ping = false;
        config.link.endpoints = usize::try_from(endpoints).unwrap_or(1);
        config.link.max_attempts = (max_attempts > 0).then_some(max_attempts);
        config.link.credentials = match credentials {
            0 => Credentials::Anonymous,
            1 => Credentials::Fixed(Token::new("")),
            _ => Credentials::Source,
        };
        if legacy {
            config.link.policy = Policy::Legacy;
        }
        if send_ttl > 0.0 {
            config.outbox.ttl = Duration::from_millis(count(send_ttl));
        }
        Self {
            session: PageSession::new(config, count(seed)),
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
        let mut fields = frames::Fields {
            slots: self.slots.iter(),
            ids: self.texts.read(ids),
            released: &self.released,
            history: &mut self.history,
        };
        if let Some(input) = inputs::read(kind, &mut fields) {
            self.session.handle(now, input);
        }
    }

    /// The next thing to do, a number of `Output` with its fields in the slots and the texts; 0 when there is none.
    pub fn poll(&mut self) -> u32 {
        let Some(output) = self.session.poll() else { return 0 };
        *self.slots = [0.0; SLOTS];
        self.texts.clear();
        let mut fields = outputs::Fields { slots: self.slots.iter_mut(), texts: &mut self.texts };
        outputs::write(output, &mut fields) as u32 + 1
    }

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
        self.session.next_deadline().map_or(-1.0, |at| float(at.millis_up()))
    }

    /// A value the machine has let go of; 0 when there is none.
    pub fn released(&self) -> u32 {
        self.released.next().unwrap_or(0)
    }

    /// One of the counts, by its place in `js/machine.ts`.
    pub fn count(&self, which: u32) -> f64 {
        let counts = self.session.diagnostics();
        match which {
            0 => float(counts.dials),
            1 => float(counts.connections),
            2 => float(counts.frames_in),
            3 => float(counts.frames_out),
            4 => float(counts.unknown_frames),
            5 => float(counts.garbled_frames),
            6 => float(u64::try_from(counts.outbox_len).unwrap_or(u64::MAX)),
            7 => float(u64::try_from(counts.outbox_bytes).unwrap_or(u64::MAX)),
            _ => counts.rtt.map_or(-1.0, |rtt| float(Timestamp::new(rtt).millis())),
        }
    }
}

/// The page's side of the slots and the texts, for tests.
#[cfg(any(test, not(target_family = "wasm")))]
impl Machine {
    /// Puts fields and ids where the next input is read from; gives the bytes of the ids.
    pub fn put(&mut self, fields: &[f64], ids: &str) -> usize {
        *self.slots = [0.0; SLOTS];
        for (slot, field) in self.slots.iter_mut().zip(fields) {
            *slot = *field;
        }
        self.texts.clear();
        self.texts.put(ids.as_bytes());
        ids.len().min(self.texts.len())
    }

    /// The fields and the ids of the last output.
    pub fn get(&self) -> (Vec<f64>, String) {
        (self.slots.to_vec(), self.texts.text())
    }
}
