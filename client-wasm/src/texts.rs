//! Ids cross the border as one text, separated by spaces, in a piece of memory that both sides know.

use alloc::boxed::Box;
use core::fmt;
use rejoin::Id;

/// Room for four ids of 64 characters, more than any frame has.
const ROOM: usize = 272;

/// The piece of memory, and how far it is filled.
pub(crate) struct Texts {
    bytes: Box<[u8; ROOM]>,
    len: usize,
}

impl Texts {
    pub(crate) fn new() -> Self {
        Self { bytes: Box::new([0; ROOM]), len: 0 }
    }

    pub(crate) fn as_ptr(&self) -> *const u8 {
        self.bytes.as_ptr()
    }

    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Adds a text; one that finds no room is left out whole.
    pub(crate) fn put(&mut self, text: &str) {
        let end = self.len + text.len();
        let Some(place) = self.bytes.get_mut(self.len..end + 1) else { return };
        for (place, byte) in place.iter_mut().zip(text.bytes().chain([b' '])) {
            *place = byte;
        }
        self.len = end + 1;
    }

    /// The ids that the page has put there, in its order. What is no id is `None`.
    pub(crate) fn read(&self, len: usize) -> impl Iterator<Item = Option<Id>> {
        let bytes = self.bytes.get(..len).unwrap_or(&[]);
        bytes.split(|byte| *byte == b' ').map(|id| Id::new(core::str::from_utf8(id).ok()?).ok())
    }
}

#[cfg(any(test, not(target_family = "wasm")))]
impl Texts {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(self.bytes.get(..self.len).unwrap_or(&[])).into_owned()
    }
}

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Texts").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_family = "wasm")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn ids_come_back_in_order_and_what_is_none_is_none() {
        let mut texts = Texts::new();
        for text in ["a1", "", "not\u{1}one", "Z_-"] {
            texts.put(text);
        }
        let ids: Vec<_> = texts.read(texts.len()).map(|id| id.map(|id| id.as_str().to_owned())).collect();
        assert_eq!(ids, [Some("a1".to_owned()), None, None, Some("Z_-".to_owned()), None]);
        assert_eq!(texts.read(usize::MAX).flatten().count(), 0);
    }

    #[test]
    fn what_finds_no_room_is_left_out() {
        let mut texts = Texts::new();
        texts.put(&"x".repeat(ROOM));
        texts.put("y");
        assert_eq!(texts.read(texts.len()).flatten().count(), 1);
    }
}
