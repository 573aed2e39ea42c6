//! Asks the application's own function for permissions before a frame reaches the hub. Owns which permissions a frame
//! needs, the cache of one connection and the bounds. The hub judges by that cache.

use crate::hub::{PERSONAL_ROOM, Permission, Permissions, Right};
use crate::log_throttle::LogThrottle;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream;
use rejoin::machine::ClientMessage;
use rejoin::messages::json::decode_client;
use rejoin::{Name, check_room_name};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Context;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::time::timeout_at;

/// How long the answers that some frames of a connection need may take, all together.
const DEADLINE: Duration = Duration::from_secs(5);

/// Questions at a time, and of one connection; others wait for their turn, within the same deadline.
const MOST: usize = 256;
const MOST_OF_ONE: usize = 16;

/// For so long an answer counts, unless it is said otherwise.
const LASTS: Duration = Duration::from_secs(10);

/// For so long nothing is asked again about what could not be answered.
const FAILURE_LASTS: Duration = Duration::from_secs(1);

/// Rooms of which a connection's answers are kept, beside as many as it may be in.
const MORE_ROOMS: usize = 256;

type Ask = dyn Fn(Name, Right, Name) -> BoxFuture<'static, Result<bool, String>> + Send + Sync;

/// A function of the application that knows who may do what in which room. A clone is the same one.
#[derive(Clone)]
pub struct Authorizer {
    ask: Arc<Ask>,
    lasts: Duration,
    places: Arc<Semaphore>,
    failures: Arc<Mutex<LogThrottle>>,
}

impl Authorizer {
    /// Of an async function that gets a user's name, an action and a room's name. `Ok(true)` allows it, `Ok(false)` refuses it
    /// for good, an error is "ask again later", and so are answers that take longer than 5 s. The error is logged.
    pub fn new<F, Answer, E>(ask: F) -> Self
    where
        F: Fn(String, Right, String) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Result<bool, E>> + Send + 'static,
        E: fmt::Display,
    {
        let ask = move |user: Name, right, room: Name| -> BoxFuture<'static, _> {
            let answer = ask(user.to_string(), right, room.to_string());
            Box::pin(async move { answer.await.map_err(|error| error.to_string()) })
        };
        Self {
            ask: Arc::new(ask),
            lasts: LASTS,
            places: Arc::new(Semaphore::new(MOST)),
            failures: Arc::default(),
        }
    }

    /// Whose answers count for so long on a connection; 10 s otherwise. With zero it is asked each time.
    pub fn with_ttl(self, lasts: Duration) -> Self {
        Self { lasts, ..self }
    }

    /// What the function says until then; [`Permission::Unknown`] if it says nothing that can be used.
    async fn one(&self, user: Name, right: Right, room: Name, until: tokio::time::Instant) -> Permission {
        let asked = async {
            let _place = self.places.acquire().await.map_err(|error| error.to_string())?;
            (self.ask)(user, right, room).await
        };
        let answer = timeout_at(until, asked).await;
        match answer.unwrap_or_else(|_| Err(String::from("no answer within 5 s"))) {
            Ok(true) => Permission::Granted,
            Ok(false) => Permission::Denied,
            Err(why) => {
                lock(&self.failures).record(|count| {
                    tracing::warn!(
                        count,
                        why,
                        "the function that authorizes cannot say what somebody may do: clients are told to come back later"
                    );
                });
                Permission::Unknown
            }
        }
    }

    /// What a user may do in a room, one answer for each action in this order.
    pub(crate) async fn about<const N: usize>(
        &self,
        user: &Name,
        rights: [Right; N],
        room: &Name,
    ) -> [Permission; N] {
        let until = tokio::time::Instant::now() + DEADLINE;
        let mut answers = [Permission::Unknown; N];
        let asked = rights.map(|right| self.one(user.clone(), right, room.clone(), until));
        for (answer, said) in answers.iter_mut().zip(futures_util::future::join_all(asked).await) {
            *answer = said;
        }
        answers
    }
}

impl fmt::Debug for Authorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authorizer(for {:?})", self.lasts)
    }
}

/// One question.
type Question = (Right, Name);

/// What one connection may do, as far as it has been asked.
pub(crate) struct ConnectionPermissions {
    authorizer: Authorizer,
    user: Name,
    answers: Arc<AnswerCache>,
    asking: Mutex<PendingQuestions>,
}

#[derive(Default)]
struct PendingQuestions {
    /// Questions on their way, for so many frames.
    under_way: Option<(BoxFuture<'static, ()>, usize)>,
    /// So many of the next frames have been asked about.
    cleared: usize,
}

impl ConnectionPermissions {
    /// `rooms`: in so many rooms the connection may be.
    pub(crate) fn new(authorizer: Authorizer, user: Name, rooms: usize) -> Self {
        let answers = AnswerCache { rooms: Mutex::default(), most: rooms.saturating_add(MORE_ROOMS) };
        Self { authorizer, user, answers: Arc::new(answers), asking: Mutex::default() }
    }

    /// What the hub judges by.
    pub(crate) fn permissions(&self) -> Arc<dyn Permissions> {
        Arc::clone(&self.answers) as Arc<dyn Permissions>
    }

