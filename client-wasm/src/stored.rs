//! Saves and restores the state that outlives a page, item by item. The numbers of items and fields are the stored format: they

use crate::codes::kinds;
use crate::convert::clock_reading;
use crate::convert::float;
use crate::ffi::SLOTS;
use crate::handles::{Handle, Value};
use crate::machine::Machine;
use crate::slots::SlotReader;
use alloc::boxed::Box;
use rejoin::Position;
use rejoin::machine::{Input, Saved, SavedPosition, SavedProducer, SavedSend, Transmitted};
use wasm_bindgen::prelude::wasm_bindgen;

kinds!(
    /// Items of the stored state, with their fields in slot order; ids in the id buffer.
    ItemKind, ITEMS:
    // user or 0, extended, window, dedupe window, worked
    Head,
    // room, seq; epoch, id
    Position,
    // room, number of the next send; producer
    Producer,
    // room, value, bytes, number or 0, when; producer, epoch
    Send,
    // key, value, bytes
    #[cfg(feature = "frames")]
    Kept,
);

#[wasm_bindgen]
impl Machine {
    /// Changes whenever the state to store has changed.
    pub fn changes(&self) -> f64 {
        float(self.session.changes())
    }

    /// Takes a snapshot of the state, for [`Machine::stored`].
    pub fn save(&mut self) {
        self.saved = self.session.saved();
    }

    /// The item of the snapshot at this index, a number of `Item` with its fields and ids. After the last
    /// one returns 0 and drops the snapshot.
    pub fn stored(&mut self, at: usize) -> u32 {
        *self.slots = [0.0; SLOTS];
        self.ids.clear();
        let mut fields = crate::slots::SlotWriter { slots: self.slots.iter_mut(), ids: &mut self.ids };
        let Some(kind) = write(&self.saved, at, &mut fields) else {
            self.saved = Saved::default();
            return 0;
        };
        kind as u32 + 1
    }

    /// Restores one item, in the order in which items were read.
    pub fn give_back(&mut self, kind: u32, ids: usize) {
        let mut fields =
            SlotReader { slots: self.slots.iter(), ids: self.ids.read(ids), released: &self.released };
        read(kind, &mut fields, &mut self.saved);
    }

    /// Completes the restoration, before the first connect.
    pub fn restore(&mut self, monotonic: f64, wall: f64) {
        let now = clock_reading(monotonic, wall);
        let saved = core::mem::take(&mut self.saved);
        self.session.handle(now, Input::Restore(Box::new(saved)));
    }
}

/// Writes the item at this index; `None` after the last one.
fn write(
    saved: &Saved<Value, Handle>,
    at: usize,
    fields: &mut crate::slots::SlotWriter<'_>,
) -> Option<ItemKind> {
    let Some(at) = at.checked_sub(1) else {
        fields.number(saved.user.unwrap_or(0)).flag(saved.extended);
        fields.count(saved.window_ms).count(saved.dedupe_window_ms).flag(saved.worked);
        return Some(ItemKind::Head);
    };
    if let Some(SavedPosition { room, position }) = saved.positions.get(at) {
        fields.number(*room).count(position.seq).id(&position.epoch).id(&position.id);
        return Some(ItemKind::Position);
    }
    let at = at - saved.positions.len();
    if let Some(line) = saved.producers.get(at) {
        fields.number(line.room).count(line.next_pseq).id(&line.pid);
        return Some(ItemKind::Producer);
    }
    let at = at - saved.producers.len();
    #[cfg(feature = "frames")]
    if let Some(kept) = at.checked_sub(saved.sends.len()).and_then(|at| saved.kept.get(at)) {
        fields.number(kept.key).number(kept.frame.handle()).number(kept.frame.bytes());
        return Some(ItemKind::Kept);
    }
    let send = saved.sends.get(at)?;
    fields.number(send.room).number(send.content.handle()).number(send.content.bytes());
    if let Some(sent) = &send.transmitted {
        fields.count(sent.pseq).count(sent.at_ms).id(&sent.pid).id(&sent.epoch);
    }
    Some(ItemKind::Send)
}

/// Adds a stored item; ignores one that is damaged.
fn read(kind: u32, fields: &mut SlotReader<'_>, saved: &mut Saved<Value, Handle>) -> Option<()> {
    match ItemKind::ALL.get(usize::try_from(kind).ok()?.checked_sub(1)?)? {
        ItemKind::Head => {
            let user = fields.handle();
            saved.user = (user > 0).then_some(user);
            saved.extended = fields.flag();
            saved.window_ms = fields.count();
            saved.dedupe_window_ms = fields.count();
            saved.worked = fields.flag();
        }
        ItemKind::Position => {
            let (room, seq) = (fields.handle(), fields.count());
            let position = Position { epoch: fields.id()?, seq, id: fields.id()? };
            saved.positions.push(SavedPosition { room, position });
        }
        ItemKind::Producer => {
            let (room, next_pseq) = (fields.handle(), fields.count());
            saved.producers.push(SavedProducer { room, pid: fields.id()?, next_pseq });
        }
        ItemKind::Send => {
            let (room, content) = (fields.handle(), fields.sized_value());
            let (pseq, at_ms) = (fields.count(), fields.count());
            let (pid, epoch) = (fields.id(), fields.id());
            let transmitted = pid.zip(epoch).map(|(pid, epoch)| Transmitted { pid, pseq, epoch, at_ms });
            saved.sends.push(SavedSend {
                number: 0,
                room,
                content,
                data: None,
                reference: None,
                transmitted,
            });
        }
        #[cfg(feature = "frames")]
        ItemKind::Kept => {
            let (key, frame) = (fields.handle(), fields.sized_value());
            saved.kept.push(rejoin::machine::SavedFrame { key, frame });
        }
    }
    Some(())
}
