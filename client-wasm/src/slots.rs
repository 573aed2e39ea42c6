//! Reading the slots and ids of an input, and writing those of an output. Values of the page are clamped, never trusted.

use crate::convert::{self, float};
use crate::handles::{Released, Value};
use crate::id_buffer::{IdBuffer, IdReader};
use core::time::Duration;
use rejoin::messages::MAX_INT;
use rejoin::{Id, SendId};

/// Largest size of a value in bytes: no engine has a longer string. Sums of sizes are 32-bit, which a page's arbitrary
/// numbers would overflow.
const LARGEST: u32 = 1 << 29;

/// The fields of an input, read in order.
pub(crate) struct SlotReader<'a> {
    pub(crate) slots: core::slice::Iter<'a, f64>,
    pub(crate) ids: IdReader<'a>,
    pub(crate) released: &'a Released,
}

impl SlotReader<'_> {
    fn number(&mut self) -> f64 {
        self.slots.next().copied().unwrap_or(0.0)
    }

    #[inline(never)]
    pub(crate) fn count(&mut self) -> u64 {
        convert::count(self.number())
    }

    #[inline(never)]
    pub(crate) fn handle(&mut self) -> u32 {
        convert::handle(self.number())
    }

    #[inline(never)]
    pub(crate) fn flag(&mut self) -> bool {
        self.number() != 0.0
    }

    /// A duration in milliseconds; 0 means none.
    pub(crate) fn duration(&mut self) -> Option<Duration> {
        let millis = self.count();
        (millis > 0).then(|| Duration::from_millis(millis))
    }

    /// An optional count; −1 means none.
    #[inline(never)]
    pub(crate) fn optional_count(&mut self) -> Option<u64> {
        let number = self.number();
        (number >= 0.0).then(|| convert::count(number))
    }

    #[inline(never)]
    pub(crate) fn value(&mut self) -> Value {
        Value::new(self.handle(), 0, self.released)
    }

    /// A value and its size, limited to `LARGEST`.
    pub(crate) fn sized_value(&mut self) -> Value {
        Value::new(self.handle(), self.handle().min(LARGEST), self.released)
    }

    #[inline(never)]
    pub(crate) fn id(&mut self) -> Option<Id> {
        self.ids.next()
    }

    /// A text that need not be an id; empty if it is not ASCII.
    #[cfg(feature = "socketio")]
    pub(crate) fn text(&mut self) -> &str {
        self.ids.piece().and_then(|piece| core::str::from_utf8(piece).ok()).unwrap_or_default()
    }
}

/// Writes the fields of an output in order.
#[derive(Debug)]
pub(crate) struct SlotWriter<'a> {
    pub(crate) slots: core::slice::IterMut<'a, f64>,
    pub(crate) ids: &'a mut IdBuffer,
}

impl SlotWriter<'_> {
    #[inline(never)]
    pub(crate) fn put(&mut self, field: f64) -> &mut Self {
        if let Some(slot) = self.slots.next() {
            *slot = field;
        }
        self
    }

    #[inline(never)]
    pub(crate) fn count(&mut self, count: u64) -> &mut Self {
        self.put(float(count))
    }

    #[inline(never)]
    pub(crate) fn number(&mut self, number: u32) -> &mut Self {
        self.put(f64::from(number))
    }

    #[inline(never)]
    pub(crate) fn flag(&mut self, yes: bool) -> &mut Self {
        self.put(f64::from(u8::from(yes)))
    }

    #[inline(never)]
    /// A restored send has a number above the page's range, which the page sees as negative.
    pub(crate) fn send(&mut self, SendId(id): SendId) -> &mut Self {
        let own = id & MAX_INT;
        self.put(if own == id { float(own) } else { -float(own) })
    }

    pub(crate) fn optional(&mut self, count: Option<u64>) -> &mut Self {
        self.put(count.map_or(-1.0, float))
    }

    #[inline(never)]
    pub(crate) fn id(&mut self, id: &Id) -> &mut Self {
        self.ids.put(id.as_bytes());
        self
    }

    /// An optional id: an absent one is empty.
    pub(crate) fn optional_id(&mut self, id: Option<&Id>) -> &mut Self {
        self.ids.put(id.map_or(&[], Id::as_bytes));
        self
    }
}
