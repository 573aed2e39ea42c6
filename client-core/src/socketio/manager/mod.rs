//! Several namespaces over one connection: the session that makes it, and a bounded list of carried sessions. Routes
//! packets and disconnects, and numbers frames; the sessions interpret them.

mod member_state;
mod members;

use super::messages::{ClientPacket, Handshake, ServerPacket};
use super::namespace::Namespace;
use super::session::{Options, Session};
use crate::cause::{Cause, Disconnect};
use crate::config::Config;
use crate::event::Event;
use crate::link::{ConnId, State};
use crate::mutation::mutation;
use crate::name::Name;
use crate::payload::Payload;
use crate::session::{Command, Input, Output};
use crate::time::{ClockReading, Timestamp};
use crate::token::Credentials;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use members::Member;

/// Most namespaces beside the one of [`Manager::session`].
pub const MAX_NAMESPACES: usize = 64;

/// Why a namespace cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It is open already, or it is the one that the client began with.
    #[error("this namespace is open already: use the handle that there is, or close it first")]
    AlreadyOpen,
    /// As many are open as may be.
    #[error("64 namespaces are open beside the first: close one of them first")]
    TooMany,
}

/// What a session in another namespace wants or tells: [`Output::Event`] and [`Output::FetchToken`].
pub type NamespaceOutput<P, N> = Output<P, N, ClientPacket<P, N>>;

/// A Socket.IO client in any number of namespaces, without its socket. Driven as [`Session`] is, which it is in one
/// namespace.
///
/// The connection is that of [`Manager::session`]: a refusal of its namespace ends it for all, as does its end. The others
/// are requested when it is up, on each connection anew, and each has its own state, rooms, sends and recovery. One that is
/// refused or that the server disconnects is [`State::Failed`], and changes nothing for the rest.
#[derive(Debug)]
pub struct Manager<P: Payload = String, N: Clone + Ord = Name> {
    main: Session<P, N>,
    /// What each other namespace begins with.
    template: Template<N>,
    namespace: Namespace,
    handshake: Option<Handshake>,
    /// By name.
    members: Vec<Member<P, N>>,
    /// Whose turn it is to be told first that there is room.
    turn: usize,
    outputs: VecDeque<Output<P, N, ClientPacket<P, N>>>,
    outputs_in: VecDeque<(Namespace, NamespaceOutput<P, N>)>,
    /// Why the session that makes the connection has failed.
    failed: Option<Cause>,
    /// The clocks at the last input of any namespace.
    last_seen: ClockReading,
}

#[derive(Debug)]
struct Template<N> {
    config: Config,
    options: Options,
    personal: N,
    seed: u64,
    #[cfg(feature = "frames")]
    own: Option<N>,
    #[cfg(feature = "frames")]
    manual_acks: bool,
}

impl<P: Payload, N: Clone + Ord> Manager<P, N> {
    /// A client that is idle, in this namespace; the rest as for [`Session::new`].
    pub fn new(namespace: Namespace, config: Config, options: Options, personal: N, seed: u64) -> Self {
        Self {
            main: Session::new(config.clone(), options, personal.clone(), seed),
            template: Template {
                config,
                options,
                personal,
                seed,
                #[cfg(feature = "frames")]
                own: None,
                #[cfg(feature = "frames")]
                manual_acks: false,
            },
            namespace,
            handshake: None,
            members: Vec::new(),
            turn: 0,
            outputs: VecDeque::new(),
            outputs_in: VecDeque::new(),
            failed: None,
            last_seen: ClockReading::default(),
        }
    }

    /// As [`Session::custom_events`], in all namespaces.
    #[cfg(feature = "frames")]
    pub fn custom_events(&mut self, room: N) {
        self.template.own = Some(room.clone());
        self.main.custom_events(room);
    }

    /// As [`Session::manual_acks`], in all namespaces.
    #[cfg(feature = "frames")]
    pub fn manual_acks(&mut self) {
        self.template.manual_acks = true;
        self.main.manual_acks();
    }

