//! The user's notifications: a stream beside the rooms, which needs no join.

/// Whether somebody follows it, and whether something can have been missed.
#[derive(Debug)]
pub(super) struct Personal<N> {
    /// What it is called where rooms are named.
    pub(super) name: N,
    /// It has been requested, or a notification has come.
    pub(super) is_followed: bool,
    /// There was a connection over which they could come.
    pub(super) was_up: bool,
}

impl<N> Personal<N> {
    pub(super) fn new(name: N) -> Self {
        Self { name, is_followed: false, was_up: false }
    }
}
