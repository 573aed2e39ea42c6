//! The machine for servers that speak Socket.IO, as a page speaks to it.
//!
//! It has the numbers, the fields and the commands of the other machine, and so its driver; what it has more is numbered
//! behind them. The packets' text is the page's business, attachments too.

mod name;
pub mod names;
#[cfg(feature = "socketio-frames")]
mod own;
mod packets;
mod sent;
mod spaces;

use crate::border::{SLOTS, border, config};
use crate::fields::Fields;
use crate::inputs;
use crate::numbers::{count, moment};
use crate::outputs;
use crate::texts::Texts;
use crate::value::{Released, Value};
use alloc::boxed::Box;
pub use name::Name;
use packets::PacketKind;
use rejoin::machine::Output;
use rejoin::socketio::{ClientPacket, Manager, Namespace, Options};
use rejoin::{Config, Diagnostics};
use sent::{PacketOutput, SentKind};
use spaces::Spaces;
use wasm_bindgen::prelude::wasm_bindgen;

/// A session with numbers for everything. In a file of its own it has the other machine's name, so that one glue serves
/// both.
#[cfg_attr(feature = "session", wasm_bindgen)]
#[cfg_attr(not(feature = "session"), wasm_bindgen(js_name = Machine))]
#[derive(Debug)]
pub struct SocketIoMachine {
    session: Manager<Value, Name>,
    spaces: Spaces,
    config: Config,
    seed: u64,
    /// All of the answer that comes next.
    #[cfg(feature = "socketio-frames")]
    whole: Option<Value>,
    released: Released,
    slots: Box<[f64; SLOTS]>,
    texts: Texts,
}

#[cfg_attr(feature = "session", wasm_bindgen)]
#[cfg_attr(not(feature = "session"), wasm_bindgen(js_class = Machine))]
impl SocketIoMachine {
    /// A machine that is idle, configured as [`crate::Machine::new`] says. There is only one way to speak to such a
    /// server.
    #[wasm_bindgen(constructor)]
    pub fn new(
        seed: f64,
        endpoints: u32,
        credentials: u32,
        _plain: bool,
        legacy: bool,
        max_attempts: u32,
        send_ttl: f64,
    ) -> Self {
        let config = config(endpoints, credentials, legacy, max_attempts, send_ttl);
        Self {
            session: session(config.clone(), Options::default(), count(seed)),
            spaces: Spaces::default(),
            config,
            seed: count(seed),
            #[cfg(feature = "socketio-frames")]
            whole: None,
            released: Released::default(),
            slots: Box::new([0.0; SLOTS]),
            texts: Texts::new(),
        }
    }

    /// Says what happened, as to the other machine.
    pub fn input(&mut self, kind: u32, monotonic: f64, wall: f64, ids: usize) {
        let released = self.let_go().clone();
        let mut fields = Fields { slots: self.slots.iter(), ids: self.texts.read(ids), released: &released };
        let input = match packets::kind(kind) {
            Some(PacketKind::Within) => return self.spaces.select(fields.handle()),
            Some(PacketKind::Begin) => {
                return self.spaces.begin(&mut self.session, fields.handle(), fields.handle());
            }
            Some(PacketKind::Acks) => {
                let options = packets::options(&mut fields);
                self.session = session(self.config.clone(), options, self.seed);
                None
            }
            #[cfg(feature = "socketio-frames")]
            Some(PacketKind::Whole) => {
                self.whole = packets::kept(&mut fields);
                None
            }
            #[cfg(feature = "socketio-frames")]
            Some(kind) if own::is_command(kind) => own::command(kind, &mut fields),
            #[cfg(feature = "socketio-frames")]
            Some(kind) => packets::read(kind, &mut fields).map(|input| own::whole(input, &mut self.whole)),
            #[cfg(not(feature = "socketio-frames"))]
            Some(kind) => packets::read(kind, &mut fields),
            None => inputs::read(kind, &mut fields, |_, _| None),
        };
        if let Some(input) = input {
            self.spaces.handle(&mut self.session, moment(monotonic, wall), input);
        }
    }

    /// The next thing to do, as of the other machine.
    pub fn poll(&mut self) -> u32 {
        let output = self.spaces.poll(&mut self.session);
        let told = if output.is_none() { self.spaces.next_told() } else { None };
        if output.is_none() && told.is_none() {
            return 0;
        }
        *self.slots = [0.0; SLOTS];
        self.texts.clear();
        let Some(mut output) = output else {
            outputs::Fields { slots: self.slots.iter_mut(), texts: &mut self.texts }.small(told.unwrap_or(0));
            return names::FIRST + SentKind::Within as u32;
        };
        let space = space_of(&output);
        let cause = sent::prepare(&mut output);
        let mut fields = outputs::Fields { slots: self.slots.iter_mut(), texts: &mut self.texts };
        let kind = sent::own(&output, &mut fields);
        let kind = kind.unwrap_or_else(|| outputs::write(output, &mut fields, sent::write));
        if let Some((at, cause)) = cause
            && let Some(slot) = self.slots.get_mut(at)
        {
            *slot = cause;
        }
        if let Some(slot) = self.slots.last_mut() {
            *slot = f64::from(space);
        }
        kind
    }
}

impl SocketIoMachine {
    fn diagnostics(&self) -> Diagnostics {
        self.spaces.diagnostics(&self.session)
    }

    fn let_go(&self) -> &Released {
        self.spaces.let_go(&self.released)
    }
}

/// The number of the namespace that is spoken to; 0 for the first.
fn space_of(output: &PacketOutput) -> u32 {
    match output {
        Output::Send { message: ClientPacket::In { namespace, .. }, .. } => spaces::number(namespace),
        _ => 0,
    }
}

/// A session that is idle.
fn session(config: Config, options: Options, seed: u64) -> Manager<Value, Name> {
    #[cfg_attr(not(feature = "socketio-frames"), expect(unused_mut, reason = "nothing is set"))]
    let mut session = Manager::new(Namespace::default(), config, options, Name::Personal, seed);
    #[cfg(feature = "socketio-frames")]
    {
        session.custom_events(own::ROOM);
        session.manual_acks();
    }
    session
}

#[cfg(feature = "session")]
border!(SocketIoMachine, SocketIoMachine);
#[cfg(not(feature = "session"))]
border!(SocketIoMachine, Machine);

#[cfg(test)]
mod tests;
