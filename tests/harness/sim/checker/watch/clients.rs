//! The watch of each client: begun with its process, shown each input before it and each output after it, and asked what was wrong.

use super::{Begins, Clock, Waits, Watch};
use crate::sim::checker::Checker;
use rejoin::machine::{Input, Output, Session};
use rejoin::{Event, State, StateChange};

impl Checker {
    pub(super) fn watch(&mut self, client: usize) -> &mut Watch {
        if self.watches.len() <= client {
            self.watches.resize_with(client + 1, Watch::default);
        }
        &mut self.watches[client]
    }

    /// What a client knows, as far as it has been told.
    pub(in crate::sim::checker) fn watched(&self, client: usize) -> Option<&Watch> {
        self.watches.get(client)
    }

    /// A process of a client begins.
    pub fn begins(&mut self, client: usize, begins: Begins) {
        let lived = self.watch(client).lived;
        *self.watch(client) = Watch { lived, ..Watch::begins(begins) };
    }

    /// A client is given an input.
    pub fn before(&mut self, client: usize, clock: Clock, input: &Input, session: &Session) {
        self.watch(client).duties.clear();
        let behind = self.now.saturating_sub(clock.monotonic);
        self.watch(client).behind = behind;
        self.watch(client).before(clock, input);
        self.owes(client, input, session);
    }

    /// It has this output.
    pub fn did(&mut self, client: usize, output: &Output) {
        if let Output::Event(Event::State(StateChange { state, .. })) = output
            && matches!(state, State::Closing | State::Closed | State::Failed)
        {
            // Everything has its outcome, and what follows is another line.
            self.prompt_restarted(client);
        }
        self.watch(client).did(output);
    }

    /// It has dealt with the input.
    pub fn after(&mut self, client: usize, session: &Session) {
        let watch = self.watch(client);
        watch.is_suspended_in_time();
        watch.is_alive_in_time();
        watch.moves_in_time();
        self.has_done(client, session);
        self.watch(client).dials_in_time();
        let wrong = std::mem::take(&mut self.watch(client).wrong);
        for what in wrong {
            self.violated(format!("11: u{client}: {what}"));
        }
    }

    /// How long clients have waited, within what they may.
    pub fn waited(&self) -> Waits {
        let mut all = Waits::default();
        for watch in &self.watches {
            for (sum, own) in all.iter_mut().zip(&watch.delays.spread) {
                *sum += own;
            }
        }
        all
    }
}