    /// So many of the frames at the beginning may reach the hub now. With none of them questions are on their way, and the task
    /// is woken when they are answered: asked with the same frames until then.
    pub(crate) fn cleared<'a>(
        &self,
        frames: &(impl IntoIterator<Item = &'a str> + Clone),
        cx: &mut Context<'_>,
    ) -> usize {
        let mut asking = lock(&self.asking);
        loop {
            if let Some((questions, frames)) = &mut asking.under_way {
                let frames = *frames;
                if questions.as_mut().poll(cx).is_pending() {
                    return 0;
                }
                (asking.under_way, asking.cleared) = (None, frames);
            }
            if asking.cleared > 0 {
                return asking.cleared;
            }
            let now = Instant::now();
            let fresh = |text: &&str| needs(text).iter().all(|question| self.answers.is_fresh(question, now));
            let at_once = frames.clone().into_iter().take_while(fresh).count();
            if at_once > 0 {
                return at_once;
            }
            let mut questions = BTreeSet::new();
            let mut count = 0;
            for text in frames.clone() {
                count += 1;
                let needed = needs(text).into_iter().filter(|question| !self.answers.is_fresh(question, now));
                questions.extend(needed);
            }
            if count == 0 {
                return 0;
            }
            asking.under_way = Some((self.ask(questions), count));
        }
    }

    /// So many frames have reached the hub.
    pub(crate) fn handed_over(&self, frames: usize) {
        let mut asking = lock(&self.asking);
        asking.cleared = asking.cleared.saturating_sub(frames);
    }

    /// Whether questions are on their way.
    pub(crate) fn is_pending(&self) -> bool {
        lock(&self.asking).under_way.is_some()
    }

    /// Asks what is needed to be in these rooms.
    pub(crate) fn ask_for_rooms(&self, rooms: &[Name]) -> BoxFuture<'static, ()> {
        self.ask(rooms.iter().filter(|room| check_room_name(room).is_ok()).flat_map(to_join).collect())
    }

    fn ask(&self, questions: BTreeSet<Question>) -> BoxFuture<'static, ()> {
        let (authorizer, user, answers) =
            (self.authorizer.clone(), self.user.clone(), Arc::clone(&self.answers));
        Box::pin(async move {
            let until = tokio::time::Instant::now() + DEADLINE;
            let asked = questions.into_iter().map(|(right, room)| {
                let (authorizer, user) = (&authorizer, user.clone());
                async move {
                    let decided = authorizer.one(user, right, room.clone(), until).await;
                    (right, room, decided)
                }
            });
            let asked: Vec<_> = asked.collect();
            let mut asked = stream::iter(asked).buffer_unordered(MOST_OF_ONE);
            while let Some((right, room, decided)) = asked.next().await {
                answers.keep(right, room, decided, authorizer.lasts);
            }
        })
    }
}

impl fmt::Debug for ConnectionPermissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionPermissions").field("authorizer", &self.authorizer).finish_non_exhaustive()
    }
}

/// What a frame asks for. What the hub refuses anyhow needs nothing.
fn needs(text: &str) -> Vec<Question> {
    let Ok(Some(message)) = decode_client(text) else { return Vec::new() };
    let of = |right, room: Name| if is_room(&room) { vec![(right, room)] } else { Vec::new() };
    match message {
        ClientMessage::JoinRoom { room, .. } if is_room(&room) => to_join(&room).into(),
        ClientMessage::SendMessage { room, .. } => of(Right::Send, room),
        ClientMessage::History(request) => of(Right::History, request.room),
        ClientMessage::Presence { room } => of(Right::Presence, room),
        ClientMessage::Signal { room, .. } => of(Right::Signal, room),
        _ => Vec::new(),
    }
}

/// The answer to a join depends on these.
fn to_join(room: &Name) -> [Question; 3] {
    [Right::Join, Right::History, Right::Presence].map(|right| (right, room.clone()))
}

/// The personal stream is everybody's own.
fn is_room(name: &Name) -> bool {
    &**name != PERSONAL_ROOM && check_room_name(name).is_ok()
}

/// The answers of one connection, bounded in number.
struct AnswerCache {
    rooms: Mutex<BTreeMap<Name, BTreeMap<Right, Answer>>>,
    most: usize,
}

#[derive(Clone, Copy)]
struct Answer {
    decided: Permission,
    at: Instant,
    until: Instant,
}

impl AnswerCache {
    fn is_fresh(&self, (right, room): &Question, now: Instant) -> bool {
        let rooms = lock(&self.rooms);
        rooms.get(room).and_then(|room| room.get(right)).is_some_and(|answer| now < answer.until)
    }

