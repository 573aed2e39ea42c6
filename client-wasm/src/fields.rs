//! What the page says with an input: numbers in the slots, ids in the texts.

use crate::numbers;
use crate::texts::Ids;
use crate::value::{Released, Value};
use core::time::Duration;
use rejoin::Id;

/// The largest size of a value in bytes: no engine has a longer text. Sizes are added up in 32 bits, where a few wild
/// numbers of a page would overflow.
const LARGEST: u32 = 1 << 29;

/// The fields of an input, read one after the other.
pub(crate) struct Fields<'a> {
    pub(crate) slots: core::slice::Iter<'a, f64>,
    pub(crate) ids: Ids<'a>,
    pub(crate) released: &'a Released,
}

impl Fields<'_> {
    fn number(&mut self) -> f64 {
        self.slots.next().copied().unwrap_or(0.0)
    }

    #[inline(never)]
    pub(crate) fn count(&mut self) -> u64 {
        numbers::count(self.number())
    }

    #[inline(never)]
    pub(crate) fn handle(&mut self) -> u32 {
        numbers::handle(self.number())
    }

    #[inline(never)]
    pub(crate) fn truth(&mut self) -> bool {
        self.number() != 0.0
    }

    /// A duration in milliseconds; 0 is none.
    pub(crate) fn duration(&mut self) -> Option<Duration> {
        let millis = self.count();
        (millis > 0).then(|| Duration::from_millis(millis))
    }

    /// A count that may be absent, which is −1.
    #[inline(never)]
    pub(crate) fn maybe_count(&mut self) -> Option<u64> {
        let number = self.number();
        (number >= 0.0).then(|| numbers::count(number))
    }

    #[inline(never)]
    pub(crate) fn value(&mut self) -> Value {
        Value::new(self.handle(), 0, self.released)
    }

    /// A value and its size, which a wrong number makes at most `LARGEST`.
    pub(crate) fn sized_value(&mut self) -> Value {
        Value::new(self.handle(), self.handle().min(LARGEST), self.released)
    }

    #[inline(never)]
    pub(crate) fn id(&mut self) -> Option<Id> {
        self.ids.next()
    }

    /// A text that need be no id; empty for what is not ASCII.
    #[cfg(feature = "socketio")]
    pub(crate) fn text(&mut self) -> &str {
        self.ids.piece().and_then(|piece| core::str::from_utf8(piece).ok()).unwrap_or_default()
    }
}
