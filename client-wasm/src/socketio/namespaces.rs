//! Further namespaces: each has a number, values and outputs of its own. Their names on the wire
//! stay in the page; the session uses placeholder names.

use super::client_packets::PacketOutput;
use super::name::Name;
use super::server_packets::PacketInput;
use crate::config;
use crate::handles::{Released, Value};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use rejoin::Diagnostics;
use rejoin::machine::{ClockReading, Input};
use rejoin::socketio::{Manager, Namespace, ServerPacket, Session};

/// Characters from here on are valid in a name.
const FIRST_CHARACTER: u32 = 0x1_0000;

#[derive(Debug)]
struct OpenNamespace {
    /// Permanent: an answer may arrive after the namespace was left.
    number: u32,
    namespace: Namespace,
    released: Released,
    outputs: VecDeque<PacketOutput>,
    /// There are outputs that the page was not notified of.
    has_unreported: bool,
}

#[derive(Debug, Default)]
pub(super) struct Namespaces {
    spaces: Vec<OpenNamespace>,
    selected: u32,
    /// Handles of a namespace that was never opened.
    unopened: Released,
}

/// The placeholder name of a namespace.
fn name_of(number: u32) -> Option<Namespace> {
    let mut name = String::from("/");
    name.push(char::from_u32(FIRST_CHARACTER.checked_add(number)?)?);
    Namespace::new(&name).ok()
}

/// The number of a namespace.
pub(super) fn number(namespace: &Namespace) -> u32 {
    let character = namespace.as_str().chars().nth(1).map_or(0, u32::from);
    character.saturating_sub(FIRST_CHARACTER)
}

impl Namespaces {
    /// Selects the namespace of the following calls.
    pub(super) fn select(&mut self, number: u32) {
        self.selected = number;
    }

    fn selected(&self) -> Option<&OpenNamespace> {
        self.spaces.iter().find(|space| space.number == self.selected)
    }

    /// Opens a namespace, or reopens one that was left. The page opens none twice and respects the limit.
    pub(super) fn open(&mut self, manager: &mut Manager<Value, Name>, number: u32, credentials: u32) {
        let Some(namespace) = name_of(number).filter(|_| number > 0) else { return };
        if manager.open(namespace.clone(), config::credentials(credentials)).is_err() {
            return;
        }
        self.spaces.retain(|space| space.number != number);
        self.spaces.push(OpenNamespace {
            number,
            namespace,
            released: Released::default(),
            outputs: VecDeque::new(),
            has_unreported: false,
        });
    }

    /// The released handles of the selected namespace; `first` are those of the first.
    pub(super) fn released_handles<'a>(&'a self, first: &'a Released) -> &'a Released {
        match self.selected() {
            Some(space) => &space.released,
            None if self.selected > 0 => &self.unopened,
            None => first,
        }
    }

    pub(super) fn handle(
        &mut self,
        manager: &mut Manager<Value, Name>,
        now: ClockReading,
        input: PacketInput,
    ) {
        match self.selected() {
            Some(space) => {
                let namespace = space.namespace.clone();
                match input {
                    Input::Received(conn, packet) => {
                        let packet = ServerPacket::In { namespace, packet: Box::new(packet) };
                        manager.handle(now, Input::Received(conn, packet));
                    }
                    input => manager.handle_namespace(now, &namespace, input),
                }
            }
            None if self.selected > 0 => {}
            None => manager.handle(now, input),
        }
        while let Some((namespace, output)) = manager.poll_namespace() {
            let number = number(&namespace);
            if let Some(space) = self.spaces.iter_mut().find(|space| space.number == number) {
                space.outputs.push_back(output);
                space.has_unreported = true;
            }
        }
    }

    /// The next output of the selected namespace.
    pub(super) fn poll(&mut self, manager: &mut Manager<Value, Name>) -> Option<PacketOutput> {
        if self.selected == 0 {
            return manager.poll();
        }
        let selected = self.selected;
        self.spaces.iter_mut().find(|space| space.number == selected)?.outputs.pop_front()
    }

    /// The next namespace with new outputs; each once, and only while the first is selected.
    pub(super) fn next_ready(&mut self) -> Option<u32> {
        let mut ready = self.spaces.iter_mut().filter(|_| self.selected == 0);
        let space = ready.find(|space| space.has_unreported)?;
        space.has_unreported = false;
        Some(space.number)
    }

    pub(super) fn diagnostics(&self, manager: &Manager<Value, Name>) -> Diagnostics {
        match self.selected() {
            Some(space) => manager
                .namespace_session(&space.namespace)
                .map_or_else(Diagnostics::default, Session::diagnostics),
            None => manager.session().diagnostics(),
        }
    }
}
