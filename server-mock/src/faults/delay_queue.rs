//! Holds back the bytes of a connection with a `delay` fault.

use super::FaultState;
use crate::send_queue::Outbound;
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::Context;
use tokio::time::{Instant, Sleep, sleep_until};

/// Parcels that are not to be written yet.
#[derive(Debug, Default)]
pub(crate) struct DelayQueue {
    held: VecDeque<(Instant, Outbound)>,
    /// Made when it is first needed.
    timer: Option<Pin<Box<Sleep>>>,
}

impl DelayQueue {
    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.held.clear();
    }

    /// How many items of how many bytes wait.
    pub(crate) fn backlog(&self) -> (usize, usize) {
        (self.held.len(), self.held.iter().map(|(_, item)| item.bytes()).sum())
    }

    /// Takes what was just queued, if it has to wait.
    pub(crate) fn hold(&mut self, fault_state: &FaultState, out: &mut VecDeque<Outbound>) {
        let delay = fault_state.delay();
        if delay.is_none() && self.held.is_empty() {
            return;
        }
        let at = Instant::now() + delay.unwrap_or_default();
        self.held.extend(out.drain(..).map(|item| (at, item)));
    }

    /// Gives back what has waited long enough, and has the task woken for the rest.
    pub(crate) fn release(
        &mut self,
        fault_state: &FaultState,
        out: &mut VecDeque<Outbound>,
        cx: &mut Context<'_>,
    ) {
        while let Some((at, _)) = self.held.front() {
            let at = *at;
            if fault_state.delay().is_some() && at > Instant::now() {
                let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
                if timer.deadline() != at {
                    timer.as_mut().reset(at);
                }
                if timer.as_mut().poll(cx).is_pending() {
                    return;
                }
            }
            out.extend(self.held.pop_front().map(|(_, item)| item));
        }
        self.timer = None;
    }
}
