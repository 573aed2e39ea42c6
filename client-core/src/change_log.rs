//! Records a session's changes for a store that appends them. Records nothing without the feature `journal`, or before
//! a store requests it.

#[cfg(feature = "journal")]
use crate::change::Change;
#[cfg(feature = "journal")]
use crate::event::SendId;
#[cfg(feature = "journal")]
use alloc::vec::Vec;

/// The notes since they were taken last, in order.
#[derive(Debug)]
pub(crate) struct ChangeLog<P, N> {
    #[cfg(feature = "journal")]
    changes: Option<Vec<Change<P, N, SendId>>>,
    #[cfg(not(feature = "journal"))]
    nothing: core::marker::PhantomData<(P, N)>,
}

impl<P, N> Default for ChangeLog<P, N> {
    fn default() -> Self {
        Self {
            #[cfg(feature = "journal")]
            changes: None,
            #[cfg(not(feature = "journal"))]
            nothing: core::marker::PhantomData,
        }
    }
}

#[cfg(feature = "journal")]
impl<P, N> ChangeLog<P, N> {
    pub(crate) fn record(&mut self, change: impl FnOnce() -> Change<P, N, SendId>) {
        if let Some(list) = &mut self.changes {
            list.push(change());
        }
    }

    /// From here on changes are noted.
    pub(crate) fn enable(&mut self) {
        self.changes.get_or_insert_default();
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.changes.is_some()
    }

    /// How many there are, for [`ChangeLog::truncate`].
    pub(crate) fn len(&self) -> usize {
        self.changes.as_ref().map_or(0, Vec::len)
    }

    /// What has been noted since there were so many is no change.
    pub(crate) fn truncate(&mut self, count: usize) {
        if let Some(list) = &mut self.changes {
            list.truncate(count);
        }
    }

    pub(crate) fn take(&mut self) -> Vec<Change<P, N, SendId>> {
        self.changes.as_mut().map(core::mem::take).unwrap_or_default()
    }
}

/// Notes a change where changes are noted at all; elsewhere it is no code.
macro_rules! record {
    ($log:expr, $change:ident $fields:tt) => {
        #[cfg(feature = "journal")]
        $log.record(|| crate::change::Change::$change $fields);
    };
    ($log:expr, $change:ident) => {
        #[cfg(feature = "journal")]
        $log.record(|| crate::change::Change::$change);
    };
}
pub(crate) use record;
