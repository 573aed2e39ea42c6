//! The commands of the handles for the driver, in order, and the sends that wait for an outcome.
//!
//! One lock and one wake for any number of commands, because the driver takes all that are there at once. A
//! channel costs as much again per message as the message itself.

use super::pending_sends::{PendingSends, Resolved};
use super::waiter::Waiter;
use crate::event::{Delivery, SendFailure, SendId};
use crate::messages::Position;
use crate::name::{Name, check_room_name};
use crate::native::custom::CUSTOM_ROOM;
use crate::outbox::RESTORED;
use crate::session::{Command, Input};
use futures_util::task::AtomicWaker;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Ids of sends whose outcome is an event rather than a receipt have this bit.
const REPORTED_BY_EVENT: u64 = 1 << 63;
/// Maximum commands that may wait for the driver; sends beyond fail with `queue_full`. The driver takes them all
/// each time it runs, and the session's own bounds apply from there on.
const MAX_INPUTS: usize = 65_536;
/// Maximum bytes of content that may wait for the driver.
const MAX_BYTES: usize = 64 << 20;

#[derive(Debug, Default)]
pub(crate) struct CommandQueue {
    state: Mutex<State>,
    driver: AtomicWaker,
}

#[derive(Debug, Default)]
struct State {
    inputs: Vec<Input>,
    /// Inputs that the driver has taken and not reported as handled, which it does only while it has failed.
    taken: usize,
    bytes: usize,
    /// What has been processed, the last position of each room: a quick reader commits faster than the driver runs.
    commits: Vec<(Name, Position)>,
    /// Outcomes that have been processed, where they are kept until then.
    confirmed: Vec<SendId>,
    keeps_outcomes: bool,
    /// Handles that wait for something, with what they requested before.
    waiters: Vec<Waiter>,
    pending_sends: PendingSends,
    /// The room of the last send: most go where the one before went, and the name is shared.
    last_room: Option<Name>,
    custom_room: Option<Name>,
    next_by_event: u64,
    /// The driver has ended: nothing will be taken any more.
    ended: bool,
    clients: usize,
    events_dropped: bool,
}

impl State {
    fn is_empty(&self) -> bool {
        self.inputs.is_empty()
            && self.commits.is_empty()
            && self.confirmed.is_empty()
            && self.waiters.is_empty()
    }

    fn confirm(&mut self, id: SendId) {
        if self.keeps_outcomes && !self.ended && self.confirmed.len() < MAX_INPUTS {
            self.confirmed.push(id);
        }
    }
}

/// Where a send goes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target<'a> {
    /// To a room, if it is one.
    Room(&'a str),
    /// To the server, as a custom frame.
    Custom,
}

impl<'a> From<&'a str> for Target<'a> {
    fn from(room: &'a str) -> Self {
        Self::Room(room)
    }
}

/// What comes with the inputs.
pub(crate) struct DrainedCommands {
    /// Who has begun to wait, behind all the inputs.
    pub(crate) waiters: Vec<Waiter>,
    /// All handles are gone, so that nobody can request or be told anything any more.
    pub(crate) is_abandoned: bool,
}

/// Whether an outcome goes into the event stream: nobody holds a receipt for the sends of an earlier run.
pub(crate) fn is_reported_by_event(id: SendId) -> bool {
    id.0 & (REPORTED_BY_EVENT | RESTORED) != 0
}

impl CommandQueue {
    /// A command queue whose driver keeps outcomes until they have been processed, or not.
    pub(crate) fn new(keeps_outcomes: bool) -> Self {
        Self { state: Mutex::new(State { keeps_outcomes, ..State::default() }), ..Self::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here is left half-done by a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, input: Input) {
        let mut state = self.lock();
        if state.ended {
            return;
        }
        // Sends stop at half of this, so only a loop of joins and cancels that never yields gets here.
        if state.inputs.len() >= 2 * MAX_INPUTS {
            tracing::warn!("a command was dropped: 131,072 are waiting for the driver");
            return;
        }
        let first = state.is_empty();
        state.inputs.push(input);
        drop(state);
        if first {
            self.driver.wake();
        }
    }

    /// Queues somebody who waits, behind what he requests together with it. Dropped, with its answer, when the driver has
    /// ended or as many wait as may.
    pub(crate) fn wait(&self, input: Option<Input>, waiter: Waiter) {
        let mut state = self.lock();
        if state.ended || state.waiters.len() >= MAX_INPUTS || state.inputs.len() >= 2 * MAX_INPUTS {
            return;
        }
        let first = state.is_empty();
        state.inputs.extend(input);
        state.waiters.push(waiter);
        drop(state);
        if first {
            self.driver.wake();
        }
    }

    /// The application has processed everything in a room up to there.
    pub(crate) fn commit(&self, room: Name, position: Position) {
        let mut state = self.lock();
        let first = state.is_empty();
        let State { commits, ended, .. } = &mut *state;
        // Only rooms that were heard from are committed, and those are not many.
        if let Some((_, last)) = commits.iter_mut().rev().find(|(known, _)| *known == room) {
            *last = position;
        } else if !*ended && commits.len() < MAX_INPUTS {
            commits.push((room, position));
        }
        drop(state);
        if first {
            self.driver.wake();
        }
    }

    /// The application has processed these outcomes.
    pub(crate) fn confirm(&self, ids: impl IntoIterator<Item = SendId>) {
        let mut state = self.lock();
        let first = state.is_empty();
        ids.into_iter().for_each(|id| state.confirm(id));
        let wakes = first && !state.is_empty();
        drop(state);
        if wakes {
            self.driver.wake();
        }
    }

    /// Queues a send whose outcome comes back as a receipt, requested with [`CommandQueue::poll_receipt`].
    pub(crate) fn push_with_receipt<'a>(
        &self,
        target: impl Into<Target<'a>>,
        size: usize,
        commit: Option<Input>,
        input: impl FnOnce(SendId, Name) -> Input,
    ) -> Result<SendId, SendFailure> {
        self.push_send(target.into(), size, commit, input, |state| state.pending_sends.insert())
    }

