//! Counts the HTTP connections that the requests of one Socket.IO session hold, and tells them when the session is over.
//! Refuses and closes none itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Most of one session. A client has two, for the poll that waits and for POSTs; the others are for proxies that spread its
/// requests over connections of their own, and for connections that have been lost unnoticed.
const MOST: usize = 6;

/// The connections of one session.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeptConnections(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    /// Whom to tell that the session is over.
    open: BTreeMap<u64, Arc<Notify>>,
    last: u64,
    over: bool,
}

/// A connection is one of a session's until this is dropped.
#[derive(Debug)]
pub(crate) struct Kept {
    session: KeptConnections,
    number: u64,
}

impl KeptConnections {
    /// One more, unless there are as many as may be. `over` is told when the session is over.
    pub(crate) fn begin(&self, over: &Arc<Notify>) -> Option<Kept> {
        let mut table = self.lock();
        if table.over || table.open.len() >= MOST {
            return None;
        }
        table.last += 1;
        let number = table.last;
        table.open.insert(number, Arc::clone(over));
        drop(table);
        Some(Kept { session: self.clone(), number })
    }

    /// The session is over: nothing comes for it any more.
    pub(crate) fn end(&self) {
        let mut table = self.lock();
        table.over = true;
        table.open.values().for_each(|over| over.notify_one());
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    pub(crate) fn is_of(&self, session: &KeptConnections) -> bool {
        Arc::ptr_eq(&self.session.0, &session.0)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.session.lock().open.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_so_many_connections_and_what_is_over_makes_room() {
        let (session, over) = (KeptConnections::default(), Arc::default());
        let mut kept: Vec<_> = (0..MOST).map(|_| session.begin(&over).unwrap()).collect();
        assert!(session.begin(&over).is_none());
        kept.pop();
        let again = session.begin(&over).unwrap();
        assert!(again.is_of(&session) && !again.is_of(&KeptConnections::default()));
        assert!(session.begin(&over).is_none());
    }

    #[tokio::test]
    async fn those_of_a_session_that_is_over_are_told_and_there_are_no_more_of_it() {
        let (session, over) = (KeptConnections::default(), Arc::default());
        let _kept = session.begin(&over).unwrap();
        session.end();
        over.notified().await;
        assert!(session.begin(&over).is_none());
    }
}