    fn keep(&self, right: Right, room: Name, decided: Permission, lasts: Duration) {
        let mut rooms = lock(&self.rooms);
        if !rooms.contains_key(&room) && rooms.len() >= self.most {
            // Of rooms that one may not be in nothing is needed. Otherwise it is the one that was asked about first.
            let age = |answers: &BTreeMap<Right, Answer>| {
                let joins =
                    answers.get(&Right::Join).is_some_and(|answer| answer.decided == Permission::Granted);
                (joins, answers.values().map(|answer| answer.at).max())
            };
            let oldest = rooms.iter().min_by_key(|(_, answers)| age(answers)).map(|(room, _)| room.clone());
            if let Some(oldest) = oldest {
                rooms.remove(&oldest);
            }
        }
        let at = Instant::now();
        let lasts = if decided == Permission::Unknown { FAILURE_LASTS.min(lasts) } else { lasts };
        let until = at.checked_add(lasts).unwrap_or(at);
        rooms.entry(room).or_default().insert(right, Answer { decided, at, until });
    }
}

impl fmt::Debug for AnswerCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerCache").field("rooms", &lock(&self.rooms).len()).finish_non_exhaustive()
    }
}

impl Permissions for AnswerCache {
    /// The last answer, however old: whether a new one is needed was decided before.
    fn permission(&self, right: Right, room: &str) -> Permission {
        let rooms = lock(&self.rooms);
        let answers = rooms.get(room);
        let answer = answers.and_then(|answers| answers.get(&right));
        answer.map_or(Permission::Unknown, |answer| answer.decided)
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Poll;

    fn join(room: &str) -> String {
        format!(r#"{{"type":"join_room","roomId":"{room}"}}"#)
    }

    fn asked(authorizer: Authorizer) -> ConnectionPermissions {
        ConnectionPermissions::new(authorizer, Name::from("ada"), 4)
    }

    async fn clear(asked: &ConnectionPermissions, frames: &[&str]) -> usize {
        std::future::poll_fn(|cx| match asked.cleared(&frames.iter().copied(), cx) {
            0 => Poll::Pending,
            count => Poll::Ready(count),
        })
        .await
    }

    #[test]
    fn a_frame_needs_what_its_answer_depends_on_and_one_without_a_room_nothing() {
        let rights = |text: &str| needs(text).into_iter().map(|(right, _)| right).collect::<Vec<_>>();
        assert_eq!(rights(&join("a")), [Right::Join, Right::History, Right::Presence]);
        let send = r#"{"type":"send_message","roomId":"a","content":"x"}"#;
        assert_eq!(rights(send), [Right::Send]);
        for nothing in
            [&join("@me"), &join("@ada"), &join(""), r#"{"type":"leave_room","roomId":"a"}"#, "{", "7"]
        {
            assert_eq!(rights(nothing), [], "{nothing}");
        }
    }

    #[tokio::test]
    async fn frames_that_need_the_same_are_asked_about_once_and_pass_together_even_if_answers_do_not_last() {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let authorizer = Authorizer::new(move |_, _, _| {
            counted.fetch_add(1, Ordering::Relaxed);
            std::future::ready(Ok::<_, String>(true))
        });
        let asked = asked(authorizer.with_ttl(Duration::ZERO));
        let (one, two) = (join("a"), join("b"));
        let frames = [&*one, &*two, &*one];
        assert_eq!(clear(&asked, &frames).await, 3);
        assert_eq!(count.load(Ordering::Relaxed), 6);
        asked.handed_over(2);
        assert_eq!(clear(&asked, &frames[2..]).await, 1);
        assert_eq!(count.load(Ordering::Relaxed), 6, "it was asked about with the others");
        asked.handed_over(1);
        assert_eq!(clear(&asked, &frames[2..]).await, 1);
        assert_eq!(count.load(Ordering::Relaxed), 9);
    }

    #[tokio::test]
    async fn what_needs_no_answer_does_not_wait_for_what_does() {
        let asked = asked(Authorizer::new(|_, _, _| std::future::pending::<Result<bool, String>>()));
        let (free, held) = (r#"{"type":"leave_room","roomId":"a"}"#, join("a"));
        assert_eq!(clear(&asked, &[free, &held]).await, 1);
        asked.handed_over(1);
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert_eq!(asked.cleared(&[&*held], &mut context), 0);
        assert!(asked.is_pending());
    }

    #[tokio::test(start_paused = true)]
    async fn no_answer_within_the_deadline_is_not_now() {
        let asked = asked(Authorizer::new(|_, _, _| std::future::pending::<Result<bool, String>>()));
        assert_eq!(clear(&asked, &[&join("a")]).await, 1);
        assert_eq!(asked.answers.permission(Right::Join, "a"), Permission::Unknown);
    }

    #[test]
    fn answers_are_bounded_and_those_of_rooms_that_one_may_be_in_are_kept() {
        let answers = AnswerCache { rooms: Mutex::default(), most: 3 };
        let room = |number: usize| Name::from(format!("r{number}"));
        answers.keep(Right::Join, room(0), Permission::Granted, LASTS);
        for number in 1..10 {
            answers.keep(Right::Join, room(number), Permission::Denied, LASTS);
        }
        assert_eq!(lock(&answers.rooms).len(), 3);
        assert_eq!(answers.permission(Right::Join, "r0"), Permission::Granted);
        assert_eq!(answers.permission(Right::Join, "r9"), Permission::Denied);
        assert_eq!(answers.permission(Right::Join, "r1"), Permission::Unknown);
    }
}
