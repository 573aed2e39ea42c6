//! Executes the session's outputs. Decides nothing.

use super::codec::Codec;
use super::driven_session::DrivenSession;
use super::{Dialing, Driver};
use crate::cause::{DialError, DialErrorKind};
use crate::event::{Event, Mode};
use crate::link::{ConnId, State, StateChange};
use crate::native::commands::is_reported_by_event;
#[cfg(feature = "sse")]
use crate::native::connect::EventStreams;
use crate::native::connect::FrameStream;
#[cfg(feature = "socketio")]
use crate::native::connect::Polling;
use crate::native::events;
use crate::native::trace;
use crate::session::Output;
#[cfg(feature = "socketio")]
use crate::socketio::EngineTransport;
use crate::token::Token;
use std::task::Context;

impl<M: DrivenSession> Driver<M> {
    /// Does what the session wants, as far as the store lets it.
    pub(super) fn perform(&mut self, cx: &mut Context<'_>) {
        while !self.is_holding()
            && let Some(output) = self.session.poll()
        {
            if let Some(recorder) = &mut self.recorder {
                M::record_output(recorder, &output);
            }
            match output {
                Output::Send { conn, frame, message } => self.send(conn, frame, message),
                Output::Event(event) => {
                    let is_new = matches!(&event, Event::Joined(joined) if !joined.recovered);
                    self.event(event);
                    // From here on there is a place to continue from: stored before anything behind it is reported.
                    if is_new {
                        self.hold();
                    }
                }
                Output::Ping { conn } => {
                    if let Some(socket) = self.sockets.get(conn) {
                        socket.ping();
                    }
                }
                Output::Close { conn, code } => {
                    if let Some(socket) = self.sockets.get(conn) {
                        socket.close(code);
                    }
                }
                Output::Abort { conn, code } => self.abort(conn, code, cx),
                Output::Dial { conn, endpoint, token, extended, url, attempt } => {
                    if let Some(endpoint) = self.endpoints.get(endpoint) {
                        trace::dialing(endpoint, attempt);
                    }
                    self.dial(conn, endpoint, token, extended, url.as_deref());
                    // A future that was never polled wakes no task.
                    cx.waker().wake_by_ref();
                }
                Output::Save => self.hold(),
                Output::FetchToken { rejected: _ } => {
                    trace::fetching_token();
                    self.fetching = self.source.as_ref().map(|source| source());
                    cx.waker().wake_by_ref();
                }
            }
        }
        #[cfg(feature = "socketio")]
        self.perform_namespaces(cx);
    }

    fn send(&mut self, conn: ConnId, frame: u64, message: <M::Codec as Codec>::Sent) {
        let Some(socket) = self.sockets.get(conn) else { return };
        let Some(persister) = self.persister.as_ref().filter(|persister| persister.holds_frames()) else {
            return socket.write(frame, &message);
        };
        // What is not stored is not sent, and nothing of its connection overtakes it.
        let is_behind = self.held_frames.iter().any(|(behind, ..)| *behind == conn);
        if !is_behind && !M::Codec::is_send(&message) {
            socket.write(frame, &message);
        } else if M::Codec::is_keep_alive(&message) {
            socket.write_beside(&message);
        } else if !persister.is_lost() {
            self.held_frames.push((conn, frame, message));
        }
    }

    fn dial(
        &mut self,
        conn: ConnId,
        endpoint: usize,
        token: Option<Token>,
        extended: bool,
        url: Option<&str>,
    ) {
        let target = self.endpoints.get(endpoint).map(|own| {
            let sent_to = url.and_then(|url| own.successor(url, &self.endpoints));
            sent_to.filter(|to| !to.is_secure() || self.dialer.has_tls()).unwrap_or_else(|| own.clone())
        });
        let sockets = &mut self.sockets;
        self.held_frames.retain(|(conn, ..)| sockets.get(*conn).is_some());
        let token = token.or_else(|| self.session.token().cloned());
        if let Some(token) = &token {
            self.token_mask.note(token);
        }
        let dialer = self.dialer.clone();
        #[cfg(feature = "socketio")]
        let (polls, upgrades) =
            (self.session.transport() == EngineTransport::Polling, self.session.upgrades());
        #[cfg(feature = "sse")]
        let (streams, websocket_retry) = (self.session.streams(), self.websocket_retry);
        let dialing: Dialing = Box::pin(async move {
            match target {
                #[cfg(feature = "sse")]
                Some(target) if let Some((rooms, leaves)) = streams => {
                    let next_move = leaves.then_some(websocket_retry);
                    let streams = EventStreams::dial(dialer, &target, token, rooms, next_move).await?;
                    Ok(FrameStream::EventStreams(Box::new(streams)))
                }
                #[cfg(feature = "socketio")]
                Some(target) if polls => {
                    let polling = Polling::dial(dialer, &target, token.as_ref(), upgrades).await?;
                    Ok(FrameStream::Polling(Box::new(polling)))
                }
                Some(target) => {
                    let stream = dialer.dial(&target, token.as_ref(), extended).await?;
                    Ok(FrameStream::WebSocket(Box::new(stream)))
                }
                None => Err(DialError::new(DialErrorKind::Dns, "there is no such URL")),
            }
        });
        self.dialing = Some((conn, dialing));
    }

    fn abort(&mut self, conn: ConnId, code: u16, cx: &mut Context<'_>) {
        self.dialing.take_if(|(dialing, _)| *dialing == conn);
        self.sockets.abandon(conn, code, cx);
    }

    fn event(&mut self, event: Event) {
        let event = self.token_mask.mask(event);
        trace::event(&event, self.now.monotonic);
        if let Event::State(change) = &event {
            self.transitions.push(self.now.monotonic, change.clone());
        }
        if !self.waiters.is_empty() {
            self.waiters.observe(&event);
        }
        if let Some(requests) = &self.requests {
            match &event {
                Event::Delivery(delivery) => requests.delivered(delivery),
                Event::State(change) => match change.state {
                    State::Connected => {}
                    State::Closing | State::Closed | State::Failed => requests.end(),
                    _ => requests.connection_lost(),
                },
                _ => {}
            }
        }
        match event {
            Event::Delivery(delivery) => {
                if is_reported_by_event(delivery.id) {
                    self.events.push(Event::Delivery(delivery));
                } else {
                    self.outcomes.push(delivery);
                }
                self.hold();
            }
            Event::State(change) if change.state == State::Closed => {
                self.events.push(Event::State(change.clone()));
                self.closed = Some(change);
            }
            Event::State(change) => {
                self.show_state(&change);
                self.events.push(Event::State(change));
            }
            Event::Ready(mode) => {
                let user = self.session.user();
                self.status.send_modify(|status| {
                    status.ready = Some(mode);
                    status.user = user.cloned();
                });
                self.events.push(Event::Ready(mode));
            }
            Event::Mode(Mode::Extended) => {
                // Its first frame names the user.
                let user = self.session.user();
                self.status.send_modify(|status| status.user = user.cloned());
                self.events.push(Event::Mode(Mode::Extended));
            }
            Event::Message(mut message) => {
                message.own = self.session.user().map(|user| *user == message.user);
                self.event_bytes += events::message_byte_len(&message);
                self.events.push(Event::Message(message));
            }
            other => {
                self.event_bytes += events::byte_len(&other);
                self.events.push(other);
            }
        }
    }

    pub(super) fn show_state(&mut self, change: &StateChange) {
        self.status.send_modify(|status| {
            status.state = change.state;
            status.cause.clone_from(&change.cause);
            status.ready = None;
        });
    }
}