    /// The session in the first namespace, which makes the connection.
    pub fn session(&self) -> &Session<P, N> {
        &self.main
    }

    /// The same, for what is no input.
    pub fn session_mut(&mut self) -> &mut Session<P, N> {
        &mut self.main
    }

    /// Takes one input, as [`Session::handle`]; what an application requests, and the answer of a token source, concern the
    /// first namespace.
    pub fn handle(&mut self, now: ClockReading, input: Input<P, N, ServerPacket<P, N>>) {
        if let Input::Received(_, ServerPacket::Open(handshake)) = &input {
            self.handshake = Some(*handshake);
        }
        if self.members.is_empty() {
            return self.main.handle(now, input);
        }
        self.route(now, input);
        self.tell_of_sleep(now);
        self.forget_closed();
    }

    /// An input of one namespace may be the first since the machine woke up: the others have aged as well, and none of their
    /// deadlines says so.
    pub(super) fn tell_of_sleep(&mut self, now: ClockReading) {
        let last = core::mem::replace(&mut self.last_seen, now);
        let slept = now.wall.after(last.wall) > now.monotonic.after(last.monotonic);
        if slept && last != ClockReading::default() && !mutation!(NamespacesOversleep) {
            self.route(now, Input::Tick);
        }
    }

    /// The next thing to do on the connection or to tell of the first namespace, in order.
    pub fn poll(&mut self) -> Option<Output<P, N, ClientPacket<P, N>>> {
        self.outputs.pop_front().or_else(|| self.main.poll())
    }

    /// The next thing to tell of another namespace, or to request it, in order.
    pub fn poll_namespace(&mut self) -> Option<(Namespace, NamespaceOutput<P, N>)> {
        self.outputs_in.pop_front()
    }

    /// As [`Session::shrink_to_fit`].
    pub fn shrink_to_fit(&mut self) {
        self.main.shrink_to_fit();
        for member in &mut self.members {
            member.session.shrink_to_fit();
        }
        if self.outputs.is_empty() {
            self.outputs = VecDeque::new();
        }
        if self.outputs_in.is_empty() {
            self.outputs_in = VecDeque::new();
        }
    }