    /// Queues a send whose outcome comes back as an event.
    pub(crate) fn push_by_event<'a>(
        &self,
        target: impl Into<Target<'a>>,
        size: usize,
        commit: Option<Input>,
        input: impl FnOnce(SendId, Name) -> Input,
    ) -> Result<SendId, SendFailure> {
        self.push_send(target.into(), size, commit, input, |state| {
            state.next_by_event += 1;
            Some(SendId(REPORTED_BY_EVENT | state.next_by_event))
        })
    }

    fn push_send(
        &self,
        target: Target<'_>,
        size: usize,
        commit: Option<Input>,
        input: impl FnOnce(SendId, Name) -> Input,
        number: impl FnOnce(&mut State) -> Option<SendId>,
    ) -> Result<SendId, SendFailure> {
        let mut state = self.lock();
        if state.ended {
            return Err(SendFailure::Closed);
        }
        if state.inputs.len() >= MAX_INPUTS || state.bytes.saturating_add(size) > MAX_BYTES {
            return Err(SendFailure::QueueFull);
        }
        let room = match (target, &state.last_room) {
            (Target::Custom, _) => state.custom_room.get_or_insert_with(|| CUSTOM_ROOM.into()).clone(),
            (Target::Room(room), Some(last)) if last == room => last.clone(),
            (Target::Room(room), _) => {
                check_room_name(room).map_err(|_| SendFailure::BadRoom)?;
                state.last_room.insert(Name::from(room)).clone()
            }
        };
        let id = number(&mut state).ok_or(SendFailure::QueueFull)?;
        state.bytes += size;
        let first = state.is_empty();
        // Both are taken together, and so they are stored together.
        state.inputs.extend(commit);
        state.inputs.push(input(id, room));
        drop(state);
        if first {
            self.driver.wake();
        }
        Ok(id)
    }

    /// The outcome of a send with a receipt; `None` if it has been requested before. With `confirms` it is processed with that.
    pub(crate) fn poll_receipt(
        &self,
        id: SendId,
        confirms: bool,
        cx: &Context<'_>,
    ) -> Poll<Option<Resolved>> {
        let mut state = self.lock();
        let status = state.pending_sends.poll(id, cx.waker());
        let first = state.is_empty();
        if confirms && let Poll::Ready(Some(_)) = &status {
            state.confirm(id);
        }
        let wakes = first && !state.is_empty();
        drop(state);
        if wakes {
            self.driver.wake();
        }
        status
    }

    /// Nobody will request the outcome. With `confirms` it counts as processed.
    pub(crate) fn unwatch(&self, id: SendId, confirms: bool) {
        let mut state = self.lock();
        if state.pending_sends.unwatch(id, confirms) && confirms {
            let first = state.is_empty();
            state.confirm(id);
            let wakes = first && !state.is_empty();
            drop(state);
            if wakes {
                self.driver.wake();
            }
        }
    }

    /// Moves all inputs into `into` and the outcomes that have been processed into `confirmed` (both empty, their
    /// allocations are reused); the driver is woken by the next one.
    pub(crate) fn drain(
        &self,
        into: &mut Vec<Input>,
        confirmed: &mut Vec<SendId>,
        cx: &Context<'_>,
    ) -> DrainedCommands {
        self.driver.register(cx.waker());
        let mut state = self.lock();
        state.taken = state.taken.saturating_add(state.inputs.len());
        std::mem::swap(&mut state.confirmed, confirmed);
        if state.commits.is_empty() {
            std::mem::swap(&mut state.inputs, into);
        } else {
            let commits = state.commits.drain(..);
            into.extend(commits.map(|(room, position)| Input::Command(Command::Commit { room, position })));
            into.append(&mut state.inputs);
        }
        state.bytes = 0;
        let is_abandoned = state.clients == 0 && state.events_dropped;
        DrainedCommands { waiters: std::mem::take(&mut state.waiters), is_abandoned }
    }

    /// Everything taken has been handled, and what came of it has been published.
    pub(crate) fn mark_handled(&self) {
        self.lock().taken = 0;
    }

    /// Whether everything that was requested has been handled and published.
    pub(crate) fn is_handled(&self) -> bool {
        let state = self.lock();
        state.inputs.is_empty() && state.taken == 0
    }

    /// Gives outcomes to those who wait for them. `wakers` is empty before and after; its allocation is reused.
    pub(crate) fn resolve(&self, outcomes: &mut Vec<Delivery>, wakers: &mut Vec<Waker>) {
        if outcomes.is_empty() {
            return;
        }
        let mut state = self.lock();
        for outcome in outcomes.drain(..) {
            let Delivery { id, status, reply, .. } = outcome;
            if state.pending_sends.is_confirmed_unseen(id) {
                // Nobody wants to know it.
                state.confirm(id);
            }
            wakers.extend(state.pending_sends.resolve(id, Resolved { status, reply }));
        }
        drop(state);
        for waker in wakers.drain(..) {
            waker.wake();
        }
    }

    pub(crate) fn client_added(&self) {
        self.lock().clients += 1;
    }

    pub(crate) fn client_dropped(&self) {
        let mut state = self.lock();
        state.clients -= 1;
        let last = state.clients == 0;
        drop(state);
        if last {
            self.driver.wake();
        }
    }

    pub(crate) fn events_dropped(&self) {
        self.lock().events_dropped = true;
        self.driver.wake();
    }

    /// Nothing is taken from here on. What was taken before still gets its outcome.
    pub(crate) fn close(&self) {
        self.lock().ended = true;
    }

    /// The driver ends: every waiter is notified.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        state.inputs = Vec::new();
        state.commits = Vec::new();
        state.confirmed = Vec::new();
        state.waiters = Vec::new();
        let waiting = state.pending_sends.end();
        drop(state);
        for waker in waiting {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::DeliveryStatus;

    fn cancel(id: SendId, _: Name) -> Input {
        Input::Command(Command::Cancel(id))
    }

    #[test]
    fn ids_by_event_are_told_from_receipts() {
        let commands = CommandQueue::default();
        let by_event = commands.push_by_event("r", 0, None, cancel).unwrap();
        let receipt = commands.push_with_receipt("r", 0, None, cancel).unwrap();
        assert!(is_reported_by_event(by_event) && !is_reported_by_event(receipt));
    }

    #[test]
    fn of_the_commits_of_a_room_the_last_counts_and_comes_before_what_was_asked_after_it() {
        let commands = CommandQueue::default();
        let id = crate::id::Id::new("e").unwrap();
        let position = |seq| Position { epoch: id.clone(), seq, id: id.clone() };
        commands.push(Input::Command(Command::Reconnect));
        for seq in 1..=3 {
            commands.commit("a".into(), position(seq));
            commands.commit("b".into(), position(seq));
        }
        commands.push(Input::Command(Command::Close));
        let mut inputs = Vec::new();
        commands.drain(&mut inputs, &mut Vec::new(), &Context::from_waker(Waker::noop()));
        let commit = |room: &str| Command::Commit { room: room.into(), position: position(3) };
        let expected = [commit("a"), commit("b"), Command::Reconnect, Command::Close];
        assert_eq!(inputs.len(), expected.len());
        for (input, expected) in inputs.iter().zip(expected) {
            assert!(matches!(input, Input::Command(command) if *command == expected), "{input:?}");
        }
    }

    #[test]
    fn after_the_end_a_send_fails_as_closed_and_no_receipt_is_waited_for() {
        let commands = CommandQueue::default();
        let receipt = commands.push_with_receipt("r", 0, None, cancel).unwrap();
        commands.end();
        assert_eq!(commands.push_by_event("r", 0, None, cancel), Err(SendFailure::Closed));
        let cx = Context::from_waker(Waker::noop());
        assert_eq!(
            commands.poll_receipt(receipt, true, &cx),
            Poll::Ready(Some(DeliveryStatus::Unknown.into()))
        );
    }

    #[test]
    fn a_send_to_what_is_no_room_is_refused_at_once() {
        let commands = CommandQueue::default();
        for room in ["", "@me", "a\nb"] {
            assert_eq!(commands.push_by_event(room, 0, None, cancel), Err(SendFailure::BadRoom), "{room:?}");
        }
    }

    #[test]
    fn what_waits_for_the_driver_is_bounded_in_bytes() {
        let commands = CommandQueue::default();
        assert!(commands.push_by_event("r", MAX_BYTES, None, cancel).is_ok());
        assert_eq!(commands.push_by_event("r", 1, None, cancel), Err(SendFailure::QueueFull));
    }
}
