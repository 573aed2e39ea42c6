//! What waits because a connection has a `delay` fault.

use super::Link;
use crate::mailbox::Parcel;
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::Context;
use tokio::time::{Instant, Sleep, sleep_until};

/// Parcels that are not to be written yet.
#[derive(Debug, Default)]
pub(crate) struct Late {
    held: VecDeque<(Instant, Parcel)>,
    /// Made when it is first needed.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Late {
    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.held.clear();
    }

    /// How many parcels of how many bytes wait.
    pub(crate) fn holding(&self) -> (usize, usize) {
        (self.held.len(), self.held.iter().map(|(_, parcel)| parcel.bytes()).sum())
    }

    /// Takes what was just queued, if it has to wait.
    pub(crate) fn hold(&mut self, link: &Link, out: &mut VecDeque<Parcel>) {
        let delay = link.delay();
        if delay.is_none() && self.held.is_empty() {
            return;
        }
        let at = Instant::now() + delay.unwrap_or_default();
        self.held.extend(out.drain(..).map(|parcel| (at, parcel)));
    }

    /// Gives back what has waited long enough, and has the task woken for the rest.
    pub(crate) fn release(&mut self, link: &Link, out: &mut VecDeque<Parcel>, cx: &mut Context<'_>) {
        while let Some((at, _)) = self.held.front() {
            let at = *at;
            if link.delay().is_some() && at > Instant::now() {
                let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
                if timer.deadline() != at {
                    timer.as_mut().reset(at);
                }
                if timer.as_mut().poll(cx).is_pending() {
                    return;
                }
            }
            out.extend(self.held.pop_front().map(|(_, parcel)| parcel));
        }
        self.timer = None;
    }
}
