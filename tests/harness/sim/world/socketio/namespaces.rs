//! Namespaces beside the first: which client has whose process and connection, and when it is in its namespace. Each time in a
//! namespace is a connection of its own here, which the carrier's ends with.

use super::{SioEvent, SioInput};
use crate::sim::coverage::Sometimes;
use crate::sim::socketio::SioConn;
use crate::sim::world::{SimEvent, World};
use crate::sim::{Micros, SECOND};
use rejoin::machine::{ConnId, Input};
use rejoin::socketio::{ClientPacket, Namespace, ServerPacket, Session};
use rejoin::{CauseCode, DialErrorKind, Event, State};

/// So long after a goodbye a server has read it.
const BREATH: Micros = SECOND / 10;

impl World {
    /// The client whose process and connection a client has: its own, or its carrier's.
    pub(in crate::sim::world) fn sio_main(&self, client: usize) -> usize {
        self.sios[client].plan.carrier.unwrap_or(client)
    }

    /// Those in other namespaces of a process.
    pub(super) fn sio_carried(&self, main: usize) -> Vec<usize> {
        (0..self.sios.len()).filter(|client| self.sios[*client].plan.carrier == Some(main)).collect()
    }

    /// The one of them that is in this namespace.
    pub(super) fn sio_in(&self, main: usize, namespace: &Namespace) -> Option<usize> {
        self.sio_carried(main).into_iter().find(|client| self.sios[*client].namespace == *namespace)
    }

    /// The session of a client; `None` without a process, or while its namespace is not open.
    pub(super) fn sio_session(&self, client: usize) -> Option<&Session> {
        let main = self.sio_main(client);
        let manager = self.sios[main].manager.as_ref()?;
        match self.sios[client].plan.carrier {
            None => Some(manager.session()),
            Some(_) => manager.namespace_session(&self.sios[client].namespace),
        }
    }

    /// Whether a client can take an input now.
    pub(in crate::sim::world) fn sio_runs(&self, client: usize) -> bool {
        self.sio_process_runs(client) && self.sio_session(client).is_some()
    }

    fn sio_process_runs(&self, client: usize) -> bool {
        let main = &self.sios[self.sio_main(client)];
        main.manager.is_some() && main.frozen_until.is_none()
    }

    /// The connection over which the packets of this one go.
    pub(super) fn sio_carrier(&self, index: usize) -> usize {
        self.sio_conns[index].carrier.unwrap_or(index)
    }

    /// A namespace is opened by a process that runs.
    pub(super) fn sio_opens(&mut self, client: usize) {
        let main = self.sio_main(client);
        let plan = &self.sios[client].plan;
        self.checker.sio_is(client, plan.acks, plan.held < 1000, plan.personal);
        let (namespace, credentials) = (self.sios[client].namespace.clone(), self.sios[client].credentials());
        let Some(manager) = &mut self.sios[main].manager else { return };
        if let Err(error) = manager.open(namespace, credentials) {
            self.checker.violated(format!("S: the namespace of sio{client} is not opened: {error}"));
        }
        self.sio_wants(client);
    }

    /// A namespace that its user has left is opened anew: nothing is left of the last time.
    pub(super) fn sio_opens_anew(&mut self, client: usize) {
        if self.sio_session(client).is_some() || !self.sio_process_runs(client) {
            return;
        }
        self.checker.sio_died(client, None);
        self.sio_own_died(client);
        self.sios[client].dies();
        self.checker.cover.reach(Sometimes::SioOpenedAnew);
        self.sio_opens(client);
    }

    /// A client receives a packet.
    pub(super) fn sio_receives(&mut self, client: usize, id: ConnId, packet: ServerPacket) {
        let main = self.sio_main(client);
        if client != main && matches!(packet, ServerPacket::Connected(_)) {
            self.checker.cover.reach(Sometimes::SioInNamespace);
        }
        let packet = if self.sios[client].plan.carrier.is_none() {
            packet
        } else {
            let namespace = self.sios[client].namespace.clone();
            ServerPacket::In { namespace, packet: Box::new(packet) }
        };
        let input: SioInput = Input::Received(id, packet);
        self.sio_input(main, input);
    }

    /// Whose packet is written, and to which connection: that of a namespace begins with the question to be let in.
    pub(super) fn sio_unwraps(
        &mut self,
        main: usize,
        carrier: usize,
        message: ClientPacket,
    ) -> Option<(usize, usize, ClientPacket)> {
        let ClientPacket::In { namespace, packet } = message else { return Some((main, carrier, message)) };
        let Some(client) = self.sio_in(main, &namespace) else {
            self.checker.violated(format!("S: sio{main} writes into {namespace}, where nobody is"));
            return None;
        };
        if matches!(*packet, ClientPacket::Connect { .. }) {
            self.sio_asks_to_be_let_in(client, carrier);
        }
        let here = |conn: &SioConn| conn.client == client && conn.carrier == Some(carrier);
        let index = self.sio_conns.iter().rposition(here);
        if index.is_none() {
            self.checker
                .violated(format!("S: sio{client} has not asked to be let in, and writes {packet:?}"));
        }
        index.map(|index| (client, index, *packet))
    }

    fn sio_asks_to_be_let_in(&mut self, client: usize, carrier: usize) {
        let awaited = |conn: &SioConn| {
            conn.client == client && conn.carrier == Some(carrier) && conn.server_open && !conn.is_answered
        };
        let left = |conn: &SioConn| {
            conn.client == client
                && conn.carrier == Some(carrier)
                && conn.left_at.is_some_and(|at| self.now < at + BREATH)
        };
        if self.sio_conns.iter().any(left) {
            self.checker.violated(format!("S: sio{client} asks to be let in in one breath with its goodbye"));
        }
        if self.sio_conns.iter().any(awaited) {
            self.checker.violated(format!("S: sio{client} asks to be let in, and has not been answered yet"));
        }
        let (id, latency) = (self.sio_conns[carrier].id, self.sio_conns[carrier].latency);
        let server_open = self.sio_conns[carrier].server_open;
        self.sio_conns.push(SioConn {
            carrier: Some(carrier),
            client_open: true,
            server_open,
            ..SioConn::new(client, id, self.now, latency)
        });
    }

    /// A client in another namespace is told that it is out of it: what it has given to the namespace is lost.
    pub(super) fn sio_is_out(&mut self, client: usize, event: &Event) {
        let Event::State(change) = event else { return };
        let Some(cause) = &change.cause else { return };
        // Whoever is not answered waits on.
        let waits_on = cause.code == CauseCode::Dial(DialErrorKind::Timeout);
        let is_out = !waits_on && !matches!(change.state, State::Connected | State::Connecting | State::Idle);
        if self.sios[client].plan.carrier.is_some()
            && is_out
            && let Some(index) = self.sio_newest(client)
        {
            self.sio_conns[index].client_open = false;
        }
    }

    /// What happens to a process happens to all of its clients.
    pub(super) fn sio_process(&self, client: usize) -> Vec<usize> {
        let main = self.sio_main(client);
        std::iter::once(main).chain(self.sio_carried(main)).collect()
    }

    /// Its user begins anew with those namespaces that were closed with the connection.
    pub(super) fn sio_reopens_carried(&mut self, main: usize) {
        for carried in self.sio_carried(main) {
            if self.sio_session(carried).is_none() {
                self.later(0, SimEvent::SioEvent(SioEvent::Reopens { client: carried }));
            }
        }
    }
}
