//! The state that outlives a page, item by item: out to the page's store, and back in before the first connect.

use crate::border::SLOTS;
use crate::fields::Fields;
use crate::kinds::kinds;
use crate::machine::Machine;
use crate::numbers::float;
use crate::numbers::moment;
use crate::outputs;
use crate::value::{Handle, Value};
use alloc::boxed::Box;
use rejoin::Position;
use rejoin::machine::{Input, Saved, SavedPosition, SavedProducer, SavedSend, Transmitted};
use wasm_bindgen::prelude::wasm_bindgen;

kinds!(
    /// What the stored state consists of, with the fields in the order of the slots; ids are in the texts.
    ItemKind, ITEMS:
    // user or 0, extended, window, dedupe window, worked
    Head,
    // room, seq; epoch, id
    Position,
    // room, number of the next send; producer
    Line,
    // room, value, bytes, number or 0, when; producer, epoch
    Send,
    // key, value, bytes
    #[cfg(feature = "frames")]
    Kept,
);

#[wasm_bindgen]
impl Machine {
    /// Grows whenever there is something else to store.
    pub fn changes(&self) -> f64 {
        float(self.session.changes())
    }

    /// Takes a picture of what is to be stored, for [`Machine::stored`].
    pub fn save(&mut self) {
        self.saved = self.session.saved();
    }

    /// The item of the picture at this place, a number of `Item` with its fields in the slots and the texts. Behind
    /// the last one it is 0, and the picture is dropped.
    pub fn stored(&mut self, at: usize) -> u32 {
        *self.slots = [0.0; SLOTS];
        self.texts.clear();
        let mut fields = outputs::Fields { slots: self.slots.iter_mut(), texts: &mut self.texts };
        let Some(kind) = write(&self.saved, at, &mut fields) else {
            self.saved = Saved::default();
            return 0;
        };
        kind as u32 + 1
    }

    /// Gives an item back, in the order in which they were read.
    pub fn give_back(&mut self, kind: u32, ids: usize) {
        let mut fields =
            Fields { slots: self.slots.iter(), ids: self.texts.read(ids), released: &self.released };
        read(kind, &mut fields, &mut self.saved);
    }

    /// Takes up what was given back. Before the first connect.
    pub fn restore(&mut self, monotonic: f64, wall: f64) {
        let now = moment(monotonic, wall);
        let saved = core::mem::take(&mut self.saved);
        self.session.handle(now, Input::Restore(Box::new(saved)));
    }
}

/// Writes the item at this place; `None` behind the last one.
fn write(saved: &Saved<Value, Handle>, at: usize, fields: &mut outputs::Fields<'_>) -> Option<ItemKind> {
    let Some(at) = at.checked_sub(1) else {
        fields.small(saved.user.unwrap_or(0)).truth(saved.extended);
        fields.count(saved.window_ms).count(saved.dedupe_window_ms).truth(saved.worked);
        return Some(ItemKind::Head);
    };
    if let Some(SavedPosition { room, position }) = saved.positions.get(at) {
        fields.small(*room).count(position.seq).id(&position.epoch).id(&position.id);
        return Some(ItemKind::Position);
    }
    let at = at - saved.positions.len();
    if let Some(line) = saved.producers.get(at) {
        fields.small(line.room).count(line.next_pseq).id(&line.pid);
        return Some(ItemKind::Line);
    }
    let at = at - saved.producers.len();
    #[cfg(feature = "frames")]
    if let Some(kept) = at.checked_sub(saved.sends.len()).and_then(|at| saved.kept.get(at)) {
        fields.small(kept.key).small(kept.frame.handle()).small(kept.frame.bytes());
        return Some(ItemKind::Kept);
    }
    let send = saved.sends.get(at)?;
    fields.small(send.room).small(send.content.handle()).small(send.content.bytes());
    if let Some(sent) = &send.transmitted {
        fields.count(sent.pseq).count(sent.at_ms).id(&sent.pid).id(&sent.epoch);
    }
    Some(ItemKind::Send)
}

/// Adds the item that the page gives back. One that is not what was written is left out.
fn read(kind: u32, fields: &mut Fields<'_>, saved: &mut Saved<Value, Handle>) -> Option<()> {
    match ItemKind::ALL.get(usize::try_from(kind).ok()?.checked_sub(1)?)? {
        ItemKind::Head => {
            let user = fields.handle();
            saved.user = (user > 0).then_some(user);
            saved.extended = fields.truth();
            saved.window_ms = fields.count();
            saved.dedupe_window_ms = fields.count();
            saved.worked = fields.truth();
        }
        ItemKind::Position => {
            let (room, seq) = (fields.handle(), fields.count());
            let position = Position { epoch: fields.id()?, seq, id: fields.id()? };
            saved.positions.push(SavedPosition { room, position });
        }
        ItemKind::Line => {
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
