//! The exported machine for Socket.IO servers.
//!
//! It has the inputs and outputs of the client's machine, and so the same driver; its own kinds are numbered
//! above them. Packet text and attachments stay in the page.

#[cfg(feature = "socketio-frames")]
mod app_events;
mod client_packets;
mod codes;
mod name;
mod namespaces;
mod server_packets;

use crate::config::config;
use crate::convert::{clock_reading, count};
use crate::ffi::{SLOTS, ffi_methods};
use crate::handles::{Released, Value};
use crate::id_buffer::IdBuffer;
use crate::inputs;
use crate::outputs;
use crate::slots::SlotReader;
use alloc::boxed::Box;
#[cfg(not(target_family = "wasm"))]
pub(crate) use client_packets::PACKETS_OUT;
use client_packets::{PacketOut, PacketOutput};
pub(crate) use codes::FIRST;
#[cfg(not(target_family = "wasm"))]
pub(crate) use codes::causes;
pub use name::Name;
use namespaces::Namespaces;
use rejoin::machine::Output;
use rejoin::socketio::{ClientPacket, EngineTransport, Manager, Namespace, Options, Session};
use rejoin::{Config, Diagnostics};
#[cfg(not(target_family = "wasm"))]
pub(crate) use server_packets::PACKETS_IN;
use server_packets::PacketIn;
use wasm_bindgen::prelude::wasm_bindgen;

/// The slot of a dial that has its transport, behind the fields of every client's dial.
const DIAL_TRANSPORT: usize = 5;

/// A session with numbers for everything. In its own module it is exported under the client machine's name, so that one
/// glue serves both.
#[cfg_attr(feature = "session", wasm_bindgen)]
#[cfg_attr(not(feature = "session"), wasm_bindgen(js_name = Machine))]
#[derive(Debug)]
pub struct SocketIoMachine {
    session: Manager<Value, Name>,
    namespaces: Namespaces,
    config: Config,
    seed: u64,
    /// The whole value of the next ack.
    #[cfg(feature = "socketio-frames")]
    ack_value: Option<Value>,
    released: Released,
    slots: Box<[f64; SLOTS]>,
    ids: IdBuffer,
}

#[cfg_attr(feature = "session", wasm_bindgen)]
#[cfg_attr(not(feature = "session"), wasm_bindgen(js_class = Machine))]
impl SocketIoMachine {
    /// An idle machine, configured like [`crate::Machine::new`]. There is only one protocol for such a
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
            namespaces: Namespaces::default(),
            config,
            seed: count(seed),
            #[cfg(feature = "socketio-frames")]
            ack_value: None,
            released: Released::default(),
            slots: Box::new([0.0; SLOTS]),
            ids: IdBuffer::new(),
        }
    }

    /// Feeds an input, as [`crate::Machine::input`].
    pub fn input(&mut self, kind: u32, monotonic: f64, wall: f64, ids: usize) {
        let released = self.released_handles().clone();
        let mut fields =
            SlotReader { slots: self.slots.iter(), ids: self.ids.read(ids), released: &released };
        let input = match server_packets::kind(kind) {
            Some(PacketIn::SelectNamespace) => return self.namespaces.select(fields.handle()),
            Some(PacketIn::OpenNamespace) => {
                return self.namespaces.open(&mut self.session, fields.handle(), fields.handle());
            }
            Some(PacketIn::Settings) => {
                let options = server_packets::options(&mut fields);
                self.session = session(self.config.clone(), options, self.seed);
                None
            }
            #[cfg(feature = "socketio-frames")]
            Some(PacketIn::AckValue) => {
                self.ack_value = server_packets::optional_value(&mut fields);
                None
            }
            #[cfg(feature = "socketio-frames")]
            Some(kind) if app_events::is_command(kind) => app_events::command(kind, &mut fields),
            #[cfg(feature = "socketio-frames")]
            Some(kind) => server_packets::read(kind, &mut fields)
                .map(|input| app_events::with_value(input, &mut self.ack_value)),
            #[cfg(not(feature = "socketio-frames"))]
            Some(kind) => server_packets::read(kind, &mut fields),
            None => inputs::read(kind, &mut fields, |_, _| None),
        };
        if let Some(input) = input {
            self.namespaces.handle(&mut self.session, clock_reading(monotonic, wall), input);
        }
    }

    /// The next output, as [`crate::Machine::poll`].
    pub fn poll(&mut self) -> u32 {
        let output = self.namespaces.poll(&mut self.session);
        let ready = if output.is_none() { self.namespaces.next_ready() } else { None };
        if output.is_none() && ready.is_none() {
            return 0;
        }
        *self.slots = [0.0; SLOTS];
        self.ids.clear();
        let Some(mut output) = output else {
            crate::slots::SlotWriter { slots: self.slots.iter_mut(), ids: &mut self.ids }
                .number(ready.unwrap_or(0));
            return FIRST + PacketOut::NamespaceOutput as u32;
        };
        let namespace = namespace_of(&output);
        let is_dial = matches!(output, Output::Dial { .. });
        let cause = client_packets::prepare(&mut output);
        let mut fields = crate::slots::SlotWriter { slots: self.slots.iter_mut(), ids: &mut self.ids };
        let kind = client_packets::write_event(&output, &mut fields);
        let kind = kind.unwrap_or_else(|| outputs::write(output, &mut fields, client_packets::write));
        if let Some((at, cause)) = cause
            && let Some(slot) = self.slots.get_mut(at)
        {
            *slot = cause;
        }
        if is_dial && let Some(slot) = self.slots.get_mut(DIAL_TRANSPORT) {
            *slot = f64::from(dial_transport(self.session.session()));
        }
        if let Some(slot) = self.slots.last_mut() {
            *slot = f64::from(namespace);
        }
        kind
    }
}

impl SocketIoMachine {
    fn diagnostics(&self) -> Diagnostics {
        self.namespaces.diagnostics(&self.session)
    }

    fn released_handles(&self) -> &Released {
        self.namespaces.released_handles(&self.released)
    }
}

/// How a dial is made: 0 by WebSocket, 1 by long polling, 2 by long polling that moves to a WebSocket if it can.
fn dial_transport(session: &Session<Value, Name>) -> u32 {
    match session.transport() {
        EngineTransport::WebSocket => 0,
        EngineTransport::Polling => 1 + u32::from(session.upgrades()),
    }
}

/// The namespace of an output; 0 for the first.
fn namespace_of(output: &PacketOutput) -> u32 {
    match output {
        Output::Send { message: ClientPacket::In { namespace, .. }, .. } => namespaces::number(namespace),
        _ => 0,
    }
}

/// A session that is idle.
fn session(config: Config, options: Options, seed: u64) -> Manager<Value, Name> {
    #[cfg_attr(not(feature = "socketio-frames"), expect(unused_mut, reason = "nothing is set"))]
    let mut session = Manager::new(Namespace::default(), config, options, Name::Personal, seed);
    #[cfg(feature = "socketio-frames")]
    {
        session.custom_events(name::NO_ROOM);
        session.manual_acks();
    }
    session
}

#[cfg(feature = "session")]
ffi_methods!(SocketIoMachine, SocketIoMachine);
#[cfg(not(feature = "session"))]
ffi_methods!(SocketIoMachine, Machine);

#[cfg(test)]
mod tests;
