//! The other Socket.IO namespaces in the driver: moves their commands into the machine, and its outputs to their
//! handles.

use super::Driver;
use super::driven_session::DrivenSession;
use super::open_namespace::{DrainedNamespace, OpenNamespace};
use crate::link::State;
use crate::session::{Command, Input, Output};
use crate::socketio::{Manager, Session};
use std::task::{Context, Poll};

impl<M: DrivenSession> Driver<M> {
    /// The namespaces that have been requested since the last time.
    pub(super) fn take_opened(&mut self, cx: &mut Context<'_>) -> Vec<OpenNamespace> {
        let mut opened = Vec::new();
        if let Some(to_open) = &mut self.to_open {
            while let Poll::Ready(Some(space)) = to_open.poll_recv(cx) {
                opened.push(space);
            }
        }
        opened
    }

    /// Opens a namespace, as if it had been requested before anything else in it.
    pub(super) fn open(&mut self, mut space: OpenNamespace) {
        let Some(manager) = self.session.manager() else { return };
        let credentials = space.credentials.take().unwrap_or_default();
        // The registry has let it in, so that there is nothing to refuse; a space that is dropped has ended.
        if let Err(error) = manager.open(space.namespace.clone(), credentials) {
            tracing::warn!(namespace = %space.namespace, %error, "a namespace was not opened");
            return;
        }
        for join in std::mem::take(&mut space.joins) {
            manager.handle_namespace(self.now, &space.namespace, Input::Command(Command::Join(join)));
        }
        manager.handle_namespace(self.now, &space.namespace, Input::Command(Command::Connect));
        self.namespaces.push(space);
    }

    /// Takes what the handles of all other namespaces request, and what their token sources have answered. Returns whether
    /// there was anything.
    pub(super) fn drain_namespaces(&mut self, cx: &mut Context<'_>) -> bool {
        let mut busy = false;
        for at in 0..self.namespaces.len() {
            let Some(space) = self.namespaces.get_mut(at) else { break };
            let DrainedNamespace { mut inputs, waiters, is_abandoned } = space.drain(cx);
            let token = space.poll_token(cx);
            if let Some(Ok(token)) = &token {
                self.token_mask.note(token);
            }
            busy |= !inputs.is_empty() || !waiters.is_empty() || token.is_some();
            let Some(manager) = self.session.manager() else { break };
            let state = manager.namespace_session(&space.namespace).map(Session::state);
            if is_abandoned && state.is_some_and(|state| state != State::Closed) {
                inputs.push(Input::Command(Command::Close));
                busy = true;
            }
            let tokens = token.map(Input::Token);
            let asked = inputs.into_iter().filter_map(Input::without_frame);
            for input in tokens.into_iter().chain(asked) {
                manager.handle_namespace(self.now, &space.namespace, input);
            }
            if let Some(session) = manager.namespace_session(&space.namespace) {
                for waiter in waiters {
                    space.waiters.add(waiter, session);
                }
            }
        }
        busy
    }

    /// Does what the sessions in other namespaces want beside their frames.
    pub(super) fn perform_namespaces(&mut self, cx: &mut Context<'_>) {
        if self.namespaces.is_empty() {
            return;
        }
        while let Some((namespace, output)) = self.session.manager().and_then(Manager::poll_namespace) {
            let Some(space) = self.namespaces.iter_mut().find(|space| space.namespace == namespace) else {
                continue;
            };
            match output {
                Output::Event(event) => {
                    let event = self.token_mask.mask(event);
                    self.event_bytes += space.event(event, self.now.monotonic);
                }
                Output::FetchToken { .. } => space.fetch(cx),
                _ => {}
            }
        }
    }

    /// Gives outcomes and events to those who wait for them; what has been left is gone after that.
    pub(super) fn publish_namespaces(&mut self) {
        let Self { session, namespaces: spaces, .. } = self;
        let Some(manager) = session.manager() else { return };
        spaces.retain_mut(|space| !space.publish(manager.namespace_session(&space.namespace)));
    }
}
