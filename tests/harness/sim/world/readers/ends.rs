//! The ends of streams: a reader hangs up, its server learns of it, and a queue that was full is empty again. Judges in the end
//! that the hub has given up whoever takes nothing, and has been silent to nobody.

use super::ReaderEvent;
use super::streams::{COMMENTS, FIRST};
use crate::sim::SECOND;
use crate::sim::server::Process;
use crate::sim::world::{SimEvent, World};
use rejoin_server::hub;

impl World {
    /// A reader closes its end.
    pub(super) fn reader_hangs_up(&mut self, index: usize) {
        let reader = self.streams[index].reader;
        if self.streams[index].client_open {
            let opened = self.streams[index].opened;
            self.checker.lost(self.clients.len() + reader, self.now - opened);
        }
        let stream = &mut self.streams[index];
        (stream.client_open, stream.closed) = (false, true);
        stream.unread.clear();
        let latency = stream.latency;
        if self.readers[reader].stream == Some(index) {
            self.readers[reader].before = Some(self.streams[index].id);
            self.readers[reader].stream = None;
        }
        if !self.streams[index].up_vanishes {
            self.later(latency, SimEvent::ReaderEvent(ReaderEvent::Gone { stream: index }));
        }
    }

    /// The server learns that a reader is gone.
    pub(super) fn stream_gone(&mut self, index: usize) {
        match self.nodes[0].process {
            Process::Frozen(_) => {
                self.server_backlogs[0].push(SimEvent::ReaderEvent(ReaderEvent::Gone { stream: index }));
            }
            Process::Up if self.streams[index].server_open => {
                self.streams[index].server_open = false;
                let conn = hub::ConnId(FIRST + index as u64);
                self.hub(hub::Input::Disconnected { conn, clean: false });
            }
            _ => {}
        }
    }

    pub(super) fn look_stream_drained(&mut self, index: usize) {
        let stream = &self.streams[index];
        if stream.waiting_since.is_some() && stream.down.queued() == 0 {
            self.later(0, SimEvent::ReaderEvent(ReaderEvent::Drained { stream: index }));
        }
    }

    pub(super) fn stream_drained(&mut self, index: usize) {
        match self.nodes[0].process {
            Process::Frozen(_) => {
                self.server_backlogs[0].push(SimEvent::ReaderEvent(ReaderEvent::Drained { stream: index }));
            }
            Process::Up if self.streams[index].server_open && self.streams[index].down.queued() == 0 => {
                let stream = &mut self.streams[index];
                if stream.waiting_since.take().is_some() {
                    (stream.sent, stream.spoke) = (0, self.now);
                    self.hub(hub::Input::QueueDrained { conn: hub::ConnId(FIRST + index as u64) });
                }
            }
            _ => {}
        }
    }

    /// Long after everything calmed down: whoever takes nothing has been given up.
    pub(super) fn streams_are_well(&mut self) {
        for index in 0..self.streams.len() {
            let stream = &self.streams[index];
            let from = stream.waiting_since.filter(|_| stream.server_open);
            if from.is_some_and(|from| self.now > from.max(self.nodes[0].thawed) + 6 * COMMENTS) {
                self.checker.violated(format!("8: the hub waits for reader {index} since {from:?}"));
            }
            let spoke = stream.spoke.max(self.nodes[0].thawed);
            if stream.server_open && from.is_none() && self.now > spoke + COMMENTS + 4 * SECOND {
                self.checker.violated(format!("9: nothing was said to reader {index} since {spoke}"));
            }
        }
        // All may come back at once: they are told different times.
        if self.waits.len() > 5 && self.waits.iter().all(|wait| *wait == self.waits[0]) {
            self.checker.violated(format!("all readers come back after {} ms", self.waits[0]));
        }
    }
}
