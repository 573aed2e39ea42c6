//! Interns names that repeat, instead of allocating them for each frame.

use crate::hash;
use crate::name::Name;
use alloc::vec::Vec;
use core::fmt;

/// A small direct-mapped cache of names: a hit saves an allocation, a miss costs nothing but the slot.
#[derive(Default)]
pub(super) struct Interner {
    slots: Vec<Option<Name>>,
}

impl Interner {
    const SLOTS: usize = 32;
    /// Longer texts are not worth keeping.
    const MAX_NAME_BYTES: usize = 128;

    pub(super) fn get(&mut self, text: &str) -> Name {
        if text.len() > Self::MAX_NAME_BYTES {
            return Name::from(text);
        }
        if self.slots.is_empty() {
            self.slots.resize(Self::SLOTS, None);
        }
        let place = usize::try_from(hash::of(text.as_bytes()) & 0xff).unwrap_or(0) % Self::SLOTS;
        let Some(slot) = self.slots.get_mut(place) else { return Name::from(text) };
        match slot {
            Some(name) if &**name == text => name.clone(),
            _ => slot.insert(Name::from(text)).clone(),
        }
    }
}

impl fmt::Debug for Interner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").field("slots", &self.slots.len()).finish()
    }
}
