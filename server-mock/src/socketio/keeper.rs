//! Keeps the shared store's record of one session true: what its client is told of rooms waits until the record says so too.
//! Decides nothing about rooms, and recovers nothing.

use super::deliveries::{SharedDeliveries, lock};
use crate::auth::Unavailable;
use crate::shared_sessions::{Kept, MOST_RECORD_BYTES, SessionKey, SessionRecord, SharedSessions};
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// Where a session is kept for other servers. A clone is the same place.
#[derive(Clone)]
pub(super) struct SharedPlace {
    sessions: Arc<dyn SharedSessions>,
    key: SessionKey,
    session: u64,
}

impl SharedPlace {
    pub(super) fn new(sessions: Arc<dyn SharedSessions>, key: SessionKey, session: u64) -> Self {
        Self { sessions, key, session }
    }

    /// The session is over: what is kept of it is forgotten after this time, or now.
    pub(super) fn end(&self, lasts: Option<Duration>) {
        self.sessions.end(&self.key, self.session, lasts);
    }
}

/// A record that the store is asked to keep, or `None` to keep the one that it has.
type UnderWay = (Option<SessionRecord>, BoxFuture<'static, Result<Kept, Unavailable>>);

pub(super) struct Keeper {
    place: SharedPlace,
    deliveries: SharedDeliveries,
    sid: String,
    begun_with: Option<u64>,
    /// How long the record lasts if nobody prolongs it.
    lasts: Duration,
    under_way: Option<UnderWay>,
    /// The number of the session that it goes on with.
    before: Option<u64>,
    /// The store has one. Otherwise it is kept with the next ping.
    is_kept: bool,
    /// The session cannot be recovered by others.
    is_over: bool,
    /// It goes on elsewhere.
    pub(super) is_moved: bool,
}

impl Keeper {
    /// `before`: the number of the session that it goes on with; `begun_with`: that in the offset with which the client came.
    pub(super) fn begin(
        place: SharedPlace,
        deliveries: SharedDeliveries,
        sid: String,
        (before, begun_with): (Option<u64>, Option<u64>),
        lasts: Duration,
    ) -> Self {
        let mut keeper = Self {
            place,
            deliveries,
            sid,
            begun_with,
            lasts,
            under_way: None,
            before,
            is_kept: false,
            is_over: false,
            is_moved: false,
        };
        keeper.keep();
        keeper
    }

    /// Asks the store to keep what is known now.
    fn keep(&mut self) {
        let record = lock(&self.deliveries).record(&self.sid, self.begun_with);
        let Some(record) = record.filter(|record| record.bytes() <= MOST_RECORD_BYTES) else {
            self.is_kept = false;
            if !std::mem::replace(&mut self.is_over, true) {
                self.place.end(None);
            }
            return;
        };
        self.is_over = false;
        let SharedPlace { sessions, key, .. } = &self.place;
        let kept = sessions.keep(key, &record, self.before, self.lasts);
        self.under_way = Some((Some(record), kept));
    }

    /// Ready when the store knows in which rooms the client is, or does not answer.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Some((record, kept)) = &mut self.under_way {
                let Poll::Ready(kept) = kept.as_mut().poll(cx) else { return Poll::Pending };
                let record = record.take();
                self.under_way = None;
                self.done(record, kept);
            } else if !self.is_moved && lock(&self.deliveries).is_changed() {
                self.keep();
            } else {
                return Poll::Ready(());
            }
        }
    }

    fn done(&mut self, record: Option<SessionRecord>, kept: Result<Kept, Unavailable>) {
        self.is_kept = kept == Ok(Kept::Stored);
        self.is_moved = kept == Ok(Kept::Moved);
        if let Some(record) = record.filter(|_| self.is_kept) {
            lock(&self.deliveries).recorded(&record);
        }
    }

    /// The engine's ping goes out: time to say that the session is there.
    pub(super) fn pinged(&mut self) {
        if self.under_way.is_some() || self.is_moved {
            return;
        }
        if !self.is_kept || lock(&self.deliveries).is_ahead() {
            return self.keep();
        }
        let SharedPlace { sessions, key, session } = &self.place;
        self.under_way = Some((None, sessions.prolong(key, *session, self.lasts)));
    }

    /// The session is over, or lost: it can be recovered for so long.
    pub(super) fn end(self, lasts: Option<Duration>) {
        self.place.end(lasts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socketio::deliveries;
    use crate::socketio::deliveries::Deliveries;
    use futures_util::FutureExt as _;
    use rejoin::{Id, Name};
    use std::sync::Mutex;
    use std::task::Waker;
    use tokio::sync::oneshot;

    const SESSION: u64 = 123_456_789_012;
    const LASTS: Duration = Duration::from_secs(165);

    /// What the store was asked for, and who waits for it.
    #[derive(Default)]
    struct Asked(Mutex<Vec<(String, Option<oneshot::Sender<Kept>>)>>);

    impl Asked {
        fn note(&self, what: String) -> BoxFuture<'static, Result<Kept, Unavailable>> {
            let (answer, answered) = oneshot::channel();
            self.0.lock().unwrap().push((what, Some(answer)));
            async move { answered.await.map_err(|_| Unavailable) }.boxed()
        }

        /// Answers what was asked last, `None`: not at all.
        fn answer(&self, kept: Option<Kept>) -> String {
            let mut asked = self.0.lock().unwrap();
            let (what, answer) = asked.pop().unwrap();
            assert!(asked.is_empty());
            if let (Some(answer), Some(kept)) = (answer, kept) {
                answer.send(kept).unwrap();
            }
            what
        }
    }

    impl SharedSessions for Asked {
        fn find(&self, _: &SessionKey) -> BoxFuture<'static, Result<Option<SessionRecord>, Unavailable>> {
            async { Ok(None) }.boxed()
        }

        fn keep(
            &self,
            _: &SessionKey,
            record: &SessionRecord,
            before: Option<u64>,
            _: Duration,
        ) -> BoxFuture<'static, Result<Kept, Unavailable>> {
            let rooms: Vec<_> = record.rooms.iter().map(|room| room.room.as_str()).collect();
            assert_eq!(before, Some(7));
            self.note(format!("keep {}", rooms.join(",")))
        }

        fn prolong(
            &self,
            _: &SessionKey,
            _: u64,
            _: Duration,
        ) -> BoxFuture<'static, Result<Kept, Unavailable>> {
            self.note(String::from("prolong"))
        }

        fn end(&self, _: &SessionKey, session: u64, lasts: Option<Duration>) {
            assert_eq!(session, SESSION);
            self.0.lock().unwrap().push((format!("end {lasts:?}"), None));
        }
    }

    fn keeper() -> (Keeper, Arc<Asked>, SharedDeliveries) {
        let asked = Arc::<Asked>::default();
        let deliveries = Arc::new(Mutex::new(Deliveries::new(SESSION)));
        let key = SessionKey::new(&Name::from("ada"), "/", "pid");
        let place = SharedPlace::new(Arc::clone(&asked) as Arc<dyn SharedSessions>, key, SESSION);
        let keeper =
            Keeper::begin(place, Arc::clone(&deliveries), String::from("sid"), (Some(7), None), LASTS);
        (keeper, asked, deliveries)
    }

    fn join(deliveries: &SharedDeliveries, room: &str) {
        deliveries::tests::join(&mut lock(deliveries), room, 0, 0, false);
    }

    fn is_ready(keeper: &mut Keeper) -> bool {
        keeper.poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn what_concerns_a_room_waits_until_the_store_knows_of_it() {
        let (mut keeper, asked, deliveries) = keeper();
        assert!(!is_ready(&mut keeper));
        join(&deliveries, "a");
        // One request at a time: the next one says all that has happened meanwhile.
        assert!(!is_ready(&mut keeper));
        assert_eq!(asked.answer(Some(Kept::Stored)), "keep ");
        assert!(!is_ready(&mut keeper));
        assert_eq!(asked.answer(Some(Kept::Stored)), "keep a");
        assert!(is_ready(&mut keeper) && is_ready(&mut keeper));
        lock(&deliveries).left("a");
        assert!(!is_ready(&mut keeper));
        assert_eq!(asked.answer(Some(Kept::Stored)), "keep ");
        assert!(is_ready(&mut keeper));
    }

    #[test]
    fn a_store_that_does_not_answer_is_asked_again_with_the_next_ping() {
        let (mut keeper, asked, _) = keeper();
        asked.answer(None);
        assert!(is_ready(&mut keeper));
        keeper.pinged();
        assert!(!is_ready(&mut keeper));
        assert_eq!(asked.answer(Some(Kept::Stored)), "keep ");
        assert!(is_ready(&mut keeper));
        for (kept, next) in [(Kept::Stored, "prolong"), (Kept::Missing, "keep ")] {
            keeper.pinged();
            assert_eq!(asked.answer(Some(kept)), "prolong");
            assert!(is_ready(&mut keeper));
            keeper.pinged();
            assert_eq!(asked.answer(Some(Kept::Stored)), next);
            assert!(is_ready(&mut keeper));
        }
    }

    #[test]
    fn a_session_that_goes_on_elsewhere_is_kept_no_more() {
        let (mut keeper, asked, deliveries) = keeper();
        asked.answer(Some(Kept::Stored));
        assert!(is_ready(&mut keeper) && !keeper.is_moved);
        keeper.pinged();
        asked.answer(Some(Kept::Moved));
        assert!(is_ready(&mut keeper) && keeper.is_moved);
        join(&deliveries, "a");
        keeper.pinged();
        assert!(is_ready(&mut keeper));
        assert!(asked.0.lock().unwrap().is_empty());
    }

    #[test]
    fn what_is_too_large_or_cannot_be_gone_on_from_is_forgotten() {
        let (mut keeper, asked, deliveries) = keeper();
        asked.answer(Some(Kept::Stored));
        for number in 0..1_200 {
            join(&deliveries, &format!("{number:0128}"));
        }
        assert!(is_ready(&mut keeper));
        assert_eq!(asked.answer(None), "end None");
        for number in 0..1_199 {
            lock(&deliveries).left(&format!("{number:0128}"));
        }
        assert!(!is_ready(&mut keeper));
        assert!(asked.answer(Some(Kept::Stored)).starts_with("keep "));
        assert!(is_ready(&mut keeper));
        let other = Id::new("f").unwrap();
        assert_eq!(lock(&deliveries).sent(&format!("{:0128}", 1_199), &other, 1), Ok(None));
        assert!(is_ready(&mut keeper));
        assert_eq!(asked.answer(None), "end None");
        keeper.pinged();
        assert!(is_ready(&mut keeper));
        assert!(asked.0.lock().unwrap().is_empty(), "it is forgotten once");
        keeper.end(Some(LASTS));
        assert_eq!(asked.answer(None), "end Some(165s)");
    }
}
