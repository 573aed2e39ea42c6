//! A buffer in shared memory through which ids cross, separated by spaces.

use alloc::boxed::Box;
use core::fmt;
use rejoin::Id;

/// Capacity for four ids of 64 characters, more than any frame has.
const ROOM: usize = 272;

/// The buffer and its filled length.
pub(crate) struct IdBuffer {
    bytes: Box<[u8; ROOM]>,
    len: usize,
}

impl IdBuffer {
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

    /// Adds a text; one that does not fit is omitted.
    pub(crate) fn put(&mut self, text: &[u8]) {
        let Some(place) = self.bytes.get_mut(self.len..=self.len + text.len()) else { return };
        for (place, byte) in place.iter_mut().zip(text) {
            *place = *byte;
        }
        if let Some(end) = place.last_mut() {
            *end = b' ';
        }
        self.len += place.len();
    }

    /// The ids that the page has written, in its order.
    pub(crate) fn read(&self, len: usize) -> IdReader<'_> {
        IdReader(self.bytes.get(..len).unwrap_or(&[]))
    }
}

/// The remaining ids.
#[derive(Debug)]
pub(crate) struct IdReader<'a>(&'a [u8]);

impl IdReader<'_> {
    /// The next id; `None` for an invalid one and at the end.
    pub(crate) fn next(&mut self) -> Option<Id> {
        Id::from_bytes(self.piece()?).ok()
    }

    /// The next text, valid id or not.
    pub(crate) fn piece(&mut self) -> Option<&[u8]> {
        let end = self.0.iter().position(|byte| *byte == b' ').unwrap_or(self.0.len());
        let (piece, rest) = self.0.split_at_checked(end)?;
        self.0 = rest.get(1..).unwrap_or(&[]);
        Some(piece)
    }
}

#[cfg(any(test, not(target_family = "wasm")))]
impl IdBuffer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(self.bytes.get(..self.len).unwrap_or(&[])).into_owned()
    }
}

impl fmt::Debug for IdBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdBuffer").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_family = "wasm")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn ids_come_back_in_order_and_what_is_none_is_none() {
        let mut texts = IdBuffer::new();
        for text in ["a1", "", "not\u{1}one", "Z_-"] {
            texts.put(text.as_bytes());
        }
        let mut ids = texts.read(texts.len());
        let ids = [(); 5].map(|()| ids.next().map(|id| id.as_str().to_owned()));
        assert_eq!(ids, [Some("a1".to_owned()), None, None, Some("Z_-".to_owned()), None]);
        assert_eq!(texts.read(usize::MAX).next(), None);
    }

    #[test]
    fn what_finds_no_room_is_left_out() {
        let mut texts = IdBuffer::new();
        texts.put(&[b'x'; ROOM]);
        texts.put(b"y");
        let mut ids = texts.read(texts.len());
        assert_eq!((ids.next().as_deref(), ids.next()), (Some("y"), None));
    }
}
