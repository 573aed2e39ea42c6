//! Rules for what the driver of a Socket.IO client is told to do beside sends: transports, sessions to go on with, goodbyes.

use crate::sim::checker::place;
use crate::sim::coverage::Sometimes;
use crate::sim::world::World;
use rejoin::DialErrorKind;
use rejoin::machine::{ConnId, Input};
use rejoin::socketio::{ClientEvent, ClientPacket, EngineTransport, ServerPacket, Session};

impl World {
    /// A dial takes the right transport. Gives how it fails, if something on the way blocks that.
    pub(super) fn sio_takes_transport(&mut self, client: usize) -> Option<DialErrorKind> {
        let right = self.sios[client].choice.dials();
        let taken = self.sio_session(client).map(Session::transport);
        if taken != Some(right) {
            self.checker.violated(format!("S: sio{client} dials by {taken:?}, and {right:?} is right"));
        }
        let blockade = self.sios[client].plan.blockade.filter(|_| right == EngineTransport::WebSocket);
        blockade.filter(|blockade| blockade.is_there(self.now) && !self.calm).map(|blockade| blockade.how)
    }

    /// The engine has said its first word: a connection by long polling may move.
    pub(super) fn sio_engine_answers(&mut self, client: usize, id: ConnId) {
        self.sios[client].choice.answered();
        let session = self.sio_session(client);
        let polls = session.is_some_and(|session| session.transport() == EngineTransport::Polling);
        let upgrades = session.is_some_and(Session::upgrades);
        let state = &mut self.sios[client];
        let blocked = state.plan.blockade.is_some_and(|blockade| blockade.is_there(self.now));
        if polls {
            self.checker.cover.reach(Sometimes::SioPolls);
        }
        if polls && upgrades && !blocked && state.rng.bool() {
            state.choice.upgraded();
            self.sio_input(client, Input::Upgraded(id));
        }
    }

    /// What a client writes beside sends is as it has to be.
    pub(super) fn sio_writes_rightly(&mut self, client: usize, index: usize, message: &ClientPacket) {
        match message {
            ClientPacket::Disconnect => self.sio_conns[index].closing = true,
            ClientPacket::Emit { event: ClientEvent::Leave { room }, .. } => {
                self.sio_leaves.push((client, room.clone()));
                // What is told in another namespace is heard when all is written.
                if self.sios[client].plan.carrier.is_none() {
                    self.sio_leaves_rightly();
                }
            }
            ClientPacket::Connect { resume, .. } => {
                let asked = resume.as_ref().map(|resume| (resume.pid.clone(), resume.offset.clone()));
                let right = self.sios[client].resumes.clone();
                let right = right.and_then(|(pid, offset)| Some((pid, offset?)));
                if asked != right {
                    self.checker
                        .violated(format!("S: sio{client} asks to go on with {asked:?}, {right:?} is right"));
                }
            }
            _ => {}
        }
    }

    /// Who leaves a room knows what has become of what was sent there before.
    pub(super) fn sio_leaves_rightly(&mut self) {
        for (client, room) in std::mem::take(&mut self.sio_leaves) {
            let through = self.sios[client].leaving.get(&room).copied().unwrap_or(0);
            if let Some(open) = self.checker.sio_open_in(client, place(&room, 0), through) {
                self.checker
                    .violated(format!("S: sio{client} leaves {room} before the fate of {open} is known"));
            }
        }
    }

    /// What a server says moves on where its session can be recovered from.
    pub(super) fn sio_may_resume(&mut self, client: usize, packet: &ServerPacket) {
        let resumes = &mut self.sios[client].resumes;
        match packet {
            ServerPacket::Connected(connected) => {
                let same = resumes.as_ref().is_some_and(|(pid, _)| Some(pid) == connected.pid.as_ref());
                if !same {
                    *resumes = connected.pid.clone().map(|pid| (pid, None));
                }
            }
            ServerPacket::Event(event) if event.ack.is_none() => {
                if let (Some((_, offset)), Some(trailing)) = (resumes, &event.trailing) {
                    *offset = Some(trailing.text.clone());
                }
            }
            _ => {}
        }
    }
}
