//! The carried namespaces: their packets and their outputs.

use super::member_state::{MemberState, REOPEN_DELAY};
use super::{MAX_NAMESPACES, Manager, OpenError};
use crate::cause::{Cause, Disconnect};
use crate::link::State;
use crate::mutation::mutation;
use crate::payload::Payload;
use crate::session::{Command, Input, Output};
use crate::socketio::{ClientPacket, Namespace, ServerPacket, Session};
use crate::time::{ClockReading, Timestamp};
use alloc::boxed::Box;
use alloc::collections::VecDeque;

#[derive(Debug)]
pub(super) struct Member<P: Payload, N: Clone + Ord> {
    pub(super) namespace: Namespace,
    pub(super) session: Session<P, N>,
    state: MemberState<P, N>,
    /// It has failed because the connection has.
    failed_with_connection: bool,
    /// It was left on this connection: what comes before the next consent is of that stay.
    was_in: bool,
}

impl<P: Payload, N: Clone + Ord> Member<P, N> {
    /// The server is told goodbye; it is asked again by this, if at all.
    fn leaves(&mut self, now: ClockReading, connect: Option<ClientPacket<P, N>>) {
        self.state = MemberState::CoolingDown(now.monotonic + REOPEN_DELAY, connect);
        self.was_in = true;
    }

    /// Nobody wants it any more, and the server owes it no answer.
    fn is_forgotten(&self) -> bool {
        self.session.state() == State::Closed && matches!(self.state, MemberState::Disconnected)
    }
}

impl<P: Payload, N: Clone + Ord> Manager<P, N> {
    fn position(&self, namespace: &str) -> Result<usize, usize> {
        self.members.binary_search_by(|member| member.namespace.as_str().cmp(namespace))
    }

    /// The session in another namespace; `None` where it is not open.
    pub fn namespace_session(&self, namespace: &Namespace) -> Option<&Session<P, N>> {
        let at = self.position(namespace.as_str()).ok()?;
        let session = self.members.get(at).map(|member| &member.session);
        session.filter(|session| session.state() != State::Closed)
    }

    /// What the application requests in another namespace, or its token source has answered: [`Input::Command`] and
    /// [`Input::Token`]. Anything else, and what concerns a namespace that is not open, is ignored. [`Command::Close`] leaves
    /// the namespace, and the others stay as they are.
    pub fn handle_namespace(
        &mut self,
        now: ClockReading,
        namespace: &Namespace,
        input: Input<P, N, ServerPacket<P, N>>,
    ) {
        self.gather();
        if let (Ok(at), Input::Command(_) | Input::Token(_)) = (self.position(namespace.as_str()), &input) {
            self.member_takes(now, at, input);
            self.tell_of_sleep(now);
        }
        self.forget_closed();
    }

    pub(super) fn add(&mut self, namespace: Namespace, session: Session<P, N>) -> Result<(), OpenError> {
        // Those that were left and wait for a late answer are no namespaces any more, but must not pile up either.
        let open = self.members.iter().filter(|member| member.session.state() != State::Closed).count();
        if self.members.len() >= 2 * MAX_NAMESPACES
            && let Some(at) = self.members.iter().position(Member::is_forgotten)
        {
            self.members.remove(at);
        }
        let is_full = open >= MAX_NAMESPACES || self.members.len() >= 2 * MAX_NAMESPACES;
        let (mut state, mut was_in) = (MemberState::Disconnected, false);
        let at = match self.position(namespace.as_str()) {
            Ok(at) => {
                let known = self.members.get_mut(at).filter(|member| member.session.state() == State::Closed);
                let Some(known) = known else { return Err(OpenError::AlreadyOpen) };
                state = core::mem::replace(&mut known.state, MemberState::Disconnected);
                was_in = known.was_in;
                self.members.remove(at);
                at
            }
            Err(_) if is_full => return Err(OpenError::TooMany),
            Err(at) => at,
        };
        self.members.insert(at, Member { namespace, session, state, failed_with_connection: false, was_in });
        Ok(())
    }

    /// Of a namespace that was left nothing is remembered, unless the server's consent is still to come, or something of that
    /// stay.
    pub(super) fn forget_closed(&mut self) {
        self.members.retain(|member| !member.is_forgotten() || member.was_in);
        if self.members.is_empty() {
            self.main.set_elsewhere(0);
        }
    }

