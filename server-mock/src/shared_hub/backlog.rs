//! Counts what the hub and the send queues hold, and drops some of it when memory is short.

use super::SharedHub;
use crate::hub::Input;
use crate::metrics::StoreStats;

/// Connections that are looked at before others get their turn.
const BATCH: usize = 256;

/// Queues shorter than this are not dropped for want of memory: they are not what fills it.
const SHORT_QUEUE: usize = 16 << 10;

impl SharedHub {
    pub(crate) fn store_stats(&self) -> StoreStats {
        let mut kept = {
            let core = self.lock();
            let store = core.hub.store();
            StoreStats {
                rooms: core.hub.rooms(),
                logs: store.room_count(),
                bytes: store.byte_len(),
                lines: store.producer_count(),
                evicted: store.evicted(),
                ..StoreStats::default()
            }
        };
        // However many connections there are, nobody waits for more than a batch of them.
        for from in (0..).step_by(BATCH) {
            let Some(send_queues) = self.lock().slots.send_queues(from, BATCH) else { break };
            for (frames, bytes) in send_queues.iter().map(|send_queue| send_queue.backlog()) {
                kept.queued_frames += frames;
                kept.queued_bytes += bytes;
                kept.longest_queue = kept.longest_queue.max(bytes);
            }
        }
        kept
    }

    /// Ends the connections with the longest queues until so many bytes of them are dropped; gives how many these are.
    pub(crate) fn drop_longest(&self, bytes: usize) -> usize {
        let mut core = self.lock();
        let mut longest: Vec<_> =
            core.slots.queued_bytes().filter(|(held, _)| *held >= SHORT_QUEUE).collect();
        longest.sort_unstable_by(|one, other| other.cmp(one));
        let (mut freed, mut dropped) = (0, 0);
        for (held, conn) in longest {
            if freed >= bytes {
                break;
            }
            freed += held;
            dropped += 1;
            if let Some(send_queue) = core.slots.free(conn) {
                send_queue.overflow();
            }
            self.run(&mut core, Input::Disconnected { conn, clean: false });
        }
        dropped
    }
}
