//! Handles of values that stay in the page, and the list of handles that the page may release.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::Cell;
use core::fmt;
use rejoin::machine::Payload;
#[cfg(feature = "session")]
use rejoin::machine::Session;

/// A room or a user: its handle in the page's table.
pub type Handle = u32;

/// A name with a handle in the page's table.
pub(crate) trait HasHandle {
    /// The number.
    fn number(&self) -> Handle;
}

impl HasHandle for Handle {
    fn number(&self) -> Handle {
        *self
    }
}

/// A session in the page's types.
#[cfg(feature = "session")]
pub type PageSession = Session<Value, Handle>;

/// The handles of values that the machine has released.
#[derive(Clone, Default)]
pub struct Released(Rc<Cell<Vec<u32>>>);

impl fmt::Debug for Released {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Released").finish_non_exhaustive()
    }
}

impl Released {
    fn with<T>(&self, then: impl FnOnce(&mut Vec<u32>) -> T) -> T {
        let mut handles = self.0.take();
        let done = then(&mut handles);
        self.0.set(handles);
        done
    }

    /// Takes one; the page removes it from its table.
    pub fn next(&self) -> Option<u32> {
        self.with(Vec::pop)
    }
}

/// A value of the page: its handle and its size on the wire. When the last clone is dropped,
/// its handle is added to [`Released`].
#[derive(Clone)]
pub struct Value(Rc<ValueInner>);

struct ValueInner {
    handle: u32,
    bytes: u32,
    released: Released,
}

impl Value {
    /// The page's value with this handle.
    pub fn new(handle: u32, bytes: u32, released: &Released) -> Self {
        Self(Rc::new(ValueInner { handle, bytes, released: released.clone() }))
    }

    /// Its handle in the page's table.
    pub fn handle(&self) -> u32 {
        self.0.handle
    }

    /// Its size on the wire.
    pub fn bytes(&self) -> u32 {
        self.0.bytes
    }
}

impl Payload for Value {
    fn byte_len(&self) -> usize {
        usize::try_from(self.0.bytes).unwrap_or(usize::MAX)
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.handle() == other.handle()
    }
}

impl Eq for Value {}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({})", self.handle())
    }
}

impl Drop for ValueInner {
    fn drop(&mut self) {
        self.released.with(|handles| handles.push(self.handle));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_family = "wasm")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_value_is_released_once_and_only_by_its_last_clone() {
        let released = Released::default();
        let value = Value::new(7, 1, &released);
        let clone = value.clone();
        drop(value);
        assert_eq!(released.next(), None);
        drop(clone);
        assert_eq!((released.next(), released.next()), (Some(7), None));
    }
}