    pub(super) fn member_takes(
        &mut self,
        now: ClockReading,
        at: usize,
        input: Input<P, N, ServerPacket<P, N>>,
    ) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            self.prepare(at);
            let Some(member) = self.members.get_mut(at) else { return };
            member.session.handle(now, input);
            self.take_outputs(now, at, &mut inputs);
        }
    }

    /// What the session of a namespace has to know of the others.
    fn prepare(&mut self, at: usize) {
        let of_members: usize = self.members.iter().map(|member| member.session.unflushed()).sum();
        let all = of_members + self.main.unflushed();
        let frame = self.main.last_frame();
        if let Some(member) = self.members.get_mut(at) {
            member.session.set_elsewhere(all - member.session.unflushed());
            if !mutation!(NamespaceFramesApart) {
                member.session.set_last_frame(frame);
            }
        }
    }

    /// Does what a session wants; what it is to be told of that goes into `inputs`.
    fn take_outputs(
        &mut self,
        now: ClockReading,
        at: usize,
        inputs: &mut VecDeque<Input<P, N, ServerPacket<P, N>>>,
    ) {
        while let Some((member, output)) =
            self.members.get_mut(at).and_then(|member| member.session.poll().map(|output| (member, output)))
        {
            match output {
                Output::Dial { conn, .. } => {
                    inputs.push_back(Input::Opened(conn));
                    if let Some(handshake) = self.handshake {
                        inputs.push_back(Input::Received(conn, ServerPacket::Open(handshake)));
                    }
                }
                Output::Send { frame, message: message @ ClientPacket::Connect { .. }, .. } => {
                    match member.state {
                        MemberState::Disconnected | MemberState::Connected => {
                            member.state = MemberState::Connecting;
                            self.main.set_last_frame(frame);
                            self.write(at, frame, message);
                        }
                        // Not yet: the disconnect may not have been read, or what was asked before is not answered.
                        MemberState::CoolingDown(when, _) => {
                            member.state = MemberState::CoolingDown(when, Some(message));
                        }
                        _ => member.state = MemberState::Reconnecting(message),
                    }
                }
                Output::Send { frame, message, .. } => {
                    if matches!(message, ClientPacket::Disconnect) {
                        member.leaves(now, None);
                    }
                    self.main.set_last_frame(frame);
                    self.write(at, frame, message);
                }
                // The server does not answer a disconnect.
                Output::Close { conn, code } => {
                    inputs.push_back(Input::Closed(conn, Disconnect::Closed { code, reason: "".into() }));
                }
                Output::Abort { .. } => self.abandon(now, at),
                Output::Ping { .. } => {
                    self.main.probe(now);
                    self.gather();
                }
                output @ (Output::Event(_) | Output::FetchToken { .. }) => {
                    let namespace = member.namespace.clone();
                    self.outputs_in.push_back((namespace, output));
                }
                // What another run would continue with is not kept of these.
                Output::Save => {}
            }
        }
    }

    fn write(&mut self, at: usize, frame: u64, packet: ClientPacket<P, N>) {
        let (Some(conn), Some(member)) = (self.main.conn_up(), self.members.get(at)) else { return };
        let message = ClientPacket::In { namespace: member.namespace.clone(), packet: Box::new(packet) };
        self.outputs.push_back(Output::Send { conn, frame, message });
    }

    /// Writes what no session has.
    fn write_beside(&mut self, at: usize, packet: ClientPacket<P, N>) {
        let frame = self.main.last_frame() + 1;
        self.main.set_last_frame(frame);
        self.write(at, frame, packet);
    }

    /// The session has given the namespace up.
    fn abandon(&mut self, now: ClockReading, at: usize) {
        let Some(member) = self.members.get_mut(at) else { return };
        match member.state {
            MemberState::Connected => {
                member.leaves(now, None);
                if !mutation!(NamespaceLeftUnsaid) {
                    self.write_beside(at, ClientPacket::Disconnect);
                }
            }
            MemberState::Connecting | MemberState::Reconnecting(_) => {
                let unanswered = !mutation!(NamespaceAskedTwice);
                member.state = if unanswered { MemberState::Abandoned } else { MemberState::Disconnected };
            }
            MemberState::CoolingDown(when, _) => member.state = MemberState::CoolingDown(when, None),
            MemberState::Disconnected | MemberState::Abandoned => {}
        }
    }

    /// A namespace that was left may be requested again, and is if that is wanted.
    pub(super) fn start_cooldown(&mut self, now: ClockReading, at: usize) {
        let Some(member) = self.members.get_mut(at) else { return };
        let MemberState::CoolingDown(when, connect) = &mut member.state else { return };
        if *when > now.monotonic && !mutation!(NamespaceAskedInOneBreath) {
            return;
        }
        let connect = connect.take();
        member.state = if connect.is_some() { MemberState::Connecting } else { MemberState::Disconnected };
        if let Some(connect) = connect {
            self.write_beside(at, connect);
        }
    }

    /// A packet of another namespace, on the connection that is up.
    pub(super) fn received_in(
        &mut self,
        now: ClockReading,
        namespace: &Namespace,
        packet: ServerPacket<P, N>,
    ) {
        let Ok(at) = self.position(namespace.as_str()) else { return self.main.mark_unknown() };
        let Some(member) = self.members.get_mut(at) else { return };
        let is_answer = matches!(packet, ServerPacket::Connected(_) | ServerPacket::ConnectError(_));
        match (&member.state, is_answer) {
            (MemberState::Connecting, true) => {
                member.was_in = false;
                let is_in = matches!(packet, ServerPacket::Connected(_));
                member.state = if is_in { MemberState::Connected } else { MemberState::Disconnected };
            }
            (MemberState::Abandoned | MemberState::Reconnecting(_), true) => {
                return self.answered_too_late(now, at, &packet);
            }
            (MemberState::Connected, false) if matches!(packet, ServerPacket::Disconnected) => {
                member.state = MemberState::Disconnected;
            }
            (MemberState::Connecting, false) if member.was_in && !mutation!(EarlierStayHeard) => {
                return member.session.mark_unknown();
            }
            (MemberState::Connected | MemberState::Connecting, false) => {}
            // A second answer, or one to no question; and what is still on its way after it was left.
            (MemberState::Connected, true)
            | (MemberState::Disconnected | MemberState::CoolingDown(..), _)
            | (MemberState::Abandoned | MemberState::Reconnecting(_), false) => {
                return member.session.mark_unknown();
            }
        }
        if let Some(conn) = member.session.conn() {
            self.member_takes(now, at, Input::Received(conn, packet));
        }
    }

    /// The answer to what is not wanted any more.
    fn answered_too_late(&mut self, now: ClockReading, at: usize, packet: &ServerPacket<P, N>) {
        let Some(member) = self.members.get_mut(at) else { return };
        let connect = match core::mem::replace(&mut member.state, MemberState::Disconnected) {
            MemberState::Reconnecting(connect) => Some(connect),
            _ => None,
        };
        if matches!(packet, ServerPacket::Connected(_)) {
            member.leaves(now, connect);
            if !mutation!(LateConsentKept) {
                self.write_beside(at, ClientPacket::Disconnect);
            }
        } else if let Some(connect) = connect {
            member.state = MemberState::Connecting;
            self.write_beside(at, connect);
        }
    }

    /// When a namespace may be requested that was left.
    pub(super) fn next_cooldown(&self) -> Option<Timestamp> {
        let left = self.members.iter().filter_map(|member| match member.state {
            MemberState::CoolingDown(when, _) => Some(when),
            _ => None,
        });
        left.min()
    }

    /// The connection is gone.
    pub(super) fn member_loses(&mut self, now: ClockReading, at: usize, how: &Disconnect) {
        let Some(member) = self.members.get_mut(at) else { return };
        (member.state, member.was_in) = (MemberState::Disconnected, false);
        member.session.carrier_lost(now, how);
        self.settled(now, at);
    }

    /// The connection is gone permanently.
    pub(super) fn member_fails(&mut self, now: ClockReading, at: usize, cause: &Cause) {
        let Some(member) = self.members.get_mut(at) else { return };
        (member.state, member.was_in) = (MemberState::Disconnected, false);
        member.failed_with_connection |= !member.session.has_ended();
        member.session.carrier_failed(now, cause.clone());
        self.settled(now, at);
    }

    /// There is an attempt at a connection again.
    pub(super) fn reopen_member(&mut self, now: ClockReading, at: usize) {
        let Some(member) = self.members.get_mut(at) else { return };
        if core::mem::take(&mut member.failed_with_connection) && member.session.state() == State::Failed {
            self.member_takes(now, at, Input::Command(Command::Connect));
        }
    }

    /// There is a connection.
    pub(super) fn connect_member(&mut self, now: ClockReading, at: usize) {
        self.prepare(at);
        let Some(member) = self.members.get_mut(at) else { return };
        member.session.carrier_up(now);
        self.settled(now, at);
    }

    /// A session has done something that was no input.
    fn settled(&mut self, now: ClockReading, at: usize) {
        let mut inputs = VecDeque::new();
        self.take_outputs(now, at, &mut inputs);
        for input in inputs {
            self.member_takes(now, at, input);
        }
    }

    /// The connection ended because of a frame that was too large for the server: whichever namespace has written the
    /// largest is to blame.
    #[cfg(feature = "frames")]
    pub(super) fn compare_frames(&mut self) {
        let of_members = self.members.iter().map(|member| member.session.largest_frame()).max();
        let of_main = self.main.largest_frame();
        for at in 0..self.members.len() {
            let others = self.members.iter().enumerate().filter(|(other, _)| *other != at);
            let others = others.map(|(_, other)| other.session.largest_frame()).max();
            if let Some(member) = self.members.get_mut(at) {
                member.session.record_send_elsewhere(others.unwrap_or_default().max(of_main));
            }
        }
        self.main.record_send_elsewhere(of_members.unwrap_or_default());
    }
}