    /// As [`Session::next_deadline`].
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let members = self.members.iter().filter_map(|member| member.session.next_deadline());
        self.main.next_deadline().into_iter().chain(members).chain(self.next_cooldown()).min()
    }

    fn route(&mut self, now: ClockReading, input: Input<P, N, ServerPacket<P, N>>) {
        match input {
            Input::Received(conn, ServerPacket::In { namespace, packet }) => {
                self.main_takes(now, Input::Activity(conn));
                if self.main.conn_up() == Some(conn) {
                    self.received_in(now, &namespace, *packet);
                }
            }
            Input::Flushed(conn, through) => self.flushed(now, conn, through),
            Input::Closed(conn, how) => {
                let was_up = self.main.conn_up();
                #[cfg(feature = "frames")]
                if was_up == Some(conn) && self.main.is_frame_too_large(&how) {
                    self.compare_frames();
                }
                self.main_takes_only(now, Input::Closed(conn, how.clone()));
                self.follow(now, was_up, &how);
            }
            Input::Command(Command::Close) => {
                let open = if mutation!(NamespacesStayOpen) { 0 } else { self.members.len() };
                for at in 0..open {
                    self.member_takes(now, at, Input::Command(Command::Close));
                }
                self.main_takes(now, Input::Command(Command::Close));
            }
            Input::Tick => {
                self.main_takes(now, Input::Tick);
                for at in 0..self.members.len() {
                    if !mutation!(NamespaceTimersForgotten) {
                        self.member_takes(now, at, Input::Tick);
                    }
                    self.start_cooldown(now, at);
                }
            }
            input => self.main_takes(now, input),
        }
    }

    /// The first session takes an input, and the others follow what becomes of the connection.
    fn main_takes(&mut self, now: ClockReading, input: Input<P, N, ServerPacket<P, N>>) {
        let was_up = self.main.conn_up();
        self.main_takes_only(now, input);
        self.follow(now, was_up, &Disconnect::Lost);
    }

    fn main_takes_only(&mut self, now: ClockReading, input: Input<P, N, ServerPacket<P, N>>) {
        let elsewhere = self.members.iter().map(|member| member.session.unflushed()).sum();
        self.main.set_elsewhere(elsewhere);
        self.main.handle(now, input);
        self.gather();
    }

    /// Takes over what the first session wants, in order with what the others do.
    fn gather(&mut self) {
        while let Some(output) = self.main.poll() {
            if let Output::Event(Event::State(change)) = &output {
                self.failed = change.cause.clone().filter(|_| change.state == State::Failed);
            }
            self.outputs.push_back(output);
        }
    }

    /// The others are reported what has become of the connection.
    fn follow(&mut self, now: ClockReading, was_up: Option<ConnId>, how: &Disconnect) {
        let is_up = self.main.conn_up();
        if let Some(cause) = self.failed.take() {
            for at in 0..self.members.len() {
                self.member_fails(now, at, &cause);
            }
        } else if was_up.is_some() && was_up != is_up && !mutation!(NamespaceLossUntold) {
            for at in 0..self.members.len() {
                self.member_loses(now, at, how);
            }
        }
        if !self.main.has_ended() {
            for at in 0..self.members.len() {
                self.reopen_member(now, at);
            }
        }
        if is_up.is_some() && was_up != is_up {
            for at in 0..self.members.len() {
                self.connect_member(now, at);
            }
        }
    }

    /// The operating system has taken frames. Each session in turn is the first that may use the room.
    fn flushed(&mut self, now: ClockReading, conn: ConnId, through: u64) {
        let count = self.members.len() + 1;
        self.turn = (self.turn + 1) % count;
        // Twice: what one has got rid of is room for those before it as well.
        for step in 0..2 * count {
            match ((self.turn + step) % count).checked_sub(1) {
                None => self.main_takes(now, Input::Flushed(conn, through)),
                Some(at) if self.main.conn_up() == Some(conn) && !mutation!(NamespaceFlushForgotten) => {
                    if let Some(own) = self.members.get(at).and_then(|member| member.session.conn()) {
                        self.member_takes(now, at, Input::Flushed(own, through));
                    }
                }
                Some(_) => {}
            }
        }
    }

    /// Begins one more namespace, which requests nothing before [`Command::Connect`]. The source of its tokens is asked by
    /// [`Output::FetchToken`] in [`Manager::poll_namespace`], and answers with [`Manager::handle_namespace`].
    ///
    /// # Errors
    /// When it is open already, or there are [`MAX_NAMESPACES`].
    pub fn open(&mut self, namespace: Namespace, credentials: Credentials) -> Result<(), OpenError> {
        if namespace == self.namespace {
            return Err(OpenError::AlreadyOpen);
        }
        self.gather();
        let session = self.carried(credentials);
        self.add(namespace, session)
    }

    fn carried(&self, credentials: Credentials) -> Session<P, N> {
        let Template { config, options, personal, seed, .. } = &self.template;
        let mut config = config.clone();
        if !mutation!(NamespaceTokenOfFirst) {
            config.link.credentials = credentials;
        }
        #[cfg_attr(not(feature = "frames"), expect(unused_mut, reason = "nothing is set"))]
        let mut session =
            Session::carried(config, *options, personal.clone(), *seed, self.main.conn_up().is_some());
        #[cfg(feature = "frames")]
        {
            if let Some(own) = &self.template.own {
                session.custom_events(own.clone());
            }
            if self.template.manual_acks {
                session.manual_acks();
            }
        }
        session
    }
}
