//! The exported object.

use crate::inputs::{Entry, read};
use crate::numbers::{count, duration, float, millis};
use crate::outputs::{SLOTS, write};
use crate::value::{PageSession, Released};
use alloc::boxed::Box;
use core::time::Duration;
use rejoin::backoff::Policy;
use rejoin::{Config, Credentials, Moment, Timestamp, Token};
use wasm_bindgen::prelude::wasm_bindgen;

/// A session with numbers for everything.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Machine {
    session: PageSession,
    released: Released,
    slots: Box<[f64; SLOTS]>,
}

#[wasm_bindgen]
impl Machine {
    /// A machine that is idle. `seed` is any number below 2^53; `credentials` is 0 for none, 1 for one token for
    /// good, 2 for a source; zeros elsewhere stand for the default.
    #[wasm_bindgen(constructor)]
    pub fn new(
        seed: f64,
        endpoints: u32,
        credentials: u32,
        legacy: bool,
        max_attempts: u32,
        send_ttl: f64,
    ) -> Self {
        let mut config = Config::default();
        // A page can neither ping a plain server nor see its pings.
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
            config.outbox.ttl = duration(send_ttl);
        }
        Self {
            session: PageSession::new(config, count(seed)),
            released: Released::default(),
            slots: Box::new([0.0; SLOTS]),
        }
    }

    /// Says what happened: a number of `Input` with its arguments, at this time by the monotonic and the wall clock.
    #[expect(clippy::too_many_arguments, reason = "numbers cost nothing at this border, anything else does")]
    #[expect(clippy::many_single_char_names, reason = "what they are is the kind's to say")]
    pub fn input(&mut self, monotonic: f64, wall: f64, kind: u32, a: f64, b: f64, c: f64, d: f64, e: f64) {
        let now = Moment::new(Timestamp::new(duration(monotonic)), duration(wall));
        let entry = Entry { a, b, c, d, e, released: &self.released };
        if let Some(input) = read(kind, &entry) {
            self.session.handle(now, input);
        }
    }

    /// The next thing to do, a number of `Output` with its fields in the slots; 0 when there is none.
    pub fn poll(&mut self) -> u32 {
        self.session.poll().map_or(0, |output| write(output, &mut self.slots))
    }

    /// Where the slots are in the module's memory.
    pub fn slots(&self) -> *const f64 {
        self.slots.as_ptr()
    }

    /// When to say that the time has come, in milliseconds of the monotonic clock; −1 if nothing is waited for.
    pub fn deadline(&self) -> f64 {
        // Rounded up: a tick that comes too early would come again and again.
        let up = Duration::from_nanos(999_999);
        self.session.next_deadline().map_or(-1.0, |at| millis(at.since_start().saturating_add(up)))
    }

    /// A value the machine has let go of; 0 when there is none.
    pub fn released(&self) -> u32 {
        self.released.next().unwrap_or(0)
    }

    /// One of the counts, by its place in `js/client.ts`.
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
            _ => counts.rtt.map_or(-1.0, millis),
        }
    }
}
