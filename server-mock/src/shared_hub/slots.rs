//! The open connections by their numbers in the hub, each with its send queue and whose it is. Sends nothing.

use crate::auth::Credential;
use crate::hub::{ConnId, Permissions};
use crate::send_queue::SendQueue;
use crate::session_log::{Origin, SessionInfo};
use rejoin::Name;
use std::sync::Arc;
use std::time::Instant;

/// The slots, which are used in turn.
#[derive(Debug, Default)]
pub(super) struct Slots {
    /// By the lower half of a [`ConnId`]; the upper half tells those that used a slot in turn apart.
    slots: Vec<Slot>,
    unused: Vec<u32>,
}

/// What is known of a connection.
#[derive(Debug, Default)]
pub(super) struct Slot {
    /// Tells those that used the slot in turn apart.
    generation: u32,
    send_queue: Option<Arc<SendQueue>>,
    /// By what it was let in, and whose it is.
    pub(super) credential: Option<(Credential, Name)>,
    pub(super) session: Option<SessionInfo>,
    /// Whose it is.
    pub(super) user: Option<Name>,
    /// What it may do, where somebody has to be asked that.
    pub(super) permissions: Option<Arc<dyn Permissions>>,
}

impl Slot {
    fn conn(&self, index: u32) -> ConnId {
        ConnId(u64::from(self.generation) << 32 | u64::from(index))
    }
}

impl Slots {
    pub(super) fn allocate(&mut self, send_queue: Arc<SendQueue>, origin: Origin, user: &Name) -> ConnId {
        let index = self.unused.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            // As many connections as a u32 counts do not fit into any machine.
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let Some(slot) = self.slots.get_mut(index as usize) else { return ConnId(u64::MAX) };
        slot.send_queue = Some(send_queue);
        slot.session = Some(SessionInfo { origin, since: Instant::now() });
        slot.user = Some(user.clone());
        slot.conn(index)
    }

    pub(super) fn set_credential(&mut self, conn: ConnId, credential: Credential, user: &Name) {
        if let Some(slot) = self.get(conn) {
            slot.credential = Some((credential, user.clone()));
        }
    }

    /// The connections, and by what they were let in.
    pub(super) fn credentials(&self) -> impl Iterator<Item = (ConnId, &(Credential, Name))> {
        (0..).zip(&self.slots).filter_map(|(index, slot)| Some((slot.conn(index), slot.credential.as_ref()?)))
    }

    /// That of a connection, unless it is over.
    pub(super) fn get(&mut self, conn: ConnId) -> Option<&mut Slot> {
        let (generation, index) = (conn.0 >> 32, conn.0 & u64::from(u32::MAX));
        let slot = self.slots.get_mut(usize::try_from(index).ok()?)?;
        (u64::from(slot.generation) == generation && slot.send_queue.is_some()).then_some(slot)
    }

    /// The connection is over; gives its send queue.
    pub(super) fn free(&mut self, conn: ConnId) -> Option<Arc<SendQueue>> {
        let slot = self.get(conn)?;
        slot.generation = slot.generation.wrapping_add(1);
        let send_queue = slot.send_queue.take();
        (slot.credential, slot.session, slot.user, slot.permissions) = (None, None, None, None);
        self.unused.push(u32::try_from(conn.0 & u64::from(u32::MAX)).unwrap_or(u32::MAX));
        send_queue
    }

    pub(super) fn send_queue(&mut self, conn: ConnId) -> Option<&SendQueue> {
        self.get(conn).and_then(|slot| slot.send_queue.as_deref())
    }

    /// The send queues of so many slots from this one on; `None` beyond the last slot.
    pub(super) fn send_queues(&self, from: usize, count: usize) -> Option<Vec<Arc<SendQueue>>> {
        let slots = self.slots.get(from..).filter(|slots| !slots.is_empty())?;
        Some(slots.iter().take(count).filter_map(|slot| slot.send_queue.clone()).collect())
    }

    /// The connections, and how many bytes the send queue of each holds.
    pub(super) fn queued_bytes(&self) -> impl Iterator<Item = (usize, ConnId)> {
        (0..).zip(&self.slots).filter_map(|(index, slot)| {
            let (_, bytes) = slot.send_queue.as_ref()?.backlog();
            Some((bytes, slot.conn(index)))
        })
    }
}
