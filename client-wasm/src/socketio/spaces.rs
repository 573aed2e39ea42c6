//! The namespaces beside the first: each has a number in the page, values and outputs of its own. What they are called on the
//! wire is the page's business; the machine only has to tell one from the other.

use super::name::Name;
use super::packets::PacketInput;
use super::sent::PacketOutput;
use crate::dialling;
use crate::value::{Released, Value};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use rejoin::Diagnostics;
use rejoin::machine::{ClockReading, Input};
use rejoin::socketio::{Manager, Namespace, ServerPacket, Session};

/// No character from here on ends a name.
const FIRST_CHARACTER: u32 = 0x1_0000;

#[derive(Debug)]
struct Space {
    /// For good: an answer may come to one that was left.
    number: u32,
    namespace: Namespace,
    released: Released,
    outputs: VecDeque<PacketOutput>,
    /// There are outputs that the page does not know of.
    is_untold: bool,
}

#[derive(Debug, Default)]
pub(super) struct Spaces {
    open: Vec<Space>,
    selected: u32,
    /// Of one that was never begun.
    nobodys: Released,
}

/// What the namespace with this number is called here.
fn named(number: u32) -> Option<Namespace> {
    let mut name = String::from("/");
    name.push(char::from_u32(FIRST_CHARACTER.checked_add(number)?)?);
    Namespace::new(&name).ok()
}

/// The number of a namespace.
pub(super) fn number(namespace: &Namespace) -> u32 {
    let character = namespace.as_str().chars().nth(1).map_or(0, u32::from);
    character.saturating_sub(FIRST_CHARACTER)
}

impl Spaces {
    /// What comes next is about this namespace.
    pub(super) fn select(&mut self, number: u32) {
        self.selected = number;
    }

    fn selected(&self) -> Option<&Space> {
        self.open.iter().find(|space| space.number == self.selected)
    }

    /// Begins one more, or anew one that was left. The page asks for none that is open, and for no more than there may be.
    pub(super) fn begin(&mut self, manager: &mut Manager<Value, Name>, number: u32, credentials: u32) {
        let Some(namespace) = named(number).filter(|_| number > 0) else { return };
        if manager.open(namespace.clone(), dialling::credentials(credentials)).is_err() {
            return;
        }
        self.open.retain(|space| space.number != number);
        self.open.push(Space {
            number,
            namespace,
            released: Released::default(),
            outputs: VecDeque::new(),
            is_untold: false,
        });
    }

    /// Where values go that the machine lets go of; `first` is that of the first namespace.
    pub(super) fn let_go<'a>(&'a self, first: &'a Released) -> &'a Released {
        match self.selected() {
            Some(space) => &space.released,
            None if self.selected > 0 => &self.nobodys,
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
            if let Some(space) = self.open.iter_mut().find(|space| space.number == number) {
                space.outputs.push_back(output);
                space.is_untold = true;
            }
        }
    }

    /// The next thing to do or to tell.
    pub(super) fn poll(&mut self, manager: &mut Manager<Value, Name>) -> Option<PacketOutput> {
        if self.selected == 0 {
            return manager.poll();
        }
        let selected = self.selected;
        self.open.iter_mut().find(|space| space.number == selected)?.outputs.pop_front()
    }

    /// The next namespace that has something to do or to tell; each once, and while the first is spoken of.
    pub(super) fn next_told(&mut self) -> Option<u32> {
        let mut open = self.open.iter_mut().filter(|_| self.selected == 0);
        let space = open.find(|space| space.is_untold)?;
        space.is_untold = false;
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
